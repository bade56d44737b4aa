/**
 * What a schedule is made of, as plain data: it can be printed, sent to another process, and made smaller piece by piece.
 *
 * A program is a configuration and operations, one after another in virtual time; with each call comes how its callbacks behave. What is due
 * at the same moment comes in an order drawn from `order`.
 */

export const KEYS = ['a:1:x', 'a:1:y', 'a:1:z', 'b:1:x', 'b:1:y', 'c', '', '\ud800']
export const TAGS = ['red', 'blue']
export const PREFIXES = ['a:', 'a:1:', 'a:1:x', 'b:1', '', 'c']
export const PATTERNS = ['a:*', '*:x', '?', '*', 'a:1:?', '']
export const SIGNALS = 3

/** `now`: before the callback returns. `soon`: some microtasks later. A number: so many milliseconds later, 0 for a turn of its own. */
export type When = 'now' | 'soon' | 'never' | number

export type Answer = 'value' | 'null' | 'undefined' | 'error' | 'falsy' | 'hinted'

/** What a callback does about its signal: nothing; end at once; end some milliseconds later. */
export type OnAbort = 'ignore' | 'obey' | number

/** A call that a callback makes itself. */
export interface Nested {
  readonly call: CallSpec
  /** Through the callback's context, or through the processor, which finds out by itself. */
  readonly through: 'context' | 'processor'
  /** Before the call is made. */
  readonly after: When
  readonly isAwaited: boolean
}

export interface Behaviour {
  readonly when: When
  readonly answer: Answer
  readonly onAbort: OnAbort
  readonly nested?: Nested
  /** Done in the callback, before anything else. */
  readonly first?: Touch
}

export interface RequestSpec {
  readonly key: number
  readonly ttl?: number
  readonly priority?: number
  readonly tags?: readonly number[]
  readonly weight?: number
  /** By attempt; the last one repeats. */
  readonly tries: readonly Behaviour[]
}

export type Member = 'value' | 'null' | 'undefined' | 'error' | 'missing'
export type Shape = 'map' | 'object' | 'array' | 'pairs' | 'stream' | 'short' | 'garbage'

export interface GroupSpec {
  readonly when: When
  readonly shape: Shape
  /** By position, over and over. */
  readonly members: readonly Member[]
  /** A key that nobody asked for is answered, too. */
  readonly extra?: number
  /** Before each pair, where the shape is `stream`; `never`: it hangs after the first. */
  readonly gap: When
  /** Throws instead, or in the midst of a stream. */
  readonly fails: boolean
  readonly onAbort: OnAbort
  readonly nested?: Nested
}

export interface OptionsSpec {
  readonly maxConcurrency?: number
  readonly maxConcurrencyPerGroup?: number
  readonly groupingStrategy?: 'none' | 'prefix' | 'custom'
  /** The `customGrouper` throws for this key. */
  readonly ungroupable?: number
  readonly deduplication?: boolean
  readonly maxBatchSize?: number
  readonly group?: GroupSpec
  readonly onMissing?: 'fallback' | 'undefined' | 'null' | 'error'
  readonly groupFallbackLimit?: number
  readonly signal?: number
  readonly timeoutMs?: number
  readonly fetchTimeoutMs?: number
  readonly queueTimeoutMs?: number
  readonly failFast?: boolean
  readonly onOrphan?: 'abort' | 'finish'
  /** `onProgress` is given; it may throw. */
  readonly progress?: 'counts' | 'throws'
  readonly isolation?: 'shared' | 'freeze' | 'clone'
  readonly attempts?: number
  readonly cache?: 'default' | 'reload' | 'only-if-cached' | 'no-store'
  readonly staleWhileRevalidate?: number
  readonly staleIfError?: number
}

export type How = 'values' | 'settled' | 'single' | 'stream' | 'prefetch'

