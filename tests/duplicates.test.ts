import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setUp } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

describe('a key that is asked for several times', () => {
  test('within a batch is fetched once, by the first fetchFunction, and answered at every position', async (t) => {
    const { processor } = setUp(t)
    const value = { fresh: true }
    const results = await processor.getCachedDataBatch<unknown>([
      ready('a', value),
      ready('b', 'b'),
      ready('a', 'never'),
      ready('a', 'never'),
    ])
    assert.deepEqual(results, [value, 'b', value, value])
    assert.equal(results[0], value)
    assert.equal(results[2], value)
  })

  test('across batches and single calls that overlap is fetched once', async (t) => {
    const { processor, source } = setUp(t)
    const asked = [
      processor.getCachedDataBatch(source.requests('a', 'b')),
      processor.getCachedDataBatch(source.requests('b', 'c')),
      processor.getCachedDataBatch(source.requests('c', 'a')),
      processor.getCachedData('a', source.fetch).then((value) => [value]),
    ]
    assert.deepEqual(source.keys, ['a', 'b', 'c'])
    for (const call of source.calls) call.resolve(call.key.toUpperCase())
    assert.deepEqual(await Promise.all(asked), [['A', 'B'], ['B', 'C'], ['C', 'A'], ['A']])
  })

  test('by a thousand callers is fetched once', async (t) => {
    const { processor, source } = setUp(t)
    const asked = Array.from({ length: 1000 }, () => processor.getCachedDataBatch(source.requests('a')))
    source.call(0).resolve('A')
    for (const results of await Promise.all(asked)) assert.deepEqual(results, ['A'])
    assert.equal(source.calls.length, 1)
  })

  test('ten thousand times in one batch has ten thousand aligned results of one load', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(
      Array.from({ length: 10_000 }, (_, index) => source.request(index % 2 === 0 ? 'even' : 'odd')),
    )
    assert.deepEqual(source.keys, ['even', 'odd'])
    for (const call of source.calls) call.resolve(call.key)
    const results = await asked
    assert.equal(results.length, 10_000)
    assert.ok(results.every((result, index) => result === (index % 2 === 0 ? 'even' : 'odd')))
    const { led, deduplicated } = await processor.metrics()
    assert.deepEqual({ led, deduplicated }, { led: 2, deduplicated: 9998 })
  })

  test('lives as long as the shortest explicit ttl says', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatch([
      source.request('a', { ttl: 500 }),
      source.request('a', { ttl: 100 }),
      source.request('a'),
      source.request('a', { ttl: Number.POSITIVE_INFINITY }),
    ])
    source.call(0).resolve('A')
    await asked
    assert.equal(processor.memory.remainingTtl('a'), 100)
    await clock.advance(100)
    assert.equal(processor.memory.has('a'), false)
  })

  test('lives as long as the shortest ttl says of one that joins while it is loaded', async (t) => {
    const { processor, source } = setUp(t)
    const first = processor.getCachedData('a', source.fetch, 500)
    const second = processor.getCachedData('a', source.fetch, 100)
    source.call(0).resolve('A')
    await Promise.all([first, second])
    assert.equal(processor.memory.remainingTtl('a'), 100)
  })

  test('is not stored if one who waits for it asks for ttl 0', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch([source.request('a', { ttl: 500 }), source.request('a', { ttl: 0 })])
    source.call(0).resolve('A')
    assert.deepEqual(await asked, ['A', 'A'])
    assert.equal(processor.memory.size, 0)
  })

  for (const tag of ['x', 'y', 'z']) {
    test(`has the tags of all who ask, ${tag} too`, async (t) => {
      const { processor, source } = setUp(t)
      const first = processor.getCachedDataBatch([source.request('a', { tags: ['x'] }), source.request('a', { tags: ['y'] })])
      const second = processor.getCachedDataBatch([source.request('a', { tags: ['z'] })])
      source.call(0).resolve('A')
      await Promise.all([first, second])
      assert.equal(await processor.invalidate({ tag }), 1)
      assert.equal(processor.memory.has('a'), false)
    })
  }

  test('starts by the highest priority of those who wait, and falls back when that one leaves', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const blocked = processor.getCachedDataBatch(source.requests('first', 'a', 'b', 'c'), { maxConcurrency: 1 })
    const hurried = processor.getCachedDataBatch([source.request('c', { priority: 'high' })])
    const leaving = processor.getCachedDataBatch([source.request('b', { priority: 9 })], { signal: controller.signal })
    controller.abort()
    await assert.rejects(leaving)
    for (let at = 0; at < 4; at++) {
      source.call(at).resolve(at)
      await drained()
    }
    assert.deepEqual(source.keys, ['first', 'c', 'a', 'b'])
    await Promise.all([blocked, hurried])
  })
})

describe('deduplication: false', () => {
  test('fetches for every request, whatever is cached or in flight', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('a', 'cached')
    const shared = processor.getCachedDataBatch(source.requests('b'))
    const asked = processor.getCachedDataBatch(source.requests('a', 'a', 'b'), { deduplication: false })
    assert.deepEqual(source.keys, ['b', 'a', 'a', 'b'])
    for (const [index, call] of source.calls.entries()) call.resolve(`${call.key}${index}`)
    assert.deepEqual(await asked, ['a1', 'a2', 'b3'])
    assert.deepEqual(await shared, ['b0'])
  })

  test('stores a result only if its load started later than the stored one', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('a', 'a', 'a'), { deduplication: false })
    source.call(1).resolve('second')
    await drained()
    assert.equal(processor.memory.peek('a'), 'second')
    source.call(0).resolve('first')
    await drained()
    assert.equal(processor.memory.peek('a'), 'second')
    source.call(2).resolve('third')
    assert.deepEqual(await asked, ['first', 'second', 'third'])
    assert.equal(processor.memory.peek('a'), 'third')
  })

  test('lets nobody join its loads', async (t) => {
    const { processor, source } = setUp(t)
    const alone = processor.getCachedDataBatch(source.requests('a'), { deduplication: false })
    const other = processor.getCachedDataBatch(source.requests('a'))
    assert.equal(source.calls.length, 2)
    source.call(0).resolve('alone')
    source.call(1).resolve('other')
    assert.deepEqual([await alone, await other], [['alone'], ['other']])
  })
})
