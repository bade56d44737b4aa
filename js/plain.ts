/**
 * Fetching without the engine: bounded and deduplicated, nothing kept. What is left when WebAssembly cannot run here, or while the engine crashes again and again.
 *
 * Of a batch's options it knows `maxConcurrency`, `deduplication`, `signal`, `timeoutMs`, `fetchTimeoutMs` and `failFast`; each key is fetched by its own `fetchFunction`.
 */

import { Batch, type Settle } from './batch.js'
import type { NestedCalls } from './call.js'
import type { Clock } from './clock.js'
import { BatchTimeoutError, FetchTimeoutError, NotCachedError } from './errors.js'
import type { ResolvedBatchOptions } from './options/resolve.js'
import { watch } from './signals.js'
import type { BatchRequest, FetchContext } from './types.js'

interface DoneListener {
  onDone(batch: Batch, busyMs: number): void
}

type Answer = { readonly value: unknown } | { readonly error: unknown }

export class PlainFetcher {
  readonly #clock: Clock
  readonly #nested: NestedCalls
  readonly #listener: DoneListener
  readonly #inFlight = new Map<string, Promise<Answer>>()

  constructor(clock: Clock, nested: NestedCalls, listener: DoneListener) {
    this.#clock = clock
    this.#nested = nested
    this.#listener = listener
  }

  /** Begins a batch: `requests[i]` for `keys[i]`. */
  begin(
    requests: readonly BatchRequest<unknown>[],
    keys: readonly string[],
    options: ResolvedBatchOptions<never>,
    settle: Settle,
  ): Batch {
    const batch = new Batch(keys, new Array(keys.length), options, this.#clock.now(), settle)
    const { signal, timeoutMs } = options
    const timer =
      timeoutMs === Number.POSITIVE_INFINITY
        ? undefined
        : this.#clock.setTimer(() => batch.fail(new BatchTimeoutError(timeoutMs)), Math.min(timeoutMs, 2 ** 31 - 1))
    const unwatch = signal === undefined ? undefined : watch(signal, () => batch.fail(signal.reason))
    batch.unwatch = () => {
      if (timer !== undefined) this.#clock.clearTimer(timer)
      unwatch?.()
    }
    void this.#run(requests, batch)
    return batch
  }

  /** As many workers as may run at once, each taking the next request. Never rejects. */
  async #run(requests: readonly BatchRequest<unknown>[], batch: Batch): Promise<void> {
    let next = 0
    const work = async (): Promise<void> => {
      while (next < requests.length && !batch.isOver) {
        const index = next++
        const answer = await this.#answer(requests[index] as BatchRequest<unknown>, batch.options)
        if (batch.isOver) return
        if ('value' in answer) batch.accept(index, answer.value, 'fetch')
        else {
          batch.reject(index, answer.error, 'fetch')
          if (batch.options.failFast) batch.fail(answer.error)
        }
      }
    }
    await Promise.all(Array.from({ length: Math.min(batch.options.maxConcurrency, requests.length) }, work))
    if (batch.isOver) return
    this.#listener.onDone(batch, 0)
    batch.finish()
  }

  #answer(request: BatchRequest<unknown>, options: ResolvedBatchOptions<never>): Promise<Answer> {
    const { key } = request
    if (options.cache === 'only-if-cached') return Promise.resolve({ error: new NotCachedError(key) })
    const shared = options.deduplication ? this.#inFlight.get(key) : undefined
    if (shared !== undefined) return shared
    const answer = this.#fetch(request, options.fetchTimeoutMs)
    if (options.deduplication) {
      this.#inFlight.set(key, answer)
      void answer.then(() => this.#inFlight.delete(key))
    }
    return answer
  }

  /** Never rejects. */
  #fetch(request: BatchRequest<unknown>, timeoutMs: number): Promise<Answer> {
    const controller = new AbortController()
    const caller = { owner: this, id: { place: 0, generation: 0, instance: -1 } }
    const nested = this.#nested
    const context: FetchContext = {
      key: request.key,
      attempt: 1,
      signal: controller.signal,
      getCachedDataBatch: (requests, options) => nested.getCachedDataBatch(caller, requests, options),
      getCachedData: (key, fetchFunction, options) => nested.getCachedData(caller, key, fetchFunction, options),
    }
    return new Promise((resolve) => {
      const timer =
        timeoutMs === Number.POSITIVE_INFINITY
          ? undefined
          : this.#clock.setTimer(
              () => {
                const error = new FetchTimeoutError(request.key, timeoutMs)
                settle({ error })
                controller.abort(error)
              },
              Math.min(timeoutMs, 2 ** 31 - 1),
            )
      const settle = (answer: Answer): void => {
        if (timer !== undefined) this.#clock.clearTimer(timer)
        resolve(answer)
      }
      new Promise((begin) => begin(request.fetchFunction(context))).then(
        (value) => settle({ value }),
        (error: unknown) => settle({ error }),
      )
    })
  }
}
