import { LRUCache } from 'lru-cache'
import type { Loader, Peer } from './peer.ts'

/** lru-cache: `fetch`, its loader handed through the fetch's context. */
export const peer: Peer = {
  features: ['ttl', 'signal', 'maxEntries'],
  open({ maxEntries = 100 }) {
    const cache = new LRUCache<string, NonNullable<unknown>, Loader>({
      max: maxEntries,
      fetchMethod: async (_key, _stale, { signal, context }) => (await context(signal)) as NonNullable<unknown>,
    })
    return {
      getOrLoad: (key, loader, options = {}) => cache.fetch(key, { context: loader, ...options }),
      delete: async (key) => cache.delete(key),
    }
  },
}
