/**
 * Prints how long a module takes until its first answer, in ms: `started.mjs <name> <file>`. Plain JavaScript, and nothing imported before the clock
 * starts, as in a program that imports it first.
 */

const [, , name, unused] = process.argv
const key = 'component:react:item-1'
// An object, as most values are.
const load = async () => ({ id: 1 })

const FIRST_USES = {
  'empty module': async () => import('./empty.mjs'),
  sluice: async () => (await import('../../dist/index.node.js')).getCachedDataBatch([{ key, fetchFunction: load }]),
  // An engine, and nothing asked of it but whether it has a key.
  'sluice, instantiated': async () => new (await import('../../dist/index.node.js')).BatchProcessor().memory.has(key),
  'sluice, imported': async () => import('../../dist/index.node.js'),
  // Its text as the body of a function that nobody calls: what reading it takes.
  'sluice, nothing of it run': async () => import(unused),
  'lru-cache': async () => {
    const { LRUCache } = await import('lru-cache')
    return new LRUCache({ max: 10_000, ttl: 3_600_000, fetchMethod: load }).fetch(key)
  },
  'quick-lru': async () => {
    const { default: QuickLRU } = await import('quick-lru')
    return new QuickLRU({ maxSize: 10_000 }).set(key, await load())
  },
  DataLoader: async () => {
    const { default: DataLoader } = await import('dataloader')
    return new DataLoader(async (keys) => keys).load(key)
  },
  'p-map': async () => (await import('p-map')).default([key], load),
  'p-limit': async () => (await import('p-limit')).default(10)(load),
  'p-queue': async () => {
    const { default: PQueue } = await import('p-queue')
    return new PQueue({ concurrency: 10 }).add(load)
  },
  'async-cache-dedupe': async () => {
    const { createCache } = await import('async-cache-dedupe')
    return createCache({ ttl: 3_600, storage: { type: 'memory' } })
      .define('load', load)
      .load(key)
  },
  cacheable: async () => {
    const { Cacheable } = await import('cacheable')
    return new Cacheable().getOrSet(key, load)
  },
  cachified: async () => {
    const { cachified } = await import('@epic-web/cachified')
    return cachified({ cache: new Map(), key, getFreshValue: load })
  },
  'layered-loader': async () => {
    const { Loader } = await import('layered-loader')
    return new Loader({ inMemoryCache: { ttlInMsecs: 3_600_000 }, dataSourceGetOneFn: load }).get(key)
  },
  'bentocache, memory': async () => {
    const { BentoCache, bentostore } = await import('bentocache')
    const { memoryDriver } = await import('bentocache/drivers/memory')
    const stores = { memory: bentostore().useL1Layer(memoryDriver({ maxItems: 10_000 })) }
    return new BentoCache({ default: 'memory', stores }).getOrSet({ key, factory: load })
  },
}

if (name === undefined) {
  console.log(JSON.stringify(Object.keys(FIRST_USES)))
} else {
  const startMs = performance.now()
  await FIRST_USES[name]()
  console.log(JSON.stringify(performance.now() - startMs))
  process.exit()
}
