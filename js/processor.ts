/** The public class: every call of the package, over one cache, one table of loads in flight, and one set of tiers. */

import { Batch, type Settle } from './batch.js'
import { ClosedError } from './errors.js'
import { MemoryCache, verifyEntries, verifyKeys } from './memory.js'
import { BatchPerformanceMonitor } from './monitor.js'
import { aDuration, isObject, misuse, oneOf, verify } from './options/checks.js'
import { resolveBatchOptions, resolveConfig } from './options/resolve.js'
import { aStorage } from './options/storage.js'
import { Pipeline } from './pipeline.js'
import type {
  BatchOptions,
  BatchOutcome,
  BatchProcessorConfig,
  BatchRequest,
  CloseOptions,
  InvalidateTarget,
  ProcessorMetrics,
  SetEntry,
  SetOptions,
  SingleOptions,
  StorageInput,
} from './types.js'

/** Nothing is fetched for `get` and its kin. */
const fetchNothing = (): undefined => undefined
/** How long `close` waits for what is in flight. */
const CLOSE_TIMEOUT_MS = 10_000

/**
 * Fetches many keyed things at once, each at most once, a bounded number at a time, and remembers them.
 *
 * Separate processors share nothing but the compiled module. The module-level functions use one of their own.
 *
 * @example
 * const users = new BatchProcessor({ maxEntries: 50_000, ttl: 60_000 })
 * const found = await users.getCachedDataBatch(ids.map((id) => ({ key: `user:${id}`, fetchFunction: () => fetchUser(id) })))
 */
export class BatchProcessor {
  /** The in-memory cache alone, synchronous. */
  readonly memory: MemoryCache
  /** The last 100 batches. */
  readonly monitor: BatchPerformanceMonitor = new BatchPerformanceMonitor()
  readonly #pipeline: Pipeline
  #storage: StorageInput | undefined
  #closing: Promise<void> | undefined

