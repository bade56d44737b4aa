import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { valueTier } from '../js/index.js'
import { setUp, thrownBy } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { drained } from './support/virtual-clock.js'

describe('valueTier', () => {
  const storage = (entries: readonly (readonly [string, unknown])[] = []) => new Map<string, unknown>(entries)

  test('takes a Map as it is', async (t) => {
    const kept = storage([['a', 'A']])
    const { processor } = setUp(t, { storage: kept })
    const outcomes = await processor.getCachedDataBatchSettled([unwanted('a'), ready('b', 'B' as never)])
    assert.deepEqual(
      outcomes.map(({ source }) => source),
      ['storage', 'fetch'],
    )
    await drained()
    assert.equal(kept.get('b'), 'B')
    await processor.delete('a')
    assert.equal(kept.has('a'), false)
  })

  for (const [what, mget] of [
    ['an array', (keys: readonly string[], kept: Map<string, unknown>) => keys.map((key) => kept.get(key))],
    [
      'a Map',
      (keys: readonly string[], kept: Map<string, unknown>) =>
        new Map(keys.filter((key) => kept.has(key)).map((key) => [key, kept.get(key)])),
    ],
    ['a promised array', async (keys: readonly string[], kept: Map<string, unknown>) => keys.map((key) => kept.get(key))],
    [
      'an array with null for a miss',
      (keys: readonly string[], kept: Map<string, unknown>) => keys.map((key) => kept.get(key) ?? null),
    ],
  ] as const) {
    test(`takes ${what} as the answer of mget`, async (t) => {
      const kept = storage([
        ['a', 'A'],
        ['c', 'C'],
      ])
      const { processor } = setUp(t, {
        storage: {
          mget: (keys) => mget(keys, kept),
          set: (key, value) => kept.set(key, value),
          delete: (key) => kept.delete(key),
        },
      })
      assert.deepEqual(await processor.getCachedDataBatch<string>([unwanted('a'), ready('b', 'B'), unwanted('c')]), [
        'A',
        'B',
        'C',
      ])
    })
  }

  for (const [what, answer] of [
    ['an array of another length', []],
    ['an object', {}],
    ['a string', 'aa'],
    ['nothing', undefined],
  ] as const) {
    test(`takes ${what} as a miss, and an error`, async (t) => {
      const { processor } = setUp(t, { storage: { mget: () => answer, set: () => {}, delete: () => {} } })
      assert.deepEqual(await processor.getCachedDataBatch([ready('a', 1), ready('b', 2)]), [1, 2])
      const [tier] = (await processor.metrics()).tiers
      assert.deepEqual([tier?.hits, tier?.misses, tier?.errors], [0, 2, 1])
    })
  }

  for (const [ttlUnit, expected] of [
    ['ms', [90_000, 2500, undefined]],
    ['s', [90, 2, undefined]],
  ] as const) {
    test(`hands a ttl in ${ttlUnit} to set, none where an entry does not end, and never more than there is`, async (t) => {
      const seen: [string, number | undefined][] = []
      const kept = {
        get: () => undefined,
        set: (key: string, _: unknown, ttl?: number) => void seen.push([key, ttl]),
        delete: () => {},
      }
      const { processor, clock } = setUp(t)
      clock.jumpWall(Date.now() - clock.wallNow())
      processor.initializeStorage(valueTier(kept, { name: 'kv', ttlUnit }))
      await processor.mset([
        { key: 'a', value: 1, ttl: 90_000 },
        { key: 'b', value: 2, ttl: 2500 },
        { key: 'c', value: 3, ttl: Number.POSITIVE_INFINITY },
      ])
      assert.deepEqual(
        seen.map(([key]) => key),
        ['a', 'b', 'c'],
      )
      for (const [index, [, ttl]] of seen.entries()) {
        const most = expected[index]
        if (most === undefined) assert.equal(ttl, undefined)
        // The real clock goes on while this runs.
        else
          assert.ok(
            ttl !== undefined && Number.isInteger(ttl) && ttl <= most && ttl >= most - (ttlUnit === 's' ? 1 : 500),
            `${ttl} of ${most}`,
          )
      }
    })
  }

  test('hands ttls to mset beside the values', async (t) => {
    const seen: unknown[] = []
    const kept = { mget: () => [], mset: (entries: readonly object[]) => void seen.push(...entries), mdelete: () => {} }
    const { processor } = setUp(t, { storage: kept, ttl: 100 })
    await processor.mset([
      { key: 'a', value: 1 },
      { key: 'b', value: 2, ttl: Number.POSITIVE_INFINITY },
    ])
    assert.deepEqual(seen, [
      { key: 'a', value: 1, ttl: 100 },
      { key: 'b', value: 2 },
    ])
  })

  test('in seconds leaves out what lives less than one', async (t) => {
    const kept = storage()
    const { processor, clock } = setUp(t)
    clock.jumpWall(Date.now() - clock.wallNow())
    processor.initializeStorage(valueTier(kept, { ttlUnit: 's' }))
    await processor.mset([
      { key: 'a', value: 1, ttl: 999 },
      { key: 'b', value: 2, ttl: 60_000 },
    ])
    assert.deepEqual([...kept.keys()], ['b'])
  })

  test('in seconds removes what is older than that which lives less than one', async (t) => {
    const kept = storage()
    const { processor, clock } = setUp(t)
    clock.jumpWall(Date.now() - clock.wallNow())
    processor.initializeStorage(valueTier(kept, { ttlUnit: 's' }))
    await processor.set('a', 'old', { ttl: 60_000 })
    await processor.set('a', 'new', { ttl: 500 })
    processor.memory.clear()
    assert.equal(await processor.get('a'), undefined)
    assert.equal(kept.size, 0)
  })

  for (const [what, answer] of [
    ['get', undefined],
    ['mget with an array', (keys: readonly string[], kept: Map<string, unknown>) => keys.map((key) => kept.get(key) ?? null)],
    [
      'mget with a Map',
      (keys: readonly string[], kept: Map<string, unknown>) =>
        new Map(keys.filter((key) => kept.has(key)).map((key) => [key, kept.get(key)])),
    ],
  ] as const) {
    test(`takes null for a value where the storage has the key, by ${what}`, async (t) => {
      const kept = storage()
      const { processor } = setUp(t, {
        storage: answer ? Object.assign(kept, { mget: (keys: string[]) => answer(keys, kept) }) : kept,
      })
      await processor.getCachedData('nothing', () => null)
      await drained()
      processor.memory.clear()
      const outcomes = await processor.getCachedDataBatchSettled([unwanted('nothing'), ready('missing', null as never)])
      assert.deepEqual(
        outcomes.map(({ source }) => source),
        ['storage', 'fetch'],
      )
    })
  }

  test('takes null for a miss where the storage cannot say', async (t) => {
    const kept = storage([['a', null]])
    const { processor } = setUp(t, {
      storage: {
        get: (key: string) => kept.get(key) ?? null,
        set: (key: string, value: unknown) => kept.set(key, value),
        delete: (key: string) => kept.delete(key),
      },
    })
    assert.equal(await processor.getCachedData<unknown>('a', () => 'A'), 'A')
  })

  test('passes clear and close on where there are such', async (t) => {
    const done: string[] = []
    const kept = {
      get: () => undefined,
      set: () => {},
      delete: () => {},
      clear: () => void done.push('clear'),
      close: async () => void done.push('close'),
    }
    const { processor } = setUp(t, { storage: kept })
    await processor.clear()
    await processor.close()
    assert.deepEqual(done, ['clear', 'close'])
  })

  test('says what is wrong with what it is given', () => {
    assert.equal(
      (thrownBy(() => valueTier({} as never)) as Error).message,
      'valueTier(storage): expected a storage with mget or get, mset or set, mdelete or delete, received an object',
    )
    assert.equal(
      (thrownBy(() => valueTier(new Map(), { ttlUnit: 'm' as never })) as Error).message,
      `valueTier.ttlUnit: expected one of 'ms', 's', received "m" (string)`,
    )
    assert.equal(
      (thrownBy(() => valueTier(new Map(), { name: 7 as never })) as Error).message,
      'valueTier.name: expected a string, received 7 (number)',
    )
  })
})
