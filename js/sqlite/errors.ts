/** Why there is no database. A tier's failures reach no reader: these are for `open()`, and for whoever looks at a tier's errors. */

export type SqliteErrorCode = 'ERR_NO_SQLITE' | 'ERR_UNSAFE_PATH' | 'ERR_FOREIGN_DATABASE'

/** The database cannot be opened, and trying again will not help before something is changed. */
export class SqliteError extends Error {
  declare readonly code: SqliteErrorCode
  declare readonly family: 'internal'
  declare readonly cause?: unknown

  constructor(code: SqliteErrorCode, message: string, cause?: unknown) {
    super(message, { cause })
    // What makes it one of sluice's own, to every copy of the package.
    Object.defineProperty(this, Symbol.for('sluice.error'), { value: true })
    Object.defineProperty(this, 'name', { value: 'SqliteError', configurable: true, writable: true })
    this.code = code
    this.family = 'internal'
  }
}
