/**
 * Every option, declared once: its type in words, default, check and prose. The resolved defaults, the messages, the README's table and
 * the Standard Schema all come from here.
 */

import { anAdaptiveConcurrency } from './adaptive.js'
import {
  aBoolean,
  aCount,
  aDuration,
  aFunction,
  aKey,
  anInteger,
  anIntegerOrInfinity,
  aPriority,
  aShare,
  aSignal,
  aTtl,
  aWeight,
  type Check,
  oneOf,
  tagList,
  withMethods,
} from './checks.js'
import { aGroupBreaker, aGroupTable, DEFAULT_GROUP_BREAKER, onMissings } from './groups.js'
import { aRateLimit } from './rate-limit.js'
import { aRetry, aRetryBudget, DEFAULT_RETRY, DEFAULT_RETRY_BUDGET } from './retry.js'
import { aStorage } from './storage.js'

export interface Declaration {
  readonly name: string
  /** For the README's table. */
  readonly type: string
  /** `undefined`: there is none, and leaving the option out means leaving the feature out. */
  readonly default: unknown
  /** The default in words, where the value does not say it. */
  readonly defaultProse?: string
  readonly check: Check
  readonly prose: string
  /** In a batch's options: the field of the processor's config that this one falls back to. */
  readonly from?: string
}

const HOUR_MS = 3_600_000
const groupings = ['none', 'prefix', 'custom'] as const
const policies = ['adaptive', 'lru'] as const
const orphans = ['abort', 'finish'] as const
const isolations = ['shared', 'freeze', 'clone'] as const
const cacheModes = ['default', 'reload', 'only-if-cached', 'no-store'] as const
const quoted = (names: readonly string[]) => names.map((name) => `'${name}'`).join(' | ')

/** Fields of one request. */
export const REQUEST_FIELDS: readonly Declaration[] = [
  {
    name: 'key',
    type: 'string',
    default: undefined,
    defaultProse: 'required',
    check: aKey,
    prose: 'What it is kept under. Compared whole; any string is a key, the empty one too.',
  },
  {
    name: 'fetchFunction',
    type: '(context) => T | Promise<T>',
    default: undefined,
    defaultProse: 'required',
    check: aFunction,
    prose: 'Gets the value when nothing has it. Called at most once per load, whatever the number of requests.',
  },
  {
    name: 'ttl',
    type: 'number (ms)',
    default: undefined,
    defaultProse: "the processor's `ttl`",
    check: aTtl,
    prose: 'How long the value stays valid. `0`: share the load, do not store. `Infinity`: never expires.',
  },
  {
    name: 'priority',
    type: "'high' | 'normal' | 'low' | number",
    default: 'normal',
    check: aPriority,
    prose:
      'Higher starts sooner: 1, 0, -1, or an integer. First come, first served among equals; waiting ages, so low never starves.',
  },
  {
    name: 'tags',
    type: 'string[]',
    default: undefined,
    defaultProse: 'none',
    check: tagList,
    prose: 'Names for `invalidate({ tag })`.',
  },
  {
    name: 'weight',
    type: 'number',
    default: undefined,
    defaultProse: "an estimate of the value's bytes",
    check: aWeight,
    prose: 'What the entry counts against `maxWeight`.',
  },
]

