/** The options of `sqliteStorage`, checked once and resolved. */

import { join, resolve } from 'node:path'
import type { ByteTierOptions } from '../bytes/index.js'
import { type Check, isObject, oneOf, typed, verify } from '../options/checks.js'
import { suggest } from '../options/suggest.js'
import { DRIVERS, type DriverName } from './drivers.js'
import { directoryOfThisUser } from './location.js'

export interface SqliteStorageOptions extends Omit<ByteTierOptions, 'clock' | 'maxValueBytes'> {
  /** The file. Not together with `directory`. */
  path?: string | undefined
  /**
   * The directory of the file, which is called by `name`. Default: `SLUICE_CACHE_DIR`, else `sluice` where the platform keeps caches
   * (`$XDG_CACHE_HOME` or `~/.cache`; `~/Library/Caches`; `%LOCALAPPDATA%`).
   */
  directory?: string | undefined
  /**
   * What the cache is called: in outcomes and metrics, and its file in the directory. Applications that use the same directory need names of
   * their own, or they share what they keep. Default `'sqlite'`.
   */
  name?: string | undefined
  /** The most that the file may have. Default 1 GiB. */
  maxBytes?: number | undefined
  /** The part of `maxBytes` in use at which the least recently used entries leave for new ones. Default 0.85. */
  cleanUpAt?: number | undefined
  /** The longest that an entry is kept, in milliseconds; what would expire sooner does. Default 24 hours. */
  ttl?: number | undefined
  /** How long an operation waits for the locks of other processes, in milliseconds, before it fails. It does not block meanwhile. Default 5,000. */
  busyTimeoutMs?: number | undefined
  /** Default: the first there is, the runtime's own before `better-sqlite3`. */
  driver?: DriverName | undefined
}

export interface ResolvedOptions {
  readonly file: string
  readonly maxBytes: number
  readonly cleanUpAt: number
  readonly ttl: number
  readonly busyTimeoutMs: number
  readonly driver: DriverName | undefined
  readonly tier: ByteTierOptions
}

const MAX_BYTES_MIN = 2 ** 20

const aPath = typed('a path', (value) => typeof value === 'string' && value !== '' && !value.includes('\0'))
const aFileName = typed('a name of at most 100 letters, digits, and . - _ within', (value) => {
  return typeof value === 'string' && /^\w[\w.-]{0,99}$/.test(value)
})
const aNumber = (expected: string, isRight: (value: number) => boolean): Check => {
  return (value) => {
    const isNumber = typeof value === 'number'
    return isNumber && isRight(value) ? undefined : { expected, outOfRange: isNumber }
  }
}

const CHECKS: Readonly<Record<Exclude<keyof SqliteStorageOptions, keyof ByteTierOptions> | 'name', Check>> = {
  path: aPath,
  directory: aPath,
  name: aFileName,
  maxBytes: aNumber('bytes of at least 1,048,576, or Infinity', (value) => value >= MAX_BYTES_MIN),
  cleanUpAt: aNumber('a number from 0.1 to 0.95', (value) => value >= 0.1 && value <= 0.95),
  ttl: aNumber('milliseconds greater than 0, or Infinity', (value) => value > 0),
  busyTimeoutMs: aNumber('milliseconds of at least 0, or Infinity', (value) => value >= 0),
  driver: oneOf(...DRIVERS),
}
/** Of the tier, which checks them itself. */
const OF_TIER = ['codec', 'generation', 'compress', 'compressAbove']

export function resolveOptions(input: Readonly<Record<string, unknown>>): ResolvedOptions {
  const where = 'sqliteStorage(options)'
  verify(where, input, typed('an object', isObject))
  const names = [...Object.keys(CHECKS), ...OF_TIER]
  for (const name of Object.keys(input)) {
    const isKnown = typed(`no option '${name}'${suggest(name, names)}`, () => names.includes(name))
    verify(where, input[name], isKnown, 'ERR_UNKNOWN_OPTION')
  }
  for (const [name, check] of Object.entries(CHECKS)) {
    if (input[name] !== undefined) verify(`sqliteStorage.${name}`, input[name], check)
  }
  const {
    path,
    directory,
    name = 'sqlite',
    maxBytes = 2 ** 30,
    cleanUpAt = 0.85,
    ttl = 86_400_000,
    ...rest
  } = input as SqliteStorageOptions
  verify(
    'sqliteStorage.directory',
    directory,
    typed('no directory beside a path', () => path === undefined || directory === undefined),
  )
  const { busyTimeoutMs = 5000, driver, ...tier } = rest
  // Once: the process may change its directory.
  const file = resolve(path ?? join(directory ?? directoryOfThisUser(), `${name}.db`))
  return { file, maxBytes, cleanUpAt, ttl, busyTimeoutMs, driver, tier: { ...tier, name } }
}
