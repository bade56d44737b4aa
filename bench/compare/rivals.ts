/**
 * Each library as its users would ask it for a batch: the keys that it has, and for those that it has not, what their `fetchFunction`
 * answers. All keep 10,000 entries or more for an hour, and all but ours are called as their documentation does, with no setting that the
 * work does not ask for.
 */

import { type CacheEntry, cachified } from '@epic-web/cachified'
import { createCache } from 'async-cache-dedupe'
import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { Cacheable, createKeyv } from 'cacheable'
import DataLoader from 'dataloader'
import { Loader } from 'layered-loader'
import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import pMap from 'p-map'
import PQueue from 'p-queue'
import QuickLRU from 'quick-lru'
import { BatchProcessor, type BatchRequest } from '../sluice.ts'

export interface Value {
  readonly id: number
}
export type Request = BatchRequest<Value>
export type Batch = readonly Request[]
/** What a library answers for a batch: an array in the batch's order, or the promise of one. */
export type Ask = (batch: Batch) => unknown

export interface Room {
  readonly entries: number
  /** Most fetches at once, where it can be said. */
  readonly limit: number
}

export interface Rival {
  readonly name: string
  open(room: Room): Ask
}

export const TTL_MS = 3_600_000
/** What a fetch is handed by rivals that hand it nothing; it looks at none of it. */
const NO_CONTEXT = undefined as never

export const fetch = ({ fetchFunction }: Request): Value | Promise<Value> => fetchFunction(NO_CONTEXT)
const fetchLater = async (request: Request): Promise<Value> => fetch(request)

export const sluice: Rival = {
  name: 'sluice',
  open({ entries, limit }) {
    const processor = new BatchProcessor({ maxEntries: entries })
    return (batch) => processor.getCachedDataBatch(batch as Request[], { maxConcurrency: limit })
  },
}

/** A `Map` of promises, which is the shortest way to fetch nothing twice. It has no limit, and forgets nothing. */
export const mapOfPromises: Rival = {
  name: 'Promise.all over a Map',
  open() {
    const known = new Map<string, { readonly promise: Promise<Value>; readonly expiresAt: number }>()
    const load = (request: Request, now: number): Promise<Value> => {
      const kept = known.get(request.key)
      if (kept !== undefined && now < kept.expiresAt) return kept.promise
      const promise = fetchLater(request)
      known.set(request.key, { promise, expiresAt: now + TTL_MS })
      return promise
    }
    return (batch) => {
      const now = performance.now()
      return Promise.all(batch.map((request) => load(request, now)))
    }
  },
}

interface Kept {
  get(key: string): Value | undefined
  set(key: string, value: Value): unknown
}

function through(cache: Kept): (request: Request) => Promise<Value> {
  return async (request) => {
    const cached = cache.get(request.key)
    if (cached !== undefined) return cached
    const value = await fetch(request)
    cache.set(request.key, value)
    return value
  }
}

const newLru = (entries: number) => new LRUCache<string, Value>({ max: entries, ttl: TTL_MS })

export const lruCache: Rival = {
  name: 'Promise.all over lru-cache',
  open({ entries }) {
    const load = through(newLru(entries))
    return (batch) => Promise.all(batch.map(load))
  },
}

export const lruCacheFetch: Rival = {
  name: 'lru-cache fetch',
  open({ entries }) {
    const cache = new LRUCache<string, Value, Request>({
      max: entries,
      ttl: TTL_MS,
      fetchMethod: (_key, _stale, { context }) => fetchLater(context),
    })
    return (batch) => Promise.all(batch.map((request) => cache.fetch(request.key, { context: request })))
  },
}

export const quickLru: Rival = {
  name: 'Promise.all over quick-lru',
  open({ entries }) {
    const load = through(new QuickLRU<string, Value>({ maxSize: entries, maxAge: TTL_MS }))
    return (batch) => Promise.all(batch.map(load))
  },
}

const newDataLoader = () =>
  new DataLoader<Request, Value, string>((batch) => Promise.all(batch.map(fetch)), { cacheKeyFn: ({ key }) => key })

/** Kept, so that it has something to answer with; it forgets nothing. */
export const dataLoader: Rival = {
  name: 'DataLoader',
  open() {
    const loader = newDataLoader()
    return (batch) => loader.loadMany(batch)
  },
}

/** Made for each batch, as its documentation asks: its cache is meant to live no longer than a request. */
export const dataLoaderPerBatch: Rival = {
  name: 'DataLoader',
  open() {
    return (batch) => newDataLoader().loadMany(batch)
  },
}

export const pMapLru: Rival = {
  name: 'p-map + lru-cache',
  open({ entries, limit }) {
    const load = through(newLru(entries))
    return (batch) => pMap(batch, load, { concurrency: limit })
  },
}

export const pLimitLru: Rival = {
  name: 'p-limit + lru-cache',
  open({ entries, limit }) {
    const load = through(newLru(entries))
    const limited = pLimit(limit)
    return (batch) => Promise.all(batch.map((request) => limited(() => load(request))))
  },
}

export const pQueueLru: Rival = {
  name: 'p-queue + lru-cache',
  open({ entries, limit }) {
    const load = through(newLru(entries))
    const queue = new PQueue({ concurrency: limit })
    return (batch) => queue.addAll(batch.map((request) => () => load(request)))
  },
}

const asyncCacheDedupe: Rival = {
  name: 'async-cache-dedupe',
  open({ entries }) {
    const cache = createCache({ ttl: TTL_MS / 1_000, storage: { type: 'memory', options: { size: entries } } }).define(
      'load',
      { serialize: ({ key }: Request) => key },
      fetchLater,
    )
    return (batch) => Promise.all(batch.map((request) => cache.load(request)))
  },
}

const cacheable: Rival = {
  name: 'cacheable',
  open({ entries }) {
    const cache = new Cacheable({ primary: createKeyv({ lruSize: entries, ttl: TTL_MS }) })
    return (batch) => Promise.all(batch.map((request) => cache.getOrSet(request.key, () => fetchLater(request))))
  },
}

const cachifiedLru: Rival = {
  name: 'cachified over lru-cache',
  open({ entries }) {
    const cache = new LRUCache<string, CacheEntry<Value>>({ max: entries })
    return (batch) =>
      Promise.all(
        batch.map((request) => cachified({ cache, key: request.key, ttl: TTL_MS, getFreshValue: () => fetch(request) })),
      )
  },
}

const layeredLoader: Rival = {
  name: 'layered-loader',
  open({ entries }) {
    const loader = new Loader<Value, Request>({
      inMemoryCache: { ttlInMsecs: TTL_MS, maxItems: entries },
      cacheKeyFromLoadParamsResolver: ({ key }) => key,
      dataSourceGetOneFn: fetchLater,
    })
    return (batch) => Promise.all(batch.map((request) => loader.get(request)))
  },
}

const bentocache: Rival = {
  name: 'bentocache, memory',
  open({ entries }) {
    const cache = new BentoCache({
      default: 'memory',
      stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: entries })) },
    })
    return (batch) =>
      Promise.all(batch.map((request) => cache.getOrSet({ key: request.key, ttl: TTL_MS, factory: () => fetchLater(request) })))
  },
}

/** Those that fetch and keep by themselves. */
export const CACHES: readonly Rival[] = [lruCacheFetch, asyncCacheDedupe, cacheable, cachifiedLru, layeredLoader, bentocache]
/** Those that limit, over an lru-cache. */
export const LIMITERS: readonly Rival[] = [pMapLru, pLimitLru, pQueueLru]
