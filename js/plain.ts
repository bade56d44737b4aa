/**
 * Fetching without the engine: bounded, deduplicated, nothing kept. What is left when WebAssembly cannot run here, or while the engine crashes again and again.
 *
 * Of a batch's options it knows `maxConcurrency`, `deduplication`, `signal`, `timeoutMs`, `fetchTimeoutMs`, `failFast` and `isolation`; each key is fetched by
 * its own `fetchFunction`, and no tier is asked. The processor's limits, and those of groups, are not known to it.
 */

import { Batch, type Settle } from './batch.js'
import { type Call, type CallHost, type NestedCalls, SingleCall } from './call.js'
import { type Caller, takeScope } from './context.js'
import { abandoned, type Dispatcher } from './dispatcher.js'
import { BatchTimeoutError, CircularFetchError, NotCachedError } from './errors.js'
import { Load } from './load.js'
import type { ResolvedBatchOptions } from './options/resolve.js'
import { watch } from './signals.js'
import type { BatchRequest } from './types.js'
import { nameUnshareable } from './values.js'

/** A load under way: a call, so that a callback that asks for something is found again. */
export class PlainFlight extends SingleCall {
  readonly load: Load
  /** The batches that wait for it: each with the flight whose callback began that batch, and what to do with the answer. */
  readonly waiters: Map<Batch, { readonly parent: PlainFlight | undefined; readonly answer: () => void }> = new Map()
  stopTimer: (() => void) | undefined

  constructor(host: CallHost, load: Load) {
    super(load, host, 0, 0, -1)
    this.load = load
  }
}

export class PlainFetcher implements CallHost {
  readonly nested: NestedCalls
  readonly #dispatcher: Dispatcher

  constructor(dispatcher: Dispatcher) {
    this.nested = dispatcher.nested
    this.#dispatcher = dispatcher
  }

  /** Begins a batch, for the callback `caller` if one asks: `requests[i]` for `keys[i]`. */
  begin(
    requests: readonly BatchRequest<unknown>[],
    keys: readonly string[],
    options: ResolvedBatchOptions<never>,
    settle: Settle,
    caller: Caller | undefined,
  ): Batch {
    const dispatcher = this.#dispatcher
    const { signal, timeoutMs, deduplication } = options
    const scope = takeScope()
    const parent = caller instanceof PlainFlight ? caller : undefined
    const batch = new Batch(keys, new Array(keys.length), options, dispatcher.now(), settle)
    // The positions that one load is for: all of its key, where requests share.
    const asked = new Map<string | number, { load: Load; indexes: number[] }>()
    requests.forEach((request, index) => {
      const key = keys[index] as string
      const name = deduplication ? key : index
      const same = asked.get(name)
      if (same === undefined) asked.set(name, { load: new Load(-1, request, key, options, scope), indexes: [index] })
      else same.indexes.push(index)
    })
    const waitsFor = new Set<PlainFlight>()
    const stopTimer = dispatcher.setTimer(timeoutMs, () => batch.fail(new BatchTimeoutError(timeoutMs)))
    const unwatch = signal && watch(signal, () => batch.fail(signal.reason))
    batch.unwatch = () => {
      stopTimer()
      unwatch?.()
      for (const flight of waitsFor) this.#leave(flight, batch)
      dispatcher.exit(batch)
    }
    dispatcher.enter(batch)

    const queue = asked.values()
    const next = (): void => {
      while (waitsFor.size < Math.min(options.maxConcurrency, dispatcher.plainLimit) && !batch.isOver) {
        const { value: first } = queue.next()
        if (first === undefined) break
        const { load, indexes } = first
        const { key } = load
        const deliver = (answered: Load): void => {
          for (const index of indexes) batch.deliver(index, answered, answered === load && index === indexes[0])
          if (options.failFast && batch.failures > 0) batch.fail(batch.firstReason)
        }
        const joined = deduplication ? dispatcher.joinable.get(key) : undefined
        const path = joined && pathTo(joined, parent, new Set())
        if (path || options.cache === 'only-if-cached') {
          load.error = path ? new CircularFetchError([...path, key]) : new NotCachedError(key)
          load.failed = true
          deliver(load)
          continue
        }
        batch.counts[joined ? 'joined' : 'led']++
        batch.counts.deduplicated += indexes.length - 1
        const flight = joined ?? this.#start(load)
        waitsFor.add(flight)
        const answer = (): void => {
          waitsFor.delete(flight)
          deliver(flight.load)
          next()
        }
        flight.waiters.set(batch, { parent, answer })
      }
      if (waitsFor.size === 0) dispatcher.finish(batch, 0)
    }
    dispatcher.uninterrupted(next)
    return batch
  }

  // What calls tell.

  succeed(flight: Call, load: Load, value: unknown): void {
    load.value = value
    load.unshareable = nameUnshareable(value)
    this.#land(flight as PlainFlight)
  }

  fail(flight: Call, load: Load, reason: unknown): void {
    load.error = reason
    load.failed = true
    this.#land(flight as PlainFlight)
  }

  stalled(keys: readonly string[], timeoutMs: number): void {
    this.#dispatcher.stalled(keys, timeoutMs)
  }

  forget(): void {}

  ended(): void {}

  #start(load: Load): PlainFlight {
    const dispatcher = this.#dispatcher
    const { deduplication, fetchTimeoutMs } = load.options
    const flight = new PlainFlight(this, load)
    flight.stopTimer = dispatcher.setTimer(fetchTimeoutMs, () => flight.timeOut())
    if (deduplication) dispatcher.joinable.set(load.key, flight)
    dispatcher.defer(() => flight.run())
    return flight
  }

  #land(flight: PlainFlight): void {
    this.#end(flight)
    flight.load.settledAt = this.#dispatcher.now()
    const waiters = [...flight.waiters.values()]
    flight.waiters.clear()
    this.#dispatcher.uninterrupted(() => {
      for (const { answer } of waiters) answer()
    })
  }

  /** `batch` is over before `flight` is. */
  #leave(flight: PlainFlight, batch: Batch): void {
    flight.waiters.delete(batch)
    if (flight.waiters.size > 0) return
    this.#end(flight)
    flight.isAbandoned = true
    this.#dispatcher.uninterrupted(() => this.#dispatcher.defer(() => flight.abort(abandoned())))
  }

  #end(flight: PlainFlight): void {
    const { joinable } = this.#dispatcher
    const { key } = flight.load
    flight.stopTimer?.()
    if (joinable.get(key) === flight) joinable.delete(key)
  }
}

/** If `flight` waits for `waiting`: the keys on the way from the one to the other. */
function pathTo(flight: PlainFlight, waiting: PlainFlight | undefined, seen: Set<PlainFlight>): string[] | undefined {
  if (waiting === undefined || seen.has(waiting)) return undefined
  const { key } = waiting.load
  if (waiting === flight) return [key]
  seen.add(waiting)
  for (const { parent } of waiting.waiters.values()) {
    const path = pathTo(flight, parent, seen)
    if (path) return [...path, key]
  }
  return undefined
}
