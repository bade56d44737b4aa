/**
 * What happened in a run, and in which order: where each value comes from, what made it obsolete, which callbacks run. Everything is stamped
 * by one counter, so that "before" and "after" have an answer. What must not be is noted as a violation.
 */

import { type ConfigSpec, headOf, KEYS } from './program.js'
import type { Scheduler } from './scheduler.js'

/** A moment: larger is later. */
export type Stamp = number

export interface Violation {
  /** Which rule: stays the same while a program is made smaller. */
  readonly rule: string
  readonly text: string
}

/** A call of the public API that asks for keys. */
export interface Asked {
  readonly number: number
  readonly keys: readonly string[]
  readonly begun: Stamp
  /** Its signal was aborted before. */
  readonly isAborted: boolean
  readonly shares: boolean
  /** Callbacks that may run at once. */
  readonly limit: number
  /** The same, of one group, whoever they are for. */
  readonly limitPerGroup: number
  /** The group that a key counts for, if any. */
  readonly groupOf: (key: string) => string | undefined
  /** What it groups may have keys of different heads. */
  readonly mixesHeads: boolean
  readonly fetchTimeoutMs: number
  /** How often each key had been made obsolete by then. */
  readonly generations: ReadonlyMap<string, number>
  /** Callbacks of it that have begun, without those known to be over. */
  readonly running: Run[]
}

/** What a call comes with. */
export type Terms = Omit<Asked, 'number' | 'keys' | 'begun' | 'generations' | 'running'>

/** A callback that was called. */
export interface Run {
  readonly asked: Asked
  /** Whose slots it takes, if any. */
  readonly group: string | undefined
  readonly begun: Stamp
  readonly endsAt: number
  /** Without an answer so far. */
  readonly keys: Set<string>
  readonly allKeys: readonly string[]
  readonly signal: () => AbortSignal
  /** Nested calls of it that have not settled. */
  nested: number
  /** It goes on though it may have lost its slot: its nested call was cut short. */
  isUnslotted: boolean
  isOver: boolean
}

/** Where a value, or an error, comes from. */
export interface Truth {
  readonly key: string
  readonly begun: Stamp
  /** When the call was made that led to it. */
  readonly asked: Stamp
  landed: Stamp
  readonly tags: readonly string[]
}

interface Obsolescence {
  readonly since: Stamp
  /** Of the tiers, too; else what had landed by then may come back from there. */
  readonly beneath: boolean
  /** Only what has this tag. */
  readonly tag?: string | undefined
}

/** What callbacks answer: a value that says whose it is. */
export interface Value {
  readonly key: string
  readonly load: number
}

/** What callbacks throw. */
export class Thrown extends Error {
  readonly key: string
  readonly load: number

  constructor(key: string, load: number, cause?: unknown) {
    super(`${JSON.stringify(key)} failed in load ${load}`, { cause })
    this.key = key
    this.load = load
  }
}

/** As in js/dispatcher.ts: from so many on, there may be no engine, for so long. */
const CRASHES_MAX = 3
const DEGRADED_MS = 10_000
/** Of a token. */
const ROUNDING = 1e-6

export class History {
  readonly violations: Violation[] = []
  readonly truths: Truth[] = []
  readonly asked: Asked[] = []
  readonly met = new Map<string, number>()
  /** Whether values can come back from beneath memory. */
  readonly hasTiers: boolean
  calls = 0
  /** Groups' streams that have not ended, whether or not anything is expected of them. */
  streams = 0
  readonly #scheduler: Scheduler
  readonly #config: ConfigSpec
  #clock = 0
  /** When the instance was lost; what ran then is nobody's. */
  #crashedAt: Stamp = 0
  #crashes = 0
  #degradedUntil = Number.NEGATIVE_INFINITY
  readonly #runs = new Map<string, Run[]>()
  /** By rate and name: how many tokens there were, and when. */
  readonly #buckets = new Map<string, { tokens: number; at: number }>()
  readonly #obsolete = new Map<string, Obsolescence[]>()
  readonly #generations = new Map<string, number>()
  /** By key: the newest value that was seen in memory, and when that was. */
  readonly #kept = new Map<string, { readonly truth: Truth; readonly seen: Stamp }>()
  /** `null` and `undefined` that somebody answered, by key. */
  readonly #nothings = new Map<string, Set<unknown>>()

  constructor(scheduler: Scheduler, hasTiers: boolean, config: ConfigSpec) {
    this.#scheduler = scheduler
    this.#config = config
    this.hasTiers = hasTiers
  }

  /** Whether the instance was ever lost. */
  get isCrashed(): boolean {
    return this.#crashedAt > 0
  }

  /** Whether a callback is at work. */
  get isRunning(): boolean {
    return this.streams > 0 || this.asked.some(({ running }) => running.length > 0)
  }

  /** Something was met that a program can be drawn for. */
  meet(what: string): void {
    this.met.set(what, (this.met.get(what) ?? 0) + 1)
  }

  stamp(): Stamp {
    return ++this.#clock
  }

