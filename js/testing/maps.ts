/** A plain Map as a tier, and as a store of bytes. */

import type { ByteEntry, ByteStore } from '../bytes/store.js'
import type { Tier, TierEntry } from '../types.js'

export interface MapTier extends Tier {
  /** What it has, to be looked at and changed. */
  readonly map: Map<string, TierEntry>
  mget(keys: readonly string[]): (TierEntry | undefined)[]
  mset(entries: readonly (TierEntry & { key: string })[]): void
  mdelete(keys: readonly string[]): void
  clear(): void
  keys(): Iterable<string>
}

export interface MapStore extends ByteStore {
  /** What it has, to be looked at and changed. */
  readonly map: Map<string, Uint8Array>
  mget(keys: readonly string[]): (Uint8Array | undefined)[]
  mset(entries: readonly ByteEntry[]): void
  mdelete(keys: readonly string[]): void
  clear(): void
  keys(): Iterable<string>
}

/** A tier that keeps its entries, and their values as they are, in a Map. */
export function mapTier(name = 'map', map: Map<string, TierEntry> = new Map()): MapTier {
  return { name, ...over(map), mset: (entries) => entries.forEach(({ key, ...entry }) => void map.set(key, entry)) }
}

/** A store that keeps copies of its bytes in a Map; `byteTier` makes a tier of it. */
export function mapStore(name = 'map', map: Map<string, Uint8Array> = new Map()): MapStore {
  return { name, ...over(map), mset: (entries) => entries.forEach(({ key, bytes }) => void map.set(key, bytes.slice())) }
}

function over<Kept>(map: Map<string, Kept>) {
  return {
    map,
    mget: (keys: readonly string[]) => keys.map((key) => map.get(key)),
    mdelete: (keys: readonly string[]) => keys.forEach((key) => void map.delete(key)),
    clear: () => map.clear(),
    keys: () => [...map.keys()],
  }
}
