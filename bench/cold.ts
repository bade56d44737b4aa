/**
 * What the machinery around a fetch costs: 1,000 keys never seen before, whose callbacks resolve at once, ten at a time.
 *
 *     node --import tsx cold.ts      or: bun cold.ts
 *
 * The null rival is a bare `Promise.all`: no limit, no cache, nothing shared. DataLoader caches and batches, and has no limit. The
 * other two are what one builds by hand: a limiter around lru-cache. Ours limits, shares, caches and evicts: after ten rounds its
 * 10,000 entries are full, and so are lru-cache's.
 */

import DataLoader from 'dataloader'
import { LRUCache } from 'lru-cache'
import pLimit from 'p-limit'
import pMap from 'p-map'
import { type Contender, interleave, LOW_QUANTILE, machine } from './harness.ts'
import { type BatchRequest, getCachedDataBatch } from './sluice.ts'
import { table } from './table.ts'

type Request = BatchRequest<number>

const KEYS = 1_000
const LIMIT = 10
const ENTRIES = 10_000
const ROUNDS = 300
const TTL_MS = 3_600_000
/** What a fetch is handed by rivals that hand it nothing; it looks at none of it. */
const NO_CONTEXT = undefined as never

const contenders: readonly Contender<Request[]>[] = [
  { name: 'sluice', run: (requests) => getCachedDataBatch(requests, { maxConcurrency: LIMIT }) },
  { name: 'Promise.all, no limit, no cache', run: (requests) => Promise.all(requests.map(fetch)) },
  { name: 'DataLoader, no limit', run: throughDataLoader },
  { name: 'p-map + lru-cache', run: throughPMap(newCache()) },
  { name: 'p-limit + lru-cache', run: throughPLimit(newCache()) },
]

let serial = 0
const timings = await interleave(contenders, {
  rounds: ROUNDS,
  callsPerRound: 1,
  // Never the same key twice, for any contender.
  prepare: () =>
    Array.from({ length: KEYS }, (_, i): Request => ({ key: `component:react:item-${serial++}`, fetchFunction: async () => i })),
  verify(answer) {
    const got = answer as readonly number[]
    if (got.length !== KEYS || got.some((value, i) => value !== i)) throw new Error('A wrong answer')
  },
})

const base = timings[1]?.lowNs ?? Number.NaN
const lines = timings.map(({ name, lowNs, medianNs }) => [
  name,
  (lowNs / KEYS).toFixed(0),
  (medianNs / KEYS).toFixed(0),
  (lowNs / base).toFixed(1),
])
console.log(table(['ns per fetch', `${LOW_QUANTILE * 100} % quantile`, 'median', '÷ Promise.all'], lines))
console.log(`\n${KEYS.toLocaleString('en')} instant callbacks, limit ${LIMIT}, interleaved rounds. ${machine()}`)

function fetch({ fetchFunction }: Request): number | Promise<number> {
  return fetchFunction(NO_CONTEXT)
}

function newCache(): LRUCache<string, number> {
  return new LRUCache({ max: ENTRIES, ttl: TTL_MS })
}

/** One per batch, as its documentation asks: its cache is meant to live no longer than a request. */
function throughDataLoader(requests: Request[]): Promise<unknown> {
  const loader = new DataLoader((batch: readonly Request[]) => Promise.all(batch.map(fetch)), {
    cacheKeyFn: ({ key }) => key,
  })
  return loader.loadMany(requests)
}

function throughPMap(cache: LRUCache<string, number>): (requests: Request[]) => Promise<unknown> {
  const load = loadThrough(cache)
  return (requests) => pMap(requests, load, { concurrency: LIMIT })
}

function throughPLimit(cache: LRUCache<string, number>): (requests: Request[]) => Promise<unknown> {
  const limit = pLimit(LIMIT)
  const load = loadThrough(cache)
  return (requests) => Promise.all(requests.map((request) => limit(() => load(request))))
}

function loadThrough(cache: LRUCache<string, number>): (request: Request) => Promise<number> {
  return async (request) => {
    const cached = cache.get(request.key)
    if (cached !== undefined) return cached
    const value = await fetch(request)
    cache.set(request.key, value)
    return value
  }
}
