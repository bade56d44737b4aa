/**
 * The public shapes of sluice: what a caller hands in and what comes back.
 *
 * Durations are milliseconds throughout; times of day are epoch milliseconds. Defaults and checks of every option are declared
 * once, in `options/declarations.ts`.
 */

import type { Clock } from './clock.js'
import type { StorageError } from './errors.js'

/** `high` is 1, `normal` is 0, `low` is -1; any integer from -1,000,000 to 1,000,000 says it finer. Higher starts sooner. */
export type Priority = 'high' | 'normal' | 'low' | number

/** What a `fetchFunction` is handed. Every field is read when it is used; an unused `signal` costs nothing. */
export interface FetchContext {
  /** The key to load. */
  readonly key: string
  /** Aborted when nobody waits for this load any longer, at its deadline, and when the processor closes. */
  readonly signal: AbortSignal
  /** 1 for the first try of this load, 2 for its first retry, and so on. */
  readonly attempt: number
  /**
   * The processor's own call, known to be made by this callback: it cannot deadlock on a limit, and a load that would wait for itself rejects.
   * Where the runtime has `AsyncLocalStorage`, the processor's methods know that by themselves.
   */
  getCachedDataBatch<U extends ValueTypes>(requests: BatchRequests<U>, options?: BatchOptions<U[number]>): Promise<BatchValues<U>>
  getCachedDataBatch<U>(requests: readonly BatchRequest<U>[], options?: BatchOptions<U>): Promise<U[]>
  /** As `getCachedDataBatch`, for one key. */
  getCachedData<U>(
    key: string,
    fetchFunction: BatchRequest<U>['fetchFunction'],
    ttlOrOptions?: number | SingleOptions<U>,
  ): Promise<U>
  /** As `getCachedDataBatch`, for bare keys and one function. */
  loadMany<K extends string = string, V = unknown>(
    keys: readonly K[],
    bulkLoader: BulkLoader<K, V>,
    options?: LoadManyOptions<K>,
  ): Promise<V[]>
  loadMany<K, V>(keys: readonly K[], bulkLoader: BulkLoader<K, V>, options: LoadManyOptions<K> & CacheKeyOption<K>): Promise<V[]>
}

/** One thing to get: its key, and how to fetch it if nothing has it. */
export interface BatchRequest<T> {
  /** Compared whole, code unit by code unit; the empty string is a key like any other. */
  key: string
  /** Called at most once per load. A plain value counts as resolved, a throw as rejected. `undefined` is delivered but not stored. */
  fetchFunction: (context: FetchContext) => T | Promise<T>
  /** Milliseconds the value stays valid. `0`: share the load, do not store. `Infinity`: never expires. Default: the processor's `ttl`. */
  ttl?: number | undefined
  /** Default `'normal'`. */
  priority?: Priority | undefined
  /** Names by which `invalidate({ tag })` finds the entry. */
  tags?: readonly string[] | undefined
  /** What the entry counts against `maxWeight`. Default: an estimate of the value's bytes. */
  weight?: number | undefined
}

/** The types of the values of several requests: a tuple where they are written out, `[a, b]`, else an array. */
export type ValueTypes = readonly unknown[] | []

/** Requests for values of these types, position by position. */
export type BatchRequests<T extends ValueTypes> = { readonly [Index in keyof T]: BatchRequest<T[Index]> }

/** What `getCachedDataBatch` answers to such requests. */
export type BatchValues<T extends ValueTypes> = { -readonly [Index in keyof T]: T[Index] }

/** What `getCachedDataBatchSettled` answers to such requests. */
export type BatchOutcomes<T extends ValueTypes> = { -readonly [Index in keyof T]: BatchOutcome<T[Index]> }

/** Who leaves when memory is full. */
export type EvictionPolicy = 'adaptive' | 'lru'

/** `'none'`: no groups. `'prefix'`: the key's first two `:`-parts. `'custom'`: what `customGrouper` answers. */
export type GroupingStrategy = 'none' | 'prefix' | 'custom'

