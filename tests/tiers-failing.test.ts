import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Tier } from '../js/index.js'
import { setUp, watch } from './support/set-up.js'
import { Deferred, ready, unwanted } from './support/source.js'
import { type Fault, MapTier } from './support/tiers.js'
import { drained } from './support/virtual-clock.js'

const FAULTS: readonly Exclude<Fault, undefined>[] = ['throws', 'rejects', 'hangs']

for (const fault of FAULTS) {
  describe(`a tier that ${fault}`, () => {
    test('costs a read a miss and a count, no more', async (t) => {
      const disk = new MapTier('disk', [['a', 'never seen']])
      disk.fault = fault
      const { processor, clock } = setUp(t, { storage: disk })
      const asked = watch(processor.getCachedDataBatch([ready('a', 'A'), ready('b', 'B')]))
      await clock.advance(fault === 'hangs' ? 1000 : 0)
      assert.deepEqual(asked.value, ['A', 'B'])
      await clock.advance(1000)
      const [tier] = (await processor.metrics()).tiers
      assert.deepEqual([tier?.hits, tier?.misses, tier?.errors], [0, 2, 2])
    })

    test('lets get, has and mget say that there is nothing', async (t) => {
      const disk = new MapTier('disk', [['a', 'never seen']])
      disk.fault = fault
      const { processor, clock } = setUp(t, { storage: disk })
      processor.memory.set('b', 'B')
      const asked = [watch(processor.get('a')), watch(processor.has('a')), watch(processor.mget(['b', 'a']))]
      await clock.advance(1000)
      assert.deepEqual(
        asked.map(({ value }) => value),
        [undefined, false, ['B', undefined]],
      )
    })

    test('lets set, mset, delete, invalidate and clear resolve, and memory have them', async (t) => {
      const disk = new MapTier()
      disk.fault = fault
      const { processor, clock } = setUp(t, { storage: disk })
      const asked = [
        processor.set('a', 1) as Promise<unknown>,
        processor.mset([{ key: 'b', value: 2 }]),
        processor.delete('a'),
        processor.invalidate({ prefix: 'x' }),
        processor.clear(),
        processor.set('c', 3),
      ].map((promise) => watch(promise))
      await clock.advance(20_000)
      assert.deepEqual(
        asked.map(({ is }) => is),
        Array(6).fill('fulfilled'),
      )
      assert.deepEqual([...processor.memory.keys()], ['c'])
    })

    test('does not keep the next tier from answering', async (t) => {
      const near = new MapTier('near')
      near.fault = fault
      const far = new MapTier('far', [['a', 'A']])
      const { processor, clock } = setUp(t, { storage: [near, far] })
      const asked = watch(processor.getCachedDataBatchSettled([unwanted('a')]))
      await clock.advance(1000)
      assert.deepEqual(
        asked.value.map(({ source }) => source),
        ['far'],
      )
      await clock.advance(1000)
    })

    test('does not keep a batch from its deadline', async (t) => {
      const disk = new MapTier()
      disk.fault = fault
      const { processor, clock, source } = setUp(t, { storage: disk })
      const asked = watch(processor.getCachedDataBatch(source.requests('a'), { timeoutMs: 50 }))
      await clock.advance(50)
      assert.equal((asked.reason as { code: string }).code, 'ERR_BATCH_TIMEOUT')
      await clock.advance(1000)
      assert.equal(source.calls.length, fault === 'hangs' ? 0 : 1)
    })

    test('has removed what it refused to remove as soon as it takes something again, time after time', async (t) => {
      const disk = new MapTier()
      const { processor, clock } = setUp(t, { storage: disk })
      for (const key of ['a', 'b', 'c']) {
        disk.kept.set(key, { value: 'old' })
        disk.fault = fault
        const deleted = watch(processor.delete(key))
        await clock.advance(1000)
        assert.equal(deleted.is, 'fulfilled')
        disk.fault = undefined
        assert.equal(disk.kept.has(key), true)
        await processor.set('other', key)
        await drained()
        assert.deepEqual([...disk.kept.keys()], ['other'])
      }
    })

    test('whose delete failed does not bring back what was deleted', async (t) => {
      const disk = new MapTier('disk', [
        ['a', 'old'],
        ['b', 'B'],
      ])
      const { processor, clock } = setUp(t, { storage: disk })
      disk.fault = fault
      const deleted = watch(processor.delete('a'))
      await clock.advance(1000)
      assert.equal(deleted.is, 'fulfilled')
      disk.fault = undefined
      assert.deepEqual(await processor.mget(['a', 'b']), [undefined, 'B'])
      assert.equal(await processor.getCachedData('a', () => 'new'), 'new')
      await clock.advance(1000)
      processor.memory.clear()
      assert.equal(await processor.get('a'), 'new')
    })
  })
}

