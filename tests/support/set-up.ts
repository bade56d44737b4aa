/** A processor under a virtual clock, and how a promise stands. */

import type { TestContext } from 'node:test'
import { BatchProcessor, type BatchProcessorConfig } from '../../js/index.js'
import { assertQuiescent } from './quiescence.js'
import { Source } from './source.js'
import { drained, VirtualClock } from './virtual-clock.js'

export interface Bench {
  readonly processor: BatchProcessor
  readonly clock: VirtualClock
  readonly source: Source
}

/** A processor of its own for the test `t`, which fails if it leaves anything behind: a load, a timer, a count that does not add up. */
export function setUp(t: TestContext, config: BatchProcessorConfig = {}): Bench {
  const clock = new VirtualClock()
  const processor = new BatchProcessor({ ...config, clock })
  const source = new Source()
  t.after(async () => {
    source.finish()
    await drained()
    await assertQuiescent(processor, clock)
  })
  return { processor, clock, source }
}

/** How `promise` stands when all microtasks have run. */
export async function stateOf(
  promise: Promise<unknown>,
): Promise<{ is: 'pending' } | { is: 'fulfilled'; value: unknown } | { is: 'rejected'; reason: unknown }> {
  let state: Awaited<ReturnType<typeof stateOf>> = { is: 'pending' }
  promise.then(
    (value) => {
      state = { is: 'fulfilled', value }
    },
    (reason: unknown) => {
      state = { is: 'rejected', reason }
    },
  )
  await drained()
  return state
}

/** What `promise` rejects with; throws if it does not. */
export async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  const state = await stateOf(promise)
  if (state.is !== 'rejected') throw new Error(`expected a rejection, the promise is ${state.is}`)
  return state.reason
}

/** What each of them rejects with. Looked at all at once, for a rejection must not wait to be heard. */
export function reasonsOf(...promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(promises.map(reasonOf))
}

/** What `call` throws; throws if it does not. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  throw new Error('expected a throw')
}
