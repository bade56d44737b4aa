/**
 * Options resolved once: checked against their declarations, defaults filled in, frozen. Positive names only; unknown names are errors
 * with a suggestion.
 */

import { type Clock, systemClock } from '../clock.js'
import { measure } from '../engine/keys.js'
import { InvalidRangeError } from '../errors.js'
import type {
  BatchOptions,
  BatchProcessorConfig,
  BatchProgress,
  BatchRequest,
  CacheMode,
  EvictionPolicy,
  FetchContext,
  GroupFetch,
  GroupingStrategy,
  Groups,
  Isolation,
  LoaderOptions,
  OnMissing,
  OnOrphan,
  Priority,
  SingleOptions,
  StorageInput,
} from '../types.js'
import { DEFAULT_ADAPTIVE_CONCURRENCY, NO_ADAPTIVE_CONCURRENCY, type ResolvedAdaptiveConcurrency } from './adaptive.js'
import { anInteger, isObject, isOwnOrInherited, isPlain, misuse, verify } from './checks.js'
import { BATCH_OPTIONS, BULK_OPTIONS, CONFIG_OPTIONS, type Declaration, REQUEST_FIELDS } from './declarations.js'
import { DEFAULT_GROUP_BREAKER, GroupTable, NO_GROUP_BREAKER, type ResolvedGroupBreaker } from './groups.js'
import { type ResolvedRateLimit, resolveRateLimit } from './rate-limit.js'
import { DEFAULT_RETRY, DEFAULT_RETRY_BUDGET, type ResolvedRetry, type ResolvedRetryBudget } from './retry.js'
import { suggest } from './suggest.js'

export interface ResolvedBatchOptions<T = unknown> {
  readonly maxConcurrency: number
  readonly maxConcurrencyPerGroup: number
  readonly groupingStrategy: GroupingStrategy
  readonly customGrouper: ((key: string) => string | null | undefined) | undefined
  readonly deduplication: boolean
  readonly maxBatchSize: number
  readonly groupFetch: GroupFetch<T> | undefined
  readonly onMissing: OnMissing
  readonly groupFallbackLimit: number
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  readonly fetchTimeoutMs: number
  readonly queueTimeoutMs: number
  readonly onOrphan: OnOrphan
  readonly onProgress: ((progress: BatchProgress) => void) | undefined
  readonly isolation: Isolation
  readonly retry: ResolvedRetry
  readonly failFast: boolean
  readonly cache: CacheMode
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  /** Of requests that do not say; only `prefetch` and bulk loads have another than `'normal'`. */
  readonly priority?: Priority | undefined
  /** Of the keys of a bulk load, which have no requests to say it. */
  readonly ttl?: number | undefined
  readonly tags?: readonly string[] | undefined
  /** Of a bulk load: how a key is fetched that is alone. What stands for a request is the key as the caller has it, and the `this` of the call. */
  readonly bulk?: ((this: unknown, context: FetchContext) => unknown) | undefined
}

export interface ResolvedConfig {
  readonly enableOptimizations: boolean
  readonly retryBudget: ResolvedRetryBudget
  readonly groups: GroupTable
  readonly groupBreaker: ResolvedGroupBreaker
  readonly maxConcurrency: number
  readonly rateLimit: readonly ResolvedRateLimit[]
  readonly maxQueue: number
  readonly adaptiveConcurrency: ResolvedAdaptiveConcurrency
  readonly adaptiveBatchSize: boolean
  readonly maxEntries: number
  readonly maxWeight: number
  readonly policy: EvictionPolicy
  readonly ttl: number
  readonly negativeTtl: number | undefined
  readonly errorTtl: number
  readonly ttlJitter: number
  readonly slidingTtl: boolean
  readonly earlyRefresh: number
  readonly maxKeyBytes: number
  readonly storage: StorageInput | undefined
  readonly storageTimeoutMs: number
  readonly storageBreaker: ResolvedGroupBreaker
  readonly writes: 'background' | 'await' | 'strict'
  readonly clock: Clock
  /** What a batch that gives no options does. */
  readonly batchDefaults: ResolvedBatchOptions
  /** The same of bulk loads. */
  readonly bulkDefaults: object
}