describe('a write that failed', () => {
  for (const fault of FAULTS) {
    test(`because the tier ${fault} does not bring back what it was to replace`, async (t) => {
      const disk = new MapTier('disk', [
        ['a', 'old'],
        ['b', 'old'],
        ['c', 'old'],
      ])
      const { processor, clock } = setUp(t, { storage: disk })
      disk.fault = fault
      const written = [processor.set('a', 'new'), processor.set('b', 'new')]
      // What is loaded in the same turn is written with it, and takes nothing back.
      const loaded = processor.getCachedData('b', () => 'newer', { cache: 'reload' })
      await clock.advance(1000)
      await Promise.all([...written, loaded])
      disk.fault = undefined
      processor.memory.clear()
      assert.deepEqual(await processor.mget(['a', 'b', 'c']), [undefined, undefined, 'old'])
    })
  }
})

describe('a tier that answers garbage', () => {
  const garbage: [string, unknown][] = [
    ['nothing', undefined],
    ['null', null],
    ['a string', 'ab'],
    ['an object', {}],
    ['a Map', new Map([['a', { value: 1 }]])],
    ['too short an array', [{ value: 1 }]],
    ['too long an array', [{ value: 1 }, { value: 2 }, { value: 3 }]],
  ]
  for (const [what, answer] of garbage) {
    test(`${what}: a miss for all, and an error`, async (t) => {
      const tier: Tier = { name: 'odd', mget: () => answer as never, mset: () => {}, mdelete: () => {} }
      const { processor } = setUp(t, { storage: tier })
      assert.deepEqual(await processor.getCachedDataBatch([ready('a', 'A'), ready('b', 'B')]), ['A', 'B'])
      const [counts] = (await processor.metrics()).tiers
      assert.deepEqual([counts?.hits, counts?.misses, counts?.errors], [0, 2, 1])
    })
  }

  test('in the place of an entry: a miss for that key', async (t) => {
    const entries = [
      null,
      'text',
      7,
      {},
      { value: undefined },
      { value: 'late', expiresAt: 0 },
      { value: 'odd', expiresAt: 'soon' },
      { value: 'odd', expiresAt: Number.NaN },
      [],
      { value: 'right' },
    ]
    const tier: Tier = { name: 'odd', mget: () => entries as never, mset: () => {}, mdelete: () => {} }
    const { processor } = setUp(t, { storage: tier })
    const requests = entries.map((_, index) => ready(`${index}`, `fetched ${index}`))
    const results = await processor.getCachedDataBatch(requests)
    assert.deepEqual(results, [...requests.slice(0, -1).map((_, index) => `fetched ${index}`), 'right'])
  })

  test('whose entries throw when they are read: a miss', async (t) => {
    const hostile = {
      get value() {
        throw new Error('no value')
      },
    }
    const tier: Tier = { name: 'odd', mget: () => [hostile as never], mset: () => {}, mdelete: () => {} }
    const { processor } = setUp(t, { storage: tier })
    assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
  })
})

describe('a tier that is slow', () => {
  test('is given a second, and then passed over', async (t) => {
    const disk = new MapTier('disk', [['a', 'slow']])
    disk.gate = new Deferred()
    const { processor, clock } = setUp(t, { storage: disk })
    const asked = watch(processor.getCachedData('a', () => 'A'))
    await clock.advance(999)
    assert.equal(asked.is, 'pending')
    await clock.advance(1)
    assert.equal(asked.value, 'A')
    disk.open()
    await drained()
    assert.equal(processor.memory.get('a'), 'A')
  })

  test('is given storageTimeoutMs', async (t) => {
    const disk = new MapTier('disk', [['a', 'slow']])
    disk.gate = new Deferred()
    const { processor, clock } = setUp(t, { storage: disk, storageTimeoutMs: 20 })
    const asked = watch(processor.getCachedData('a', () => 'A'))
    await clock.advance(20)
    assert.equal(asked.value, 'A')
    disk.open()
    await drained()
  })

  for (const storageTimeoutMs of [2 ** 40, Number.POSITIVE_INFINITY]) {
    test(`is given ${storageTimeoutMs} ms if it is to have that, as far as timers go`, async (t) => {
      const disk = new MapTier('disk', [['a', 'slow']])
      disk.gate = new Deferred()
      const { processor, clock } = setUp(t, { storage: disk, storageTimeoutMs })
      const asked = watch(processor.getCachedData('a', unwanted('a').fetchFunction))
      await clock.advance(1_000_000)
      assert.equal(asked.is, 'pending')
      disk.open()
      await drained()
      assert.equal(asked.value, 'slow')
    })
  }

  test('does not hold up what memory has, nor what another batch fetches', async (t) => {
    const disk = new MapTier()
    disk.gate = new Deferred()
    const { processor } = setUp(t, { storage: disk })
    processor.memory.set('a', 'A')
    const slow = processor.getCachedData('b', () => 'B')
    assert.equal(await processor.getCachedData('a', unwanted('a').fetchFunction), 'A')
    assert.equal(await processor.getCachedData('c', () => 'C', { cache: 'reload' }), 'C')
    disk.open()
    assert.equal(await slow, 'B')
  })

  test('does not hold up an answer by writing', async (t) => {
    const disk = new MapTier()
    const { processor } = setUp(t, { storage: disk })
    await processor.get('warm')
    disk.gate = new Deferred()
    const asked = watch(processor.getCachedData('a', () => 'A', { cache: 'reload' }))
    await drained()
    assert.equal(asked.value, 'A')
    disk.open()
    await drained()
    assert.equal(disk.kept.get('a')?.value, 'A')
  })

  test('whose write ends after it was given up, and after a delete, does not bring the value back', async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk })
    const gate = new Deferred<void>()
    disk.gate = gate
    const written = watch(processor.set('a', 'old'))
    await clock.advance(1000)
    assert.equal(written.is, 'fulfilled')
    disk.gate = undefined
    await processor.delete('a')
    gate.resolve()
    await drained()
    assert.equal(await processor.get('a'), undefined)
    assert.equal(await processor.getCachedData('a', () => 'new'), 'new')
  })

  test('whose read ends after an abort answers nobody', async (t) => {
    const disk = new MapTier('disk', [['a', 'A']])
    disk.gate = new Deferred()
    const { processor } = setUp(t, { storage: disk })
    const controller = new AbortController()
    const asked = watch(processor.getCachedData('a', unwanted('a').fetchFunction, { signal: controller.signal }))
    controller.abort('enough')
    await drained()
    assert.equal(asked.reason, 'enough')
    disk.open()
    await drained()
    assert.equal(processor.memory.has('a'), false)
  })
})

