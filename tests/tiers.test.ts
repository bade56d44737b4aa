import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TierEntry } from '../js/index.js'
import { setUp } from './support/set-up.js'
import { Deferred, ready, unwanted } from './support/source.js'
import { MapTier } from './support/tiers.js'
import { drained } from './support/virtual-clock.js'

describe('a tier beneath memory', () => {
  test('is asked once for all that memory lacks; what it has is not fetched', async (t) => {
    const disk = new MapTier('disk', [
      ['b', 'B'],
      ['c', null],
      ['d', 0],
    ])
    const { processor } = setUp(t, { storage: disk })
    processor.memory.set('a', 'A')
    const outcomes = await processor.getCachedDataBatchSettled<unknown>([
      unwanted('a'),
      unwanted('b'),
      unwanted('c'),
      unwanted('d'),
      ready('e', 'E'),
      unwanted('b'),
    ])
    assert.deepEqual(
      outcomes.map((outcome) => [outcome.source, outcome.status === 'fulfilled' && outcome.value, outcome.attempts]),
      [
        ['memory', 'A', 0],
        ['disk', 'B', 0],
        ['disk', null, 0],
        ['disk', 0, 0],
        ['fetch', 'E', 1],
        ['joined', 'B', 0],
      ],
    )
    await drained()
    assert.deepEqual(disk.log, ['mget b,c,d,e', 'mset e'])
  })

  test('is not asked again: what it had is in memory now', async (t) => {
    const disk = new MapTier('disk', [['a', 'A']])
    const { processor } = setUp(t, { storage: disk })
    await processor.getCachedDataBatch([unwanted('a')])
    await processor.getCachedDataBatch([unwanted('a')])
    assert.deepEqual(disk.log, ['mget a'])
  })

  test('is asked once however many want the same key meanwhile', async (t) => {
    const disk = new MapTier('disk', [['a', 'A']])
    disk.gate = new Deferred()
    const { processor } = setUp(t, { storage: disk })
    const asked = Array.from({ length: 10 }, () => processor.getCachedData('a', unwanted('a').fetchFunction))
    disk.open()
    assert.deepEqual(await Promise.all(asked), Array(10).fill('A'))
    assert.deepEqual(disk.log, ['mget a'])
  })

  test('gets what was fetched, with the time it ends, all of one turn in one call', async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk, ttl: 100 })
    await processor.getCachedDataBatch([
      ready('a', 'A'),
      ready('b', 'B', { ttl: 50 }),
      ready('c', 'C', { ttl: Number.POSITIVE_INFINITY }),
      ready('d', 'D', { ttl: 0 }),
      ready('e', undefined),
      ready('f', null),
    ])
    await drained()
    assert.deepEqual(disk.log, ['mget a,b,c,d,e,f', 'mset a,b,c,f'])
    const now = clock.wallNow()
    assert.deepEqual(
      [...disk.kept],
      [
        ['a', { value: 'A', expiresAt: now + 100 }],
        ['b', { value: 'B', expiresAt: now + 50 }],
        ['c', { value: 'C' }],
        ['f', { value: null, expiresAt: now + 100 }],
      ],
    )
  })

  test('that is slow gets what was loaded meanwhile in one call, the latest of each key', async (t) => {
    const disk = new MapTier()
    const { processor } = setUp(t, { storage: disk })
    await processor.mget(['a', 'b', 'c'])
    disk.log.length = 0
    disk.gate = new Deferred()
    await processor.getCachedData('a', () => 1, { cache: 'reload' })
    await drained()
    for (const [key, value] of [
      ['b', 2],
      ['c', 3],
      ['b', 4],
      ['a', 5],
    ] as const) {
      await processor.getCachedData(key, () => value, { cache: 'reload' })
      await drained()
    }
    assert.deepEqual(disk.log, ['mset a'])
    disk.open()
    await drained()
    assert.deepEqual(disk.log, ['mset a', 'mset b,c,a'])
    assert.deepEqual(
      ['a', 'b', 'c'].map((key) => disk.kept.get(key)?.value),
      [5, 4, 3],
    )
  })

  test('is believed for what is left of an entry, and not longer', async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk, ttl: 1000 })
    const now = clock.wallNow()
    const kept: [string, TierEntry][] = [
      ['a', { value: 'A', expiresAt: now + 30 }],
      ['b', { value: 'B', expiresAt: now + 5000 }],
      ['c', { value: 'C' }],
      ['d', { value: 'D', expiresAt: now }],
      ['e', { value: 'E', expiresAt: now + 1 }],
    ]
    for (const [key, entry] of kept) disk.kept.set(key, entry)
    assert.deepEqual(
      await processor.getCachedDataBatch<string>([
        unwanted('a'),
        unwanted('b'),
        unwanted('c'),
        ready('d', 'fetched'),
        unwanted('e'),
      ]),
      ['A', 'B', 'C', 'fetched', 'E'],
    )
    const { memory } = processor
    assert.deepEqual(
      ['a', 'b', 'c', 'd', 'e'].map((key) => memory.remainingTtl(key)),
      [30, 5000, 1000, 1000, 1],
    )
  })

  test('does not prolong an entry that somebody wants for a shorter time', async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk })
    disk.kept.set('a', { value: 'A', expiresAt: clock.wallNow() + 5000 })
    await processor.getCachedDataBatch([{ ...unwanted('a'), ttl: 10 }])
    assert.equal(processor.memory.remainingTtl('a'), 10)
  })

  test('never gives an entry a later end than memory does', async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk })
    const ttls = [20_000_003, 2 ** 31 + 1, 365 * 86_400_000 - 1]
    await processor.getCachedDataBatch(ttls.map((ttl) => ready(`${ttl}`, 1, { ttl })))
    await drained()
    for (const ttl of ttls) assert.ok((disk.kept.get(`${ttl}`)?.expiresAt ?? 0) <= clock.wallNow() + ttl, `${ttl}`)
  })

  test('keeps two clocks: an entry is over when either says so', async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk, ttl: 100 })
    await processor.set('a', 'old')
    processor.memory.clear()
    clock.jumpWall(100)
    assert.equal(await processor.getCachedData('a', () => 'new'), 'new')
  })
})

