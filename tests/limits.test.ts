import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Priority } from '../js/index.js'
import { setUp } from './support/set-up.js'
import { drained } from './support/virtual-clock.js'

/** Keys that stand alone: no group, no order but the one they are given. */
const numbered = (count: number) => Array.from({ length: count }, (_, index) => `${index}`)

describe('maxConcurrency', () => {
  for (const limit of [1, 2, 5, 100]) {
    test(`of ${limit} is used to the full and never exceeded`, async (t) => {
      const { processor, source } = setUp(t)
      const asked = processor.getCachedDataBatch(source.requests(...numbered(40)), { maxConcurrency: limit })
      for (let at = 0; at < 40; at++) {
        assert.equal(source.running, Math.min(limit, 40 - at))
        assert.equal((await processor.metrics()).running, source.running)
        // The newest first: the order in which they end is nobody's business.
        source.calls
          .filter((call) => !call.isAnswered)
          .at(-1)
          ?.resolve(at)
        await drained()
      }
      await asked
      assert.equal(source.runningMax, Math.min(limit, 40))
    })
  }

  test('is 5 unless somebody says otherwise', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests(...numbered(10)))
    assert.equal(source.running, 5)
    while (source.running > 0) {
      for (const call of source.calls) if (!call.isAnswered) call.resolve(0)
      await drained()
    }
    await asked
  })

  test('of the config, defaultConcurrency, is what batches have that say nothing', async (t) => {
    const { processor, source } = setUp(t, { defaultConcurrency: 2 })
    const one = processor.getCachedDataBatch(source.requests('a', 'b', 'c'))
    const two = processor.getCachedDataBatch(source.requests('d', 'e', 'f'), { maxConcurrency: 3 })
    assert.deepEqual(source.keys, ['a', 'b', 'd', 'e', 'f'])
    for (const call of source.calls) call.resolve(0)
    await drained()
    source.call(-1).resolve(0)
    await Promise.all([one, two])
  })

  test('counts callbacks that fail or throw no longer than they run', async (t) => {
    const { processor, source } = setUp(t)
    const throwing = numbered(20).map((key) => ({
      key: `throws ${key}`,
      fetchFunction: (): unknown => {
        throw new Error('at once')
      },
    }))
    const asked = processor.getCachedDataBatchSettled([...throwing, ...source.requests('a', 'b')], { maxConcurrency: 2 })
    assert.deepEqual(source.keys, ['a', 'b'])
    for (const call of source.calls) call.reject(new Error('later'))
    assert.ok((await asked).every(({ status }) => status === 'rejected'))
  })

  test('is not taken by what is answered from memory or joined', async (t) => {
    const { processor, source } = setUp(t)
    await processor.mset(numbered(10).map((key) => ({ key, value: key })))
    const other = processor.getCachedDataBatch(source.requests('x', 'y'))
    const asked = processor.getCachedDataBatch(source.requests(...numbered(10), 'x', 'y', 'z'), { maxConcurrency: 1 })
    assert.deepEqual(source.keys, ['x', 'y', 'z'])
    for (const call of source.calls) call.resolve(call.key)
    await Promise.all([asked, other])
  })

  test('never lets callbacks that answer at once overflow the stack', async (t) => {
    const { processor } = setUp(t)
    const requests = numbered(50_000).map((key) => ({ key, fetchFunction: () => key }))
    const results = await processor.getCachedDataBatch(requests, { maxConcurrency: 1 })
    assert.equal(results.length, 50_000)
    assert.equal(results[49_999], '49999')
  })

  test('holds for a batch larger than what crosses at once', async (t) => {
    const { processor, source } = setUp(t)
    const keys = numbered(20_000)
    const asked = processor.getCachedDataBatch(source.requests(...keys, ...keys), { maxConcurrency: 7 })
    while (source.running > 0) {
      assert.equal(source.running <= 7, true)
      for (const call of source.calls.slice(-7)) if (!call.isAnswered) call.resolve(call.key)
      await drained()
    }
    assert.deepEqual(await asked, [...keys, ...keys])
    assert.equal(source.calls.length, 20_000)
    assert.equal(source.runningMax, 7)
  })
})

