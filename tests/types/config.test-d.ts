/** Configs, tiers, events and errors, as a strict user writes them. Nothing here is run. */

import { expectTypeOf } from 'expect-type'
import {
  type AnySluiceError,
  BatchError,
  type BatchOutcome,
  BatchProcessor,
  type BatchProcessorConfig,
  batchConfigSchema,
  configure,
  type GroupFetch,
  PriorityQueue,
  SluiceError,
  type StorageError,
  type Tier,
  type TierEntry,
  valueTier,
} from 'sluice'
import { byteTier } from 'sluice/bytes'
import { contentKey } from 'sluice/content-key'
import { type SqliteStorage, sqliteStorage } from 'sluice/sqlite'
import { chaosTier, mapTier } from 'sluice/testing'

// With exactOptionalPropertyTypes, an option that is `undefined` is one that was not given.
declare const maybe: number | undefined
const config: BatchProcessorConfig = { ttl: maybe, maxEntries: maybe, storage: undefined, groupBreaker: undefined }
const processor = new BatchProcessor({
  ...config,
  retry: { attempts: maybe },
  rateLimit: { requests: 1, perMs: 1, burst: maybe },
})
void processor.getCachedDataBatch([], { signal: undefined, timeoutMs: maybe, retry: undefined })
void processor.getCachedData('a', () => 1, maybe)
void processor.set('a', 1, { ttl: maybe, tags: undefined })
processor.loader((keys: readonly string[]) => keys, { ttl: maybe, prefix: undefined })
void processor.close({ timeoutMs: maybe, mode: undefined })
expectTypeOf(configure(config)).toEqualTypeOf<BatchProcessor>()

// Groups of one processor may answer different types.
declare const users: GroupFetch<{ id: number }>
declare const prices: GroupFetch<number>
new BatchProcessor({ groups: { user: users, price: { groupFetch: prices, onMissing: 'null' } } })
// @ts-expect-error: misspelt
new BatchProcessor({ maxEntrys: 1 })
// @ts-expect-error: no such strategy
new BatchProcessor({ groupingStrategy: 'suffix' })
// @ts-expect-error: a rate needs its time
new BatchProcessor({ rateLimit: { requests: 1 } })

// Whatever checks a Standard Schema learns what comes out.
expectTypeOf(batchConfigSchema['~standard'].vendor).toBeString()

// Every tier of ours fits, as does an application's own storage.
const tier: Tier = { name: 'own', mget: (keys) => keys.map(() => undefined), mset() {}, mdelete() {} }
configure({ storage: [tier, new Map(), mapTier(), valueTier(new Map()), sqliteStorage(), chaosTier(mapTier(), { seed: 1 })] })
expectTypeOf(byteTier({ mget: (keys) => keys.map(() => undefined), mset() {}, mdelete() {} })).toExtend<Tier>()
expectTypeOf(sqliteStorage()).toEqualTypeOf<SqliteStorage>()
expectTypeOf<TierEntry<number>['value']>().toEqualTypeOf<number>()
expectTypeOf(contentKey('a', new Uint8Array(), { b: [1, null] })).toBeString()

// A queue is of what is put in.
const queue = new PriorityQueue<{ job: number }>({ maxSize: maybe })
expectTypeOf(queue.dequeue()).toEqualTypeOf<{ job: number } | undefined>()

// Each event has its own shape.
const stop = processor.on('stall', ({ keys, timeoutMs }) => {
  expectTypeOf(keys).toEqualTypeOf<readonly string[]>()
  expectTypeOf(timeoutMs).toEqualTypeOf<number>()
})
expectTypeOf(stop).toEqualTypeOf<() => void>()
processor.on('tierError', ({ tier: name, error }) => {
  expectTypeOf(name).toEqualTypeOf<string>()
  expectTypeOf(error).toEqualTypeOf<StorageError>()
})
// @ts-expect-error: no such event
processor.on('stalled', () => {})

// An error's `code` tells which fields it has.
export function explain(error: unknown): string | number | undefined {
  if (!(error instanceof SluiceError)) return undefined
  expectTypeOf(error).toEqualTypeOf<AnySluiceError>()
  expectTypeOf(error.key).toEqualTypeOf<string | undefined>()
  expectTypeOf(error.family).toEqualTypeOf<'misuse' | 'fetch' | 'internal'>()
  // @ts-expect-error: not every one has it
  error.timeoutMs
  switch (error.code) {
    case 'ERR_BATCH_FAILED':
      expectTypeOf(error.results).toEqualTypeOf<readonly BatchOutcome<unknown>[]>()
      return error.keys.join()
    case 'ERR_FETCH_TIMEOUT':
    case 'ERR_BATCH_TIMEOUT':
      return error.timeoutMs
    case 'ERR_RATE_LIMITED':
      return error.retryAfterMs
    case 'ERR_STORAGE':
      return error.tier
    case 'ERR_CIRCULAR_FETCH':
      expectTypeOf(error.path).toEqualTypeOf<readonly string[]>()
      return error.key
    case 'ERR_UNKNOWN_OPTION':
      expectTypeOf(error.family).toEqualTypeOf<'misuse'>()
      return error.message
    case 'ERR_NO_SQLITE':
      expectTypeOf(error.family).toEqualTypeOf<'internal'>()
      return error.message
    // @ts-expect-error: no such code
    case 'ERR_NO_SUCH_CODE':
      return undefined
    default:
      return error.message
  }
}
export function results(error: unknown): unknown {
  return error instanceof BatchError ? error.results[0]?.status : undefined
}
