/**
 * What a batch costs whose keys are all in memory.
 *
 *     node --import tsx warm.ts [--check]      or: bun warm.ts [--check]
 *
 * The bar, first row: 1,000 freshly built keys out of 10,000 entries cost through `getCachedDataBatch` no more than a loop over a
 * plain `Map` with an expiry check. With `--check`, exits with 1 where they cost more. The rows after it show where they do: a
 * `Map` wins where the keys' hashes are known already, and where a batch is too small to pay for itself.
 *
 * "Fresh" is what callers have: `component:react:${name}`, built for the call. The runtime has neither flattened nor hashed such a
 * string yet, and a `Map` must do both, key by key. Building it is outside of the timing, for every contender alike.
 */

import DataLoader from 'dataloader'
import { LRUCache } from 'lru-cache'
import { type Contender, interleave, LOW_QUANTILE, machine, type Timing } from './harness.ts'
import { BatchProcessor, type BatchRequest, getCachedDataBatch } from './sluice.ts'
import { table } from './table.ts'

type Value = { readonly id: number }
type Batch = readonly BatchRequest<Value>[]

interface Row {
  readonly keys: number
  readonly entries: number
  readonly fresh: boolean
  readonly rounds: number
}

/** The row that has to hold, and the ratio it must not pass. */
const BAR: Row = { keys: 1_000, entries: 10_000, fresh: true, rounds: 400 }
const BAR_RATIO = 1.0

const ROWS: readonly Row[] = [
  BAR,
  { keys: 1_000, entries: 100_000, fresh: true, rounds: 200 },
  { keys: 100, entries: 10_000, fresh: true, rounds: 400 },
  { keys: 10, entries: 10_000, fresh: true, rounds: 400 },
  { keys: 1, entries: 10_000, fresh: true, rounds: 400 },
  { keys: 1_000, entries: 10_000, fresh: false, rounds: 400 },
]

const TTL_MS = 3_600_000
/** Keys per sample, at least: what the clock can tell apart. */
const KEYS_PER_SAMPLE = 1_000
/** Odd and far from any power of two, so that a batch's keys lie all over the entries. */
const STRIDE = 7_919
/** What a fetch is handed where nobody fetches; it looks at none of it. */
const NO_CONTEXT = undefined as never

const results: (readonly Timing[])[] = []
const corpora = new Map<number, Corpus>()
for (const row of ROWS) {
  const corpus = corpora.get(row.entries) ?? (await fill(row.entries))
  corpora.set(row.entries, corpus)
  results.push(await measure(row, corpus))
}

const names = results[0]?.map(({ name }) => name) ?? []
const lines = results.map((timings, index) => [title(ROWS[index] as Row), ...cells(timings, ROWS[index] as Row)])
console.log(table(['ns per key', ...names, 'sluice ÷ Map'], lines))
console.log(`\nThe ${LOW_QUANTILE * 100} % quantile of interleaved rounds. ${machine()}`)

const ratio = ratioOf(results[0] ?? [])
const verdict = ratio <= BAR_RATIO ? 'holds' : 'does not hold'
console.log(`Bar: sluice ≤ ${BAR_RATIO.toFixed(1)} × Map on ${title(BAR)}: ${ratio.toFixed(2)}, ${verdict}`)
if (process.argv.includes('--check') && ratio > BAR_RATIO) process.exitCode = 1

/** So many entries, and every contender holding them. */
interface Corpus {
  readonly names: readonly string[]
  readonly known: Batch
  readonly contenders: readonly Contender<Batch>[]
}

async function fill(entries: number): Promise<Corpus> {
  const names = Array.from({ length: entries }, (_, id) => `item-${id}`)
  const known = names.map((name, id) => request(`component:react:${name}`, { id }))
  return { names, known, contenders: [await sluice(known), mapLoop(known), lruCache(known), dataLoader(known)] }
}

