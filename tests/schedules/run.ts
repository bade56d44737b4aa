/** Runs one program to its end, when nothing is due any longer, and answers what should not have been. */

import { getEventListeners } from 'node:events'
import { retireInstance } from '../../js/engine/instance.js'
import {
  BatchError,
  type BatchOutcome,
  BatchProcessor,
  type BatchProgress,
  type BatchRequest,
  CircularFetchError,
  ClosedError,
  EngineCrashError,
  FetchTimeoutError,
  SluiceError,
} from '../../js/index.js'
import { Callbacks, type Caller, type World } from './callbacks.js'
import { type Asked, History, Thrown, type Violation } from './history.js'
import {
  type CallSpec,
  type EntrySpec,
  KEYS,
  keyAt,
  PATTERNS,
  PREFIXES,
  type Program,
  SIGNALS,
  type Step,
  TAGS,
  type Touch,
} from './program.js'
import { Random } from './random.js'
import { Scheduler } from './scheduler.js'
import { withSeed } from './seeded.js'
import { FaultyTier } from './tier.js'

export interface Report {
  readonly violations: readonly Violation[]
  /** Calls of the processor, calls of callbacks, and things that happened in virtual time. */
  readonly asked: number
  readonly calls: number
  readonly events: number
}

/** A promise of the processor's that has not settled yet. */
interface Pending {
  readonly what: string
  readonly signal: AbortSignal | undefined
  /** In virtual time; without stalls it settles by then. */
  readonly by: number
}

/** Where no callback ever hangs, nothing takes longer than so many milliseconds from the last step on. */
const PROMPT_MS = 10_000

export function run(program: Program): Promise<Report> {
  return withSeed(new Random(~program.order), () => new Runner(program).run())
}

class Runner implements World {
  readonly history: History
  readonly scheduler: Scheduler
  readonly #program: Program
  readonly #random: Random
  readonly #processor: BatchProcessor
  readonly #tiers: readonly FaultyTier[]
  /** No tier fails or hangs at what it is told to write or delete. */
  readonly #isFaithful: boolean
  readonly #signals: AbortController[] = Array.from({ length: SIGNALS }, () => new AbortController())
  readonly #allSignals: AbortSignal[] = []
  readonly #pending = new Set<Pending>()
  #isClosed = false
  #next = 0