export interface CallSpec {
  readonly how: How
  readonly requests: readonly RequestSpec[]
  readonly options: OptionsSpec
  /** Of a stream: outcomes read before the loop is ended; without it, all are read. */
  readonly take?: number
}

export interface EntrySpec {
  readonly key: number
  readonly value: 'value' | 'null' | 'undefined'
  readonly ttl?: number
  readonly tags?: readonly number[]
  readonly weight?: number
}

/** What changes the cache without a load. In `memory` alone, or across the tiers. */
export type Touch =
  | { readonly do: 'set'; readonly where: 'memory' | 'all'; readonly entries: readonly EntrySpec[] }
  | { readonly do: 'delete'; readonly where: 'memory' | 'all'; readonly keys: readonly number[] }
  | { readonly do: 'invalidate'; readonly kind: 'keys' | 'prefix' | 'pattern' | 'tag'; readonly pick: number }
  | { readonly do: 'clear'; readonly where: 'memory' | 'all' }

export type Act =
  | Touch
  | { readonly do: 'call'; readonly call: CallSpec }
  | { readonly do: 'read'; readonly kind: 'get' | 'has' | 'mget'; readonly keys: readonly number[] }
  | { readonly do: 'look'; readonly kind: 'get' | 'peek' | 'mget' | 'list'; readonly keys: readonly number[] }
  | { readonly do: 'plan'; readonly call: CallSpec }
  | { readonly do: 'purge' }
  | { readonly do: 'abort'; readonly signal: number }
  /** Time passes, but no timer is called: the process was blocked. */
  | { readonly do: 'stall'; readonly ms: number }
  | { readonly do: 'jump'; readonly ms: number }
  /** The wasm instance is lost. */
  | { readonly do: 'crash' }
  | { readonly do: 'close'; readonly mode: 'drain' | 'abort'; readonly timeoutMs: number }

/** An act, `wait` milliseconds after the one before it. */
export type Step = Act & { readonly wait: number }

/** What one operation of a tier does, over and over through a list. */
export interface TierTurn {
  readonly when: When
  readonly fails: 'no' | 'throws' | 'rejects' | 'garbage'
  /** A write that comes later takes effect at its beginning, or at its end. */
  readonly effect: 'begin' | 'end'
}

export interface TierSpec {
  readonly reads: readonly TierTurn[]
  readonly writes: readonly TierTurn[]
}

export interface RateSpec {
  readonly requests: number
  readonly perMs: number
  readonly burst?: number
  readonly onLimit?: 'queue' | 'reject'
  /** Counted by the key's first character, and the empty key not at all. */
  readonly isByHead?: boolean
}

export interface ConfigSpec {
  /** Of all batches together. */
  readonly maxConcurrency?: number
  readonly adaptiveConcurrency?: { readonly min: number; readonly max: number; readonly initial: number }
  readonly adaptiveBatchSize?: boolean
  readonly maxConcurrencyPerGroup?: number
  readonly rateLimit?: readonly RateSpec[]
  readonly maxQueue?: number
  readonly maxEntries?: number
  readonly maxWeight?: number
  readonly ttl?: number
  readonly negativeTtl?: number
  readonly errorTtl?: number
  readonly ttlJitter?: number
  readonly slidingTtl?: boolean
  readonly earlyRefresh?: number
  readonly staleWhileRevalidate?: number
  readonly storageTimeoutMs?: number
  readonly retryBurst?: number
}

export interface Program {
  readonly config: ConfigSpec
  readonly tiers: readonly TierSpec[]
  readonly steps: readonly Step[]
  /** From which what is due at the same moment is put in order. */
  readonly order: number
}

/** What a `RateSpec` by heads counts `key` for. */
export function headOf(key: string): string | undefined {
  return key[0]
}

/** The group of `key` where the strategy is `custom`. */
export function customGroupOf(key: string): string | null {
  return key.length < 2 ? null : key.slice(-1)
}

export function keyAt(place: number): string {
  return KEYS[place] as string
}
