/**
 * What a run of the model test does, as plain data: fast-check makes it from a seed, shrinks it, and prints it.
 *
 * Everything that depends on what happened before (which call to answer, which signal to abort) is a number that is taken modulo what
 * there is, so that an operation stays meaningful when those before it are shrunk away.
 */

import fc from 'fast-check'

/** Some with groups of one, of two and of three; two that are one surrogate pair cut apart, and the pair. */
export const KEYS = [
  'a:x:1',
  'a:x:2',
  'a:x:3',
  'a:y:1',
  'a:y:2',
  'b',
  'b:c',
  '',
  '__proto__',
  '\ud83d',
  '\ude00',
  '\ud83d\ude00',
] as const
export const TAGS = ['red', 'green'] as const
export const PREFIXES = ['', 'a', 'a:x', 'a:x:', 'a:x:1', 'b', '\ud83d', '\ud83d\ude00'] as const
export const PATTERNS = ['*', 'a:*:1', '?', 'a:x:?', '*c', 'nothing'] as const
/** Controllers there are at any time; one that was aborted may be used on, or replaced. */
export const SIGNALS = 2

/** `now`: before the callback returns. `soon`: with a promise that is settled already. `later`: when a `settle` operation says so. */
export interface Behaviour {
  readonly when: 'now' | 'soon' | 'later'
  /** So many tries fail first. */
  readonly failures: number
  readonly value: 'text' | 'null' | 'undefined'
  readonly error: ErrorKind
  /** Looks at its signal. */
  readonly watches: boolean
}

/** `final`: not worth a retry. `hinted`: has `retryAfterMs`. `falsy`: rejects with `undefined`. */
export type ErrorKind = 'plain' | 'final' | 'hinted' | 'falsy'
export const RETRY_AFTER_MS = 70

export interface RequestSpec {
  readonly key: number
  readonly ttl: number | undefined
  readonly priority: number | undefined
  readonly weight: number | undefined
  readonly tags: readonly string[] | undefined
  readonly behaviour: Behaviour
}

/** A request as the model has it. */
export interface ModelRequest {
  readonly spec: RequestSpec
  readonly key: string
  /** The batch and position it was made in; a refresh repeats it. */
  readonly origin: string
}

export interface OptionsSpec {
  readonly maxConcurrency: number
  readonly groupingStrategy: 'none' | 'prefix' | 'custom'
  readonly groups: boolean
  readonly deduplication: boolean
  readonly maxBatchSize: number
  readonly onMissing: 'fallback' | 'undefined' | 'null' | 'error'
  readonly groupFallbackLimit: number
  readonly signal: number | undefined
  readonly timeoutMs: number
  readonly fetchTimeoutMs: number
  readonly queueTimeoutMs: number
  readonly attempts: number
  readonly failFast: boolean
  readonly cache: 'default' | 'reload' | 'only-if-cached' | 'no-store'
  readonly staleWhileRevalidate: number
  readonly staleIfError: number
  readonly onOrphan: 'abort' | 'finish'
}

export interface EntrySpec {
  readonly key: number
  readonly value: 'text' | 'null' | 'undefined'
  readonly ttl: number | undefined
  readonly weight: number | undefined
  readonly tags: readonly string[] | undefined
}

/** What one key of a group gets. */
export type MemberAnswer = 'text' | 'null' | 'undefined' | 'plain' | 'final' | 'missing'

export interface Answer {
  readonly fails: boolean
  readonly value: Behaviour['value']
  readonly error: ErrorKind
  readonly shape: 'map' | 'object' | 'array' | 'iterable' | 'async' | 'short array' | 'number'
  /** By position, repeated as often as needed. */
  readonly members: readonly MemberAnswer[]
}

