import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setUp } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { drained } from './support/virtual-clock.js'

describe('slidingTtl', () => {
  test('makes an entry live its ttl from its last use', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 100, slidingTtl: true })
    const { memory } = processor
    await processor.mset(['batch', 'get', 'processor', 'none', 'peek'].map((key) => ({ key, value: key })))
    await clock.advance(60)
    await processor.getCachedDataBatch([unwanted('batch')])
    memory.get('get')
    await processor.get('processor')
    memory.peek('peek')
    memory.has('peek')
    await clock.advance(60)
    assert.deepEqual([...memory.keys()].sort(), ['batch', 'get', 'processor'])
    assert.equal(memory.remainingTtl('get'), 40)
  })

  test('knows each entry by its own ttl', async (t) => {
    const { processor, clock } = setUp(t, { slidingTtl: true })
    await processor.set('a', 1, { ttl: 10 })
    await clock.advance(9)
    processor.memory.get('a')
    assert.equal(processor.memory.remainingTtl('a'), 10)
  })

  test('does not revive what is over', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 10, slidingTtl: true })
    await processor.set('a', 1)
    await clock.advance(10)
    assert.equal(processor.memory.get('a'), undefined)
    assert.equal(processor.memory.get('a'), undefined)
  })
})

describe('ttlJitter', () => {
  test('takes up to its part off every ttl, and puts nothing on', async (t) => {
    const { processor } = setUp(t, { ttl: 1000, ttlJitter: 0.2 })
    const keys = Array.from({ length: 200 }, (_, index) => `${index}`)
    await processor.getCachedDataBatch(keys.slice(0, 100).map((key) => ready(key, 1)))
    await processor.mset(keys.slice(100).map((key) => ({ key, value: 1 })))
    const ttls = keys.map((key) => processor.memory.remainingTtl(key))
    assert.ok(ttls.every((ttl) => ttl > 800 - 1e-6 && ttl <= 1000))
    assert.ok(new Set(ttls).size > 150, 'they differ')
  })

  test('leaves what never ends, and what is not stored', async (t) => {
    const { processor } = setUp(t, { ttlJitter: 1 })
    await processor.getCachedDataBatch([ready('a', 1, { ttl: Number.POSITIVE_INFINITY }), ready('b', 1, { ttl: 0 })])
    assert.equal(processor.memory.remainingTtl('a'), Number.POSITIVE_INFINITY)
    assert.equal(processor.memory.has('b'), false)
  })
})

describe('earlyRefresh', () => {
  test('fetches some entries anew before they end, in the background, the valid value being the answer', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 1000, earlyRefresh: 1 })
    let loads = 0
    const slow = (key: string) => ({
      key,
      fetchFunction: async () => {
        loads++
        await new Promise<void>((resolve) => clock.setTimer(resolve, 100))
        return key
      },
    })
    const keys = Array.from({ length: 300 }, (_, index) => `${index}`)
    const first = processor.getCachedDataBatch(keys.map(slow), { maxConcurrency: 300 })
    await clock.advance(100)
    await first
    assert.equal(loads, 300)
    await clock.advance(100)
    await processor.getCachedDataBatch(keys.map(slow), { maxConcurrency: 300 })
    const early = loads - 300
    assert.ok(early < 20, `${early} long before the end`)
    await clock.advance(850)
    const outcomes = await processor.getCachedDataBatchSettled(keys.map(slow), { maxConcurrency: 300 })
    assert.ok(outcomes.every(({ status, source }) => status === 'fulfilled' && source === 'memory'))
    const late = loads - 300 - early
    // With 50 ms to go and loads of 100 ms, e^(-1/2) of them are due.
    assert.ok(late > 130 && late < 240, `${late} shortly before the end`)
    await clock.advance(200)
  })

  test('is none unless asked for', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 1000 })
    await processor.set('a', 1)
    await clock.advance(999)
    await processor.getCachedDataBatch(source.requests('a'))
    await drained()
    assert.equal(source.calls.length, 0)
  })
})
