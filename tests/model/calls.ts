/** The naive model's callbacks: queued, started by priority under their batch's limit, answered, tried again, ended. */

import { Landing } from './landing.js'
import { type Load, type ModelBatch, type ModelCall, type Outcome, show } from './loads.js'
import { type Answer, RETRY_AFTER_MS, type Setting } from './operations.js'
import { answerAt, groupKeyOf, membersOf, reasonOf, remove, take, takeAll, valueFor } from './rules.js'

export const BACKOFF_MS = 10
export const MAX_BACKOFF_MS = 15
export const RETRY_RATIO = 0.5
export const BREAKER = { failures: 2, coolDownMs: 30 }
/** Calls started meanwhile for which a call waiting gains a step of priority. */
const AGEING = 100
const FOREVER = Number.POSITIVE_INFINITY

/** A call that waits for a `settle` operation. */
export interface Pending {
  readonly number: number
  answer(answer: Answer): void
}

export abstract class Calls extends Landing {
  /** Callbacks called and signals aborted. */
  readonly log: string[] = []
  readonly pending: Pending[] = []
  protected readonly batches: ModelBatch[] = []
  #calls = 0
  readonly #opened: ModelBatch[] = []
  #retries: number
  /** By name, of groups that failed since they last did not. */
  readonly #breakers = new Map<string, { failures: number; openUntil: number; reason: string }>()

  constructor(setting: Setting) {
    super(setting)
    this.#retries = setting.retryBurst
  }

  get running(): number {
    return this.batches.reduce((sum, batch) => sum + batch.running, 0)
  }