/** What a `groupFetch` is handed: the missing keys of one group, at most `maxBatchSize` of them. */
export interface GroupFetchContext<T> {
  readonly groupKey: string
  readonly keys: readonly string[]
  /** `requests[i]` asked for `keys[i]`. */
  readonly requests: readonly BatchRequest<T>[]
  /** Aborted when no key of the group has a waiter any longer, at the deadline, and when the processor closes. */
  readonly signal: AbortSignal
  /** As in `FetchContext`. */
  readonly getCachedDataBatch: FetchContext['getCachedDataBatch']
  /** As in `FetchContext`. */
  readonly getCachedData: FetchContext['getCachedData']
  /** As in `FetchContext`. */
  readonly loadMany: FetchContext['loadMany']
}

/**
 * What a `groupFetch` may answer: by key, or an array in the order of `keys`. An `Error` as a value rejects that key alone. Keys that were not asked for
 * (up to 8,192 per call) are stored for the processor's `ttl`, not returned: but for those that were set, removed, invalidated or loaded since the call
 * began, or are being loaded.
 */
export type GroupResult<T> =
  | ReadonlyMap<string, T | Error>
  | Readonly<Record<string, T | Error>>
  | readonly (T | Error)[]
  | Iterable<readonly [string, T | Error]>
  | AsyncIterable<readonly [string, T | Error]>

/** Fetches all the keys of a group in one call. */
export type GroupFetch<T> = (context: GroupFetchContext<T>) => GroupResult<T> | Promise<GroupResult<T>>

/** What becomes of a key that a group fetch did not answer. */
export type OnMissing = 'fallback' | 'undefined' | 'null' | 'error'

/** How the keys of one of a processor's groups are fetched; what it does not say, the batch does. */
export interface GroupLoader<T = unknown> {
  groupFetch: GroupFetch<T>
  /** The most keys one group fetch gets. */
  maxBatchSize?: number | undefined
  /** What becomes of a key that a group fetch did not answer. */
  onMissing?: OnMissing | undefined
  /** Most keys of one failed group fetch that fall back to their own `fetchFunction`; the others reject. */
  groupFallbackLimit?: number | undefined
}

/** Group fetches by prefix, of values of whatever types. */
// biome-ignore lint/suspicious/noExplicitAny: a fetch of strings is none of unknowns, and none of nevers
export type Groups = Readonly<Record<string, GroupFetch<any> | GroupLoader<any>>>

/** When a group that fails is left alone. */
export interface GroupBreakerOptions {
  /** Throws and timeouts in a row that open the breaker. Default 5. */
  failures?: number | undefined
  /** How long it stays open, before one call tries again. Default 10,000. */
  coolDownMs?: number | undefined
}

/** How failed loads are tried again. */
export interface RetryOptions {
  /** Tries of one load in all, the first included. Default 1: no retries. */
  attempts?: number | undefined
  /** Milliseconds before the first retry; doubled for each further one. Default 100. */
  backoffMs?: number | undefined
  /** Default 10,000. */
  maxBackoffMs?: number | undefined
  /** The part of the backoff left to chance: 0 none, 1 all of it ("full jitter"). Default 1. */
  jitter?: number | undefined
  /** Whether an error is worth another try. Default: every one. A throw counts as no. */
  retryable?: ((error: unknown) => boolean) | undefined
}

/** Retries shared by all loads of a processor, so that a dead source is not hammered. */
export interface RetryBudgetOptions {
  /** Retries earned by each load: 0 to 1. Default 0.2. */
  ratio?: number | undefined
  /** Retries there are at first, and the most that can be saved. Default 100. */
  burst?: number | undefined
}

/** How a batch uses what is cached. */
export type CacheMode = 'default' | 'reload' | 'only-if-cached' | 'no-store'

/** Whose value a caller gets: everybody's, everybody's but frozen, or a copy of its own. */
export type Isolation = 'shared' | 'freeze' | 'clone'

/** What becomes of a running load that nobody waits for any longer: its signal is aborted, or it is finished and stored. */
export type OnOrphan = 'abort' | 'finish'

/** How far a batch is. */
export interface BatchProgress {
  readonly completed: number
  readonly failed: number
  readonly total: number
}

