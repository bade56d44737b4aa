/**
 * The path of a batch: validate → one look-up of all keys → join what is in flight → ask each tier once → group what is missing → call. Up to the tiers it
 * happens in the caller's turn; a batch whose keys are all in memory makes one crossing, and neither promise nor timer.
 */

import { Batch, type Settle } from './batch.js'
import { Dispatcher, type ResultListener } from './dispatcher.js'
import { Grouping, How, MISS, STALE } from './engine/engine.js'
import { NotCachedError } from './errors.js'
import { customGroupOf, numberGroups } from './grouping.js'
import { Load } from './load.js'
import type { BatchPerformanceMonitor } from './monitor.js'
import { misuse } from './options/checks.js'
import { type ResolvedBatchOptions, type ResolvedConfig, resolvePriority, verifyRequest } from './options/resolve.js'
import { watch } from './signals.js'
import { Tiers } from './storage/tiers.js'
import type { BatchRequest, StorageInput } from './types.js'

/** Keys that cross at once: bounds the memory that a large batch takes in the engine for good. */
const KEYS_PER_CROSSING = 8192

type Requests = readonly BatchRequest<unknown>[]
type Options = ResolvedBatchOptions<never>

export class Pipeline implements ResultListener {
  readonly config: ResolvedConfig
  readonly dispatcher: Dispatcher
  readonly monitor: BatchPerformanceMonitor
  tiers: Tiers

  constructor(config: ResolvedConfig, monitor: BatchPerformanceMonitor) {
    this.config = config
    this.monitor = monitor
    this.dispatcher = new Dispatcher(config, this)
    this.tiers = new Tiers(config.storage, config.clock, config.storageTimeoutMs)
  }

  useStorage(storage: StorageInput): void {
    this.tiers = new Tiers(storage, this.config.clock, this.config.storageTimeoutMs)
  }

  /**
   * Begins a batch. Answers its results if all of them are in memory; else the batch has been begun and will settle through `settle`.
   * Throws for misuse, before any work is done.
   */
  begin(requests: Requests, options: Options, settle: Settle): unknown[] | Batch {
    const isPlain = verifyRequests(requests)
    if (options.signal?.aborted) throw options.signal.reason
    const { dispatcher } = this
    dispatcher.ensureAlive()
    return dispatcher.uninterrupted(() => this.#begin(requests, isPlain, options, settle))
  }

  // What the dispatcher tells.

  onStored(load: Load, ttlMs: number): void {
    if (this.tiers.isEmpty || load.tierIndex >= 0 || load.options.cache === 'no-store') return
    const { value } = load
    this.tiers.write(load.key, ttlMs === Number.POSITIVE_INFINITY ? { value } : { value, expiresAt: this.config.clock.wallNow() + ttlMs })
  }

  onDone(batch: Batch, busyMs: number): void {
    this.monitor.recordBatch(batch.metrics(this.dispatcher.now(), busyMs))
  }

  #begin(requests: Requests, isPlain: boolean, options: Options, settle: Settle): unknown[] | Batch {
    const { engine } = this.dispatcher
    const startedAt = this.dispatcher.now()
    const readsMemory = options.deduplication && (options.cache === 'default' || options.cache === 'only-if-cached')
    const count = requests.length
    const results: unknown[] = new Array(count)
    const led: Load[] = []
    const staleAt: number[] = []
    let batch: Batch | undefined
    const opened = (): Batch => {
      batch ??= this.#open(requests, results, options, startedAt, settle)
      return batch
    }
    for (let base = 0; base < count; base += KEYS_PER_CROSSING) {
      const size = Math.min(KEYS_PER_CROSSING, count - base)
      this.#writeKeys(requests, base, size)
      const missed = readsMemory ? engine.lookup(size, options.staleWhileRevalidate, startedAt) : engine.missAll(size)
      const { words, values } = engine
      if (missed === 0 && options.staleWhileRevalidate === 0) {
        for (let at = 0; at < size; at++) results[base + at] = values[words[at] as number]
        continue
      }
      const missing: number[] = []
      for (let at = 0; at < size; at++) {
        const word = words[at] as number
        if (word === MISS) missing.push(base + at)
        else if (word < STALE) results[base + at] = values[word]
        else {
          results[base + at] = values[word - STALE]
          staleAt.push(base + at)
        }
      }
      if (missing.length > 0) this.#admit(opened(), requests, base, missing, isPlain, led)
    }
    if (staleAt.length > 0) this.#refresh(opened(), requests, staleAt)
    if (batch === undefined) {
      this.monitor.recordHits(count, this.dispatcher, startedAt)
      return results
    }
    batch.counts.hits = count - batch.counts.led - batch.counts.joined - batch.counts.deduplicated - staleAt.length
    engine.seal(batch.id, startedAt)
    this.dispatcher.after()
    if (led.length > 0) this.#load(batch, led)
    return batch
  }