export type Operation =
  | {
      readonly do: 'batch'
      readonly how: 'values' | 'settled' | 'single'
      readonly requests: readonly RequestSpec[]
      readonly options: OptionsSpec
    }
  | { readonly do: 'settle'; readonly pick: number; readonly answer: Answer }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'abort'; readonly signal: number; readonly renew: boolean }
  | { readonly do: 'renew'; readonly signal: number }
  | { readonly do: 'memory.get' | 'memory.peek' | 'memory.has' | 'memory.delete' | 'memory.remainingTtl'; readonly key: number }
  | { readonly do: 'get' | 'has' | 'delete'; readonly key: number }
  | { readonly do: 'mget' | 'memory.mget' | 'memory.mdelete' | 'invalidate'; readonly keys: readonly number[] }
  | { readonly do: 'mset' | 'memory.mset'; readonly entries: readonly EntrySpec[] }
  | { readonly do: 'invalidate.prefix'; readonly pick: number }
  | { readonly do: 'invalidate.pattern'; readonly pick: number }
  | { readonly do: 'invalidate.tag'; readonly pick: number }
  | { readonly do: 'clear' | 'memory.clear' }

export interface Setting {
  /** Expired entries go as soon as they may: then it is exact who is evicted. Else nothing is ever evicted. */
  readonly bounded: boolean
  readonly maxEntries: number
  readonly maxWeight: number
  readonly ttl: number
  readonly negativeTtl: number | undefined
  readonly errorTtl: number
  readonly slidingTtl: boolean
  readonly retryBurst: number
}

/** The longest that anybody takes an entry stale for. */
export const STALE_MS_MAX = 300

/** What the driver does of its own. */
export const PLAIN_ANSWER: Answer = { fails: false, value: 'text', error: 'plain', shape: 'map', members: ['text'] }
export const ANY_REQUEST: RequestSpec = {
  key: 0,
  ttl: undefined,
  priority: undefined,
  weight: undefined,
  tags: undefined,
  behaviour: { when: 'later', failures: 0, value: 'text', error: 'plain', watches: false },
}
export const PLAIN_OPTIONS: OptionsSpec = {
  maxConcurrency: 5,
  groupingStrategy: 'none',
  groups: false,
  deduplication: true,
  maxBatchSize: 50,
  onMissing: 'fallback',
  groupFallbackLimit: 32,
  signal: undefined,
  timeoutMs: Number.POSITIVE_INFINITY,
  fetchTimeoutMs: 1000,
  queueTimeoutMs: Number.POSITIVE_INFINITY,
  attempts: 1,
  failFast: false,
  cache: 'default',
  staleWhileRevalidate: 0,
  staleIfError: 0,
  onOrphan: 'abort',
}

/** `fc.constantFrom`, the first choice being what is shrunk to. */
const one = <const T>(...choices: T[]): fc.Arbitrary<T> => fc.constantFrom(...choices)
/** Mostly `usual`. */
const mostly = <T>(usual: T, weight: number, ...others: T[]): fc.Arbitrary<T> =>
  fc.oneof({ arbitrary: fc.constant(usual), weight }, { arbitrary: fc.constantFrom(...others), weight: 1 })

const FOREVER = Number.POSITIVE_INFINITY
const key = fc.nat(KEYS.length - 1)
const keys = fc.array(key, { maxLength: 5 })
const ttl = mostly<number | undefined>(undefined, 2, 0, 1, 10, 50, 200, FOREVER)
const weight = mostly<number | undefined>(undefined, 3, 0, 1, 30, 90, 101)
const tags = mostly<readonly string[] | undefined>(undefined, 4, ['red'], ['green'], ['red', 'green', 'red'], [])
const value = mostly<Behaviour['value']>('text', 6, 'null', 'undefined')

const behaviour: fc.Arbitrary<Behaviour> = fc.record({
  when: one('later', 'now', 'soon', 'later'),
  failures: mostly(0, 3, 1, 2, 9),
  value,
  error: mostly<ErrorKind>('plain', 4, 'final', 'hinted', 'falsy'),
  watches: fc.boolean(),
})

const request: fc.Arbitrary<RequestSpec> = fc.record({
  key,
  ttl,
  priority: mostly<number | undefined>(undefined, 2, -1, 1, 7),
  weight,
  tags,
  behaviour,
})

