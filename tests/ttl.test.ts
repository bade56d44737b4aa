import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InvalidRangeError, InvalidTypeError } from '../js/index.js'
import { reasonOf, setUp, thrownBy } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'

const DAY_MS = 86_400_000

describe('a ttl', () => {
  for (const ttl of [0.5, 1, 100, 2 ** 31, DAY_MS * 365, 2 ** 53, Number.MAX_VALUE, Number.MIN_VALUE]) {
    test(`of ${ttl} ms is taken as given, without a timer`, async (t) => {
      const { processor, clock } = setUp(t)
      await processor.getCachedData('a', () => 'A', ttl)
      assert.equal(clock.timers, 0)
      assert.ok(Math.abs(processor.memory.remainingTtl('a') - ttl) <= ttl * 1e-12 + 1e-6)
    })
  }

  test('ends an entry exactly when it is over: valid while now < expiresAt', async (t) => {
    const { processor, clock } = setUp(t)
    await processor.getCachedData('a', () => 'A', 100)
    await clock.advance(99)
    assert.equal(processor.memory.get('a'), 'A')
    assert.equal(processor.memory.remainingTtl('a'), 1)
    await clock.advance(1)
    assert.equal(processor.memory.get('a'), undefined)
    assert.equal(processor.memory.remainingTtl('a'), 0)
    assert.equal(await processor.getCachedData('a', () => 'anew'), 'anew')
  })

  test('begins when the value is there, not when it was asked for', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedData('a', source.fetch, 100)
    await clock.advance(80)
    source.call(0).resolve('A')
    await asked
    assert.equal(processor.memory.remainingTtl('a'), 100)
  })

  for (const ttl of [0, -0]) {
    test(`of ${Object.is(ttl, -0) ? '-0' : '0'} shares the load and does not store`, async (t) => {
      const { processor, source } = setUp(t)
      const asked = [processor.getCachedData('a', source.fetch, ttl), processor.getCachedData('a', source.fetch, ttl)]
      assert.equal(source.calls.length, 1)
      source.call(0).resolve('A')
      assert.deepEqual(await Promise.all(asked), ['A', 'A'])
      assert.equal(processor.memory.size, 0)
    })
  }

  test('of 0 leaves what is stored already', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 'old')
    assert.equal(await processor.getCachedData('a', () => 'new', { ttl: 0, cache: 'reload' }), 'new')
    assert.equal(processor.memory.get('a'), 'old')
  })

  test('of Infinity never ends', async (t) => {
    const { processor, clock } = setUp(t)
    await processor.getCachedData('a', () => 'A', Number.POSITIVE_INFINITY)
    await clock.advance(DAY_MS * 100_000)
    assert.equal(processor.memory.get('a'), 'A')
    assert.equal(processor.memory.remainingTtl('a'), Number.POSITIVE_INFINITY)
  })

  test('of undefined is the default: one hour', async (t) => {
    const { processor, clock } = setUp(t)
    await processor.getCachedDataBatch([ready('a', 'A', { ttl: undefined }), ready('b', 'B')])
    assert.equal(processor.memory.remainingTtl('a'), 3_600_000)
    assert.equal(processor.memory.remainingTtl('b'), 3_600_000)
    await clock.advance(3_600_000)
    assert.equal(processor.memory.has('a'), false)
  })

  test('of the config is what requests have that say nothing', async (t) => {
    const { processor } = setUp(t, { ttl: 50 })
    await processor.getCachedDataBatch([ready('a', 'A'), ready('b', 'B', { ttl: 70 })])
    assert.deepEqual([processor.memory.remainingTtl('a'), processor.memory.remainingTtl('b')], [50, 70])
  })

  test('of 0 in the config stores only what asks for it', async (t) => {
    const { processor } = setUp(t, { ttl: 0 })
    await processor.getCachedDataBatch([ready('a', 'A'), ready('b', 'B', { ttl: 70 })])
    assert.deepEqual([...processor.memory.keys()], ['b'])
  })

  test('is not prolonged by being read', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'A')
    await clock.advance(60)
    await processor.getCachedDataBatch([unwanted('a')])
    processor.memory.get('a')
    assert.equal(processor.memory.remainingTtl('a'), 40)
  })

  test('begins anew with each set', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'A')
    await clock.advance(60)
    await processor.set('a', 'B')
    assert.equal(processor.memory.remainingTtl('a'), 100)
  })
})

