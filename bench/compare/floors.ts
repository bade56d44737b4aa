/**
 * What is left of the work when nothing is looked up, shared, limited or timed: below this gets nobody who hands keys over to wasm, calls callbacks each in
 * an async context of its own, or answers each key by a promise. Not a floor for whoever does not: a `Map` compares pointers.
 *
 * Each beside ours, in the same rounds, so that it has the same machine, and the same `AsyncLocalStorage`, which on Node 20 and 22 makes every
 * promise dearer.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { type Contender, interleave, type Plan } from '../harness.ts'
import { BatchProcessor } from '../sluice.ts'
import { Corpus, type Input, ROOMY, verify } from './corpus.ts'
import type { Kind } from './keys.ts'
import { type Batch, fetch, type Request, sluice, type Value } from './rivals.ts'
import { type Extent, HOW, type Report, type Row, rounds, rowOf } from './section.ts'

const FLOOR = 'floor'
const KEYS = 1_000
const ENTRIES = 10_000
const LIMIT = 10

const encoder = new TextEncoder()
/** Room for the keys of a batch. */
const bytes = new Uint8Array(2 ** 20)
/** What a floor answers with. */
const NO_VALUE = Symbol('no value')

const NOTES = [
  'Floors. Warm: requests are read, their keys joined and encoded as they cross into wasm, and an array of results is made, for a promise. Cold: callbacks are called ten at a time, each in an async context of its own, and what they answer is stored by our own `memory.mset`. Loader: a promise for each key, resolved together.',
  HOW,
]

export async function floors(extent: Extent): Promise<Report> {
  const rows = [
    await warm('warm, 10 reused of 1 k', 1_000, 10, 'reused', extent),
    await warm('warm, 1,000 reused of 10 k', ENTRIES, KEYS, 'reused', extent),
    await warm('warm, 1,000 fresh of 10 k', ENTRIES, KEYS, 'fresh', extent),
    await cold(extent),
    await loader(extent),
  ]
  return { tables: [{ id: 'floors', title: 'Floors', unit: 'ns per key', digits: 0, rows, notes: NOTES }] }
}

async function warm(title: string, entries: number, size: number, kind: Kind, extent: Extent): Promise<Row> {
  const corpus = new Corpus(entries)
  const floor: Contender<Input> = { name: FLOOR, run: ({ batch }) => readAndEncode(batch) }
  const plan = corpus.plan(size, kind, rounds(extent, 120))
  return rowOf(title, await interleave([await corpus.roomy(), floor], { ...plan, verify: verifyOurs }), size)
}

async function readAndEncode(batch: Batch): Promise<unknown[]> {
  let joined = ''
  for (const request of batch) {
    const { key, fetchFunction, ttl } = request
    if (typeof key !== 'string' || typeof fetchFunction !== 'function' || ttl !== undefined) throw new TypeError('Not a request')
    joined += key
  }
  encoder.encodeInto(joined, bytes)
  const results = new Array<unknown>(batch.length)
  for (let i = 0; i < batch.length; i += 1) results[i] = NO_VALUE
  return results
}

async function cold(extent: Extent): Promise<Row> {
  const storage = new AsyncLocalStorage<Request>()
  const processor = new BatchProcessor({ maxEntries: ENTRIES })
  const ask = sluice.open({ entries: ENTRIES, limit: LIMIT })
  let serial = 0
  const plan: Plan<Input> = {
    rounds: rounds(extent, 120),
    callsPerRound: 1,
    prepare() {
      const first = serial
      serial += KEYS
      const ids = Uint32Array.from({ length: KEYS }, (_, i) => i)
      return {
        ids,
        batch: Array.from(
          ids,
          (id): Request => ({ key: `component:react:item-${first + id}`, fetchFunction: async () => ({ id }) }),
        ),
      }
    },
    verify: verifyOurs,
  }
  const floor: Contender<Input> = {
    name: FLOOR,
    async run({ batch }) {
      const entries: { key: string; value: Value }[] = new Array(batch.length)
      let next = 0
      const worker = async (): Promise<void> => {
        while (next < batch.length) {
          const at = next++
          const request = batch[at] as Request
          entries[at] = { key: request.key, value: await storage.run(request, fetch, request) }
        }
      }
      await Promise.all(Array.from({ length: LIMIT }, worker))
      processor.memory.mset(entries)
      return entries.map(({ value }) => value)
    },
  }
  return rowOf(
    `cold, ${KEYS.toLocaleString('en')}, limit ${LIMIT}`,
    await interleave([{ name: ROOMY, run: ({ batch }) => ask(batch) }, floor], plan),
    KEYS,
  )
}

async function loader(extent: Extent): Promise<Row> {
  const corpus = new Corpus(ENTRIES)
  const ours = new BatchProcessor({ maxEntries: 2 * ENTRIES }).loader(async (keys: readonly string[]) =>
    keys.map((key) => ({ id: Number(key.slice(key.lastIndexOf('-') + 1)) })),
  )
  const all = Array.from({ length: ENTRIES }, (_, id) => corpus.keys.make(id, 'reused'))
  await ours.loadMany(all)
  const contenders: Contender<Input>[] = [
    { name: ROOMY, run: ({ batch }) => Promise.all(batch.map(({ key }) => ours.load(key))) },
    {
      name: FLOOR,
      run({ batch }) {
        const resolves: ((value: unknown) => void)[] = []
        const promises = batch.map(() => new Promise((resolve) => resolves.push(resolve)))
        queueMicrotask(() => {
          for (const resolve of resolves) resolve(NO_VALUE)
        })
        return Promise.all(promises)
      },
    },
  ]
  const plan = corpus.plan(KEYS, 'fresh', rounds(extent, 80))
  return rowOf('loader, warm, load, fresh keys', await interleave(contenders, { ...plan, verify: verifyOurs }), KEYS)
}

/** Ours as anywhere else; a floor that has looked nothing up, by the number of its answers. */
function verifyOurs(answer: unknown, input: Input): void {
  const got = answer as readonly unknown[]
  if (got[0] !== NO_VALUE) verify(answer, input)
  else if (got.length !== input.ids.length || got.some((value) => value !== NO_VALUE)) throw new Error('Not a floor')
}
