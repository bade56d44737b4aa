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
import { assignGroups, nameBy, numberGroups } from './grouping.js'
import { type Asked, type Crossing, cross, type Options, type Requests, readsMemory, verifyRequests, writeSome } from './hits.js'
import { assignGates, byGates } from './limits.js'
import { Load } from './load.js'
import type { BatchPerformanceMonitor } from './monitor.js'
import { type ResolvedConfig, resolvePriority } from './options/resolve.js'
import { PlainFetcher } from './plain.js'
import { ACTIONS, planOf } from './plan.js'
import { watch } from './signals.js'
import { Tiers } from './storage/tiers.js'
import type { BatchPlan, BatchRequest, BatchSource, PlannedRequest, StorageInput, TierEntry } from './types.js'

/** The slot in a look-up's answer. */
const SLOT_MASK = FAILURE - 1

export class Pipeline implements ResultListener {
  readonly config: ResolvedConfig
  readonly dispatcher: Dispatcher
  readonly monitor: BatchPerformanceMonitor
  readonly events: Events
  tiers: Tiers
  /** What loaders gather: how to load it now, or to reject it. */
  readonly windows: Map<object, (window: never, reason?: Error) => void> = new Map()
  /** No further window is opened. */
  isClosing = false
  /** What goes to the tiers above the one that has answered. */
  #copies: (TierEntry & { key: string })[] = []
  /** What is to be fetched anew in the background, when the batch that has met it has begun. */
  readonly #refreshes: (() => void)[] = []
  /** For when the engine crashes again and again, or cannot run here at all. */
  readonly #plain: PlainFetcher

  constructor(config: ResolvedConfig, monitor: BatchPerformanceMonitor, events: Events, nested: NestedCalls) {
    this.config = config
    this.monitor = monitor
    this.events = events
    this.dispatcher = new Dispatcher(config, events, nested, this)
    this.#plain = new PlainFetcher(this.dispatcher)
    this.tiers = new Tiers(config.storage, config, events)
  }

  useStorage(storage: StorageInput): void {
    this.tiers = new Tiers(storage, this.config, this.events)
  }

  /** What `requests` ask for. Throws for misuse, before any work is done. */
  ask(requests: Requests): Asked {
    return verifyRequests(requests, this.config.maxKeyBytes)
  }

  /**
   * Begins a batch, for the callback `caller` if one asks. Answers its results if all of them are in memory; else the batch has been begun and will
   * settle, or has settled, through `settle`.
   */
  begin(asked: Asked, options: Options, settle: Settle, caller: Caller | undefined): unknown[] | Batch {
    if (options.signal?.aborted) throw options.signal.reason
    const { dispatcher } = this
    if (!dispatcher.ensureAlive()) return this.#plain.begin(asked.requests, asked.keys, options, settle, caller)
    return dispatcher.uninterrupted(() => {
      const begun = this.#begin(asked, options, this.#waitingForWrites(settle), caller)
      // Before anybody is called, who may change what is to be refreshed.
      for (const refresh of this.#refreshes.splice(0)) refresh()
      return begun
    })
  }

  /** Where batches wait for their writes, `settle` hears of the end when the tiers have. */
  #waitingForWrites(settle: Settle): Settle {
    const { resolve } = settle
    if (this.config.writes === 'background' || resolve === undefined) return settle
    return { ...settle, resolve: (batch) => void this.tiers.flush().then(() => resolve(batch)) }
  }

  /** What `begin` would do. */
  plan(requests: Requests, options: Options): BatchPlan {
    const { keys } = this.ask(requests)
    const actions = this.foresee(keys, options)
    // As `adaptiveBatchSize` has found it.
    const sizeMax = this.dispatcher.stats().batchSize || Number.POSITIVE_INFINITY
    return planOf(requests, actions, options, this.config.groups, sizeMax)
  }

  /** What `begin` would do with each key. */
  foresee(keys: readonly string[], options: Options): PlannedRequest['action'][] {
    const { dispatcher } = this
    const actions: PlannedRequest['action'][] = []
    while (actions.length < keys.length) {
      if (!dispatcher.ensureAlive()) return keys.map(() => 'fetch')
      const { engine } = dispatcher
      const size = writeSome(engine, keys, actions.length)
      engine.foresee(size, options.staleWhileRevalidate, dispatcher.now())
      for (let at = 0; at < size; at++) actions.push(ACTIONS[engine.words[at] as number] ?? 'fetch')
    }
    return readsMemory(options) ? actions : actions.map((action) => (action === 'join' ? action : 'fetch'))
  }

