/**
 * The path of a batch: validate → one look-up of all keys → join what is in flight → ask each tier once → group what is missing → call. Up to the tiers it
 * happens in the caller's turn; a batch whose keys are all in memory makes one crossing, and neither promise nor timer.
 */

import { Batch, type Settle } from './batch.js'
import type { NestedCalls } from './call.js'
import { type Caller, takeScope } from './context.js'
import { Dispatcher, type ResultListener } from './dispatcher.js'
import { FAILURE, Grouping, How, MISS, STALE } from './engine/engine.js'
import { EngineCrashError, NotCachedError } from './errors.js'
import type { Events } from './events.js'
import type { Failure } from './failure.js'
import { customGroupOf, numberGroups } from './grouping.js'
import { Load } from './load.js'
import type { BatchPerformanceMonitor } from './monitor.js'
import { misuse } from './options/checks.js'
import { type ResolvedBatchOptions, type ResolvedConfig, resolvePriority, verifyRequest } from './options/resolve.js'
import { PlainFetcher } from './plain.js'
import { ACTIONS, planOf } from './plan.js'
import { watch } from './signals.js'
import { Tiers } from './storage/tiers.js'
import type { BatchPlan, BatchRequest, PlannedRequest, StorageInput, TierEntry } from './types.js'

/** Keys that cross at once: bounds the memory that a large batch takes in the engine for good. */
const KEYS_PER_CROSSING = 8192
/** The slot in a look-up's answer. */
const SLOT_MASK = FAILURE - 1

type Requests = readonly BatchRequest<unknown>[]
type Options = ResolvedBatchOptions<never>

export class Pipeline implements ResultListener {
  readonly config: ResolvedConfig
  readonly dispatcher: Dispatcher
  readonly monitor: BatchPerformanceMonitor
  readonly events: Events
  tiers: Tiers
  /** What goes to the tiers above the one that has answered. */
  #copies: (TierEntry & { key: string })[] = []
  /** For when the engine crashes again and again, or cannot run here at all. */
  readonly #plain: PlainFetcher

  constructor(config: ResolvedConfig, monitor: BatchPerformanceMonitor, events: Events, nested: NestedCalls) {
    this.config = config
    this.monitor = monitor
    this.events = events
    this.dispatcher = new Dispatcher(config, events, nested, this)
    this.#plain = new PlainFetcher(config.clock, nested, this)
    this.tiers = new Tiers(config.storage, config.clock, config.storageTimeoutMs)
  }

  useStorage(storage: StorageInput): void {
    this.tiers = new Tiers(storage, this.config.clock, this.config.storageTimeoutMs)
  }

