/**
 * Everything sluice throws of its own. Three families: `misuse` (mend the call), `fetch` (what you asked for failed), `internal` (our fault).
 *
 * Each class has a stable `code`; `instanceof SluiceError` holds for all of them, `TypeError`s and `RangeError`s included, and across
 * copies of the package (an ES module's and a CommonJS one in the same process).
 */

import { BRAND, brand, type ErrorFamily } from './brand.js'
import { BULK_LOADER } from './bulk-name.js'
import type { NotInitializedError } from './slim/errors.js'
import type { SqliteError } from './sqlite/errors.js'
import type { BatchOutcome } from './types.js'

export type { ErrorFamily } from './brand.js'

/** What every error of ours has. */
export interface SluiceErrorFields {
  readonly code: string
  readonly family: ErrorFamily
  /** The key it is about, if it is about one. */
  readonly key?: string
  readonly cause?: unknown
}

const fetcherOf = (groupKey: string): string =>
  groupKey === BULK_LOADER ? groupKey : `groupFetch of ${JSON.stringify(groupKey)}`

/** What is wrong with an argument. */
export type InvalidCode =
  | 'ERR_INVALID_OPTION'
  | 'ERR_INVALID_REQUESTS'
  | 'ERR_INVALID_ENTRIES'
  | 'ERR_INVALID_KEY'
  | 'ERR_INVALID_CONTENT'
  | 'ERR_INVALID_GROUP'
  | 'ERR_UNKNOWN_OPTION'
  | 'ERR_KEY_TOO_LARGE'
  | 'ERR_INVALID_WASM'

/** Every error of ours, each with a `code` of its own, so that a look at the `code` tells which fields there are. */
export type AnySluiceError = SluiceErrorFields &
  (
    | InvalidTypeError
    | InvalidRangeError
    | ClosedError
    | CircularFetchError
    | UnshareableValueError
    | BatchError
    | FetchTimeoutError
    | QueueTimeoutError
    | OverloadedError
    | RateLimitedError
    | BatchTimeoutError
    | GroupFetchError
    | GroupBreakerError
    | GroupContractError
    | MissingResultError
    | NotCachedError
    | QueueFullError
    | StorageError
    | EngineCrashError
    | WasmUnavailableError
    | SqliteError
    | NotInitializedError
  )

/**
 * The type every error of ours is an `instanceof`. Not thrown itself.
 *
 * @example
 * if (error instanceof SluiceError && error.code === 'ERR_BATCH_FAILED') console.log(error.keys)
 */
export abstract class SluiceError extends Error implements SluiceErrorFields {
  declare readonly code: string
  declare readonly family: ErrorFamily
  declare readonly key?: string

  static override [Symbol.hasInstance](value: unknown): value is AnySluiceError {
    if (this !== SluiceError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && BRAND in value
  }
}

/** A value of the wrong type was given. Nothing was done. */
export class InvalidTypeError extends TypeError implements SluiceErrorFields {
  declare readonly code: InvalidCode
  declare readonly family: 'misuse'

  constructor(message: string, code: InvalidCode) {
    super(message)
    brand(this, 'InvalidTypeError', code, 'misuse')
  }
}

/** A value of the right type but outside of what is allowed was given. Nothing was done. */
export class InvalidRangeError extends RangeError implements SluiceErrorFields {
  declare readonly code: InvalidCode
  declare readonly family: 'misuse'

  constructor(message: string, code: InvalidCode) {
    super(message)
    brand(this, 'InvalidRangeError', code, 'misuse')
  }
}

/** The processor is closed. */
export class ClosedError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_CLOSED'
  declare readonly family: 'misuse'

  constructor() {
    super('the processor is closed')
    brand(this, 'ClosedError', 'ERR_CLOSED', 'misuse')
  }
}

/** A load would have to wait for itself. */
export class CircularFetchError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_CIRCULAR_FETCH'
  declare readonly family: 'misuse'
  declare readonly key: string
  /** The keys on the way round: from the one asked for, each waits for the next, and the last one is the first again. */
  readonly path: readonly string[]

  constructor(path: readonly string[]) {
    super(`circular fetch: ${path.map((key) => JSON.stringify(key)).join(' waits for ')}`)
    brand(this, 'CircularFetchError', 'ERR_CIRCULAR_FETCH', 'misuse', { key: path.at(-1) })
    this.path = path
  }
}

/** A value that can be read only once (a `Response`, a stream) was the answer for several requests; the first of them has it. */
export class UnshareableValueError extends TypeError implements SluiceErrorFields {
  declare readonly code: 'ERR_UNSHAREABLE_VALUE'
  declare readonly family: 'misuse'
  declare readonly key: string

