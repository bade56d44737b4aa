/**
 * Carries out what the engine decides: calls callbacks, tells the engine how they ended, hands answers to batches, keeps the one timer.
 *
 * Effects are carried out in two steps. While the list is read, nothing runs that is not ours: state is moved, and what calls out (a callback,
 * an abort, a deadline) becomes a task. Then the tasks run, one after another; whatever they set off is appended, not nested, so that
 * callbacks that answer at once cannot overflow the stack, and the engine is never entered from within itself.
 */

import { Answers } from './answers.js'
import type { Batch } from './batch.js'
import { Breakers } from './breaker.js'
import { type Call, type CallHost, GroupCall, type NestedCalls, SingleCall, UnstartedCall } from './call.js'
import { Changes } from './changes.js'
import { type Clock, startTimer } from './clock.js'
import type { Scope } from './context.js'
import {
  type BatchId,
  type CallId,
  type EffectHandler,
  type Engine,
  type EngineStats,
  type FlightId,
  NONE,
  Outcome,
} from './engine/engine.js'
import { measure } from './engine/keys.js'
import {
  BatchTimeoutError,
  CircularFetchError,
  EngineCrashError,
  OverloadedError,
  QueueTimeoutError,
  RateLimitedError,
} from './errors.js'
import type { Events } from './events.js'
import { Failure } from './failure.js'
import { isolate } from './isolation.js'
import { Lifetime } from './lifetime.js'
import type { Load } from './load.js'
import type { ResolvedConfig } from './options/resolve.js'
import { isOverload } from './overload.js'
import type { PlainFlight } from './plain.js'
import type { ProcessorEvents } from './types.js'
import { estimateWeight, isInstance, nameUnshareable } from './values.js'

/** Resolved: what waits for it is done when this turn is over. */
const TURN = /* @__PURE__ */ Promise.resolve()
/** Marks a `null` among the lengths that cross. */
const NULL_BIT = 0x8000_0000
/** Marks what is to be left to its load, if there is one. */
const EXTRA_BIT = 0x4000_0000
/** Bounds the memory that many answers at once take in the engine for good. */
const ANSWERS_PER_CROSSING = 4096

/** A value to be stored that did not come from a load. */
export interface StoredEntry {
  readonly key: string
  readonly value: unknown
  readonly ttl: number | undefined
  readonly weight: number
  /** A group brought it without being asked: the tiers have not been told of it. */
  readonly isExtra?: boolean
}

/** What wants to know about results on their way to the waiters. */
export interface ResultListener {
  /** `load`'s value is now resident, for `ttlMs`. */
  onStored(load: Pick<Load, 'key' | 'value'> & { readonly tierIndex?: number }, ttlMs: number): void
  /** `batch` has all its answers; its callbacks ran for `busyMs` together. */
  onDone(batch: Batch, busyMs: number): void
}

/** What is to be run when nothing is half done. */
interface Task {
  /** The async context to run it in: that of whoever asked. */
  readonly scope?: Scope | undefined
  run(): void
}

export class Dispatcher implements EffectHandler, CallHost {
  readonly engine: Engine
  /** The processor's calls, for callbacks. */
  readonly nested: NestedCalls
  /** By key: what is carried out without the engine, and can be joined. */
  readonly joinable: Map<string, PlainFlight> = new Map()
  readonly changes: Changes = new Changes()
  readonly breakers: Breakers
  readonly #lifetime: Lifetime
  readonly #events: Events
  readonly #clock: Clock
  /** Callbacks of one batch at once, without an engine. */
  readonly plainLimit: number
  readonly #countsWeight: boolean
  readonly #keyBytesMax: number
  readonly #listener: ResultListener
  #loads: (Load | undefined)[] = []
  #batches: (Batch | undefined)[] = []
  #calls: (Call | undefined)[] = []
  #openBatches = 0
  /** Batches that are carried out without the engine. */
  readonly #outside = new Set<Batch>()
  /** Called once, when no batch waits any longer. */
  #onIdle: (() => void)[] = []
  #tasks: Task[] = []
  #isRunning = false
  readonly #answers: Answers
  #stopTimer: (() => void) | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #lastNow = 0
  /** What `stored` effects mean while it is stored, by position. */
  #setting: readonly StoredEntry[] | undefined

