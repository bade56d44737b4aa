/**
 * Gathers keys that are asked for one by one into batches. A window is open until the promises of its tick are told; with `windowMs`, what has to be
 * loaded then waits on, and what need not does not. A window has keys of one caller: a batch runs in the slot of whoever asked for it.
 */

import { Batch, type Settle } from './batch.js'
import type { Bulk } from './bulk.js'
import { type Caller, currentCaller } from './context.js'
import { BatchError, ClosedError } from './errors.js'
import { ignore } from './events.js'
import type { Pipeline } from './pipeline.js'
import type { BatchProcessor } from './processor.js'
import type { RejectedOutcome } from './types.js'
import { isInstance } from './values.js'

/** One call of `load` or `loadMany`, whose keys lie side by side in their window. */
interface Asker {
  readonly resolve: (value: never) => void
  readonly reject: (reason: unknown) => void
  /** How many keys `loadMany` asked for; `undefined` for the one of `load`. */
  readonly count: number | undefined
  /** Where the first is. */
  from: number
  /** Keys that are not answered. */
  left: number
}

/** Keys that become one batch. */
interface Window<K> {
  readonly caller: Caller | undefined
  /** What the keys are kept under. */
  names: string[]
  keys: K[]
  /** By position: who is to be told. */
  askers: Asker[]
  /** So many of the first have to be loaded; what comes after them has yet to be looked up. */
  sorted: number
  /** The end of a tick is awaited. */
  isTicking: boolean
  stopTimer: (() => void) | undefined
}

/** One more key of `asker` is answered: by `batch`, unless all were in memory. */
function tell(asker: Asker, results: readonly unknown[], batch: Batch | undefined): void {
  if (--asker.left > 0) return
  const { from, count, resolve, reject } = asker
  if (batch !== undefined && batch.failures > 0) {
    const outcomes = Array.from({ length: count ?? 1 }, (_, index) => ({ ...batch.outcome(from + index), index }))
    const failed = outcomes.find(({ status }) => status === 'rejected') as RejectedOutcome | undefined
    if (failed !== undefined) return reject(count === undefined ? failed.reason : new BatchError(outcomes))
  }
  resolve((count === undefined ? results[from] : results.slice(from, from + count)) as never)
}

/**
 * Loads keys in bulk, as DataLoader does, over the cache, the loads in flight and the tiers of its processor. Made by `processor.loader`.
 */
export class Loader<K, V> {
  readonly #processor: BatchProcessor
  readonly #pipeline: Pipeline
  readonly #bulk: Bulk<K>
  /** By who asks. */
  readonly #windows = new Map<Caller | undefined, Window<K>>()

  /** The last that was asked for. */
  #latest: Window<K> | undefined

  /** @internal Made by the processor. */
  constructor(processor: BatchProcessor, pipeline: Pipeline, bulk: Bulk<K>) {
    this.#processor = processor
    this.#pipeline = pipeline
    this.#bulk = bulk
  }

  /**
   * The value of one key.
   *
   * @throws (rejects) the `Error` the bulk loader answered for it, or what it threw; `TypeError` or `RangeError` for what is no key.
   */
  load(key: K): Promise<V> {
    return new Promise<V>((resolve, reject) => {
      const name = this.#bulk.keyOf(key)
      const { names, keys, askers } = this.#gather()
      askers.push({ resolve, reject, count: undefined, from: names.length, left: 1 })
      keys.push(key)
      names.push(name)
    })
  }

  /**
   * The values of many keys, in their order, gathered together with what else is asked for.
   *
   * @throws (rejects) `BatchError` with all outcomes when a key failed. (DataLoader answers the errors among the values.)
   */
  loadMany(keys: readonly K[]): Promise<V[]> {
    return new Promise<V[]>((resolve, reject) => {
      const asked = this.#bulk.ask(keys)
      const count = asked.keys.length
      if (count === 0) return resolve([])
      const window = this.#gather()
      const asker: Asker = { resolve, reject, count, from: window.names.length, left: count }
      for (let at = 0; at < count; at++) {
        window.askers.push(asker)
        window.keys.push(asked.requests[at] as K)
        window.names.push(asked.keys[at] as string)
      }
    })
  }

