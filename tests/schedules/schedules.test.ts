/**
 * Random programs in random orders, under virtual time; after each, all that must hold of a processor with nothing to do, and of what its callers were
 * given (`run.ts`, `referee.ts`, `history.ts`).
 *
 * `SLUICE_SCHEDULES` says how many (20,000), `SLUICE_SEED` from which seed. One that goes wrong is printed, with its seed, as small as it gets.
 */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generate } from './generate.js'
import { run } from './run.js'
import { soak } from './soak.js'

const SEED = Number(process.env.SLUICE_SEED ?? Date.now() % 2 ** 30)
const SCHEDULES = Number(process.env.SLUICE_SCHEDULES ?? 20_000)

/** Below, a run is too short to meet everything. */
const SCHEDULES_TO_MEET_ALL = 10_000
/** What must have been met for a run to be worth its time. */
const TO_BE_MET = [
  ...['values', 'settled', 'single', 'stream', 'prefetch'].map((how) => `call: ${how}`),
  ...['set', 'delete', 'invalidate', 'clear'].map((what) => `touch: ${what}`),
  // Who waits leaves, and callbacks are told when nobody is left.
  ...['abort: before', 'abort: while callbacks run', 'abort: of a callback', 'rejected: string', 'counted: dropped'],
  // What is late, or was overtaken, is not kept.
  ...['counted: fenced', 'counted: late', 'counted: timedOut', 'event: stall'],
  ...['nested: in the only slot', 'failed: CircularFetchError'],
  ...['fulfilled: group', 'failed: GroupFetchError', 'failed: GroupContractError', 'failed: MissingResultError'],
  ...['failed: FetchTimeoutError', 'failed: QueueTimeoutError', 'rejected: BatchTimeoutError', 'counted: retried'],
  ...['fulfilled: joined', 'fulfilled: memory', 'counted: evicted', 'counted: expired'],
  ...[
    'fulfilled: stale',
    'event: refreshError',
    'fulfilled: tier 0',
    'fulfilled: tier 1',
    "counted: tier's errors",
    "counted: tier's deletes",
  ],
  // Limits that batches share are reached, by who waits and by who is refused.
  ...["limit: all of the processor's slots", "limit: all of a group's slots", "nested: in the processor's last slot"],
  ...['limit: a token as soon as it was there', 'limit: a token after a crash'],
  ...['failed: RateLimitedError', 'failed: OverloadedError', 'adaptive: rejected'],
  ...['event: crash', 'rejected: EngineCrashError', 'close: drain', 'close: abort', 'rejected: ClosedError'],
]

test(`${SCHEDULES} schedules leave nothing behind, and give nobody what is not theirs`, async (t) => {
  const start = performance.now()
  // At once: should it hang, the seed is known.
  console.log(`${SCHEDULES} schedules from SLUICE_SEED=${SEED}`)
  const { schedules, asked, calls, events, met } = await soak(SEED, SCHEDULES)
  const seconds = (performance.now() - start) / 1000
  t.diagnostic(`${schedules} schedules, ${asked} calls, ${calls} callbacks, ${events} events in ${seconds.toFixed(1)} s`)
  const never = TO_BE_MET.filter((what) => !met.has(what))
  if (SCHEDULES >= SCHEDULES_TO_MEET_ALL) assert.deepEqual(never, [])
})

test('a seed is the same schedule every time', async () => {
  for (let seed = SEED; seed < SEED + 50; seed++) {
    const first = await run(generate(seed))
    assert.deepEqual(await run(generate(seed)), first, `seed ${seed}`)
  }
})