  constructor(config: ResolvedConfig, events: Events, nested: NestedCalls, listener: ResultListener) {
    this.nested = nested
    this.#events = events
    this.#clock = config.clock
    this.plainLimit = config.adaptiveConcurrency.initial || Number.POSITIVE_INFINITY
    this.#countsWeight = config.maxWeight !== Number.POSITIVE_INFINITY
    this.#keyBytesMax = config.maxKeyBytes
    this.#listener = listener
    this.#answers = new Answers(config.clock, (value, given) => this.weigh(value, given))
    this.breakers = new Breakers(
      config.groupBreaker,
      () => this.now(),
      (groupKey, error) => this.uninterrupted(() => this.defer(() => events.emit('groupBreakerOpen', { groupKey, error }))),
    )
    this.#lifetime = new Lifetime(
      config,
      events,
      () => this.now(),
      (...loss) => this.#onLoss(...loss),
    )
    this.engine = this.#lifetime.engine
  }

  /** Now, on a clock that never goes back, whatever the caller's does. */
  now(): number {
    const now = this.#clock.now()
    if (now > this.#lastNow) this.#lastNow = now
    return this.#lastNow
  }

  /** Whether no batch waits for anything. */
  get isIdle(): boolean {
    return this.#openBatches === 0 && this.#outside.size === 0
  }

  /** The engine's counters; zeros while there is none, the last ones when there is none any more. */
  stats(): EngineStats {
    return this.#lifetime.stats()
  }

  get openBatches(): Batch[] {
    return [...this.#batches.filter((batch) => batch !== undefined), ...this.#outside]
  }

  /** A batch begins that is carried out without the engine. */
  enter(batch: Batch): void {
    this.#outside.add(batch)
  }

  exit(batch: Batch): void {
    this.#outside.delete(batch)
    this.#tellIdle()
  }

  /** `keys`, or all there are, are about to be set or removed. Answers whether there is an engine that has them. */
  change(keys?: readonly string[]): boolean {
    this.changes.note(keys)
    if (this.ensureAlive()) return true
    // Whoever asks from now on must not get what began to load before.
    for (const key of keys ?? this.joinable.keys()) this.joinable.delete(key)
    return false
  }

  /** Does `due` once, `ms` from now; never if that is infinite. Answers how to stop that. */
  setTimer(ms: number, due: () => void): () => void {
    return startTimer(this.#clock, ms, () => this.uninterrupted(due))
  }

  /** Nobody waits any more, nor will: callbacks that never end do not keep the process alive until their deadline. */
  close(): void {
    this.#lifetime.isClosed = true
    this.#disarm()
  }

  /** After `close`: there is no engine any more. */
  end(): void {
    this.#guard(() => this.#lifetime.end())
    // What was to be finished for those who come later: nobody will.
    const reason = abandoned()
    for (const call of this.#calls) if (call?.isAbandoned === false) this.defer(() => call.abort(reason))
    for (const load of this.#loads) if (load) load.isLive = false
    this.#runTasks()
  }

  /** Settles when no batch waits any longer, or after `timeoutMs`. */
  drained(timeoutMs: number): Promise<void> {
    if (this.isIdle) return Promise.resolve()
    return new Promise((resolve) => {
      const stopTimer = startTimer(this.#clock, timeoutMs, resolve)
      this.#onIdle.push(() => {
        stopTimer()
        resolve()
      })
    })
  }

  /** Whether there is an engine to ask. Before anything is asked of it. */
  ensureAlive(): boolean {
    return this.#lifetime.ensureAlive()
  }

  /** Opens `batch` for waiting requests. */
  open(batch: Batch, parent: CallId | undefined): void {
    batch.id = this.engine.open(batch.options, parent, this.now())
    this.#batches[batch.id] = batch
    this.#openBatches++
    this.#watchInstance()
    this.after()
  }

  /** Holds all tasks back until `section` is through: nobody else gets between its calls of the engine. */
  uninterrupted<R>(section: () => R): R {
    const isOutermost = !this.#isRunning
    this.#isRunning = true
    try {
      this.tellAnswers()
      return section()
    } finally {
      if (isOutermost) {
        this.#isRunning = false
        this.#runTasks()
      }
    }
  }

  register(load: Load): void {
    this.#loads[load.flight] = load
  }

  /** Drops the batch's interest in what it still waits for, and rejects it. */
  abandon(batch: Batch, reason: unknown): void {
    this.tellAnswers()
    const wasOpen = this.#batches[batch.id] === batch
    batch.fail(reason)
    if (!wasOpen) return
    this.#guard(() => this.engine.leave(batch.id, this.now()))
    this.after()
  }

  /** A callback has answered for `load`, as part of `call`. */
  succeed(call: Call, load: Load, value: unknown): void {
    if (!this.#settleable(call, load)) return
    this.#answers.addValue(call, load, value)
    this.#tellInTurn()
  }

  /** A callback has failed for `load`, as part of `call`. */
  fail(call: Call, load: Load, reason: unknown): void {
    if (!this.#settleable(call, load)) return
    this.#answers.addFailure(call, load, reason)
    this.#tellInTurn()
  }

  /** The callback of `call` has failed for all that it has not answered yet, which is still to be told what becomes of it. */
  failGroup(call: Call, reason: unknown): void {
    if (!isOverload(reason)) return
    const answer = { flight: NONE, call, outcome: Outcome.overloaded, number: this.#answers.retryAfter(reason), settledAt: 0 }
    this.#guard(() => this.engine.settle([answer], 0, 1, this.now()))
  }

  /** `call` will not be started. */
  refuseCall(call: Call, load: Load, reason: Error): void {
    if (!this.#settleable(call, load)) return
    this.#answers.addRefusal(call, load, reason)
    this.#tellInTurn()
  }

  /** Whether callbacks have answered what the engine has not been told of. */
  get hasAnswers(): boolean {
    return this.#answers.length > 0
  }

  /** Tells the engine what callbacks have answered since it was told last. */
  tellAnswers(): void {
    if (this.#answers.length === 0) return
    const answers = this.#answers.take()
    const now = this.now()
    const { engine } = this
    const { instance } = engine
    // What is answered is of one instance.
    for (let from = 0; from < answers.length && engine.instance === instance; from += ANSWERS_PER_CROSSING) {
      const to = Math.min(answers.length, from + ANSWERS_PER_CROSSING)
      this.#guard(() => engine.settle(answers, from, to, now))
      this.#carryOut()
    }
    this.#runTasks()
  }

  /** `load`'s group left it out; its own callback is to be called. */
  fallBack(call: Call, load: Load): void {
    if (!this.#settleable(call, load)) return
    load.source = 'fetch'
    this.#guard(() => this.engine.fallBack(call, load.flight, this.now()))
    this.after()
  }

  /** All is said that `call` has to say. */
  forget(call: Call): void {
    if (this.#calls[call.place] === call) this.#calls[call.place] = undefined
  }

  /** The callback of a call that nobody waits for any longer has ended. */
  ended(call: Call): void {
    this.forget(call)
    // First what has failed by now: who has waited too long is not to get the slot.
    this.tellAnswers()
    if (this.engine.isLost) return
    this.#guard(() => this.engine.ended(call, this.now()))
    this.after()
  }

  /** A tier has answered for `load`. */
  supply(load: Load, value: unknown, ttl: number): void {
    load.value = value
    load.settledAt = this.now()
    const weight = this.weigh(value, load.weight)
    this.#guard(() => this.engine.supply(load.flight, ttl, weight, this.now()))
    this.after()
  }

  /** Neither memory nor a tier has `load`, and it is not to be fetched. */
  refuseLoad(load: Load, reason: unknown): void {
    load.error = reason
    load.failed = true
    load.settledAt = this.now()
    this.#guard(() => this.engine.refuse(load.flight, this.now()))
    this.after()
  }

  /** What `value` counts against `maxWeight`. May call what is the user's. */
  weigh(value: unknown, given?: number): number {
    return this.#countsWeight ? (given ?? estimateWeight(value)) : 0
  }

  /** Stores values that did not come from loads. */
  store(entries: readonly StoredEntry[], flags = 0): void {
    this.uninterrupted(() => {
      const { engine } = this
      engine.writeKeys(entries.map(({ key }) => key))
      entries.forEach(({ value, ttl, weight }, index) => {
        engine.words[index] = (engine.words[index] as number) + flags + (value === null ? NULL_BIT : 0)
        engine.words[entries.length + index] = weight
        engine.floats[index] = value === undefined ? 0 : (ttl ?? Number.NaN)
      })
      engine.mset(entries.length, this.now())
      this.#setting = entries
      this.after()
      this.#setting = undefined
    })
  }

  /**
   * Keeps what the group call that began at `since` brought for keys that it was not asked for: but for those that have changed since, or are being
   * loaded.
   */
  keepExtras(found: ReadonlyMap<string, unknown>, since: number, options: Load['options']): void {
    if (options.cache === 'no-store') return
    const extras: StoredEntry[] = []
    for (const [key, given] of found) {
      if (Math.abs(measure(key)) > this.#keyBytesMax) continue
      if (given === undefined || isInstance(given, Error) || nameUnshareable(given) !== undefined) continue
      try {
        const value = options.isolation === 'clone' ? isolate(given, 'clone') : given
        extras.push({ key, value, ttl: options.ttl, weight: this.weigh(value), isExtra: true })
      } catch {
        // What cannot be cloned cannot be kept.
      }
    }
    // What was the user's has been called; from here on nothing changes any more.
    const kept = extras.filter(({ key }) => !this.changes.has(key, since))
    if (kept.length > 0 && !this.#lifetime.isClosed && !this.engine.isLost) this.#guard(() => this.store(kept, EXTRA_BIT))
  }

  /** Runs `task` when what is being done is done. */
  defer(task: () => void): void {
    this.#tasks.push({ run: task })
  }

  /** A callback has not answered by its deadline. */
  stalled(keys: readonly string[], timeoutMs: number): void {
    this.defer(() => this.#events.emit('stall', { keys, timeoutMs }))
  }

  /** To be called after each call of the engine that may have effects. */
  after(): void {
    this.#carryOut()
    this.#runTasks()
  }

  // The handler: no call of the engine in here, and nothing of the user's.

  startOne(place: number, generation: number, flight: FlightId): void {
    const load = this.#loads[flight]
    if (load !== undefined) this.#add(new SingleCall(load, this, place, generation, this.engine.instance))
  }

  startGroup(place: number, generation: number, flights: FlightId[]): void {
    const loads: Load[] = []
    for (const flight of flights) {
      const load = this.#loads[flight]
      if (load !== undefined) loads.push(load)
    }
    this.#add(new GroupCall(loads, this, place, generation, this.engine.instance))
  }

  deliver(id: BatchId, index: number, flight: FlightId, led: boolean): void {
    const batch = this.#batches[id]
    const load = this.#loads[flight]
    if (batch === undefined || load === undefined || batch.isOver) return
    if (batch.isolates) this.defer(() => this.#deliver(batch, index, load, led))
    else this.#deliver(batch, index, load, led)
  }

  deliverStale(id: BatchId, index: number, value: unknown): void {
    const batch = this.#batches[id]
    if (batch === undefined || batch.isOver) return
    if (batch.isolates) this.defer(() => batch.deliverStale(index, value))
    else batch.deliverStale(index, value)
  }

  done(id: BatchId, busyMs: number): void {
    const batch = this.#batches[id]
    if (batch === undefined) return
    this.#batches[id] = undefined
    if (--this.#openBatches === 0) this.#becomeIdle()
    if (batch.isolates) this.defer(() => this.finish(batch, busyMs))
    else this.finish(batch, busyMs)
  }

  /** `batch` has all its answers; its callbacks ran for `busyMs` together. */
  finish(batch: Batch, busyMs: number): void {
    if (batch.isOver) return
    this.#listener.onDone(batch, busyMs)
    batch.finish()
  }

  stored(from: number, ttlMs: number): unknown {
    const entry = this.#setting?.[from]
    if (entry !== undefined) {
      if (entry.isExtra) this.#tellStored(entry, ttlMs)
      return entry.value
    }
    const load = this.#loads[from]
    if (load === undefined) return undefined
    if (load.options.cache !== 'no-store') this.#tellStored(load, ttlMs)
    return load.value
  }

  abort(place: number, generation: number): void {
    const call = this.#calls[place]
    if (call?.generation !== generation) return
    call.isAbandoned = true
    this.defer(() => call.abort(abandoned()))
  }

  timeOut(place: number, generation: number): void {
    const call = this.#calls[place]
    if (call?.generation !== generation) return
    this.defer(() => call.timeOut())
  }

  timeOutQueued(place: number, generation: number, flights: FlightId[]): void {
    this.#dropCall(place, generation, flights, ({ key, options }) => new QueueTimeoutError(key, options.queueTimeoutMs))
  }

  refuse(place: number, generation: number, retryMs: number, flights: FlightId[]): void {
    const reasonOf = ({ key }: Load) => (retryMs === NONE ? new OverloadedError(key) : new RateLimitedError(key, retryMs))
    this.#dropCall(place, generation, flights, reasonOf)
  }

  storedFailure(flight: FlightId): unknown {
    return new Failure(this.#loads[flight]?.error)
  }

  timeOutBatch(id: BatchId): void {
    const batch = this.#batches[id]
    if (batch === undefined) return
    this.defer(() => this.abandon(batch, new BatchTimeoutError(batch.options.timeoutMs)))
  }

  release(flight: FlightId): void {
    const load = this.#loads[flight]
    if (load !== undefined) load.isLive = false
    this.#loads[flight] = undefined
  }

  cycle(id: BatchId, index: number, flights: FlightId[]): void {
    const path = flights.map((flight) => this.#loads[flight]?.key ?? '')
    this.#batches[id]?.reject(index, new CircularFetchError(path), 'joined')
  }

  #carryOut(): void {
    if (this.engine.isLost) return
    this.#guard(() => {
      this.engine.carryOut(this)
      this.#arm()
    })
  }

  /** Runs `crossing`; if the instance is lost, everybody has been told. */
  #guard(crossing: () => unknown): void {
    try {
      crossing()
    } catch (error) {
      if (!(error instanceof EngineCrashError)) throw error
    }
  }

  #deliver(batch: Batch, index: number, load: Load, led: boolean): void {
    const good = batch.deliver(index, load, led)
    if (!good && batch.options.failFast) this.defer(() => this.abandon(batch, batch.firstReason))
  }

  #tellStored(stored: Pick<Load, 'key' | 'value'>, ttlMs: number): void {
    this.changes.noteKey(stored.key)
    this.#listener.onStored(stored, ttlMs)
  }

  #dropCall(place: number, generation: number, flights: FlightId[], reasonOf: (load: Load) => Error): void {
    const loads = flights.map((flight) => this.#loads[flight]).filter((load) => load !== undefined)
    this.#add(new UnstartedCall(this, place, generation, loads, reasonOf))
  }

  #add(call: Call): void {
    this.#calls[call.place] = call
    this.#tasks.push(call)
  }

  #settleable(call: Call, load: Load): boolean {
    return load.isLive && !this.engine.isLost && this.#calls[call.place] === call
  }

  /** The engine is told with what else is answered in this turn. */
  #tellInTurn(): void {
    if (this.#answers.length === 1 && !this.#isRunning) void TURN.then(this.#endTurn)
  }

  readonly #endTurn = (): void => this.tellAnswers()

  /** Runs what is to be run, and what that sets off, until nothing is left. What a task throws is a bug of ours, and keeps no other from running. */
  #runTasks(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    const bugs: unknown[] = []
    for (;;) {
      // Of callbacks that answered at once.
      this.tellAnswers()
      const tasks = this.#tasks
      if (tasks.length === 0) break
      this.#tasks = []
      let at = 0
      // Entering a scope is dear, and those that a batch leads have the same.
      const runAll = (scope: Scope | undefined): void => {
        for (; tasks[at]?.scope === scope && at < tasks.length; at++) {
          try {
            tasks[at]?.run()
          } catch (error) {
            bugs.push(error)
          }
        }
      }
      while (at < tasks.length) {
        const scope = tasks[at]?.scope
        if (scope === undefined) runAll(undefined)
        else scope(() => runAll(scope))
      }
    }
    this.#isRunning = false
    if (bugs.length > 0) throw bugs[0]
  }

  #becomeIdle(): void {
    this.#watchInstance()
    this.#tellIdle()
  }

  /** What a crash would cost is a batch, or a deadline of what goes on without one. */
  #watchInstance(): void {
    this.#lifetime.watch(this.#openBatches > 0 || this.#stopTimer !== undefined)
  }

  #tellIdle(): void {
    if (this.isIdle) for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  /** One timer, for the earliest deadline; none when there is none. */
  #arm(): void {
    const at = this.engine.nextDeadline
    if (at === Number.POSITIVE_INFINITY || this.#lifetime.isClosed) return this.#disarm()
    // A timer that comes too early sets itself again; most deadlines are cancelled before they come.
    if (at >= this.#timerAt) return
    this.#disarm()
    this.#timerAt = at
    this.#stopTimer = startTimer(this.#clock, Math.max(0, Math.ceil(at - this.now())), () => this.#onTimer())
    this.#watchInstance()
  }

  #disarm(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    this.#watchInstance()
  }

  #onTimer(): void {
    this.#disarm()
    this.tellAnswers()
    if (this.engine.isLost) return
    this.#guard(() => this.engine.advance(this.now()))
    this.after()
  }

  /** Every flight is gone: whoever waits is told. */
  #onLoss(error: EngineCrashError, event: ProcessorEvents['crash']): void {
    const batches = this.#batches.filter((batch) => batch !== undefined)
    const calls = this.#calls.filter((call) => call !== undefined)
    for (const load of this.#loads) if (load) load.isLive = false
    this.#loads = []
    this.#batches = []
    this.#calls = []
    this.#answers.take()
    this.#openBatches = 0
    this.#becomeIdle()
    this.#disarm()
    for (const batch of batches) batch.fail(error)
    this.defer(() => this.#events.emit('crash', event))
    for (const call of calls) this.defer(() => call.abort(error))
    this.#runTasks()
  }
}

export function abandoned(): DOMException | Error {
  const message = 'nobody waits for this load any longer'
  return typeof DOMException === 'function' ? new DOMException(message, 'AbortError') : new Error(message)
}
