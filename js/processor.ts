/// <reference lib="esnext.disposable" preserve="true" />
/** The public class: every call of the package, over one cache, one table of loads in flight, and one set of tiers. */

import { Batch, type Settle } from './batch.js'
import { Bulk } from './bulk.js'
import type { NestedCalls } from './call.js'
import { type Caller, currentCaller } from './context.js'
import { ClosedError } from './errors.js'
import { Events } from './events.js'
import { type Asked, type Options, takeHits } from './hits.js'
import { Loader } from './loader.js'
import { MemoryCache, verifyEntries, verifyKeys } from './memory.js'
import { BatchPerformanceMonitor } from './monitor.js'
import { aDuration, aFunction, isObject, oneOf, verify } from './options/checks.js'
import { LOAD_MANY_OPTIONS, LOADER_OPTIONS } from './options/declarations.js'
import { BatchOptionsResolver } from './options/recall.js'
import { readOptions, resolveConfig, splitSingle } from './options/resolve.js'
import { aStorage } from './options/storage.js'
import { Pipeline } from './pipeline.js'
import type { TierFailure } from './storage/tiers.js'
import { OutcomeStream } from './stream.js'
import { matcherOf, verifyTarget } from './target.js'
import type {
  BatchOptions,
  BatchOutcome,
  BatchOutcomes,
  BatchPlan,
  BatchProcessorConfig,
  BatchRequest,
  BatchRequests,
  BatchValues,
  BulkLoader,
  CacheKeyOption,
  CloseOptions,
  InvalidateTarget,
  LoaderOptions,
  LoadManyOptions,
  Priority,
  ProcessorEvents,
  ProcessorMetrics,
  SetEntry,
  SetOptions,
  SingleOptions,
  StorageInput,
  ValueTypes,
} from './types.js'

