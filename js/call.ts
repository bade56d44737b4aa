/** One run of a callback: a request's own, or a group's. Tells the dispatcher how it went, once; what comes after its end is dropped. */

import { type Caller, runAs } from './context.js'
import type { Dispatcher } from './dispatcher.js'
import type { CallId } from './engine/engine.js'
import { FetchTimeoutError, GroupContractError, GroupFetchError, MissingResultError, QueueTimeoutError } from './errors.js'
import { readGroupResult } from './group-result.js'
import { prefixOf } from './grouping.js'
import type { Load } from './load.js'
import type { BatchOptions, BatchRequest, FetchContext, GroupFetchContext, SingleOptions } from './types.js'

export interface Call {
  readonly id: CallId
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
}

/** A signal that costs nothing until it is asked for. */
class LazySignal {
  #controller: AbortController | undefined
  #aborted: { reason: unknown } | undefined

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason)
    }
    return this.#controller.signal
  }

  get isAborted(): boolean {
    return this.#aborted !== undefined
  }

  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return
    this.#aborted = { reason }
    this.#controller?.abort(reason)
  }
}

/** What both kinds of callback are handed besides what they are to fetch; made when it is asked for. */
class CallContext {
  readonly #signal: LazySignal
  readonly #nested: NestedCalls
  readonly #caller: Caller

  constructor(signal: LazySignal, nested: NestedCalls, caller: Caller) {
    this.#signal = signal
    this.#nested = nested
    this.#caller = caller
  }

  get signal(): AbortSignal {
    return this.#signal.signal
  }

  get getCachedDataBatch(): FetchContext['getCachedDataBatch'] {
    return (requests, options) => this.#nested.getCachedDataBatch(this.#caller, requests, options)
  }

  get getCachedData(): FetchContext['getCachedData'] {
    return (key, fetchFunction, options) => this.#nested.getCachedData(this.#caller, key, fetchFunction, options)
  }
}

class SingleContext extends CallContext implements FetchContext {
  readonly key: string
  readonly attempt: number

  constructor(load: Load, signal: LazySignal, nested: NestedCalls, caller: Caller) {
    super(signal, nested, caller)
    this.key = load.key
    this.attempt = load.attempts
  }
}

class GroupContext extends CallContext implements GroupFetchContext<never> {
  readonly groupKey: string
  readonly keys: readonly string[]
  readonly requests: GroupFetchContext<never>['requests']

  constructor(groupKey: string, loads: readonly Load[], signal: LazySignal, nested: NestedCalls, caller: Caller) {
    super(signal, nested, caller)
    this.groupKey = groupKey
    this.keys = loads.map((load) => load.key)
    this.requests = loads.map((load) => load.request) as unknown as GroupFetchContext<never>['requests']
  }
}

export class SingleCall implements Call {
  readonly id: CallId
  readonly #dispatcher: Dispatcher
  readonly #load: Load
  readonly #signal = new LazySignal()

  constructor(dispatcher: Dispatcher, id: CallId, load: Load) {
    this.#dispatcher = dispatcher
    this.id = id
    this.#load = load
  }