/** How one batch is to be carried out. Unknown names are errors. */
export interface BatchOptions<T = unknown> {
  /** Most callbacks of this batch running at once. Default 5. */
  maxConcurrency?: number | undefined
  /**
   * Most callbacks of one group running at once, those of the processor's other batches counted that give this option, too. Default
   * `Infinity`. Groups are `groupingStrategy`'s, whether there is a `groupFetch` or not.
   */
  maxConcurrencyPerGroup?: number | undefined
  /** How missing keys are grouped. Default `'prefix'`. */
  groupingStrategy?: GroupingStrategy | undefined
  /** The group of a key, for `groupingStrategy: 'custom'`; `null` or `undefined` leaves the key ungrouped. */
  customGrouper?: ((key: string) => string | null | undefined) | undefined
  /** `false`: every request fetches for itself and joins nothing. Default `true`. */
  deduplication?: boolean | undefined
  /** The most keys one group fetch gets. Default 50. */
  maxBatchSize?: number | undefined
  /** Fetches the missing keys of a group in one call. A group of one uses its own `fetchFunction`. */
  groupFetch?: GroupFetch<T> | undefined
  /** What becomes of keys a group fetch left out. Default `'fallback'`: their own `fetchFunction`. */
  onMissing?: OnMissing | undefined
  /** Most keys of one failed group fetch that fall back to their own `fetchFunction`; the others reject. Default 32. */
  groupFallbackLimit?: number | undefined
  /** Drops this batch's interest in what it waits for; the batch rejects with `signal.reason`. */
  signal?: AbortSignal | undefined
  /** Deadline of the whole batch. Default `Infinity`: the deadlines of its fetches bound it. */
  timeoutMs?: number | undefined
  /** Deadline of one fetch. Default 30,000. */
  fetchTimeoutMs?: number | undefined
  /** `true`: reject at the first failure and drop interest in the rest. Default `false`: wait for all. */
  failFast?: boolean | undefined
  /** Longest that a load may wait for its slot. Default `Infinity`. */
  queueTimeoutMs?: number | undefined
  /** What becomes of running loads that nobody waits for any longer. Default `'abort'`. */
  onOrphan?: OnOrphan | undefined
  /** Called after each answer, with those so far; what it throws is reported as a `callbackError` event. */
  onProgress?: ((progress: BatchProgress) => void) | undefined
  /** Default `'shared'`: the value itself, by identity. `'freeze'`: frozen, deeply. `'clone'`: a structured clone for each caller. */
  isolation?: Isolation | undefined
  /** Default: no retries. */
  retry?: RetryOptions | undefined
  /** Default `'default'`: answer from memory and tiers, fetch the rest, store it. */
  cache?: CacheMode | undefined
  /** How long after its expiry an entry is still answered at once, while it is fetched anew in the background. Default 0. */
  staleWhileRevalidate?: number | undefined
  /** How long after its expiry an entry is still the answer when its fetch fails. Default 0. */
  staleIfError?: number | undefined
}

/** What a bulk loader may answer: by key, or an array in the order of `keys`. An `Error` as a value rejects that key alone. */
export type BulkResult<K, V> =
  | ReadonlyMap<K, V | Error>
  | Readonly<Record<string, V | Error>>
  | readonly (V | Error)[]
  | Iterable<readonly [K, V | Error]>
  | AsyncIterable<readonly [K, V | Error]>

/** What a bulk loader is handed besides its keys; as in `FetchContext`. */
export type BulkContext = Pick<FetchContext, 'signal' | 'getCachedDataBatch' | 'getCachedData' | 'loadMany'>

/** Loads many keys in one call. */
export type BulkLoader<K, V> = (keys: readonly K[], context: BulkContext) => BulkResult<K, V> | Promise<BulkResult<K, V>>

/** What `loadMany` and `loader` have in common. Of a batch's options, what is not about groups and single requests. */
export interface BulkOptions<K = string>
  extends Pick<
      BatchOptions,
      | 'maxConcurrency'
      | 'timeoutMs'
      | 'fetchTimeoutMs'
      | 'queueTimeoutMs'
      | 'onOrphan'
      | 'isolation'
      | 'retry'
      | 'cache'
      | 'staleWhileRevalidate'
      | 'staleIfError'
    >,
    Pick<BatchRequest<unknown>, 'ttl' | 'priority' | 'tags'> {
  /** Goes before each key in the cache, so that two loaders do not share theirs. Default `''`. */
  prefix?: string | undefined
  /** What a key is kept under, where keys are not strings; behind the prefix. */
  cacheKey?: ((key: K) => string) | undefined
  /** The most keys one call gets. Default `Infinity`. */
  maxBatchSize?: number | undefined
  /** What becomes of keys a call left out. Default `'undefined'`: delivered, not stored. */
  onMissing?: Exclude<OnMissing, 'fallback'> | undefined
}