/** Nothing is fetched for `get` and its kin. */
const fetchNothing = (): undefined => undefined
const allOfBatch = (batch: Batch): never[] => batch.values()
const allOfHits = (results: unknown[]): never[] => results as never[]
/** The same for the one request of `getCachedData`. */
const oneOfBatch = (batch: Batch): never => {
  if (batch.failures > 0) throw batch.firstReason
  return batch.results[0] as never
}
const oneOfHits = (results: unknown[]): never => results[0] as never
/** As `Reason` in `src/adaptive/concurrency.rs`. */
const REASONS = ['held', 'grown', 'shrunk', 'rejected'] as const
/** How long `close` waits for what is in flight. */
const CLOSE_TIMEOUT_MS = 10_000
const CLOSE_OPTIONS = [
  { name: 'mode', check: oneOf('drain', 'abort') },
  { name: 'timeoutMs', check: aDuration },
]

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
  readonly #events = new Events()
  readonly #pipeline: Pipeline
  readonly #options: BatchOptionsResolver
  #storage: StorageInput | undefined
  #closing: Promise<void> | undefined

  /**
   * @throws `TypeError` or `RangeError` (with a `code`) for what is wrong with `config`.
   */
  constructor(config: BatchProcessorConfig = {}) {
    const resolved = resolveConfig(config)
    const nested: NestedCalls = {
      getCachedDataBatch: (caller, requests, options) => this.#batch(requests, options, caller),
      getCachedData: (caller, key, fetchFunction, options) => this.#single(key, fetchFunction, options, caller),
      loadMany: (caller, keys, bulkLoader, options) => this.#loadMany(keys, bulkLoader, options, caller),
    }
    this.#pipeline = new Pipeline(resolved, this.monitor, this.#events, nested)
    this.#options = new BatchOptionsResolver(resolved)
    this.#storage = resolved.storage
    this.memory = new MemoryCache(this.#pipeline.dispatcher)
  }

  /**
   * The values of all requests, in their order: from memory, from loads in flight, from the tiers, and for what is still missing from
   * the callbacks.
   *
   * @throws (rejects) `BatchError` with all outcomes when a request failed; with `failFast`, the first failure itself; `signal.reason` when
   * aborted; `BatchTimeoutError`; `TypeError` or `RangeError` for misuse, before any work.
   */
  getCachedDataBatch<T extends ValueTypes>(requests: BatchRequests<T>, options?: BatchOptions<T[number]>): Promise<BatchValues<T>>
  getCachedDataBatch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<T[]>
  getCachedDataBatch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<T[]> {
    return this.#batch(requests, options)
  }

  /**
   * As `getCachedDataBatch`, but resolves to one outcome per request and never rejects for a key.
   */
  getCachedDataBatchSettled<T extends ValueTypes>(
    requests: BatchRequests<T>,
    options?: BatchOptions<T[number]>,
  ): Promise<BatchOutcomes<T>>
  getCachedDataBatchSettled<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<BatchOutcome<T>[]>
  getCachedDataBatchSettled<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<BatchOutcome<T>[]> {
    const hits = (values: unknown[], keys: readonly string[]): BatchOutcome<T>[] =>
      values.map((value, index) => {
        const key = keys[index] as string
        return { index, key, source: 'memory', ms: 0, attempts: 0, status: 'fulfilled', value: value as T }
      })
    return this.#run(requests, options, (batch) => batch.outcomes<T>(), hits)
  }

  /**
   * The outcomes one by one: hits first, in the order of the requests, then the others as they come. The batch begins when the first is asked for.
   * Ending the loop drops interest in the rest. With `failFast` the first failure is thrown instead.
   */
  streamCachedDataBatch<T extends ValueTypes>(
    requests: BatchRequests<T>,
    options?: BatchOptions<T[number]>,
  ): AsyncIterableIterator<BatchOutcome<T[number]>>
  streamCachedDataBatch<T>(
    requests: readonly BatchRequest<T>[],
    options?: BatchOptions<T>,
  ): AsyncIterableIterator<BatchOutcome<T>>
  streamCachedDataBatch<T>(
    requests: readonly BatchRequest<T>[],
    options?: BatchOptions<T>,
  ): AsyncIterableIterator<BatchOutcome<T>> {
    const copy = Array.isArray(requests) ? [...(requests as BatchRequest<T>[])] : requests
    const caller = this.#caller()
    const pipeline = this.#pipeline
    return new OutcomeStream<T>(
      (settle) => {
        const resolved = this.#resolve(options)
        return pipeline.begin(pipeline.ask(copy as never), resolved, this.#heard(settle, resolved), caller) as Batch
      },
      (batch) => pipeline.dispatcher.abandon(batch, undefined),
    )
  }

  /**
   * The values of all keys, in their order, as `getCachedDataBatch` gets them, with one function for all: `bulkLoader` is called with the keys that
   * nothing has, at most `maxBatchSize` of them (all, by default). What it leaves out is `undefined`, unless `onMissing` says otherwise.
   *
   * @throws (rejects) as `getCachedDataBatch`; the reason of a key is the `Error` answered for it, or what `bulkLoader` threw.
   */
  loadMany<K extends string = string, V = unknown>(
    keys: readonly K[],
    bulkLoader: BulkLoader<K, V>,
    options?: LoadManyOptions<K>,
  ): Promise<V[]>
  loadMany<K, V>(keys: readonly K[], bulkLoader: BulkLoader<K, V>, options: LoadManyOptions<K> & CacheKeyOption<K>): Promise<V[]>
  loadMany<K, V>(keys: readonly K[], bulkLoader: BulkLoader<K, V>, options?: LoadManyOptions<K>): Promise<V[]> {
    return this.#loadMany(keys, bulkLoader, options)
  }

  /**
   * What loads keys one by one in bulk, as DataLoader does: the keys asked for in one tick, or within `windowMs`, go to `bulkLoader` in one call.
   *
   * @throws `TypeError` or `RangeError` (with a `code`) for what is wrong with its arguments; `ClosedError`.
   */
  loader<K extends string = string, V = unknown>(bulkLoader: BulkLoader<K, V>, options?: LoaderOptions<K>): Loader<K, V>
  loader<K, V>(bulkLoader: BulkLoader<K, V>, options: LoaderOptions<K> & CacheKeyOption<K>): Loader<K, V>
  loader<K, V>(bulkLoader: BulkLoader<K, V>, options?: LoaderOptions<K>): Loader<K, V> {
    this.#ensureOpen()
    return new Loader<K, V>(this, this.#pipeline, new Bulk<K>(bulkLoader, options, this.#pipeline.config, LOADER_OPTIONS))
  }

  /**
   * Sees to it that the requests are in memory, with an interest of its own: whoever else waits for the same keys may leave. Of low priority unless
   * the requests say otherwise. Resolves when all is done; what failed is not reported.
   */
  prefetch<T extends ValueTypes>(requests: BatchRequests<T>, options?: BatchOptions<T[number]>): Promise<void>
  prefetch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<void>
  async prefetch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<void> {
    const done = (): void => {}
    await this.#run(requests, options, done, done, undefined, 'low')
  }

  /** What `getCachedDataBatch` would do now. Does nothing; asks no tier. */
  plan<T extends ValueTypes>(requests: BatchRequests<T>, options?: BatchOptions<T[number]>): Promise<BatchPlan>
  plan<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<BatchPlan>
  async plan<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<BatchPlan> {
    return this.#pipeline.plan(requests as never, this.#resolve(options))
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
    return this.#single(key, fetchFunction, ttlOrOptions)
  }

  /** The value of `key` from memory or a tier, `undefined` if neither has it. Fetches nothing. */
  get<T = unknown>(key: string): Promise<T | undefined> {
    return this.#read([key], ({ results }) => results[0] as T | undefined, oneOfHits)
  }

  /** Whether memory or a tier has `key`. */
  async has(key: string): Promise<boolean> {
    verifyKeys([key])
    return this.memory.has(key) || (await this.get(key)) !== undefined
  }

  /** The values in the order of `keys`, `undefined` where neither memory nor a tier has one. Fetches nothing. */
  mget<T = unknown>(keys: readonly string[]): Promise<(T | undefined)[]> {
    return this.#read(keys, ({ results }) => Array.from(results) as T[], allOfHits)
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
    const removed: string[] = []
    const written: Promise<TierFailure>[] = []
    // Of several entries for a key the last one counts.
    for (const { key, value, ttl: given } of new Map(entries.map((entry) => [entry.key, entry])).values()) {
      // As the engine decides it for memory (`Config::ttl_of`).
      const asked = given ?? config.ttl
      const ttl = value === null && given !== 0 ? (config.negativeTtl ?? asked) : asked
      if (value === undefined || ttl === 0) removed.push(key)
      else
        written[0] = tiers.write(
          key,
          ttl === Number.POSITIVE_INFINITY ? { value } : { value, expiresAt: config.clock.wallNow() + ttl },
          true,
        )
    }
    if (removed.length > 0) written.push(tiers.delete(removed))
    for (const done of written) await this.#told(done)
  }

  /** Waits until the tiers have been told. Throws what one of them failed with, where that is to be known. */
  async #told(done: Promise<TierFailure>): Promise<void> {
    const failure = await done
    if (failure !== undefined && this.#pipeline.config.writes === 'strict') throw failure
  }

  /** Removes keys from memory and all tiers; loads in flight answer who waits for them, and are not stored. Answers how many memory had. */
  async delete(keyOrKeys: string | readonly string[]): Promise<number> {
    this.#ensureOpen()
    const keys = typeof keyOrKeys === 'string' ? [keyOrKeys] : keyOrKeys
    verifyKeys(keys)
    const deleted = this.memory.mdelete(keys)
    await this.#told(this.#pipeline.tiers.delete(keys))
    return deleted
  }

  /**
   * Removes what `target` means from memory and all tiers, as `delete` does: keys, a prefix, a glob pattern (`*`, `?`, `\\`), or a tag. Tiers that can list
   * their keys are searched for prefixes and patterns; tags are known in memory alone. Answers how many valid entries memory had.
   */
  async invalidate(target: InvalidateTarget): Promise<number> {
    this.#ensureOpen()
    const { kind, value } = verifyTarget(target)
    if (kind === 'keys') {
      verifyKeys(value)
      return this.delete(value)
    }
    const { keys, count } = this.memory.invalidate(kind, value as string)
    const { tiers } = this.#pipeline
    await this.#told(tiers.deleteMatching(keys, kind === 'tag' ? undefined : matcherOf(kind, value as string)))
    return count
  }

  /** Removes everything from memory and all tiers. */
  async clear(): Promise<void> {
    this.#ensureOpen()
    this.memory.clear()
    await this.#told(this.#pipeline.tiers.clear())
  }

  /** Counters since the processor was made, and gauges of now. */
  async metrics(): Promise<ProcessorMetrics> {
    const { dispatcher, tiers } = this.#pipeline
    const { limit, latency, baseLatency, reason, batchSize, ...stats } = dispatcher.stats()
    const concurrency = {
      limit,
      inFlight: stats.running,
      // That of nothing is no number.
      latencyMs: Math.exp(latency) || undefined,
      baseLatencyMs: Math.exp(baseLatency) || undefined,
      reason: REASONS[reason] as (typeof REASONS)[number],
    }
    return {
      ...stats,
      concurrency: limit === 0 ? undefined : concurrency,
      batchSize: batchSize || undefined,
      groupBreakersOpened: dispatcher.breakers.opened,
      tiers: tiers.metrics.map((tier, index) => ({ ...tier, own: { ...tiers.tiers[index]?.metrics } })),
    }
  }

  /** Calls `listener` at each event of this name. Answers how to stop that. Where there is `diagnostics_channel`, events are published as `sluice:<name>`, too. */
  on<Name extends keyof ProcessorEvents>(name: Name, listener: (event: ProcessorEvents[Name]) => void): () => void {
    verify(
      'on(name)',
      name,
      oneOf('stall', 'crash', 'groupBreakerOpen', 'tierError', 'tierBreakerOpen', 'refreshError', 'callbackError'),
    )
    verify('on(listener)', listener, aFunction)
    return this.#events.on(name, listener)
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
    try {
      const { mode, timeoutMs = CLOSE_TIMEOUT_MS } = readOptions('close', options, CLOSE_OPTIONS)
      this.#closing ??= this.#close(mode === 'abort' ? 0 : (timeoutMs as number))
      return this.#closing
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(drainMs: number): Promise<void> {
    const { dispatcher, tiers, windows } = this.#pipeline
    for (const [window, flush] of [...windows]) flush(window as never, drainMs > 0 ? undefined : new ClosedError())
    this.#pipeline.isClosing = true
    if (drainMs > 0) await dispatcher.drained(drainMs)
    for (const batch of dispatcher.openBatches) dispatcher.abandon(batch, new ClosedError())
    dispatcher.close()
    await tiers.close()
    dispatcher.end()
  }

  /** Gets what there is, and fetches nothing. */
  #read<R>(
    keys: readonly string[],
    fromBatch: (batch: Batch) => R,
    fromHits: (values: unknown[], keys: readonly string[]) => R,
  ): Promise<R> {
    try {
      verifyKeys(keys)
      const requests = keys.map((key) => ({ key, fetchFunction: fetchNothing }))
      return this.#run<unknown, R>(requests, { cache: 'only-if-cached', groupingStrategy: 'none' }, fromBatch, fromHits)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #batch<T>(requests: readonly BatchRequest<T>[], options: BatchOptions<T> | undefined, caller?: Caller): Promise<T[]> {
    return this.#run(requests, options, allOfBatch, allOfHits, caller)
  }

  #single<T>(
    key: string,
    fetchFunction: BatchRequest<T>['fetchFunction'],
    ttlOrOptions: number | SingleOptions<T> | undefined,
    caller?: Caller,
  ): Promise<T> {
    try {
      const areOptions = isObject(ttlOrOptions)
      // Properties of its own: it has nothing of `Object.prototype`.
      const request = {
        key,
        fetchFunction,
        ttl: areOptions ? undefined : ttlOrOptions,
        priority: undefined,
        tags: undefined,
        weight: undefined,
      }
      const options = areOptions ? splitSingle(ttlOrOptions as SingleOptions<T>, request) : undefined
      return this.#run([request as BatchRequest<T>], options, oneOfBatch, oneOfHits, caller)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #loadMany<K, V>(
    keys: readonly K[],
    bulkLoader: BulkLoader<K, V>,
    options: LoadManyOptions<K> | undefined,
    caller?: Caller,
  ): Promise<V[]> {
    try {
      this.#ensureOpen()
      const bulk = new Bulk<K>(bulkLoader, options, this.#pipeline.config, LOAD_MANY_OPTIONS)
      return this.#answer(bulk.ask(keys), bulk.options, allOfBatch, allOfHits, caller)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Misuse becomes a rejection. `caller` is known where a callback asks through its context. */
  #run<T, R>(
    requests: readonly BatchRequest<T>[],
    options: BatchOptions<T> | undefined,
    fromBatch: (batch: Batch) => R,
    fromHits: (values: unknown[], keys: readonly string[]) => R,
    caller?: Caller,
    priority?: Priority,
  ): Promise<R> {
    try {
      const given = this.#resolve(options)
      const resolved = priority === undefined ? given : { ...given, priority }
      return this.#answer(this.#pipeline.ask(requests as never), resolved, fromBatch, fromHits, caller)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** From memory if all is there; else begins a batch. */
  #answer<R>(
    asked: Asked,
    options: Options,
    fromBatch: (batch: Batch) => R,
    fromHits: (values: unknown[], keys: readonly string[]) => R,
    caller: Caller | undefined,
  ): Promise<R> {
    const pipeline = this.#pipeline
    const hits = takeHits(asked, options, pipeline.dispatcher, this.monitor)
    if (hits !== undefined) return Promise.resolve(fromHits(hits, asked.keys))
    return new Promise<R>((resolve, reject) => {
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
      const begun = pipeline.begin(asked, options, this.#heard(settle, options), caller ?? this.#caller())
      if (!(begun instanceof Batch)) resolve(fromHits(begun, asked.keys))
    })
  }

  #resolve<T>(options: BatchOptions<T> | undefined): Options {
    this.#ensureOpen()
    return this.#options.resolve(options)
  }

  /** Tells `onProgress` of each answer, when nothing else is under way. */
  #heard(settle: Settle, { onProgress }: Pick<BatchOptions, 'onProgress'>): Settle {
    if (onProgress === undefined) return settle
    return {
      ...settle,
      answered: (batch, index) => {
        settle.answered?.(batch, index)
        const progress = { completed: batch.completed, failed: batch.failures, total: batch.keys.length }
        this.#pipeline.dispatcher.defer(() => this.#events.tell(onProgress, progress))
      },
    }
  }

  /** The callback of this processor that the code running now belongs to. */
  #caller(): Caller | undefined {
    return currentCaller(this.#pipeline.dispatcher.nested)
  }

  #ensureOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError()
  }
}