describe('a ttl that is none', () => {
  const wrong: [unknown, new (...args: never[]) => Error, string][] = [
    [-1, InvalidRangeError, '-1 (number)'],
    [Number.NaN, InvalidRangeError, 'NaN (number)'],
    [Number.NEGATIVE_INFINITY, InvalidRangeError, '-Infinity (number)'],
    [null, InvalidTypeError, 'null'],
    ['100', InvalidTypeError, '"100" (string)'],
    ['5m', InvalidTypeError, '"5m" (string)'],
    [100n, InvalidTypeError, '100n (bigint)'],
    [true, InvalidTypeError, 'true (boolean)'],
    [new Date(0), InvalidTypeError, 'an object'],
  ]
  for (const [ttl, Class, shown] of wrong) {
    test(`${shown} rejects before any work, naming the index`, async (t) => {
      const { processor, source } = setUp(t)
      const requests = [source.request('a'), source.request('b', { ttl: ttl as number })]
      const error = await reasonOf(processor.getCachedDataBatch(requests))
      assert.ok(error instanceof Class)
      assert.equal(error.message, `requests[1].ttl: expected milliseconds of at least 0, or Infinity, received ${shown}`)
      assert.equal(source.calls.length, 0)
      assert.equal((await processor.metrics()).requested, 0)
    })

    test(`${shown} is no ttl of an entry or of the config either`, async (t) => {
      const { processor } = setUp(t)
      const expected = `expected milliseconds of at least 0, or Infinity, received ${shown}`
      const inEntry = thrownBy(() =>
        processor.memory.mset([
          { key: 'a', value: 1 },
          { key: 'b', value: 2, ttl: ttl as number },
        ]),
      )
      assert.equal((inEntry as Error).message, `entries[1].ttl: ${expected}`)
      assert.equal(processor.memory.size, 0)
      const inConfig = thrownBy(() => setUp(t, { ttl: ttl as number }))
      assert.equal((inConfig as Error).message, `config.ttl: ${expected}`)
    })
  }
})

describe('the clocks', () => {
  test('memory goes by the monotonic one: what the wall clock does is nothing to it', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'A')
    clock.jumpWall(-3_600_000)
    assert.equal(processor.memory.get('a'), 'A')
    clock.jumpWall(40 * DAY_MS)
    assert.equal(processor.memory.get('a'), 'A')
    await clock.advance(100)
    assert.equal(processor.memory.get('a'), undefined)
  })

  test('one that goes back is held where it was', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 100 })
    clock.stall(50)
    await processor.set('a', 'A')
    clock.stall(-40)
    assert.equal(processor.memory.remainingTtl('a'), 100)
    clock.stall(40)
    assert.equal(processor.memory.remainingTtl('a'), 100)
    clock.stall(99)
    assert.equal(processor.memory.has('a'), true)
    clock.stall(1)
    assert.equal(processor.memory.has('a'), false)
  })

  test('one that answers NaN is held where it was', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'A')
    clock.stall(Number.NaN)
    assert.equal(processor.memory.remainingTtl('a'), 100)
    assert.equal(await processor.getCachedData('b', () => 'B'), 'B')
  })

  test('fractions of a millisecond count', async (t) => {
    const { processor, clock } = setUp(t)
    await processor.set('a', 'A', { ttl: 0.75 })
    clock.stall(0.5)
    assert.equal(processor.memory.has('a'), true)
    clock.stall(0.25)
    assert.equal(processor.memory.has('a'), false)
  })
})
