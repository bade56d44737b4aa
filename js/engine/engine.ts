/**
 * The engine as TypeScript sees it: keys go in as strings, effects come out as calls of a handler, and the values it keeps are in
 * `values`, by slot.
 *
 * Every call of the core goes through this class, and none while another is under way: user code never runs inside one. Whatever a call
 * throws means that the instance is lost (no input reaches it unchecked): it is retired, and `EngineCrashError` thrown.
 */

import type { InitOutput } from '../../pkg/engine.js'
import { EngineCrashError, InvalidRangeError, SluiceError } from '../errors.js'
import { createCore, currentGeneration, endCore, lastCause, retireInstance } from './instance.js'
import { measure, read, write, writeIllFormed } from './keys.js'

declare const brand: unique symbol
/** Place of a value. Never held across an `await`: slots are used again. */
export type Slot = number & { [brand]?: 'slot' }
export type FlightId = number & { [brand]?: 'flight' }
export type BatchId = number & { [brand]?: 'batch' }

/**
 * One run of a callback: its place, which is used again, and the generation that tells its tenants apart, both in one instance: callbacks
 * outlive it.
 */
export interface CallId {
  readonly place: number
  readonly generation: number
  readonly instance: number
}

/** In a look-up's answer: not resident. */
export const MISS = 0xffff_ffff
/** In a look-up's answer: expired, but within what the caller takes stale; the slot is in the other bits. */
export const STALE = 0x8000_0000
/** In a look-up's answer: valid, and this reader is to refresh it; the slot is in the other bits. */
export const EARLY = 0x4000_0000
/** In a look-up's answer: what is there is a failure; the slot is in the other bits. */
export const FAILURE = 0x2000_0000
/** Stands for "no group" and "no parent". */
export const NONE = 0xffff_ffff

/** What became of a request that missed. */
export const How = { led: 0, joined: 1, deduplicated: 2, circular: 3 } as const
/** How a callback answered. */
export const Outcome = { value: 0, null: 1, unstored: 2, failed: 3, retryable: 4, overloaded: 5 } as const
/** From `failed` to `overloaded`, and from `retryable` to the same of what is worth another try: the source has had too much. */
export const OVERLOADED: number = Outcome.overloaded - Outcome.failed
export const Grouping = { none: 0, prefix: 1, given: 2 } as const

/** The numbers an engine is made with. */
export interface EngineConfig {
  maxEntries: number
  maxWeight: number
  ttl: number
  negativeTtl: number | undefined
  errorTtl: number
  ttlJitter: number
  slidingTtl: boolean
  earlyRefresh: number
  retryBudget: Readonly<{ ratio: number; burst: number }>
  policy: 'adaptive' | 'lru'
  maxConcurrency: number
  maxQueue: number
  adaptiveConcurrency: Readonly<{ min: number; max: number; initial: number }>
  adaptiveBatchSize: boolean
  batchDefaults: { readonly maxBatchSize: number }
  rateLimit: readonly Readonly<{ requests: number; perMs: number; burst: number; onLimit: 'queue' | 'reject' }>[]
}

/** What calls of different batches pass: slots of a group, or tokens of a rate, by name. */
export interface Gate {
  /** The number of the rate; `NONE` for a group. */
  readonly rate: number
  readonly name: string
}

/** How the loads that a batch leads are carried out. */
export interface BatchTerms {
  readonly maxConcurrency: number
  readonly maxConcurrencyPerGroup: number
  readonly fetchTimeoutMs: number
  readonly queueTimeoutMs: number
  readonly timeoutMs: number
  readonly retry: { attempts: number; backoffMs: number; maxBackoffMs: number; jitter: number }
  readonly staleIfError: number
  readonly onOrphan: 'abort' | 'finish'
}

/** How a call has ended for a flight: what the engine is told of it, once it has. */
export interface Answer {
  readonly flight: FlightId
  /** Let go of when it has been told: who has the answer does not keep the call alive. */
  call: CallId
  /** One of `Outcome`. */
  readonly outcome: number
  /** A value's weight, or of a failure, in how many milliseconds it may be tried again. */
  readonly number: number
  /** When the engine was told. */
  settledAt: number | undefined
}

