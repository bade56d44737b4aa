/**
 * The naive model: what a processor must do, written down without regard to cost. Plain lists, searched from end to end; one queue of tasks, one
 * of what comes a microtask later; no promises. The driver asks it and the processor the same and compares.
 */

import { Calls } from './calls.js'
import type { Load, ModelBatch } from './loads.js'
import { type Answer, KEYS, type ModelRequest, type OptionsSpec, type RequestSpec } from './operations.js'
import { groupOf, isGroupable } from './rules.js'

const FOREVER = Number.POSITIVE_INFINITY

export class Model extends Calls {
  batch(
    number: number,
    how: ModelBatch['how'],
    specs: readonly RequestSpec[],
    options: OptionsSpec,
    signal: AbortSignal | undefined,
  ): void {
    const requests = specs.map((spec, index) => ({ spec, key: KEYS[spec.key] as string, origin: `${number}.${index}` }))
    if (signal?.aborted) this.settled.set(number, `rejected ${signal.reason}`)
    else this.#begin({ number, how, options, signal, isRefresh: false }, requests)
    this.drain()
  }

  /** What `get` and its kin look up. */
  find(keys: readonly string[]): unknown[] {
    this.counts.requested += keys.length
    const found = keys.map((key) => this.cache.look(key, this.now))
    for (const { is } of found) {
      if (is !== 'miss') this.counts.hits++
      else {
        // A load that is refused at once.
        this.counts.led++
        this.counts.failed++
      }
    }
    return found.map((one) => (one.is === 'hit' ? one.value : undefined))
  }

  memoryGet(key: string): unknown {
    const found = this.cache.look(key, this.now)
    if (found.is !== 'hit') return undefined
    this.counts.requested++
    this.counts.hits++
    return found.value
  }

  set(key: string, value: unknown, ttl: number | undefined, weight: number): void {
    this.fence(key)
    const life = value === undefined ? 0 : this.ttlOf(ttl, value)
    if (life <= 0) this.cache.remove(key, this.now)
    else this.cache.put(key, { value, failure: false, ttl: life, weight, tags: new Set() }, this.now)
  }

  tag(key: string, tags: readonly string[]): void {
    for (const tag of tags) this.cache.entries.get(key)?.tags.add(tag)
  }

  delete(key: string): boolean {
    this.fence(key)
    return this.cache.remove(key, this.now)
  }

  /** Answers how many valid values there were. */
  invalidate(matches: (key: string, tags: ReadonlySet<string>) => boolean): number {
    for (const { key, tags } of this.loads) if (matches(key, tags)) this.fence(key)
    return this.cache.removeWhere(matches, this.now)
  }

  abort(signal: AbortSignal): void {
    for (const batch of this.batches) {
      if (batch.signal !== signal || batch.isOver) continue
      this.abandon(batch, String(signal.reason))
      this.runTasks()
    }
    this.drain()
  }

  answer(index: number, answer: Answer): void {
    const [pending] = this.pending.splice(index, 1)
    pending?.answer(answer)
    this.drain()
  }

  #begin(of: Pick<ModelBatch, 'number' | 'how' | 'options' | 'signal' | 'isRefresh'>, requests: readonly ModelRequest[]): void {
    const { options } = of
    const keys = requests.map(({ key }) => key)
    const batch = newBatch(of, keys, this.now)
    this.counts.requested += keys.length
    const missing = this.#look(batch)
    if (missing.length > 0) this.#open(batch)
    const led = missing.flatMap((index) => this.#admit(batch, index, requests[index] as ModelRequest))
    const stale = requests.filter((_, index) => batch.outcomes[index]?.source === 'stale')
    batch.isSealed = true
    if (batch.waiting === 0) this.afterAnswer(batch)
    if (options.failFast && batch.reasons.length > 0) this.abandon(batch, batch.reasons[0] as string)
    else if (led.length > 0) this.#queue(batch, led)
    // Before anything is called.
    if (stale.length === 0 || options.cache === 'only-if-cached') return
    const patient = { failFast: false, timeoutMs: FOREVER, queueTimeoutMs: FOREVER, cache: 'reload' as const }
    this.#begin({ ...of, options: { ...options, ...patient }, signal: undefined, isRefresh: true }, stale)
  }

