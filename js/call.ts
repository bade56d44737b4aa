/** One run of a callback: a request's own, or a group's. Tells the dispatcher how it went, once; what comes after its end is dropped. */

import { BULK_LOADER } from './bulk-name.js'
import { type Caller, runAs, type Scope } from './context.js'
import type { Dispatcher } from './dispatcher.js'
import type { CallId } from './engine/engine.js'
import { FetchTimeoutError, GroupBreakerError, GroupFetchError } from './errors.js'
import { type GroupAnswers, missingAnswer, readGroupResult } from './group-result.js'
import { prefixOf } from './grouping.js'
import type { Load } from './load.js'
import type {
  BatchOptions,
  BatchRequest,
  BulkLoader,
  FetchContext,
  GroupFetchContext,
  LoadManyOptions,
  SingleOptions,
} from './types.js'
import { isInstance } from './values.js'

export interface Call extends CallId {
  /** The async context to run it in: that of whoever asked. */
  readonly scope?: Scope | undefined
  /** Nobody waits for it any longer: what it answers is dropped, its slot is free when it ends or its deadline comes. */
  isAbandoned: boolean
  run(): void
  /** Nobody waits for it any longer. */
  abort(reason: unknown): void
  /** Its deadline has come. */
  timeOut(): void
}

/** The processor's calls, as a callback makes them. */
export interface NestedCalls {
  getCachedDataBatch<U>(caller: Caller, requests: readonly BatchRequest<U>[], options?: BatchOptions<U>): Promise<U[]>
  getCachedData<U>(
    caller: Caller,
    key: string,
    fetchFunction: BatchRequest<U>['fetchFunction'],
    ttlOrOptions?: number | SingleOptions<U>,
  ): Promise<U>
  loadMany<K, V>(
    caller: Caller,
    keys: readonly K[],
    bulkLoader: BulkLoader<K, V>,
    options: LoadManyOptions<K> | undefined,
  ): Promise<V[]>
}

/** Whom a call tells how it went. */
export interface CallHost {
  readonly nested: NestedCalls
  succeed(call: Call, load: Load, value: unknown): void
  fail(call: Call, load: Load, reason: unknown): void
  /** All is said that `call` has to say. */
  forget(call: Call): void
  /** The callback of a call that nobody waits for any longer has ended. */
  ended(call: Call): void
  /** A callback has not answered by its deadline. */
  stalled(keys: readonly string[], timeoutMs: number): void
}

/**
 * What both kinds of call have: a signal that costs nothing until it is asked for, and an end that nobody waits for, told once. What the callback is
 * known by is the call itself; as the callback may outlive it by long, it lets go of its loads when all is said.
 */
abstract class AbortableCall<Host extends CallHost = CallHost> implements Caller {
  readonly host: Host
  readonly place: number
  readonly generation: number
  readonly instance: number
  isAbandoned = false
  #controller: AbortController | undefined
  #hasEnded = false

  constructor(host: Host, place: number, generation: number, instance: number) {
    this.host = host
    this.place = place
    this.generation = generation
    this.instance = instance
  }

  get owner(): object {
    return this.host.nested
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.isAbandoned = true
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }

  /** It has answered, or its deadline has come, and nobody waits for it any longer. */
  protected end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.host.ended(this as unknown as Call)
  }
}

/** What both kinds of callback are handed besides what they are to fetch; made when it is asked for. */
class CallContext {
  readonly #call: AbortableCall

  constructor(call: AbortableCall) {
    this.#call = call
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }

  get getCachedDataBatch(): FetchContext['getCachedDataBatch'] {
    const call = this.#call
    return <U>(requests: readonly BatchRequest<U>[], options?: BatchOptions<U>) =>
      call.host.nested.getCachedDataBatch(call, requests, options)
  }

  get getCachedData(): FetchContext['getCachedData'] {
    const call = this.#call
    return (key, fetchFunction, options) => call.host.nested.getCachedData(call, key, fetchFunction, options)
  }

  get loadMany(): FetchContext['loadMany'] {
    const call = this.#call
    return <K, V>(keys: readonly K[], bulkLoader: BulkLoader<K, V>, options?: LoadManyOptions<K>) =>
      call.host.nested.loadMany(call, keys, bulkLoader, options)
  }
}

class SingleContext extends CallContext implements FetchContext {
  readonly key: string
  readonly attempt: number

  constructor(load: Load, call: AbortableCall) {
    super(call)
    this.key = load.key
    this.attempt = load.attempts
  }
}

class GroupContext extends CallContext implements GroupFetchContext<never> {
  readonly groupKey: string
  readonly keys: readonly string[]
  readonly requests: GroupFetchContext<never>['requests']

  constructor(groupKey: string, loads: readonly Load[], call: AbortableCall) {
    super(call)
    this.groupKey = groupKey
    this.keys = loads.map(({ key }) => key)
    this.requests = loads.map((load) => load.request) as unknown as GroupFetchContext<never>['requests']
  }
}

export class SingleCall extends AbortableCall implements Call {
  #load: Load | undefined

