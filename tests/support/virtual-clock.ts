/** Time that passes only when a test says so. Nothing here sleeps. */

import type { Clock } from '../../js/index.js'

interface Timer {
  readonly at: number
  /** Breaks ties: first set, first called. */
  readonly order: number
  readonly callback: () => void
}

/** Settles when all microtasks, and what they set off in turn, have run. */
export function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export class VirtualClock implements Clock {
  /** Called after time has moved and before what is due then. */
  onTick: (() => void) | undefined
  /** Every length a timer was asked for. */
  readonly asked: number[] = []
  #now = 1000
  #wallAhead = 1_700_000_000_000
  #timers = new Map<number, Timer>()
  #order = 0

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return this.#now + this.#wallAhead
  }

  setTimer(callback: () => void, ms: number): number {
    if (!Number.isInteger(ms) || ms < 0 || ms > 2 ** 31 - 1) throw new RangeError(`a platform's timer cannot take ${ms} ms`)
    this.asked.push(ms)
    const order = ++this.#order
    this.#timers.set(order, { at: this.#now + ms, order, callback })
    return order
  }

  clearTimer(handle: unknown): void {
    this.#timers.delete(handle as number)
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#timers.size
  }

  /** When the next timer is due; `Infinity` if there is none. */
  get nextAt(): number {
    return this.#next()?.at ?? Number.POSITIVE_INFINITY
  }

  /** Lets `ms` pass: calls what comes due in its order, each with all that it sets off in microtasks. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await drained()
    for (let timer = this.#next(); timer !== undefined && timer.at <= end; timer = this.#next()) {
      this.#timers.delete(timer.order)
      this.#moveTo(timer.at)
      timer.callback()
      await drained()
    }
    this.#moveTo(end)
  }

  /** Lets the wall clock alone jump. */
  jumpWall(ms: number): void {
    this.#wallAhead += ms
  }

  /** Lets both clocks move without a timer being called: what a process that was suspended, or blocked, wakes up to. */
  stall(ms: number): void {
    this.#now += ms
  }

  #moveTo(at: number): void {
    // A timer that a stall made late does not turn time back.
    if (at > this.#now) this.#now = at
    this.onTick?.()
  }

  #next(): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers.values()) {
      if (next === undefined || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer
    }
    return next
  }
}
