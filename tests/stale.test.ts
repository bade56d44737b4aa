import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { reasonOf, setUp, watch } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { drained } from './support/virtual-clock.js'

describe('staleWhileRevalidate', () => {
  const options = { staleWhileRevalidate: 50 }

  test('answers an expired entry at once, and fetches it anew in the background', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'old')
    await clock.advance(100)
    const outcomes = await processor.getCachedDataBatchSettled(source.requests('a'), options)
    assert.deepEqual(outcomes, [{ index: 0, key: 'a', status: 'fulfilled', value: 'old', source: 'stale', ms: 0, attempts: 0 }])
    assert.deepEqual(source.keys, ['a'])
    source.call(0).resolve('new')
    await drained()
    assert.equal(await processor.getCachedData('a', source.fetch, options), 'new')
    assert.equal(source.calls.length, 1)
  })

  test('is over when it is over: then it fetches and waits', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'old')
    await clock.advance(149)
    assert.equal(await processor.getCachedData('a', source.fetch, options), 'old')
    source.call(0).reject(new Error('no'))
    await clock.advance(1)
    const asked = processor.getCachedData('a', source.fetch, options)
    assert.equal(source.calls.length, 2)
    source.call(1).resolve('new')
    assert.equal(await asked, 'new')
  })

  test('of a processor is not for those who only read: they have nothing to refresh with', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100, maxConcurrency: 1, ...options })
    const loading = processor.getCachedData('slow', source.fetch)
    await processor.set('a', 'old')
    await clock.advance(100)
    assert.equal(await processor.get('a'), 'old')
    assert.deepEqual(await processor.mget(['a']), ['old'])
    assert.equal(await processor.getCachedData('a', unwanted('a').fetchFunction, { cache: 'only-if-cached' }), 'old')
    const asked = processor.getCachedData('a', source.fetch, { staleWhileRevalidate: 0 })
    source.call(0).resolve('slow')
    await loading
    await drained()
    // Nobody but who has a callback loads.
    assert.deepEqual(source.keys, ['slow', 'a'])
    source.call(1).resolve('new')
    assert.equal(await asked, 'new')
    assert.equal((await processor.metrics()).led, 2)
  })

  test('refreshes once, however many ask', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'old')
    await clock.advance(120)
    const asked = Array.from({ length: 100 }, () => processor.getCachedData('a', source.fetch, options))
    assert.deepEqual(new Set(await Promise.all(asked)), new Set(['old']))
    assert.equal(source.calls.length, 1)
  })

  test('refreshes what is stale of a batch in one grouped batch', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    await processor.mset([
      { key: 'g:a:1', value: 1 },
      { key: 'g:a:2', value: 2 },
      { key: 'g:a:3', value: 3, ttl: 1000 },
    ])
    await clock.advance(120)
    const requests = ['g:a:1', 'g:a:2', 'g:a:3'].map(unwanted)
    const results = await processor.getCachedDataBatch(requests, { ...options, groupFetch: source.groupFetch })
    assert.deepEqual(results, [1, 2, 3])
    assert.deepEqual(
      source.groupCalls.map(({ keys }) => keys),
      [['g:a:1', 'g:a:2']],
    )
    source.groupCall(0).resolve(['one', 'two'])
    await drained()
    assert.deepEqual(processor.memory.mget(['g:a:1', 'g:a:2', 'g:a:3']), ['one', 'two', 3])
  })

  test('keeps the old value when the refresh fails, unhandled by nobody', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    const errors: unknown[] = []
    processor.on('refreshError', (event) => errors.push(event))
    await processor.set('a', 'old')
    await clock.advance(120)
    assert.equal(await processor.getCachedData('a', source.fetch, options), 'old')
    const reason = new Error('no')
    source.call(0).reject(reason)
    await drained()
    assert.deepEqual(errors, [{ key: 'a', error: reason }])
    assert.equal(await processor.getCachedData('a', source.fetch, options), 'old')
    assert.equal(source.calls.length, 2)
  })

  test('refreshes with an interest of its own: neither abort nor deadline of the batch reaches it', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    const controller = new AbortController()
    await processor.set('a', 'old')
    await clock.advance(120)
    const { signal } = controller
    const asked = processor.getCachedDataBatch(source.requests('a', 'b'), { ...options, signal, timeoutMs: 10, failFast: true })
    controller.abort('enough')
    assert.equal(await reasonOf(asked), 'enough')
    const refresh = source.calls.find(({ key }) => key === 'a')
    await clock.advance(10)
    assert.equal(refresh?.signal.aborted, false)
    refresh?.resolve('new')
    source.call(-1).resolve(undefined)
    await drained()
    assert.equal(processor.memory.get('a'), 'new')
  })

  test('works for requests that are instances of a class, methods and getters and all', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 100 })
    class Request {
      get key() {
        return 'a'
      }
      fetchFunction() {
        return 'new'
      }
    }
    await processor.set('a', 'old')
    await clock.advance(120)
    assert.deepEqual(await processor.getCachedDataBatch([new Request()], options), ['old'])
    await drained()
    assert.equal(processor.memory.get('a'), 'new')
  })

  test('of the config is what batches have that say nothing', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100, staleWhileRevalidate: 50 })
    await processor.set('a', 'old')
    await clock.advance(120)
    assert.deepEqual(await processor.getCachedDataBatch(source.requests('a')), ['old'])
    assert.equal(source.calls.length, 1)
  })

  test('of Infinity takes whatever there is', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100, staleWhileRevalidate: Number.POSITIVE_INFINITY })
    await processor.getCachedDataBatch([])
    assert.equal(await processor.get('nothing'), undefined)
    await processor.set('a', 'old')
    await clock.advance(1e9)
    assert.equal(await processor.getCachedData('a', source.fetch), 'old')
  })

  test('is not for get, has, and memory', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 100, staleWhileRevalidate: 50 })
    await processor.set('a', 'old')
    await clock.advance(120)
    assert.equal(processor.memory.get('a'), undefined)
    assert.equal(processor.memory.has('a'), false)
  })
})