/** Options of one batch. */
export const BATCH_OPTIONS: readonly Declaration[] = [
  {
    name: 'maxConcurrency',
    type: 'number',
    default: 5,
    check: anInteger(1),
    prose: 'Most callbacks of this batch running at once.',
    from: 'defaultConcurrency',
  },
  {
    name: 'maxConcurrencyPerGroup',
    type: 'number',
    default: Number.POSITIVE_INFINITY,
    check: anIntegerOrInfinity(1),
    prose:
      "Most callbacks of one group running at once, those of the processor's other batches counted that give this option, too. Groups are `groupingStrategy`'s, with a `groupFetch` or without.",
    from: 'maxConcurrencyPerGroup',
  },
  {
    name: 'groupingStrategy',
    type: quoted(groupings),
    default: 'prefix',
    check: oneOf(...groupings),
    prose: "How missing keys are grouped: not at all, by the key's first two `:`-parts, or by `customGrouper`.",
    from: 'groupingStrategy',
  },
  {
    name: 'customGrouper',
    type: '(key) => string | null',
    default: undefined,
    defaultProse: 'none',
    check: aFunction,
    prose: "The group of a key, for `groupingStrategy: 'custom'`. `null` or `undefined` leaves the key ungrouped.",
  },
  {
    name: 'deduplication',
    type: 'boolean',
    default: true,
    check: aBoolean,
    prose: '`false`: every request fetches for itself, whatever is cached or in flight.',
  },
  {
    name: 'maxBatchSize',
    type: 'number',
    default: 50,
    check: anInteger(1),
    prose: 'The most keys one group fetch gets; larger groups are split.',
    from: 'maxBatchSize',
  },
  {
    name: 'groupFetch',
    type: '({ groupKey, keys, requests, signal }) => …',
    default: undefined,
    defaultProse: 'none',
    check: aFunction,
    prose:
      'Fetches the missing keys of a group in one call. Answers a Map, an object, an array in the order of `keys`, or an (async) iterable of `[key, value]`. Other keys in it are stored, too, unless something newer exists. A group of one uses its own `fetchFunction`.',
  },
  {
    name: 'onMissing',
    type: quoted(onMissings),
    default: 'fallback',
    check: oneOf(...onMissings),
    prose: 'What becomes of keys that a group fetch left out: their own `fetchFunction`, `undefined`, `null`, or an error.',
  },
  {
    name: 'groupFallbackLimit',
    type: 'number',
    default: 32,
    check: anInteger(0),
    prose:
      'Most keys of one failed group fetch that fall back to their own `fetchFunction`; the others reject with its error as `cause`.',
  },
  {
    name: 'signal',
    type: 'AbortSignal',
    default: undefined,
    defaultProse: 'none',
    check: aSignal,
    prose: "Drops this batch's interest: it rejects with `signal.reason`; loads nobody else waits for are aborted.",
  },
  {
    name: 'timeoutMs',
    type: 'number (ms)',
    default: Number.POSITIVE_INFINITY,
    check: aDuration,
    prose: "Deadline of the whole batch. Without one, its fetches' deadlines bound it.",
    from: 'timeoutMs',
  },
  {
    name: 'fetchTimeoutMs',
    type: 'number (ms)',
    default: 30_000,
    check: aDuration,
    prose: 'Deadline of one call of a callback, from its start. A late answer is dropped.',
    from: 'fetchTimeoutMs',
  },
  {
    name: 'queueTimeoutMs',
    type: 'number (ms)',
    default: Number.POSITIVE_INFINITY,
    check: aDuration,
    prose: 'Longest that a load may wait for its slot.',
    from: 'queueTimeoutMs',
  },
  {
    name: 'onOrphan',
    type: quoted(orphans),
    default: 'abort',
    check: oneOf(...orphans),
    prose:
      'What becomes of a running load that nobody waits for any longer: its signal is aborted, or it is finished and stored.',
  },
  {
    name: 'onProgress',
    type: '({ completed, failed, total }) => void',
    default: undefined,
    defaultProse: 'none',
    check: aFunction,
    prose: 'Called after each answer. What it throws is reported as a `callbackError` event.',
  },
  {
    name: 'isolation',
    type: quoted(isolations),
    default: 'shared',
    check: oneOf(...isolations),
    prose: "`'shared'`: values by identity. `'freeze'`: frozen deeply, for all. `'clone'`: a structured clone for each caller.",
    from: 'isolation',
  },
  {
    name: 'retry',
    type: '{ attempts, backoffMs, maxBackoffMs, jitter, retryable }',
    default: DEFAULT_RETRY,
    defaultProse: 'no retries',
    check: aRetry,
    prose:
      'Tries of one load in all (`attempts`, 1), the doubling backoff between them (100 ms up to 10,000 ms), the part of it left to chance (`jitter`, 1), and which errors are worth it (`retryable(error)`). An error with `retryAfterMs`, or with the `headers` of a response that has `Retry-After`, is not retried sooner.',
    from: 'retry',
  },
  {
    name: 'failFast',
    type: 'boolean',
    default: false,
    check: aBoolean,
    prose:
      '`true`: reject at the first failure and drop interest in the rest. Else wait for all, then throw a `BatchError` with all outcomes.',
  },
  {
    name: 'cache',
    type: quoted(cacheModes),
    default: 'default',
    check: oneOf(...cacheModes),
    prose:
      "`'reload'`: fetch although cached, and store. `'only-if-cached'`: fetch nothing; what is missing rejects with `NotCachedError`. `'no-store'`: neither read nor stored, but loads in flight are shared.",
  },
  {
    name: 'staleWhileRevalidate',
    type: 'number (ms)',
    default: 0,
    check: aTtl,
    prose:
      'How long after its expiry an entry is still answered at once, while one grouped batch in the background fetches it anew.',
    from: 'staleWhileRevalidate',
  },
  {
    name: 'staleIfError',
    type: 'number (ms)',
    default: 0,
    check: aTtl,
    prose: 'How long after its expiry an entry is still the answer when its fetch fails.',
    from: 'staleIfError',
  },
]

