/**
 * Tiers and stores that throw, are late, hang and answer garbage, each with a probability, by a seed that repeats it. All that they do is what a tier may
 * do at its worst: whatever batches answer above them must be right.
 */

import type { ByteStore } from '../bytes/store.js'
import type { Clock } from '../clock.js'
import { aShare, isObject, misuse, verify, withMethods } from '../options/checks.js'
import type { Tier } from '../types.js'

/** What may happen to an operation. */
export type Fault = 'throws' | 'delays' | 'hangs' | 'garbles'

/** Of each fault, the probability: 0 to 1, at most 1 together. All 0 by default. */
export interface ChaosOptions {
  /** What repeats it. Default: by chance; it is the wrapper's `chaos.seed`, to be printed. */
  seed?: number | undefined
  /** An operation throws, or rejects: half of them without having done anything, half of them after having done it. */
  throws?: number | undefined
  /** An operation is done, or answers, `delayMs` later. */
  delays?: number | undefined
  /** From 0 up to so many milliseconds. Default 100. */
  delayMs?: number | undefined
  /** An operation never answers, whether or not it has been done. */
  hangs?: number | undefined
  /**
   * What `mget` answers is not what was kept. Of a tier, something that is no answer: values are anybody's, and a wrong one could not be told. Of a store, also
   * bytes that are flipped, cut off, another key's, or none that anybody wrote.
   */
  garbles?: number | undefined
  /** Which operations it happens to. Default: all of them. */
  operations?: readonly ('mget' | 'mset' | 'mdelete' | 'clear')[] | undefined
  /** Whose timers delays use. Default: the runtime's. */
  clock?: Pick<Clock, 'setTimer'> | undefined
}

/** The wrapper's own side. */
export interface Chaos {
  readonly seed: number
  /** Whether anything happens; may be set at any time. */
  isOn: boolean
  /** How often each fault has happened. */
  readonly counts: Readonly<Record<Fault, number>>
}

type Operation = (this: unknown, ...args: never[]) => unknown
type Random = () => number

const FAULTS: readonly Fault[] = ['throws', 'delays', 'hangs', 'garbles']
const OPERATIONS = ['mget', 'mset', 'mdelete', 'clear'] as const

/** `tier`, with faults. */
export function chaosTier<T extends Tier>(tier: T, options: ChaosOptions = {}): T & { readonly chaos: Chaos } {
  return wrap('chaosTier', tier, options, garbledEntries)
}

/** `store`, with faults. */
export function chaosStore<S extends ByteStore>(store: S, options: ChaosOptions = {}): S & { readonly chaos: Chaos } {
  return wrap('chaosStore', store, options, (found, random) =>
    random() < 0.2 ? garbledEntries(found, random) : garbledBytes(found, random),
  )
}

