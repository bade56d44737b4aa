/** Callbacks that a test controls: each call is noted, and answered when the test says so. */

import type { BatchRequest, FetchContext, GroupFetch, GroupFetchContext, GroupResult } from '../../js/index.js'

/** A promise and how to settle it. */
export class Deferred<T> {
  readonly promise: Promise<T>
  resolve!: (value: T | PromiseLike<T>) => void
  reject!: (reason?: unknown) => void

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }
}

/** One call of a `fetchFunction`. */
export class FetchCall {
  readonly key: string
  readonly context: FetchContext
  isAnswered = false
  readonly #deferred: Deferred<unknown>
  readonly #onEnd: () => void

  constructor(context: FetchContext, deferred: Deferred<unknown>, onEnd: () => void) {
    this.key = context.key
    this.context = context
    this.#deferred = deferred
    this.#onEnd = onEnd
  }

  get signal(): AbortSignal {
    return this.context.signal
  }

  resolve(value: unknown): void {
    this.#end()
    this.#deferred.resolve(value)
  }

  reject(reason: unknown): void {
    this.#end()
    this.#deferred.reject(reason)
  }

  #end(): void {
    this.isAnswered = true
    this.#onEnd()
  }
}

/** One call of a `groupFetch`. */
export class GroupFetchCall {
  readonly context: GroupFetchContext<unknown>
  isAnswered = false
  readonly #deferred: Deferred<GroupResult<unknown>>
  readonly #onEnd: () => void

  constructor(context: GroupFetchContext<unknown>, deferred: Deferred<GroupResult<unknown>>, onEnd: () => void) {
    this.context = context
    this.#deferred = deferred
    this.#onEnd = onEnd
  }

  get keys(): readonly string[] {
    return this.context.keys
  }

  get signal(): AbortSignal {
    return this.context.signal
  }

  resolve(result: unknown): void {
    this.#end()
    this.#deferred.resolve(result as GroupResult<unknown>)
  }

  reject(reason: unknown): void {
    this.#end()
    this.#deferred.reject(reason)
  }

  #end(): void {
    this.isAnswered = true
    this.#onEnd()
  }
}

/** A slow source: requests of it wait until the test answers them. */
export class Source {
  /** All calls so far, in the order they were made. */
  readonly calls: FetchCall[] = []
  readonly groupCalls: GroupFetchCall[] = []
  /** Calls that were not answered yet, and the most there were of them at any time. */
  running = 0
  runningMax = 0

  /** A request for `key`. */
  request(key: string, extras: Omit<BatchRequest<unknown>, 'key' | 'fetchFunction'> = {}): BatchRequest<unknown> {
    return { ...extras, key, fetchFunction: this.fetch }
  }

  requests(...keys: readonly string[]): BatchRequest<unknown>[] {
    return keys.map((key) => this.request(key))
  }

  readonly fetch = (context: FetchContext): Promise<unknown> => {
    const deferred = new Deferred<unknown>()
    this.#begin()
    this.calls.push(new FetchCall(context, deferred, () => this.running--))
    return deferred.promise
  }

  readonly groupFetch: GroupFetch<unknown> = (context) => {
    const deferred = new Deferred<GroupResult<unknown>>()
    this.#begin()
    this.groupCalls.push(new GroupFetchCall(context, deferred, () => this.running--))
    return deferred.promise
  }

  /** The keys fetched so far, one by one. */
  get keys(): string[] {
    return this.calls.map((call) => call.key)
  }

  /** Answers whatever was not answered. */
  finish(): void {
    for (const call of this.calls) if (!call.isAnswered) call.resolve(undefined)
    for (const call of this.groupCalls) if (!call.isAnswered) call.resolve([])
  }

  /** The call at `index`, counted from the end if negative. */
  call(index: number): FetchCall {
    const call = this.calls.at(index)
    if (call === undefined) throw new Error(`there were ${this.calls.length} calls`)
    return call
  }

  groupCall(index: number): GroupFetchCall {
    const call = this.groupCalls.at(index)
    if (call === undefined) throw new Error(`there were ${this.groupCalls.length} group calls`)
    return call
  }

  #begin(): void {
    this.running++
    this.runningMax = Math.max(this.runningMax, this.running)
  }
}

/** A request answered at once with `value`. */
export function ready<T>(key: string, value: T, extras: Omit<BatchRequest<T>, 'key' | 'fetchFunction'> = {}): BatchRequest<T> {
  return { ...extras, key, fetchFunction: () => value }
}

/** A request that must not be fetched. */
export function unwanted(key: string): BatchRequest<never> {
  return {
    key,
    fetchFunction: () => {
      throw new Error(`${JSON.stringify(key)} was fetched`)
    },
  }
}
