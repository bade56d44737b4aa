/** Runs one program to its end, when nothing is due any longer, and answers what should not have been. */

import { getEventListeners } from 'node:events'
import { retireInstance } from '../../js/engine/instance.js'
import {
  type BatchOptions,
  type BatchOutcome,
  BatchProcessor,
  type BatchProgress,
  type BatchRequest,
  type ProcessorMetrics,
  RateLimitedError,
  SluiceError,
} from '../../js/index.js'
import { Callbacks, type Caller, type World } from './callbacks.js'
import { type Asked, History, Thrown, type Value, type Violation } from './history.js'
import {
  type CallSpec,
  customGroupOf,
  type How,
  headOf,
  keyAt,
  type OptionsSpec,
  type Program,
  SIGNALS,
  type Step,
  type Touch,
} from './program.js'
import { Random } from './random.js'
import { Referee } from './referee.js'
import { Scheduler } from './scheduler.js'
import { withSeed } from './seeded.js'
import { FaultyTier } from './tier.js'
import { touch } from './touch.js'

export interface Report {
  readonly violations: readonly Violation[]
  /** Calls of the processor, calls of callbacks, and things that happened in virtual time. */
  readonly asked: number
  readonly calls: number
  readonly events: number
  /** How often what was met. */
  readonly met: ReadonlyMap<string, number>
}

/** A promise of the processor's that has not settled yet. */
interface Pending {
  readonly what: string
  readonly signal?: AbortSignal | undefined
  /** In virtual time; without stalls it settles by then. */
  readonly by?: number
  /** A closed processor leaves none of these unsettled. */
  readonly isCall?: boolean
}

const FOREVER = Number.POSITIVE_INFINITY
/** Where no callback ever hangs, nothing takes longer than so many milliseconds from the last step on. */
const PROMPT_MS = 10_000
/** Deadline of a fetch that does not say. */
const FETCH_TIMEOUT_MS = 30_000
/** From here on, a tier's operation comes after its deadline. */
const LATE_MS = 30

export function run(program: Program): Promise<Report> {
  return withSeed(new Random(~program.order), () => new Runner(program).run())
}

class Runner implements World {
  readonly history: History
  readonly scheduler: Scheduler
  readonly #program: Program
  readonly #random: Random
  readonly #referee: Referee
  readonly #processor: BatchProcessor
  readonly #tiers: readonly FaultyTier[]
  readonly #signals: AbortController[] = []
  readonly #allSignals: AbortSignal[] = []
  readonly #pending = new Set<Pending>()
  #hasClosed = false
  #next = 0
  /** When the last step was taken. */
  #steppedAt = 0

