/**
 * The processor beside the naive model, through the public API, under a virtual clock.
 *
 * `SLUICE_API_OPS` says how many operations (100,000), `SLUICE_SEED` where to begin: a failure names the seed to begin at, and prints the shortest
 * run found that fails. `SLUICE_SHRINK=0` does without looking for it.
 */

import '../support/strict.js'
import { test } from 'node:test'
import fc from 'fast-check'
import { Driver } from './driver.js'
import { operations, setting } from './operations.js'

const SEED = Number(process.env.SLUICE_SEED ?? Date.now() % 2 ** 30)
const OPERATIONS = Number(process.env.SLUICE_API_OPS ?? 100_000)
/** Long enough for everything to meet everything, short enough to be shrunk. */
const PER_RUN_MAX = 200
const RUNS_PER_SEED = 100

test('the processor does what the naive model does, operation by operation', async (t) => {
  let count = 0
  const start = performance.now()
  const property = fc.asyncProperty(setting, operations(PER_RUN_MAX), async (setting, operations) => {
    const driver = new Driver(setting)
    await driver.start()
    for (const operation of operations) {
      await driver.do(operation)
      count++
    }
    await driver.finish()
  })
  let seed = SEED
  try {
    for (; count < OPERATIONS; seed++) {
      await fc.assert(property, { seed, numRuns: RUNS_PER_SEED, endOnFailure: process.env.SLUICE_SHRINK === '0' })
    }
  } finally {
    const perSecond = Math.round(count / ((performance.now() - start) / 1000))
    t.diagnostic(`${count} operations, ${perSecond}/s, SLUICE_SEED=${SEED}${seed === SEED ? '' : ` to ${seed}`}`)
  }
})
