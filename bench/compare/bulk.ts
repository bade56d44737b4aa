/**
 * Many keys through one call of a source: `loadMany` and `processor.loader` beside DataLoader, and groups of 50.
 *
 * Warm, all hold 10,000 keys. Cold, no key is asked for twice. DataLoader is measured in two ways: made for the batch, as its documentation
 * asks, with nothing kept but its own promises; and kept, over an lru-cache with the bounds that ours has by default, which is the like of
 * ours. The bars are against the second; the first is the row where we lose. Each promise of `load` is awaited by `Promise.all`, which
 * is a good part of what is measured, for everybody alike. On Node 20 and 22, the `AsyncLocalStorage` that ours uses makes every promise of the
 * process dearer, DataLoader's too; without it (`node --import 'data:text/javascript,process.getBuiltinModule=undefined' …`) all are faster,
 * DataLoader the most.
 */

import DataLoader from 'dataloader'
import { LRUCache } from 'lru-cache'
import { type Contender, interleave } from '../harness.ts'
import { BatchProcessor, type BatchRequest } from '../sluice.ts'
import { TTL_MS } from './rivals.ts'
import { type Bar, type Extent, HOW, type Report, type Row, rounds, rowOf, type Table } from './section.ts'

type Value = { readonly id: number }
type Keys = readonly string[]
interface Loads {
  load(key: string): Promise<Value>
  loadMany(keys: Keys): Promise<unknown>
}

const KEYS = 1_000
const ENTRIES = 10_000
const GROUP = 50
const LIMIT = 10
/** A prime far from any power of two, so that a batch's keys lie all over the entries. */
const STRIDE = 7_919

const OVER_LRU = 'DataLoader over lru-cache'
const COLD_BAR: Bar = { against: OVER_LRU, timesAsFast: 2 }
const WARM_BAR: Bar = { against: OVER_LRU, timesAsFast: 5 }

export async function bulk(extent: Extent): Promise<Report> {
  const cold: Row[] = [
    await raceLoaders('cold, load', each, unseen, extent, { bars: [COLD_BAR] }),
    await raceLoaders('cold, loadMany', many, unseen, extent),
  ]
  const warm: Row[] = [
    await raceLoaders('warm, load, fresh keys', each, fresh, extent, { isWarm: true, bars: [WARM_BAR] }),
    await raceLoaders('warm, loadMany, fresh keys', many, fresh, extent, { isWarm: true }),
    await raceLoaders('warm, load, reused keys', each, reused, extent, { isWarm: true }),
    await raceLoaders('warm, loadMany, reused keys', many, reused, extent, { isWarm: true }),
  ]
  const unit = 'ns per key'
  return {
    tables: [
      { id: 'bulk', title: 'Loaders, 1,000 keys', unit, digits: 0, rows: [...cold, ...warm], notes: [HOW] },
      await groups(extent),
    ],
  }
}

const find = async (keys: Keys): Promise<Value[]> => keys.map((key) => ({ id: Number(key.slice(key.lastIndexOf('-') + 1)) }))
const kept = () => new DataLoader<string, Value>(find, { cacheMap: new LRUCache({ max: ENTRIES, ttl: TTL_MS }) })
const stored = Array.from({ length: ENTRIES }, (_, id) => `component:react:item-${id}`)

const each = (loads: Loads) => (keys: Keys) => Promise.all(keys.map((key) => loads.load(key)))
const many = (loads: Loads) => (keys: Keys) => loads.loadMany(keys)

let serial = ENTRIES
const idOf = (batch: number, i: number) => ((batch * KEYS + i) * STRIDE) % ENTRIES
const fresh = (batch: number): Keys => Array.from({ length: KEYS }, (_, i) => `component:react:item-${idOf(batch, i)}`)
const reused = (batch: number): Keys => Array.from({ length: KEYS }, (_, i) => stored[idOf(batch, i)] as string)
const unseen = (): Keys => Array.from({ length: KEYS }, () => `component:react:item-${serial++}`)