  // What the dispatcher tells.

  onStored({ key, value, tierIndex = -1 }: Parameters<ResultListener['onStored']>[0], ttlMs: number): void {
    if (this.tiers.isEmpty) return
    const entry = ttlMs === Number.POSITIVE_INFINITY ? { value } : { value, expiresAt: this.config.clock.wallNow() + ttlMs }
    // Only what was stored is copied: a key invalidated while the tiers were asked must not come back in one of them.
    if (tierIndex >= 0) this.#copies.push({ key, ...entry })
    else this.tiers.write(key, entry)
  }

  onDone(batch: Batch, busyMs: number): void {
    this.monitor.recordBatch(batch.metrics(this.dispatcher.now(), busyMs))
  }

  #begin(asked: Asked, options: Options, settle: Settle, caller: Caller | undefined): unknown[] | Batch {
    const { keys, crossing } = asked
    const { engine } = this.dispatcher
    const startedAt = crossing?.at ?? this.dispatcher.now()
    const readMemory = readsMemory(options)
    const count = keys.length
    const results: unknown[] = new Array(count)
    const led: Load[] = []
    const refreshAt: number[] = []
    const hits: { index: number; value: unknown; source: BatchSource }[] = []
    let batch: Batch | undefined
    const begun = (): Batch => {
      batch ??= new Batch(keys, results, options, startedAt, settle)
      return batch
    }
    // Somebody wants to hear of each hit, or hits are not handed over as they are.
    if ((settle.answered !== undefined && !settle.findsHits) || options.isolation !== 'shared') begun()
    for (let base = 0, size = 0; base < count; base += size) {
      const found: Crossing = (base === 0 && crossing) || cross(engine, keys, base, options, startedAt)
      size = found.size
      const { words, values } = engine
      const missing: number[] = new Array(found.missed)
      let missed = 0
      for (let at = 0; at < size; at++) {
        const word = readMemory ? (words[at] as number) : MISS
        const index = base + at
        if (word === MISS) {
          missing[missed++] = index
          continue
        }
        const value = values[word & SLOT_MASK]
        if (word & FAILURE) begun().reject(index, (value as Failure).reason, 'memory')
        else if (word < FAILURE && batch === undefined) results[index] = value
        else {
          const source = word & STALE ? 'stale' : 'memory'
          if (source === 'stale') begun().counts.stale++
          // Expired but taken stale, or this reader's to refresh.
          if (word > FAILURE) refreshAt.push(index)
          if (begun().isolates) hits.push({ index, value, source })
          else begun().accept(index, value, source)
        }
      }
      if (found.missed === 0) continue
      const open = this.#open(begun(), caller?.owner === this.dispatcher.nested ? caller : undefined)
      try {
        this.#admit(open, asked, base, missing, led)
      } catch (error) {
        this.dispatcher.abandon(open, error)
        throw error
      }
    }
    // Copying and freezing may call what is the user's: only now, when nothing is half done.
    for (const { index, value, source } of hits) batch?.accept(index, value, source)
    if (batch === undefined) {
      this.monitor.recordHits(count, this.dispatcher.now() - startedAt)
      return results
    }
    const { counts } = batch
    counts.hits = count - counts.led - counts.joined - counts.deduplicated - counts.stale
    // Who only reads has nothing to refresh with.
    if (refreshAt.length > 0 && options.cache !== 'only-if-cached') this.#refresh(asked, refreshAt, options)
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

