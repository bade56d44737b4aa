/**
 * The naive model: what a processor must do, written down without regard to cost. Plain lists, searched from end to end; one queue of tasks, one
 * of what comes a microtask later; no promises. The driver asks it and the processor the same and compares.
 */

import { ModelCache } from './cache.js'
import { type Deadline, type Load, type ModelBatch, type ModelCall, type Outcome, show, type Waiter } from './loads.js'
import { type Answer, type Behaviour, KEYS, type OptionsSpec, type RequestSpec, RETRY_AFTER_MS, type Setting } from './operations.js'
import { answerAt, estimateOf, groupKeyOf, groupOf, isGroupable, membersOf, reasonOf, remove, take, takeAll, valueOf, verdictOf } from './rules.js'

export const BACKOFF_MS = 10
export const MAX_BACKOFF_MS = 15
export const RETRY_RATIO = 0.5
/** Calls started meanwhile for which a call waiting gains a step of priority. */
const AGEING = 100
const FOREVER = Number.POSITIVE_INFINITY

export interface ModelRequest {
  readonly spec: RequestSpec
  readonly key: string
  /** The batch and position it was made in; a refresh repeats it. */
  readonly origin: string
}

export class Model {
  now = 1000
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
  readonly log: string[] = []
  readonly settled = new Map<number, string>()
  readonly pending: { readonly number: number; answer(answer: Answer): void }[] = []
  readonly #setting: Setting
  readonly #batches: ModelBatch[] = []
  /** In the order they began. */
  #loads: { load: Load; request: ModelRequest }[] = []
  readonly #joinable = new Map<string, Load>()
  #deadlines: Deadline[] = []
  #tasks: (() => void)[] = []
  #soon: (() => void)[] = []
  #isRunning = false
  #order = 0
  #callNumber = 0
  #retries: number

  constructor(setting: Setting) {
    this.#setting = setting
    this.cache = new ModelCache(setting)
    this.#retries = setting.retryBurst
  }

  get inFlight(): number {
    return this.#loads.length
  }

  get waiting(): number {
    return this.#loads.reduce((sum, { load }) => sum + load.waiters.length, 0)
  }

  get running(): number {
    return this.#batches.reduce((sum, batch) => sum + batch.running, 0)
  }

  get nextDeadline(): number {
    return this.#deadlines.reduce((min, { at }) => Math.min(min, at), FOREVER)
  }

  // What the driver does.

  batch(number: number, how: ModelBatch['how'], specs: readonly RequestSpec[], options: OptionsSpec, signal: AbortSignal | undefined): void {
    const requests = specs.map((spec, index): ModelRequest => ({ spec, key: KEYS[spec.key] as string, origin: `${number}.${index}` }))
    if (signal?.aborted) this.settled.set(number, `rejected ${signal.reason}`)
    else this.#section(() => this.#begin(number, how, requests, options, signal, false))
    this.drain()
  }

  /** What `get` and its kin look up. Answers one value or reason for each key. */
  find(keys: readonly string[]): { readonly value: unknown }[] {
    this.counts.requested += keys.length
    return keys
      .map((key) => this.cache.look(key, this.now))
      .map((found) => {
        if (found.is !== 'miss') this.counts.hits++
        else {
          this.counts.led++
          this.counts.failed++
        }
        return { value: found.is === 'hit' ? found.value : undefined }
      })
  }

  memoryGet(key: string): unknown {
    const found = this.cache.look(key, this.now)
    if (found.is !== 'hit') return undefined
    this.counts.requested++
    this.counts.hits++
    return found.value
  }

  set(key: string, value: unknown, ttl: number | undefined, weight: number, tags: readonly string[] = []): void {
    this.#fence(key)
    const life = value === undefined ? 0 : this.#ttlOf(ttl, value)
    if (life <= 0) this.cache.remove(key, this.now)
    else this.cache.put(key, value, life, weight, tags, false, this.now)
  }

  delete(key: string): boolean {
    this.#fence(key)
    return this.cache.remove(key, this.now)
  }

