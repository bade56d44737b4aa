/** Warm batches again: what a key costs by the size of the batch, and by how many entries there are. For the plots. */

import { interleave } from '../harness.ts'
import { Corpus, everyday } from './corpus.ts'
import { type Extent, HOW, type Report, type Row, rounds, rowOf } from './section.ts'

const SIZES = [1, 10, 100, 1_000, 10_000, 100_000]
const SIZES_OF = 100_000
const POPULATIONS = [1_000, 10_000, 100_000, 1_000_000]
const BATCH = 1_000

export async function sizes(extent: Extent): Promise<Report> {
  const corpus = new Corpus(extent.isQuick ? SIZES_OF / 10 : SIZES_OF)
  const race = await everyday(corpus)
  const bySize: Row[] = []
  for (const size of SIZES.filter((size) => size <= corpus.keys.count)) {
    // The time goes by the keys, and is to be about the same.
    const count = Math.max(12, Math.min(rounds(extent, 80), Math.round(rounds(extent, 80_000) / size)))
    const timings = await interleave(race, corpus.plan(size, 'fresh', count))
    bySize.push(
      rowOf(`${size.toLocaleString('en')} of ${corpus.keys.count.toLocaleString('en')}`, timings, size, { at: { size } }),
    )
  }
  const byPopulation: Row[] = []
  for (const entries of POPULATIONS.slice(0, extent.isQuick ? 2 : undefined)) {
    const corpus = new Corpus(entries)
    const timings = await interleave(await everyday(corpus), corpus.plan(BATCH, 'fresh', rounds(extent, 80)))
    byPopulation.push(rowOf(`1,000 of ${entries.toLocaleString('en')}`, timings, BATCH, { at: { entries } }))
  }
  return {
    tables: [
      { id: 'by-size', title: 'Warm, by keys of a batch', unit: 'ns per fresh key', digits: 0, rows: bySize, notes: [HOW] },
      { id: 'by-population', title: 'Warm, by entries', unit: 'ns per fresh key', digits: 0, rows: byPopulation },
    ],
  }
}