describe('a tier that cannot clear', () => {
  test('has all it lists removed', async (t) => {
    const kept = new MapTier('disk', [
      ['a', 1],
      ['b', 2],
    ])
    const tier: Tier = {
      name: 'disk',
      mget: (keys) => kept.mget(keys),
      mset: (entries) => kept.mset(entries),
      mdelete: (keys) => kept.mdelete(keys),
      keys: () => kept.keys(),
    }
    const { processor } = setUp(t, { storage: tier })
    await processor.clear()
    assert.deepEqual(await processor.mget(['a', 'b']), [undefined, undefined])
  })

  /** Without `clear` and `keys`. */
  const blind = (kept: MapTier): Tier => ({
    name: 'disk',
    mget: (keys) => kept.mget(keys),
    mset: (entries) => kept.mset(entries),
    mdelete: (keys) => kept.mdelete(keys),
  })

  test('nor list its keys, is not believed about what was there', async (t) => {
    const kept = new MapTier('disk', [
      ['a', 1],
      ['b', 2],
    ])
    const { processor } = setUp(t, { storage: blind(kept) })
    for (const value of ['new', 'newer']) {
      await processor.clear()
      assert.deepEqual(await processor.mget(['a', 'b']), [undefined, undefined])
      await processor.set('a', value)
      processor.memory.clear()
      assert.deepEqual(await processor.mget(['a', 'b']), [value, undefined])
    }
  })

  test('nor list its keys, is believed about all but what a prefix or a pattern meant', async (t) => {
    const kept = new MapTier('disk', [
      ['a:1', 1],
      ['a:2', 2],
      ['b:1', 3],
      ['b:2', 4],
    ])
    const { processor } = setUp(t, { storage: blind(kept) })
    await processor.invalidate({ prefix: 'a:' })
    await processor.invalidate({ pattern: '*:2' })
    assert.deepEqual(await processor.mget(['a:1', 'a:2', 'b:1', 'b:2']), [undefined, undefined, 3, undefined])
    await processor.getCachedData('a:1', () => 'new')
    await drained()
    processor.memory.clear()
    assert.deepEqual(await processor.mget(['a:1', 'a:2']), ['new', undefined])
    // What was written before is as old as the rest.
    await processor.invalidate({ prefix: 'a' })
    processor.memory.clear()
    assert.deepEqual(await processor.mget(['a:1', 'b:1']), [undefined, 3])
  })

  test('nor list its keys, is not believed about anything from before when too much was invalidated', async (t) => {
    const kept = new MapTier('disk', [
      ['0', 'old'],
      ['other', 'old'],
    ])
    const { processor } = setUp(t, { storage: blind(kept) })
    for (let at = 0; at < 300; at++) await processor.invalidate({ prefix: `${at}` })
    assert.deepEqual(await processor.mget(['0', 'other']), [undefined, undefined])
    await processor.mset([
      { key: '0', value: 'new' },
      { key: 'other', value: 'new' },
    ])
    await processor.invalidate({ prefix: '0' })
    processor.memory.clear()
    assert.deepEqual(await processor.mget(['0', 'other']), [undefined, 'new'])
  })
})
