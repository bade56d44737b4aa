/**
 * A bounded priority queue of values. The order is made by the engine, of slots; the values stay here, by slot.
 *
 * The entries that leave next are here, too, in their order: the *front*, to which the engine adds a block at a time, and which takes in
 * what overtakes its last entry. Whatever else is enqueued is gathered, and crosses when the front has run out. All entries of the front
 * leave before all others. A queue that is shorter than the front never crosses.
 *
 * Priorities and the order of arrival are here by slot as well: if the engine is lost, it is told of all entries anew; if there is none, the
 * front is all of the queue. Nothing is lost in either case.
 */

import { Ranking } from './engine/ranking.js'
import { QueueFullError } from './errors.js'
import { anIntegerOrInfinity, aPriority, misuse, verify } from './options/checks.js'
import { QUEUE_OPTIONS } from './options/declarations.js'
import { readOptions, resolvePriority } from './options/resolve.js'
import type { Priority, PriorityQueueOptions } from './types.js'

/** Slots that an empty queue keeps room for, and dequeued ones that the front does. */
const ROOM = 16_384
const CODE = 'ERR_INVALID_ENTRIES'
const aCount = anIntegerOrInfinity(0)

/**
 * Holds values until they are dequeued: highest priority first (`'high'`, `'normal'`, `'low'`, or an integer), and first in, first out among
 * equals. Synchronous. Made for many at a time; any value will do, `undefined` too.
 */
export class PriorityQueue<T = unknown> {
  readonly #maxSize: number
  readonly #prefetch: number
  #size = 0
  #arrived = 0
  /** By slot. The number of the arrival is 0 where the slot is free. */
  #values: (T | undefined)[] = []
  #priorities: number[] = []
  #arrivals: number[] = []
  #free: number[] = []
  /** Slots there have been. */
  #used = 0
  /** Slots; those before `#head` are gone. */
  #front: number[] = []
  #head = 0
  /** Where it has not, the front is all. */
  #hasEngine = true
  /** Slots the engine is still to be told of, in the order of their arrival. */
  #gathered: number[] = []
  #ranking: Ranking | undefined

  /** Throws `InvalidTypeError` or `InvalidRangeError` for options that are not right. */
  constructor(options: PriorityQueueOptions = {}) {
    const read = readOptions('options', options, QUEUE_OPTIONS)
    const [maxSize, prefetch] = QUEUE_OPTIONS.map(({ name, default: fallback }) => (read[name] ?? fallback) as number)
    this.#maxSize = maxSize as number
    this.#prefetch = prefetch as number
  }

  /** Entries held. */
  get size(): number {
    return this.#size
  }

  /** Most entries there may be. */
  get maxSize(): number {
    return this.#maxSize
  }

  /** Adds `value`. Throws `QueueFullError` if there is no room. */
  enqueue(value: T, priority?: Priority): void {
    const rank = rankOf('priority', priority)
    this.#verifyRoom(1)
    this.#add(value, rank)
  }

