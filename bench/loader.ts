/**
 * What a loader costs beside DataLoader: 1,000 keys, an instant bulk function.
 *
 *     node --import tsx loader.ts [--check]      or: bun loader.ts [--check]
 *
 * The bars: cold, `load` at least 2 × as fast as DataLoader; warm, at least 5 ×. With `--check`, exits with 1 where one does not hold.
 *
 * Warm, both hold 10,000 keys. Cold, no key is asked for twice. DataLoader is measured in two ways: made for the batch, as its documentation
 * asks, with nothing kept but its own promises; and kept, over an lru-cache with the bounds that ours has by default, which is the like of
 * ours. The bars are against the second; the first is the row where we lose. Each promise of `load` is awaited by `Promise.all`, which
 * is a good part of what is measured, for everybody alike. On Node 20 and 22, the `AsyncLocalStorage` that ours uses makes every promise of the
 * process dearer, DataLoader's too; without it (`node --import 'data:text/javascript,process.getBuiltinModule=undefined' …`) all are faster,
 * DataLoader the most.
 */

import DataLoader from 'dataloader'
import { LRUCache } from 'lru-cache'
import { type Contender, interleave, LOW_QUANTILE, machine, type Timing } from './harness.ts'
import { BatchProcessor } from './sluice.ts'
import { table } from './table.ts'

type Value = { readonly id: number }
type Keys = readonly string[]
interface Loads {
  load(key: string): Promise<Value>
  loadMany(keys: Keys): Promise<unknown>
}

const KEYS = 1_000
const ENTRIES = 10_000
const ROUNDS = 300
const TTL_MS = 3_600_000
/** Odd and far from any power of two, so that a batch's keys lie all over the entries. */
const STRIDE = 7_919
const COLD_BAR = 2
const WARM_BAR = 5

const bulk = async (keys: Keys): Promise<Value[]> => keys.map((key) => ({ id: Number(key.slice(key.lastIndexOf('-') + 1)) }))
const kept = () => new DataLoader<string, Value>(bulk, { cacheMap: new LRUCache({ max: ENTRIES, ttl: TTL_MS }) })
const stored = Array.from({ length: ENTRIES }, (_, id) => `component:react:item-${id}`)

const each = (loads: Loads) => (keys: Keys) => Promise.all(keys.map((key) => loads.load(key)))
const many = (loads: Loads) => (keys: Keys) => loads.loadMany(keys)

/** `prepare` makes the keys of a round, the same for all contenders. */
async function measure(run: (loads: Loads) => (keys: Keys) => unknown, isWarm: boolean, prepare: (round: number) => Keys) {
  const ours = new BatchProcessor().loader(bulk)
  const theirs = kept()
  const primed = new DataLoader<string, Value>(bulk)
  if (isWarm) for (const loads of [ours, theirs, primed]) await loads.loadMany(stored)
  const perBatch = (keys: Keys) => run(new DataLoader<string, Value>(bulk))(keys)
  const contenders: Contender<Keys>[] = [
    { name: 'sluice', run: run(ours) },
    { name: 'DataLoader over lru-cache', run: run(theirs) },
    { name: isWarm ? 'DataLoader over a Map' : 'DataLoader per batch', run: isWarm ? run(primed) : perBatch },
  ]
  return interleave(contenders, {
    rounds: ROUNDS,
    callsPerRound: 1,
    prepare,
    verify(answer, keys) {
      const got = answer as readonly Value[]
      if (got.length !== keys.length || got.some(({ id }, i) => !keys[i]?.endsWith(`-${id}`))) throw new Error('A wrong answer')
    },
  })
}

let serial = ENTRIES
const fresh = (round: number): Keys =>
  Array.from({ length: KEYS }, (_, i) => `component:react:item-${((round * KEYS + i) * STRIDE) % ENTRIES}`)
const reused = (round: number): Keys =>
  Array.from({ length: KEYS }, (_, i) => stored[((round * KEYS + i) * STRIDE) % ENTRIES] as string)
const unseen = (): Keys => Array.from({ length: KEYS }, () => `component:react:item-${serial++}`)

const rows: [string, readonly Timing[]][] = [
  ['cold, load', await measure(each, false, unseen)],
  ['cold, loadMany', await measure(many, false, unseen)],
  ['warm, load, fresh keys', await measure(each, true, fresh)],
  ['warm, loadMany, fresh keys', await measure(many, true, fresh)],
  ['warm, load, reused keys', await measure(each, true, reused)],
  ['warm, loadMany, reused keys', await measure(many, true, reused)],
]

const ratio = (timings: readonly Timing[], at: number): number =>
  (timings[at]?.lowNs ?? Number.NaN) / (timings[0]?.lowNs ?? Number.NaN)
const cells = rows.map(([title, timings]) => [
  title,
  ...timings.map(({ lowNs }) => (lowNs / KEYS).toFixed(0)),
  ...[1, 2].map((at) => `${ratio(timings, at).toFixed(1)} ×`),
])
const head = ['ns per key', 'sluice', 'DataLoader, lru-cache', 'DataLoader, Map', 'lru-cache ÷ sluice', 'Map ÷ sluice']
console.log(table(head, cells))
console.log(
  `\nThe Map is DataLoader's own: cold, of one made for each batch. The ${LOW_QUANTILE * 100} % quantile of interleaved rounds. ${machine()}`,
)

for (const [row, bar] of [
  [0, COLD_BAR],
  [2, WARM_BAR],
] as const) {
  const [title, timings] = rows[row] as (typeof rows)[number]
  const found = ratio(timings, 1)
  console.log(
    `Bar: ${title}: ≥ ${bar} × as fast as DataLoader over lru-cache: ${found.toFixed(1)}, ${found >= bar ? 'holds' : 'does not hold'}`,
  )
  if (process.argv.includes('--check') && !(found >= bar)) process.exitCode = 1
}