  /** Answers what the cache has; answers the positions of the rest. */
  #look(batch: ModelBatch): number[] {
    const { deduplication, cache, staleWhileRevalidate } = batch.options
    if (!deduplication || cache === 'reload' || cache === 'no-store') return [...batch.keys.keys()]
    if (batch.keys.length > 0) this.cache.keepStale(staleWhileRevalidate)
    return batch.keys.flatMap((key, index) => {
      const found = this.cache.look(key, this.now, staleWhileRevalidate)
      if (found.is === 'miss') return [index]
      this.counts.hits++
      const isFailure = found.is === 'failure'
      if (isFailure) batch.reasons.push(found.value as string)
      const answer = isFailure ? { reason: found.value as string } : { value: found.value }
      batch.outcomes[index] = { source: found.is === 'stale' ? 'stale' : 'memory', load: undefined, answer }
      return []
    })
  }

  #open(batch: ModelBatch): void {
    const { staleIfError, timeoutMs } = batch.options
    this.cache.keepStale(staleIfError)
    this.batches.push(batch)
    if (timeoutMs === FOREVER) return
    batch.deadline = this.setDeadline(timeoutMs, () => {
      this.tasks.push(() => this.abandon(batch, `ERR_BATCH_TIMEOUT ${timeoutMs}`))
    })
  }

  /** Lets a request wait: for what is in flight, or for a load of its own, which is answered then. */
  #admit(batch: ModelBatch, index: number, request: ModelRequest): Load[] {
    const { deduplication, cache } = batch.options
    const { key, spec } = request
    const isShared = deduplication && cache !== 'only-if-cached'
    const joined = isShared ? this.joinable.get(key) : undefined
    if (joined === undefined) this.counts.led++
    else if (joined.waiters.at(-1)?.batch === batch) this.counts.deduplicated++
    else this.counts.joined++
    const load = joined ?? newLoad(request, batch)
    load.waiters.push({ batch, index, priority: spec.priority ?? 0, leads: joined === undefined })
    batch.waiting++
    const ttl = cache === 'no-store' ? 0 : spec.ttl
    if (ttl !== undefined) load.ttl = Math.min(load.ttl ?? FOREVER, ttl)
    for (const tag of spec.tags ?? []) load.tags.add(tag)
    if (joined !== undefined) return []
    this.loads.push(load)
    if (isShared) this.joinable.set(key, load)
    return [load]
  }

  /** Hands what the batch leads to the scheduler, in groups where there is a callback for them. */
  #queue(batch: ModelBatch, led: readonly Load[]): void {
    const { cache, groupingStrategy, groups: hasGroups, maxBatchSize } = batch.options
    if (cache === 'only-if-cached') {
      for (const load of led) {
        load.settledAt = this.now
        this.land(load, { reason: `ERR_NOT_CACHED ${JSON.stringify(load.key)}` })
      }
      return
    }
    if (groupingStrategy === 'custom' && led.some(({ key }) => !isGroupable(key))) return this.abandon(batch, 'Error: no group')
    const groups: Load[][] = []
    for (const load of led) {
      load.group = groupOf(load.key, groupingStrategy)
      const same = groups.find(([first]) => load.group !== undefined && first?.group === load.group)
      if (same === undefined || !hasGroups) groups.push([load])
      else same.push(load)
    }
    for (const group of groups) {
      for (let at = 0; at < group.length; at += maxBatchSize) {
        const chunk = group.slice(at, at + maxBatchSize)
        this.enqueue(batch, chunk, chunk.length > 1)
      }
    }
    this.start(batch)
  }
}

function newBatch(
  of: Pick<ModelBatch, 'number' | 'how' | 'options' | 'signal' | 'isRefresh'>,
  keys: readonly string[],
  startedAt: number,
): ModelBatch {
  return {
    ...of,
    keys,
    startedAt,
    outcomes: [],
    reasons: [],
    deadline: undefined,
    waiting: 0,
    isSealed: false,
    isDone: false,
    isOver: false,
    running: 0,
    clock: 0,
    queue: [],
  }
}

function newLoad(request: ModelRequest, batch: ModelBatch): Load {
  return {
    key: request.key,
    request,
    batch,
    tags: new Set(),
    ttl: undefined,
    fenced: false,
    isLive: true,
    waiters: [],
    call: undefined,
    retryAt: undefined,
    group: undefined,
    source: 'fetch',
    attempts: 0,
    refusals: 0,
    settledAt: 0,
  }
}
