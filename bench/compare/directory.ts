/**
 * The workload that groups are for: 200 files in 20 directories, from a source that takes 25 ms a call, at most 10 calls at once. Ideally, 20
 * calls in two rounds of ten: 50 ms.
 */

import { setTimeout } from 'node:timers/promises'
import { type Contender, interleave } from '../harness.ts'
import { type BatchOptions, BatchProcessor } from '../sluice.ts'
import { atMost, type Extent, type Report, rowOf } from './section.ts'

const FILES = 200
const DIRECTORIES = 20
const CALL_MS = 25
const LIMIT = 10
const ROUNDS = 20
const IDEAL_MS = Math.ceil(DIRECTORIES / LIMIT) * CALL_MS
const BAR = 1.15
const NS_PER_MS = 1e6

interface Input {
  /** Of the source, by this round. */
  calls: number
}

const keys = Array.from({ length: FILES }, (_, i) => `dir:${i % DIRECTORIES}:file-${i}`)

export async function directory({ isQuick }: Extent): Promise<Report> {
  const contender = (
    name: string,
    calls: number,
    optionsOf: (call: () => Promise<void>) => BatchOptions<string>,
  ): Contender<Input> => ({
    name,
    async run(input) {
      const call = async () => {
        input.calls += 1
        await setTimeout(CALL_MS)
      }
      const requests = keys.map((key) => ({ key, fetchFunction: () => call().then(() => key) }))
      const answer = await new BatchProcessor().getCachedDataBatch(requests, { maxConcurrency: LIMIT, ...optionsOf(call) })
      if (input.calls !== calls) throw new Error(`${name}: ${input.calls} calls`)
      return answer
    },
  })
  const timings = await interleave(
    [
      contender('sluice, grouped', DIRECTORIES, (call) => ({
        groupFetch: (group: { readonly keys: readonly string[] }) => call().then(() => [...group.keys]),
      })),
      contender('sluice, one by one', FILES, () => ({})),
    ],
    {
      rounds: isQuick ? ROUNDS / 4 : ROUNDS,
      callsPerRound: 1,
      prepare: () => ({ calls: 0 }),
      verify(answer) {
        if ((answer as readonly string[]).some((value, i) => value !== keys[i])) throw new Error('A wrong answer')
      },
    },
  )
  const grouped = (timings[0]?.lowNs ?? Number.NaN) / NS_PER_MS
  const work = `${FILES} files in ${DIRECTORIES} directories`
  return {
    tables: [
      {
        id: 'directory',
        title: `${work}, ${CALL_MS} ms a call, ${LIMIT} at once`,
        unit: 'ms',
        digits: 1,
        rows: [rowOf('a batch', timings, NS_PER_MS)],
        notes: [`In ${DIRECTORIES} and ${FILES} calls. Ideally ${IDEAL_MS} ms, grouped.`],
      },
    ],
    verdicts: [atMost(`${work}, grouped ÷ ideal`, grouped / IDEAL_MS, BAR, '')],
  }
}