  constructor(load: Load, host: CallHost, place: number, generation: number, instance: number) {
    super(host, place, generation, instance)
    this.#load = load
  }

  get scope(): Scope | undefined {
    return this.#load?.scope
  }

  run(): void {
    const load = this.#load
    if (this.isAbandoned || !load?.isLive) return this.end()
    load.attempts++
    try {
      starting = load
      startingAs = this
      const answer = runAs(this, fetchOne)
      if (isThenable(answer)) listen(answer, this)
      else this.succeed(answer)
    } catch (error) {
      this.fail(error)
    }
  }

  timeOut(): void {
    if (this.isAbandoned) return this.end()
    if (this.#load === undefined) return
    const { key, options } = this.#load
    const reason = new FetchTimeoutError(key, options.fetchTimeoutMs)
    this.host.stalled([key], options.fetchTimeoutMs)
    this.fail(reason)
    this.abort(reason)
  }

  /** Its callback has answered. */
  succeed(value: unknown): void {
    const load = this.#let()
    if (load === undefined) return
    this.host.succeed(this, load, value)
    this.host.forget(this)
  }

  /** Its callback has failed. */
  fail(reason: unknown): void {
    const load = this.#let()
    if (load === undefined) return
    this.host.fail(this, load, reason)
    this.host.forget(this)
  }

  /** The load that it is to answer, once. */
  #let(): Load | undefined {
    const load = this.#load
    this.#load = undefined
    if (!this.isAbandoned) return load
    this.end()
    return undefined
  }
}

/** The load whose callback is about to be called, and as which call: a function made for each would be dear. */
let starting: Load
let startingAs: SingleCall

function fetchOne(): unknown {
  const load = starting
  return load.fetchFunction.call(load.request, new SingleContext(load, startingAs))
}

/** Hears what a promise answers, for one call after another: two functions for each would be dear. */
class Listener {
  call: SingleCall | undefined
  readonly succeed = (value: unknown): void => this.#let()?.succeed(value)
  readonly fail = (reason: unknown): void => this.#let()?.fail(reason)

  #let(): SingleCall | undefined {
    const { call } = this
    this.call = undefined
    if (listeners.length < LISTENERS_MAX) listeners.push(this)
    return call
  }
}

/** So many of those that hear nothing now are kept. */
const LISTENERS_MAX = 256
const listeners: Listener[] = []
const { then } = Promise.prototype

function listen(answer: PromiseLike<unknown>, call: SingleCall): void {
  // Of a promise whose `then` is its own, nobody knows that it answers once.
  const promise = answer instanceof Promise && answer.then === then ? answer : new Promise((resolve) => resolve(answer))
  const listener = listeners.pop() ?? new Listener()
  listener.call = call
  promise.then(listener.succeed, listener.fail)
}

/** So many keys that nobody asked for, and about so many UTF-16 units of them, are kept of what one call brings. */
const EXTRAS_MAX = 8192
const EXTRA_UNITS_MAX = 2 ** 22

export class GroupCall extends AbortableCall<Dispatcher> implements Call, GroupAnswers {
  #loads: readonly Load[]
  readonly #groupKey: string
  readonly #isBulk: boolean
  /** By position: the loads without an answer. */
  readonly #missing: (Load | undefined)[]
  /** Where each key is; several where requests do not share. Made when an answer comes by its key. */
  #positions: Map<string, number | number[]> | undefined
  /** Answers for keys that nobody asked for, which are not kept yet. */
  #extras = new Map<string, unknown>()
  #extrasLeft = EXTRAS_MAX
  #extraUnitsLeft = EXTRA_UNITS_MAX
  /** When it began, as `Changes` has it; `undefined` while it does not run. */
  #since: number | undefined

  constructor(loads: readonly Load[], dispatcher: Dispatcher, place: number, generation: number, instance: number) {
    super(dispatcher, place, generation, instance)
    this.#loads = loads
    this.#missing = [...loads]
    const [first] = loads
    this.#isBulk = first?.options.bulk !== undefined
    this.#groupKey = first === undefined ? '' : this.#isBulk ? BULK_LOADER : (first.groupKey ?? prefixOf(first.key))
  }

  get keys(): readonly string[] {
    return this.#loads.map(({ key }) => key)
  }

  get scope(): Scope | undefined {
    return this.#loads[0]?.scope
  }

