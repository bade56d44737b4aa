/** `loadMany` and `loader` infer keys and values; keys that are no strings need a `cacheKey`. Nothing here is run. */

import { expectTypeOf } from 'expect-type'
import { BatchProcessor, type BulkLoader, type Loader, type LoaderOptions, loadMany } from 'sluice'

interface User {
  readonly id: number
}
declare const findUsers: (ids: readonly number[]) => Promise<Map<number, User>>
const processor = new BatchProcessor()

expectTypeOf(await loadMany(['a', 'b'], (keys) => keys.map((key) => key.length))).toEqualTypeOf<number[]>()
expectTypeOf(await processor.loadMany(['a'], async (keys) => Object.fromEntries(keys.map((key) => [key, 1])))).toEqualTypeOf<
  number[]
>()
expectTypeOf(await loadMany([1, 2], findUsers, { cacheKey: String })).toEqualTypeOf<User[]>()
expectTypeOf(await loadMany<string, User>(['a'], () => [])).toEqualTypeOf<User[]>()
expectTypeOf(await processor.loadMany<number, User>([1], findUsers, { cacheKey: (id) => id.toFixed() })).toEqualTypeOf<User[]>()
await loadMany(['a', 'b'] as const, (keys, { signal }) => {
  expectTypeOf(keys).toEqualTypeOf<readonly ('a' | 'b')[]>()
  expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
  return keys.map(() => new Error('none'))
})

const users = processor.loader(findUsers, { cacheKey: String, prefix: 'user:' })
expectTypeOf(users).toEqualTypeOf<Loader<number, User>>()
expectTypeOf(await users.load(1)).toEqualTypeOf<User>()
expectTypeOf(await users.loadMany([1])).toEqualTypeOf<User[]>()
expectTypeOf(users.prime(1, { id: 1 }).clear(1)).toEqualTypeOf<Loader<number, User>>()
expectTypeOf(processor.loader(async (keys: readonly string[]) => keys.map(() => 1))).toEqualTypeOf<Loader<string, number>>()
expectTypeOf(processor.loader<string, User>(() => new Map())).toEqualTypeOf<Loader<string, User>>()
export function loaderOf<K, V>(
  load: BulkLoader<K, V>,
  options: LoaderOptions<K> & { cacheKey: (key: K) => string },
): Loader<K, V> {
  return processor.loader(load, options)
}

// @ts-expect-error: numbers, and no cacheKey
void loadMany([1, 2], findUsers)
// @ts-expect-error: numbers, and no cacheKey
processor.loader(findUsers)
// @ts-expect-error: a cacheKey that answers no string
void loadMany([1, 2], findUsers, { cacheKey: (id) => id })
// @ts-expect-error: no such key
void users.load('a')
// @ts-expect-error: not a value of this loader
users.prime(1, 'x')
// @ts-expect-error: there is no callback of a key's own to fall back to
void loadMany(['a'], () => [1], { onMissing: 'fallback' })
// @ts-expect-error: a window is a loader's
void loadMany(['a'], () => [1], { windowMs: 1 })
