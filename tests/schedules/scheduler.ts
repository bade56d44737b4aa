/**
 * Virtual time, and the order of what happens in it. The processor's timers, the callbacks' answers and the program's steps wait in one queue; what is due at
 * the same moment comes in a random order, each in a turn of its own or, what is the program's, amid the microtasks of what came before.
 *
 * Not fast-check's scheduler: that decides among promises, and here most of what matters (timers, time, a turn that is not over) is none.
 */

import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../../js/index.js'
import type { Random } from './random.js'

interface Event {
  readonly at: number
  readonly tie: number
  /** A timer of the processor's is called in a turn of its own, as platforms do. */
  readonly isTimer: boolean
  readonly run: () => void
}

const EPOCH = 1_700_000_000_000
/** Beyond so many, something sets itself off again and again. */
const EVENTS_MAX = 20_000
/** Microtasks between two things of one turn, at most. */
const HOPS_MAX = 8

export class Scheduler implements Clock {
  readonly #random: Random
  /** The next one last. */
  readonly #queue: Event[] = []
  #now = 1000
  #wallAhead = EPOCH
  #timers = 0
  /** How long timers were held back in all. */
  stalledMs = 0
  events = 0

  constructor(random: Random) {
    this.#random = random
  }

  now(): number {
    return this.#now
  }

  wallNow(): number {
    return this.#now + this.#wallAhead
  }

  setTimer(callback: () => void, ms: number): Event {
    if (!Number.isInteger(ms) || ms < 0 || ms > 2 ** 31 - 1) throw new RangeError(`a platform's timer cannot take ${ms} ms`)
    this.#timers++
    const event: Event = {
      at: this.#now + ms,
      tie: this.#random.next(),
      isTimer: true,
      run: () => {
        this.#timers--
        callback()
      },
    }
    this.#insert(event)
    return event
  }

  clearTimer(handle: unknown): void {
    const place = this.#queue.indexOf(handle as Event)
    if (place < 0) return
    this.#queue.splice(place, 1)
    this.#timers--
  }

  /** Timers of the processor's that wait. */
  get timers(): number {
    return this.#timers
  }

  /** Calls `run` in `ms` milliseconds. */
  in(ms: number, run: () => void): void {
    this.#insert({ at: this.#now + ms, tie: this.#random.next(), isTimer: false, run })
  }

  /** Settles some microtasks later. */
  async soon(): Promise<void> {
    for (let hops = this.#random.below(HOPS_MAX); hops > 0; hops--) await undefined
  }

  stall(ms: number): void {
    this.#now += ms
    this.stalledMs += ms
  }

  jumpWall(ms: number): void {
    this.#wallAhead += ms
  }

  /** Lets everything happen; `onTurn` is called whenever all microtasks have run. Answers whether it came to an end. */
  async run(onTurn: () => void): Promise<boolean> {
    for (;;) {
      await turn()
      onTurn()
      let next = this.#queue.pop()
      if (next === undefined) return true
      this.#happen(next)
      while (!next.isTimer && this.#isSameTurn()) {
        await this.soon()
        next = this.#queue.at(-1)
        if (next === undefined || next.isTimer || next.at > this.#now) break
        this.#queue.pop()
        this.#happen(next)
      }
      if (this.events > EVENTS_MAX) return false
    }
  }

  #isSameTurn(): boolean {
    const next = this.#queue.at(-1)
    return next !== undefined && !next.isTimer && next.at <= this.#now && this.#random.chance(50)
  }

  #happen(event: Event): void {
    this.events++
    if (event.at > this.#now) this.#now = event.at
    event.run()
  }

  #insert(event: Event): void {
    let low = 0
    let high = this.#queue.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#queue[middle] as Event
      if (other.at > event.at || (other.at === event.at && other.tie > event.tie)) low = middle + 1
      else high = middle
    }
    this.#queue.splice(low, 0, event)
  }
}