/** How one `loadMany` is to be carried out. */
export interface LoadManyOptions<K = string> extends BulkOptions<K>, Pick<BatchOptions, 'signal' | 'failFast' | 'onProgress'> {}

/** How a loader gathers and loads. */
export interface LoaderOptions<K = string> extends BulkOptions<K> {
  /** How long keys are gathered that have to be loaded. Default 0: while the promises of one tick are told. */
  windowMs?: number | undefined
}

/** Keys that are no strings need a `cacheKey`. */
export interface CacheKeyOption<K> {
  cacheKey: (key: K) => string
}

/** Options of a batch, and of the one request in it. */
export type SingleOptions<T = unknown> = BatchOptions<T> & Omit<BatchRequest<T>, 'key' | 'fetchFunction'>

/**
 * Where a value came from: `'memory'`, `'stale'` (expired, within what the batch takes stale), `'joined'` (a load that another request had
 * begun), `'fetch'`, `'group'`, or the name of a tier.
 */
export type BatchSource = 'memory' | 'stale' | 'joined' | 'fetch' | 'group' | (string & {})

interface OutcomeBase {
  /** The request's position in the batch. */
  readonly index: number
  readonly key: string
  readonly source: BatchSource
  /** From the call to this outcome, in milliseconds; 0 for what was in memory. */
  readonly ms: number
  /** How often the load's callback was called; 0 where none was. */
  readonly attempts: number
}

export interface FulfilledOutcome<T> extends OutcomeBase {
  readonly status: 'fulfilled'
  readonly value: T
}

export interface RejectedOutcome extends OutcomeBase {
  readonly status: 'rejected'
  readonly reason: unknown
}

/** What became of one request. */
export type BatchOutcome<T> = FulfilledOutcome<T> | RejectedOutcome

/** What is kept of one finished batch. Times in milliseconds. */
export interface BatchPerformanceMetrics {
  totalRequests: number
  /** Answered from memory. */
  cachedRequests: number
  /** Loads begun for this batch's keys (joins and duplicates not counted). */
  fetchedRequests: number
  /** Groups the missing keys fell into. */
  optimizedGroups: number
  totalTime: number
  avgTimePerRequest: number
  /** Callback time over `maxConcurrency` × batch time: 0 to 1. */
  concurrencyUtilization: number
  /** Requests that shared a load begun by another call. */
  joinedRequests: number
  /** Requests that shared a load begun by an earlier request of the same batch. */
  deduplicatedRequests: number
  /** Answered with an expired entry, by `staleWhileRevalidate` or `staleIfError`. */
  staleRequests: number
  /** Requests that ended rejected. */
  failedRequests: number
  /** Further tries of this batch's loads, after failures. */
  retriedRequests: number
  /** How long the requests waited that were not in memory, in milliseconds: half of them no longer than this. 0 if all were. */
  latencyP50: number
  /** 95 of 100 no longer than this. */
  latencyP95: number
  /** 99 of 100 no longer than this. */
  latencyP99: number
  /** Hits per storage tier, by its name. */
  tierHits: Readonly<Record<string, number>>
}

/** One value kept by a tier. `expiresAt` in epoch milliseconds; without it, the entry does not expire. */
export interface TierEntry<T = unknown> {
  value: T
  expiresAt?: number | undefined
}

/** A place where values are kept beneath memory. None of its failures ever reaches a reader. */
export interface Tier {
  /** Shown as an outcome's `source`, and in metrics. */
  readonly name: string
  /** The entries in the order of `keys`, `undefined` where there is none. Anything else is a miss for all. */
  mget(keys: readonly string[]): Promise<readonly (TierEntry | undefined)[]> | readonly (TierEntry | undefined)[]
  mset(entries: readonly (TierEntry & { key: string })[]): Promise<void> | void
  mdelete(keys: readonly string[]): Promise<void> | void
  clear?(): Promise<void> | void
  keys?(): AsyncIterable<string> | Iterable<string>
  close?(): Promise<void> | void
  /** Counters of its own, which are shown with the processor's. */
  readonly metrics?: object | undefined
}

/** An application's own storage of plain values; `valueTier` makes a tier of it. Whatever has these, with or without promises. */
export interface ValueStorage {
  get?(key: string): unknown
  mget?(keys: readonly string[]): unknown
  /** Asked where it answers `null`: whether that is the value. */
  has?(key: string): unknown
  set?(key: string, value: unknown, ttl?: number): unknown
  mset?(entries: readonly { key: string; value: unknown; ttl?: number | undefined }[]): unknown
  delete?(key: string): unknown
  mdelete?(keys: readonly string[]): unknown
  clear?(): unknown
  close?(): unknown
}