  /**
   * @throws `TypeError` or `RangeError` (with a `code`) for what is wrong with `config`.
   */
  constructor(config: BatchProcessorConfig = {}) {
    const resolved = resolveConfig(config)
    this.#pipeline = new Pipeline(resolved, this.monitor)
    this.#storage = resolved.storage
    this.memory = new MemoryCache(this.#pipeline.dispatcher, resolved.maxWeight !== Number.POSITIVE_INFINITY)
  }

  /**
   * The values of all requests, in their order: from memory, from loads in flight, from the tiers, and for what is still missing from
   * the callbacks.
   *
   * @throws (rejects) `BatchError` with all outcomes when a request failed; with `failFast`, the first failure itself; `signal.reason` when
   * aborted; `BatchTimeoutError`; `TypeError` or `RangeError` for misuse, before any work.
   */
  getCachedDataBatch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<T[]> {
    return this.#run(requests, options, (batch) => batch.values<T>(), (results) => results as T[])
  }

  /**
   * As `getCachedDataBatch`, but resolves to one outcome per request and never rejects for a key.
   */
  getCachedDataBatchSettled<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<BatchOutcome<T>[]> {
    const hits = (results: unknown[]): BatchOutcome<T>[] =>
      results.map((value, index) => {
        const key = (requests[index] as BatchRequest<T>).key
        return { index, key, source: 'memory', ms: 0, attempts: 0, status: 'fulfilled', value: value as T }
      })
    return this.#run(requests, options, (batch) => batch.outcomes<T>(), hits)
  }

  /**
   * The value of one key.
   *
   * @param ttlOrOptions Milliseconds the value stays valid, or the options of a batch and of its one request.
   * @throws (rejects) what `fetchFunction` failed with, and what `getCachedDataBatch` would for misuse, aborts and deadlines.
   */
  getCachedData<T>(
    key: string,
    fetchFunction: BatchRequest<T>['fetchFunction'],
    ttlOrOptions?: number | SingleOptions<T>,
  ): Promise<T> {
    const { ttl, priority, tags, weight, ...options } = isObject(ttlOrOptions)
      ? (ttlOrOptions as SingleOptions<T>)
      : ({ ttl: ttlOrOptions } as SingleOptions<T>)
    const request: BatchRequest<T> = { key, fetchFunction, ttl, priority, tags, weight }
    const value = (batch: Batch): T => {
      if (batch.failures > 0) throw batch.firstReason
      return batch.results[0] as T
    }
    return this.#run([request], ttlOrOptions === undefined ? undefined : options, value, (results) => results[0] as T)
  }

  /** The value of `key` from memory or a tier, `undefined` if neither has it. Fetches nothing. */
  async get<T = unknown>(key: string): Promise<T | undefined> {
    const [value] = await this.mget<T>([key])
    return value
  }

  /** Whether memory or a tier has `key`. */
  async has(key: string): Promise<boolean> {
    verifyKeys([key])
    if (this.memory.has(key)) return true
    const [outcome] = await this.#outcomes([key])
    return outcome?.status === 'fulfilled'
  }

  /** The values in the order of `keys`, `undefined` where neither memory nor a tier has one. Fetches nothing. */
  async mget<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]> {
    const outcomes = await this.#outcomes<T>(keys)
    return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined))
  }

  /** Keeps a value in memory and all tiers; loads in flight will not overwrite it. `undefined` and a `ttl` of 0 remove what there is. */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<void> {
    await this.mset([{ ...options, key, value }])
  }

  /** `set` for many: all of them, or none if one of the entries is not right. */
  async mset(entries: readonly SetEntry[]): Promise<void> {
    this.#ensureOpen()
    verifyEntries(entries)
    this.memory.mset(entries)
    const { tiers, config } = this.#pipeline
    if (tiers.isEmpty) return
    const removed = entries.filter(({ value, ttl }) => value === undefined || (ttl ?? config.ttl) === 0)
    for (const entry of entries) {
      if (removed.includes(entry)) continue
      const ttl = entry.ttl ?? (entry.value === null ? (config.negativeTtl ?? config.ttl) : config.ttl)
      const { key, value } = entry
      tiers.write(key, ttl === Number.POSITIVE_INFINITY ? { value } : { value, expiresAt: config.clock.wallNow() + ttl })
    }
    if (removed.length > 0) await tiers.delete(removed.map(({ key }) => key))
    await tiers.flush()
  }

  /** Removes keys from memory and all tiers; loads in flight answer who waits for them, and are not stored. Answers how many memory had. */
  async delete(keyOrKeys: string | readonly string[]): Promise<number> {
    this.#ensureOpen()
    const keys = typeof keyOrKeys === 'string' ? [keyOrKeys] : keyOrKeys
    verifyKeys(keys)
    const deleted = this.memory.mdelete(keys)
    if (!this.#pipeline.tiers.isEmpty) await this.#pipeline.tiers.delete(keys)
    return deleted
  }

  /** Removes what `target` names from memory and all tiers, as `delete` does. */
  async invalidate(target: InvalidateTarget): Promise<number> {
    if (!isObject(target) || !Array.isArray(target.keys)) {
      throw misuse('invalidate(target)', { expected: '{ keys }', outOfRange: false }, target, 'ERR_INVALID_OPTION')
    }
    return this.delete(target.keys)
  }

  /** Removes everything from memory and all tiers. */
  async clear(): Promise<void> {
    this.#ensureOpen()
    this.memory.clear()
    await this.#pipeline.tiers.clear()
  }

  /** Counters since the processor was made, and gauges of now. */
  metrics(): ProcessorMetrics {
    const { dispatcher, tiers } = this.#pipeline
    dispatcher.ensureAlive()
    return { ...dispatcher.engine.stats(), tiers: tiers.metrics.map((tier) => ({ ...tier })) }
  }

  /** Puts storage beneath memory, in place of what there was. */
  initializeStorage(storage: StorageInput): void {
    this.#ensureOpen()
    verify('storage', storage, aStorage)
    this.#pipeline.useStorage(storage)
    this.#storage = storage
  }

  /** The storage as it was given, if any was. */
  getStorage(): StorageInput | undefined {
    return this.#storage
  }

  /**
   * Ends the processor. With `'drain'` (the default), waits for what is in flight up to `timeoutMs` (10,000); what is left then, or all of it with
   * `'abort'`, rejects with `ClosedError`. Then writes to tiers are finished, and the tiers closed. Calls after this reject; closing again
   * answers the same promise.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close({ mode = 'drain', timeoutMs = CLOSE_TIMEOUT_MS }: CloseOptions): Promise<void> {
    verify('close.mode', mode, oneOf('drain', 'abort'))
    verify('close.timeoutMs', timeoutMs, aDuration)
    const { dispatcher, tiers } = this.#pipeline
    if (mode === 'drain') await dispatcher.drained(timeoutMs)
    for (const batch of dispatcher.openBatches) dispatcher.abandon(batch, new ClosedError())
    await tiers.close()
    this.memory.clear()
  }

  /** The outcomes of looking for `keys` without fetching. */
  #outcomes<T>(keys: readonly string[]): Promise<BatchOutcome<T>[]> {
    try {
      verifyKeys(keys)
    } catch (error) {
      return Promise.reject(error)
    }
    const requests = keys.map((key) => ({ key, fetchFunction: fetchNothing as () => T }))
    return this.getCachedDataBatchSettled(requests, { cache: 'only-if-cached' })
  }

  /** Begins a batch; whatever it throws becomes a rejection. */
  #run<T, R>(
    requests: readonly BatchRequest<T>[],
    options: BatchOptions<T> | undefined,
    fromBatch: (batch: Batch) => R,
    fromHits: (results: unknown[]) => R,
  ): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#ensureOpen()
      const settle: Settle = {
        resolve: (batch) => {
          try {
            resolve(fromBatch(batch))
          } catch (error) {
            reject(error)
          }
        },
        reject,
      }
      const resolved = resolveBatchOptions(options, this.#pipeline.config)
      const begun = this.#pipeline.begin(requests as never, resolved as never, settle)
      if (!(begun instanceof Batch)) resolve(fromHits(begun))
    })
  }

  #ensureOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError()
  }
}
