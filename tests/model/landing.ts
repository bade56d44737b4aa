/** The naive model's loads: who waits for them, what becomes of their answers, and what if nobody waits any longer. */

import { ModelCache } from './cache.js'
import type { Load, ModelBatch, ModelCall, Outcome, Waiter } from './loads.js'
import type { Setting } from './operations.js'
import { estimateOf, remove, verdictOf } from './rules.js'
import { Turns } from './turns.js'

const FOREVER = Number.POSITIVE_INFINITY

export abstract class Landing extends Turns {
  readonly cache: ModelCache
  readonly counts = {
    requested: 0,
    hits: 0,
    joined: 0,
    deduplicated: 0,
    led: 0,
    succeeded: 0,
    failed: 0,
    dropped: 0,
    calls: 0,
    timedOut: 0,
    retried: 0,
    late: 0,
    fenced: 0,
  }
  /** What settled, by the batch's number. */
  readonly settled = new Map<number, string>()
  protected readonly setting: Setting
  /** In the order they began. */
  protected loads: Load[] = []
  protected readonly joinable = new Map<string, Load>()

  constructor(setting: Setting) {
    super()
    this.setting = setting
    this.cache = new ModelCache(setting)
  }

  get inFlight(): number {
    return this.loads.length
  }

  get waiting(): number {
    return this.loads.reduce((sum, load) => sum + load.waiters.length, 0)
  }

  protected abstract detach(call: ModelCall): void
  protected abstract abortCall(call: ModelCall, reason: string): void

  protected override onTick(): void {
    if (this.setting.bounded) this.cache.purge(this.now)
  }

  /** Stores what may be stored, and answers all waiters. */
  protected land(load: Load, answer: Outcome['answer']): void {
    const failed = 'reason' in answer
    if (failed) this.#storeFailure(load, answer.reason)
    else this.#storeValue(load, answer.value)
    this.counts[failed ? 'failed' : 'succeeded']++
    const answered: ModelBatch[] = []
    for (const waiter of load.waiters.splice(0)) {
      this.#deliver(waiter, load, answer)
      if (--waiter.batch.waiting === 0) answered.push(waiter.batch)
    }
    this.#end(load)
    for (const batch of answered) this.afterAnswer(batch)
  }

  /** If that was the batch's last answer, it settles. */
  protected afterAnswer(batch: ModelBatch): void {
    if (!batch.isSealed || batch.isDone) return
    batch.isDone = true
    this.cancel(batch.deadline)
    if (batch.isOver) return
    batch.isOver = true
    if (!batch.isRefresh) this.settled.set(batch.number, verdictOf(batch))
  }

  /** Rejects the batch, and drops its interest in what it waits for. */
  protected abandon(batch: ModelBatch, reason: string): void {
    // What has been answered has been.
    this.hear()
    if (!batch.isOver && !batch.isRefresh) this.settled.set(batch.number, `rejected ${reason}`)
    batch.isOver = true
    if (batch.isDone) return
    const waits = this.loads.flatMap((load) =>
      load.waiters.filter((waiter) => waiter.batch === batch).map((waiter) => ({ load, waiter })),
    )
    for (const { load, waiter } of waits.sort((a, b) => a.waiter.index - b.waiter.index)) {
      remove(load.waiters, waiter)
      if (load.isLive && load.waiters.length === 0) this.#giveUp(load)
    }
    batch.isDone = true
    this.cancel(batch.deadline)
  }

  protected drop(load: Load): void {
    this.counts.dropped++
    this.#end(load)
  }

  /** What is in flight for `key` stores nothing any more, and nobody joins it. */
  protected fence(key: string): void {
    for (const load of this.loads) if (load.key === key) load.fenced = true
    this.joinable.delete(key)
  }

  protected ttlOf(ttl: number | undefined, value: unknown): number {
    const asked = ttl ?? this.setting.ttl
    return value === null && ttl !== 0 ? (this.setting.negativeTtl ?? asked) : asked
  }

  #deliver({ batch, index, leads }: Waiter, load: Load, answer: Outcome['answer']): void {
    if (batch.isOver) return
    const grace = batch.options.staleIfError
    const stale = 'reason' in answer && grace > 0 ? this.cache.findStale(load.key, this.now, grace) : undefined
    if (stale !== undefined) {
      batch.outcomes[index] = { source: 'stale', load: undefined, answer: { value: stale.value } }
      return
    }
    batch.outcomes[index] = { source: leads ? load.source : 'joined', load, answer }
    if (!('reason' in answer)) return
    batch.reasons.push(answer.reason)
    if (batch.options.failFast) this.tasks.push(() => this.abandon(batch, batch.reasons[0] as string))
  }

  #storeValue(load: Load, value: unknown): void {
    if (value === undefined) return
    if (load.fenced) {
      this.counts.fenced++
      return
    }
    const ttl = this.ttlOf(load.ttl, value)
    if (ttl <= 0) return
    const ofKey = this.loads.filter(({ key }) => key === load.key)
    for (const older of ofKey.slice(0, ofKey.indexOf(load))) {
      older.fenced = true
      if (this.joinable.get(load.key) === older) this.joinable.delete(load.key)
    }
    const weight = this.setting.maxWeight === FOREVER ? 0 : (load.request.spec.weight ?? estimateOf(value))
    this.cache.put(load.key, { value, failure: false, ttl, weight, tags: load.tags }, this.now)
  }

  /** A failure is kept only of what was called, and never in the place of a value. */
  #storeFailure(load: Load, reason: string): void {
    const { errorTtl: ttl } = this.setting
    if (ttl <= 0 || load.fenced || load.attempts === 0) return
    if (this.cache.findStale(load.key, this.now, FOREVER) !== undefined) return
    this.cache.put(load.key, { value: reason, failure: true, ttl, weight: 0, tags: load.tags }, this.now)
  }

  /** Nobody waits for `load` any longer. */
  #giveUp(load: Load): void {
    const { call } = load
    if (call === undefined) {
      this.cancel(load.retryAt)
      return this.drop(load)
    }
    if (call.state === 'queued') {
      remove(call.members, load)
      if (call.members.length === 0) this.detach(call)
      return this.drop(load)
    }
    // It goes on: for later, or for the other keys of its group.
    if (call.lane.options.onOrphan === 'finish' || call.members.some(({ waiters }) => waiters.length > 0)) return
    call.isAbandoned = true
    this.tasks.push(() => this.abortCall(call, 'AbortError'))
    for (const member of call.members.splice(0)) this.drop(member)
  }

  #end(load: Load): void {
    load.isLive = false
    remove(this.loads, load)
    if (this.joinable.get(load.key) === load) this.joinable.delete(load.key)
  }
}
