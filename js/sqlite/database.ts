/**
 * The database: its file and its schema, opened as they must be. Version 1 of the schema:
 *
 *     entries   id, key, bytes                      what is kept
 *     times     id, used_at, expires_at, size       of each entry: small, so that noting a use rewrites few pages
 *
 * A key is text where it is well-formed, else the bytes of its UTF-16 units: SQLite never takes the one for the other.
 */

import { renameSync, rmSync } from 'node:fs'
import type { Bindable, Connection, Driver, Statement } from './drivers.js'
import { SqliteError } from './errors.js'
import { identityOf } from './location.js'

/** `PRAGMA application_id`: "slce". */
const APPLICATION_ID = 0x736c6365
const VERSION = 1

const SCHEMA = `
  CREATE TABLE entries (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL);
  CREATE TABLE times (id INTEGER PRIMARY KEY, used_at INTEGER NOT NULL, expires_at INTEGER, size INTEGER NOT NULL);
  CREATE INDEX times_used ON times (used_at);
  CREATE INDEX times_expires ON times (expires_at);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${VERSION};`

/**
 * The log is not synced with every commit: power that fails may cost the last entries, and never the database. Nothing is mapped to memory, as a
 * file that shrinks would kill the process.
 */
const SETTINGS = `
  PRAGMA synchronous = NORMAL;
  PRAGMA mmap_size = 0;
  PRAGMA temp_store = MEMORY;
  PRAGMA trusted_schema = OFF;
  PRAGMA cell_size_check = ON;
  PRAGMA journal_size_limit = 4194304;`

/** The longest that SQLite itself waits for a lock, as nothing else runs meanwhile. Beyond it, the store waits without blocking. */
const BLOCKING_MS_MAX = 20
/** SQLite's own limit. */
const PAGES_MAX = 2 ** 32 - 2

const STATEMENTS = {
  find: 'SELECT id, bytes FROM entries WHERE key = ?',
  put: 'INSERT INTO entries (key, bytes) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes RETURNING id',
  putTimes: 'REPLACE INTO times (id, used_at, expires_at, size) VALUES (?, ?, ?, ?)',
  remove: 'DELETE FROM entries WHERE key = ? RETURNING id',
  removeAt: 'DELETE FROM entries WHERE id = ?',
  removeTimes: 'DELETE FROM times WHERE id = ?',
  removeAll: 'DELETE FROM entries',
  removeAllTimes: 'DELETE FROM times',
  touch: 'UPDATE times SET used_at = ? WHERE id = ?',
  expired: 'SELECT id FROM times WHERE expires_at <= ? ORDER BY expires_at LIMIT ?',
  leastUsed: 'SELECT id, size FROM times ORDER BY used_at LIMIT ?',
  oldest: 'SELECT id FROM entries ORDER BY id LIMIT ?',
  keysAfter: 'SELECT id, typeof(key) AS type, CAST(key AS BLOB) AS key FROM entries WHERE id > ? ORDER BY id LIMIT ?',
  pages: 'SELECT page_count AS pages, freelist_count AS free FROM pragma_page_count, pragma_freelist_count',
} as const

type Statements = Readonly<Record<keyof typeof STATEMENTS, Statement>>

/** Refused by us in SQLite's terms, as who deals with the one deals with the other. */
class Refused extends Error {
  readonly code: 'SQLITE_BUSY' | 'SQLITE_CORRUPT'

  constructor(code: 'SQLITE_BUSY' | 'SQLITE_CORRUPT') {
    super(code)
    this.code = code
  }
}

export class Database {
  readonly statements: Statements
  readonly #pageSize: number
  readonly #connection: Connection
  readonly #file: string
  /** Which file it is. */
  readonly identity: string

  /** Opens `file`, which is there; at most `maxBytes` long. */
  constructor(driver: Driver, file: string, maxBytes: number) {
    const identity = identityOf(file)
    const connection = driver(file)
    try {
      connection.exec(`PRAGMA busy_timeout = ${BLOCKING_MS_MAX}`)
      prepareSchema(connection, file)
      connection.exec(SETTINGS)
      this.#pageSize = numberOf(connection, 'PRAGMA page_size')
      connection.exec(`PRAGMA max_page_count = ${Math.min(PAGES_MAX, Math.floor(maxBytes / this.#pageSize))}`)
      this.statements = prepareAll(connection)
      // Between the look at the file and its opening, another process may have moved it away.
      if (identity === undefined || identityOf(file) !== identity) throw new Refused('SQLITE_BUSY')
    } catch (error) {
      connection.close()
      throw error
    }
    this.#connection = connection
    this.#file = file
    this.identity = identity
  }

