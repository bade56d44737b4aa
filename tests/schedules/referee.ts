/** Whether what callers are given is what they may be given: theirs, not obsolete, and failed for a reason there is. */

import {
  BatchError,
  type BatchOutcome,
  CircularFetchError,
  ClosedError,
  EngineCrashError,
  FetchTimeoutError,
  OverloadedError,
  RateLimitedError,
  SluiceError,
} from '../../js/index.js'
import { type Asked, type History, Thrown } from './history.js'
import type { CallSpec, How, Program } from './program.js'

export class Referee {
  /** Nothing in the program takes long or has a short deadline, so no deadline is ever met. */
  readonly isPrompt: boolean
  /** Something may go on in the background that nobody waits for. */
  readonly refreshes: boolean
  isClosed = false
  readonly #history: History
  readonly #mayOverload: boolean
  readonly #mayLimit: boolean

  constructor(program: Program, history: History) {
    const text = JSON.stringify(program)
    this.isPrompt = !/"never"|fetchTimeoutMs/.test(text)
    this.refreshes = /staleWhileRevalidate|earlyRefresh/.test(text)
    this.#history = history
    this.#mayOverload = program.config.maxQueue !== undefined
    this.#mayLimit = program.config.rateLimit?.some(({ onLimit }) => onLimit === 'reject') ?? false
  }

  /** What a call resolved to. */
  answer(how: How, asked: Asked, answer: unknown): void {
    // A stream that nothing is taken of does not begin.
    if (asked.isAborted && how !== 'stream') this.#violate('deaf', asked, 'answered though its signal was aborted before')
    if (how === 'prefetch' || how === 'stream') return
    const { keys, number, begun } = asked
    if (how === 'single') return this.#value(asked, 0, answer)
    const answers = answer as readonly unknown[]
    if (answers.length !== keys.length) this.#violate('order', asked, `${answers.length} answers for ${keys.length} requests`)
    if (how === 'settled') return this.#outcomes(asked, answers as BatchOutcome<unknown>[])
    for (const [at, key] of keys.entries()) this.#history.check(`call ${number}`, key, answers[at], begun)
  }

  /** What a call as a whole rejected with. */
  rejection(how: How, spec: CallSpec, asked: Asked, signal: AbortSignal | undefined, reason: unknown): void {
    const history = this.#history
    const { failFast, timeoutMs, ungroupable } = spec.options
    history.meet(`rejected: ${nameOf(reason)}`)
    if (signal?.aborted && reason === signal.reason) return
    if (this.mayRefuse(reason)) return
    if (ungroupable !== undefined && reason instanceof RangeError && !(reason instanceof SluiceError)) return
    if (timeoutMs !== undefined && nameOf(reason) === 'BatchTimeoutError') return
    if (reason instanceof BatchError) return this.#outcomes(asked, reason.results)
    if (how === 'single') return this.#reason(`call ${asked.number}`, asked.keys[0] as string, asked, reason)
    if (!failFast) return this.#violate('rejected', asked, `rejected with ${String(reason)}`)
    // That of one of its keys, whichever.
    if (reason === undefined || reason instanceof CircularFetchError) return
    const culprit = asked.keys.find((key) => (reason as { key?: string }).key === key) ?? asked.keys[0]
    this.#reason(`call ${asked.number}`, culprit as string, asked, reason)
  }

  /** One outcome of a call. */
  outcome(asked: Asked, outcome: BatchOutcome<unknown>): void {
    const { index, key, status, source } = outcome
    this.#history.meet(`${status}: ${source}`)
    if (key !== asked.keys[index]) return this.#violate('order', asked, `outcome ${index} is of ${JSON.stringify(key)}`)
    if (status === 'fulfilled') this.#value(asked, index, outcome.value, source)
    else this.#reason(`call ${asked.number} (${source})`, key, asked, outcome.reason)
  }

  /** Whether a call may reject with `reason` whatever it asks for. */
  mayRefuse(reason: unknown): boolean {
    if (reason instanceof ClosedError) return this.isClosed
    return reason instanceof EngineCrashError && this.#history.isCrashed
  }

  /** Whether `reason` is that of a limit that there is: who comes again later is let in. */
  isLimit(reason: unknown): reason is OverloadedError | RateLimitedError {
    if (reason instanceof OverloadedError) return this.#mayOverload
    return (
      reason instanceof RateLimitedError &&
      this.#mayLimit &&
      reason.retryAfterMs > 0 &&
      reason.retryAfterMs < Number.POSITIVE_INFINITY
    )
  }

  #outcomes(asked: Asked, outcomes: readonly BatchOutcome<unknown>[]): void {
    for (const [at, outcome] of outcomes.entries()) {
      if (outcome.index !== at) this.#violate('order', asked, `the outcome at ${at} has index ${outcome.index}`)
      this.outcome(asked, outcome)
    }
    if (!asked.shares) return
    const first = new Map<string, BatchOutcome<unknown>>()
    for (const outcome of outcomes) {
      const other = first.get(outcome.key) ?? outcome
      first.set(outcome.key, other)
      const isSame = outcome.status === other.status && loadOf(outcome) === loadOf(other)
      if (!isSame) this.#violate('shared', asked, `${JSON.stringify(outcome.key)} has two answers`)
    }
  }

  #value(asked: Asked, index: number, value: unknown, source?: string): void {
    const what = source === undefined ? `call ${asked.number}` : `call ${asked.number} (${source})`
    const key = asked.keys[index] as string
    this.#history.check(what, key, value, asked.begun)
    if (source === 'memory') this.#history.checkKept(what, key, value, asked.begun)
  }

  /** What one key failed with. */
  #reason(what: string, key: string, asked: Asked, reason: unknown): void {
    const history = this.#history
    history.meet(`failed: ${nameOf(reason)}`)
    if (reason instanceof Thrown || reason === undefined) return history.check(what, key, reason, asked.begun)
    const rule = this.#ruleBrokenBy(key, reason)
    if (rule !== undefined) history.violate(rule, `${what}: ${JSON.stringify(key)} failed with ${String(reason)}`)
  }

  #ruleBrokenBy(key: string, reason: unknown): string | undefined {
    const history = this.#history
    // An `AbortError` of somebody else's, for one.
    if (!(reason instanceof SluiceError)) return 'alien'
    if (reason instanceof CircularFetchError) return reason.path.includes(key) ? undefined : 'alien'
    if (reason instanceof EngineCrashError) return history.isCrashed ? undefined : 'crash'
    if (reason.key !== key) return 'alien'
    if (reason instanceof OverloadedError || reason instanceof RateLimitedError)
      return this.isLimit(reason) ? undefined : 'limited'
    const isStuck = reason instanceof FetchTimeoutError && this.isPrompt
    return isStuck ? 'stuck' : undefined
  }

  #violate(rule: string, asked: Asked, text: string): void {
    this.#history.violate(rule, `call ${asked.number}: ${text}`)
  }
}

function loadOf(outcome: BatchOutcome<unknown>): unknown {
  const answer = outcome.status === 'fulfilled' ? outcome.value : outcome.reason
  // Errors of ours are made for each request.
  const { load, code } = (answer ?? {}) as { load?: number; code?: string }
  return load ?? code ?? answer
}

function nameOf(reason: unknown): string {
  return reason instanceof Error ? reason.constructor.name : typeof reason
}
