/** SQLite as the runtime has it, or `better-sqlite3`, behind one face. Nothing is loaded before it is needed. */

import { SqliteError } from './errors.js'

/** What is bound to a statement, and what a row has. */
export type Bindable = string | number | null | Uint8Array
export type Row = Readonly<Record<string, Bindable>>

export interface Statement {
  get(...values: readonly Bindable[]): Row | null | undefined
  all(...values: readonly Bindable[]): readonly Row[]
  run(...values: readonly Bindable[]): unknown
}

export interface Connection {
  exec(sql: string): unknown
  prepare(sql: string): Statement
  close(): void
}

export type DriverName = 'node:sqlite' | 'bun:sqlite' | 'better-sqlite3'

/** Opens a file that is there. */
export type Driver = (file: string) => Connection

/** In the order in which they are tried: the runtime's own first. */
export const DRIVERS: readonly DriverName[] = ['node:sqlite', 'bun:sqlite', 'better-sqlite3']

type Class<Options> = new (file: string, options?: Options) => Connection

interface Loaded {
  readonly DatabaseSync?: Class<never>
  readonly Database?: Class<{ readwrite: true }>
  readonly default?: Class<{ fileMustExist: true }>
}

const drivers = new Map<DriverName | undefined, Promise<Driver>>()

/** The driver of this name, or else the first there is. */
export function loadDriver(name: DriverName | undefined): Promise<Driver> {
  const driver = drivers.get(name) ?? load(name === undefined ? DRIVERS : [name])
  drivers.set(name, driver)
  return driver
}

async function load(names: readonly DriverName[]): Promise<Driver> {
  const reasons: unknown[] = []
  for (const name of names) {
    try {
      return driverOf(await import_(name))
    } catch (error) {
      reasons.push(error)
    }
  }
  throw new SqliteError(
    'ERR_NO_SQLITE',
    `there is no SQLite: expected ${names.join(', ')}; use Node 22.13 or later, or Bun, or npm install better-sqlite3`,
    new AggregateError(reasons),
  )
}

/** By a name that bundlers do not see: they would ask for what the runtime at hand need not have. */
function import_(name: DriverName): Promise<Loaded> {
  return import(name)
}

function driverOf({ DatabaseSync, Database, default: Better }: Loaded): Driver {
  if (DatabaseSync !== undefined) return (file) => new DatabaseSync(file)
  if (Database !== undefined) return (file) => new Database(file, { readwrite: true })
  if (Better === undefined)
    throw new TypeError('the module has no class of databases')
    // An addon that was not compiled says so only when the first database is made.
  ;new (Better as unknown as new (file: string) => Connection)(':memory:').close()
  return (file) => new Better(file, { fileMustExist: true })
}

/** What SQLite said no to, as far as that makes a difference. */
export type Refusal = 'busy' | 'corrupt' | 'readonly' | 'io'

/**
 * By name and by number: better-sqlite3 and bun:sqlite tell the one, node:sqlite the other, in its low byte. Statements that are right go wrong, and
 * constraints are violated that none of them can violate, only where tables are not as they were made.
 */
const REFUSALS: readonly (readonly [Refusal, names: RegExp, numbers: readonly number[]])[] = [
  ['busy', /^SQLITE_(BUSY|LOCKED|PROTOCOL)/, [5, 6, 15]],
  ['corrupt', /^SQLITE_(CORRUPT|NOTADB|ERROR|CONSTRAINT)/, [11, 26, 1, 19]],
  ['readonly', /^SQLITE_READONLY/, [8]],
  ['io', /^SQLITE_(IOERR|CANTOPEN)/, [10, 14]],
]

export function refusalOf(error: unknown): Refusal | undefined {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: number }
  const [refusal] =
    REFUSALS.find(([, names, numbers]) => names.test(String(code)) || numbers.includes(Number(errcode) & 0xff)) ?? []
  return refusal
}