describe('priority', () => {
  /** The order in which requests of these priorities are called, one at a time, the first being under way. */
  async function orderOf(t: Parameters<typeof setUp>[0], priorities: readonly (Priority | undefined)[]): Promise<string[]> {
    const { processor, source } = setUp(t)
    const requests = priorities.map((priority, index) => source.request(`${priority}/${index}`, { priority }))
    const asked = processor.getCachedDataBatch([source.request('first', { priority: 1_000_000 }), ...requests], {
      maxConcurrency: 1,
    })
    for (let at = 0; at <= requests.length; at++) {
      source.call(at).resolve(0)
      await drained()
    }
    await asked
    return source.keys.slice(1)
  }

  test('high goes before normal before low, whatever came first', async (t) => {
    const order = await orderOf(t, ['low', 'normal', 'high', 'low', 'high', undefined])
    assert.deepEqual(order, ['high/2', 'high/4', 'normal/1', 'undefined/5', 'low/0', 'low/3'])
  })

  test('an integer says it finer: high is 1, normal 0, low -1', async (t) => {
    const order = await orderOf(t, [-2, 'low', -1, 0, 'normal', 1, 'high', 2, 1_000_000, -1_000_000])
    assert.deepEqual(order, ['1000000/8', '2/7', '1/5', 'high/6', '0/3', 'normal/4', 'low/1', '-1/2', '-2/0', '-1000000/9'])
  })

  test('among equals it is first come, first served', async (t) => {
    const keys = await orderOf(t, Array(30).fill('high'))
    assert.deepEqual(
      keys,
      numbered(30).map((index) => `high/${index}`),
    )
  })

  test('starts a group by the highest of its keys', async (t) => {
    const { processor, source } = setUp(t)
    const requests = [
      source.request('first'),
      source.request('a:a:1'),
      source.request('a:a:2'),
      source.request('b:b:1', { priority: 'high' }),
      source.request('b:b:2', { priority: 'low' }),
    ]
    const asked = processor.getCachedDataBatch([{ ...source.request('zero', { priority: 5 }) }, ...requests], {
      maxConcurrency: 1,
      groupFetch: source.groupFetch,
    })
    assert.deepEqual(source.keys, ['zero'])
    source.call(0).resolve(0)
    await drained()
    assert.deepEqual(source.groupCall(0).keys, ['b:b:1', 'b:b:2'])
    source.groupCall(0).resolve([1, 2])
    await drained()
    source.call(1).resolve(0)
    await drained()
    source.groupCall(1).resolve([3, 4])
    assert.deepEqual(await asked, [0, 0, 3, 4, 1, 2])
  })

  test('ages: what is low is overtaken a hundred times, not for ever', async (t) => {
    const { processor, source, clock } = setUp(t, { retryBudget: { ratio: 1, burst: 1000 } })
    // Retries queue anew, each later than the last: they are a steady stream of normal ones.
    const retry = { attempts: 1000, backoffMs: 0, jitter: 0 }
    const requests = [source.request('low', { priority: 'low' }), ...source.requests('a', 'b', 'c')]
    const asked = processor.getCachedDataBatch(requests, { maxConcurrency: 1, retry })
    let tries = 0
    while (source.call(-1).key !== 'low' && tries < 500) {
      tries++
      source.call(-1).reject(new Error('again'))
      await clock.advance(0)
    }
    assert.ok(tries >= 90 && tries <= 110, `low was called after ${tries} tries of the others`)
    for (let left = 0; left < 4; left++) {
      source.call(-1).resolve(source.call(-1).key)
      await clock.advance(0)
    }
    assert.deepEqual(await asked, ['low', 'a', 'b', 'c'])
  })
})