async function measure(row: Row, { names, known, contenders }: Corpus): Promise<readonly Timing[]> {
  const callsPerRound = Math.max(1, KEYS_PER_SAMPLE / row.keys)
  return interleave<Batch>(contenders, {
    rounds: row.rounds,
    callsPerRound,
    prepare(round, call) {
      const batch: BatchRequest<Value>[] = []
      const first = round * KEYS_PER_SAMPLE + call * row.keys
      for (let i = 0; i < row.keys; i += 1) {
        const id = ((first + i) * STRIDE) % row.entries
        const stored = known[id] as BatchRequest<Value>
        batch.push(row.fresh ? request(`component:react:${names[id]}`, valueIn(stored)) : stored)
      }
      return batch
    },
    verify(answer, batch) {
      const got = answer as readonly Value[]
      for (let i = 0; i < batch.length; i += 1) {
        if (got[i] !== valueIn(batch[i] as BatchRequest<Value>)) throw new Error(`A wrong value at ${i}`)
      }
      if (got.length !== batch.length) throw new Error(`${got.length} values for ${batch.length} keys`)
    },
  })
}

function request(key: string, value: Value): BatchRequest<Value> {
  return { key, fetchFunction: () => value }
}

function valueIn({ fetchFunction }: BatchRequest<Value>): Value {
  return fetchFunction(NO_CONTEXT) as Value
}

/** Through the module's own function and its default processor where its default size holds the entries. */
async function sluice(known: Batch): Promise<Contender<Batch>> {
  const isDefault = known.length <= 10_000
  const processor = isDefault ? undefined : new BatchProcessor({ maxEntries: known.length })
  const batch = processor === undefined ? getCachedDataBatch : processor.getCachedDataBatch.bind(processor)
  await batch([...known])
  return { name: 'sluice', run: (requests) => batch(requests as BatchRequest<Value>[]) }
}

/** The null rival: what one would write without a library. A miss would be one line more, and is left out. */
function mapLoop(known: Batch): Contender<Batch> {
  const expiresAt = performance.now() + TTL_MS
  const entries = new Map(known.map((stored) => [stored.key, { value: valueIn(stored), expiresAt }]))
  return {
    name: 'Map loop',
    run(requests) {
      const now = performance.now()
      const results = new Array<unknown>(requests.length)
      for (let i = 0; i < requests.length; i += 1) {
        const entry = entries.get((requests[i] as BatchRequest<Value>).key)
        if (entry !== undefined && now < entry.expiresAt) results[i] = entry.value
      }
      return results
    },
  }
}

function lruCache(known: Batch): Contender<Batch> {
  const cache = new LRUCache<string, Value>({ max: known.length, ttl: TTL_MS })
  for (const stored of known) cache.set(stored.key, valueIn(stored))
  const getOrLoad = async (wanted: BatchRequest<Value>) => cache.get(wanted.key) ?? valueIn(wanted)
  return { name: 'Promise.all over lru-cache', run: (requests) => Promise.all(requests.map(getOrLoad)) }
}

function dataLoader(known: Batch): Contender<Batch> {
  const loader = new DataLoader<string, Value>(async (keys) => keys.map((key) => new Error(`Not primed: ${key}`)))
  for (const stored of known) loader.prime(stored.key, valueIn(stored))
  return { name: 'DataLoader, primed', run: (requests) => loader.loadMany(requests.map(({ key }) => key)) }
}

function title({ keys, entries, fresh }: Row): string {
  const count = keys.toLocaleString('en')
  return `${count} ${fresh ? 'fresh' : 'reused'} ${keys === 1 ? 'key' : 'keys'} of ${entries.toLocaleString('en')}`
}

function cells(timings: readonly Timing[], { keys }: Row): string[] {
  return [...timings.map(({ lowNs }) => (lowNs / keys).toFixed(0)), ratioOf(timings).toFixed(2)]
}

function ratioOf(timings: readonly Timing[]): number {
  const low = (name: string) => timings.find((timing) => timing.name === name)?.lowNs ?? Number.NaN
  return low('sluice') / low('Map loop')
}
