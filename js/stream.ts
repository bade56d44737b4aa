/** Outcomes one by one: what is answered already, then what comes, as it comes. */

import type { Batch, Settle } from './batch.js'
import type { BatchOutcome } from './types.js'

/**
 * Begins its batch when the first outcome is asked for. Holds outcomes that nobody has asked for yet, never more than the batch has requests. Ending the loop
 * (`break`, `return`, a throw) drops interest in the rest.
 */
export class OutcomeStream<T> implements AsyncIterableIterator<BatchOutcome<T>> {
  readonly #begin: (settle: Settle) => Batch
  readonly #drop: (batch: Batch) => void
  #ready: BatchOutcome<T>[] = []
  /** Outcomes at the front of `ready` that have been handed over. */
  #taken = 0
  #waiting: { resolve(result: IteratorResult<BatchOutcome<T>>): void; reject(reason: unknown): void }[] = []
  #batch: Batch | undefined
  #end: { error?: unknown } | undefined

  constructor(begin: (settle: Settle) => Batch, drop: (batch: Batch) => void) {
    this.#begin = begin
    this.#drop = drop
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<BatchOutcome<T>>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (this.#batch === undefined && this.#end === undefined) this.#start()
      this.#handOver()
    })
  }

  return(): Promise<IteratorResult<BatchOutcome<T>>> {
    this.#ready = []
    this.#taken = 0
    this.#finish({})
    if (this.#batch !== undefined) this.#drop(this.#batch)
    return Promise.resolve({ done: true, value: undefined })
  }

  #start(): void {
    try {
      this.#batch = this.#begin({
        answered: (batch, index) => {
          const outcome = batch.outcome<T>(index)
          if (outcome.status === 'rejected' && batch.options.failFast) return
          this.#ready.push(outcome)
          this.#handOver()
        },
        resolve: () => this.#finish({}),
        reject: (error) => this.#finish({ error }),
      })
    } catch (error) {
      this.#finish({ error })
    }
  }

  #finish(end: { error?: unknown }): void {
    this.#end ??= end
    this.#handOver()
  }

  #handOver(): void {
    while (this.#waiting.length > 0) {
      const outcome = this.#ready[this.#taken]
      if (outcome === undefined && this.#end === undefined) return
      const consumer = this.#waiting.shift()
      if (outcome !== undefined) {
        this.#taken++
        consumer?.resolve({ done: false, value: outcome })
      } else if (this.#end !== undefined && 'error' in this.#end) {
        consumer?.reject(this.#end.error)
        // A failed iterator is done.
        this.#end = {}
      } else consumer?.resolve({ done: true, value: undefined })
    }
  }
}
