/** One run of a callback: a request's own, or a group's. Tells the dispatcher how it went, once; what comes after its end is dropped. */

import { type Caller, runAs, type Scope } from './context.js'
import type { Dispatcher } from './dispatcher.js'
import {
  BULK_LOADER,
  FetchTimeoutError,
  GroupBreakerError,
  GroupContractError,
  GroupFetchError,
  MissingResultError,
} from './errors.js'
import { type GroupAnswers, readGroupResult } from './group-result.js'
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

export interface Call {
  readonly id: Caller
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

/** What both kinds of call have: a signal that costs nothing until it is asked for, and an end that nobody waits for, told once. */
abstract class AbortableCall<Host extends CallHost = CallHost> {
  readonly id: Caller
  readonly host: Host
  isAbandoned = false
  #reason: unknown
  #controller: AbortController | undefined
  #hasEnded = false

  constructor(host: Host, id: Caller) {
    this.host = host
    this.id = id
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.isAbandoned) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  abort(reason: unknown): void {
    this.#reason = reason
    this.isAbandoned = true
    this.#controller?.abort(reason)
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
    const { host, id } = this.#call
    return <U>(requests: readonly BatchRequest<U>[], options?: BatchOptions<U>) =>
      host.nested.getCachedDataBatch(id, requests, options)
  }

  get getCachedData(): FetchContext['getCachedData'] {
    const { host, id } = this.#call
    return (key, fetchFunction, options) => host.nested.getCachedData(id, key, fetchFunction, options)
  }

  get loadMany(): FetchContext['loadMany'] {
    const { host, id } = this.#call
    return <K, V>(keys: readonly K[], bulkLoader: BulkLoader<K, V>, options?: LoadManyOptions<K>) =>
      host.nested.loadMany(id, keys, bulkLoader, options)
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
  readonly #load: Load

  constructor(host: CallHost, id: Caller, load: Load) {
    super(host, id)
    this.#load = load
  }

  get scope(): Scope | undefined {
    return this.#load.scope
  }

  run(): void {
    const load = this.#load
    if (this.isAbandoned || !load.isLive) return this.end()
    load.attempts++
    try {
      const answer = runAs(this.id, fetchOne, load, new SingleContext(load, this))
      if (!isThenable(answer)) return this.#succeed(answer)
      const promise = answer instanceof Promise ? answer : Promise.resolve(answer)
      promise.then(
        (value) => this.#succeed(value),
        (error: unknown) => this.#fail(error),
      )
    } catch (error) {
      this.#fail(error)
    }
  }

  timeOut(): void {
    if (this.isAbandoned) return this.end()
    const { key, options } = this.#load
    const reason = new FetchTimeoutError(key, options.fetchTimeoutMs)
    this.host.stalled([key], options.fetchTimeoutMs)
    this.#fail(reason)
    this.abort(reason)
  }

  #succeed(value: unknown): void {
    if (this.isAbandoned) return this.end()
    this.host.succeed(this, this.#load, value)
    this.host.forget(this)
  }

  #fail(reason: unknown): void {
    if (this.isAbandoned) return this.end()
    this.host.fail(this, this.#load, reason)
    this.host.forget(this)
  }
}

/** So many keys that nobody asked for, and about so many UTF-16 units of them, are kept of what one call brings. */
const EXTRAS_MAX = 8192
const EXTRA_UNITS_MAX = 2 ** 22

export class GroupCall extends AbortableCall<Dispatcher> implements Call, GroupAnswers {
  readonly #loads: readonly Load[]
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

  constructor(dispatcher: Dispatcher, id: Caller, loads: readonly Load[]) {
    super(dispatcher, id)
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
    if (load === undefined || this.isAbandoned) return
    if (isInstance(value, Error)) this.host.fail(this, load, value)
    else this.host.succeed(this, load, value)
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
    const answer = await runAs(this.id, fetchGroup, this.#loads[0], context)
    if (this.isAbandoned) return this.end()
    const reading = readGroupResult(answer, this)
    const complaint = reading instanceof Promise ? await reading : reading
    this.flush()
    if (!this.isAbandoned && !this.#isBulk) this.host.breakers.succeeded(this.#groupKey)
    for (const load of this.#takeMissing()) {
      if (complaint === undefined) this.#answerMissing(load)
      else this.host.fail(this, load, new GroupContractError(load.key, this.#groupKey, complaint))
    }
    this.#finish()
  }

  #answerMissing(load: Load): void {
    switch (load.options.onMissing) {
      case 'undefined':
        return this.host.succeed(this, load, undefined)
      case 'null':
        return this.host.succeed(this, load, null)
      case 'error':
        return this.host.fail(this, load, new MissingResultError(load.key, this.#groupKey))
      case 'fallback':
        return this.host.fallBack(this, load)
    }
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
  readonly id: Caller
  isAbandoned = false
  readonly #dispatcher: Dispatcher
  readonly #loads: readonly Load[]
  readonly #reasonOf: (load: Load) => Error

  constructor(dispatcher: Dispatcher, id: Caller, loads: readonly Load[], reasonOf: (load: Load) => Error) {
    this.#dispatcher = dispatcher
    this.id = id
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

function fetchOne(load: Load, context: FetchContext): unknown {
  return load.fetchFunction.call(load.request, context)
}

function fetchGroup(first: Load | undefined, context: GroupFetchContext<never>): unknown {
  return first?.options.groupFetch?.(context)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