/** `prepare` makes the keys of a batch, the same for all contenders. */
async function raceLoaders(
  title: string,
  run: (loads: Loads) => (keys: Keys) => unknown,
  prepare: (batch: number) => Keys,
  extent: Extent,
  { isWarm = false, bars = [] }: { isWarm?: boolean; bars?: readonly Bar[] } = {},
): Promise<Row> {
  const processor = new BatchProcessor()
  const ours = processor.loader(find)
  const theirs = kept()
  const primed = new DataLoader<string, Value>(find)
  if (isWarm) for (const loads of [ours, theirs, primed]) await loads.loadMany(stored)
  const contenders: Contender<Keys>[] = [
    { name: 'sluice loader', run: run(ours) },
    { name: OVER_LRU, run: run(theirs) },
    isWarm
      ? { name: 'DataLoader', run: run(primed) }
      : { name: 'DataLoader per batch', run: (keys) => run(new DataLoader<string, Value>(find))(keys) },
  ]
  if (run === many) contenders.push({ name: 'sluice loadMany', run: (keys) => processor.loadMany(keys, find) })
  const timings = await interleave(contenders, {
    rounds: rounds(extent, 80),
    callsPerRound: 1,
    prepare: (round, call) => prepare(2 * round + call),
    verify(answer, keys) {
      const got = answer as readonly Value[]
      if (got.length !== keys.length || got.some(({ id }, i) => !keys[i]?.endsWith(`-${id}`))) throw new Error('A wrong answer')
    },
  })
  return rowOf(title, timings, KEYS, { bars })
}

/**
 * Keys never seen before, in groups of 50 whose fetches answer at once, ten at a time. DataLoader is given all keys in one `loadMany` and
 * batches of the same size; it neither limits nor evicts. The null rival is the same calls by hand, all at once, with no cache at all.
 */
async function groups(extent: Extent): Promise<Table> {
  type Request = BatchRequest<string>
  const processor = new BatchProcessor()
  const through = (groupFetch: (context: { readonly keys: Keys }) => never | object) => (requests: Request[]) =>
    processor.getCachedDataBatch(requests, { maxConcurrency: LIMIT, maxBatchSize: GROUP, groupFetch: groupFetch as never })
  const contenders: Contender<Request[]>[] = [
    { name: 'sluice, an array', run: through(({ keys }) => [...keys]) },
    { name: 'sluice, an array, promised', run: through(async ({ keys }) => [...keys]) },
    { name: 'sluice, a Map', run: through(({ keys }) => new Map(keys.map((key) => [key, key] as const))) },
    {
      name: 'DataLoader, no limit',
      run: (requests) =>
        new DataLoader(async (keys: Keys) => [...keys], { maxBatchSize: GROUP }).loadMany(requests.map(({ key }) => key)),
    },
    {
      name: 'by hand, no limit, no cache',
      async run(requests) {
        const groups = Array.from({ length: KEYS / GROUP }, (_, at) => requests.slice(at * GROUP, (at + 1) * GROUP))
        return (await Promise.all(groups.map(async (group) => group.map(({ key }) => key)))).flat()
      },
    },
  ]
  const unwanted = (): never => {
    throw new Error('Fetched by itself')
  }
  let directory = 0
  const timings = await interleave(contenders, {
    rounds: rounds(extent, 80),
    callsPerRound: 1,
    prepare() {
      const first = directory
      directory += KEYS / GROUP
      return Array.from(
        { length: KEYS },
        (_, i): Request => ({ key: `dir:${first + Math.floor(i / GROUP)}:item-${i}`, fetchFunction: unwanted }),
      )
    },
    verify(answer, requests) {
      const got = answer as readonly string[]
      if (got.length !== KEYS || got.some((value, i) => value !== requests[i]?.key)) throw new Error('A wrong answer')
    },
  })
  return {
    id: 'groups',
    title: 'Groups of 50, 1,000 keys, limit 10',
    unit: 'ns per key',
    digits: 0,
    isTurned: true,
    rows: [rowOf('cold', timings, KEYS)],
  }
}
