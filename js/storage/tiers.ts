/**
 * The tiers beneath memory, read in order and written together. Nothing they do, throw or leave undone reaches a reader: it costs a miss and
 * a counter.
 */

import type { Clock } from '../clock.js'
import { isStorage } from '../options/storage.js'
import type { StorageInput, Tier, TierEntry, ValueStorage } from '../types.js'
import { valueTier } from './value-tier.js'

/** What happened with one tier so far. */
export interface TierMetrics {
  readonly name: string
  hits: number
  misses: number
  /** Operations that threw, came too late, or answered something else than entries. */
  errors: number
  writes: number
  deletes: number
}

/** One operation of a tier, as it is done to all of them. */
type Operation = (tier: Tier) => Promise<unknown> | unknown

export class Tiers {
  readonly tiers: readonly Tier[]
  readonly metrics: readonly TierMetrics[]
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** The end of each tier's writes so far: they are done one after another, so that a delete comes after the write it undoes. */
  readonly #writes: Promise<void>[]
  /** Written with the next turn of the event loop, all at once. */
  #pending = new Map<string, TierEntry>()
  #flushing: Promise<void> | undefined

  constructor(storage: StorageInput | undefined, clock: Clock, timeoutMs: number) {
    const list = storage === undefined ? [] : Array.isArray(storage) ? storage : [storage]
    this.tiers = list.map((item: Tier | ValueStorage) => (isTier(item) ? item : valueTier(item)))
    this.metrics = this.tiers.map(({ name }) => ({ name, hits: 0, misses: 0, errors: 0, writes: 0, deletes: 0 }))
    this.#writes = this.tiers.map(() => Promise.resolve())
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  get isEmpty(): boolean {
    return this.tiers.length === 0
  }

  /** The entries of tier `index` for `keys`, in their order; a failure is a miss for all. Never rejects. */
  async read(index: number, keys: readonly string[]): Promise<readonly (TierEntry | undefined)[]> {
    const metrics = this.metrics[index]
    const found = await this.#run(index, (tier) => tier.mget(keys))
    const wallNow = this.#clock.wallNow()
    const isAnswer = Array.isArray(found) && found.length === keys.length
    if (!isAnswer && found !== FAILED && metrics) metrics.errors++
    const entries = keys.map((_, at) => (isAnswer ? validEntry(found[at], wallNow) : undefined))
    const hits = entries.filter((entry) => entry !== undefined).length
    if (metrics) {
      metrics.hits += hits
      metrics.misses += keys.length - hits
    }
    return entries
  }

  /** Copies entries to the tiers above `index`, in the background. */
  copyUp(index: number, entries: readonly (TierEntry & { key: string })[]): void {
    for (let above = 0; above < index; above++) this.#enqueue(above, (tier) => tier.mset(entries))
  }

  /** Keeps the entry in all tiers, in the background; what is written in one burst goes out in one call. */
  write(key: string, entry: TierEntry): void {
    this.#pending.set(key, entry)
    this.#flushing ??= Promise.resolve().then(() => this.#flush())
  }

  /** Removes keys from all tiers. Settles when they have answered, well or not. */
  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#pending.delete(key)
    await this.#everywhere(
      (tier) => tier.mdelete(keys),
      (metrics) => (metrics.deletes += keys.length),
    )
  }

  /** Removes `keys` from all tiers, and from those that can list their keys all that `matches` says yes to. */
  async deleteMatching(keys: readonly string[], matches: ((key: string) => boolean) | undefined): Promise<void> {
    for (const key of keys) this.#pending.delete(key)
    for (const key of this.#pending.keys()) if (matches?.(key)) this.#pending.delete(key)
    await this.#everywhere(async (tier) => {
      const found = new Set(keys)
      if (matches !== undefined && tier.keys !== undefined) {
        for await (const key of tier.keys()) if (matches(key)) found.add(key)
      }
      if (found.size > 0) await tier.mdelete([...found])
    })
  }

  async clear(): Promise<void> {
    this.#pending.clear()
    await this.#everywhere((tier) => tier.clear?.())
  }

  /** Settles when all that was to be written has been, or has failed. */
  async flush(): Promise<void> {
    await this.#flushing
    await Promise.all(this.#writes)
  }

  async close(): Promise<void> {
    await this.flush()
    await this.#everywhere((tier) => tier.close?.())
  }

  #flush(): void {
    this.#flushing = undefined
    const entries = [...this.#pending].map(([key, entry]) => ({ key, ...entry }))
    this.#pending = new Map()
    if (entries.length === 0) return
    void this.#everywhere(
      (tier) => tier.mset(entries),
      (metrics) => (metrics.writes += entries.length),
    )
  }

  async #everywhere(operation: Operation, count?: (metrics: TierMetrics) => void): Promise<void> {
    await Promise.all(
      this.tiers.map((_, index) => {
        const metrics = this.metrics[index]
        if (metrics) count?.(metrics)
        return this.#enqueue(index, operation)
      }),
    )
  }

  #enqueue(index: number, operation: Operation): Promise<void> {
    const after = (this.#writes[index] ?? Promise.resolve()).then(() => this.#run(index, operation)).then(() => {})
    this.#writes[index] = after
    return after
  }

  /** Runs one operation up to its deadline. Answers `FAILED` for whatever goes wrong. */
  async #run(index: number, operation: Operation): Promise<unknown> {
    const tier = this.tiers[index]
    if (tier === undefined) return FAILED
    let timer: unknown
    const deadline = new Promise((resolve) => {
      if (this.#timeoutMs === Number.POSITIVE_INFINITY) return
      timer = this.#clock.setTimer(() => resolve(FAILED), Math.min(this.#timeoutMs, 2 ** 31 - 1))
    })
    // What comes after the deadline goes nowhere, a rejection included.
    const answer = (async () => operation(tier))().catch(() => FAILED)
    const result = await Promise.race([answer, deadline])
    this.#clock.clearTimer(timer)
    const metrics = this.metrics[index]
    if (result === FAILED && metrics) metrics.errors++
    return result
  }
}

const FAILED = Symbol('failed')

/** A tier names itself; a storage of plain values does not. */
function isTier(item: Tier | ValueStorage): item is Tier {
  return typeof (item as Tier).name === 'string' && isStorage(item) && 'mget' in item && 'mset' in item && 'mdelete' in item
}

function validEntry(entry: unknown, wallNow: number): TierEntry | undefined {
  if (typeof entry !== 'object' || entry === null || !('value' in entry)) return undefined
  const { value, expiresAt } = entry as TierEntry
  if (value === undefined) return undefined
  if (expiresAt === undefined) return { value }
  return typeof expiresAt === 'number' && wallNow < expiresAt ? { value, expiresAt } : undefined
}
