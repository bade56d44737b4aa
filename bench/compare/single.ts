/** One key at a time, in memory: where a call into the engine has nothing to be shared among. */

import { LRUCache } from 'lru-cache'
import QuickLRU from 'quick-lru'
import { type Contender, interleave } from '../harness.ts'
import { BatchProcessor } from '../sluice.ts'
import { Corpus, type Input } from './corpus.ts'
import type { Kind } from './keys.ts'
import { type Batch, fetch, type Request, TTL_MS, type Value } from './rivals.ts'
import { type Bar, type Extent, HOW, type Report, type Row, rounds, rowOf } from './section.ts'

const ENTRIES = [10_000, 1_000_000]
const KINDS: readonly Kind[] = ['fresh', 'flat', 'reused']
/** Calls per sample. */
const CALLS = 1_000
/** As near as it gets. */
const GOAL: Bar = { against: 'lru-cache get', atMost: 2, isGoal: true }
const GOAL_ASYNC: Bar = { against: 'async over lru-cache', atMost: 2, isGoal: true }

export async function single(extent: Extent): Promise<Report> {
  const reads: Row[] = []
  const loads: Row[] = []
  for (const entries of ENTRIES.slice(0, extent.isQuick ? 1 : undefined)) {
    const corpus = new Corpus(entries)
    const { reading, loading } = await open(corpus)
    for (const kind of KINDS) {
      const title = `${kind}, of ${entries.toLocaleString('en')}`
      const plan = corpus.plan(CALLS, kind, rounds(extent, 80))
      reads.push(rowOf(title, await interleave(reading, plan), CALLS, { bars: [GOAL] }))
      // Promises of a heap of millions are the collector's business, and not ours.
      if (entries === ENTRIES[0]) loads.push(rowOf(title, await interleave(loading, plan), CALLS, { bars: [GOAL_ASYNC] }))
    }
  }
  return {
    tables: [
      { id: 'single-get', title: 'One key, read from memory', unit: 'ns per call', digits: 0, rows: reads, notes: [HOW] },
      { id: 'single-load', title: 'One key, `await`ed', unit: 'ns per call', digits: 0, rows: loads },
    ],
  }
}

async function open(corpus: Corpus) {
  const entries = corpus.keys.count
  const processor = new BatchProcessor({ maxEntries: 2 * entries })
  const full = new BatchProcessor({ maxEntries: entries })
  const lru = new LRUCache<string, Value>({ max: entries, ttl: TTL_MS })
  const quick = new QuickLRU<string, Value>({ maxSize: entries, maxAge: TTL_MS })
  const expiresAt = performance.now() + TTL_MS
  const map = new Map<string, { readonly value: Value; readonly expiresAt: number }>()
  for (const [id, value] of corpus.values.entries()) {
    const key = corpus.keys.make(id, 'reused')
    for (const cache of [processor.memory, full.memory, lru, quick]) cache.set(key, value)
    map.set(key, { value, expiresAt })
  }
  const overLru = async ({ key, fetchFunction }: Request) => lru.get(key) ?? fetch({ key, fetchFunction })
  const overMap = async (request: Request) => {
    const kept = map.get(request.key)
    return kept !== undefined && performance.now() < kept.expiresAt ? kept.value : fetch(request)
  }
  const reading: Contender<Input>[] = [
    { name: 'memory.get', run: ({ batch }) => each(batch, (key) => processor.memory.get(key)) },
    { name: 'memory.get, exactly full', run: ({ batch }) => each(batch, (key) => full.memory.get(key)) },
    { name: 'lru-cache get', run: ({ batch }) => each(batch, (key) => lru.get(key)) },
    { name: 'quick-lru get', run: ({ batch }) => each(batch, (key) => quick.get(key)) },
    { name: 'Map get', run: ({ batch }) => each(batch, (key) => map.get(key)?.value) },
  ]
  const loading: Contender<Input>[] = [
    { name: 'getCachedData', run: ({ batch }) => eachAwaited(batch, (r) => processor.getCachedData(r.key, r.fetchFunction)) },
    {
      name: 'getCachedDataBatch of one',
      run: ({ batch }) => eachAwaited(batch, async (r) => (await processor.getCachedDataBatch([r]))[0]),
    },
    { name: 'async over lru-cache', run: ({ batch }) => eachAwaited(batch, overLru) },
    { name: 'async over a Map', run: ({ batch }) => eachAwaited(batch, overMap) },
  ]
  return { reading, loading }
}

function each(batch: Batch, get: (key: string) => Value | undefined): unknown[] {
  const got = new Array<unknown>(batch.length)
  for (let i = 0; i < batch.length; i += 1) got[i] = get((batch[i] as Request).key)
  return got
}

async function eachAwaited(batch: Batch, load: (request: Request) => Promise<unknown>): Promise<unknown[]> {
  const got = new Array<unknown>(batch.length)
  for (let i = 0; i < batch.length; i += 1) got[i] = await load(batch[i] as Request)
  return got
}
