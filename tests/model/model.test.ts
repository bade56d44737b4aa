import '../support/strict.js'
import { test } from 'node:test'
import fc from 'fast-check'
import { Driver } from './driver.js'
import { operations, setting } from './operations.js'

const SEED = Number(process.env.SLUICE_SEED ?? Date.now() % 2 ** 31)
const OPERATIONS = Number(process.env.SLUICE_API_OPS ?? 100_000)
/** Long enough for everything to meet everything, short enough to be shrunk at once. */
const PER_RUN = 200

test('the processor does what the naive model does, operation by operation', async (t) => {
  let count = 0
  const start = performance.now()
  const property = fc.asyncProperty(setting, operations(PER_RUN), async (setting, operations) => {
    const driver = new Driver(setting)
    await driver.start()
    for (const operation of operations) {
      await driver.do(operation)
      count++
    }
    await driver.finish()
  })
  await fc.assert(property, { seed: SEED, numRuns: Math.ceil(OPERATIONS / (PER_RUN / 2)), endOnFailure: false })
  const perSecond = Math.round(count / ((performance.now() - start) / 1000))
  t.diagnostic(`${count} operations, ${perSecond}/s, SLUICE_SEED=${SEED}`)
})
