/** Does the same to the model and to a processor, and compares what can be seen. */

import assert from 'node:assert/strict'
import {
  type BatchOptions,
  BatchProcessor,
  type BatchRequest,
  type FetchContext,
  type GroupFetchContext,
} from '../../js/index.js'
import { assertQuiescent } from '../support/quiescence.js'
import { Deferred } from '../support/source.js'
import { drained, VirtualClock } from '../support/virtual-clock.js'
import { BACKOFF_MS, BREAKER, MAX_BACKOFF_MS, type Pending, RETRY_RATIO } from './calls.js'
import { show } from './loads.js'
import { Model } from './model.js'
import {
  ANY_REQUEST,
  type Answer,
  type EntrySpec,
  KEYS,
  type Operation,
  type OptionsSpec,
  PATTERNS,
  PLAIN_ANSWER,
  PLAIN_OPTIONS,
  PREFIXES,
  type RequestSpec,
  type Setting,
  SIGNALS,
  STALE_MS_MAX,
  TAGS,
} from './operations.js'
import { answerAt, customGroup, estimateOf, reasonOf, valueFor } from './rules.js'
import { answered, describe, describeOutcomes, errorOf, groupResultOf, nameOf } from './words.js'

const FOREVER = Number.POSITIVE_INFINITY

export class Driver {
  readonly #clock = new VirtualClock()
  readonly #setting: Setting
  readonly #model: Model
  readonly #processor: BatchProcessor
  readonly #signals: AbortController[] = Array.from({ length: SIGNALS }, () => new AbortController())
  readonly #allSignals: AbortSignal[] = this.#signals.map(({ signal }) => signal)
  readonly #log: string[] = []
  readonly #settled = new Map<number, string>()
  readonly #pending: Pending[] = []
  #batches = 0
  #settledCount = 0
  #calls = 0
  #values = 0