  /** Opens the batch for requests that wait, once. */
  #open(batch: Batch, caller: Caller | undefined): Batch {
    if (batch.id >= 0) return batch
    this.dispatcher.open(batch, caller)
    const { signal } = batch.options
    if (signal !== undefined) batch.unwatch = watch(signal, () => this.dispatcher.abandon(batch, signal.reason))
    return batch
  }

  /** Lets the requests at `missing` wait: joining what is in flight, leading the rest. */
  #admit(batch: Batch, { requests, wishes }: Asked, base: number, missing: readonly number[], led: Load[]): void {
    const { engine } = this.dispatcher
    const { options, counts } = batch
    const isUnstored = options.cache === 'no-store'
    const hasWishes = wishes !== undefined || isUnstored || options.priority !== undefined || options.ttl !== undefined
    engine.begin(missing.length)
    if (hasWishes) {
      missing.forEach((index, position) => {
        const wish = wishes?.[index]
        engine.words[position] = resolvePriority(wish?.priority ?? options.priority)
        engine.floats[position] = isUnstored ? 0 : (wish?.ttl ?? options.ttl ?? Number.NaN)
      })
    }
    const share = options.deduplication && options.cache !== 'only-if-cached'
    engine.admit(batch.id, base, hasWishes, share, missing.length)
    const scope = takeScope()
    const tagged: { flight: number; tags: readonly string[] }[] = []
    // A copy: a request is of the caller's making, and reading its fetchFunction may do anything.
    const words = engine.words.slice(0, missing.length * 2)
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
      const tags = wishes?.[index]?.tags ?? options.tags
      if (tags !== undefined && how !== How.circular) tagged.push({ flight, tags })
    })
    for (const { flight, tags } of tagged) for (const tag of tags) engine.tagFlight(flight, tag)
    this.dispatcher.after()
  }

  /** Gets what the batch leads: from the tiers, else by its callbacks. */
  #load(batch: Batch, led: readonly Load[]): void {
    const { options } = batch
    const { groupingStrategy, customGrouper } = options
    if (options.cache !== 'only-if-cached') {
      try {
        if (groupingStrategy === 'custom' && customGrouper !== undefined) {
          for (const load of led) load.groupKey = nameBy('customGrouper', load.key, customGrouper)
        }
        assignGates(led, options, this.config)
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
      // Of a crash, everybody has been told; of what should not happen, whoever waits is.
      if (!(error instanceof EngineCrashError)) this.dispatcher.abandon(batch, error)
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
    const live = missing.every(isLive) ? missing : missing.filter(isLive)
    if (live.length === 0) return
    const { options } = batch
    const { dispatcher } = this
    const { engine } = dispatcher
    if (options.cache === 'only-if-cached') {
      // At once: with what is stored in between, two of one key could differ.
      dispatcher.uninterrupted(() => {
        for (const load of live) dispatcher.refuseLoad(load, new NotCachedError(load.key))
      })
      return
    }
    dispatcher.uninterrupted(() => {
      const now = dispatcher.now()
      for (const { gates, loads } of byGates(live)) {
        const flights = loads.map((load) => load.flight)
        engine.limit(batch.id, gates, flights, now)
      }
      engine.begin(live.length)
      const isBulk = options.bulk !== undefined
      const { groups: table } = this.config
      const assigned = options.groupFetch === undefined && !table.isEmpty ? assignGroups(live, options, table) : undefined
      const custom = options.groupingStrategy === 'custom' ? numberGroups(live.map((load) => load.groupKey)) : undefined
      const groups = assigned?.chunks ?? custom
      live.forEach((load, at) => {
        engine.words[at] = load.flight
        // All that a bulk load is for is one group.
        if (isBulk || groups !== undefined) engine.words[live.length + at] = groups?.[at] ?? 0
      })
      const grouping = isBulk || groups ? Grouping.given : options.groupingStrategy === 'prefix' ? Grouping.prefix : Grouping.none
      const sizeMax = assigned ? live.length : options.groupFetch === undefined ? 0 : options.maxBatchSize
      const count = engine.queue(batch.id, live.length, grouping, sizeMax, now)
      batch.counts.groups += assigned?.count ?? count
      dispatcher.after()
    })
  }

  /** What has been answered from memory and is old is fetched anew: one grouped batch in the background, which nobody waits for. */
  #refresh({ requests, keys, wishes }: Asked, refreshAt: readonly number[], { signal, onProgress, ...rest }: Options): void {
    const forever = { failFast: false, timeoutMs: Number.POSITIVE_INFINITY, queueTimeoutMs: Number.POSITIVE_INFINITY }
    const options: Options = {
      ...rest,
      ...forever,
      signal: undefined,
      onProgress: undefined,
      cache: 'reload',
      isolation: 'shared',
    }
    const old = <T>(list: readonly T[]): T[] => refreshAt.map((index) => list[index] as T)
    const asked: Asked = { requests: old(requests), keys: old(keys), wishes: wishes && old(wishes) }
    const settle: Settle = {
      resolve: (batch) => {
        for (const outcome of batch.outcomes()) {
          // Of all that share a refresh, the one that leads it.
          if (outcome.status === 'rejected' && outcome.source !== 'joined')
            this.events.emit('refreshError', { key: outcome.key, error: outcome.reason })
        }
      },
      reject: () => {},
    }
    this.#refreshes.push(() => {
      try {
        this.begin(asked, options, settle, undefined)
      } catch (error) {
        this.dispatcher.defer(() => {
          for (const key of asked.keys) this.events.emit('refreshError', { key, error })
        })
      }
    })
  }
}

function isLive(load: Load): boolean {
  return load.isLive
}