  run(): void {
    if (this.isAbandoned) return this.end()
    for (const load of this.#loads) load.source = 'group'
    // A bulk load has no group but that of its call, and nothing to fall back to.
    const refusal = this.#isBulk ? undefined : this.host.breakers.refuse(this.#groupKey)
    if (refusal) return this.#fallBack((load) => new GroupBreakerError(load.key, this.#groupKey, refusal.error))
    for (const load of this.#loads) load.attempts++
    this.#since = this.host.changes.begin()
    this.#fetch().catch((error: unknown) => this.#failAll(error))
  }

  override abort(reason: unknown): void {
    this.#stop()
    super.abort(reason)
  }

  timeOut(): void {
    if (this.isAbandoned) return this.end()
    const timeoutMs = this.#loads[0]?.options.fetchTimeoutMs ?? 0
    const reason = new FetchTimeoutError(this.#groupKey, timeoutMs)
    this.host.stalled(
      this.#left().map((load) => load.key),
      timeoutMs,
    )
    this.#failAll(reason)
    this.abort(reason)
  }

  answerAt(position: number, value: unknown): void {
    const load = this.#missing[position]
    this.#missing[position] = undefined
    if (load !== undefined && !this.isAbandoned) this.#tell(load, value)
  }

  answer(key: unknown, value: unknown): void {
    if (this.#positions === undefined) {
      this.#positions = new Map()
      for (const [position, { key }] of this.#loads.entries()) {
        const same = this.#positions.get(key)
        this.#positions.set(key, same === undefined ? position : [same, position].flat())
      }
    }
    const at = this.#positions.get(key as string)
    if (typeof at === 'number') this.answerAt(at, value)
    else if (at !== undefined) for (const position of at) this.answerAt(position, value)
    else if (typeof key === 'string' && this.#extrasLeft > 0 && this.#extraUnitsLeft > 0) {
      this.#extrasLeft--
      this.#extraUnitsLeft -= key.length
      this.#extras.set(key, value)
    }
  }

  flush(): boolean {
    if (!this.isAbandoned) {
      // First, so that who has its answer finds them.
      this.#keepExtras()
      this.host.tellAnswers()
    }
    return !this.isAbandoned
  }

  async #fetch(): Promise<void> {
    const context = new GroupContext(this.#groupKey, this.#loads, this)
    const answer = await runAs(this, () => this.#loads[0]?.options.groupFetch?.(context))
    if (this.isAbandoned) return this.end()
    const reading = readGroupResult(answer, this)
    const complaint = reading instanceof Promise ? await reading : reading
    this.flush()
    if (!this.isAbandoned && !this.#isBulk) this.host.breakers.succeeded(this.#groupKey)
    for (const load of this.#takeMissing()) {
      const { onMissing } = load.options
      if (onMissing === 'fallback' && complaint === undefined) this.host.fallBack(this, load)
      else this.#tell(load, missingAnswer(onMissing, load.key, this.#groupKey, complaint))
    }
    this.#finish()
  }

  #tell(load: Load, value: unknown): void {
    if (isInstance(value, Error)) this.host.fail(this, load, value)
    else this.host.succeed(this, load, value)
  }

  /** The group's callback failed: what was delivered stands, some of the rest fall back, the others have its error as cause. */
  #failAll(error: unknown): void {
    this.flush()
    if (this.isAbandoned) return this.end()
    this.host.failGroup(this, error)
    if (this.#isBulk) return this.#fallBack(() => error)
    this.host.breakers.failed(this.#groupKey, error)
    this.#fallBack((load) => new GroupFetchError(load.key, this.#groupKey, error))
  }

  /** As many of the rest as may fall back do so, the others fail. */
  #fallBack(reasonFor: (load: Load) => unknown): void {
    const left = this.#takeMissing()
    const limit = left[0]?.options.groupFallbackLimit ?? 0
    left.forEach((load, position) => {
      if (position < limit) this.host.fallBack(this, load)
      else this.host.fail(this, load, reasonFor(load))
    })
    this.#finish()
  }

  /** All is said. Where nobody waited for the rest any longer half-way, its slot is to be freed. */
  #finish(): void {
    this.host.tellAnswers()
    if (this.isAbandoned) return this.end()
    this.#keepExtras()
    this.#stop()
    this.host.forget(this)
    this.#loads = []
  }

  #keepExtras(): void {
    if (this.#extras.size === 0 || this.#since === undefined) return
    const extras = this.#extras
    this.#extras = new Map()
    this.host.keepExtras(extras, this.#since, this.#loads[0]?.options as Load['options'])
  }

  /** What it brings from now on is not kept. */
  #stop(): void {
    if (this.#since !== undefined) this.host.changes.end()
    this.#since = undefined
  }

  #left(): Load[] {
    return this.#missing.filter((load) => load !== undefined)
  }

  #takeMissing(): Load[] {
    const left = this.#left()
    this.#missing.fill(undefined)
    return left
  }
}

/** A call that will not be started: all it is for is to refuse its loads. */
export class UnstartedCall implements Call {
  readonly place: number
  readonly generation: number
  readonly instance = -1
  isAbandoned = false
  readonly #dispatcher: Dispatcher
  readonly #loads: readonly Load[]
  readonly #reasonOf: (load: Load) => Error

  constructor(
    dispatcher: Dispatcher,
    place: number,
    generation: number,
    loads: readonly Load[],
    reasonOf: (load: Load) => Error,
  ) {
    this.#dispatcher = dispatcher
    this.place = place
    this.generation = generation
    this.#loads = loads
    this.#reasonOf = reasonOf
  }

  run(): void {
    // It may have got its slot in the same moment.
    this.#dispatcher.tellAnswers()
    for (const load of this.#loads) this.#dispatcher.refuseCall(this, load, this.#reasonOf(load))
    this.#dispatcher.forget(this)
  }

  abort(): void {}

  timeOut(): void {}
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