  /**
   * Adds many values, in their order, with one priority for all or one for each. Throws `QueueFullError` if there is no room for all of them;
   * none is added then.
   */
  enqueueMany(values: readonly T[], priorities?: Priority | readonly (Priority | undefined)[]): void {
    if (!Array.isArray(values)) throw misuse('values', { expected: 'an array', outOfRange: false }, values, CODE)
    const { length } = values
    const isEach = Array.isArray(priorities)
    if (isEach && priorities.length !== length) {
      throw misuse('priorities.length', { expected: `${length}, one for each value`, outOfRange: true }, priorities.length, CODE)
    }
    const rank = isEach ? 0 : rankOf('priorities', priorities as Priority | undefined)
    const ranks: number[] = []
    if (isEach) for (let index = 0; index < length; index++) ranks.push(rankOf(index, priorities[index]))
    this.#verifyRoom(length)
    // As many as these are not sorted in one by one: the front gives way, and they cross together.
    const isBulk = length > this.#block() && this.#hasEngine
    if (isBulk && this.#head < this.#front.length) this.#spill(0)
    for (let index = 0; index < length; index++) {
      const own = isEach ? (ranks[index] as number) : rank
      if (isBulk) this.#gathered.push(this.#keep(values[index], own))
      else this.#add(values[index], own)
    }
  }

  /** Removes the value that comes next, and answers it; `undefined` if there is none. */
  dequeue(): T | undefined {
    const slot = this.#next()
    if (slot === undefined) return undefined
    this.#head++
    return this.#release(slot)
  }

  /** Removes the next values, at most `count`, and answers them in their order. */
  dequeueMany(count: number): T[] {
    verify('count', count, aCount, CODE)
    const most = Math.min(count, this.#size)
    const values: T[] = []
    while (values.length < most) {
      const left = most - values.length
      if (this.#head === this.#front.length && left > this.#block()) {
        for (const slot of this.#take(left)) values.push(this.#release(slot))
      } else values.push(this.dequeue() as T)
    }
    return values
  }

  /** The value that comes next, which stays; `undefined` if there is none. */
  peek(): T | undefined {
    const slot = this.#next()
    return slot === undefined ? undefined : this.#values[slot]
  }

  /** Removes all. */
  clear(): void {
    try {
      this.#ranking?.clear()
    } catch {
      this.#ranking = undefined
    }
    this.#reset()
  }

  /** All values in the order they would be dequeued in; they stay. */
  toArray(): T[] {
    return this.#inOrder().map((slot) => this.#values[slot] as T)
  }

  /** The same, one by one: what is in the queue now, whatever happens to it meanwhile. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.toArray().values()
  }

  #verifyRoom(added: number): void {
    if (this.#size + added > this.#maxSize) throw new QueueFullError(this.#size, added, this.#maxSize)
  }

  #add(value: T, rank: number): void {
    const { length } = this.#front
    const isInFront =
      this.#size === length - this.#head ||
      (length > this.#head && rank > (this.#priorities[this.#front[length - 1] as number] as number))
    const slot = this.#keep(value, rank)
    if (isInFront) this.#insert(slot, rank)
    else this.#gathered.push(slot)
  }

  #keep(value: T, rank: number): number {
    const slot = this.#free.length > 0 ? (this.#free.pop() as number) : this.#used++
    this.#values[slot] = value
    this.#priorities[slot] = rank
    this.#arrivals[slot] = ++this.#arrived
    this.#size++
    return slot
  }

  #release(slot: number): T {
    const value = this.#values[slot] as T
    this.#values[slot] = undefined
    this.#arrivals[slot] = 0
    this.#free.push(slot)
    if (--this.#size === 0) this.#tidy()
    return value
  }

  /** Begins with the first slot again, now that all are free, and with an engine, if there was none. */
  #tidy(): void {
    this.#free.length = 0
    this.#used = 0
    this.#hasEngine = true
    if (this.#values.length > ROOM) this.#reset()
  }

  #reset(): void {
    this.#size = 0
    this.#values = []
    this.#priorities = []
    this.#arrivals = []
    this.#free = []
    this.#used = 0
    this.#hasEngine = true
    this.#place([], [])
  }

  #place(front: number[], gathered: number[]): void {
    this.#front = front
    this.#head = 0
    this.#gathered = gathered
  }

  /** Into the front, behind its equals. */
  #insert(slot: number, rank: number): void {
    const front = this.#front
    if (this.#head > ROOM / 16) {
      front.splice(0, this.#head)
      this.#head = 0
    }
    let [low, high] = [this.#head, front.length]
    // Most come last.
    let middle = high - 1
    while (low < high) {
      if ((this.#priorities[front[middle] as number] as number) < rank) high = middle
      else low = middle + 1
      middle = (low + high) >>> 1
    }
    if (low === front.length) front.push(slot)
    else if (low === this.#head && low > 0) front[--this.#head] = slot
    else front.splice(low, 0, slot)
    const block = this.#block()
    if (this.#hasEngine && front.length - this.#head > 2 * block) this.#spill(block)
  }

  /** How many cross at a time, at least: a share of all, as the engine looks at all of them each time. */
  #block(): number {
    return Math.max(this.#prefetch, this.#size >>> 4)
  }

  /** Puts back all of the front but what comes first. */
  #spill(kept: number): void {
    const slots = this.#front.splice(this.#head + kept)
    try {
      this.#ranking ??= new Ranking()
      this.#ranking.push(slots, this.#priorities, true)
    } catch {
      this.#recover()
    }
  }

  /** The slot that comes next, which is then in the front. */
  #next(): number | undefined {
    if (this.#head === this.#front.length && this.#size > 0) {
      const slots = this.#take(this.#block())
      if (slots.length > 0) this.#place(slots, this.#gathered)
    }
    return this.#front[this.#head]
  }

  /** Takes the next slots from the engine, the front being empty. None if there is no engine: then all are in the front. */
  #take(count: number): number[] {
    // Once more if the engine was lost.
    for (let tries = 0; tries < 2; tries++) {
      try {
        this.#ranking ??= new Ranking()
        this.#ranking.push(this.#gathered, this.#priorities, false)
        this.#gathered = []
        return this.#ranking.take(count)
      } catch {
        this.#recover()
      }
    }
    this.#hasEngine = false
    this.#place(this.#inOrder(), [])
    return []
  }

  /** The engine lost the order: it is to be told of everything anew. */
  #recover(): void {
    this.#ranking = undefined
    this.#place([], this.#inOrder(true))
  }

  /** The slots in use, in the order they leave in, or that of their arrival. */
  #inOrder(ofArrival = false): number[] {
    const [priorities, arrivals] = [this.#priorities, this.#arrivals] as const
    const first = (a: number, b: number) => (arrivals[a] as number) - (arrivals[b] as number)
    const higher = (a: number, b: number) => (priorities[b] as number) - (priorities[a] as number) || first(a, b)
    return Array.from(arrivals.keys())
      .filter((slot) => arrivals[slot] !== 0)
      .sort(ofArrival ? first : higher)
  }
}

/** `where`: the name, or the index in `priorities`. */
function rankOf(where: string | number, priority: Priority | undefined): number {
  if (priority !== undefined) {
    const complaint = aPriority(priority)
    if (complaint !== undefined)
      throw misuse(typeof where === 'number' ? `priorities[${where}]` : where, complaint, priority, CODE)
  }
  return resolvePriority(priority)
}