  #open(requests: Requests, results: unknown[], options: Options, startedAt: number, settle: Settle): Batch {
    const keys = requests.map((request) => request.key)
    const batch = new Batch(keys, results, options, startedAt, settle)
    this.dispatcher.open(batch)
    const { signal } = options
    if (signal !== undefined) batch.unwatch = watch(signal, () => this.dispatcher.abandon(batch, signal.reason))
    return batch
  }

  #writeKeys(requests: Requests, base: number, size: number): void {
    const { engine } = this.dispatcher
    engine.begin(size)
    const { words } = engine
    let joined = ''
    for (let at = 0; at < size; at++) {
      const { key } = requests[base + at] as BatchRequest<unknown>
      joined += key
      words[at] = key.length
    }
    engine.writeKeys(joined, (at) => (requests[base + at] as BatchRequest<unknown>).key, size)
  }

  /** Lets the requests at `missing` wait: joining what is in flight, leading the rest. */
  #admit(batch: Batch, requests: Requests, base: number, missing: readonly number[], isPlain: boolean, led: Load[]): void {
    const { engine } = this.dispatcher
    const { options, counts } = batch
    const hasWishes = !isPlain || options.cache === 'no-store'
    engine.begin(missing.length)
    if (hasWishes) {
      missing.forEach((index, position) => {
        const { ttl, priority } = requests[index] as BatchRequest<unknown>
        engine.words[position] = resolvePriority(priority)
        engine.floats[position] = options.cache === 'no-store' ? 0 : (ttl ?? Number.NaN)
      })
    }
    const share = options.deduplication && options.cache !== 'only-if-cached'
    engine.admit(batch.id, base, hasWishes, share, missing.length)
    const { words } = engine
    missing.forEach((index, position) => {
      const flight = words[position * 2] as number
      const how = words[position * 2 + 1] as number
      if (how === How.led) {
        const request = requests[index] as BatchRequest<unknown>
        const load = new Load(flight, request, batch.keys[index] as string, options)
        this.dispatcher.register(load)
        led.push(load)
        counts.led++
      } else if (how === How.deduplicated) counts.deduplicated++
      else counts.joined++
    })
    this.dispatcher.after()
  }

  /** Gets what the batch leads: from the tiers, else by its callbacks. */
  #load(batch: Batch, led: readonly Load[]): void {
    const { options } = batch
    if (options.groupingStrategy === 'custom' && options.customGrouper !== undefined && options.cache !== 'only-if-cached') {
      const { customGrouper } = options
      try {
        for (const load of led) load.groupKey = customGroupOf(load.key, customGrouper)
      } catch (error) {
        this.dispatcher.abandon(batch, error)
        return
      }
    }
    const readsTiers = options.deduplication && (options.cache === 'default' || options.cache === 'only-if-cached')
    if (readsTiers && !this.tiers.isEmpty) void this.#askTiers(batch, led)
    else this.#call(batch, led)
  }

  /** Asks one tier after another for what is still missing. Never rejects. */
  async #askTiers(batch: Batch, led: readonly Load[]): Promise<void> {
    const { tiers } = this
    let missing = led
    for (let index = 0; index < tiers.tiers.length && missing.length > 0; index++) {
      const asked = missing.filter((load) => load.isLive)
      if (asked.length === 0) return
      const entries = await tiers.read(
        index,
        asked.map((load) => load.key),
      )
      missing = this.dispatcher.uninterrupted(() => this.#supply(tiers, index, asked, entries))
    }
    this.#call(batch, missing)
  }

  /** Answers the loads that tier `index` had an entry for; answers with the others. */
  #supply(tiers: Tiers, index: number, asked: readonly Load[], entries: Awaited<ReturnType<Tiers['read']>>): Load[] {
    const wallNow = this.config.clock.wallNow()
    const copies: { key: string; value: unknown; expiresAt?: number }[] = []
    const missing = asked.filter((load, at) => {
      const entry = entries[at]
      if (entry === undefined) return true
      if (!load.isLive) return false
      load.source = tiers.tiers[index]?.name ?? 'storage'
      load.tierIndex = index
      const { value, expiresAt } = entry
      copies.push(expiresAt === undefined ? { key: load.key, value } : { key: load.key, value, expiresAt })
      this.dispatcher.supply(load, value, expiresAt === undefined ? this.config.ttl : expiresAt - wallNow)
      return false
    })
    if (copies.length > 0) tiers.copyUp(index, copies)
    return missing
  }

  /** Hands over to the scheduler what nobody has. */
  #call(batch: Batch, missing: readonly Load[]): void {
    const live = missing.filter((load) => load.isLive)
    if (live.length === 0) return
    const { options } = batch
    const { dispatcher } = this
    const { engine } = dispatcher
    if (options.cache === 'only-if-cached') {
      for (const load of live) dispatcher.refuse(load, new NotCachedError(load.key))
      return
    }
    dispatcher.uninterrupted(() => {
      engine.begin(live.length)
      const groups = options.groupingStrategy === 'custom' ? numberGroups(live.map((load) => load.groupKey)) : undefined
      live.forEach((load, at) => {
        engine.words[at] = load.flight
        if (groups !== undefined) engine.words[live.length + at] = groups[at] as number
      })
      const grouping = groups ? Grouping.given : options.groupingStrategy === 'prefix' ? Grouping.prefix : Grouping.none
      const sizeMax = options.groupFetch === undefined ? 0 : options.maxBatchSize
      batch.counts.groups += engine.queue(batch.id, live.length, grouping, sizeMax, dispatcher.now())
      dispatcher.after()
    })
  }

  /** Expired entries have been answered; one grouped batch in the background fetches them anew. */
  #refresh(batch: Batch, requests: Requests, staleAt: readonly number[]): void {
    batch.counts.stale += staleAt.length
    for (const index of staleAt) batch.markStale(index)
    const { signal, ...rest } = batch.options
    const options: Options = { ...rest, signal: undefined, cache: 'reload', failFast: false, timeoutMs: Number.POSITIVE_INFINITY }
    const stale = staleAt.map((index) => ({ ...(requests[index] as BatchRequest<unknown>) }))
    this.dispatcher.defer(() => {
      // A refresh that fails leaves the entry as it is; the load's failure is counted.
      this.begin(stale, options, { resolve: () => {}, reject: () => {} })
    })
  }
}

/** Throws for the first request that is not one. Answers whether none says anything of TTL or priority. */
function verifyRequests(requests: unknown): boolean {
  if (!Array.isArray(requests)) {
    throw misuse('requests', { expected: 'an array', outOfRange: false }, requests, 'ERR_INVALID_REQUESTS')
  }
  let isPlain = true
  for (let index = 0; index < requests.length; index++) {
    const request = requests[index] as BatchRequest<unknown> | null | undefined
    if (
      typeof request !== 'object' ||
      request === null ||
      typeof request.key !== 'string' ||
      typeof request.fetchFunction !== 'function'
    ) {
      verifyRequest(request, index)
    } else if (request.ttl !== undefined || request.priority !== undefined || request.tags !== undefined || request.weight !== undefined) {
      verifyRequest(request, index)
      isPlain = false
    }
  }
  return isPlain
}
