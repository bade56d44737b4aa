import { type Cache as AsyncCache, Loader as LayeredLoader } from 'layered-loader'
import { type BrokenStore, type Find, fulfilled, type Loader, type Peer } from './peer.ts'

interface Load {
  key: string
  loader: Loader
}

const HOUR_MS = 3_600_000

/** layered-loader: a loader takes its load's own function along; bulk values carry their key as `id`, as its README asks. */
export const peer: Peer = {
  features: ['store', 'maxEntries', 'bulkLoader'],
  open({ maxEntries, store }) {
    const loader = new LayeredLoader<unknown, Load, Find>({
      inMemoryCache: { ttlInMsecs: HOUR_MS, ...(maxEntries === undefined ? {} : { maxItems: maxEntries }) },
      ...(store === undefined ? {} : { asyncCache: brokenCache(store) }),
      cacheKeyFromLoadParamsResolver: ({ key }) => key,
      cacheKeyFromValueResolver: (value) => (value as { id: string }).id,
      dataSourceGetOneFn: async (load) => load.loader(),
      dataSourceGetManyFn: async (keys, find) => [...(find?.(keys).values() ?? [])],
      logger: { error: () => {} },
    })
    return {
      getOrLoad: (key, load) => loader.get({ key, loader: load }),
      delete: (key) => loader.invalidateCacheFor(key),
      getMany: async (keys, find) => fulfilled(await loader.getMany([...keys], find)),
    }
  },
}

function brokenCache({ operation }: BrokenStore): AsyncCache<unknown> {
  return {
    expirationTimeLoadingOperation: new LayeredLoader<number>({}),
    get: operation,
    getMany: operation,
    getExpirationTime: operation,
    set: operation,
    setMany: operation,
    delete: operation,
    deleteMany: operation,
    clear: operation,
    close: operation,
  }
}
