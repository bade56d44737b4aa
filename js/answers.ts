/**
 * How callbacks have answered, as the engine is to be told: an outcome and a number for each load. What is answered in one turn waits here, so that
 * all of it crosses at once.
 */

import type { Call } from './call.js'
import type { Clock } from './clock.js'
import { Outcome, OVERLOADED } from './engine/engine.js'
import { ignore } from './events.js'
import { isolate } from './isolation.js'
import type { Load } from './load.js'
import { isOverload, readRetryAfter } from './overload.js'
import { nameUnshareable } from './values.js'

export class Answers {
  /** How many the engine has not been told of. */
  #waiting: Load[] = []
  readonly #clock: Clock
  readonly #weigh: (value: unknown, given?: number) => number

  /** `weigh` says what a value counts against `maxWeight`. */
  constructor(clock: Clock, weigh: (value: unknown, given?: number) => number) {
    this.#clock = clock
    this.#weigh = weigh
  }

  /** How many wait to be told. */
  get length(): number {
    return this.#waiting.length
  }

  /** What waits to be told, which does so no longer. */
  take(): readonly Load[] {
    const taken = this.#waiting
    this.#waiting = []
    return taken
  }

  /** `call` has answered for `load` with a value. */
  addValue(call: Call, load: Load, value: unknown): void {
    this.#add(call, load, noteValue(load, value))
  }

  /** `call` has failed for `load`. */
  addFailure(call: Call, load: Load, reason: unknown): void {
    this.#add(call, load, noteFailure(load, reason))
  }

  /** `load` was not called, and is not to be tried again: it had its chance. */
  addRefusal(call: Call, load: Load, reason: Error): void {
    load.error = reason
    load.failed = true
    this.#add(call, load, Outcome.failed)
  }

  /** In how many milliseconds a source that failed so wants to be asked again; 0 if it does not say. */
  retryAfter(reason: unknown): number {
    return readRetryAfter(reason, this.#clock.wallNow()) ?? 0
  }

  #add(call: Call, load: Load, outcome: number): void {
    load.call = call
    load.outcome = outcome
    load.number = outcome < Outcome.failed ? this.#weigh(load.value, load.weight) : this.retryAfter(load.error)
    this.#waiting.push(load)
  }
}

/** Answers the outcome. */
function noteValue(load: Load, value: unknown): number {
  try {
    // Not what the callback may go on changing.
    load.value = load.options.isolation === 'clone' ? isolate(value, 'clone') : value
  } catch (error) {
    return noteFailure(load, error)
  }
  load.failed = false
  load.unshareable = nameUnshareable(value)
  if (value === null) return Outcome.null
  return value === undefined || load.unshareable !== undefined ? Outcome.unstored : Outcome.value
}

/** Answers the outcome. */
function noteFailure(load: Load, reason: unknown): number {
  load.error = reason
  load.failed = true
  const { retry } = load.options
  const outcome = load.attempts < retry.attempts && isRetryable(retry.retryable, reason) ? Outcome.retryable : Outcome.failed
  return isOverload(reason) ? outcome + OVERLOADED : outcome
}

function isRetryable(retryable: (error: unknown) => boolean, reason: unknown): boolean {
  try {
    const answer: unknown = retryable(reason)
    ignore(answer)
    return answer === true
  } catch {
    return false
  }
}