  /**
   * Begins a batch, for the callback `caller` if one asks. Answers its results if all of them are in memory; else the batch has been begun and will
   * settle, or has settled, through `settle`. Throws for misuse, before any work is done.
   */
  begin(requests: Requests, options: Options, settle: Settle, caller: Caller | undefined): unknown[] | Batch {
    const isPlain = verifyRequests(requests)
    if (options.signal?.aborted) throw options.signal.reason
    const { dispatcher } = this
    if (!dispatcher.ensureAlive()) return this.#plain.begin(requests, options, settle)
    return dispatcher.uninterrupted(() => this.#begin(requests, isPlain, options, settle, caller))
  }

  /** What `begin` would do. */
  plan(requests: Requests, options: Options): BatchPlan {
    verifyRequests(requests)
    const { dispatcher } = this
    const actions: PlannedRequest['action'][] = []
    for (let base = 0; base < requests.length; base += KEYS_PER_CROSSING) {
      const size = Math.min(KEYS_PER_CROSSING, requests.length - base)
      if (!dispatcher.ensureAlive())
        return planOf(
          requests,
          requests.map(() => 'fetch' as const),
          options,
        )
      const { engine } = dispatcher
      this.#writeKeys(requests, base, size)
      engine.foresee(size, options.staleWhileRevalidate, dispatcher.now())
      for (let at = 0; at < size; at++) actions.push(ACTIONS[engine.words[at] as number] ?? 'fetch')
    }
    return planOf(
      requests,
      readsMemory(options) ? actions : actions.map((action) => (action === 'join' ? action : 'fetch')),
      options,
    )
  }

  // What the dispatcher tells.

  onStored(load: Load, ttlMs: number): void {
    if (this.tiers.isEmpty || load.options.cache === 'no-store') return
    const { key, value } = load
    const entry = ttlMs === Number.POSITIVE_INFINITY ? { value } : { value, expiresAt: this.config.clock.wallNow() + ttlMs }
    // Only what was stored is copied: a key invalidated while the tiers were asked must not come back in one of them.
    if (load.tierIndex >= 0) this.#copies.push({ key, ...entry })
    else this.tiers.write(key, entry)
  }

  onDone(batch: Batch, busyMs: number): void {
    this.monitor.recordBatch(batch.metrics(this.dispatcher.now(), busyMs))
  }

  #begin(requests: Requests, isPlain: boolean, options: Options, settle: Settle, caller: Caller | undefined): unknown[] | Batch {
    const { engine } = this.dispatcher
    const startedAt = this.dispatcher.now()
    const readMemory = readsMemory(options)
    const count = requests.length
    const results: unknown[] = new Array(count)
    const led: Load[] = []
    const refreshAt: number[] = []
    let batch: Batch | undefined
    const begun = (): Batch => {
      batch ??= new Batch(
        requests.map((request) => request.key),
        results,
        options,
        startedAt,
        settle,
      )
      return batch
    }
    // Somebody wants to hear of each hit, or hits are not handed over as they are.
    if (settle.answered !== undefined || options.isolation !== 'shared') begun()
    for (let base = 0; base < count; base += KEYS_PER_CROSSING) {
      const size = Math.min(KEYS_PER_CROSSING, count - base)
      this.#writeKeys(requests, base, size)
      const missed = readMemory ? engine.lookup(size, options.staleWhileRevalidate, startedAt) : engine.missAll(size)
      const { words, values } = engine
      const missing: number[] = []
      for (let at = 0; at < size; at++) {
        const word = readMemory ? (words[at] as number) : MISS
        const index = base + at
        if (word < FAILURE) {
          if (batch === undefined) results[index] = values[word]
          else batch.accept(index, values[word], 'memory')
        } else if (word === MISS) missing.push(index)
        else this.#takeUnusual(begun(), index, word, refreshAt)
      }
      if (missed > 0)
        this.#admit(
          this.#open(begun(), caller?.owner === this.dispatcher ? caller : undefined),
          requests,
          base,
          missing,
          isPlain,
          led,
        )
    }
    if (batch === undefined) {
      this.monitor.recordHits(count, this.dispatcher, startedAt)
      return results
    }
    const { counts } = batch
    counts.hits = count - counts.led - counts.joined - counts.deduplicated - counts.stale
    if (refreshAt.length > 0) this.#refresh(requests, refreshAt, options)
    if (batch.id < 0) {
      this.onDone(batch, 0)
      batch.finish()
      return batch
    }
    engine.seal(batch.id, startedAt)
    this.dispatcher.after()
    if (options.failFast && batch.failures > 0) this.dispatcher.abandon(batch, batch.firstReason)
    else if (led.length > 0) this.#load(batch, led)
    return batch
  }

  /** A look-up's answer that is not simply a valid value. */
  #takeUnusual(batch: Batch, index: number, word: number, refreshAt: number[]): void {
    const { values } = this.dispatcher.engine
    const value = values[word & SLOT_MASK]
    if (word & FAILURE) {
      batch.reject(index, (value as Failure).reason, 'memory')
      return
    }
    const isStale = (word & STALE) !== 0
    if (isStale) batch.counts.stale++
    batch.accept(index, value, isStale ? 'stale' : 'memory')
    refreshAt.push(index)
  }

  /** Opens the batch for requests that wait, once. */
  #open(batch: Batch, caller: Caller | undefined): Batch {
    if (batch.id >= 0) return batch
    this.dispatcher.open(batch, caller?.id)
    const { signal } = batch.options
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
    const scope = takeScope()
    const tagged: { flight: number; tags: readonly string[] }[] = []
    const { words } = engine
    missing.forEach((index, position) => {
      const flight = words[position * 2] as number
      const how = words[position * 2 + 1] as number
      const request = requests[index] as BatchRequest<unknown>
      if (how === How.led) {
        const load = new Load(flight, request, batch.keys[index] as string, options, scope)
        this.dispatcher.register(load)
        led.push(load)
        counts.led++
      } else if (how === How.deduplicated) counts.deduplicated++
      else counts.joined++
      if (request.tags !== undefined && how !== How.circular) tagged.push({ flight, tags: request.tags })
    })
    for (const { flight, tags } of tagged) for (const tag of tags) engine.tagFlight(flight, tag)
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
    if (readsMemory(options) && !this.tiers.isEmpty) void this.#askTiers(batch, led)
    else this.#call(batch, led)
  }

  /** Asks one tier after another for what is still missing. Never rejects. */
  async #askTiers(batch: Batch, led: readonly Load[]): Promise<void> {
    try {
      this.#call(batch, await this.#askEachTier(led))
    } catch (error) {
      // Of a crash, everybody has been told.
      if (!(error instanceof EngineCrashError)) throw error
    }
  }

  /** Answers the loads that no tier had an entry for. */
  async #askEachTier(led: readonly Load[]): Promise<readonly Load[]> {
    const { tiers } = this
    let missing = led
    for (let index = 0; index < tiers.tiers.length && missing.length > 0; index++) {
      const asked = missing.filter((load) => load.isLive)
      if (asked.length === 0) return []
      const entries = await tiers.read(
        index,
        asked.map((load) => load.key),
      )
      missing = this.dispatcher.uninterrupted(() => this.#supply(tiers, index, asked, entries))
    }
    return missing
  }

  /** Answers the loads that tier `index` had an entry for; answers with the others. */
  #supply(tiers: Tiers, index: number, asked: readonly Load[], entries: Awaited<ReturnType<Tiers['read']>>): Load[] {
    const wallNow = this.config.clock.wallNow()
    this.#copies = []
    const missing = asked.filter((load, at) => {
      const entry = entries[at]
      if (entry === undefined) return true
      if (!load.isLive) return false
      load.source = tiers.tiers[index]?.name ?? 'storage'
      load.tierIndex = index
      const { value, expiresAt } = entry
      this.dispatcher.supply(load, value, expiresAt === undefined ? this.config.ttl : expiresAt - wallNow)
      return false
    })
    if (this.#copies.length > 0) tiers.copyUp(index, this.#copies)
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

  /** What has been answered from memory and is old is fetched anew: one grouped batch in the background, which nobody waits for. */
  #refresh(requests: Requests, refreshAt: readonly number[], { signal, onProgress, ...rest }: Options): void {
    const forever = { failFast: false, timeoutMs: Number.POSITIVE_INFINITY, queueTimeoutMs: Number.POSITIVE_INFINITY }
    const options: Options = {
      ...rest,
      ...forever,
      signal: undefined,
      onProgress: undefined,
      cache: 'reload',
      isolation: 'shared',
    }
    const old = refreshAt.map((index) => ({ ...(requests[index] as BatchRequest<unknown>) }))
    const settle: Settle = {
      resolve: (batch) => {
        for (const outcome of batch.outcomes()) {
          if (outcome.status === 'rejected') this.events.emit('refreshError', { key: outcome.key, error: outcome.reason })
        }
      },
      reject: () => {},
    }
    this.dispatcher.defer(() => {
      try {
        this.begin(old, options, settle, undefined)
      } catch (error) {
        for (const { key } of old) this.events.emit('refreshError', { key, error })
      }
    })
  }
}

/** Whether a batch is answered from memory and tiers. */
function readsMemory({ deduplication, cache }: Options): boolean {
  return deduplication && (cache === 'default' || cache === 'only-if-cached')
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
    } else if (
      request.ttl !== undefined ||
      request.priority !== undefined ||
      request.tags !== undefined ||
      request.weight !== undefined
    ) {
      verifyRequest(request, index)
      isPlain = false
    }
  }
  return isPlain
}