  constructor(program: Program) {
    this.#program = program
    this.#random = new Random(program.order)
    this.scheduler = new Scheduler(this.#random)
    this.history = new History(this.scheduler, program.tiers.length > 0, program.config)
    this.#referee = new Referee(program, this.history)
    this.#tiers = program.tiers.map((spec, index) => new FaultyTier(`tier ${index}`, spec, this.scheduler))
    for (let place = 0; place < SIGNALS; place++) this.#renew(place)
    const { retryBurst, rateLimit, ...config } = program.config
    this.#processor = new BatchProcessor({
      ...config,
      ...(retryBurst !== undefined && { retryBudget: { ratio: 0.5, burst: retryBurst } }),
      ...(rateLimit && { rateLimit: rateLimit.map(({ isByHead, ...rate }) => ({ ...rate, ...(isByHead && { by: headOf }) })) }),
      clock: this.scheduler,
      ...(this.#tiers.length > 0 && { storage: this.#tiers }),
    })
    for (const name of ['stall', 'refreshError', 'callbackError', 'crash'] as const) {
      this.#processor.on(name, () => {
        this.history.meet(`event: ${name}`)
        throw new Error('a listener throws')
      })
    }
  }

  async run(): Promise<Report> {
    // A rejection that nobody handles, or a warning (tests/support/strict.ts).
    const note = (error: unknown): void => this.history.violate('unhandled', String(error))
    process.on('uncaughtException', note)
    try {
      await this.#run()
    } finally {
      process.off('uncaughtException', note)
    }
    const { violations, asked, calls, met } = this.history
    return { violations, asked: asked.length, calls, events: this.scheduler.events, met }
  }

  async #run(): Promise<void> {
    this.#stepLater()
    const hasEnded = await this.scheduler.run(() => this.#checkTurn())
    if (!hasEnded) this.history.violate('endless', 'there is always something due')
    this.#checkEnd()
    if (hasEnded && !this.#referee.isClosed) await this.#checkUse()
    this.#checkCounts(await this.#processor.metrics())
  }

  // What callbacks may do, too.

  call(spec: CallSpec, through: Caller | undefined): Promise<unknown> {
    const { options, requests } = spec
    const { history, scheduler } = this
    // Through a callback's context there are two ways to call.
    const how = through !== undefined && spec.how !== 'single' ? 'values' : spec.how
    const signal = options.signal === undefined ? undefined : this.#signals[options.signal]?.signal
    const asked = this.#asked(spec, signal?.aborted ?? false)
    const callbacks = new Callbacks(this, asked, requests)
    const onProgress = options.progress && this.#progress(asked, options.progress)
    const promise = this.#ask(how, callbacks.requests, callbacks.options(spec, { signal, onProgress }), spec, asked, through)
    const checked = promise.then(
      (answer) => this.#referee.answer(how, asked, answer),
      (reason: unknown) => {
        this.#referee.rejection(how, spec, asked, signal, reason)
        throw reason
      },
    )
    const what = `call ${asked.number} (${how})`
    const by = scheduler.now() + (requests.length === 0 ? 0 : (options.timeoutMs ?? FOREVER))
    // Who takes outcomes one by one hears of the end when it asks again.
    this.#await(checked, how === 'stream' ? { what } : { what, signal, by, isCall: true })
    history.meet(`call: ${how}`)
    if (asked.isAborted) history.meet('abort: before')
    return checked
  }

  touch(what: Touch): void {
    this.history.meet(`touch: ${what.do}`)
    const done = touch(this.#processor, this.history, what, this.#referee.isClosed)
    if (done !== undefined) this.#await(done.catch(this.#refuse), { what: what.do })
  }

  #asked({ requests, options }: CallSpec, isAborted: boolean): Asked {
    const { config } = this.#program
    const stale = options.staleWhileRevalidate ?? config.staleWhileRevalidate ?? 0
    const refreshes = stale > 0 || (config.earlyRefresh ?? 0) > 0
    return this.history.ask(
      requests.map(({ key }) => keyAt(key)),
      {
        isAborted,
        shares: options.deduplication ?? true,
        // What it finds stale is fetched by a batch of its own, with a limit of its own.
        limit: (options.maxConcurrency ?? config.adaptiveConcurrency?.max ?? 5) * (refreshes ? 2 : 1),
        limitPerGroup: options.maxConcurrencyPerGroup ?? config.maxConcurrencyPerGroup ?? FOREVER,
        groupOf: this.#groupOf(options),
        mixesHeads: options.groupingStrategy === 'custom' && options.group !== undefined,
        fetchTimeoutMs: options.fetchTimeoutMs ?? FETCH_TIMEOUT_MS,
      },
    )
  }

  /** The group whose slots are taken for a key. */
  #groupOf({ groupingStrategy = 'prefix', maxConcurrencyPerGroup }: OptionsSpec): Asked['groupOf'] {
    const isLimited = (maxConcurrencyPerGroup ?? this.#program.config.maxConcurrencyPerGroup) !== undefined
    if (!isLimited || groupingStrategy === 'none') return () => undefined
    if (groupingStrategy === 'custom') return (key) => customGroupOf(key) ?? undefined
    return (key) => key.split(':').slice(0, 2).join(':')
  }

  #stepLater(): void {
    const step = this.#program.steps[this.#next++]
    if (step === undefined) return
    this.scheduler.in(step.wait, () => {
      this.#steppedAt = this.scheduler.now()
      // Whatever it does, the next one comes.
      this.#stepLater()
      this.#step(step)
    })
  }

  #step(step: Step): void {
    switch (step.do) {
      case 'call':
        this.call(step.call, undefined).catch(() => {})
        return
      case 'plan':
        return this.#plan(step.call)
      case 'read':
        return this.#read(step.kind, step.keys.map(keyAt))
      case 'look':
        return this.#look(step.kind, step.keys.map(keyAt))
      case 'purge':
        return this.#processor.memory.purgeStale()
      case 'abort':
        this.history.meet(`abort: while callbacks ${this.history.isRunning ? 'run' : 'rest'}`)
        return this.#abort(step.signal)
      case 'stall':
        return this.scheduler.stall(step.ms)
      case 'jump':
        return this.scheduler.jumpWall(step.ms)
      case 'crash':
        this.history.crash()
        return retireInstance(new Error('a crash on demand'))
      case 'close':
        return this.#close(step.mode, step.timeoutMs)
      default:
        return this.touch(step)
    }
  }

  #ask(
    how: How,
    requests: BatchRequest<unknown>[],
    options: BatchOptions<unknown>,
    spec: CallSpec,
    asked: Asked,
    through: Caller | undefined,
  ): Promise<unknown> {
    const processor = this.#processor
    const caller = through ?? processor
    switch (how) {
      case 'values':
        return caller.getCachedDataBatch(requests, options)
      case 'settled':
        return processor.getCachedDataBatchSettled(requests, options)
      case 'prefetch':
        return processor.prefetch(requests, options)
      case 'stream':
        return this.#consume(processor.streamCachedDataBatch(requests, options), spec.take ?? FOREVER, asked)
      case 'single': {
        const { key, fetchFunction, ...rest } = requests[0] as BatchRequest<unknown>
        return caller.getCachedData(key, fetchFunction, { ...rest, ...options })
      }
    }
  }

  async #consume(stream: AsyncIterableIterator<BatchOutcome<unknown>>, take: number, asked: Asked): Promise<void> {
    const { history } = this
    const pause = this.#random.below(3)
    const indexes = new Set<number>()
    if (take === 0) await stream.return?.()
    for await (const outcome of stream) {
      if (indexes.has(outcome.index)) history.violate('order', `the stream of call ${asked.number} answered a request twice`)
      indexes.add(outcome.index)
      this.#referee.outcome(asked, outcome)
      if (indexes.size >= take) break
      if (pause > 0) await new Promise<void>((resolve) => this.scheduler.in(pause, resolve))
    }
    const isShort = indexes.size < Math.min(take, asked.keys.length)
    if (isShort) history.violate('order', `the stream of call ${asked.number} ended early`)
  }

  #progress(asked: Asked, kind: 'counts' | 'throws'): (progress: BatchProgress) => void {
    let before = 0
    return ({ completed, failed, total }) => {
      const isRight = completed >= before && failed <= completed && completed <= total && total === asked.keys.length
      const text = `call ${asked.number}: ${completed} of ${total}, ${failed} failed, after ${before}`
      if (!isRight) this.history.violate('progress', text)
      before = completed
      if (kind === 'throws') throw new Error('a listener throws')
    }
  }

  #plan(spec: CallSpec): void {
    const asked = this.history.ask([], {
      isAborted: false,
      shares: true,
      limit: 0,
      limitPerGroup: 0,
      groupOf: () => undefined,
      mixesHeads: false,
      fetchTimeoutMs: 0,
    })
    const callbacks = new Callbacks(this, asked, spec.requests)
    const options = callbacks.options(spec, { signal: undefined, onProgress: undefined })
    const refuse = (reason: unknown): void => {
      // The `customGrouper` may throw.
      if (!(reason instanceof RangeError) || reason instanceof SluiceError) this.#refuse(reason)
    }
    const promise = this.#processor.plan(callbacks.requests, options).catch(refuse)
    this.#await(promise, { what: 'plan', by: this.scheduler.now() })
  }

  #read(kind: 'get' | 'has' | 'mget', keys: readonly string[]): void {
    const processor = this.#processor
    const begun = this.history.stamp()
    const [key = ''] = keys
    const check = (values: readonly unknown[]): void => {
      for (const [at, value] of values.entries()) {
        if (value !== undefined) this.history.check(kind, keys[at] as string, value, begun)
      }
    }
    const ask = async (): Promise<void> => {
      if (kind === 'get') check([await processor.get(key)])
      else if (kind === 'mget') check(await processor.mget(keys))
      else await processor.has(key)
    }
    this.#await(ask().catch(this.#refuse), { what: kind })
  }

  #look(kind: 'get' | 'peek' | 'mget' | 'list', keys: readonly string[]): void {
    const { memory } = this.#processor
    const { history } = this
    const begun = history.stamp()
    const [key = ''] = keys
    const check = (of: string, value: unknown): void => {
      if (value === undefined) return
      history.check(`memory.${kind}`, of, value, begun)
      history.checkKept(`memory.${kind}`, of, value, begun)
    }
    if (kind === 'get') check(key, memory.get(key))
    else if (kind === 'peek') check(key, memory.peek(key))
    else if (kind === 'mget') {
      for (const [at, value] of memory.mget(keys).entries()) check(keys[at] as string, value)
    } else {
      for (const listed of memory.keys()) {
        if (!memory.has(listed)) history.violate('listed', `${JSON.stringify(listed)} is listed and not there`)
        check(listed, memory.peek(listed))
      }
    }
  }

  #close(mode: 'drain' | 'abort', timeoutMs: number): void {
    this.#referee.isClosed = true
    this.history.meet(`close: ${mode}`)
    const closed = this.#processor.close({ mode, timeoutMs }).then(() => {
      this.#hasClosed = true
    })
    // What the tiers have to write, and their own closing, has deadlines of its own.
    const by = this.#tiers.length > 0 ? FOREVER : this.scheduler.now() + (mode === 'drain' ? timeoutMs : 0)
    this.#await(closed.catch(this.#refuse), { what: `close (${mode})`, by })
  }

  /** Calls may come with a signal that is aborted already; the second time, there is a new one. */
  #abort(place: number): void {
    const controller = this.#signals[place]
    if (controller === undefined || controller.signal.aborted) this.#renew(place)
    else controller.abort(`aborted ${place}`)
  }

  #renew(place: number): void {
    const controller = new AbortController()
    this.#signals[place] = controller
    this.#allSignals.push(controller.signal)
  }

  #await(promise: Promise<unknown>, pending: Pending): void {
    this.#pending.add(pending)
    const settled = (): void => {
      this.#pending.delete(pending)
      const late = this.scheduler.now() - this.scheduler.stalledMs - (pending.by ?? FOREVER)
      if (late > 0) this.history.violate('late', `${pending.what} settled ${late} ms after its deadline`)
    }
    promise.then(settled, settled)
  }

  /** For calls that never fail while the processor is open. */
  readonly #refuse = (reason: unknown): void => {
    if (!this.#referee.mayRefuse(reason)) this.history.violate('refused', `a call without callbacks rejected: ${String(reason)}`)
  }

  // The checks.

  /** When all microtasks have run. */
  #checkTurn(): void {
    const { history, scheduler } = this
    for (const pending of this.#pending) {
      const { what, signal, by = FOREVER, isCall = false } = pending
      const isLate = scheduler.now() - scheduler.stalledMs > by
      if (signal?.aborted) history.violate('deaf', `${what} is still waiting though its signal is aborted`)
      else if (isLate) history.violate('late', `${what} is still waiting after its deadline`)
      else if (isCall && this.#hasClosed) history.violate('closed', `${what} is still waiting`)
      else continue
      this.#pending.delete(pending)
    }
    // Nobody waits: if no callback is at work either, the processor must not hold the process.
    if (this.#pending.size > 0 || this.#tiers.length > 0 || scheduler.timers === 0) return
    if (history.isRunning || this.#referee.refreshes) return
    history.violate('timer', `${scheduler.timers} timers are set with nothing to do`)
  }

  /** When nothing is due any longer. */
  #checkEnd(): void {
    const { history, scheduler } = this
    for (const { what } of this.#pending) history.violate('unsettled', `${what} never settled`)
    if (scheduler.timers > 0) history.violate('timer', `${scheduler.timers} timers are left`)
    for (const signal of this.#allSignals) {
      const count = getEventListeners(signal, 'abort').length
      if (count > 0) history.violate('listener', `${count} listeners are left on a signal`)
    }
    const tookMs = scheduler.now() - scheduler.stalledMs - this.#steppedAt
    const isStuck = this.#referee.isPrompt && tookMs > PROMPT_MS
    if (isStuck) history.violate('stuck', `it took ${tookMs} ms from the last step to the end`)
    this.#checkTiers()
  }

  /** Promise 5: no tier keeps what is obsolete, if it does what it is told. */
  #checkTiers(): void {
    const { history } = this
    const now = history.stamp()
    const isFaithful = this.#program.tiers.every(({ writes }) =>
      writes.every(({ when, fails }) => fails === 'no' && when !== 'never' && !(Number(when) >= LATE_MS)),
    )
    if (!isFaithful || this.#referee.isClosed) return
    for (const { name, entries } of this.#tiers) {
      for (const [key, { value }] of entries) if (value !== null) history.check(name, key, value, now)
    }
  }

  /** Every key can still be had. */
  async #checkUse(): Promise<void> {
    const { history, scheduler } = this
    this.#checkCounts(await this.#processor.metrics())
    const by = scheduler.now() + PROMPT_MS
    for (const key of new Set(history.asked.flatMap(({ keys }) => keys))) {
      const begun = history.stamp()
      const { load } = history.truth(key, begun, [])
      const check = (value: unknown): void => history.check('at the end', key, value, begun)
      const refuse = (reason: unknown): void => {
        // It may be a failure that is kept.
        const isKept = reason instanceof Thrown || reason === undefined || this.#program.config.errorTtl !== undefined
        if (!isKept) history.violate('unusable', `at the end, ${JSON.stringify(key)} failed with ${String(reason)}`)
      }
      this.#await(this.#askUntilLetIn(key, { key, load }).then(check, refuse), {
        what: `the last call for ${JSON.stringify(key)}`,
        by,
      })
    }
    this.#steppedAt = scheduler.now()
    await scheduler.run(() => {})
    this.#checkEnd()
  }

  /** Who a limit turns away comes again: nothing is blocked for good. */
  async #askUntilLetIn(key: string, value: Value): Promise<unknown> {
    for (;;) {
      try {
        return await this.#processor.getCachedData(key, () => value)
      } catch (reason) {
        if (!this.#referee.isLimit(reason)) throw reason
        const waitMs = reason instanceof RateLimitedError ? Math.ceil(reason.retryAfterMs) : 1
        await new Promise<void>((resolve) => this.scheduler.in(waitMs, resolve))
      }
    }
  }

  #checkCounts(metrics: ProcessorMetrics): void {
    const { requested, hits, joined, deduplicated, led, missed, succeeded, failed, dropped, inFlight, waiting, running } = metrics
    const { history } = this
    // A closed processor does not wait for callbacks that never end.
    const mayBeBusy = this.#referee.isClosed && history.isRunning
    if (inFlight + waiting + running > 0 && !mayBeBusy)
      history.violate('busy', `${inFlight} in flight, ${waiting} waiting, ${running} running, with nothing to do`)
    const adds = requested === hits + joined + deduplicated + led + missed && led === succeeded + failed + dropped + inFlight
    if (!adds) history.violate('counts', JSON.stringify(metrics))
    const tiers = metrics.tiers.flatMap((tier) => Object.entries(tier)).map(([name, count]) => [`tier's ${name}`, count] as const)
    for (const [name, count] of [...Object.entries(metrics), ...tiers])
      if (typeof count === 'number' && count > 0) history.meet(`counted: ${name}`)
    const { concurrency } = metrics
    if (concurrency === undefined) return
    history.meet(`adaptive: ${concurrency.reason}`)
    const { min = 0, max = 0 } = this.#program.config.adaptiveConcurrency ?? {}
    if (concurrency.limit < min || concurrency.limit > max) history.violate('adaptive', JSON.stringify(concurrency))
  }
}
