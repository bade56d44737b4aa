/** Batches whose keys are all in memory. */

import { interleave } from '../harness.ts'
import { Corpus, everyday, FULL, MAP_LOOP, OVER_LRU } from './corpus.ts'
import type { Alphabet, Kind } from './keys.ts'
import { CACHES, dataLoader, LIMITERS, mapOfPromises, quickLru } from './rivals.ts'
import { type Bar, type Extent, HOW, type Report, type Row, rounds, rowOf, type Table } from './section.ts'

interface Case {
  readonly title: string
  readonly size: number
  readonly kind: Kind
  readonly map: number
  readonly full?: number
  readonly bars?: readonly Bar[]
}

interface Population {
  readonly entries: number
  readonly alphabet?: Alphabet
  readonly isLarge?: boolean
  readonly cases: readonly Case[]
}

const PEERS: readonly Bar[] = [
  { against: dataLoader.name, timesAsFast: 10 },
  { against: OVER_LRU, timesAsFast: 5 },
]
const POPULATIONS: readonly Population[] = [
  {
    entries: 10_000,
    cases: [
      { title: '1,000 fresh of 10 k', size: 1_000, kind: 'fresh', map: 0.4, full: 0.6, bars: PEERS },
      { title: '1,000 flat of 10 k', size: 1_000, kind: 'flat', map: 0.7 },
      { title: '1,000 reused of 10 k', size: 1_000, kind: 'reused', map: 1.0 },
    ],
  },
  {
    entries: 1_000,
    cases: [
      { title: '10 fresh of 1 k', size: 10, kind: 'fresh', map: 0.5 },
      { title: '10 flat of 1 k', size: 10, kind: 'flat', map: 0.9 },
      { title: '10 reused of 1 k', size: 10, kind: 'reused', map: 1.2 },
    ],
  },
  {
    entries: 1_000_000,
    isLarge: true,
    cases: [
      { title: '1,000 fresh of 1 M', size: 1_000, kind: 'fresh', map: 0.45, full: 0.65 },
      { title: '1,000 flat of 1 M', size: 1_000, kind: 'flat', map: 0.6 },
      { title: '1,000 reused of 1 M', size: 1_000, kind: 'reused', map: 0.9 },
    ],
  },
]
/** No bars, but what callers have, too. */
const OTHER_KEYS: readonly (readonly [string, Alphabet])[] = [
  ['long', 'long'],
  ['non-ASCII', 'nonAscii'],
]

export async function warm(extent: Extent): Promise<Report> {
  const rows: Row[] = []
  for (const { entries, cases, isLarge } of POPULATIONS) {
    if (isLarge && extent.isQuick) continue
    const corpus = new Corpus(entries)
    const race = await everyday(corpus)
    for (const { title, size, kind, map, full, bars = [] } of cases) {
      const timings = await interleave(race, corpus.plan(size, kind, rounds(extent, 120)))
      const ofFull: Bar[] = full === undefined ? [] : [{ ours: FULL, against: MAP_LOOP, atMost: full }]
      rows.push(rowOf(title, timings, size, { bars: [{ against: MAP_LOOP, atMost: map }, ...ofFull, ...bars] }))
    }
  }
  for (const [name, alphabet] of OTHER_KEYS) {
    const corpus = new Corpus(10_000, alphabet)
    const race = await everyday(corpus)
    for (const kind of ['fresh', 'flat', 'reused'] as const) {
      const timings = await interleave(race, corpus.plan(1_000, kind, rounds(extent, 60)))
      rows.push(rowOf(`1,000 ${name}, ${kind} of 10 k`, timings, 1_000))
    }
  }
  return {
    tables: [{ id: 'warm', title: 'Warm batches', unit: 'ns per key', digits: 0, rows, notes: [HOW] }, await everybody(extent)],
  }
}

/** Apart from those of the bars: some leave so much garbage that it is in everybody's figures. */
async function everybody(extent: Extent): Promise<Table> {
  const corpus = new Corpus(10_000)
  const race = [await corpus.roomy()]
  for (const rival of [mapOfPromises, quickLru, ...CACHES, ...LIMITERS]) race.push(await corpus.holding(rival))
  const timings = await interleave(race, corpus.plan(1_000, 'fresh', rounds(extent, 40)))
  return {
    id: 'warm-all',
    title: 'Warm, everybody else',
    unit: 'ns per key',
    digits: 0,
    isTurned: true,
    rows: [rowOf('1,000 fresh of 10 k', timings, 1_000)],
  }
}
