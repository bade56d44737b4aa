/** What a batch resolves to is inferred from its requests. Nothing here is run: the compiler is the test. */

import { expectTypeOf } from 'expect-type'
import {
  type BatchOutcome,
  type BatchPlan,
  BatchProcessor,
  type BatchRequest,
  type FetchContext,
  getCachedData,
  getCachedDataBatch,
  getCachedDataBatchSettled,
  plan,
  prefetch,
  streamCachedDataBatch,
} from 'sluice'

declare const keys: readonly string[]
declare const numbers: readonly BatchRequest<number>[]
declare const either: (BatchRequest<number> | BatchRequest<string>)[]
const processor = new BatchProcessor()
const one = { key: 'a', fetchFunction: () => 1 }
const text = { key: 'b', fetchFunction: async () => 'x' }

// Requests that are written out have each its own type.
expectTypeOf(await getCachedDataBatch([one, text])).toEqualTypeOf<[number, string]>()
expectTypeOf(await processor.getCachedDataBatch([one, text])).toEqualTypeOf<[number, string]>()
expectTypeOf(await getCachedDataBatch([one, text] as const)).toEqualTypeOf<[number, string]>()
expectTypeOf(await getCachedDataBatch([one])).toEqualTypeOf<[number]>()
expectTypeOf(await getCachedDataBatch([])).toEqualTypeOf<[]>()
expectTypeOf(
  await getCachedDataBatch([
    { key: 'a', fetchFunction: ({ signal }) => signal.aborted },
    { key: 'b', fetchFunction: async (context) => context.key },
    { key: 'c', fetchFunction: (): number | null | Promise<number | null> => null, ttl: 5, priority: 'low', tags: ['t'] },
  ]),
).toEqualTypeOf<[boolean, string, number | null]>()
expectTypeOf(await getCachedDataBatch([one, ...numbers])).toEqualTypeOf<[number, ...number[]]>()

// Lists are arrays, of whatever the callbacks answer.
expectTypeOf(await getCachedDataBatch(numbers)).toEqualTypeOf<number[]>()
expectTypeOf(await getCachedDataBatch([...numbers, ...numbers])).toEqualTypeOf<number[]>()
expectTypeOf(await getCachedDataBatch(either)).toEqualTypeOf<(number | string)[]>()
expectTypeOf(
  await getCachedDataBatch(keys.map((key) => ({ key, fetchFunction: async ({ signal }) => signal.aborted }))),
).toEqualTypeOf<boolean[]>()
expectTypeOf(
  await processor.getCachedDataBatch(keys.map((key) => ({ key, fetchFunction: ({ attempt }) => (attempt > 1 ? key : null) }))),
).toEqualTypeOf<(string | null)[]>()

// A type argument still is that of every value, and wrappers stay generic.
expectTypeOf(await getCachedDataBatch<string | number>([one, text])).toEqualTypeOf<(string | number)[]>()
export function wrapped<T>(requests: readonly BatchRequest<T>[]): Promise<T[]> {
  return processor.getCachedDataBatch(requests, { maxConcurrency: 2 })
}

// Outcomes.
expectTypeOf(await getCachedDataBatchSettled([one, text])).toEqualTypeOf<[BatchOutcome<number>, BatchOutcome<string>]>()
expectTypeOf(await processor.getCachedDataBatchSettled(numbers)).toEqualTypeOf<BatchOutcome<number>[]>()
const [outcome] = await processor.getCachedDataBatchSettled([one, text])
if (outcome.status === 'fulfilled') expectTypeOf(outcome.value).toEqualTypeOf<number>()
else expectTypeOf(outcome.reason).toEqualTypeOf<unknown>()
// @ts-expect-error: there is none before its status is looked at
outcome.value
for await (const each of streamCachedDataBatch([one, text])) expectTypeOf(each).toEqualTypeOf<BatchOutcome<number | string>>()
for await (const each of processor.streamCachedDataBatch(numbers)) expectTypeOf(each).toEqualTypeOf<BatchOutcome<number>>()

// What answers no values takes the same requests.
expectTypeOf(prefetch([one, text])).toEqualTypeOf<Promise<void>>()
expectTypeOf(processor.plan([one, text])).toEqualTypeOf<Promise<BatchPlan>>()
expectTypeOf(plan(numbers)).toEqualTypeOf<Promise<BatchPlan>>()

// One key.
expectTypeOf(await getCachedData('a', async () => 1)).toEqualTypeOf<number>()
expectTypeOf(await processor.getCachedData('a', ({ key }) => key, { ttl: 5, maxConcurrency: 1 })).toEqualTypeOf<string>()
expectTypeOf(await processor.get<number>('a')).toEqualTypeOf<number | undefined>()
expectTypeOf(await processor.mget<number>(keys)).toEqualTypeOf<(number | undefined)[]>()
expectTypeOf(await processor.get('a')).toEqualTypeOf<unknown>()

// A callback's own calls infer as the processor's do.
export async function fetchNested({ getCachedDataBatch, getCachedData, loadMany }: FetchContext): Promise<void> {
  expectTypeOf(await getCachedDataBatch([one, text])).toEqualTypeOf<[number, string]>()
  expectTypeOf(await getCachedDataBatch(numbers)).toEqualTypeOf<number[]>()
  expectTypeOf(await getCachedData('a', () => 1)).toEqualTypeOf<number>()
  expectTypeOf(await loadMany(['a'], (asked) => asked.map(() => 1))).toEqualTypeOf<number[]>()
}

// A group fetch answers what the requests ask for.
expectTypeOf(
  await getCachedDataBatch(
    keys.map((key) => ({ key, fetchFunction: () => 1 })),
    { groupFetch: async ({ keys: asked, signal }) => new Map(asked.map((key) => [key, signal.aborted ? 0 : 1])) },
  ),
).toEqualTypeOf<number[]>()
expectTypeOf(await getCachedDataBatch([one, text], { groupFetch: ({ keys: asked }) => asked.map(() => 'x') })).toEqualTypeOf<
  [number, string]
>()
// @ts-expect-error: not booleans
void getCachedDataBatch([one, text], { groupFetch: ({ keys: asked }) => asked.map(() => true) })
// @ts-expect-error: not strings
void getCachedDataBatch(numbers, { groupFetch: async () => ['x'] })

// What is no request, and no option.
// @ts-expect-error: a misspelt field
void getCachedDataBatch([{ key: 'a', fetchFunction: () => 1, tll: 5 }])
// @ts-expect-error: a misspelt field, beside another type
void getCachedDataBatch([text, { key: 'a', fetchFunction: () => 1, tll: 5 }])
// @ts-expect-error: no callback
void getCachedDataBatch([{ key: 'a' }])
// @ts-expect-error: a key that is no string
void getCachedDataBatch([{ key: 1, fetchFunction: () => 1 }])
// @ts-expect-error: a misspelt option
void getCachedDataBatch(numbers, { maxConcurency: 1 })
// @ts-expect-error: an option of a wrong type
void processor.getCachedDataBatch([one, text], { timeoutMs: '5' })