  constructor(program: Program) {
    this.#program = program
    this.#random = new Random(program.order)
    this.scheduler = new Scheduler(this.#random)
    this.history = new History(this.scheduler, program.tiers.length > 0)
    this.#tiers = program.tiers.map((spec, index) => new FaultyTier(`tier ${index}`, spec, this.scheduler))
    this.#isFaithful = program.tiers.every(({ writes }) =>
      writes.every(({ when, fails }) => fails === 'no' && when !== 'never' && !(Number(when) >= 30)),
    )
    for (const { signal } of this.#signals) this.#allSignals.push(signal)
    const { retryBurst, ...config } = program.config
    this.#processor = new BatchProcessor({
      ...config,
      ...(retryBurst !== undefined && { retryBudget: { ratio: 0.5, burst: retryBurst } }),
      clock: this.scheduler,
      ...(this.#tiers.length > 0 && { storage: this.#tiers }),
    })
    this.#processor.on('refreshError', () => {
      throw new Error('a listener throws')
    })
  }

  async run(): Promise<Report> {
    this.#stepLater()
    const hasEnded = await this.scheduler.run(() => this.#checkTurn())
    if (!hasEnded) this.history.violate('endless', 'there is always something due')
    this.#checkEnd()
    if (hasEnded && !this.#isClosed) await this.#checkUse()
    const { violations, asked, calls } = this.history
    return { violations, asked: asked.length, calls, events: this.scheduler.events }
  }

  // What callbacks may do, too.

  call(spec: CallSpec, through: Caller | undefined): Promise<unknown> {
    const { how, requests, options } = spec
    const { history, scheduler } = this
    const keys = requests.map(({ key }) => keyAt(key))
    const config = this.#program.config
    const refreshes = Math.max(options.staleWhileRevalidate ?? config.staleWhileRevalidate ?? 0, config.earlyRefresh ?? 0) > 0
    const asked = history.ask(keys, {
      shares: options.deduplication ?? true,
      // What it finds stale is fetched by a batch of its own, with a limit of its own.
      limit: (options.maxConcurrency ?? 5) * (refreshes ? 2 : 1),
      fetchTimeoutMs: options.fetchTimeoutMs ?? 30_000,
    })
    const callbacks = new Callbacks(this, asked, requests)
    const signal = options.signal === undefined ? undefined : this.#signals[options.signal]?.signal
    const settings = callbacks.options(spec, { signal, onProgress: options.progress && this.#progress(asked, options.progress) })
    const what = `call ${asked.number} (${how})`
    // Who takes outcomes one by one hears of the end when it asks again.
    const by = how === 'stream' ? Number.POSITIVE_INFINITY : (options.timeoutMs ?? Number.POSITIVE_INFINITY) + scheduler.now()
    // Through a callback's context there are two ways to call.
    const way = through !== undefined && how !== 'single' ? 'values' : how
    const promise = this.#ask(way, callbacks.requests, settings, spec, asked, through)
    const checked = promise.then(
      (answer) => this.#checkAnswer(way, asked, answer),
      (reason: unknown) => {
        this.#checkRejection(way, spec, asked, signal, reason)
        throw reason
      },
    )
    this.#await(checked, {
      what,
      signal: how === 'stream' ? undefined : signal,
      by: callbacks.requests.length === 0 ? scheduler.now() : by,
    })
    return checked
  }

  touch(touch: Touch): void {
    const processor = this.#processor
    const isOfAll = touch.do === 'invalidate' ? touch.kind !== 'tag' : touch.where === 'all'
    // A closed processor refuses, and nothing has happened.
    if (!this.#isClosed || (touch.do !== 'invalidate' && !isOfAll)) this.#obsolete(touch, isOfAll)
    const settle = (promise: Promise<unknown>): void => {
      this.#await(promise.catch(this.#refuse), { what: touch.do, signal: undefined, by: Number.POSITIVE_INFINITY })
    }
    switch (touch.do) {
      case 'set': {
        const entries = touch.entries.map((entry) => this.#entry(entry))
        const [only] = entries
        if (touch.where === 'memory') return processor.memory.mset(entries)
        if (entries.length > 1 || only === undefined) return settle(processor.mset(entries))
        const { key, value, ...options } = only
        return settle(processor.set(key, value, options))
      }
      case 'delete': {
        const keys = touch.keys.map(keyAt)
        if (touch.where === 'all') return settle(processor.delete(keys))
        processor.memory.mdelete(keys)
        return
      }
      case 'clear':
        if (touch.where === 'all') return settle(processor.clear())
        return processor.memory.clear()
      case 'invalidate':
        return settle(processor.invalidate(targetOf(touch)))
    }
  }

  #stepLater(): void {
    const step = this.#program.steps[this.#next++]
    if (step === undefined) return
    this.scheduler.in(step.wait, () => {
      // Whatever it does, the next one comes.
      this.#stepLater()
      this.#step(step)
    })
  }

  #step(step: Step): void {
    const { scheduler } = this
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
        return this.#abort(step.signal)
      case 'stall':
        return scheduler.stall(step.ms)
      case 'jump':
        return scheduler.jumpWall(step.ms)
      case 'crash':
        this.history.crashes++
        return retireInstance(new Error('a crash on demand'))
      case 'close': {
        this.#isClosed = true
        const { mode, timeoutMs } = step
        const by = scheduler.now() + (mode === 'drain' ? timeoutMs : 0) + this.#tiersMs
        return this.#await(this.#processor.close({ mode, timeoutMs }).catch(this.#refuse), {
          what: `close (${mode})`,
          signal: undefined,
          by,
        })
      }
      default:
        return this.touch(step)
    }
  }

  /** What the tiers may take to write what is still to be written, and to close. */
  get #tiersMs(): number {
    return this.#tiers.length === 0 ? 0 : Number.POSITIVE_INFINITY
  }

  #ask(
    how: CallSpec['how'],
    requests: BatchRequest<unknown>[],
    options: Parameters<Callbacks['options']>[1] extends never ? never : ReturnType<Callbacks['options']>,
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
        return this.#consume(processor.streamCachedDataBatch(requests, options), spec.take ?? Number.POSITIVE_INFINITY, asked)
      case 'single': {
        const { key, fetchFunction, ...rest } = requests[0] as BatchRequest<unknown>
        return caller.getCachedData(key, fetchFunction, { ...rest, ...options })
      }
    }
  }

  async #consume(
    stream: AsyncIterableIterator<BatchOutcome<unknown>>,
    take: number,
    asked: Asked,
  ): Promise<BatchOutcome<unknown>[]> {
    const outcomes: BatchOutcome<unknown>[] = []
    const pause = this.#random.below(3)
    if (take === 0) await stream.return?.()
    for await (const outcome of stream) {
      outcomes.push(outcome)
      this.#checkOutcome(asked, outcome)
      if (outcomes.length >= take) break
      if (pause > 0) await new Promise<void>((resolve) => this.scheduler.in(pause, resolve))
    }
    const indexes = new Set(outcomes.map(({ index }) => index))
    if (indexes.size < outcomes.length)
      this.history.violate('order', `the stream of call ${asked.number} answered a request twice`)
    if (outcomes.length < Math.min(take, asked.keys.length))
      this.history.violate('order', `the stream of call ${asked.number} ended early`)
    return outcomes
  }

  #progress(asked: Asked, kind: 'counts' | 'throws'): (progress: BatchProgress) => void {
    let before = 0
    return ({ completed, failed, total }) => {
      const isRight = completed >= before && failed <= completed && completed <= total && total === asked.keys.length
      if (!isRight)
        this.history.violate('progress', `call ${asked.number}: ${completed} of ${total}, ${failed} failed, after ${before}`)
      before = completed
      if (kind === 'throws') throw new Error('a listener throws')
    }
  }

  #plan(spec: CallSpec): void {
    const asked = this.history.ask([], { shares: true, limit: 0, fetchTimeoutMs: 0 })
    const callbacks = new Callbacks(this, asked, spec.requests)
    const { signal: _, ...options } = callbacks.options(spec, { signal: undefined, onProgress: undefined })
    const promise = this.#processor.plan(callbacks.requests, options)
    this.#await(promise.catch(this.#refuseGroups), {
      what: 'plan',
      signal: undefined,
      by: this.scheduler.now(),
    })
  }

  #read(kind: 'get' | 'has' | 'mget', keys: readonly string[]): void {
    const processor = this.#processor
    const begun = this.history.stamp()
    const [key = ''] = keys
    const check = (values: readonly unknown[]): void => {
      values.forEach((value, at) => {
        if (value !== undefined) this.history.check(kind, keys[at] as string, value, begun)
      })
    }
    const promise =
      kind === 'get'
        ? processor.get(key).then((value) => check([value]))
        : kind === 'has'
          ? processor.has(key)
          : processor.mget(keys).then(check)
    this.#await(promise.catch(this.#refuse), { what: kind, signal: undefined, by: Number.POSITIVE_INFINITY })
  }

  #look(kind: 'get' | 'peek' | 'mget' | 'list', keys: readonly string[]): void {
    const { memory } = this.#processor
    const { history } = this
    const begun = history.stamp()
    const [key = ''] = keys
    const check = (key: string, value: unknown): void => {
      if (value !== undefined) history.check(`memory.${kind}`, key, value, begun)
    }
    if (kind === 'get') check(key, memory.get(key))
    else if (kind === 'peek') check(key, memory.peek(key))
    else if (kind === 'mget') memory.mget(keys).forEach((value, at) => check(keys[at] as string, value))
    else {
      for (const listed of memory.keys()) {
        if (!memory.has(listed)) history.violate('listed', `${JSON.stringify(listed)} is listed and not there`)
        check(listed, memory.peek(listed))
      }
    }
  }

  #abort(place: number): void {
    const controller = this.#signals[place] as AbortController
    controller.abort(`aborted ${place}`)
    this.#signals[place] = new AbortController()
    this.#allSignals.push(this.#signals[place].signal)
  }

  /** Notes what `touch` makes obsolete. */
  #obsolete(touch: Touch, beneath: boolean): void {
    const { history } = this
    switch (touch.do) {
      case 'set':
        return history.obsolete(
          touch.entries.map(({ key }) => keyAt(key)),
          { beneath },
        )
      case 'delete':
        return history.obsolete(touch.keys.map(keyAt), { beneath })
      case 'clear':
        return history.obsolete(KEYS, { beneath })
      case 'invalidate': {
        const { kind, pick } = touch
        if (kind === 'tag') return history.obsolete(KEYS, { beneath, tag: TAGS[pick] })
        const keys = KEYS.filter((key, place) => (kind === 'keys' ? place === pick : matches(kind, pick, key)))
        return history.obsolete(keys, { beneath })
      }
    }
  }

  #entry({ key: place, value: kind, tags, ...rest }: EntrySpec) {
    const { history } = this
    const key = keyAt(place)
    const named = tags?.map((tag) => TAGS[tag] as string) ?? []
    const begun = history.stamp()
    const { truth, load } = history.truth(key, begun, named)
    truth.landed = begun
    if (kind !== 'value') history.nothing(key, kind === 'null' ? null : undefined)
    const value = kind === 'value' ? { key, load } : kind === 'null' ? null : undefined
    return { ...rest, key, value, ...(tags && { tags: named }) }
  }

  #await(promise: Promise<unknown>, pending: Pending): void {
    this.#pending.add(pending)
    const settled = (): void => {
      this.#pending.delete(pending)
      const late = this.scheduler.now() - this.scheduler.stalledMs - pending.by
      if (late > 0) this.history.violate('late', `${pending.what} settled ${late} ms after its deadline`)
    }
    promise.then(settled, settled)
  }

  /** Passes on what is not the refusal of a closed processor. */
  readonly #refuse = (reason: unknown): void => {
    if (reason instanceof ClosedError && this.#isClosed) return
    if (reason instanceof EngineCrashError && this.history.isCrashed) return
    this.history.violate('refused', `a call without callbacks rejected: ${String(reason)}`)
  }

  readonly #refuseGroups = (reason: unknown): void => {
    if (!(reason instanceof RangeError) || reason instanceof SluiceError) this.#refuse(reason)
  }

  // The checks.

  #checkAnswer(how: CallSpec['how'], asked: Asked, answer: unknown): void {
    if (how === 'prefetch' || how === 'stream') return
    const { history } = this
    const { keys, number, begun } = asked
    if (how === 'single') return history.check(`call ${number}`, keys[0] as string, answer, begun)
    const answers = answer as readonly unknown[]
    if (answers.length !== keys.length)
      history.violate('order', `call ${number}: ${answers.length} answers for ${keys.length} requests`)
    if (how === 'settled') return this.#checkOutcomes(asked, answers as BatchOutcome<unknown>[])
    for (const [at, key] of keys.entries()) history.check(`call ${number}`, key, answers[at], begun)
  }

  #checkOutcomes(asked: Asked, outcomes: readonly BatchOutcome<unknown>[]): void {
    outcomes.forEach((outcome, at) => {
      if (outcome.index !== at)
        this.history.violate('order', `call ${asked.number}: the outcome at ${at} has index ${outcome.index}`)
      this.#checkOutcome(asked, outcome)
    })
    // Without an engine, one after the other is fetched.
    if (!asked.shares || this.history.isDegraded) return
    const first = new Map<string, BatchOutcome<unknown>>()
    for (const outcome of outcomes) {
      const other = first.get(outcome.key) ?? outcome
      first.set(outcome.key, other)
      if (outcome.status !== other.status || loadOf(outcome) !== loadOf(other)) {
        this.history.violate('shared', `call ${asked.number}: ${JSON.stringify(outcome.key)} has two answers`)
      }
    }
  }

  #checkOutcome(asked: Asked, outcome: BatchOutcome<unknown>): void {
    const { history } = this
    const key = asked.keys[outcome.index]
    if (key === undefined || outcome.key !== key) {
      return history.violate(
        'order',
        `call ${asked.number}: outcome ${outcome.index} is of ${JSON.stringify(outcome.key)}, not ${JSON.stringify(key)}`,
      )
    }
    const what = `call ${asked.number} (${outcome.source})`
    if (outcome.status === 'fulfilled') history.check(what, key, outcome.value, asked.begun)
    else this.#checkReason(what, key, asked, outcome.reason)
  }

  /** What one key failed with. */
  #checkReason(what: string, key: string, asked: Asked, reason: unknown): void {
    const { history } = this
    if (reason instanceof Thrown || reason === undefined) return history.check(what, key, reason, asked.begun)
    const known = reason as { name?: string; key?: string; code?: string; path?: readonly string[] }
    const text = () => `${what}: ${JSON.stringify(key)} failed with ${known?.name}: ${String((reason as Error)?.message)}`
    if (!(reason instanceof SluiceError)) return history.violate('alien', text())
    if (reason instanceof CircularFetchError) {
      if (!reason.path.includes(key)) history.violate('alien', text())
    } else if (reason instanceof EngineCrashError) {
      if (!history.isCrashed) history.violate('crash', text())
    } else if (known.key !== key) history.violate('alien', text())
    if (reason instanceof FetchTimeoutError && this.#isPrompt && !history.isDegraded) history.violate('stuck', text())
  }

  /** What a call as a whole failed with. */
  #checkRejection(how: CallSpec['how'], spec: CallSpec, asked: Asked, signal: AbortSignal | undefined, reason: unknown): void {
    const { history } = this
    const what = `call ${asked.number} (${how})`
    if (signal?.aborted && reason === signal.reason) return
    if (reason instanceof ClosedError && this.#isClosed) return
    if (reason instanceof EngineCrashError && history.isCrashed) return
    if (spec.options.ungroupable !== undefined && reason instanceof RangeError && !(reason instanceof SluiceError)) return
    const { code } = (reason ?? {}) as { code?: string }
    if (code === 'ERR_BATCH_TIMEOUT' && spec.options.timeoutMs !== undefined) return
    if (reason instanceof BatchError) return this.#checkOutcomes(asked, reason.results)
    if (how === 'single') return this.#checkReason(what, asked.keys[0] as string, asked, reason)
    if (!spec.options.failFast) return history.violate('rejected', `${what} rejected with ${String(reason)}`)
    const { key } = (reason ?? {}) as { key?: string }
    const culprit =
      key !== undefined && asked.keys.includes(key)
        ? key
        : asked.keys.find((other) => reason === undefined && other !== undefined)
    if (reason instanceof CircularFetchError || reason === undefined) return
    this.#checkReason(what, culprit ?? (asked.keys[0] as string), asked, reason)
  }

  /** No callback of the program hangs, and nothing has a short deadline. */
  get #isPrompt(): boolean {
    this.#prompt ??=
      !JSON.stringify(this.#program).includes('"never"') && !JSON.stringify(this.#program).includes('fetchTimeoutMs')
    return this.#prompt
  }
  #prompt: boolean | undefined

  /** Something may go on in the background that nobody waits for. */
  get #refreshes(): boolean {
    return /staleWhileRevalidate|earlyRefresh/.test(JSON.stringify(this.#program))
  }

  /** When all microtasks have run. */
  #checkTurn(): void {
    const now = this.scheduler.now()
    for (const pending of this.#pending) {
      if (pending.signal?.aborted) {
        this.history.violate('deaf', `${pending.what} is still waiting though its signal is aborted`)
        this.#pending.delete(pending)
      } else if (now - this.scheduler.stalledMs > pending.by) {
        this.history.violate('late', `${pending.what} is still waiting after its deadline`)
        this.#pending.delete(pending)
      }
    }
    if (this.#pending.size > 0 || this.#tiers.length > 0 || this.scheduler.timers === 0 || this.history.isCrashed) return
    // Nobody waits: if no callback is at work either, the processor must not hold the process.
    const isIdle = this.history.streams === 0 && this.history.asked.every(({ running }) => running.length === 0)
    if (isIdle && !this.#refreshes) this.history.violate('timer', `${this.scheduler.timers} timers are set with nothing to do`)
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
    if (this.#isFaithful && !this.#isClosed) this.#checkTiers()
  }

  /** Promise 5: no tier keeps what is obsolete. */
  #checkTiers(): void {
    const now = this.history.stamp()
    for (const { name, entries } of this.#tiers) {
      for (const [key, { value }] of entries) {
        if (value !== null) this.history.check(name, key, value, now)
      }
    }
  }

  /** It counts right, and every key can still be had. */
  async #checkUse(): Promise<void> {
    const { history, scheduler } = this
    this.#checkCounts(await this.#processor.metrics())
    const until = scheduler.now() + PROMPT_MS
    for (const key of new Set(history.asked.flatMap(({ keys }) => keys))) {
      const begun = history.stamp()
      const { load } = history.truth(key, begun, [])
      const promise = this.#processor.getCachedData(key, () => ({ key, load }))
      const check = (value: unknown): void => history.check('at the end', key, value, begun)
      const refuse = (reason: unknown): void => {
        // It may be a failure that is kept.
        if (!(reason instanceof Thrown) && reason !== undefined && this.#program.config.errorTtl === undefined)
          history.violate('unusable', `at the end, ${JSON.stringify(key)} failed with ${String(reason)}`)
      }
      this.#await(promise.then(check, refuse), {
        what: `the last call for ${JSON.stringify(key)}`,
        signal: undefined,
        by: until,
      })
    }
    await scheduler.run(() => {})
    this.#checkEnd()
    this.#checkCounts(await this.#processor.metrics())
  }

  #checkCounts(metrics: Awaited<ReturnType<BatchProcessor['metrics']>>): void {
    const { requested, hits, joined, deduplicated, led, missed, succeeded, failed, dropped, inFlight, waiting, running } = metrics
    if (inFlight + waiting + running > 0)
      this.history.violate('busy', `${inFlight} in flight, ${waiting} waiting, ${running} running, with nothing to do`)
    if (requested !== hits + joined + deduplicated + led + missed || led !== succeeded + failed + dropped) {
      this.history.violate('counts', JSON.stringify(metrics))
    }
  }
}

function loadOf(outcome: BatchOutcome<unknown>): unknown {
  const answer = outcome.status === 'fulfilled' ? outcome.value : outcome.reason
  // Errors of ours are made for each request.
  const { load, code } = (answer ?? {}) as { load?: number; code?: string }
  return load ?? code ?? answer
}

function targetOf({ kind, pick }: Touch & { do: 'invalidate' }): Parameters<BatchProcessor['invalidate']>[0] {
  switch (kind) {
    case 'keys':
      return { keys: [keyAt(pick)] }
    case 'prefix':
      return { prefix: PREFIXES[pick] as string }
    case 'pattern':
      return { pattern: PATTERNS[pick] as string }
    case 'tag':
      return { tag: TAGS[pick] as string }
  }
}

function matches(kind: 'prefix' | 'pattern', pick: number, key: string): boolean {
  if (kind === 'prefix') return key.startsWith(PREFIXES[pick] as string)
  const pattern = PATTERNS[pick] as string
  return new RegExp(`^${pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`, 'u').test(key)
}