/** What `loadMany` and `loader` take as a batch does, and as a request does. */
const SHARED = /^(?:ttl|priority|tags|maxConcurrency|\w*[tT]imeoutMs|onOrphan|isolation|retry|cache|stale\w+)$/
const SHARED_OPTIONS = [...REQUEST_FIELDS, ...BATCH_OPTIONS].filter(({ name }) => SHARED.test(name))

/** Options of bulk loads alone. */
export const BULK_OPTIONS: readonly Declaration[] = [
  {
    name: 'prefix',
    type: 'string',
    default: '',
    check: aKey,
    prose: 'Goes before each key in the cache. Loaders of one processor that have the same prefix share what they load.',
  },
  {
    name: 'cacheKey',
    type: '(key) => string',
    default: undefined,
    defaultProse: 'the key, a string',
    check: aFunction,
    prose: 'What a key is kept under, where keys are not strings; behind the prefix.',
  },
  {
    name: 'maxBatchSize',
    type: 'number',
    default: Number.POSITIVE_INFINITY,
    check: anIntegerOrInfinity(1),
    prose: 'The most keys one call of the bulk loader gets. A loader does not wait for more than these.',
  },
  {
    name: 'onMissing',
    type: quoted(onMissings.slice(1)),
    default: 'undefined',
    check: oneOf(...onMissings.slice(1)),
    prose:
      'What becomes of keys that the bulk loader left out: `undefined` (delivered, not stored), `null` (stored), or an error.',
  },
  {
    name: 'windowMs',
    type: 'number (ms)',
    default: 0,
    check: aCount,
    prose:
      'For `loader`: how long keys that have to be loaded are gathered. `0`: as long as the promises of one tick are told. What is in memory or in flight does not wait.',
  },
]

/** Options of `loader`. */
export const LOADER_OPTIONS: readonly Declaration[] = [...SHARED_OPTIONS, ...BULK_OPTIONS]

/** Options of `loadMany`. */
export const LOAD_MANY_OPTIONS: readonly Declaration[] = [
  ...LOADER_OPTIONS.filter(({ name }) => name !== 'windowMs'),
  ...BATCH_OPTIONS.filter(({ name }) => /^(?:signal|failFast|onProgress)$/.test(name)),
]

const inherited = (name: string): Declaration => ({
  ...(BATCH_OPTIONS.find((option) => option.name === name) as Declaration),
  prose: `Default of every batch's \`${name}\`.`,
})