describe('staleIfError', () => {
  const options = { staleIfError: 50 }

  test('answers the expired entry when its fetch fails', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'old')
    await clock.advance(120)
    const asked = processor.getCachedDataBatchSettled(source.requests('a'), options)
    source.call(0).reject(new Error('no'))
    assert.deepEqual(await asked, [
      { index: 0, key: 'a', status: 'fulfilled', value: 'old', source: 'stale', ms: 0, attempts: 0 },
    ])
    assert.equal(processor.memory.has('a'), false)
  })

  test('is over when it is over, counted to the failure', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    await processor.getCachedDataBatch([ready('b', 'B')], options)
    await processor.set('a', 'old')
    await clock.advance(149)
    const intime = processor.getCachedData('a', source.fetch, options)
    source.call(0).reject(new Error('no'))
    assert.equal(await intime, 'old')
    const late = watch(processor.getCachedData('a', source.fetch, options))
    await clock.advance(1)
    source.call(1).reject('no')
    await drained()
    assert.equal(late.reason, 'no')
  })

  test('serves those who take it, and the others get the error', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    const reason = new Error('no')
    await processor.set('a', 'old')
    await clock.advance(120)
    const lenient = processor.getCachedData('a', source.fetch, options)
    const strict = reasonOf(processor.getCachedData('a', source.fetch))
    source.call(0).reject(reason)
    assert.equal(await lenient, 'old')
    assert.equal(await strict, reason)
  })

  test('is no answer to an abort', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    const controller = new AbortController()
    await processor.set('a', 'old')
    await clock.advance(120)
    const asked = reasonOf(processor.getCachedData('a', source.fetch, { ...options, signal: controller.signal }))
    controller.abort('enough')
    assert.equal(await asked, 'enough')
  })

  test('is an answer to a deadline', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    await processor.set('a', 'old')
    await clock.advance(110)
    const asked = processor.getCachedData('a', source.fetch, { ...options, fetchTimeoutMs: 20 })
    await clock.advance(20)
    assert.equal(await asked, 'old')
  })
})

describe('errorTtl', () => {
  test('answers a failed load with its failure, without fetching, until it is over', async (t) => {
    const { processor, source, clock } = setUp(t, { errorTtl: 50 })
    const reason = new Error('no')
    assert.equal(await reasonOf(processor.getCachedData('a', () => Promise.reject(reason))), reason)
    await clock.advance(49)
    assert.equal(await reasonOf(processor.getCachedData('a', source.fetch)), reason)
    assert.equal(source.calls.length, 0)
    assert.equal(await processor.get('a'), undefined)
    await clock.advance(1)
    const asked = processor.getCachedData('a', source.fetch)
    source.call(0).resolve('A')
    assert.equal(await asked, 'A')
  })

  test('keeps no failure in the place of a value', async (t) => {
    const { processor } = setUp(t, { errorTtl: 50 })
    await processor.set('a', 'old')
    await reasonOf(processor.getCachedData('a', () => Promise.reject(new Error('no')), { cache: 'reload' }))
    assert.equal(processor.memory.get('a'), 'old')
  })

  test('forgets a failure that is deleted, or invalidated by key, prefix or tag', async (t) => {
    const { processor } = setUp(t, { errorTtl: 1000 })
    const changes = [
      () => processor.delete('k:1'),
      () => processor.invalidate({ prefix: 'k' }),
      () => processor.invalidate({ tag: 'tag' }),
      () => processor.clear(),
    ]
    for (const change of changes) {
      await reasonOf(processor.getCachedData('k:1', () => Promise.reject(new Error('no')), { tags: ['tag'] }))
      // What was kept was no value.
      assert.ok(!(await change()))
      assert.equal(await processor.getCachedData('k:1', () => 'A', 0), 'A')
    }
  })

  test('keeps no abort', async (t) => {
    const { processor, source } = setUp(t, { errorTtl: 50 })
    const controller = new AbortController()
    const asked = reasonOf(processor.getCachedData('a', source.fetch, { signal: controller.signal }))
    controller.abort('enough')
    await asked
    assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
  })
})
