import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BentoCache, bentostore } from 'bentocache'
import { fileDriver } from 'bentocache/drivers/file'
import { memoryDriver } from 'bentocache/drivers/memory'
import type { CreateDriverResult, L2CacheDriver } from 'bentocache/types'
import type { BrokenStore, Peer } from './peer.ts'

/** BentoCache: `getOrSet` over its memory driver, or over its file driver alone where entries are to be durable. */
export const peer: Peer = {
  features: ['ttl', 'store', 'maxEntries'],
  open({ maxEntries, store, durable = false }) {
    const directory = durable ? mkdtempSync(join(tmpdir(), 'battery-')) : undefined
    const memory = () => bentostore().useL1Layer(memoryDriver(maxEntries === undefined ? {} : { maxItems: maxEntries }))
    const layers =
      directory !== undefined
        ? bentostore().useL2Layer(fileDriver({ directory, pruneInterval: false }))
        : store !== undefined
          ? memory().useL2Layer(brokenDriver(store))
          : memory()
    const cache = new BentoCache({ default: 'main', stores: { main: layers } })
    return {
      getOrLoad: (key, loader, { ttl } = {}) =>
        cache.getOrSet({ key, factory: async () => loader(), ...(ttl === undefined ? {} : { ttl }) }),
      delete: (key) => cache.delete({ key }),
      async close() {
        await cache.disconnectAll()
        if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
      },
    }
  },
}

function brokenDriver({ operation }: BrokenStore): CreateDriverResult<L2CacheDriver> {
  const driver: L2CacheDriver = {
    type: 'l2',
    namespace: () => driver,
    get: operation,
    pull: operation,
    set: operation,
    delete: operation,
    deleteMany: operation,
    clear: operation,
    disconnect: async () => {},
  }
  return { options: {}, factory: () => driver }
}