/** The most keys of one call, where there is no limit. */
const SIZE_MAX = 2 ** 31 - 1
/** What a request may say besides its key and its function. */
const WISHES = ['ttl', 'priority', 'tags', 'weight']
/** The priorities that have names. */
const PRIORITIES = { high: 1, normal: 0, low: -1 }

export function resolveConfig(config: BatchProcessorConfig = {}): ResolvedConfig {
  const read = readOptions('config', config, CONFIG_OPTIONS)
  const resolved: Record<string, unknown> = {}
  for (const { name, default: fallback } of CONFIG_OPTIONS) resolved[name] = read[name] ?? fallback
  resolved.clock ??= systemClock
  resolved.retryBudget = resolveFields(read.retryBudget as object | undefined, DEFAULT_RETRY_BUDGET)
  resolved.groups = new GroupTable(resolved.enableOptimizations ? (read.groups as Groups) : undefined)
  for (const name of ['groupBreaker', 'storageBreaker']) {
    const breaker = read[name] as object | false | undefined
    resolved[name] = breaker === false ? NO_GROUP_BREAKER : resolveFields(breaker, DEFAULT_GROUP_BREAKER)
  }
  const range = read.adaptiveConcurrency as object | false | undefined
  const adaptive = range ? resolveFields(range, DEFAULT_ADAPTIVE_CONCURRENCY) : NO_ADAPTIVE_CONCURRENCY
  if (range) verify('config.adaptiveConcurrency.min', adaptive.min, anInteger(1, adaptive.max))
  resolved.adaptiveConcurrency = adaptive
  resolved.rateLimit = resolveRateLimit(read.rateLimit as BatchProcessorConfig['rateLimit'])
  if (resolved.maxEntries === Number.POSITIVE_INFINITY && resolved.maxWeight === Number.POSITIVE_INFINITY) {
    const complaint = { expected: 'a finite number unless maxWeight is finite', outOfRange: true }
    throw misuse('config.maxEntries', complaint, Number.POSITIVE_INFINITY, 'ERR_INVALID_OPTION')
  }
  // Properties of its own, as they are read: nothing comes from Object.prototype.
  const batchDefaults: Record<string, unknown> = { priority: undefined, ttl: undefined, tags: undefined, bulk: undefined }
  for (const { name, default: fallback, from } of BATCH_OPTIONS) {
    batchDefaults[name] = from === undefined ? fallback : (read[from] ?? fallback)
  }
  if (range) batchDefaults.maxConcurrency = read.defaultConcurrency ?? adaptive.max
  batchDefaults.retry = resolveFields(read.retry as object | undefined, DEFAULT_RETRY)
  if (resolved.enableOptimizations === false) batchDefaults.groupingStrategy = 'none'
  // A copy made at once, and not frozen: of what has grown field by field, another copy takes two hundred times as long, of what is frozen ten times.
  resolved.batchDefaults = { ...batchDefaults }
  for (const { name, default: fallback } of BULK_OPTIONS) batchDefaults[name] = fallback
  resolved.bulkDefaults = { ...batchDefaults, groupingStrategy: 'none', groupFallbackLimit: 0 }
  return Object.freeze(resolved) as unknown as ResolvedConfig
}

export function resolveBatchOptions<T>(options: BatchOptions<T> | undefined, config: ResolvedConfig): ResolvedBatchOptions<T> {
  if (options === undefined && config.batchDefaults.groupingStrategy !== 'custom')
    return config.batchDefaults as ResolvedBatchOptions<T>
  const read = readOptions('options', options === undefined ? {} : options, BATCH_OPTIONS)
  const resolved: Record<string, unknown> = Object.assign({ ...config.batchDefaults }, read)
  if (read.retry !== undefined) resolved.retry = resolveFields(read.retry as object, config.batchDefaults.retry)
  if (!config.enableOptimizations) resolved.groupingStrategy = 'none'
  if (resolved.groupingStrategy === 'custom' && resolved.customGrouper === undefined) {
    const complaint = { expected: "a function, as groupingStrategy is 'custom'", outOfRange: false }
    throw misuse('options.customGrouper', complaint, undefined, 'ERR_INVALID_OPTION')
  }
  return resolved as unknown as ResolvedBatchOptions<T>
}

/** The options of bulk loads: those of their batches, and their own. */
export type ResolvedBulkOptions<K> = ResolvedBatchOptions<never> &
  Pick<LoaderOptions<K>, 'cacheKey'> & { readonly prefix: string; readonly windowMs: number }