/** What `storage` and `initializeStorage` take: a tier, tiers in the order they are asked, or a storage of plain values. */
export type StorageInput = Tier | ValueStorage | readonly (Tier | ValueStorage)[]

/** One entry for `mset`. */
export interface SetEntry<T = unknown> {
  key: string
  value: T
  ttl?: number | undefined
  tags?: readonly string[] | undefined
  weight?: number | undefined
}

/** How `set` stores a value. */
export type SetOptions = Omit<SetEntry, 'key' | 'value'>

/**
 * What `invalidate` drops: keys; all that begin with a prefix; all that match a glob pattern (`*` any run of characters, `?` one, `\\` takes the
 * next as it is); all that have a tag.
 */
export type InvalidateTarget =
  | { readonly keys: readonly string[] }
  | { readonly prefix: string }
  | { readonly pattern: string }
  | { readonly tag: string }

/** What a batch would do with one request. */
export interface PlannedRequest {
  readonly index: number
  readonly key: string
  /** `'memory'`: answered at once. `'stale'`: answered at once and refreshed. `'join'`: waits for a load in flight. `'fetch'`: begins a load. */
  readonly action: 'memory' | 'stale' | 'join' | 'fetch'
}

/** What a batch would do, were it called now. Tiers are not asked. */
export interface BatchPlan {
  readonly requests: readonly PlannedRequest[]
  /** Callbacks it would call, group fetches and single ones. */
  readonly calls: number
  /** Groups that would be fetched in one call, split by `maxBatchSize`. */
  readonly groups: readonly { readonly groupKey: string; readonly keys: readonly string[] }[]
}

/** What a processor reports by `on`. */
export interface ProcessorEvents {
  /** A callback did not answer by its deadline. Its slot and its keys are free; whether it still runs, nobody knows. */
  stall: { readonly keys: readonly string[]; readonly timeoutMs: number }
  /** The engine crashed and was replaced. `degraded`: it did so too often, and keys are fetched without it for a while. */
  crash: { readonly error: unknown; readonly degraded: boolean }
  /** A group's fetches failed too often in a row: for a while its keys are fetched by themselves. `error` is the last failure. */
  groupBreakerOpen: { readonly groupKey: string; readonly error: unknown }
  /** An operation of a tier failed, or came too late. */
  tierError: { readonly tier: string; readonly error: StorageError }
  /** Reads, or writes, of a tier failed too often in a row: for a while there are none. `error` is the last failure. */
  tierBreakerOpen: { readonly tier: string; readonly operations: 'reads' | 'writes'; readonly error: unknown }
  /** A refresh in the background failed; the entry stays as it is. */
  refreshError: { readonly key: string; readonly error: unknown }
  /** A callback that only listens (`onProgress`, a listener) threw. */
  callbackError: { readonly error: unknown }
}

/** How a processor is closed. */
export interface CloseOptions {
  /** `'drain'` (default): wait for what is in flight. `'abort'`: reject it. */
  mode?: 'drain' | 'abort' | undefined
  /** How long to wait. Default 10,000 milliseconds. */
  timeoutMs?: number | undefined
}

/** Counters since the processor was made, and gauges of now. After a crash of the engine they begin anew. */
export interface ProcessorMetrics {
  /** Keys asked for: each is one of `hits`, `joined`, `deduplicated`, `led`, `missed`. */
  readonly requested: number
  readonly hits: number
  readonly joined: number
  readonly deduplicated: number
  /** Loads begun: each ends as one of `succeeded`, `failed`, `dropped` (its last waiter left). */
  readonly led: number
  /** Looked up and missed, and given up before anything could be begun. */
  readonly missed: number
  readonly succeeded: number
  readonly failed: number
  readonly dropped: number
  /** Callbacks called. */
  readonly calls: number
  readonly timedOut: number
  readonly retried: number
  /** Answers that came when nobody could use them any more. */
  readonly late: number
  readonly stored: number
  readonly evicted: number
  readonly expired: number
  /** Values heavier than `maxWeight`. */
  readonly tooHeavy: number
  /** Values not stored because memory could not grow. */
  readonly refused: number
  /** Results not stored because the key was invalidated or set meanwhile. */
  readonly fenced: number
  readonly entries: number
  readonly weight: number
  readonly inFlight: number
  readonly waiting: number
  readonly running: number
  /** Bytes of the engine's own structures. */
  readonly engineBytes: number
  /** What `adaptiveConcurrency` has found; `undefined` without. */
  readonly concurrency: AdaptiveConcurrencyMetrics | undefined
  /** Keys that group fetches get at most, as `adaptiveBatchSize` has found; `undefined` without. */
  readonly batchSize: number | undefined
  /** How often a group's breaker has opened. */
  readonly groupBreakersOpened: number
  readonly tiers: readonly {
    readonly name: string
    readonly hits: number
    readonly misses: number
    readonly errors: number
    /** Operations that were not tried, as too many had failed. */
    readonly skipped: number
    readonly writes: number
    readonly deletes: number
    /** The tier's own counters, if it has any. */
    readonly own: object
  }[]
}

