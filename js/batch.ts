/** One call of the public API that has to wait: collects the answers of its requests, then settles once. */

import type { BatchId } from './engine/engine.js'
import { BatchError, UnshareableValueError } from './errors.js'
import { isolate } from './isolation.js'
import type { Load } from './load.js'
import type { ResolvedBatchOptions } from './options/resolve.js'
import type { BatchOutcome, BatchPerformanceMetrics, BatchSource } from './types.js'

/** How a batch settles. */
export interface Settle {
  /** One more request is answered, at `index`. Nothing that can throw, and nothing of the user's. */
  answered?(batch: Batch, index: number): void
  /** What is in memory need not be told of: it is among `results` when the batch has begun. */
  readonly findsHits?: boolean
  /** All requests are answered; `batch` has the answers. */
  resolve?(batch: Batch): void
  /** The batch as a whole ended before that. */
  reject(reason: unknown): void
}

/** Counts of what its requests met, in the words of `BatchPerformanceMetrics`. */
export interface BatchCounts {
  hits: number
  stale: number
  led: number
  joined: number
  deduplicated: number
  groups: number
}

export class Batch {
  readonly keys: readonly string[]
  readonly options: ResolvedBatchOptions<never>
  readonly startedAt: number
  /** By position; `undefined` where the request failed. */
  readonly results: unknown[]
  readonly counts: BatchCounts = { hits: 0, stale: 0, led: 0, joined: 0, deduplicated: 0, groups: 0 }
  /** Made when there is one. */
  #tierHits: Map<string, number> | undefined
  /** When each request that waited had its answer: in order, as answers come. */
  readonly #answeredAt: number[] = []
  #retries = 0
  id: BatchId = -1
  failures = 0
  /** It has settled, or is about to. */
  isOver = false
  /** Stops watching the signal. */
  unwatch: (() => void) | undefined

  readonly #settle: Settle
  /** By position; nothing for what was in memory. */
  readonly #loads: (Load | undefined)[]
  readonly #sources: (BatchSource | undefined)[]
  /** Made when there is one. */
  #reasons: Map<number, unknown> | undefined
  #completed = 0

  constructor(
    keys: readonly string[],
    results: unknown[],
    options: ResolvedBatchOptions<never>,
    startedAt: number,
    settle: Settle,
  ) {
    this.keys = keys
    this.results = results
    this.options = options
    this.startedAt = startedAt
    this.#settle = settle
    this.#loads = new Array(keys.length)
    this.#sources = new Array(keys.length)
  }

  /** Its answers are copied or frozen, which may call what is the user's: not while effects are carried out. */
  get isolates(): boolean {
    return this.options.isolation !== 'shared'
  }

  /** The answer of `load` is that of the request at `index`. Answers whether it was a good one. */
  deliver(index: number, load: Load, led: boolean): boolean {
    this.#loads[index] = load
    this.#answeredAt.push(load.settledAt as number)
    if (led) this.#retries += Math.max(0, load.attempts - 1)
    if (load.failed) return this.reject(index, load.error, led ? load.source : 'joined')
    if (load.delivered++ > 0 && load.unshareable !== undefined) {
      return this.reject(index, new UnshareableValueError(load.key, load.unshareable), 'joined')
    }
    if (led && load.tierIndex >= 0) {
      this.#tierHits ??= new Map()
      this.#tierHits.set(load.source, (this.#tierHits.get(load.source) ?? 0) + 1)
    }
    return this.accept(index, load.value, led ? load.source : 'joined')
  }

  /** The expired entry is the answer, as its load failed. */
  deliverStale(index: number, value: unknown): void {
    this.counts.stale++
    this.accept(index, value, 'stale')
  }

  /** The request at `index` has its value. Answers whether that could be handed over. */
  accept(index: number, value: unknown, source: BatchSource): boolean {
    try {
      this.results[index] = isolate(value, this.options.isolation)
    } catch (error) {
      return this.reject(index, error, source)
    }
    this.#sources[index] = source
    this.#answered(index)
    return true
  }

  /** The request at `index` failed. */
  reject(index: number, reason: unknown, source: BatchSource): false {
    this.failures++
    this.#reasons ??= new Map()
    this.#reasons.set(index, reason)
    this.#sources[index] = source
    this.#answered(index)
    return false
  }

  /** Requests answered so far. */
  get completed(): number {
    return this.#completed
  }

  /** Whether the request at `index` was answered from memory before there was a batch. */
  found(index: number): boolean {
    return this.#sources[index] === undefined && this.results[index] !== undefined
  }

  /** What became of the request at `index`, which is answered. */
  outcome<T>(index: number): BatchOutcome<T> {
    const load = this.#loads[index]
    const source = this.#sources[index] ?? 'memory'
    const ms = Math.max(0, (load?.settledAt ?? this.startedAt) - this.startedAt)
    const base = { index, key: this.keys[index] as string, source, ms, attempts: load?.attempts ?? 0 }
    if (this.#reasons?.has(index)) return { ...base, status: 'rejected', reason: this.#reasons.get(index) }
    return { ...base, status: 'fulfilled', value: this.results[index] as T }
  }

  /** All requests are answered. */
  finish(): void {
    if (!this.#close()) return
    // With the last answer the first failure may have come, or an old one was in memory.
    if (this.options.failFast && this.failures > 0) this.#settle.reject(this.firstReason)
    else this.#settle.resolve?.(this)
  }

  /** The batch ends now, whatever is still missing. */
  fail(reason: unknown): void {
    if (this.#close()) this.#settle.reject(reason)
  }

  /** What became of each request. */
  outcomes<T>(): BatchOutcome<T>[] {
    return this.keys.map((_, index) => this.outcome<T>(index))
  }

  /** The first failure there was. */
  get firstReason(): unknown {
    return this.#reasons?.values().next().value
  }

  /** The results, or the error that has them all. */
  values<T>(): T[] {
    if (this.failures > 0) throw new BatchError(this.outcomes<T>())
    return this.results as T[]
  }

  metrics(now: number, busyMs: number): BatchPerformanceMetrics {
    const { counts } = this
    const totalTime = now - this.startedAt
    const capacity = totalTime * this.options.maxConcurrency
    return {
      totalRequests: this.keys.length,
      cachedRequests: counts.hits,
      fetchedRequests: counts.led,
      optimizedGroups: counts.groups,
      totalTime,
      avgTimePerRequest: totalTime / Math.max(1, this.keys.length),
      concurrencyUtilization: capacity > 0 ? Math.min(1, busyMs / capacity) : 0,
      joinedRequests: counts.joined,
      deduplicatedRequests: counts.deduplicated,
      staleRequests: counts.stale,
      failedRequests: this.failures,
      retriedRequests: this.#retries,
      latencyP50: this.#latency(0.5),
      latencyP95: this.#latency(0.95),
      latencyP99: this.#latency(0.99),
      tierHits: Object.fromEntries(this.#tierHits ?? []),
    }
  }

  /** How long this share of those who waited did so at most. */
  #latency(share: number): number {
    const at = this.#answeredAt[Math.ceil(this.#answeredAt.length * share) - 1]
    return at === undefined ? 0 : Math.max(0, at - this.startedAt)
  }

  #answered(index: number): void {
    this.#completed++
    if (!this.isOver) this.#settle.answered?.(this, index)
  }

  /** Answers whether it was open. */
  #close(): boolean {
    if (this.isOver) return false
    this.isOver = true
    this.unwatch?.()
    return true
  }
}