  constructor(key: string, what: string) {
    super(
      `${JSON.stringify(key)} was fetched as a ${what}, which only one of the requests waiting for it can read; fetch its content instead`,
    )
    brand(this, 'UnshareableValueError', 'ERR_UNSHAREABLE_VALUE', 'misuse', { key })
  }
}

/** Requests of a batch failed. `errors` has their reasons, `results` the outcome of every request, the good ones included. */
export class BatchError<T = unknown> extends AggregateError implements SluiceErrorFields {
  declare readonly code: 'ERR_BATCH_FAILED'
  declare readonly family: 'fetch'
  readonly results: readonly BatchOutcome<T>[]
  /** The keys that failed, each once. */
  readonly keys: readonly string[]

  constructor(results: readonly BatchOutcome<T>[]) {
    const failed = results.filter((outcome) => outcome.status === 'rejected')
    const reasons = failed.map((outcome) => outcome.reason)
    super(reasons, `${failed.length} of ${results.length} requests failed, first ${describeFailure(failed[0])}`)
    brand(this, 'BatchError', 'ERR_BATCH_FAILED', 'fetch', { cause: reasons[0] })
    this.results = results
    this.keys = [...new Set(failed.map((outcome) => outcome.key))]
  }
}

/** A fetch did not settle before its deadline. */
export class FetchTimeoutError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_FETCH_TIMEOUT'
  declare readonly family: 'fetch'
  declare readonly key: string
  readonly timeoutMs: number

  constructor(key: string, timeoutMs: number) {
    super(`${JSON.stringify(key)} was not fetched within ${timeoutMs} ms`)
    brand(this, 'FetchTimeoutError', 'ERR_FETCH_TIMEOUT', 'fetch', { key })
    this.timeoutMs = timeoutMs
  }
}

/** A load did not get a slot before its `queueTimeoutMs`. */
export class QueueTimeoutError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_QUEUE_TIMEOUT'
  declare readonly family: 'fetch'
  declare readonly key: string
  readonly timeoutMs: number

  constructor(key: string, timeoutMs: number) {
    super(`${JSON.stringify(key)} waited ${timeoutMs} ms for a slot`)
    brand(this, 'QueueTimeoutError', 'ERR_QUEUE_TIMEOUT', 'fetch', { key })
    this.timeoutMs = timeoutMs
  }
}

/** As many loads wait for a slot as `maxQueue` allows. */
export class OverloadedError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_OVERLOADED'
  declare readonly family: 'fetch'
  declare readonly key: string

  constructor(key: string) {
    super(`${JSON.stringify(key)} was not fetched, as too many others wait`)
    brand(this, 'OverloadedError', 'ERR_OVERLOADED', 'fetch', { key })
  }
}

/** A `rateLimit` with `onLimit: 'reject'` had no token left. */
export class RateLimitedError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_RATE_LIMITED'
  declare readonly family: 'fetch'
  declare readonly key: string
  /** After so many milliseconds there is a token again. */
  readonly retryAfterMs: number

  constructor(key: string, retryAfterMs: number) {
    super(`${JSON.stringify(key)} was not fetched, as the rate limit is reached for another ${retryAfterMs} ms`)
    brand(this, 'RateLimitedError', 'ERR_RATE_LIMITED', 'fetch', { key })
    this.retryAfterMs = retryAfterMs
  }
}

/** A batch was not complete at its deadline. Its loads go on for others who wait for them. */
export class BatchTimeoutError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_BATCH_TIMEOUT'
  declare readonly family: 'fetch'
  readonly timeoutMs: number

  constructor(timeoutMs: number) {
    super(`the batch was not complete within ${timeoutMs} ms`)
    brand(this, 'BatchTimeoutError', 'ERR_BATCH_TIMEOUT', 'fetch')
    this.timeoutMs = timeoutMs
  }
}

/** A `groupFetch` failed, or its deadline came, and this key of its group could not fall back to its own fetch. */
export class GroupFetchError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_GROUP_FETCH'
  declare readonly family: 'fetch'
  declare readonly key: string
  readonly groupKey: string

  constructor(key: string, groupKey: string, cause: unknown) {
    super(`the group fetch of ${JSON.stringify(groupKey)} failed for ${JSON.stringify(key)}`)
    brand(this, 'GroupFetchError', 'ERR_GROUP_FETCH', 'fetch', { key, cause })
    this.groupKey = groupKey
  }
}