  /** Whether this is still what is at its path: it may have been deleted, or moved aside. */
  get isCurrent(): boolean {
    return identityOf(this.#file) === this.identity
  }

  /** Does `work` in one transaction: all of it, or nothing. */
  transact<T>(kind: 'read' | 'write', work: (statements: Statements) => T): T {
    this.exec(kind === 'read' ? 'BEGIN' : 'BEGIN IMMEDIATE')
    try {
      const result = work(this.statements)
      this.exec('COMMIT')
      return result
    } catch (error) {
      try {
        this.exec('ROLLBACK')
      } catch {
        // SQLite has rolled back by itself, as it does when the disk fails.
      }
      throw error
    }
  }

  /** Bytes of the file's pages, and of those that are free. */
  get size(): { readonly bytes: number; readonly free: number } {
    const { pages, free } = this.statements.pages.get() ?? {}
    return { bytes: Number(pages) * this.#pageSize, free: Number(free) * this.#pageSize }
  }

  exec(sql: string): void {
    this.#connection.exec(sql)
  }

  close(): void {
    try {
      this.#connection.close()
    } catch {
      // What cannot be closed is left to the runtime.
    }
  }
}

/** What SQLite is given for a key. */
export function toColumn(key: string): Bindable {
  return isWellFormed(key) ? key : Buffer.from(key, 'utf16le')
}

export function fromColumn(type: Bindable, bytes: Uint8Array): string {
  return Buffer.from(bytes).toString(type === 'text' ? 'utf8' : 'utf16le')
}

/**
 * Moves `file` and its log to `.corrupt`, in place of what was moved there before, if `identity` is still what is there: another process may have been
 * faster. Who has it open, or opens it in the midst of this, sees that it was moved.
 */
export function moveAside(file: string, identity: string): void {
  if (identityOf(file) !== identity) return
  for (const suffix of ['', '-wal']) rmSync(`${file}.corrupt${suffix}`, { force: true })
  rmSync(`${file}-shm`, { force: true })
  // The file last: while it is there, nobody begins a new one, which would find the log of the old one.
  for (const suffix of ['-wal', '']) renameIfThere(`${file}${suffix}`, `${file}.corrupt${suffix}`)
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error
  }
}

/** Leaves our schema in the database, or throws if it has another one. Writes nothing to what is not ours. */
function prepareSchema(connection: Connection, file: string): void {
  if (isEmpty(connection, file)) {
    // Pages that are free can be given back; to be said before the first table.
    connection.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; BEGIN IMMEDIATE')
    try {
      // Another process may have been faster.
      if (isEmpty(connection, file)) connection.exec(SCHEMA)
      connection.exec('COMMIT')
    } catch (error) {
      connection.exec('ROLLBACK')
      throw error
    }
  } else connection.exec('PRAGMA journal_mode = WAL')
}

function isEmpty(connection: Connection, file: string): boolean {
  const application = numberOf(connection, 'PRAGMA application_id')
  const version = numberOf(connection, 'PRAGMA user_version')
  if (application === APPLICATION_ID) {
    if (version === VERSION) return false
    if (version < VERSION) throw new Refused('SQLITE_CORRUPT')
    throw new SqliteError(
      'ERR_FOREIGN_DATABASE',
      `${file} is of a newer version of sluice (schema ${version}, expected ${VERSION}) and is left alone: use another path`,
    )
  }
  const isNew = application === 0 && version === 0 && numberOf(connection, 'SELECT count(*) FROM sqlite_master') === 0
  if (isNew) return true
  throw new SqliteError('ERR_FOREIGN_DATABASE', `${file} is a database of something else and is left alone: use another path`)
}

function numberOf(connection: Connection, sql: string): number {
  const [value] = Object.values(connection.prepare(sql).get() ?? {})
  return Number(value)
}

function prepareAll(connection: Connection): Statements {
  const entries = Object.entries(STATEMENTS).map(([name, sql]) => [name, connection.prepare(sql)] as const)
  return Object.fromEntries(entries) as Record<keyof typeof STATEMENTS, Statement>
}

function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed()
}