  protected enqueue(lane: ModelBatch, members: Load[], isGroup: boolean): void {
    const call: ModelCall = {
      lane,
      isGroup,
      members,
      loads: members,
      state: 'queued',
      queuedAt: lane.clock,
      deadline: undefined,
      number: 0,
      isAbandoned: false,
      isAborted: false,
      hasEnded: false,
      isForgotten: false,
      watches: false,
      missing: new Map(),
    }
    lane.queue.push(call)
    for (const load of members) {
      load.call = call
      load.retryAt = undefined
    }
    const { queueTimeoutMs } = lane.options
    if (queueTimeoutMs < FOREVER) call.deadline = this.setDeadline(queueTimeoutMs, () => this.#queueIsDue(call))
  }

  /** With what has been noted, slots have become free: all of them, before others get them. */
  protected override hear(): void {
    super.hear()
    for (const lane of this.#opened.splice(0).reverse()) this.start(lane)
  }

  /** Gives free slots away: to the highest rank, first come first among equals. */
  protected start(lane: ModelBatch): void {
    while (lane.running < lane.options.maxConcurrency && lane.queue.length > 0) {
      const call = lane.queue.reduce((best, next) => (rankOf(next) < rankOf(best) ? next : best))
      remove(lane.queue, call)
      lane.running++
      lane.clock++
      call.state = 'running'
      call.loads = [...call.members]
      this.counts.calls++
      this.cancel(call.deadline)
      const { fetchTimeoutMs } = lane.options
      call.deadline = fetchTimeoutMs === FOREVER ? undefined : this.setDeadline(fetchTimeoutMs, () => this.#fetchIsDue(call))
      for (const load of call.members) {
        if (load.attempts++ === 0) this.#retries = Math.min(this.#retries + RETRY_RATIO, this.setting.retryBurst)
      }
      this.tasks.push(() => this.#run(call))
    }
  }

  protected override abortCall(call: ModelCall, reason: string): void {
    call.isAbandoned = true
    if (call.isAborted) return
    call.isAborted = true
    if (call.watches) this.log.push(`abort ${call.number}: ${reason}`)
  }

  protected override detach(call: ModelCall): void {
    if (call.state === 'running') call.lane.running--
    else remove(call.lane.queue, call)
    call.state = 'ended'
    this.cancel(call.deadline)
  }

  #run(call: ModelCall): void {
    if (call.isAbandoned) return this.#ended(call)
    if (call.isGroup && this.#refuse(call)) return
    call.number = ++this.#calls
    if (call.isGroup) this.#runGroup(call)
    else this.#runOne(call, call.loads[0] as Load)
  }

  #runOne(call: ModelCall, load: Load): void {
    const { number } = call
    const { origin, spec } = load.request
    call.watches = spec.behaviour.watches
    this.log.push(`${number}: ${origin} ${show(load.key)} attempt ${load.attempts - load.refusals}`)
    const end = ({ fails, value, error }: Pick<Answer, 'fails' | 'value' | 'error'>): void => {
      if (call.isAbandoned) return this.#ended(call)
      if (fails) this.#fail(call, load, reasonOf(error, load.key, number))
      else this.#succeed(call, load, valueFor(value, load.key, number))
      call.isForgotten = true
    }
    const answer = answerAt(spec.behaviour, load.attempts - load.refusals)
    if (spec.behaviour.when === 'now') end(answer)
    else if (spec.behaviour.when === 'soon') this.soon.push(() => end(answer))
    else this.pending.push({ number, answer: end })
  }

  /** Its group has failed so often that it is left alone; answers whether that is so. */
  #refuse(call: ModelCall): boolean {
    for (const load of call.loads) {
      load.source = 'group'
      call.missing.set(load.key, [...(call.missing.get(load.key) ?? []), load])
    }
    const breaker = this.#breakers.get(groupKeyOf(call) ?? '')
    if (breaker === undefined || breaker.failures < BREAKER.failures) return false
    if (this.now >= breaker.openUntil) {
      breaker.openUntil = this.now + BREAKER.coolDownMs
      return false
    }
    for (const load of call.loads) load.refusals++
    this.#fallBackSome(call, 'ERR_GROUP_BREAKER_OPEN', breaker.reason)
    return true
  }

  #runGroup(call: ModelCall): void {
    const { number, lane, loads } = call
    call.watches = lane.number % 2 === 0
    const keys = loads.map(({ key }) => key)
    this.log.push(`${number}: group ${lane.number} ${show(groupKeyOf(call))} ${show(keys)}`)
    this.pending.push({ number, answer: (answer) => this.#answerGroup(call, keys, answer) })
  }

  #answerGroup(call: ModelCall, keys: readonly string[], answer: Answer): void {
    const { number } = call
    if (answer.fails) return this.#failGroup(call, reasonOf(answer.error, 'group', number))
    const isShapeless = answer.shape === 'short array' || answer.shape === 'number'
    for (const member of isShapeless ? [] : membersOf(keys, answer)) {
      if (call.isAbandoned) break
      const { key, kind } = member
      for (const load of take(call, member)) {
        if (kind === 'plain' || kind === 'final') this.#fail(call, load, reasonOf(kind, key, number))
        else this.#succeed(call, load, valueFor(kind, key, number))
      }
      // What comes pair by pair is heard pair by pair, the rest at once.
      if (answer.shape === 'iterable' || answer.shape === 'async') this.runTasks()
    }
    this.runTasks()
    if (call.isAbandoned) return this.#ended(call)
    this.#breakers.delete(groupKeyOf(call) ?? '')
    for (const load of takeAll(call)) {
      if (isShapeless) this.#fail(call, load, `ERR_GROUP_CONTRACT ${show(load.key)} ${show(groupKeyOf(call))}`)
      else this.#answerMissing(call, load)
    }
    this.#endGroup(call)
  }

  #answerMissing(call: ModelCall, load: Load): void {
    const { onMissing } = load.batch.options
    if (onMissing === 'fallback') this.#fallBack(call, load)
    else if (onMissing === 'error') this.#fail(call, load, `ERR_MISSING_RESULT ${show(load.key)} ${show(groupKeyOf(call))}`)
    else this.#succeed(call, load, onMissing === 'null' ? null : undefined)
  }

  #failGroup(call: ModelCall, reason: string): void {
    if (!call.isAbandoned) this.runTasks()
    if (call.isAbandoned) return this.#ended(call)
    const name = groupKeyOf(call) ?? ''
    const failures = (this.#breakers.get(name)?.failures ?? 0) + 1
    this.#breakers.set(name, { failures, openUntil: this.now + BREAKER.coolDownMs, reason })
    this.#fallBackSome(call, 'ERR_GROUP_FETCH', reason)
  }

  #fallBackSome(call: ModelCall, code: string, reason: string): void {
    for (const [position, load] of takeAll(call).entries()) {
      if (position < load.batch.options.groupFallbackLimit) this.#fallBack(call, load)
      else this.#fail(call, load, `${code} ${show(load.key)} ${show(groupKeyOf(call))} ${reason}`)
    }
    this.#endGroup(call)
  }