export function resolveBulkOptions<K>(
  options: unknown,
  config: ResolvedConfig,
  declarations: readonly Declaration[],
): ResolvedBulkOptions<K> {
  const read = readOptions('options', options ?? {}, declarations)
  const resolved: Record<string, unknown> = Object.assign({ ...config.bulkDefaults }, read)
  resolved.maxBatchSize = Math.min(resolved.maxBatchSize as number, SIZE_MAX)
  resolved.retry = resolveFields(read.retry as object | undefined, config.batchDefaults.retry)
  return resolved as unknown as ResolvedBulkOptions<K>
}

/** The options of a batch among those of its one request; the others become fields of `request`. */
export function splitSingle<T>(given: SingleOptions<T>, request: object): BatchOptions<T> {
  const options = {}
  const names = [...Object.keys(given), ...(isPlain(given) ? [] : [...WISHES, ...BATCH_OPTIONS.map(({ name }) => name)])]
  for (const name of new Set(names)) {
    if (!isOwnOrInherited(given, name)) continue
    const to = WISHES.includes(name) ? request : options
    ;(to as Record<string, unknown>)[name] = given[name as keyof typeof given]
  }
  return options
}

/** Checks the fields of one request that the fast path has not; the first that is wrong throws, named by its index. */
export function verifyRequest(request: unknown, index: number): asserts request is BatchRequest<unknown> {
  const where = `requests[${index}]`
  if (!isObject(request)) {
    throw misuse(where, { expected: 'an object', outOfRange: false }, request, 'ERR_INVALID_REQUESTS')
  }
  for (const { name, check } of REQUEST_FIELDS) {
    const value = request[name]
    if (value === undefined && name !== 'key' && name !== 'fetchFunction') continue
    const complaint = check(value)
    if (complaint) throw misuse(`${where}.${name}`, complaint, value, name === 'key' ? 'ERR_INVALID_KEY' : 'ERR_INVALID_REQUESTS')
  }
}

/** Throws for a key that takes more bytes than it may. */
export function verifyKeyBytes(where: string, key: string, bytesMax: number): void {
  const bytes = Math.abs(measure(key))
  if (bytes > bytesMax) {
    throw new InvalidRangeError(`${where}: expected at most ${bytesMax} bytes, received ${bytes}`, 'ERR_KEY_TOO_LARGE')
  }
}

export function resolvePriority(priority: Priority | undefined): number {
  return typeof priority === 'number' ? priority : PRIORITIES[priority ?? 'normal']
}

/**
 * The declared options of `input`, each read once. Own properties and those of a class count, what somebody put on `Object.prototype`
 * does not.
 */
export function readOptions(
  where: string,
  input: unknown,
  declarations: readonly Pick<Declaration, 'name' | 'check'>[],
): Record<string, unknown> {
  if (!isObject(input) || Array.isArray(input) || typeof input === 'function') {
    throw misuse(where, { expected: 'an object', outOfRange: false }, input, 'ERR_INVALID_OPTION')
  }
  const own = Object.keys(input).map((name) => {
    const found = declarations.find((declaration) => declaration.name === name)
    if (found !== undefined) return found
    const names = declarations.map((declaration) => declaration.name)
    const complaint = { expected: `no option of this name${suggest(name, names)}`, outOfRange: false }
    throw misuse(`${where}.${name}`, complaint, input[name], 'ERR_UNKNOWN_OPTION')
  })
  // Nothing is inherited when it is asked for what was not given.
  const read: Record<string, unknown> = { __proto__: null }
  for (const { name, check } of isPlain(input) ? own : declarations.filter(({ name }) => isOwnOrInherited(input, name))) {
    const value = input[name]
    if (value === undefined) continue
    verify(`${where}.${name}`, value, check)
    read[name] = value
  }
  return read
}

/** `defaults` with what `given` says, by itself or by its class. */
function resolveFields<Defaults extends object>(given: object | undefined, defaults: Defaults): Defaults {
  if (given === undefined) return defaults
  const resolved = { ...defaults } as Record<string, unknown>
  for (const name of Object.keys(defaults)) {
    const value = isOwnOrInherited(given, name) ? (given as Record<string, unknown>)[name] : undefined
    if (value !== undefined) resolved[name] = value
  }
  return Object.freeze(resolved) as unknown as Defaults
}
