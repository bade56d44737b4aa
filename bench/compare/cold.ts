/**
 * What the machinery around a fetch costs: 1,000 keys never seen before, whose callbacks resolve at once, ten at a time. And the same
 * where each key is asked for ten times, and may be fetched once.
 *
 * The null rival is a bare `Promise.all`: no limit, no cache, nothing shared. DataLoader shares and batches, and has no limit; nor have
 * the other caches. A limiter around lru-cache is what one builds by hand, and shares nothing. Ours limits, shares, caches and evicts:
 * after ten rounds its 10,000 entries are full, and so are lru-cache's.
 */

import { type Contender, interleave } from '../harness.ts'
import { type Input, verify } from './corpus.ts'
import {
  type Batch,
  CACHES,
  dataLoaderPerBatch,
  fetch,
  LIMITERS,
  lruCacheFetch,
  mapOfPromises,
  pLimitLru,
  pMapLru,
  pQueueLru,
  type Request,
  type Rival,
  sluice,
} from './rivals.ts'
import { type Bar, type Extent, HOW, type Report, rounds, rowOf } from './section.ts'

const KEYS = 1_000
const COPIES = 10
const ROOM = { entries: 10_000, limit: 10 }

const bare: Rival = {
  name: 'bare Promise.all',
  open() {
    return (batch) => Promise.all(batch.map(fetch))
  },
}
const BARS: readonly Bar[] = [
  { against: bare.name, atMost: 5 },
  { against: dataLoaderPerBatch.name, timesAsFast: 1 },
  { against: pMapLru.name, timesAsFast: 2 },
  { against: pLimitLru.name, timesAsFast: 5 },
  { against: lruCacheFetch.name, timesAsFast: 15 },
]
/** For duplicates: those that fetch nothing twice. */
const SHARING = [dataLoaderPerBatch, mapOfPromises, ...CACHES]

export async function cold(extent: Extent): Promise<Report> {
  const limited = await race(
    [sluice, bare, dataLoaderPerBatch, pMapLru, pLimitLru, pQueueLru, lruCacheFetch],
    1,
    rounds(extent, 120),
  )
  const all = await race([sluice, ...CACHES, ...LIMITERS], 1, rounds(extent, 40))
  return {
    tables: [
      {
        id: 'cold',
        title: 'Cold batches, 1,000 instant callbacks, limit 10',
        unit: 'ns per key',
        digits: 0,
        isTurned: true,
        rows: [rowOf('those of the bars', limited, KEYS, { bars: BARS }), rowOf('the other caches and limiters', all, KEYS)],
        notes: [HOW],
      },
    ],
  }
}

export async function duplicates(extent: Extent): Promise<Report> {
  const timings = await race([sluice, ...SHARING], COPIES, rounds(extent, 60))
  return {
    tables: [
      {
        id: 'duplicates',
        title: `Cold, ${KEYS / COPIES} keys ${COPIES} times each, fetched once`,
        unit: 'ns per request',
        digits: 0,
        isTurned: true,
        rows: [rowOf('shuffled', timings, KEYS)],
        notes: [HOW],
      },
    ],
  }
}

interface Unseen extends Input {
  /** How often each was fetched. */
  readonly fetched: Uint8Array
}

function race(rivals: readonly Rival[], copies: number, rounds: number) {
  let serial = 0
  const contenders = rivals.map(({ name, open }): Contender<Unseen> => {
    const ask = open(ROOM)
    return { name, run: ({ batch }) => ask(batch) }
  })
  return interleave(contenders, {
    rounds,
    callsPerRound: 1,
    // Never the same key twice, for any contender.
    prepare() {
      const count = KEYS / copies
      const first = serial
      serial += count
      const fetched = new Uint8Array(count)
      // Its copies stand apart: 7 and the count have no divisor in common.
      const ids = Uint32Array.from({ length: KEYS }, (_, i) => (copies === 1 ? i : (i * 7) % count))
      const batch: Batch = Array.from(
        ids,
        (id): Request => ({
          key: `component:react:item-${first + id}`,
          fetchFunction: async () => {
            fetched[id] = (fetched[id] as number) + 1
            return { id }
          },
        }),
      )
      return { batch, ids, fetched }
    },
    verify(answer, input) {
      verify(answer, input)
      if (input.fetched.some((times) => times !== 1)) throw new Error('Fetched more than once, or not at all')
    },
  })
}
