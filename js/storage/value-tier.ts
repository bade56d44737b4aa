/** Makes a tier of an application's own storage of plain values. */

import { aKey, misuse, oneOf, verify } from '../options/checks.js'
import { isStorage } from '../options/storage.js'
import type { Tier, TierEntry, ValueStorage } from '../types.js'

export interface ValueTierOptions {
  /** Shown as an outcome's `source`. Default `'storage'`. */
  name?: string
  /** The unit of the TTL that the storage's `set` and `mset` take. Default `'ms'`. */
  ttlUnit?: 'ms' | 's'
}

type WriteEntry = TierEntry & { key: string }

/**
 * A tier over `storage`, which has `mget` or `get`, `mset` or `set`, `mdelete` or `delete`, with or without promises. Its `mget` may answer an
 * array in the order of the keys or a Map; `undefined` is a miss. So is `null`, as many storages answer that for what they do not have, unless the
 * storage, or the Map, says that it has the key.
 */
export function valueTier(storage: ValueStorage, { name = 'storage', ttlUnit = 'ms' }: ValueTierOptions = {}): Tier {
  if (!isStorage(storage)) {
    const expected = 'a storage with mget or get, mset or set, mdelete or delete'
    throw misuse('valueTier(storage)', { expected, outOfRange: false }, storage, 'ERR_INVALID_OPTION')
  }
  verify('valueTier.name', name, aKey)
  verify('valueTier.ttlUnit', ttlUnit, oneOf('ms', 's'))
  return tierOf(storage, { name, ttlUnit }, () => Date.now())
}

/** The tier of a storage that is right, in the time that `wallNow` tells. */
export function tierOf(storage: ValueStorage, { name, ttlUnit }: Required<ValueTierOptions>, wallNow: () => number): Tier {
  const unitMs = ttlUnit === 's' ? 1000 : 1
  /** What is left of the entry's life, in the storage's unit and never rounded up to more; beyond safe integers, protocols refuse it. */
  const ttlOf = ({ expiresAt }: TierEntry): number | undefined =>
    expiresAt === undefined
      ? undefined
      : Math.min(Math.max(0, Math.floor((expiresAt - wallNow()) / unitMs)), Number.MAX_SAFE_INTEGER)
  const tier: Tier = {
    name,
    async mget(keys) {
      const found = storage.mget ? await storage.mget(keys) : await Promise.all(keys.map((key) => storage.get?.(key)))
      const valueAt = found instanceof Map ? (index: number) => found.get(keys[index]) : elementOf(found, keys.length)
      const holder = found instanceof Map ? found : storage
      return Promise.all(
        keys.map(async (key, index) => {
          const value = valueAt(index)
          return value === undefined || (value === null && (await holder.has?.(key)) !== true) ? undefined : { value }
        }),
      )
    },
    async mset(entries) {
      // In seconds, what lives less than one would live for ever or not at all, by storage: it is not stored, and what is there is older.
      const all = entries.map((entry) => ({ entry, ttl: ttlOf(entry) }))
      const lasting = all.filter(({ ttl }) => ttl !== 0)
      if (lasting.length < all.length) await tier.mdelete(all.filter(({ ttl }) => ttl === 0).map(({ entry }) => entry.key))
      if (lasting.length === 0) return
      if (storage.mset) await storage.mset(lasting.map(({ entry, ttl }) => withTtl(entry, ttl)))
      else await Promise.all(lasting.map(({ entry, ttl }) => storage.set?.(entry.key, entry.value, ttl)))
    },
    async mdelete(keys) {
      if (storage.mdelete) await storage.mdelete(keys)
      else await Promise.all(keys.map((key) => storage.delete?.(key)))
    },
  }
  if (storage.clear) tier.clear = async () => void (await storage.clear?.())
  if (storage.close) tier.close = async () => void (await storage.close?.())
  return tier
}

function withTtl({ key, value }: WriteEntry, ttl: number | undefined): { key: string; value: unknown; ttl?: number } {
  return ttl === undefined ? { key, value } : { key, value, ttl }
}

function elementOf(found: unknown, length: number): (index: number) => unknown {
  if (!Array.isArray(found) || found.length !== length) throw new TypeError("mget did not answer an array of its keys' length")
  return (index) => found[index]
}