/** What `adaptiveConcurrency` has found, and why. */
export interface AdaptiveConcurrencyMetrics {
  /** Callbacks that may run at once. */
  readonly limit: number
  /** Those that do. */
  readonly inFlight: number
  /** Latency now, smoothed; and as it is without a queue. `undefined` until there are some answers. */
  readonly latencyMs: number | undefined
  readonly baseLatencyMs: number | undefined
  /** The last decision: `'held'`, as not half of it was used, or as more would be rejected; `'rejected'`: shrunk at a rejection. */
  readonly reason: 'held' | 'grown' | 'shrunk' | 'rejected'
}

/** So many callbacks started in so much time: a token bucket, or one for each name. */
export interface RateLimit {
  /** Callbacks in each `perMs`. */
  requests: number
  perMs: number
  /** Most of them at once, after a time of rest. Default `requests`. */
  burst?: number | undefined
  /**
   * What is counted by itself, such as a host, by the key; of a group fetch, by its first key. Default: all keys together. A key for which it
   * answers nothing is not counted.
   */
  by?: ((key: string) => string | null | undefined) | undefined
  /** What becomes of a load that is over the limit when its turn comes: it waits, or fails with a `RateLimitedError`. Default `'queue'`. */
  onLimit?: 'queue' | 'reject' | undefined
}

/** Within which bounds a processor finds by itself how many callbacks to run at once. */
export interface AdaptiveConcurrencyOptions {
  /** Fewest at once. Default 1. */
  min?: number | undefined
  /** Most at once. Default 200. */
  max?: number | undefined
  /** How many to begin with, if that is between the two. Default 10. */
  initial?: number | undefined
}

