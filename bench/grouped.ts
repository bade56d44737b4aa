/**
 * What the machinery around a group fetch costs: 1,000 keys never seen before, in groups of 50 whose fetches answer at once, ten at a time.
 *
 *     node --import tsx grouped.ts      or: bun grouped.ts
 *
 * DataLoader, the rival, is given all keys in one `loadMany` and batches of the same size; it neither limits nor evicts, and is made anew
 * for each batch, as its documentation asks. The null rival is the same calls by hand, all at once, with no cache at all.
 */

import DataLoader from 'dataloader'
import { type Contender, interleave, LOW_QUANTILE, machine } from './harness.ts'
import { type BatchRequest, getCachedDataBatch } from './sluice.ts'
import { table } from './table.ts'

type Request = BatchRequest<string>

const KEYS = 1_000
const GROUP = 50
const LIMIT = 10
const ROUNDS = 300

const unwanted = (): never => {
  throw new Error('Fetched by itself')
}
const asMap = (keys: readonly string[]) => new Map(keys.map((key) => [key, key] as const))

const contenders: readonly Contender<Request[]>[] = [
  { name: 'sluice, a Map', run: ours(({ keys }) => asMap(keys)) },
  { name: 'sluice, an array', run: ours(({ keys }) => [...keys]) },
  { name: 'sluice, an array, promised', run: ours(async ({ keys }) => [...keys]) },
  { name: 'DataLoader, no limit', run: throughDataLoader },
  { name: 'by hand, no limit, no cache', run: byHand },
]

let serial = 0
const timings = await interleave(contenders, {
  rounds: ROUNDS,
  callsPerRound: 1,
  // Never the same key twice, for any contender.
  prepare: () => {
    const first = serial
    serial += KEYS / GROUP
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

const rival = timings.find(({ name }) => name.startsWith('DataLoader'))?.lowNs ?? Number.NaN
const lines = timings.map(({ name, lowNs, medianNs }) => [
  name,
  (lowNs / KEYS).toFixed(0),
  (medianNs / KEYS).toFixed(0),
  (rival / lowNs).toFixed(2),
])
console.log(table(['ns per key', `${LOW_QUANTILE * 100} % quantile`, 'median', 'DataLoader ÷ it'], lines))
console.log(`\n${KEYS.toLocaleString('en')} keys in groups of ${GROUP}, limit ${LIMIT}, interleaved rounds. ${machine()}`)

function ours(groupFetch: (context: { readonly keys: readonly string[] }) => never | object) {
  return (requests: Request[]) =>
    getCachedDataBatch(requests, { maxConcurrency: LIMIT, maxBatchSize: GROUP, groupFetch: groupFetch as never })
}

function throughDataLoader(requests: Request[]): Promise<unknown> {
  const loader = new DataLoader(async (keys: readonly string[]) => [...keys], { maxBatchSize: GROUP })
  return loader.loadMany(requests.map(({ key }) => key))
}

async function byHand(requests: Request[]): Promise<unknown> {
  const groups = Array.from({ length: KEYS / GROUP }, (_, at) => requests.slice(at * GROUP, (at + 1) * GROUP))
  return (await Promise.all(groups.map(async (group) => group.map(({ key }) => key)))).flat()
}