/** Fields of a processor's config. */
export const CONFIG_OPTIONS: readonly Declaration[] = [
  { ...inherited('maxConcurrency'), name: 'defaultConcurrency' },
  {
    name: 'maxConcurrency',
    type: 'number',
    default: Number.POSITIVE_INFINITY,
    check: anIntegerOrInfinity(1),
    prose: 'Most callbacks of all batches running at once. Batches take turns, however many keys each has.',
  },
  {
    name: 'adaptiveConcurrency',
    type: 'boolean | { min, max, initial }',
    default: false,
    check: anAdaptiveConcurrency,
    prose:
      'Finds by itself how many callbacks of all batches to run at once, from `min` (1) to `max` (200), beginning with `initial` (10): more while latency stays low and all are used, fewer when it rises, and at a 429, 503, `EMFILE`, `Retry-After` or timeout. Batches that do not say how many they take, take as many.',
  },
  inherited('maxConcurrencyPerGroup'),
  {
    name: 'rateLimit',
    type: '{ requests, perMs, burst, by, onLimit } | […]',
    default: undefined,
    defaultProse: 'none',
    check: aRateLimit,
    prose:
      "Most callbacks started: `requests` in each `perMs`, and at most `burst` (`requests`) at once. `by(key)` names what is counted by itself, such as a host; where it answers nothing, the key is not counted. A group fetch is counted for its first key. What is over the limit waits, or with `onLimit: 'reject'` fails with a `RateLimitedError`. Of several limits, all must allow it.",
  },
  {
    name: 'maxQueue',
    type: 'number',
    default: Number.POSITIVE_INFINITY,
    check: anIntegerOrInfinity(0),
    prose:
      'Most calls of callbacks that may wait for their turn. What a batch queues beyond it, its last keys first, fails with an `OverloadedError`; retries and fallbacks do not.',
  },
  {
    name: 'enableOptimizations',
    type: 'boolean',
    default: true,
    check: aBoolean,
    prose: '`false`: keys are never grouped; each missing one is fetched by its own `fetchFunction`.',
  },
  inherited('groupingStrategy'),
  inherited('maxBatchSize'),
  {
    name: 'adaptiveBatchSize',
    type: 'boolean',
    default: false,
    check: aBoolean,
    prose:
      '`true`: group fetches and bulk loads get more keys while that makes the time per key less, and fewer when it makes it more, from 8 on; at most `maxBatchSize`.',
  },
  {
    name: 'groups',
    type: '{ [prefix]: groupFetch | { groupFetch, maxBatchSize, onMissing, groupFallbackLimit } }',
    default: undefined,
    defaultProse: 'none',
    check: aGroupTable,
    prose:
      "Group fetches for keys that are one of these prefixes, or go on after it with a `:`; the longest counts. They are used whatever the `groupingStrategy`, unless the batch has its own `groupFetch`; what a group says of the other three goes before the batch's.",
  },
  {
    name: 'groupBreaker',
    type: '{ failures, coolDownMs } | false',
    default: DEFAULT_GROUP_BREAKER,
    defaultProse: '{ failures: 5, coolDownMs: 10_000 }',
    check: aGroupBreaker,
    prose:
      'After so many throws and timeouts in a row, a group is not called for `coolDownMs`: its keys fall back, as when it fails. Then one call tries again. `false`: it is always called.',
  },
  inherited('timeoutMs'),
  inherited('fetchTimeoutMs'),
  inherited('queueTimeoutMs'),
  inherited('retry'),
  {
    name: 'retryBudget',
    type: '{ ratio, burst }',
    default: DEFAULT_RETRY_BUDGET,
    defaultProse: '{ ratio: 0.2, burst: 100 }',
    check: aRetryBudget,
    prose:
      'Retries shared by all loads: each load earns `ratio` of one, and at most `burst` can be saved (so many there are at first).',
  },
  inherited('staleWhileRevalidate'),
  inherited('staleIfError'),
  {
    name: 'maxEntries',
    type: 'number',
    default: 10_000,
    check: anIntegerOrInfinity(1),
    prose: 'Most entries in memory.',
  },
  {
    name: 'maxWeight',
    type: 'number',
    default: Number.POSITIVE_INFINITY,
    check: anIntegerOrInfinity(1),
    prose: 'Most weight in memory, in bytes by default. A value heavier than all of it is never stored.',
  },
  {
    name: 'policy',
    type: quoted(policies),
    default: 'adaptive',
    check: oneOf(...policies),
    prose:
      'Who leaves when it is full: what has least been worth keeping of late, judged by how often and how recently it was used; or exactly the least recently used.',
  },
  {
    name: 'ttl',
    type: 'number (ms)',
    default: HOUR_MS,
    check: aTtl,
    prose: 'How long a value stays valid whose request does not say.',
  },
  {
    name: 'negativeTtl',
    type: 'number (ms)',
    default: undefined,
    defaultProse: 'as any value',
    check: aTtl,
    prose: 'How long a `null` stays valid.',
  },
  {
    name: 'errorTtl',
    type: 'number (ms)',
    default: 0,
    check: aTtl,
    prose: 'How long a failed load is answered with its failure. `0`: failures are not kept.',
  },
  {
    name: 'ttlJitter',
    type: 'number',
    default: 0,
    check: aShare,
    prose:
      'The part of every TTL, 0 to 1, that chance may take off it, so that what was stored together does not expire together.',
  },
  {
    name: 'slidingTtl',
    type: 'boolean',
    default: false,
    check: aBoolean,
    prose: 'A use makes an entry live its TTL from then on.',
  },
  {
    name: 'earlyRefresh',
    type: 'number',
    default: 0,
    check: aCount,
    prose:
      "How eagerly entries are refreshed in the background before they expire (XFetch's β: 1 is the optimum, more is earlier). `0`: never.",
  },
  inherited('isolation'),
  {
    name: 'maxKeyBytes',
    type: 'number',
    default: 2 ** 20,
    check: anInteger(1, 2 ** 26),
    prose: 'Longest key, in UTF-8 bytes.',
  },
  {
    name: 'storage',
    type: 'Tier | ValueStorage | (Tier | ValueStorage)[]',
    default: undefined,
    defaultProse: 'none',
    check: aStorage,
    prose: 'Where values are kept beneath memory, in the order they are asked.',
  },
  {
    name: 'storageTimeoutMs',
    type: 'number (ms)',
    default: 1000,
    check: aDuration,
    prose: 'Deadline of one operation of a tier; past it, a read is a miss.',
  },
  {
    name: 'storageBreaker',
    type: '{ failures, coolDownMs } | false',
    default: DEFAULT_GROUP_BREAKER,
    defaultProse: '{ failures: 5, coolDownMs: 10_000 }',
    check: aGroupBreaker,
    prose:
      'A tier of which so many reads, or so many writes, in a row failed has none of these for `coolDownMs`. Then one of them tries again, for which no batch waits. `false`: it is always asked.',
  },
  {
    name: 'writes',
    type: "'background' | 'await' | 'strict'",
    default: 'background',
    check: oneOf('background', 'await', 'strict'),
    prose:
      "Who waits until the tiers have been written: `set`, `delete` and their like alone; with `'await'` batches, too; with `'strict'`, `set`, `delete` and their like also reject with a `StorageError` where a tier has failed.",
  },
  {
    name: 'clock',
    type: 'Clock',
    default: undefined,
    defaultProse: "the runtime's",
    check: withMethods('a Clock', 'now', 'wallNow', 'setTimer', 'clearTimer'),
    prose: 'Where time comes from; for tests in virtual time.',
  },
]

/** Options of a priority queue. */
export const QUEUE_OPTIONS: readonly Declaration[] = [
  {
    name: 'maxSize',
    type: 'number',
    default: 10_000,
    check: anIntegerOrInfinity(1),
    prose: 'Most entries at a time, or `Infinity`.',
  },
  {
    name: 'prefetch',
    type: 'number',
    default: 128,
    check: anInteger(1, 10_000),
    prose: 'How many entries are dequeued ahead from the engine at a time. Of no effect on the order.',
  },
]
