/**
 * Fetching without the engine: bounded and deduplicated, nothing kept. What is left when WebAssembly cannot run here, or while the engine crashes again and again.
 *
 * Of a batch's options it knows `maxConcurrency`, `deduplication`, `signal`, `timeoutMs`, `fetchTimeoutMs` and `failFast`; each key is fetched by its own `fetchFunction`.
 */

import { Batch, type Settle } from './batch.js'
import type { Clock } from './clock.js'
import type { Dispatcher } from './dispatcher.js'
import { BatchTimeoutError, FetchTimeoutError, NotCachedError } from './errors.js'
import type { ResolvedBatchOptions } from './options/resolve.js'
import { watch } from './signals.js'
import type { BatchRequest, FetchContext } from './types.js'

interface DoneListener {
  onDone(batch: Batch, busyMs: number): void
}

/** A request as it was when it came. */
interface Asked {
  readonly request: BatchRequest<unknown>
  readonly key: string
  readonly fetchFunction: BatchRequest<unknown>['fetchFunction']
}

type Answer = { readonly value: unknown } | { readonly error: unknown }

export class PlainFetcher {
  readonly #clock: Clock
  readonly #dispatcher: Dispatcher
  readonly #listener: DoneListener
  readonly #inFlight = new Map<string, Promise<Answer>>()

  constructor(clock: Clock, dispatcher: Dispatcher, listener: DoneListener) {
    this.#clock = clock
    this.#dispatcher = dispatcher
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
      this.#dispatcher.exit(batch)
    }
    this.#dispatcher.enter(batch)
    const asked = requests.map((request, index): Asked => {
      return { request, key: keys[index] as string, fetchFunction: request.fetchFunction }
    })
    void this.#run(asked, batch)
    return batch
  }

  /** As many workers as may run at once, each taking the next request. Never rejects. */
  async #run(requests: readonly Asked[], batch: Batch): Promise<void> {
    let next = 0
    const answers = new Map<string, Promise<Answer>>()
    const work = async (): Promise<void> => {
      while (next < requests.length && !batch.isOver) {
        const index = next++
        const asked = requests[index] as Asked
        const shared = batch.options.deduplication ? answers.get(asked.key) : undefined
        const answering = shared ?? this.#answer(asked, batch.options)
        answers.set(asked.key, answering)
        const answer = await answering
        if (batch.isOver) return
        this.#dispatcher.uninterrupted(() => {
          const good = 'value' in answer ? batch.accept(index, answer.value, 'fetch') : batch.reject(index, answer.error, 'fetch')
          if (!good && batch.options.failFast) batch.fail(batch.firstReason)
        })
      }
    }
    await Promise.all(Array.from({ length: Math.min(batch.options.maxConcurrency, requests.length) }, work))
    if (batch.isOver) return
    this.#listener.onDone(batch, 0)
    batch.finish()
  }

  #answer(request: Asked, options: ResolvedBatchOptions<never>): Promise<Answer> {
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
  #fetch({ request, key, fetchFunction }: Asked, timeoutMs: number): Promise<Answer> {
    const controller = new AbortController()
    const caller = { owner: this, id: { place: 0, generation: 0, instance: -1 } }
    const { nested } = this.#dispatcher
    const context: FetchContext = {
      key,
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
                const error = new FetchTimeoutError(key, timeoutMs)
                settle({ error })
                controller.abort(error)
              },
              Math.min(timeoutMs, 2 ** 31 - 1),
            )
      const settle = (answer: Answer): void => {
        if (timer !== undefined) this.#clock.clearTimer(timer)
        resolve(answer)
      }
      new Promise((begin) => begin(fetchFunction.call(request, context))).then(
        (value) => settle({ value }),
        (error: unknown) => settle({ error }),
      )
    })
  }
}