/** Carries effects out; a call is known by its place and generation. Called while no call of the core is under way; must not call the engine itself, only note what to do next. */
export interface EffectHandler {
  startOne(place: number, generation: number, flight: FlightId): void
  startGroup(place: number, generation: number, flights: FlightId[]): void
  deliver(batch: BatchId, index: number, flight: FlightId, led: boolean): void
  deliverStale(batch: BatchId, index: number, value: unknown): void
  done(batch: BatchId, busyMs: number): void
  /** Answers the value that `from` stands for, which is now stored and stays valid for `ttlMs`. */
  stored(from: number, ttlMs: number): unknown
  /** Answers what stands for the failure that `flight` ended with, which is now stored. */
  storedFailure(flight: FlightId): unknown
  abort(place: number, generation: number): void
  timeOut(place: number, generation: number): void
  timeOutQueued(place: number, generation: number, flights: FlightId[]): void
  /** There is no token for another `retryMs`; `NONE`: as many calls wait as may. */
  refuse(place: number, generation: number, retryMs: number, flights: FlightId[]): void
  timeOutBatch(batch: BatchId): void
  release(flight: FlightId): void
  cycle(batch: BatchId, index: number, flights: FlightId[]): void
}

/**
 * Counters and gauges, before anything has happened; the fields of `Stats` in `src/stats.rs`, in its order, then of the limits that find themselves
 * (`limit` or `batchSize` 0: it does not) what `stats` in `src/bindings/mod.rs` says.
 */
export const NO_STATS = {
  requested: 0,
  hits: 0,
  joined: 0,
  deduplicated: 0,
  led: 0,
  missed: 0,
  succeeded: 0,
  failed: 0,
  dropped: 0,
  calls: 0,
  timedOut: 0,
  retried: 0,
  late: 0,
  stored: 0,
  evicted: 0,
  expired: 0,
  tooHeavy: 0,
  refused: 0,
  fenced: 0,
  entries: 0,
  weight: 0,
  inFlight: 0,
  waiting: 0,
  running: 0,
  engineBytes: 0,
  limit: 0,
  /** Logarithms of milliseconds; `NaN` while they are not known. */
  latency: 0,
  baseLatency: 0,
  /** As `Reason` in `src/adaptive/concurrency.rs`. */
  reason: 0,
  batchSize: 0,
}

export type EngineStats = Readonly<typeof NO_STATS>

/** No call has this id. */
export const NO_CALL: CallId = { place: NONE, generation: 0, instance: 0 }
/** Offset of the deadline in the mail, in bytes. */
const MAIL_DEADLINE_AT = 8
/** Offset of where the regions are in the mail, in bytes. */
const MAIL_REGIONS_AT = 16
/** Words of an effect: its tag and up to three fields. */
const EFFECT_WORDS = 4
const MEMBER = 2

export class Engine {
  /** The resident values, by slot. */
  values: unknown[] = []
  /** The lists that cross: lengths, flights, priorities. At least as long as the last `begin` asked for; empty, as all views, when memory has grown since. */
  words: Uint32Array<ArrayBuffer> = new Uint32Array(0)
  /** TTLs. As long as `words`. */
  floats: Float64Array<ArrayBuffer> = new Float64Array(0)

  readonly #config: EngineConfig
  readonly #keyBytesMax: number
  readonly #onCrash: (cause: unknown) => void
  #exports!: InitOutput
  #memory!: WebAssembly.Memory
  /** By which the exports know this engine. */
  #handle = 0
  #generation = -1
  #bytes = new Uint8Array(0)
  /** All of the memory, and where the mail is in it, in words. */
  #memoryWords = new Uint32Array(0)
  #memoryFloats = new Float32Array(0)
  #mail = 0
  #deadline = new Float64Array(1)

  /** `onCrash` is called when a call of this engine has crashed, and the instance is retired. */
  constructor(config: EngineConfig, keyBytesMax: number, onCrash: (cause: unknown) => void) {
    this.#config = config
    this.#keyBytesMax = keyBytesMax
    this.#onCrash = onCrash
  }