  invalidate(matches: (key: string, tags: ReadonlySet<string>) => boolean): number {
    for (const { load } of this.#loads) if (matches(load.key, load.tags)) this.#fence(load.key)
    return this.cache.removeWhere((key, { tags }) => matches(key, tags), this.now)
  }

  abort(signal: AbortSignal): void {
    for (const batch of this.#batches) {
      if (batch.signal === signal && !batch.isOver) {
        this.#abandon(batch, String(signal.reason))
        this.#runTasks()
      }
    }
    this.drain()
  }

  answer(index: number, answer: Answer): void {
    const [pending] = this.pending.splice(index, 1)
    pending?.answer(answer)
    this.#runTasks()
    this.drain()
  }

  advance(ms: number): void {
    const end = this.now + ms
    while (this.nextDeadline <= end) {
      this.#moveTo(this.nextDeadline)
      while (this.nextDeadline <= this.now) this.#takeDeadline().due()
      this.#runTasks()
      this.drain()
    }
    this.#moveTo(end)
  }

  drain(): void {
    for (let next = this.#soon.shift(); next !== undefined; next = this.#soon.shift()) {
      next()
      this.#runTasks()
    }
  }

  // The path of a batch.

  #begin(
    number: number,
    how: ModelBatch['how'],
    requests: readonly ModelRequest[],
    options: OptionsSpec,
    signal: AbortSignal | undefined,
    isRefresh: boolean,
  ): void {
    const keys = requests.map(({ key }) => key)
    const batch: ModelBatch = {
      number, how, keys, options, startedAt: this.now, signal, isRefresh, outcomes: [], reasons: [], deadline: undefined,
      waiting: 0, isSealed: false, isDone: false, isOver: false, running: 0, clock: 0, queue: [],
    } // biome-ignore format: a list of zeros
    this.counts.requested += keys.length
    const reads = options.deduplication && (options.cache === 'default' || options.cache === 'only-if-cached')
    if (reads && keys.length > 0) this.cache.keepStale(options.staleWhileRevalidate)
    const stale: ModelRequest[] = []
    const missing: number[] = []
    for (const [index, key] of keys.entries()) {
      const found = reads ? this.cache.look(key, this.now, options.staleWhileRevalidate) : ({ is: 'miss' } as const)
      if (found.is === 'miss') {
        missing.push(index)
        continue
      }
      this.counts.hits++
      const { value } = found
      const isFailure = found.is === 'failure'
      if (isFailure) batch.reasons.push(value as string)
      const answer = isFailure ? { reason: value as string } : { value }
      batch.outcomes[index] = { source: found.is === 'stale' ? 'stale' : 'memory', load: undefined, answer }
      if (found.is === 'stale') stale.push(requests[index] as ModelRequest)
    }
    if (missing.length > 0) this.#open(batch)
    const led = missing.flatMap((index) => this.#admit(batch, index, requests[index] as ModelRequest))
    if (stale.length > 0) {
      const rest = { failFast: false, timeoutMs: FOREVER, queueTimeoutMs: FOREVER, cache: 'reload' as const }
      this.#tasks.push(() => this.#begin(number, 'settled', stale, { ...options, ...rest }, undefined, true))
    }
    batch.isSealed = true
    if (batch.waiting === 0) this.#afterAnswer(batch)
    if (options.failFast && batch.reasons.length > 0) this.#abandon(batch, batch.reasons[0] as string)
    else this.#queue(batch, led)
  }

  #open(batch: ModelBatch): void {
    const { staleIfError, timeoutMs } = batch.options
    this.cache.keepStale(staleIfError)
    this.#batches.push(batch)
    if (timeoutMs < FOREVER) {
      batch.deadline = this.#setDeadline(timeoutMs, () => {
        batch.deadline = undefined
        this.#tasks.push(() => this.#abandon(batch, `ERR_BATCH_TIMEOUT ${timeoutMs}`))
      })
    }
  }

  #admit(batch: ModelBatch, index: number, request: ModelRequest): Load[] {
    const { options } = batch
    const { key, spec } = request
    const isShared = options.deduplication && options.cache !== 'only-if-cached'
    const joined = isShared ? this.#joinable.get(key) : undefined
    if (joined === undefined) this.counts.led++
    else if (joined.waiters.at(-1)?.batch === batch) this.counts.deduplicated++
    else this.counts.joined++
    const load: Load = joined ?? {
      key, request: spec, batch, shared: isShared, tags: new Set(), ttl: undefined, fenced: false, isLive: true, waiters: [], call: undefined,
      retryAt: undefined, group: undefined, source: 'fetch', attempts: 0, settledAt: 0, answer: undefined,
    } // biome-ignore format: a list of zeros
    load.waiters.push({ batch, index, priority: spec.priority ?? 0, leads: joined === undefined })
    batch.waiting++
    const ttl = options.cache === 'no-store' ? 0 : spec.ttl
    if (ttl !== undefined) load.ttl = Math.min(load.ttl ?? FOREVER, ttl)
    for (const tag of spec.tags ?? []) load.tags.add(tag)
    if (joined !== undefined) return []
    this.#loads.push({ load, request })
    if (isShared) this.#joinable.set(key, load)
    return [load]
  }

  #queue(batch: ModelBatch, led: readonly Load[]): void {
    const { options } = batch
    if (led.length === 0) return
    if (options.cache === 'only-if-cached') {
      for (const load of led) {
        load.settledAt = this.now
        this.#land(load, { reason: `ERR_NOT_CACHED ${show(load.key)}` })
      }
      return
    }
    if (options.groupingStrategy === 'custom' && led.some(({ key }) => !isGroupable(key))) return this.#abandon(batch, 'Error: no group')
    for (const load of led) load.group = groupOf(load.key, options.groupingStrategy)
    const groups: Load[][] = []
    for (const load of led) {
      const same = groups.find(([first]) => load.group !== undefined && first?.group === load.group)
      if (same === undefined || !options.groups) groups.push([load])
      else same.push(load)
    }
    for (const group of groups) {
      for (let at = 0; at < group.length; at += options.maxBatchSize) {
        const chunk = group.slice(at, at + options.maxBatchSize)
        this.#enqueue(batch, chunk, chunk.length > 1)
      }
    }
    this.#start(batch)
  }

  // Calls: queued, started, answered, ended.

  #enqueue(lane: ModelBatch, members: Load[], isGroup: boolean): void {
    const call: ModelCall = {
      lane, isGroup, members, loads: members, state: 'queued', queuedAt: lane.clock, order: ++this.#order, deadline: undefined, number: 0,
      isAbandoned: false, isAborted: false, hasEnded: false, isForgotten: false, watches: false, missing: new Map(),
    } // biome-ignore format: a list of zeros
    lane.queue.push(call)
    for (const load of members) {
      load.call = call
      load.retryAt = undefined
    }
    const { queueTimeoutMs } = lane.options
    if (queueTimeoutMs === FOREVER) return
    call.deadline = this.#setDeadline(queueTimeoutMs, () => {
      call.deadline = undefined
      this.counts.timedOut++
      const refused = [...call.members]
      this.#tasks.push(() => {
        // It may have got its slot in the same moment.
        if (call.state !== 'queued') return
        for (const load of refused) this.#fail(call, load, `ERR_QUEUE_TIMEOUT ${show(load.key)}`)
      })
    })
  }

  #start(lane: ModelBatch): void {
    while (lane.running < lane.options.maxConcurrency && lane.queue.length > 0) {
      const rank = ({ queuedAt, members }: ModelCall) => queuedAt - AGEING * Math.max(...members.flatMap(({ waiters }) => waiters.map(({ priority }) => priority)))
      const call = lane.queue.reduce((best, next) => (rank(next) < rank(best) ? next : best))
      lane.queue.splice(lane.queue.indexOf(call), 1)
      lane.running++
      lane.clock++
      call.state = 'running'
      call.loads = [...call.members]
      this.counts.calls++
      this.#cancel(call.deadline)
      const { fetchTimeoutMs } = lane.options
      call.deadline = fetchTimeoutMs === FOREVER ? undefined : this.#setDeadline(fetchTimeoutMs, () => this.#callIsDue(call))
      for (const load of call.members) {
        if (load.attempts++ === 0) this.#retries = Math.min(this.#retries + RETRY_RATIO, this.#setting.retryBurst)
      }
      this.#tasks.push(() => this.#run(call))
    }
  }

  #run(call: ModelCall): void {
    if (call.isAbandoned) return this.#ended(call)
    call.number = ++this.#callNumber
    if (call.isGroup) this.#runGroup(call)
    else this.#runOne(call, call.loads[0] as Load)
  }

  #runOne(call: ModelCall, load: Load): void {
    const { number } = call
    const { behaviour } = load.request
    const origin = this.#loads.find((other) => other.load === load)?.request.origin
    call.watches = behaviour.watches
    this.log.push(`${number}: ${origin} ${show(load.key)} attempt ${load.attempts}`)
    const end = ({ fails, value, error }: Pick<Answer, 'fails' | 'value' | 'error'>): void => {
      if (call.isAbandoned) return this.#ended(call)
      if (fails) this.#fail(call, load, reasonOf(error, load.key, number))
      else this.#succeed(call, load, valueOf(value, load.key, number))
      call.isForgotten = true
    }
    const answer = answerAt(behaviour, load.attempts)
    if (behaviour.when === 'now') end(answer)
    else if (behaviour.when === 'soon') this.#soon.push(() => end(answer))
    else this.pending.push({ number, answer: end })
  }

  #runGroup(call: ModelCall): void {
    const { number } = call
    call.watches = call.lane.number % 2 === 0
    const keys = call.loads.map(({ key }) => key)
    this.log.push(`${number}: group ${call.lane.number} ${show(groupKeyOf(call))} ${show(keys)}`)
    for (const load of call.loads) load.source = 'group'
    for (const load of call.loads) call.missing.set(load.key, [...(call.missing.get(load.key) ?? []), load])
    this.pending.push({ number, answer: (answer) => this.#answerGroup(call, keys, answer) })
  }

  #answerGroup(call: ModelCall, keys: readonly string[], answer: Answer): void {
    const { number } = call
    if (answer.fails) return this.#failGroup(call, reasonOf(answer.error, 'group', number))
    const isShapeless = answer.shape === 'short array' || answer.shape === 'number'
    for (const [key, value] of isShapeless ? [] : membersOf(keys, answer)) {
      if (call.isAbandoned) break
      for (const load of take(call, key)) {
        if (value === 'plain' || value === 'final') this.#fail(call, load, reasonOf(value, key, number))
        else this.#succeed(call, load, valueOf(value as Behaviour['value'], key, number))
        this.#runTasks()
      }
    }
    if (call.isAbandoned) return this.#ended(call)
    for (const load of takeAll(call)) {
      if (isShapeless) this.#fail(call, load, `ERR_GROUP_CONTRACT ${show(load.key)} ${show(groupKeyOf(call))}`)
      else this.#answerMissing(call, load)
      this.#runTasks()
    }
    this.#forgetGroup(call)
  }

  #answerMissing(call: ModelCall, load: Load): void {
    const { onMissing } = load.batch.options
    if (onMissing === 'fallback') this.#fallBack(call, load)
    else if (onMissing === 'error') this.#fail(call, load, `ERR_MISSING_RESULT ${show(load.key)} ${show(groupKeyOf(call))}`)
    else this.#succeed(call, load, onMissing === 'null' ? null : undefined)
  }

  #failGroup(call: ModelCall, reason: string): void {
    if (call.isAbandoned) return this.#ended(call)
    for (const [position, load] of takeAll(call).entries()) {
      if (position < load.batch.options.groupFallbackLimit) this.#fallBack(call, load)
      else this.#fail(call, load, `ERR_GROUP_FETCH ${show(load.key)} ${show(groupKeyOf(call))} ${reason}`)
      this.#runTasks()
    }
    this.#forgetGroup(call)
  }

  /** The callback is through. What nobody waited for any longer half-way still holds its slot. */
  #forgetGroup(call: ModelCall): void {
    if (call.isAbandoned) this.#ended(call)
    call.isForgotten = true
  }

  #succeed(call: ModelCall, load: Load, value: unknown): void {
    if (load.isLive && !call.isForgotten) this.#settle(call, load, { value }, false)
  }

  #fail(call: ModelCall, load: Load, reason: string): void {
    if (!load.isLive || call.isForgotten) return
    const isFinal = reason.startsWith('Final') || reason.startsWith('ERR_QUEUE_TIMEOUT')
    this.#settle(call, load, { reason }, !isFinal && load.attempts < load.batch.options.attempts)
  }

  #settle(call: ModelCall, load: Load, answer: Outcome['answer'], mayRetry: boolean): void {
    load.settledAt = this.now
    if (load.call !== call) {
      this.counts.late++
      return
    }
    if (mayRetry && load.waiters.length > 0 && this.#retries >= 1) {
      this.#retries--
      this.counts.retried++
      const delay = Math.min(BACKOFF_MS * 2 ** (load.attempts - 1), MAX_BACKOFF_MS)
      const hint = 'reason' in answer && answer.reason.startsWith('Hinted') ? RETRY_AFTER_MS : 0
      load.retryAt = this.#setDeadline(Math.max(delay, hint), () => {
        this.#enqueue(load.batch, [load], false)
        this.#start(load.batch)
      })
      this.#leaveCall(call, load)
      load.call = undefined
      return
    }
    remove(call.members, load)
    if (call.members.length === 0) this.#detach(call)
    this.#land(load, answer)
    this.#start(call.lane)
  }

  #fallBack(call: ModelCall, load: Load): void {
    if (!load.isLive || call.isForgotten || load.call !== call) return
    load.source = 'fetch'
    if (load.waiters.length > 0) this.#enqueue(load.batch, [load], false)
    this.#leaveCall(call, load)
    if (load.waiters.length === 0) this.#drop(load)
    this.#start(load.batch)
  }

  #callIsDue(call: ModelCall): void {
    call.deadline = undefined
    this.counts.timedOut++
    if (call.members.length === 0) return this.#endCall(call)
    this.#tasks.push(() => {
      const key = call.isGroup ? groupKeyOf(call) : call.loads[0]?.key
      const reason = `ERR_FETCH_TIMEOUT ${show(key)}`
      if (call.isAbandoned) return this.#ended(call)
      if (call.isGroup) this.#failGroup(call, reason)
      else this.#fail(call, call.loads[0] as Load, reason)
      call.isForgotten = true
      this.#abortCall(call, 'ERR_FETCH_TIMEOUT')
    })
  }

  #abortCall(call: ModelCall, reason: string): void {
    call.isAbandoned = true
    if (call.isAborted) return
    call.isAborted = true
    if (call.watches) this.log.push(`abort ${call.number}: ${reason}`)
  }

  /** A callback that nobody listens to any longer has ended. */
  #ended(call: ModelCall): void {
    call.isForgotten = true
    if (call.hasEnded) return
    call.hasEnded = true
    this.counts.late++
    this.#endCall(call)
  }

  #leaveCall(call: ModelCall, load: Load): void {
    remove(call.members, load)
    if (call.members.length === 0) this.#endCall(call)
  }

  #endCall(call: ModelCall): void {
    if (call.state === 'ended') return
    this.#detach(call)
    this.#start(call.lane)
  }

  #detach(call: ModelCall): void {
    if (call.state === 'running') call.lane.running--
    else remove(call.lane.queue, call)
    call.state = 'ended'
    this.#cancel(call.deadline)
    call.deadline = undefined
  }

  // Landing.

  #land(load: Load, answer: Outcome['answer']): void {
    load.answer = answer
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
    for (const batch of answered) this.#afterAnswer(batch)
  }

  #deliver({ batch, index, leads }: Waiter, load: Load, answer: Outcome['answer']): void {
    if (batch.isOver) return
    const grace = batch.options.staleIfError
    const stale = 'reason' in answer && grace > 0 ? this.cache.findStale(load.key, this.now, grace) : undefined
    if (stale !== undefined) batch.outcomes[index] = { source: 'stale', load: undefined, answer: { value: stale.value } }
    else {
      const outcome = { source: leads ? load.source : 'joined', load, answer }
      if ('reason' in answer) this.#reject(batch, index, outcome)
      else batch.outcomes[index] = outcome
    }
  }

  #reject(batch: ModelBatch, index: number, outcome: Outcome): void {
    batch.outcomes[index] = outcome
    const { reason } = outcome.answer as { reason: string }
    batch.reasons.push(reason)
    if (batch.options.failFast) this.#tasks.push(() => this.#abandon(batch, batch.reasons[0] as string))
  }

  #storeValue(load: Load, value: unknown): void {
    if (value === undefined) return
    if (load.fenced) {
      this.counts.fenced++
      return
    }
    const ttl = this.#ttlOf(load.ttl, value)
    if (ttl <= 0) return
    const older = this.#loads.filter((other) => other.load.key === load.key).map((other) => other.load)
    for (const other of older.slice(0, older.indexOf(load))) {
      other.fenced = true
      if (this.#joinable.get(load.key) === other) this.#joinable.delete(load.key)
    }
    const weight = this.#setting.maxWeight === FOREVER ? 0 : (load.request.weight ?? estimateOf(value))
    this.cache.put(load.key, value, ttl, weight, load.tags, false, this.now)
  }

  #storeFailure(load: Load, reason: string): void {
    const { errorTtl } = this.#setting
    if (errorTtl <= 0 || load.fenced || load.attempts === 0) return
    if (this.cache.findStale(load.key, this.now, FOREVER) !== undefined) return
    this.cache.put(load.key, reason, errorTtl, 0, [], true, this.now)
  }

  #ttlOf(ttl: number | undefined, value: unknown): number {
    const asked = ttl ?? this.#setting.ttl
    return value === null ? (this.#setting.negativeTtl ?? asked) : asked
  }

  // Leaving.

  #afterAnswer(batch: ModelBatch): void {
    if (!batch.isSealed || batch.isDone) return
    batch.isDone = true
    this.#cancel(batch.deadline)
    if (batch.isOver) return
    batch.isOver = true
    if (!batch.isRefresh) this.settled.set(batch.number, verdictOf(batch))
  }

  #abandon(batch: ModelBatch, reason: string): void {
    if (!batch.isOver && !batch.isRefresh) this.settled.set(batch.number, `rejected ${reason}`)
    batch.isOver = true
    if (batch.isDone) return
    const waits = this.#loads.flatMap(({ load }) => load.waiters.filter((waiter) => waiter.batch === batch).map((waiter) => ({ load, waiter })))
    for (const { load, waiter } of waits.sort((a, b) => a.waiter.index - b.waiter.index)) {
      if (!load.waiters.includes(waiter)) continue
      remove(load.waiters, waiter)
      if (load.waiters.length === 0) this.#giveUp(load)
    }
    batch.isDone = true
    this.#cancel(batch.deadline)
  }

  /** Nobody waits for `load` any longer. */
  #giveUp(load: Load): void {
    const { call } = load
    if (call === undefined) {
      this.#cancel(load.retryAt)
      return this.#drop(load)
    }
    if (call.state === 'queued') {
      remove(call.members, load)
      if (call.members.length === 0) this.#detach(call)
      return this.#drop(load)
    }
    if (call.lane.options.onOrphan === 'finish' || call.members.some(({ waiters }) => waiters.length > 0)) return
    call.isAbandoned = true
    this.#tasks.push(() => this.#abortCall(call, 'AbortError'))
    for (const member of call.members.splice(0)) this.#drop(member)
  }

  #drop(load: Load): void {
    this.counts.dropped++
    this.#end(load)
  }

  #end(load: Load): void {
    load.isLive = false
    this.#loads = this.#loads.filter((other) => other.load !== load)
    if (this.#joinable.get(load.key) === load) this.#joinable.delete(load.key)
  }

  #fence(key: string): void {
    for (const { load } of this.#loads) if (load.key === key) load.fenced = true
    this.#joinable.delete(key)
  }

  // Time and tasks.

  #setDeadline(ms: number, due: () => void): Deadline {
    const deadline = { at: this.now + ms, order: ++this.#order, due }
    this.#deadlines.push(deadline)
    return deadline
  }

  #cancel(deadline: Deadline | undefined): void {
    if (deadline !== undefined) this.#deadlines = this.#deadlines.filter((other) => other !== deadline)
  }

  #takeDeadline(): Deadline {
    const first = this.#deadlines.reduce((best, next) => (next.at < best.at ? next : best))
    this.#cancel(first)
    return first
  }

  #moveTo(at: number): void {
    this.now = at
    if (this.#setting.bounded) this.cache.purge(at)
  }

  #section(section: () => void): void {
    section()
    this.#runTasks()
  }

  #runTasks(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task()
    this.#isRunning = false
  }
}
