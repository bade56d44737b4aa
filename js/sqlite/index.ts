/** `sluice/sqlite`: a tier on disk, which the next process finds as this one left it. */

import { type ByteTier, byteTier } from '../bytes/index.js'
import type { Tier, TierEntry } from '../types.js'
import { isSwitchedOff } from './location.js'
import { resolveOptions, type SqliteStorageOptions } from './options.js'
import { SqliteStore } from './store.js'

export type { DriverName } from './drivers.js'
export { SqliteError, type SqliteErrorCode } from './errors.js'
export type { SqliteStorageOptions } from './options.js'

/** A tier in a SQLite database. */
export interface SqliteStorage extends Tier {
  /** The file, or `undefined` where `SLUICE_NO_CACHE` is set: then nothing is kept. */
  readonly path: string | undefined
  /** Opens the database now, and rejects if that fails, for whoever wants to know; the first use does so by itself, and takes failures for misses. */
  open(): Promise<void>
  mset(entries: readonly (TierEntry & { key: string })[]): Promise<void>
  mdelete(keys: readonly string[]): Promise<void>
  clear(): Promise<void>
  keys(): AsyncIterable<string>
  close(): Promise<void>
}

/**
 * A tier in a SQLite database that other processes may use at the same time: on `node:sqlite`, `bun:sqlite`, or `better-sqlite3`. Nothing is
 * loaded or opened before its first use.
 */
export function sqliteStorage(options: SqliteStorageOptions = {}): SqliteStorage {
  const { file, ttl, tier: tierOptions, ...rest } = resolveOptions(options as Readonly<Record<string, unknown>>)
  if (isSwitchedOff(process.env)) return emptyStorage(tierOptions.name as string)
  const store = new SqliteStore({ file, ...rest })
  const tier = byteTier(store, tierOptions)
  return {
    ...(tier as ByteTier & SqliteStorage),
    path: file,
    open: () => store.open(),
    async mset(entries) {
      const latest = Date.now() + ttl
      await tier.mset(entries.map((entry) => ({ ...entry, expiresAt: Math.min(entry.expiresAt ?? latest, latest) })))
    },
  }
}

/** Keeps nothing. */
function emptyStorage(name: string): SqliteStorage {
  return {
    name,
    path: undefined,
    async open() {},
    mget: (keys) => keys.map(() => undefined),
    async mset() {},
    async mdelete() {},
    async clear() {},
    async *keys() {},
    async close() {},
  }
}
