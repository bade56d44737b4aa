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

/** A promise whose state can be asked at any time. */
export class Watched<T> {
  is: 'pending' | 'fulfilled' | 'rejected' = 'pending'
  #value: T | undefined
  #reason: unknown

  constructor(promise: Promise<T>) {
    promise.then(
      (value) => {
        this.is = 'fulfilled'
        this.#value = value
      },
      (reason: unknown) => {
        this.is = 'rejected'
        this.#reason = reason
      },
    )
  }

  /** What it resolved with; throws if it did not. */
  get value(): T {
    if (this.is !== 'fulfilled') throw new Error(`expected a value, the promise is ${this.is}`, { cause: this.#reason })
    return this.#value as T
  }

  /** What it rejected with; throws if it did not. */
  get reason(): unknown {
    if (this.is !== 'rejected') throw new Error(`expected a rejection, the promise is ${this.is}`)
    return this.#reason
  }
}

/** Listens to `promise` from now on, so that no rejection goes unheard. */
export function watch<T>(promise: Promise<T>): Watched<T> {
  return new Watched(promise)
}

/** How `promise` stands when all microtasks have run. */
export async function stateOf(promise: Promise<unknown>): Promise<Watched<unknown>['is']> {
  const watched = watch(promise)
  await drained()
  return watched.is
}

/** What `promise` rejects with before any time passes; throws if it does not. */
export async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  const watched = watch(promise)
  await drained()
  return watched.reason
}

/** What each of them rejects with. */
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
