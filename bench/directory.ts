/**
 * The workload that groups are for: 200 files in 20 directories, from a source that takes 25 ms a call, at most 10 calls at once.
 *
 *     node --import tsx directory.ts      or: bun directory.ts
 *
 * Ideally, 20 calls in two rounds of ten: 50 ms. `--check` fails where ours takes more than 1.15 times that, or another number of calls.
 */

import { LOW_QUANTILE, machine } from './harness.ts'
import { type BatchOptions, BatchProcessor } from './sluice.ts'
import { table } from './table.ts'

const FILES = 200
const DIRECTORIES = 20
const CALL_MS = 25
const LIMIT = 10
const ROUNDS = 20
const IDEAL_MS = Math.ceil(DIRECTORIES / LIMIT) * CALL_MS
const BAR = 1.15

let calls = 0
const call = async (): Promise<void> => {
  calls += 1
  await new Promise((resolve) => setTimeout(resolve, CALL_MS))
}
const keys = Array.from({ length: FILES }, (_, i) => `dir:${i % DIRECTORIES}:file-${i}`)
const requests = keys.map((key) => ({
  key,
  fetchFunction: async () => {
    await call()
    return key
  },
}))
const groupFetch = async (context: { readonly keys: readonly string[] }) => {
  await call()
  return [...context.keys]
}

const ways: Record<string, BatchOptions<string>> = {
  'sluice, grouped': { maxConcurrency: LIMIT, groupFetch },
  'sluice, one by one': { maxConcurrency: LIMIT },
}
const rows: string[][] = []
let isWell = true
for (const [name, options] of Object.entries(ways)) {
  const times: number[] = []
  const counts = new Set<number>()
  for (let round = 0; round < ROUNDS; round += 1) {
    calls = 0
    const processor = new BatchProcessor()
    const startMs = performance.now()
    const answer = await processor.getCachedDataBatch(requests, options)
    times.push(performance.now() - startMs)
    counts.add(calls)
    if (answer.some((value, i) => value !== keys[i])) throw new Error('A wrong answer')
  }
  times.sort((a, b) => a - b)
  // Noise only ever adds time, and a minimum is one lucky round.
  const low = times[Math.floor(LOW_QUANTILE * (ROUNDS - 1))] as number
  const median = times[ROUNDS / 2] as number
  rows.push([name, [...counts].join(', '), low.toFixed(1), median.toFixed(1), (low / IDEAL_MS).toFixed(2)])
  if (options.groupFetch) isWell = low <= BAR * IDEAL_MS && counts.size === 1 && counts.has(DIRECTORIES)
}
console.log(
  table(
    [`${FILES} files in ${DIRECTORIES} directories`, 'calls', `${LOW_QUANTILE * 100} % quantile, ms`, 'median', '÷ ideal'],
    rows,
  ),
)
console.log(`\n${CALL_MS} ms per call, at most ${LIMIT} at once, ideal ${IDEAL_MS} ms, ${ROUNDS} rounds. ${machine()}`)
if (process.argv.includes('--check') && !isWell) {
  console.error(`The bar is ${BAR} × ideal, in ${DIRECTORIES} calls`)
  process.exitCode = 1
}