  /** Its callback is through; the slot may still be held for keys that nobody waits for any longer. */
  #endGroup(call: ModelCall): void {
    this.runTasks()
    if (call.isAbandoned) this.#ended(call)
    call.isForgotten = true
  }

  #succeed(call: ModelCall, load: Load, value: unknown): void {
    if (load.isLive && !call.isForgotten) this.noted.push(() => this.#settle(call, load, { value }, false))
  }

  #fail(call: ModelCall, load: Load, reason: string): void {
    if (!load.isLive || call.isForgotten) return
    const isFinal = reason.startsWith('Final') || reason.startsWith('ERR_QUEUE_TIMEOUT')
    const mayRetry = !isFinal && load.attempts < load.batch.options.attempts
    this.noted.push(() => this.#settle(call, load, { reason }, mayRetry))
  }

  #settle(call: ModelCall, load: Load, answer: Outcome['answer'], mayRetry: boolean): void {
    load.settledAt = this.now
    if (load.call !== call) {
      this.counts.late++
      return
    }
    const retries = mayRetry && load.waiters.length > 0 && this.#retries >= 1
    // By itself, or as the cause of a group's failure.
    if (retries) this.#tryAgain(load, 'reason' in answer && answer.reason.includes('Hinted: ') ? RETRY_AFTER_MS : 0)
    remove(call.members, load)
    if (call.members.length === 0) this.detach(call)
    if (retries) load.call = undefined
    else this.land(load, answer)
    this.#opened.push(call.lane)
  }

  #tryAgain(load: Load, hint: number): void {
    this.#retries--
    this.counts.retried++
    const delay = Math.min(BACKOFF_MS * 2 ** (load.attempts - 1), MAX_BACKOFF_MS)
    load.retryAt = this.setDeadline(Math.max(delay, hint), () => {
      this.enqueue(load.batch, [load], false)
      this.start(load.batch)
    })
  }

  #fallBack(call: ModelCall, load: Load): void {
    if (!load.isLive || call.isForgotten || load.call !== call) return
    load.source = 'fetch'
    if (load.waiters.length > 0) this.enqueue(load.batch, [load], false)
    this.#leaveCall(call, load)
    if (load.waiters.length === 0) this.drop(load)
    this.start(load.batch)
    this.runTasks()
  }

  #fetchIsDue(call: ModelCall): void {
    this.counts.timedOut++
    if (call.members.length === 0) return this.#endCall(call)
    this.tasks.push(() => {
      if (call.isAbandoned) return this.#ended(call)
      const reason = `ERR_FETCH_TIMEOUT ${show(call.isGroup ? groupKeyOf(call) : call.loads[0]?.key)}`
      if (call.isGroup) this.#failGroup(call, reason)
      else this.#fail(call, call.loads[0] as Load, reason)
      call.isForgotten = true
      this.abortCall(call, 'ERR_FETCH_TIMEOUT')
    })
  }

  #queueIsDue(call: ModelCall): void {
    this.counts.timedOut++
    const refused = [...call.members]
    this.tasks.push(() => {
      this.hear()
      // It may have got its slot in the same moment.
      if (call.state !== 'queued') return
      for (const load of refused) this.#fail(call, load, `ERR_QUEUE_TIMEOUT ${show(load.key)}`)
    })
  }

  /** A callback that nobody listens to any longer has ended. */
  #ended(call: ModelCall): void {
    call.isForgotten = true
    if (call.hasEnded) return
    call.hasEnded = true
    // What was noted before comes first: who has waited too long in that moment does not get its slot.
    this.hear()
    this.counts.late++
    this.#endCall(call)
  }

  #leaveCall(call: ModelCall, load: Load): void {
    remove(call.members, load)
    if (call.members.length === 0) this.#endCall(call)
  }

  #endCall(call: ModelCall): void {
    if (call.state === 'ended') return
    this.detach(call)
    this.start(call.lane)
  }
}

/** The lowest starts first. */
function rankOf({ queuedAt, members }: ModelCall): number {
  const priorities = members.flatMap(({ waiters }) => waiters.map(({ priority }) => priority))
  return queuedAt - AGEING * Math.max(...priorities)
}