describe('several tiers', () => {
  test('are asked in order, each for what those before it lack; a hit is copied up', async (t) => {
    const near = new MapTier('near', [['a', 'A']])
    const far = new MapTier('far', [['b', 'B']])
    const { processor, clock } = setUp(t, { storage: [near, far] })
    far.kept.set('c', { value: 'C', expiresAt: clock.wallNow() + 70 })
    const outcomes = await processor.getCachedDataBatchSettled([
      unwanted('a'),
      unwanted('b'),
      unwanted('c'),
      ready('d', 'D' as never),
    ])
    assert.deepEqual(
      outcomes.map(({ source }) => source),
      ['near', 'far', 'far', 'fetch'],
    )
    await drained()
    assert.deepEqual(near.log, ['mget a,b,c,d', 'mset b,c', 'mset d'])
    assert.deepEqual(far.log, ['mget b,c,d', 'mset d'])
    assert.equal(near.kept.get('b')?.value, 'B')
    assert.deepEqual(near.kept.get('c'), { value: 'C', expiresAt: clock.wallNow() + 70 })
  })

  test('are counted each by itself', async (t) => {
    const near = new MapTier('near', [['a', 'A']])
    const far = new MapTier('far', [['b', 'B']])
    const { processor } = setUp(t, { storage: [near, far] })
    await processor.getCachedDataBatch([unwanted('a'), unwanted('b'), ready('c', 'C' as never)])
    await processor.delete('a')
    const { tiers } = await processor.metrics()
    assert.deepEqual(tiers, [
      { name: 'near', hits: 1, misses: 2, errors: 0, skipped: 0, writes: 1, deletes: 1, own: {} },
      { name: 'far', hits: 1, misses: 1, errors: 0, skipped: 0, writes: 1, deletes: 1, own: {} },
    ])
  })
})