  constructor(setting: Setting) {
    this.#setting = setting
    this.#model = new Model(setting)
    const { maxEntries, maxWeight, ttl, negativeTtl, errorTtl, slidingTtl, retryBurst } = setting
    const retryBudget = { ratio: RETRY_RATIO, burst: retryBurst }
    this.#processor = new BatchProcessor({
      // The model evicts by recency; where nothing is evicted, the default must do the same.
      policy: setting.bounded ? 'lru' : 'adaptive',
      maxEntries,
      maxWeight,
      ttl,
      negativeTtl,
      errorTtl,
      slidingTtl,
      retryBudget,
      groupBreaker: BREAKER,
      clock: this.#clock, // biome-ignore format: as it comes
    })
    if (setting.bounded) this.#clock.onTick = () => this.#processor.memory.purgeStale()
  }

  /** To be called first. */
  async start(): Promise<void> {
    if (this.#setting.bounded) return
    // What is swept is gone for good: from the first, nothing may be that somebody could still want stale.
    await this.do({
      do: 'batch',
      how: 'settled',
      requests: [ANY_REQUEST],
      options: { ...PLAIN_OPTIONS, staleWhileRevalidate: STALE_MS_MAX },
    })
    await this.do({ do: 'settle', pick: 0, answer: PLAIN_ANSWER })
    await this.do({ do: 'memory.clear' })
  }

  /** Does `operation`, and compares. */
  async do(operation: Operation): Promise<void> {
    await this.#do(operation)
    await drained()
    await this.#compare()
  }

  /** Answers what still runs, and compares once more: nothing may be left. */
  async finish(): Promise<void> {
    while (this.#pending.length > 0) {
      await this.do({ do: 'settle', pick: 0, answer: PLAIN_ANSWER })
    }
    await this.do({ do: 'advance', ms: 10_000 })
    if (this.#pending.length > 0) return this.finish()
    await assertQuiescent(this.#processor, this.#clock, this.#allSignals)
    assert.equal(this.#settledCount, this.#batches, 'every batch has settled')
  }

  async #do(operation: Operation): Promise<void> {
    const model = this.#model
    const { memory } = this.#processor
    switch (operation.do) {
      case 'batch':
        return this.#batch(
          operation.how,
          operation.how === 'single' ? operation.requests.slice(0, 1) : operation.requests,
          operation.options,
        )
      case 'settle':
        return this.#settle(operation.pick, operation.answer)
      case 'advance':
        model.advance(operation.ms)
        return this.#clock.advance(operation.ms)
      case 'abort':
        return this.#abort(operation.signal, operation.renew)
      case 'renew':
        return this.#renew(operation.signal)
      case 'memory.get':
        return assert.equal(memory.get(keyAt(operation.key)), model.memoryGet(keyAt(operation.key)))
      case 'memory.peek':
        return assert.equal(memory.peek(keyAt(operation.key)), this.#peek(operation.key)?.value)
      case 'memory.has':
        return assert.equal(memory.has(keyAt(operation.key)), this.#peek(operation.key) !== undefined)
      case 'memory.remainingTtl':
        return assert.equal(
          memory.remainingTtl(keyAt(operation.key)),
          (this.#peek(operation.key)?.expiresAt ?? model.now) - model.now,
        )
      case 'memory.delete':
        return assert.equal(memory.delete(keyAt(operation.key)), model.delete(keyAt(operation.key)))
      case 'memory.mdelete':
        return assert.equal(memory.mdelete(operation.keys.map(keyAt)), this.#deleteInModel(operation.keys))
      case 'memory.mget': {
        const keys = operation.keys.map(keyAt)
        return assert.deepEqual(
          memory.mget(keys),
          keys.map((key) => model.memoryGet(key)),
        )
      }
      case 'memory.mset':
        return memory.mset(this.#set(operation.entries))
      case 'memory.clear':
        model.invalidate(() => true)
        return memory.clear()
      default:
        return this.#doAcrossTiers(operation)
    }
  }

  /** The calls that answer promises; without tiers they do the same. */
  async #doAcrossTiers(operation: Operation): Promise<void> {
    const model = this.#model
    const processor = this.#processor
    switch (operation.do) {
      case 'get':
        return assert.equal(await processor.get(keyAt(operation.key)), model.find([keyAt(operation.key)])[0])
      case 'mget': {
        const keys = operation.keys.map(keyAt)
        return assert.deepEqual(await processor.mget(keys), model.find(keys))
      }
      case 'has': {
        const isThere = this.#peek(operation.key) !== undefined
        if (!isThere) model.find([keyAt(operation.key)])
        return assert.equal(await processor.has(keyAt(operation.key)), isThere)
      }
      case 'delete':
        return assert.equal(await processor.delete(keyAt(operation.key)), this.#deleteInModel([operation.key]))
      case 'invalidate':
        return assert.equal(await processor.invalidate({ keys: operation.keys.map(keyAt) }), this.#deleteInModel(operation.keys))
      case 'mset':
        return processor.mset(this.#set(operation.entries))
      case 'invalidate.prefix': {
        const prefix = PREFIXES[operation.pick % PREFIXES.length] as string
        const count = model.invalidate((key) => key.startsWith(prefix) && !splitsPair(key, prefix))
        return assert.equal(await processor.invalidate({ prefix }), count)
      }
      case 'invalidate.pattern': {
        const pattern = PATTERNS[operation.pick % PATTERNS.length] as string
        const regExp = new RegExp(`^${pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`, 'u')
        return assert.equal(
          await processor.invalidate({ pattern }),
          model.invalidate((key) => regExp.test(key)),
        )
      }
      case 'invalidate.tag': {
        const tag = TAGS[operation.pick % TAGS.length] as string
        return assert.equal(
          await processor.invalidate({ tag }),
          model.invalidate((_, tags) => tags.has(tag)),
        )
      }
      case 'clear':
        model.invalidate(() => true)
        return processor.clear()
    }
  }

  #batch(how: 'values' | 'settled' | 'single', specs: readonly RequestSpec[], spec: OptionsSpec): void {
    if (how === 'single' && specs.length === 0) return
    const number = this.#batches++
    const signal = spec.signal === undefined ? undefined : this.#signals[spec.signal]?.signal
    const requests = specs.map((request, index) => this.#request(request, `${number}.${index}`))
    const options = this.#options(number, spec, signal)
    const { key, fetchFunction, ...rest } = requests[0] ?? ({} as BatchRequest<unknown>)
    const processor = this.#processor
    const promise =
      how === 'values'
        ? processor.getCachedDataBatch(requests, options).then((values) => values.map(show).join('; '))
        : how === 'single'
          ? processor.getCachedData(key, fetchFunction, { ...rest, ...options }).then(show)
          : processor.getCachedDataBatchSettled(requests, options).then(describeOutcomes)
    promise.then(
      (answer) => this.#settled.set(number, `fulfilled ${answer}`),
      (reason: unknown) => this.#settled.set(number, `rejected ${describe(reason)}`),
    )
    this.#model.batch(number, how, specs, spec, signal)
  }

  #request({ key, ttl, priority, weight, tags, behaviour }: RequestSpec, origin: string): BatchRequest<unknown> {
    const fetchFunction = (context: FetchContext): unknown => {
      const number = ++this.#calls
      this.#log.push(`${number}: ${origin} ${show(context.key)} attempt ${context.attempt}`)
      if (behaviour.watches) this.#watch(number, context.signal)
      const answer = answerAt(behaviour, context.attempt)
      if (behaviour.when === 'now') return answered(answer, context.key, number)
      if (behaviour.when === 'soon') return new Promise((resolve) => resolve(answered(answer, context.key, number)))
      const deferred = new Deferred<unknown>()
      this.#pending.push({
        number,
        answer: (given) => {
          if (given.fails) deferred.reject(errorOf(reasonOf(given.error, context.key, number)))
          else deferred.resolve(valueFor(given.value, context.key, number))
        },
      })
      return deferred.promise
    }
    return { key: keyAt(key), ttl, priority, weight, tags, fetchFunction }
  }

  #options(number: number, spec: OptionsSpec, signal: AbortSignal | undefined): BatchOptions<unknown> {
    const { groups, attempts, signal: _, ...same } = spec
    const retryable = (error: unknown): boolean => !(error instanceof Error && error.name === 'Final')
    const groupFetch = ({ groupKey, keys, signal }: GroupFetchContext<unknown>): Promise<never> => {
      const call = ++this.#calls
      this.#log.push(`${call}: group ${number} ${show(groupKey)} ${show(keys)}`)
      // Reading the signal is what makes it: only some do.
      if (number % 2 === 0) this.#watch(call, signal)
      const deferred = new Deferred<never>()
      this.#pending.push({
        number: call,
        answer: (answer) => {
          if (answer.fails) deferred.reject(errorOf(reasonOf(answer.error, 'group', call)))
          else deferred.resolve(groupResultOf(keys, answer, call) as never)
        },
      })
      return deferred.promise
    }
    return {
      ...same,
      customGrouper: customGroup,
      retry: { attempts, backoffMs: BACKOFF_MS, maxBackoffMs: MAX_BACKOFF_MS, jitter: 0, retryable },
      ...(groups && { groupFetch }),
      ...(signal && { signal }),
    }
  }

  #watch(number: number, signal: AbortSignal): void {
    signal.addEventListener('abort', () => this.#log.push(`abort ${number}: ${nameOf(signal.reason)}`))
  }

  #settle(pick: number, answer: Answer): void {
    if (this.#pending.length === 0) return
    const at = pick % this.#pending.length
    const [pending] = this.#pending.splice(at, 1)
    pending?.answer(answer)
    this.#model.answer(at, answer)
  }

  #abort(place: number, renew: boolean): void {
    const controller = this.#signals[place] as AbortController
    const isFirst = !controller.signal.aborted
    if (isFirst) controller.abort(`aborted ${this.#allSignals.indexOf(controller.signal)}`)
    if (isFirst) this.#model.abort(controller.signal)
    if (renew) this.#renew(place)
  }

  #renew(place: number): void {
    const controller = new AbortController()
    this.#signals[place] = controller
    this.#allSignals.push(controller.signal)
  }

  /** Sets the same in the model; answers the entries. */
  #set(specs: readonly EntrySpec[]) {
    const entries = specs.map(({ key, value, ttl, weight, tags }) => ({
      key: keyAt(key),
      value: valueFor(value, `set ${keyAt(key)}`, ++this.#values),
      ttl,
      weight,
      tags,
    }))
    const counts = this.#setting.maxWeight < FOREVER
    for (const { key, value, ttl, weight } of entries) {
      this.#model.set(key, value, ttl, counts ? (weight ?? estimateOf(value)) : 0)
    }
    // Tags are put on what is there when all is set.
    for (const { key, tags = [] } of entries) this.#model.tag(key, tags)
    return entries
  }

  #deleteInModel(keys: readonly number[]): number {
    return keys.filter((key) => this.#model.delete(keyAt(key))).length
  }

  #peek(key: number) {
    return this.#model.cache.peek(keyAt(key), this.#model.now)
  }

  async #compare(): Promise<void> {
    const model = this.#model
    const { memory } = this.#processor
    assertSame(this.#log, model.log, 'callbacks called, and signals aborted')
    for (const log of [this.#log, model.log]) log.length = 0
    assertSame(this.#pending.map(numberOf), model.pending.map(numberOf), 'callbacks that run')
    this.#settledCount += model.settled.size
    assertSame(linesOf(this.#settled), linesOf(model.settled), 'batches that settled')
    for (const seen of [this.#settled, model.settled]) seen.clear()
    assertSame([...memory.keys()], model.cache.keys(model.now), 'keys, most recently used first')
    const { counts, inFlight, waiting, running, cache } = model
    const { stored, evicted, expired, tooHeavy } = cache.counts
    const timers = model.nextDeadline < FOREVER ? 1 : 0
    const always = { ...counts, stored, tooHeavy, inFlight, waiting, running, timers }
    const { size } = cache.entries
    const whereBounded = { evicted, expired, entries: size, size, weight: cache.weight, memoryWeight: cache.weight }
    const expected: Record<string, number> = this.#setting.bounded ? { ...always, ...whereBounded } : always
    const seen = { timers: this.#clock.timers, size: memory.size, memoryWeight: memory.weight }
    const actual: Record<string, unknown> = { ...(await this.#processor.metrics()), ...seen }
    const names = Object.keys(expected)
    const lines = (of: Record<string, unknown>): string[] => names.map((name) => `${name}: ${of[name]}`)
    assertSame(lines(actual), lines(expected), 'counters')
  }
}

/** Joined texts compare faster by far than lists of them. */
function assertSame(actual: readonly string[], expected: readonly string[], what: string): void {
  if (actual.join('\n') !== expected.join('\n')) assert.deepEqual(actual, expected, what)
}

const numberOf = ({ number }: { number: number }): string => String(number)

function linesOf(settled: ReadonlyMap<number, string>): string[] {
  return [...settled].map(([number, verdict]) => `${number} ${verdict}`).sort()
}

function keyAt(place: number): string {
  return KEYS[place] as string
}

/** A prefix that ends within a character, as UTF-16 sees it, is none of that character in WTF-8. */
function splitsPair(key: string, prefix: string): boolean {
  return /[\ud800-\udbff]$/.test(prefix) && /^[\udc00-\udfff]/.test(key.slice(prefix.length))
}