const options: fc.Arbitrary<OptionsSpec> = fc.record({
  maxConcurrency: one(5, 1, 2),
  groupingStrategy: one('prefix', 'none', 'custom'),
  groups: fc.boolean(),
  deduplication: mostly(true, 5, false),
  maxBatchSize: mostly(50, 2, 1, 2, 3),
  onMissing: one('fallback', 'undefined', 'null', 'error'),
  groupFallbackLimit: one(32, 0, 1),
  signal: mostly<number | undefined>(undefined, 1, 0, 1),
  timeoutMs: mostly(FOREVER, 3, 20, 100),
  fetchTimeoutMs: one(100, 20, 1000, FOREVER),
  queueTimeoutMs: mostly(FOREVER, 5, 15, 100),
  attempts: mostly(1, 2, 2, 3),
  failFast: mostly(false, 4, true),
  cache: mostly<OptionsSpec['cache']>('default', 6, 'reload', 'only-if-cached', 'no-store'),
  staleWhileRevalidate: mostly(0, 4, 30, STALE_MS_MAX),
  staleIfError: mostly(0, 4, 30, STALE_MS_MAX),
  onOrphan: mostly<OptionsSpec['onOrphan']>('abort', 4, 'finish'),
})

const entry: fc.Arbitrary<EntrySpec> = fc.record({ key, value, ttl, weight, tags })

const answer: fc.Arbitrary<Answer> = fc.record({
  fails: mostly(false, 3, true),
  value,
  error: mostly<ErrorKind>('plain', 4, 'final', 'hinted', 'falsy'),
  shape: one('map', 'object', 'array', 'iterable', 'async', 'short array', 'number'),
  members: fc.array(mostly<MemberAnswer>('text', 3, 'null', 'undefined', 'plain', 'final', 'missing'), {
    minLength: 1,
    maxLength: 4,
  }),
})

const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      do: fc.constant('batch' as const),
      how: one('values', 'settled', 'single'),
      requests: fc.array(request, { maxLength: 6 }),
      options,
    }),
  },
  { weight: 30, arbitrary: fc.record({ do: fc.constant('settle' as const), pick: fc.nat(20), answer }) },
  { weight: 14, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: one(1, 5, 10, 20, 50, 100, 1000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('abort' as const), signal: fc.nat(SIGNALS - 1), renew: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), signal: fc.nat(SIGNALS - 1) }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: one('memory.get', 'memory.peek', 'memory.has', 'memory.delete', 'memory.remainingTtl'), key }),
  },
  { weight: 8, arbitrary: fc.record({ do: one('get', 'has', 'delete'), key }) },
  { weight: 6, arbitrary: fc.record({ do: one('mget', 'memory.mget', 'memory.mdelete', 'invalidate'), keys }) },
  { weight: 10, arbitrary: fc.record({ do: one('memory.mset', 'mset'), entries: fc.array(entry, { maxLength: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ do: one('invalidate.prefix', 'invalidate.pattern', 'invalidate.tag'), pick: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: one('clear', 'memory.clear') }) },
)

export const setting: fc.Arbitrary<Setting> = fc.oneof(
  fc.record({
    bounded: fc.constant(true),
    maxEntries: one(1000, 1, 2, 3, 5, 8),
    maxWeight: mostly(FOREVER, 1, 100),
    ttl: one(FOREVER, 0, 40, 200),
    negativeTtl: mostly<number | undefined>(undefined, 2, 0, 20),
    errorTtl: mostly(0, 2, 25),
    slidingTtl: mostly(false, 2, true),
    retryBurst: one(100, 2),
  }),
  fc.record({
    bounded: fc.constant(false),
    maxEntries: fc.constant(1000),
    maxWeight: fc.constant(FOREVER),
    ttl: one(FOREVER, 0, 40, 200),
    negativeTtl: mostly<number | undefined>(undefined, 2, 0, 20),
    errorTtl: fc.constant(0),
    slidingTtl: mostly(false, 2, true),
    retryBurst: one(100, 2),
  }),
)

/** `length` operations, or fewer when shrunk. */
export const operations = (length: number): fc.Arbitrary<Operation[]> =>
  fc.array(operation, { minLength: 0, maxLength: length, size: 'max' })