  /** The number of the instance that this engine lives in: part of what its calls are known by. */
  get instance(): number {
    return this.#generation
  }

  /** Whether this engine has no state: it was lost with a crashed instance, or it was never used. */
  get isLost(): boolean {
    return this.#generation !== currentGeneration()
  }

  /** Whether it was lost with a crashed instance, and `forsake` was not called since. */
  get isStranded(): boolean {
    return this.#generation >= 0 && this.isLost
  }

  /** Lets go of what it had before it was lost. */
  forsake(): void {
    this.#generation = -1
    this.values = []
  }

  /** Gives back what it has in the instance; it may be revived. */
  end(): void {
    if (!this.isLost) this.#call(() => endCore({ exports: this.#exports, handle: this.#handle }, this))
    this.forsake()
  }

  /** Makes the engine, empty, in the living instance. Throws `WasmUnavailableError` where there can be none, or what says that there is none yet. */
  revive(): void {
    this.values = []
    // From here on, a crash is this engine's.
    this.#generation = currentGeneration()
    try {
      const { exports, handle } = createCore(this.#config, this)
      this.#exports = exports
      this.#memory = exports.memory
      this.#handle = handle
    } catch (error) {
      if (!(error instanceof SluiceError)) throw this.#crash(error)
      this.#generation = -1
      throw error
    }
    this.#call(() => this.#exports.reserve(this.#handle, 4096, 512))
    this.#takeViews()
  }

  /** Makes room for lists of `count` pairs, before they are written to `words` and `floats`. */
  begin(count: number): void {
    if ((count || 1) * 2 > this.words.length) this.#reserve(0, count * 2)
  }

  /**
   * Writes keys from `from` on, at most `most` of them, and no more of them when they have `unitsMax` UTF-16 units; puts their lengths in bytes in
   * `words`. Answers how many. Throws a `RangeError` for a key over the limit; nothing has been done then.
   */
  writeKeys(keys: readonly string[], from = 0, most: number = keys.length, unitsMax: number = Number.POSITIVE_INFINITY): number {
    const end = Math.min(keys.length, from + most)
    this.begin(end - from)
    const { words } = this
    let joined = ''
    let at = from
    for (; at < end && joined.length < unitsMax; at++) {
      const key = keys[at] as string
      // A string has at least as many bytes as units; no room is made for what is too long.
      this.#verifyBytes(at - from, key.length)
      words[at - from] = key.length
      joined += key
    }
    const count = at - from
    const units = joined.length
    if (units > this.#bytes.length) this.#reserve(units, 0)
    const { read, written } = write(joined, this.#bytes)
    // As many bytes as units: all ASCII, so the lengths are right as they are.
    if (read !== units || written !== units) this.#writeKeysMeasured(joined, keys, from, count)
    return count
  }

  /** Looks up the keys written, whose lengths are in `words`; puts slots there. Answers how many missed. */
  lookup(count: number, stale: number, now: number): number {
    const missed = this.#call(() => this.#exports.lookup(this.#handle, count, stale, now))
    if (this.words.length === 0) this.#takeViews()
    return missed
  }

  /** Takes all keys written as missed, whatever is resident. */
  missAll(count: number): number {
    const missed = this.#call(() => this.#exports.missAll(this.#handle, count))
    if (this.words.length === 0) this.#takeViews()
    return missed
  }

  open(terms: BatchTerms, parent: CallId | undefined, now: number): BatchId {
    const { attempts, backoffMs, maxBackoffMs, jitter } = terms.retry
    const { maxConcurrency, fetchTimeoutMs, queueTimeoutMs, timeoutMs, staleIfError } = terms
    const finishesOrphans = terms.onOrphan === 'finish' ? 1 : 0
    this.begin(8)
    // In the order of `open` in src/bindings/mod.rs.
    const numbers = [maxConcurrency, fetchTimeoutMs, queueTimeoutMs, timeoutMs, attempts, backoffMs, maxBackoffMs]
    this.floats.set([...numbers, jitter, staleIfError, finishesOrphans, terms.maxConcurrencyPerGroup])
    const { place, generation } = parent?.instance === this.#generation ? parent : NO_CALL
    return this.#call(() => this.#exports.open(this.#handle, place, generation, now))
  }

  /** After a look-up: `words` and `floats` have priorities and TTLs if `each`; `words` gets flight and `How`, for each that missed. */
  admit(batch: BatchId, base: number, each: boolean, share: boolean, missed: number): void {
    this.#call(() => this.#exports.admit(this.#handle, batch, base, each ? 1 : 0, share ? 1 : 0, missed))
    if (this.words.length === 0) this.#takeViews()
  }

  /** The calls of these flights pass these gates. */
  limit(batch: BatchId, gates: readonly Gate[], flights: readonly FlightId[], now: number): void {
    const ids = gates.map(({ rate, name }) => {
      const bytes = this.#writeText(name)
      return this.#call(() => this.#exports.gate(this.#handle, rate, bytes, now))
    })
    this.begin(ids.length + flights.length)
    this.words.set([...ids, ...flights])
    this.#call(() => this.#exports.limit(this.#handle, batch, ids.length, flights.length))
  }

  seal(batch: BatchId, now: number): void {
    this.#call(() => this.#exports.seal(this.#handle, batch, now))
  }

  /** `words` has the flights, then their groups' numbers if `grouping` is given. Answers how many groups there are. */
  queue(batch: BatchId, count: number, grouping: number, groupSizeMax: number, now: number): number {
    return this.#call(() => this.#exports.queue(this.#handle, batch, count, grouping, groupSizeMax, now))
  }

  /**
   * How calls ended for flights, in the answers before `to` from `from` on. `Outcome.overloaded` for the flight `NONE`: the call has failed so, and what
   * becomes of its flights is still to be told.
   */
  settle(answers: readonly Answer[], from: number, to: number, now: number): void {
    const count = to - from
    this.begin(count * 2)
    const { words, floats } = this
    for (let at = 0; at < count; at++) {
      const answer = answers[from + at] as Answer
      const { flight, call, outcome, number } = answer
      answer.call = NO_CALL
      answer.settledAt = now
      words[4 * at] = call.place
      words[4 * at + 1] = call.generation
      words[4 * at + 2] = flight
      words[4 * at + 3] = outcome
      floats[at] = number
    }
    this.#call(() => this.#exports.settle(this.#handle, count, now))
  }

  fallBack(call: CallId, flight: FlightId, now: number): void {
    this.#call(() => this.#exports.fallBack(this.#handle, call.place, call.generation, flight, now))
  }

  supply(flight: FlightId, ttl: number, weight: number, now: number): void {
    this.#call(() => this.#exports.supply(this.#handle, flight, ttl, weight, now))
  }

  /** The cache has no answer for a flight that is not called yet, and it is not to be called. */
  refuse(flight: FlightId, now: number): void {
    this.#call(() => this.#exports.refuse(this.#handle, flight, now))
  }

  ended(call: CallId, now: number): void {
    if (call.instance !== this.#generation) return
    this.#call(() => this.#exports.ended(this.#handle, call.place, call.generation, now))
  }

  leave(batch: BatchId, now: number): void {
    this.#call(() => this.#exports.leave(this.#handle, batch, now))
  }

  advance(now: number): void {
    this.#call(() => this.#exports.advance(this.#handle, now))
  }

  /** The slot of `key`, as a reader gets it, or `MISS`. */
  get(key: string, now: number): Slot {
    this.writeKeys([key])
    return this.#call(() => this.#exports.get(this.#handle, this.words[0] as number, now)) >>> 0
  }

  /** The same without counting as a use. */
  peek(key: string, now: number): Slot {
    this.writeKeys([key])
    return this.#call(() => this.#exports.peek(this.#handle, this.words[0] as number, now)) >>> 0
  }

  mset(count: number, now: number): void {
    this.#call(() => this.#exports.mset(this.#handle, count, now))
  }

  /** Answers how many had a valid entry. */
  mdelete(count: number, now: number): number {
    return this.#call(() => this.#exports.mdelete(this.#handle, count, now))
  }

  /** The entry of `flight` is to have `tag`. */
  tagFlight(flight: FlightId, tag: string): void {
    const bytes = this.#writeText(tag)
    this.#call(() => this.#exports.tagFlight(this.#handle, flight, bytes))
  }

  /** The entry of `key`, if there is one, has `tag` from now on. */
  tagKey(key: string, tag: string): void {
    const keyBytes = Math.abs(measure(key))
    const tagBytes = Math.abs(measure(tag))
    if (keyBytes + tagBytes >= this.#bytes.length) this.#reserve(keyBytes + tagBytes, 0)
    // One by one: joined, two lone surrogates could make a pair.
    writeIllFormed(tag, this.#bytes, writeIllFormed(key, this.#bytes, 0))
    this.#call(() => this.#exports.tagKey(this.#handle, keyBytes, tagBytes))
  }

  /** Removes what `text` means, and fences its loads. Answers the keys removed, and how many of them had a valid entry. */
  invalidate(kind: 'prefix' | 'pattern' | 'tag', text: string, now: number): { keys: string[]; count: number } {
    const bytes = this.#writeText(text)
    const count = this.#call(() => this.#exports.invalidate(this.#handle, ['prefix', 'pattern', 'tag'].indexOf(kind), bytes, now))
    this.#takeViews()
    return { keys: this.#readKeys(1, this.words[0] as number), count }
  }

  /** After `writeKeys`: what a request for each key would meet, in `words`. */
  foresee(count: number, stale: number, now: number): void {
    this.#call(() => this.#exports.foresee(this.#handle, count, stale, now))
  }

  clear(): void {
    this.#call(() => this.#exports.clear(this.#handle))
    this.values = []
  }

  purge(now: number): void {
    this.#call(() => this.#exports.purge(this.#handle, now))
  }

  /** Keys of valid entries, from who would leave last to who would leave first. */
  keys(now: number): string[] {
    const keys: string[] = []
    for (let after = NONE; ; ) {
      const count = this.#call(() => this.#exports.keys(this.#handle, after, now))
      if (count === 0) return keys
      this.#takeViews()
      for (const key of this.#readKeys(0, count)) keys.push(key)
      after = this.words[count] as number
    }
  }

  remaining(slot: Slot, now: number): number {
    return this.#call(() => this.#exports.remaining(this.#handle, slot, now))
  }

  get size(): number {
    return this.#call(() => this.#exports.size(this.#handle))
  }

  get weight(): number {
    return this.#call(() => this.#exports.weight(this.#handle))
  }

  stats(): EngineStats {
    this.#call(() => this.#exports.stats(this.#handle))
    this.#takeViews()
    return Object.fromEntries(Object.keys(NO_STATS).map((name, at) => [name, this.floats[at]])) as EngineStats
  }

  /** When `advance` is to be called next; `Infinity` for never. */
  get nextDeadline(): number {
    if (this.words.length === 0) this.#takeViews()
    return this.#deadline[0] as number
  }

  /** Carries out the effects of the last call. */
  carryOut(handler: EffectHandler): void {
    if (this.words.length === 0) this.#takeViews()
    const list = this.#memoryWords
    const { values } = this
    const first = (list[this.#mail] as number) >>> 2
    const end = first + (list[this.#mail + 1] as number) * EFFECT_WORDS
    this.#memoryWords[this.#mail + 1] = 0
    for (let at = first; at < end; at += EFFECT_WORDS) {
      const a = list[at + 1] as number
      const b = list[at + 2] as number
      const c = list[at + 3] as number
      // The tags of `Effect` in src/engine/effect.rs.
      switch (list[at]) {
        case 0:
          handler.startOne(a, b, c)
          break
        case 1:
          handler.startGroup(a, b, members(list, at, end))
          break
        case 3:
          handler.deliver(a, b, c, true)
          break
        case 4:
          handler.deliver(a, b, c, false)
          break
        case 5:
          handler.done(a, b / 1000)
          break
        case 6:
          values[a] = handler.stored(b, this.#memoryFloats[at + 3] as number)
          break
        case 7:
          values[a] = undefined
          break
        case 8:
          handler.abort(a, b)
          break
        case 9:
          handler.timeOut(a, b)
          break
        case 10:
          handler.timeOutBatch(a)
          break
        case 11:
          handler.release(a)
          break
        case 12:
          handler.cycle(a, b, members(list, at, end))
          break
        case 13:
          handler.deliverStale(a, b, values[c])
          break
        case 14:
          handler.timeOutQueued(a, b, members(list, at, end))
          break
        case 15:
          values[a] = handler.storedFailure(b)
          break
        case 16:
          handler.refuse(a, b, c, members(list, at, end))
          break
        // 2, a member, belongs to the effect before it.
      }
    }
  }

  /** The keys whose lengths are in `words` from `first` on. */
  #readKeys(first: number, count: number): string[] {
    let start = 0
    return Array.from(this.words.subarray(first, first + count), (length) => {
      start += length
      return read(this.#bytes.subarray(start - length, start))
    })
  }

  /** Writes a text of whatever length; answers its bytes. */
  #writeText(text: string): number {
    const measured = measure(text)
    const bytes = Math.abs(measured)
    if (bytes >= this.#bytes.length) this.#reserve(bytes, 0)
    if (measured < 0) writeIllFormed(text, this.#bytes, 0)
    else write(text, this.#bytes)
    return bytes
  }

  #verifyBytes(index: number, bytes: number): void {
    if (bytes <= this.#keyBytesMax) return
    const message = `keys[${index}]: expected at most ${this.#keyBytesMax} bytes, received ${bytes}`
    throw new InvalidRangeError(message, 'ERR_KEY_TOO_LARGE')
  }

  #writeKeysMeasured(joined: string, keys: readonly string[], from: number, count: number): void {
    let total = 0
    let illFormed = false
    for (let index = 0; index < count; index++) {
      const bytes = measure(keys[from + index] as string)
      if (bytes < 0) illFormed = true
      const length = Math.abs(bytes)
      this.#verifyBytes(index, length)
      this.words[index] = length
      total += length
    }
    // They did not fit.
    if (total > this.#bytes.length) {
      this.#reserve(total, 0)
      write(joined, this.#bytes)
    }
    if (!illFormed) return
    let end = 0
    for (let index = 0; index < count; index++) end = writeIllFormed(keys[from + index] as string, this.#bytes, end)
  }

  #reserve(bytes: number, words: number): void {
    // What is already written to `words` moves with it.
    this.#call(() => this.#exports.reserve(this.#handle, bytes, words))
    this.#takeViews()
  }

  #takeViews(): void {
    const { buffer } = this.#memory
    const mail = this.#call(() => this.#exports.mail(this.#handle))
    // In the order of `Mail` in src/bindings/mod.rs.
    const [bytes, bytesLength, words, floats, wordsLength] = new Uint32Array(buffer, mail + MAIL_REGIONS_AT, 5)
    this.#bytes = new Uint8Array(buffer, bytes, bytesLength)
    this.words = new Uint32Array(buffer, words, wordsLength)
    this.floats = new Float64Array(buffer, floats, wordsLength)
    this.#memoryWords = new Uint32Array(buffer)
    this.#memoryFloats = new Float32Array(buffer)
    this.#mail = mail >>> 2
    this.#deadline = new Float64Array(buffer, mail + MAIL_DEADLINE_AT, 1)
  }

  #call<R>(run: () => R): R {
    try {
      // What is of a lost instance is not called: its pointers mean something else in the one that lives.
      if (this.isLost) throw lastCause()
      return run()
    } catch (error) {
      throw this.#crash(error)
    }
  }

  #crash(error: unknown): Error {
    if (!this.isLost) {
      retireInstance(error)
      this.#onCrash(error)
    }
    return new EngineCrashError(error)
  }
}

/** The flights that follow the effect at `at`. */
function members(list: Uint32Array, at: number, end: number): FlightId[] {
  const flights: FlightId[] = []
  for (let next = at + EFFECT_WORDS; next < end && list[next] === MEMBER; next += EFFECT_WORDS)
    flights.push(list[next + 1] as number)
  return flights
}