describe('what changes memory changes the tiers', () => {
  test('set and mset write them', async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk, ttl: 100 })
    await processor.set('a', 1)
    await processor.mset([
      { key: 'b', value: 2, ttl: 50 },
      { key: 'c', value: null, ttl: Number.POSITIVE_INFINITY },
    ])
    const now = clock.wallNow()
    assert.deepEqual(
      [...disk.kept],
      [
        ['a', { value: 1, expiresAt: now + 100 }],
        ['b', { value: 2, expiresAt: now + 50 }],
        ['c', { value: null }],
      ],
    )
  })

  test('set of undefined, or for a ttl of 0, removes', async (t) => {
    const disk = new MapTier('disk', [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ])
    const { processor } = setUp(t, { storage: disk })
    await processor.mset([
      { key: 'a', value: undefined },
      { key: 'b', value: 1, ttl: 0 },
    ])
    assert.deepEqual([...disk.kept.keys()], ['c'])
  })

  test('mset of a key several times ends with the last', async (t) => {
    for (const [last, expected] of [
      [{ value: 2 }, 2],
      [{ value: undefined }, undefined],
      [{ value: 2, ttl: 0 }, undefined],
    ] as const) {
      const disk = new MapTier()
      const { processor } = setUp(t, { storage: disk })
      await processor.mset([
        { key: 'a', value: 1 },
        { key: 'a', value: undefined },
        { key: 'a', value: 3 },
        { key: 'a', ...last },
      ])
      assert.equal(processor.memory.get('a'), expected)
      assert.equal(disk.kept.get('a')?.value, expected)
    }
  })

  test('delete, invalidate and clear remove from them', async (t) => {
    const disk = new MapTier(
      'disk',
      ['a', 'b', 'c', 'd:x:1', 'd:x:2', 'e'].map((key) => [key, key]),
    )
    const { processor } = setUp(t, { storage: disk })
    await processor.delete('a')
    await processor.invalidate({ keys: ['b'] })
    await processor.invalidate({ prefix: 'd:' })
    assert.deepEqual([...disk.kept.keys()], ['c', 'e'])
    await processor.invalidate({ pattern: '?' })
    assert.deepEqual([...disk.kept.keys()], [])
    await processor.set('f', 1)
    await processor.clear()
    assert.equal(disk.kept.size, 0)
  })

  test('memory.set, memory.delete and memory.clear do not', async (t) => {
    const disk = new MapTier('disk', [['a', 1]])
    const { processor } = setUp(t, { storage: disk })
    processor.memory.set('b', 2).delete('a')
    processor.memory.clear()
    await drained()
    assert.deepEqual(disk.log, [])
  })

  test('get, has and mget ask them, and fetch nothing', async (t) => {
    const disk = new MapTier('disk', [
      ['a', 1],
      ['b', null],
    ])
    const { processor } = setUp(t, { storage: disk })
    assert.equal(await processor.get('a'), 1)
    assert.equal(await processor.has('b'), true)
    assert.equal(await processor.has('c'), false)
    assert.deepEqual(await processor.mget(['c', 'b', 'a']), [undefined, null, 1])
  })

  test('reload and no-store do not read them; no-store does not write them', async (t) => {
    const disk = new MapTier('disk', [
      ['a', 'old'],
      ['b', 'old'],
    ])
    const { processor } = setUp(t, { storage: disk })
    assert.equal(await processor.getCachedData('a', () => 'new', { cache: 'reload' }), 'new')
    assert.equal(await processor.getCachedData('b', () => 'new', { cache: 'no-store' }), 'new')
    await drained()
    assert.deepEqual(disk.log, ['mset a'])
    assert.equal(
      await processor.getCachedData('c', unwanted('c').fetchFunction, { cache: 'only-if-cached' }).catch(({ code }) => code),
      'ERR_NOT_CACHED',
    )
    assert.deepEqual(disk.log, ['mset a', 'mget c'])
  })

  test('a load that began before a delete is not written afterwards', async (t) => {
    const disk = new MapTier()
    const { processor, source } = setUp(t, { storage: disk })
    const asked = processor.getCachedData('a', source.fetch)
    await drained()
    await processor.delete('a')
    source.call(0).resolve('old')
    assert.equal(await asked, 'old')
    await drained()
    assert.equal(disk.kept.has('a'), false)
    assert.equal(processor.memory.has('a'), false)
    assert.equal(await processor.getCachedData('a', () => 'new'), 'new')
  })

  test('a value written in the same turn as it is deleted is not written', async (t) => {
    const disk = new MapTier()
    const { processor } = setUp(t, { storage: disk })
    const asked = processor.getCachedData('a', () => 'A', { cache: 'reload' })
    const deleted = processor.delete('a')
    await Promise.all([asked, deleted])
    await drained()
    assert.equal(disk.kept.has('a'), false)
  })

  test('a tier read that began before a delete is answered and not kept', async (t) => {
    const disk = new MapTier('disk', [['a', 'old']])
    disk.gate = new Deferred()
    const { processor } = setUp(t, { storage: disk })
    const asked = processor.getCachedData('a', unwanted('a').fetchFunction)
    const deleted = processor.delete('a')
    disk.open()
    assert.equal(await asked, 'old')
    await deleted
    assert.equal(processor.memory.has('a'), false)
    assert.equal(await processor.get('a'), undefined)
  })
})
