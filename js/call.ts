/** One run of a callback: a request's own, or a group's. Tells the dispatcher how it went, once; what comes after its end is dropped. */

import type { Dispatcher } from './dispatcher.js'
import type { CallId } from './engine/engine.js'
import { GroupContractError, GroupFetchError, MissingResultError } from './errors.js'
import { readGroupResult } from './group-result.js'
import { prefixOf } from './grouping.js'
import type { Load } from './load.js'
import type { FetchContext, GroupFetchContext } from './types.js'

export interface Call {
  readonly id: CallId
  run(): void
  /** Nobody waits for it any longer. */
  abort(reason: unknown): void
  /** Its deadline has come; `error` makes what its loads fail with. */
  timeOut(error: (key: string, timeoutMs: number) => Error): void
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

  abort(reason: unknown): void {
    this.#aborted ??= { reason }
    this.#controller?.abort(reason)
  }
}

class Context implements FetchContext {
  readonly key: string
  readonly attempt: number
  readonly #signal: LazySignal

  constructor(key: string, attempt: number, signal: LazySignal) {
    this.key = key
    this.attempt = attempt
    this.#signal = signal
  }

  get signal(): AbortSignal {
    return this.#signal.signal
  }
}

export class SingleCall implements Call {
  readonly id: CallId
  readonly #dispatcher: Dispatcher
  readonly #load: Load
  readonly #signal = new LazySignal()
  #isAborted = false

  constructor(dispatcher: Dispatcher, id: CallId, load: Load) {
    this.#dispatcher = dispatcher
    this.id = id
    this.#load = load
  }

  run(): void {
    const load = this.#load
    if (this.#isAborted || !load.isLive) return this.#dispatcher.ended(this)
    load.attempts++
    try {
      const answer = load.fetchFunction.call(load.request, new Context(load.key, load.attempts, this.#signal))
      if (answer instanceof Promise) answer.then(this.#succeed, this.#fail)
      else if (isThenable(answer)) Promise.resolve(answer).then(this.#succeed, this.#fail)
      else this.#succeed(answer)
    } catch (error) {
      this.#fail(error)
    }
  }

  abort(reason: unknown): void {
    this.#isAborted = true
    this.#signal.abort(reason)
  }

  timeOut(error: (key: string, timeoutMs: number) => Error): void {
    const load = this.#load
    const reason = error(load.key, load.options.fetchTimeoutMs)
    this.#dispatcher.fail(this, load, reason)
    this.abort(reason)
  }

  readonly #succeed = (value: unknown): void => {
    if (this.#isAborted) return this.#dispatcher.ended(this)
    this.#dispatcher.succeed(this, this.#load, value)
    this.#dispatcher.forget(this)
  }

  readonly #fail = (reason: unknown): void => {
    if (this.#isAborted) return this.#dispatcher.ended(this)
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
  #isOver = false

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
    const [first] = this.#loads
    const groupFetch = first?.options.groupFetch
    if (this.#isOver || groupFetch === undefined) return this.#dispatcher.ended(this)
    for (const load of this.#loads) {
      load.attempts++
      load.source = 'group'
    }
    this.#fetch(groupFetch).catch((error: unknown) => this.#failAll(error))
  }

  abort(reason: unknown): void {
    this.#isOver = true
    this.#signal.abort(reason)
  }

  timeOut(error: (key: string, timeoutMs: number) => Error): void {
    const timeoutMs = this.#loads[0]?.options.fetchTimeoutMs ?? 0
    const reason = error(this.#groupKey, timeoutMs)
    this.#failAll(reason)
    this.abort(reason)
  }

  async #fetch(groupFetch: (context: GroupFetchContext<never>) => unknown): Promise<void> {
    const signal = this.#signal
    const keys = this.#loads.map((load) => load.key)
    const answer = await groupFetch({
      groupKey: this.#groupKey,
      keys,
      requests: this.#loads.map((load) => load.request) as never,
      get signal() {
        return signal.signal
      },
    })
    const complaint = await readGroupResult(answer, keys, (key, value) => this.#answer(key, value))
    if (this.#isOver) return this.#dispatcher.ended(this)
    const left = this.#takeMissing()
    for (const load of left) {
      if (complaint === undefined) this.#answerMissing(load)
      else this.#dispatcher.fail(this, load, new GroupContractError(load.key, this.#groupKey, complaint))
    }
    this.#dispatcher.forget(this)
  }

  /** Answers whether it goes on. */
  #answer(key: string, value: unknown): boolean {
    if (this.#isOver) return false
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
    if (this.#isOver) return this.#dispatcher.ended(this)
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

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'
}