  /** Forgets a key, in memory and in the tiers; a load in flight is not kept. */
  clear(key: K): this {
    ignore(this.#processor.delete(this.#bulk.keyOf(key)))
    return this
  }

  /** Forgets all keys with this loader's prefix; without one, all that the processor has. */
  clearAll(): this {
    const { prefix } = this.#bulk.options
    ignore(prefix === '' ? this.#processor.clear() : this.#processor.invalidate({ prefix }))
    return this
  }

  /** Keeps a value for a key that is not in memory. An `Error` is not kept. */
  prime(key: K, value: V | Error): this {
    const name = this.#bulk.keyOf(key)
    const { ttl, tags } = this.#bulk.options
    if (!isInstance(value, Error) && !this.#processor.memory.has(name)) ignore(this.#processor.set(name, value, { ttl, tags }))
    return this
  }

  /** The window of whoever asks now. */
  #gather(): Window<K> {
    const caller = currentCaller(this.#pipeline.dispatcher.nested)
    const latest = this.#latest
    if (latest?.isTicking && latest.caller === caller) return latest
    const window = this.#windows.get(caller) ?? this.#open(caller)
    this.#latest = window
    if (window.isTicking) return window
    window.isTicking = true
    // As DataLoader waits: those who are told of a promise in this tick still ask for theirs.
    const { process } = globalThis as { process?: { nextTick?(run: () => void): void } }
    const end = process?.nextTick ?? ((run: () => void) => this.#pipeline.dispatcher.setTimer(0, run))
    void Promise.resolve().then(() => end(() => this.#sort(window)))
    return window
  }

  #open(caller: Caller | undefined): Window<K> {
    if (this.#pipeline.isClosing) throw new ClosedError()
    const window = { caller, names: [], keys: [], askers: [], sorted: 0, isTicking: false, stopTimer: undefined }
    this.#windows.set(caller, window)
    this.#pipeline.windows.set(window, this.#flush)
    return window
  }

  /** The tick is over: what need not be loaded does not wait any longer. */
  #sort(window: Window<K>): void {
    const { options } = this.#bulk
    const { windowMs } = options
    const { caller, sorted, names, keys, askers } = window
    window.isTicking = false
    if (windowMs === 0 || this.#windows.get(caller) !== window) return this.#flush(window)
    const actions = this.#pipeline.foresee(names.slice(sorted), options)
    const waiting = new Set(askers.filter((_, at) => at < sorted || actions[at - sorted] === 'fetch'))
    const empty = () => ({ names: [], keys: [], askers: [] })
    const ready: Window<K> = { ...window, ...empty() }
    Object.assign(window, empty())
    askers.forEach((asker, at) => {
      const to = waiting.has(asker) ? window : ready
      // The first of its keys.
      if (asker !== askers[at - 1]) asker.from = to.names.length
      to.names.push(names[at] as string)
      to.keys.push(keys[at] as K)
      to.askers.push(asker)
    })
    window.sorted = window.names.length
    this.#begin(ready)
    if (window.sorted === 0 || window.sorted >= options.maxBatchSize) this.#flush(window)
    else window.stopTimer ??= this.#pipeline.dispatcher.setTimer(Math.ceil(windowMs), () => this.#flush(window))
  }

  /** Loads what is gathered; with a reason, rejects it. Once. */
  readonly #flush = (window: Window<K>, reason?: Error): void => {
    if (!this.#pipeline.windows.delete(window)) return
    this.#windows.delete(window.caller)
    this.#latest = undefined
    window.stopTimer?.()
    if (reason === undefined) this.#begin(window)
    else for (const asker of window.askers) asker.reject(reason)
  }

  #begin({ names, keys, askers, caller }: Window<K>): void {
    if (names.length === 0) return
    const { dispatcher } = this.#pipeline
    let answered: number[] = []
    const settle: Settle = {
      findsHits: true,
      answered: (batch, index) => {
        // Who reads a value may run what is the user's: not while effects are carried out.
        if (answered.push(index) > 1) return
        dispatcher.defer(() => {
          const told = answered
          answered = []
          for (const index of told) tell(askers[index] as Asker, batch.results, batch)
        })
      },
      // Who has an answer does not hear this.
      reject: (reason) => {
        for (const asker of askers) asker.reject(reason)
      },
    }
    try {
      const asked = { requests: keys as never, keys: names, wishes: undefined }
      const begun = this.#pipeline.begin(asked, this.#bulk.options, settle, caller)
      const [results, batch] = begun instanceof Batch ? [begun.results, begun] : [begun]
      askers.forEach((asker, index) => {
        if (batch === undefined || batch.found(index)) tell(asker, results, batch)
      })
    } catch (error) {
      settle.reject(error)
    }
  }
}
