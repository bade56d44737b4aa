import { createCache } from 'cache-manager'
import { keyvStore } from './keyv-store.ts'
import { fulfilled, type Peer } from './peer.ts'

/** cache-manager: `wrap` and `mget`. */
export const peer: Peer = {
  features: ['ttl', 'store'],
  open({ store }) {
    const cache = createCache(store === undefined ? {} : { stores: [keyvStore(store)] })
    return {
      getOrLoad: (key, loader, { ttl } = {}) => cache.wrap(key, async () => loader(), ttl),
      delete: (key) => cache.del(key),
      async getMany(keys, find) {
        for (const [key, value] of find(keys)) await cache.set(key, value)
        return fulfilled(await cache.mget([...keys]))
      },
    }
  },
}