  /** The instance is lost. */
  crash(): void {
    this.#crashes++
    this.#degradedUntil = this.#scheduler.now() + DEGRADED_MS
    this.#crashedAt = this.stamp()
    // Limits begin anew.
    this.#buckets.clear()
  }

  violate(rule: string, text: string): void {
    this.violations.push({ rule, text: `at ${this.#scheduler.now()} ms: ${text}` })
  }

  /** Somebody asks for keys. */
  ask(keys: readonly string[], terms: Terms): Asked {
    const asked: Asked = {
      ...terms,
      number: this.asked.length,
      keys,
      begun: this.stamp(),
      generations: new Map(keys.map((key) => [key, this.#generation(key)])),
      running: [],
    }
    this.asked.push(asked)
    return asked
  }

  /** A callback of `asked` begins, for `keys`. */
  begin(asked: Asked, keys: readonly string[], signal: () => AbortSignal): Run {
    this.calls++
    if (asked.isAborted) this.violate('deaf', `a callback of call ${asked.number} began, whose signal was aborted before`)
    const now = this.#scheduler.now()
    const run: Run = {
      asked,
      group: asked.groupOf(keys[0] as string),
      begun: this.stamp(),
      endsAt: now + asked.fetchTimeoutMs,
      keys: new Set(keys),
      allKeys: keys,
      signal,
      nested: 0,
      isUnslotted: false,
      isOver: false,
    }
    if (asked.shares) for (const key of keys) this.#checkAlone(run, key)
    asked.running.push(run)
    this.checkLimits(run, 'a callback began')
    this.#takeTokens(run)
    return run
  }

  /** The callback has answered for `key`. */
  answered(run: Run, key: string): void {
    if (!run.keys.delete(key)) return
    // What is stored on its own fences what is shared: who comes next begins anew.
    if (!run.asked.shares) this.#bump(key)
    if (run.keys.size === 0) this.end(run)
  }

  end(run: Run): void {
    if (!run.asked.shares) for (const key of run.keys) this.#bump(key)
    run.isOver = true
    const place = run.asked.running.indexOf(run)
    if (place >= 0) run.asked.running.splice(place, 1)
    for (const key of run.allKeys) {
      const runs = this.#runs.get(key)
      const at = runs?.indexOf(run) ?? -1
      if (at >= 0) runs?.splice(at, 1)
    }
  }

  /** Promise 8: so many at once, and no more. */
  checkLimits({ asked, group }: Run, what: string): void {
    const running = this.#inSlots([asked]).length
    if (running > asked.limit)
      this.violate('limit', `${what}, so ${running} callbacks of call ${asked.number} run, ${asked.limit} may`)
    // Without an engine there are no limits that calls share.
    if (this.#crashes >= CRASHES_MAX) return
    const { maxConcurrency: given = Number.POSITIVE_INFINITY, adaptiveConcurrency } = this.#config
    const maxConcurrency = Math.min(given, adaptiveConcurrency?.max ?? given)
    const ofAll = this.#inSlots(this.asked).length
    if (ofAll > maxConcurrency) this.violate('limit of all', `${what}, so ${ofAll} callbacks run, ${maxConcurrency} may`)
    if (ofAll === maxConcurrency) this.meet("limit: all of the processor's slots")
    if (group === undefined) return
    const inGroup = this.#inSlots(this.asked).filter((run) => run.group === group)
    // Those that may be more may have come, or gone on, in the meantime.
    const limitPerGroup = Math.max(0, ...inGroup.map((run) => run.asked.limitPerGroup))
    if (inGroup.length > limitPerGroup) {
      const text = `${inGroup.length} callbacks of group ${JSON.stringify(group)} run, ${limitPerGroup} may`
      this.violate('limit of a group', `${what}, so ${text}`)
    }
    if (inGroup.length > 0 && inGroup.length === limitPerGroup) this.meet("limit: all of a group's slots")
  }

  /** Whether `run` has the last slot of all there are. */
  isFullFor(run: Run): boolean {
    return this.#holdsSlot(run) && this.#inSlots(this.asked).length === this.#config.maxConcurrency
  }

  #inSlots(asked: readonly Asked[]): Run[] {
    return asked.flatMap(({ running }) => running.filter((run) => this.#holdsSlot(run)))
  }

  #holdsSlot(run: Run): boolean {
    return run.begun > this.#crashedAt && run.nested === 0 && !run.isUnslotted && this.#scheduler.now() < run.endsAt
  }

  /** Of each rate: no more callbacks begin than the burst, and what time brings. */
  #takeTokens({ asked, allKeys }: Run): void {
    if (this.#crashes >= CRASHES_MAX) return
    const now = this.#scheduler.now()
    for (const [at, { requests, perMs, burst = requests, isByHead = false }] of (this.#config.rateLimit ?? []).entries()) {
      // Whose first key was which cannot be told of what was grouped otherwise.
      if (isByHead && asked.mixesHeads) continue
      const name = isByHead ? headOf(allKeys[0] as string) : ''
      if (name === undefined) continue
      const id = `${at} ${name}`
      const last = this.#buckets.get(id) ?? { tokens: burst, at: now }
      const tokens = Math.min(burst, last.tokens + ((now - last.at) * requests) / perMs) - 1
      this.#buckets.set(id, { tokens, at: now })
      if (tokens < -ROUNDING) this.violate('rate', `a callback of call ${asked.number} began without a token of rate ${id}`)
      if (tokens < ROUNDING && last.tokens < ROUNDING) this.meet('limit: a token as soon as it was there')
      if (this.isCrashed) this.meet('limit: a token after a crash')
    }
  }

  /** A value that is now in the making. */
  truth(key: string, begun: Stamp, tags: readonly string[], asked = begun): { truth: Truth; load: number } {
    const truth: Truth = { key, begun, asked, landed: Number.POSITIVE_INFINITY, tags }
    this.truths.push(truth)
    return { truth, load: this.truths.length - 1 }
  }

  nothing(key: string, value: null | undefined): void {
    const known = this.#nothings.get(key) ?? new Set()
    known.add(value)
    this.#nothings.set(key, known)
  }

  /** From now on nobody who comes is to read what was begun before. */
  obsolete(keys: Iterable<string>, how: Omit<Obsolescence, 'since'>): void {
    const entry: Obsolescence = { ...how, since: this.stamp() }
    // Where there may be no engine, what is not told by its key means all loads.
    for (const key of this.#crashes < CRASHES_MAX ? [] : KEYS) this.#bump(key)
    for (const key of keys) {
      this.#bump(key)
      const list = this.#obsolete.get(key)
      if (list === undefined) this.#obsolete.set(key, [entry])
      else list.push(entry)
    }
  }

  /** Promises 2, 5 and 7, of one value or error that somebody was given who asked at `asked`. */
  check(what: string, key: string, value: unknown, asked: Stamp): void {
    if (value === null || value === undefined) {
      if (!this.#nothings.get(key)?.has(value))
        this.violate('invented', `${what}: nobody answered ${value} for ${JSON.stringify(key)}`)
      return
    }
    const { load } = value as Value
    const truth = this.truths[load]
    if (truth === undefined) return this.violate('invented', `${what}: ${String(value)} is of nobody's making`)
    if (truth.key !== key || (value as Value).key !== key) {
      return this.violate('alien', `${what}: ${JSON.stringify(key)} was answered with ${JSON.stringify(value)}`)
    }
    const by = this.#whyObsolete(truth, asked)
    if (by !== undefined) {
      const text = `asked at ${asked}, got load ${load}, begun at ${truth.begun}, landed at ${truth.landed}, obsolete since ${by.since}`
      this.violate('resurrected', `${what} ${JSON.stringify(key)}: ${text}`)
    }
  }

  /**
   * Of a value that was in memory for who asked at `asked`: what began earlier never takes its place. Of a load and its callback both did; what waited
   * long for its callback is nobody's older. What a tier has may be older.
   */
  checkKept(what: string, key: string, value: unknown, asked: Stamp): void {
    const truth = this.truths[(value as Value | null | undefined)?.load ?? -1]
    if (truth === undefined || this.hasTiers) return
    const newest = this.#kept.get(key)
    if (newest === undefined || newest.truth.begun < truth.begun) this.#kept.set(key, { truth, seen: this.stamp() })
    else if (truth.begun < newest.truth.begun && truth.asked < newest.truth.asked && newest.seen < asked)
      this.violate('older', `${what} ${JSON.stringify(key)}: begun at ${truth.begun}, after one of ${newest.truth.begun}`)
  }

  #whyObsolete(truth: Truth, asked: Stamp): Obsolescence | undefined {
    return this.#obsolete.get(truth.key)?.find(({ since, beneath, tag }) => {
      if (truth.begun > since || since > asked || (tag !== undefined && !truth.tags.includes(tag))) return false
      return beneath || !this.hasTiers || truth.landed > since
    })
  }

  /** Promise 1: of what is shared, no key is fetched twice at once. */
  #checkAlone(run: Run, key: string): void {
    const runs = this.#runs.get(key) ?? []
    this.#runs.set(key, runs)
    const now = this.#scheduler.now()
    const generation = run.asked.generations.get(key)
    // Without an engine, a key is joined when its turn comes, not when it is asked for.
    const isFenced = this.#crashes >= CRASHES_MAX && generation !== this.#generation(key)
    // When there is one again, the loads begun with it and without it do not know each other.
    const hasReturned = this.#crashes >= CRASHES_MAX && now >= this.#degradedUntil
    for (const other of runs) {
      const isCurrent =
        !isFenced && !hasReturned && other.keys.has(key) && other.asked.generations.get(key) === generation && now < other.endsAt
      if (isCurrent && other.begun > this.#crashedAt && !other.signal().aborted) {
        this.violate(
          'alone',
          `${JSON.stringify(key)} is fetched for call ${run.asked.number} while it is being fetched for call ${other.asked.number}`,
        )
      }
    }
    runs.push(run)
  }

  #generation(key: string): number {
    return this.#generations.get(key) ?? 0
  }

  #bump(key: string): void {
    this.#generations.set(key, this.#generation(key) + 1)
  }
}
