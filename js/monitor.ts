/** Keeps what the last batches were like. */

import type { BatchPerformanceMetrics } from './types.js'

/** Batches remembered. */
export const HISTORY_MAX = 100

/** Of a batch of `count` requests, all of them hits, that took `totalTime`. */
const ofHits = (count: number, totalTime: number) => ({
  totalRequests: count,
  cachedRequests: count,
  fetchedRequests: 0,
  optimizedGroups: 0,
  totalTime,
  avgTimePerRequest: totalTime / count,
  concurrencyUtilization: 0,
  joinedRequests: 0,
  deduplicatedRequests: 0,
  staleRequests: 0,
  failedRequests: 0,
  retriedRequests: 0,
  latencyP50: 0,
  latencyP95: 0,
  latencyP99: 0,
})

/** The metrics of the last 100 batches, and their averages. Every processor has one (`processor.monitor`); others can be made and fed by hand. */
export class BatchPerformanceMonitor {
  /** Nothing for a batch of hits, which is in `#hits`: its metrics are made when they are asked for. */
  #history: (BatchPerformanceMetrics | undefined)[] = []
  /** How many requests, and how long. */
  readonly #hits = new Float64Array(2 * HISTORY_MAX)
  /** Where the next one goes: the history is a ring. */
  #next = 0

  /** Remembers one batch, forgetting the oldest beyond 100. */
  recordBatch(metrics: BatchPerformanceMetrics): void {
    this.#record(metrics)
  }

  /** @internal A batch of `count` requests, all of them hits, that took `totalTime`. */
  recordHits(count: number, totalTime: number): void {
    if (count === 0) return
    this.#hits[2 * this.#next] = count
    this.#hits[2 * this.#next + 1] = totalTime
    this.#record(undefined)
  }

  /** The batches remembered, oldest first. */
  getHistory(): BatchPerformanceMetrics[] {
    const made = this.#history.map(
      (metrics, at) => metrics ?? { ...ofHits(this.#hits[2 * at] as number, this.#hits[2 * at + 1] as number), tierHits: {} },
    )
    return [...made.slice(this.#next), ...made.slice(0, this.#next)]
  }

  /** The mean of each figure over the batches remembered; `undefined` before the first. `tierHits` are means per batch, too. */
  getAverageMetrics(): BatchPerformanceMetrics | undefined {
    const history = this.getHistory()
    if (history.length === 0) return undefined
    const mean = (of: (metrics: BatchPerformanceMetrics) => number): number =>
      history.reduce((sum, metrics) => sum + of(metrics), 0) / history.length
    const tiers = new Set(history.flatMap(({ tierHits }) => Object.keys(tierHits)))
    const figures = Object.keys(ofHits(0, 0)) as (keyof ReturnType<typeof ofHits>)[]
    return {
      ...(Object.fromEntries(figures.map((name) => [name, mean((metrics) => metrics[name])])) as ReturnType<typeof ofHits>),
      tierHits: Object.fromEntries(
        [...tiers].map((name) => [
          name,
          mean(({ tierHits }) => (Object.hasOwn(tierHits, name) ? (tierHits[name] as number) : 0)),
        ]),
      ),
    }
  }

  /** Forgets all batches. */
  reset(): void {
    this.#history = []
    this.#next = 0
  }

  #record(metrics: BatchPerformanceMetrics | undefined): void {
    this.#history[this.#next] = metrics
    this.#next = (this.#next + 1) % HISTORY_MAX
  }
}
