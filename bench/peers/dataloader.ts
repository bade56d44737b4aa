import DataLoader from 'dataloader'
import { type Find, type Loader, type Peer, settleAll } from './peer.ts'

interface Load {
  key: string
  loader: Loader
}

/** DataLoader: a batch function that calls each load's loader; a second one for bulk loads. */
export const peer: Peer = {
  features: ['bulkLoader'],
  open() {
    const single = new DataLoader((loads: readonly Load[]) => Promise.all(loads.map(async ({ loader }) => loader())), {
      cacheKeyFn: ({ key }: Load) => key,
    })
    let source: Find = () => new Map()
    const bulk = new DataLoader(async (keys: readonly string[]) => {
      const found = source(keys)
      return keys.map((key) => found.get(key))
    })
    return {
      getOrLoad: (key, loader) => single.load({ key, loader }),
      delete: async (key) => single.clear({ key, loader: () => undefined }),
      getMany(keys, find) {
        source = find
        return settleAll(keys.map((key) => bulk.load(key)))
      },
    }
  },
}
