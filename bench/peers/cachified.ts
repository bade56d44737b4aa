import { type CacheEntry, type CachifiedOptions, cachified, createBatch } from '@epic-web/cachified'
import { LRUCache } from 'lru-cache'
import { type Peer, settleAll } from './peer.ts'

/** cachified: over a `Map`, or over lru-cache where entries are limited, as its README does. */
export const peer: Peer = {
  features: ['ttl', 'store', 'maxEntries', 'bulkLoader'],
  open({ maxEntries, store }) {
    const cache: CachifiedOptions<unknown>['cache'] =
      store !== undefined
        ? { get: store.operation, set: store.operation, delete: store.operation }
        : maxEntries !== undefined
          ? new LRUCache<string, CacheEntry>({ max: maxEntries })
          : new Map<string, CacheEntry>()
    return {
      getOrLoad: (key, loader, { ttl } = {}) =>
        cachified({ cache, key, getFreshValue: () => loader(), ...(ttl === undefined ? {} : { ttl }) }),
      delete: async (key) => cache.delete(key),
      getMany(keys, find) {
        const batch = createBatch((missing: string[]) => {
          const found = find(missing)
          return missing.map((key) => found.get(key))
        })
        return settleAll(keys.map((key) => cachified({ cache, key, getFreshValue: batch.add(key) })))
      },
    }
  },
}
