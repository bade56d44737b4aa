import { createCache } from 'async-cache-dedupe'
import type { BrokenStore, Loader, Peer } from './peer.ts'

interface Arguments {
  key: string
  loader: Loader
}

const HOUR_S = 3_600

/** async-cache-dedupe: one defined function per TTL, since a TTL belongs to the function here, and counts in seconds. */
export const peer: Peer = {
  features: ['ttl', 'store', 'maxEntries'],
  open({ maxEntries, store }) {
    const memory = { type: 'memory', options: maxEntries === undefined ? {} : { size: maxEntries } } as const
    const cache = createCache({
      storage: store === undefined ? memory : { type: 'custom', options: { storage: brokenStorage(store) } },
      onError: () => {},
    })
    const functions = new Map<string, (args: Arguments) => Promise<unknown>>()
    function functionOf(ttl: number): (args: Arguments) => Promise<unknown> {
      const name = `load ${ttl}`
      const known = functions.get(name)
      if (known !== undefined) return known
      const seconds = ttl > 0 ? Math.ceil(ttl / 1_000) : ttl
      const options = { ttl: seconds, serialize: ({ key }: Arguments) => key }
      const defined = cache.define(name, options, async ({ loader }: Arguments) => loader())[name]
      if (defined === undefined) throw new Error('not defined')
      functions.set(name, defined)
      return defined
    }
    return {
      getOrLoad: async (key, loader, { ttl = HOUR_S * 1_000 } = {}) => functionOf(ttl)({ key, loader }),
      delete: (key) => Promise.all([...functions.keys()].map((name) => cache.clear(name, { key }))),
    }
  },
}

function brokenStorage({ operation }: BrokenStore) {
  return {
    get: operation,
    set: operation,
    remove: operation,
    invalidate: operation,
    clear: operation,
    refresh: operation,
    getTTL: operation,
    exists: operation,
  }
}
