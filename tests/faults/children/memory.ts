/**
 * What is taken of memory, in a process of its own: what others did there before is not counted. Runs with `--expose-gc`.
 * Prints figures as JSON; memory.test.ts says what they may be.
 */

import { BatchProcessor } from '../../../js/index.js'
import { wasmMemory } from '../../support/crossings.js'
import { PAGE, randomFrom } from '../support.js'

const [what = '', seed = '1', times = '1'] = process.argv.slice(2)
const random = randomFrom(Number(seed))
const soak = Number(times)
const pages = (): number => wasmMemory().buffer.byteLength / PAGE
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Lets the garbage be collected, and what is to be done about it. */
async function collected(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    ;(globalThis as unknown as { gc: () => void }).gc()
    await turn()
  }
}

/** A million random keys, and never more of them than may be kept. */
async function inserts(): Promise<object> {
  const ENTRIES = 50_000
  const WEIGHT = 1_000_000
  const { memory } = new BatchProcessor({ maxEntries: ENTRIES, maxWeight: WEIGHT })
  let heaviest = 0
  let most = 0
  let keyBytes = 0
  const sizes: number[] = []
  const count = 1_000_000 * soak
  for (let at = 0; at < count; at += 5000) {
    const entries = Array.from({ length: 5000 }, () => ({
      key: `user:${random(2 ** 31)}:${random(2 ** 31)}`,
      value: 1,
      weight: random(40),
    }))
    memory.mset(entries)
    keyBytes += entries.reduce((sum, { key }) => sum + key.length, 0)
    heaviest = Math.max(heaviest, memory.weight)
    most = Math.max(most, memory.size)
    sizes.push(pages())
  }
  return {
    entriesMax: ENTRIES,
    weightMax: WEIGHT,
    most,
    heaviest,
    keyBytes: keyBytes / count,
    half: sizes[sizes.length >> 1],
    pages: pages(),
  }
}

/** Keys of sizes that fit nowhere: one more than powers of two, growing and shrinking in turns, every other one deleted. */
async function sizes(policy: 'adaptive' | 'lru'): Promise<object> {
  const ENTRIES = 4000
  const { memory } = new BatchProcessor({ maxEntries: ENTRIES, policy })
  let keys: string[] = []
  let liveMost = 0
  let number = 0
  const put = (bytes: number, count: number): void => {
    const added = Array.from({ length: count }, () => `${number++}:`.padEnd(bytes, 'x'))
    for (let at = 0; at < count; at += 100) memory.mset(added.slice(at, at + 100).map((key) => ({ key, value: 1 })))
    // Whom the adaptive policy keeps, long keys or short ones, is up to it; with the other, the oldest have left.
    keys = policy === 'lru' ? [...keys, ...added].slice(-ENTRIES) : [...memory.keys()]
    liveMost = Math.max(
      liveMost,
      keys.reduce((sum, key) => sum + key.length, 0),
    )
  }
  const perRound: number[] = []
  // The same in each round, so that none has to hold more than the one before.
  const steps = [17, 33, 65, 129, 257, 513, 1025, 513, 257, 129, 65, 33, 17].map(
    (bytes) => [bytes, bytes + random(bytes)] as const,
  )
  for (let round = 0; round < 6 * soak; round++) {
    for (const [bytes, more] of steps) {
      put(bytes, ENTRIES / 2)
      for (const key of keys.filter((_, at) => at % 2 === 0)) memory.delete(key)
      keys = keys.filter((_, at) => at % 2 === 1)
      put(more, ENTRIES / 2)
    }
    perRound.push(pages())
  }
  return { entries: ENTRIES, liveMost, isRight: keys.length === memory.size && keys.every((key) => memory.has(key)), perRound }
}

/** Processors made, used and left: closed, dropped, or dropped while a callback hangs. */
async function engines(): Promise<object> {
  const perRound: number[] = []
  const heaps: number[] = []
  for (let round = 0; round < 6; round++) {
    for (let at = 0; at < 500 * soak; at++) {
      const processor = new BatchProcessor()
      await processor.getCachedDataBatch([{ key: 'a', fetchFunction: () => 1 }], { signal: new AbortController().signal })
      if (at % 3 === 0) await processor.close()
      if (at % 3 === 1) {
        const hung = processor.getCachedData('b', () => new Promise(() => {}))
        hung.catch(() => {})
        void processor.close({ mode: 'abort' })
      }
    }
    await collected()
    perRound.push(pages())
    heaps.push(process.memoryUsage().heapUsed)
  }
  return { perRound, heaps }
}

/** Errors, requests, closures, signals and values of loads that failed: how many of them anything still holds. */
async function errors(): Promise<object> {
  const processor = new BatchProcessor({ maxEntries: 100 })
  processor.on('stall', () => {})
  const kinds = ['error', 'request', 'fetchFunction', 'signal', 'callerSignal', 'options', 'result'] as const
  const refs = Object.fromEntries(kinds.map((kind) => [kind, [] as WeakRef<object>[]]))
  const note = (kind: (typeof kinds)[number], object: object): void => void refs[kind]?.push(new WeakRef(object))
  const fail = async (at: number): Promise<void> => {
    const error = new Error(`distinct ${at}`)
    const controller = new AbortController()
    const fetchFunction = async ({ signal }: { signal: AbortSignal }): Promise<never> => {
      note('signal', signal)
      signal.addEventListener('abort', () => error)
      if (at % 5 === 0) await turn()
      throw error
    }
    const request = { key: `key ${at}`, fetchFunction }
    const options = { signal: controller.signal, retry: { attempts: 1 + (at % 2), backoffMs: 0 } }
    note('error', error)
    note('request', request)
    note('fetchFunction', fetchFunction)
    note('callerSignal', controller.signal)
    note('options', options)
    const asked = [
      processor.getCachedDataBatch([request, request], options).catch((reason: object) => note('result', reason)),
      processor.getCachedDataBatchSettled([request], options).then(
        (outcomes) => note('result', outcomes),
        () => {},
      ),
    ]
    if (at % 7 === 0) controller.abort(error)
    await Promise.all(asked)
  }
  await fail(0)
  // What keeps entries takes its memory with the first of them.
  processor.memory.set('first', 1)
  const before = pages()
  for (let at = 1; at < 5000 * soak; at++) await fail(at)
  // Of the last ones, a register or the last batch's record may hold something.
  await processor.getCachedDataBatch([{ key: 'last', fetchFunction: () => 1 }])
  await collected()
  const alive = Object.fromEntries(kinds.map((kind) => [kind, refs[kind]?.filter((ref) => ref.deref() !== undefined).length]))
  const { inFlight, waiting, running } = await processor.metrics()
  return { made: refs.error?.length, alive, before, pages: pages(), inFlight, waiting, running }
}

const cases: Record<string, () => Promise<object>> = {
  inserts,
  'sizes-lru': () => sizes('lru'),
  'sizes-adaptive': () => sizes('adaptive'),
  engines,
  errors,
}
console.log(JSON.stringify(await cases[what]?.()))