  run(): void {
    const load = this.#load
    if (this.#signal.isAborted || !load.isLive) return this.#dispatcher.ended(this)
    load.attempts++
    try {
      const caller = { owner: this.#dispatcher, id: this.id }
      const context = new SingleContext(load, this.#signal, this.#dispatcher.nested, caller)
      const answer = runAs(caller, load.scope, () => load.fetchFunction.call(load.request, context))
      if (answer instanceof Promise) answer.then(this.#succeed, this.#fail)
      else if (isThenable(answer)) Promise.resolve(answer).then(this.#succeed, this.#fail)
      else this.#succeed(answer)
    } catch (error) {
      this.#fail(error)
    }
  }

  abort(reason: unknown): void {
    this.#signal.abort(reason)
  }

  timeOut(): void {
    const { key, options } = this.#load
    const reason = new FetchTimeoutError(key, options.fetchTimeoutMs)
    this.#dispatcher.stalled([key], options.fetchTimeoutMs)
    this.#fail(reason)
    this.abort(reason)
  }

  readonly #succeed = (value: unknown): void => {
    if (this.#signal.isAborted) return this.#dispatcher.ended(this)
    this.#dispatcher.succeed(this, this.#load, value)
    this.#dispatcher.forget(this)
  }

  readonly #fail = (reason: unknown): void => {
    if (this.#signal.isAborted) return this.#dispatcher.ended(this)
    this.#dispatcher.fail(this, this.#load, reason)
    this.#dispatcher.forget(this)
  }
}

export class GroupCall implements Call {
  readonly id: CallId
  readonly #dispatcher: Dispatcher
  readonly #loads: readonly Load[]
  readonly #signal = new LazySignal()
  readonly #groupKey: string
  /** Loads without an answer, by key; several where requests do not share. */
  readonly #missing = new Map<string, Load[]>()

  constructor(dispatcher: Dispatcher, id: CallId, loads: readonly Load[]) {
    this.#dispatcher = dispatcher
    this.id = id
    this.#loads = loads
    const [first] = loads
    this.#groupKey = first === undefined ? '' : (first.groupKey ?? prefixOf(first.key))
    for (const load of loads) {
      const same = this.#missing.get(load.key)
      if (same === undefined) this.#missing.set(load.key, [load])
      else same.push(load)
    }
  }

  run(): void {
    if (this.#signal.isAborted) return this.#dispatcher.ended(this)
    for (const load of this.#loads) {
      load.attempts++
      load.source = 'group'
    }
    this.#fetch().catch((error: unknown) => this.#failAll(error))
  }

  abort(reason: unknown): void {
    this.#signal.abort(reason)
  }

  timeOut(): void {
    const timeoutMs = this.#loads[0]?.options.fetchTimeoutMs ?? 0
    const reason = new FetchTimeoutError(this.#groupKey, timeoutMs)
    this.#dispatcher.stalled([...this.#missing.keys()], timeoutMs)
    this.#failAll(reason)
    this.abort(reason)
  }

  async #fetch(): Promise<void> {
    const { nested } = this.#dispatcher
    const caller = { owner: this.#dispatcher, id: this.id }
    const context = new GroupContext(this.#groupKey, this.#loads, this.#signal, nested, caller)
    const [first] = this.#loads
    const answer = await runAs(caller, first?.scope, () => first?.options.groupFetch?.(context))
    const complaint = await readGroupResult(answer, context.keys, (key, value) => this.#answer(key, value))
    if (this.#signal.isAborted) return this.#dispatcher.ended(this)
    for (const load of this.#takeMissing()) {
      if (complaint === undefined) this.#answerMissing(load)
      else this.#dispatcher.fail(this, load, new GroupContractError(load.key, this.#groupKey, complaint))
    }
    this.#dispatcher.forget(this)
  }

  /** Answers whether it goes on. */
  #answer(key: string, value: unknown): boolean {
    if (this.#signal.isAborted) return false
    const loads = this.#missing.get(key)
    if (loads === undefined) return true
    this.#missing.delete(key)
    for (const load of loads) {
      if (value instanceof Error) this.#dispatcher.fail(this, load, value)
      else this.#dispatcher.succeed(this, load, value)
    }
    return true
  }

  #answerMissing(load: Load): void {
    switch (load.options.onMissing) {
      case 'undefined':
        return this.#dispatcher.succeed(this, load, undefined)
      case 'null':
        return this.#dispatcher.succeed(this, load, null)
      case 'error':
        return this.#dispatcher.fail(this, load, new MissingResultError(load.key, this.#groupKey))
      case 'fallback':
        return this.#dispatcher.fallBack(this, load)
    }
  }

  /** The group's callback failed: what was delivered stands, some of the rest fall back, the others have its error as cause. */
  #failAll(error: unknown): void {
    if (this.#signal.isAborted) return this.#dispatcher.ended(this)
    const left = this.#takeMissing()
    const limit = left[0]?.options.groupFallbackLimit ?? 0
    left.forEach((load, position) => {
      if (position < limit) this.#dispatcher.fallBack(this, load)
      else this.#dispatcher.fail(this, load, new GroupFetchError(load.key, this.#groupKey, error))
    })
    this.#dispatcher.forget(this)
  }

  #takeMissing(): Load[] {
    const left = [...this.#missing.values()].flat()
    this.#missing.clear()
    return left
  }
}

/** A call that did not get a slot in time: all it is for is to refuse its loads. */
export class UnstartedCall implements Call {
  readonly id: CallId
  readonly #dispatcher: Dispatcher
  readonly #loads: readonly Load[]

  constructor(dispatcher: Dispatcher, id: CallId, loads: readonly Load[]) {
    this.#dispatcher = dispatcher
    this.id = id
    this.#loads = loads
  }

  run(): void {
    for (const load of this.#loads) {
      this.#dispatcher.fail(this, load, new QueueTimeoutError(load.key, load.options.queueTimeoutMs))
    }
    this.#dispatcher.forget(this)
  }

  abort(): void {}

  timeOut(): void {}
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