/** How a `BatchProcessor` is set up. Checked once, then frozen. Unknown names are errors. */
export interface BatchProcessorConfig {
  /** `maxConcurrency` of batches that do not say. Default 5. */
  defaultConcurrency?: number | undefined
  /** Most callbacks of all batches running at once; batches take turns, however many keys each has. Default `Infinity`. */
  maxConcurrency?: number | undefined
  /**
   * Finds by itself how many callbacks of all batches to run at once. By Little's law, more of them are of use as long as latency stays the same;
   * so the limit follows the gradient of latency, as TCP Vegas (Brakmo & Peterson, 1995) and Netflix's concurrency-limits do: it grows
   * while latency is low and half of it is used at least, and shrinks when latency rises. What fails with a `status` or `statusCode` 429 or 503, a
   * `code` `EMFILE` or `ENFILE`, `retryAfterMs`, a `Retry-After` in its `headers` (each of the error itself, of its `response`, or of its `cause`), or a
   * timeout, shrinks it, too; for so long as the source asks (a minute at most) nothing is started.
   * Batches that do not say `maxConcurrency` take as many as it allows; `maxConcurrency` of the processor holds, too. Default `false`.
   */
  adaptiveConcurrency?: boolean | AdaptiveConcurrencyOptions | undefined
  /** Default of every batch's `maxConcurrencyPerGroup`. */
  maxConcurrencyPerGroup?: number | undefined
  /** Most callbacks started in a time. Of several limits, all must allow it. Default: none. */
  rateLimit?: RateLimit | readonly RateLimit[] | undefined
  /**
   * Most calls of callbacks that may wait for their turn. What a batch queues beyond it, its last keys first, fails with an
   * `OverloadedError`; retries and fallbacks of what was let in do not. Default `Infinity`.
   */
  maxQueue?: number | undefined
  /** `false`: missing keys are never grouped; each is fetched by its own `fetchFunction`. Default `true`. */
  enableOptimizations?: boolean | undefined
  /** Default `'prefix'`. */
  groupingStrategy?: GroupingStrategy | undefined
  /** Default 50. */
  maxBatchSize?: number | undefined
  /**
   * Group fetches and bulk loads get more keys while that makes the time per key less, at most `maxBatchSize`; fewer when it makes it more. They
   * begin with 8. Default `false`.
   */
  adaptiveBatchSize?: boolean | undefined
  /**
   * Group fetches by prefix: of keys that are a name here or go on after it with a `:`, those that are missing are fetched in one call, whatever the
   * grouping strategy, unless the batch has a `groupFetch`. The longest name counts.
   */
  groups?: Groups | undefined
  /** When a group whose fetches fail is left alone. `false`: never. Default `{ failures: 5, coolDownMs: 10_000 }`. */
  groupBreaker?: GroupBreakerOptions | false | undefined
  /** Deadline of a whole batch. Default `Infinity`. */
  timeoutMs?: number | undefined
  /** Deadline of one fetch. Default 30,000. */
  fetchTimeoutMs?: number | undefined
  /** Default of every batch's `queueTimeoutMs`. */
  queueTimeoutMs?: number | undefined
  /** Default of every batch's `retry`. */
  retry?: RetryOptions | undefined
  /** Default `{ ratio: 0.2, burst: 100 }`. */
  retryBudget?: RetryBudgetOptions | undefined
  /** Default of every batch's `staleWhileRevalidate`. */
  staleWhileRevalidate?: number | undefined
  /** Default of every batch's `staleIfError`. */
  staleIfError?: number | undefined
  /** Most entries in memory. Default 10,000; `Infinity` with a finite `maxWeight`. */
  maxEntries?: number | undefined
  /** Most weight in memory. Default `Infinity`; weights are counted only where this is finite. */
  maxWeight?: number | undefined
  /** Who leaves when it is full. `'adaptive'`, the default, keeps what would hit most; `'lru'` is exactly the least recently used first. */
  policy?: EvictionPolicy | undefined
  /** Default TTL. Default one hour. */
  ttl?: number | undefined
  /** TTL of `null` values. Default: as any other value. */
  negativeTtl?: number | undefined
  /** How long a failed load is answered with its failure. Default 0: failures are not kept. */
  errorTtl?: number | undefined
  /** The part of every TTL, 0 to 1, that chance may take off it. Default 0. */
  ttlJitter?: number | undefined
  /** A use makes an entry live its TTL from then on. Default `false`. */
  slidingTtl?: boolean | undefined
  /** How eagerly entries are refreshed before they expire (XFetch's β: 1 is the optimum, more is earlier). Default 0: never. */
  earlyRefresh?: number | undefined
  /** Default of every batch's `isolation`. */
  isolation?: Isolation | undefined
  /** Longest key, in UTF-8 bytes. Default 1 MiB. */
  maxKeyBytes?: number | undefined
  /** Tiers beneath memory. */
  storage?: StorageInput | undefined
  /** Deadline of one operation of a tier. Default 1,000. */
  storageTimeoutMs?: number | undefined
  /** When a tier whose reads, or whose writes, fail is left alone by these. `false`: never. Default `{ failures: 5, coolDownMs: 10_000 }`. */
  storageBreaker?: GroupBreakerOptions | false | undefined
  /**
   * Who waits for tiers to be written. `'background'` (default): `set`, `delete` and their like, and no batch. `'await'`: batches, too. `'strict'`: and
   * what a tier did not take of `set`, `delete` and their like rejects them with a `StorageError`; memory has it, and loads never fail by it.
   */
  writes?: 'background' | 'await' | 'strict' | undefined
  /** Where time comes from; a virtual one in tests. Default: the runtime's clocks and timers. */
  clock?: Clock | undefined
}

/** For `new PriorityQueue(options)`. */
export interface PriorityQueueOptions {
  /** Most entries at a time, or `Infinity`. Default 10,000. */
  readonly maxSize?: number | undefined
  /** How many entries are dequeued ahead from the engine at a time, 1 to 10,000. Of no effect on the order. Default 128. */
  readonly prefetch?: number | undefined
}
