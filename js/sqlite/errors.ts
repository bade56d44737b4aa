/** Why there is no database. A tier's failures reach no reader: these are for `open()`, and for whoever looks at a tier's errors. */

import { brand } from '../brand.js'

export type SqliteErrorCode = 'ERR_NO_SQLITE' | 'ERR_UNSAFE_PATH' | 'ERR_FOREIGN_DATABASE'

/** The database cannot be opened, and trying again will not help before something is changed. */
export class SqliteError extends Error {
  declare readonly code: SqliteErrorCode
  declare readonly family: 'internal'
  declare readonly cause?: unknown

  constructor(code: SqliteErrorCode, message: string, cause?: unknown) {
    super(message)
    brand(this, 'SqliteError', code, 'internal', { cause })
  }
}
