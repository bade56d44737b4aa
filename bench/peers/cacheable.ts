import { Cacheable, createKeyv } from 'cacheable'
import { keyvStore } from './keyv-store.ts'
import { fulfilled, type Peer } from './peer.ts'

/** cacheable: `getOrSet`, `getMany`, and `wrap`, which makes keys by hashing. */
export const peer: Peer = {
  features: ['ttl', 'store', 'maxEntries'],
  open({ maxEntries, store }) {
    const cache = new Cacheable({
      ...(maxEntries === undefined ? {} : { primary: createKeyv({ lruSize: maxEntries }) }),
      ...(store === undefined ? {} : { secondary: keyvStore(store) }),
    })
    // Without a listener, an EventEmitter throws what it is told to report.
    cache.on('error', () => {})
    return {
      getOrLoad: (key, loader, { ttl } = {}) => cache.getOrSet(key, async () => loader(), ttl === undefined ? {} : { ttl }),
      delete: (key) => cache.delete(key),
      async getMany(keys, find) {
        for (const [key, value] of find(keys)) await cache.set(key, value)
        return fulfilled(await cache.getMany([...keys]))
      },
      memoize(fetch) {
        const wrapped = cache.wrap(fetch, {}) as typeof fetch
        return (key) => wrapped(key)
      },
    }
  },
}