/** A `groupFetch` failed so often that it is not called for a while, and this key of its group could not fall back to its own fetch. */
export class GroupBreakerError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_GROUP_BREAKER_OPEN'
  declare readonly family: 'fetch'
  declare readonly key: string
  readonly groupKey: string

  constructor(key: string, groupKey: string, cause: unknown) {
    super(`the group fetch of ${JSON.stringify(groupKey)} failed too often to be called for ${JSON.stringify(key)}`)
    brand(this, 'GroupBreakerError', 'ERR_GROUP_BREAKER_OPEN', 'fetch', { key, cause })
    this.groupKey = groupKey
  }
}

/** A `groupFetch`, or a bulk loader, answered in a shape that cannot be matched to its keys. */
export class GroupContractError extends TypeError implements SluiceErrorFields {
  declare readonly code: 'ERR_GROUP_CONTRACT'
  declare readonly family: 'misuse'
  declare readonly key: string
  readonly groupKey: string

  constructor(key: string, groupKey: string, message: string) {
    super(`${fetcherOf(groupKey)}: ${message}`)
    brand(this, 'GroupContractError', 'ERR_GROUP_CONTRACT', 'misuse', { key })
    this.groupKey = groupKey
  }
}

/** A `groupFetch`, or a bulk loader, left a key out, and `onMissing` is `'error'`. */
export class MissingResultError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_MISSING_RESULT'
  declare readonly family: 'fetch'
  declare readonly key: string
  readonly groupKey: string

  constructor(key: string, groupKey: string) {
    super(`${fetcherOf(groupKey)} did not answer for ${JSON.stringify(key)}`)
    brand(this, 'MissingResultError', 'ERR_MISSING_RESULT', 'fetch', { key })
    this.groupKey = groupKey
  }
}

/** `cache: 'only-if-cached'`, and neither memory nor a tier has the key. */
export class NotCachedError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_NOT_CACHED'
  declare readonly family: 'fetch'
  declare readonly key: string

  constructor(key: string) {
    super(`${JSON.stringify(key)} is not cached`)
    brand(this, 'NotCachedError', 'ERR_NOT_CACHED', 'fetch', { key })
  }
}

/** A `PriorityQueue` has no room for what was to be added. Nothing was. */
export class QueueFullError extends RangeError implements SluiceErrorFields {
  declare readonly code: 'ERR_QUEUE_FULL'
  declare readonly family: 'misuse'
  readonly maxSize: number

  constructor(size: number, added: number, maxSize: number) {
    super(`the queue has ${size} of at most ${maxSize} entries, and no room for ${added} more`)
    brand(this, 'QueueFullError', 'ERR_QUEUE_FULL', 'misuse')
    this.maxSize = maxSize
  }
}

/** An operation of a storage tier failed. No read ever rejects with it: it is in events, and with `writes: 'strict'` the reason of a write. */
export class StorageError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_STORAGE'
  declare readonly family: 'fetch'
  /** The tier's name. */
  readonly tier: string

  constructor(tier: string, what: string, cause: unknown) {
    super(`the tier ${JSON.stringify(tier)} ${what}`)
    brand(this, 'StorageError', 'ERR_STORAGE', 'fetch', { cause })
    this.tier = tier
  }
}

/** The engine crashed; a new one is in its place. What was cached in memory is gone, nothing else. */
export class EngineCrashError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_ENGINE_CRASHED'
  declare readonly family: 'internal'

  constructor(cause: unknown) {
    super(`the engine crashed (${cause instanceof Error ? cause.message : String(cause)}); please report this`)
    brand(this, 'EngineCrashError', 'ERR_ENGINE_CRASHED', 'internal', { cause })
  }
}

/** This runtime cannot run WebAssembly, or forbids it. */
export class WasmUnavailableError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_WASM_UNAVAILABLE'
  declare readonly family: 'internal'

  constructor(cause: unknown) {
    super('WebAssembly is not available here (it is switched off, forbidden by policy, or out of address space)')
    brand(this, 'WasmUnavailableError', 'ERR_WASM_UNAVAILABLE', 'internal', { cause })
  }
}

function describeFailure(outcome: { key: string; reason: unknown } | undefined): string {
  if (outcome === undefined) return ''
  return `${JSON.stringify(outcome.key)}: ${describeReason(outcome.reason)}`
}

/** A reason in a few words, whatever it is; never throws. */
function describeReason(reason: unknown): string {
  try {
    return reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason)
  } catch {
    return 'a reason that cannot be shown'
  }
}
