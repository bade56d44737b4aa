/** So many entries, everybody holding them, and the batches that ask for them. */

import type { Contender, Plan } from '../harness.ts'
import { BatchProcessor } from '../sluice.ts'
import { type Alphabet, Keys, type Kind } from './keys.ts'
import { type Ask, type Batch, dataLoader, lruCache, type Request, type Rival, TTL_MS, type Value } from './rivals.ts'

/** A batch, and whose values its answer must be. Made for one call. */
export interface Input {
  readonly batch: Batch
  readonly ids: Uint32Array
}
export type Race = readonly Contender<Input>[]

/** Keys per sample, at least: what the clock can tell apart. */
const KEYS_PER_SAMPLE = 1_000
/** A prime far from any power of two, so that a batch's keys lie all over the entries. */
const STRIDE = 7_919
/** What is put in at a time. */
const FILL = 1_000
const LIMIT = 10

/** Ours with twice the room it needs, and with not an entry more than it needs, its policy at work. */
export const ROOMY = 'sluice'
export const FULL = 'sluice, exactly full'
export const MAP_LOOP = 'Map loop'
export const OVER_LRU = lruCache.name

/** So many entries, and everybody holding them. */
export class Corpus {
  readonly keys: Keys
  readonly values: readonly Value[]

  constructor(entries: number, alphabet?: Alphabet) {
    this.keys = new Keys(entries, alphabet)
    this.values = Array.from({ length: entries }, (_, id) => ({ id }))
  }

  request(id: number, kind: Kind): Request {
    const value = this.values[id] as Value
    return { key: this.keys.make(id, kind), fetchFunction: () => value }
  }

  async fill(ask: Ask): Promise<void> {
    const { count } = this.keys
    for (let first = 0; first < count; first += FILL) {
      await ask(Array.from({ length: Math.min(FILL, count - first) }, (_, i) => this.request(first + i, 'reused')))
    }
  }

  async holding({ name, open }: Rival): Promise<Contender<Input>> {
    const ask = open({ entries: this.keys.count, limit: LIMIT })
    await this.fill(ask)
    return { name, run: ({ batch }) => ask(batch) }
  }

  /** Ours, without any option of a batch: none applies to what is in memory. */
  async roomy(): Promise<Contender<Input>> {
    const processor = new BatchProcessor({ maxEntries: 2 * this.keys.count })
    const ask: Ask = (batch) => processor.getCachedDataBatch(batch as Request[])
    await this.fill(ask)
    return { name: ROOMY, run: ({ batch }) => ask(batch) }
  }

  /** Filled, overfilled by a tenth, and filled again, so that evictions have been decided and all are back. */
  async full(): Promise<Contender<Input>> {
    const { count } = this.keys
    const processor = new BatchProcessor({ maxEntries: count })
    const ask: Ask = (batch) => processor.getCachedDataBatch(batch as Request[])
    await this.fill(ask)
    for (let stranger = 0; stranger < count / 10; stranger += 1) processor.memory.set(`stranger-${stranger}`, stranger)
    // What is asked for while strangers are there may push out another of ours, and not a stranger: until nobody is missing.
    const isComplete = () => this.values.every((_, id) => processor.memory.has(this.keys.make(id, 'reused')))
    for (let pass = 0; !isComplete(); pass += 1) {
      if (pass === 100) throw new Error('What is asked for again and again does not come back')
      await this.fill(ask)
    }
    return { name: FULL, run: ({ batch }) => ask(batch) }
  }

  /** The null rival: what one would write without a library. A miss would be one line more, and is left out. */
  mapLoop(): Contender<Input> {
    const expiresAt = performance.now() + TTL_MS
    const entries = new Map(this.values.map((value, id) => [this.keys.make(id, 'reused'), { value, expiresAt }]))
    return {
      name: MAP_LOOP,
      run({ batch }) {
        const now = performance.now()
        const results = new Array<unknown>(batch.length)
        for (let i = 0; i < batch.length; i += 1) {
          const entry = entries.get((batch[i] as Request).key)
          if (entry !== undefined && now < entry.expiresAt) results[i] = entry.value
        }
        return results
      },
    }
  }

  plan(size: number, kind: Kind, rounds: number): Plan<Input> {
    const { count } = this.keys
    const callsPerRound = Math.max(1, Math.round(KEYS_PER_SAMPLE / size))
    return {
      rounds,
      callsPerRound,
      prepare: (round, call) => {
        // Two of each a round.
        const first = (round * 2 * callsPerRound + call) * size
        const ids = Uint32Array.from({ length: size }, (_, i) => ((first + i) * STRIDE) % count)
        return { ids, batch: Array.from(ids, (id) => this.request(id, kind)) }
      },
      verify,
    }
  }
}

/** By their ids, as some libraries answer with copies. */
export function verify(answer: unknown, { ids }: Input): void {
  const got = answer as readonly Value[]
  if (got.length !== ids.length) throw new Error(`${got.length} values for ${ids.length} keys`)
  for (const [i, id] of ids.entries()) if (got[i]?.id !== id) throw new Error(`A wrong value at ${i}`)
}

/** Those one would take for this; opened one after another, as each is filled. */
export async function everyday(corpus: Corpus): Promise<Race> {
  const race = [await corpus.roomy(), await corpus.full(), corpus.mapLoop()]
  for (const rival of [lruCache, dataLoader]) race.push(await corpus.holding(rival))
  return race
}