function wrap<T extends object>(
  name: string,
  inner: T,
  options: ChaosOptions,
  garble: (found: unknown, random: Random) => unknown,
): T & { readonly chaos: Chaos } {
  verify(`${name}(inner)`, inner, withMethods('something with mget, mset, mdelete', 'mget', 'mset', 'mdelete'))
  const { seed = Math.floor(Math.random() * 2 ** 32), delayMs = 100, operations = OPERATIONS, clock } = options
  for (const fault of FAULTS) verify(`${name}.${fault}`, options[fault] ?? 0, aShare)
  const sum = FAULTS.reduce((total, fault) => total + (options[fault] ?? 0), 0)
  // Shares such as 0.1 and 0.2 do not add up exactly.
  verify(`${name}: throws, delays, hangs and garbles together`, Math.max(0, sum - 1e-9), aShare)
  for (const each of operations) {
    if (OPERATIONS.includes(each)) continue
    throw misuse(
      `${name}.operations`,
      { expected: `names among ${OPERATIONS.join(', ')}`, outOfRange: true },
      each,
      'ERR_INVALID_OPTION',
    )
  }
  const random = randomOf(seed)
  const chaos = { seed, isOn: true, counts: { throws: 0, delays: 0, hangs: 0, garbles: 0 } }
  const later = (ms: number): Promise<void> => {
    return new Promise((resolve) => (clock ? clock.setTimer(resolve, ms) : setTimeout(resolve, ms)))
  }

  const faulty = (operation: Operation, isRead: boolean): Operation => {
    return (...args) => {
      const run = (): unknown => operation.apply(inner, args)
      const fault = chaos.isOn ? pick(random, options) : undefined
      if (fault === undefined || (fault === 'garbles' && !isRead)) return run()
      chaos.counts[fault]++
      const isDone = random() < 0.5
      switch (fault) {
        case 'delays': {
          const ms = Math.floor(random() * (delayMs + 1))
          if (!isDone) return later(ms).then(run)
          const answer = run()
          return later(ms).then(() => answer)
        }
        case 'garbles':
          return Promise.resolve(run()).then((found) => garble(found, random))
        case 'hangs':
          if (isDone) ignore(run())
          return new Promise(() => {})
        case 'throws': {
          const error = new Error('chaos')
          if (isDone) return Promise.resolve(run()).then(() => Promise.reject(error))
          if (random() < 0.5) return Promise.reject(error)
          throw error
        }
      }
    }
  }

  const wrapper: Record<string, unknown> = { chaos }
  // Methods of a class are not among its keys.
  for (const key of new Set([...OPERATIONS, 'keys', 'close', 'name', 'metrics', ...Object.keys(inner)])) {
    const value: unknown = (inner as Record<string, unknown>)[key]
    if (typeof value !== 'function') {
      if (value !== undefined) wrapper[key] = value
    } else wrapper[key] = operations.includes(key as never) ? faulty(value as Operation, key === 'mget') : value.bind(inner)
  }
  return wrapper as T & { readonly chaos: Chaos }
}

function pick(random: Random, options: ChaosOptions): Fault | undefined {
  let left = random()
  for (const fault of FAULTS) {
    left -= options[fault] ?? 0
    if (left < 0) return fault
  }
  return undefined
}

const of = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T

/** Something that is no list of entries, or has things in it that are none. */
function garbledEntries(found: unknown, random: Random): unknown {
  const entries = Array.isArray(found) ? found : []
  const hostile = {
    get value(): never {
      throw new Error('chaos')
    },
  }
  const odd = [
    null,
    undefined,
    0,
    'chaos',
    {},
    [],
    Symbol('chaos'),
    () => {},
    { value: undefined },
    { value: 1, expiresAt: Number.NaN },
    { value: 1, expiresAt: '9' },
    hostile,
  ]
  return of<() => unknown>(random, [
    () => of(random, [undefined, null, 'chaos', 7, {}, new Map(), entries.length]),
    () => [...entries, undefined],
    () => entries.slice(1),
    () => entries.map((entry) => (random() < 0.5 ? entry : of(random, odd))),
    () => entries.map(() => of(random, odd)),
  ])()
}

/** Bytes that are not those of their keys. */
function garbledBytes(found: unknown, random: Random): unknown {
  if (!Array.isArray(found)) return found
  const all: Uint8Array[] = found.filter((bytes) => bytes instanceof Uint8Array)
  const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random() * 256)
  return found.map((bytes: unknown) => {
    if (!(bytes instanceof Uint8Array) || bytes.length === 0) return random() < 0.5 ? bytes : noise(random() * 200)
    const copy = bytes.slice()
    const at = Math.floor(random() * copy.length)
    switch (Math.floor(random() * 6)) {
      case 0:
        copy[at] = (copy[at] as number) ^ (1 << Math.floor(random() * 8))
        return copy
      case 1:
        return copy.slice(0, at)
      case 2:
        return noise(copy.length)
      case 3:
        return new Uint8Array(copy.length)
      case 4: {
        // A page of something else, at its own place.
        const other = of(random, all)
        copy.set(other.subarray(0, copy.length - at), at)
        return copy
      }
      default:
        return of(random, all)
    }
  })
}

function ignore(answer: unknown): void {
  if (isObject(answer) && typeof answer.then === 'function') Promise.resolve(answer).catch(() => {})
}

/** Mulberry32: good enough for tests, and repeatable. */
function randomOf(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
