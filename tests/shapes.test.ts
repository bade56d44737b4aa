/** The same work in other shapes: stream, prefetch, plan, progress. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BatchOutcome } from '../js/index.js'
import { reasonOf, setUp, watch } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { drained } from './support/virtual-clock.js'

const seenIn = (result: IteratorResult<BatchOutcome<unknown>>) =>
  result.done ? 'done' : [result.value.key, result.value.status === 'fulfilled' ? result.value.value : result.value.reason]

describe('streamCachedDataBatch', () => {
  test('yields hits first, in the order of the requests, then the others as they come', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('b', 'B').set('d', 'D')
    const stream = processor.streamCachedDataBatch(source.requests('a', 'b', 'c', 'd'))
    assert.deepEqual(seenIn(await stream.next()), ['b', 'B'])
    assert.deepEqual(seenIn(await stream.next()), ['d', 'D'])
    source.call(1).resolve('C')
    assert.deepEqual(seenIn(await stream.next()), ['c', 'C'])
    source.call(0).reject('no')
    assert.deepEqual(seenIn(await stream.next()), ['a', 'no'])
    assert.equal(seenIn(await stream.next()), 'done')
    assert.equal(seenIn(await stream.next()), 'done')
  })

  test('yields whole outcomes, each once, with their place', async (t) => {
    const { processor } = setUp(t)
    const seen: BatchOutcome<number>[] = []
    for await (const outcome of processor.streamCachedDataBatch([ready('a', 1), ready('b', 2), unwanted('a')])) seen.push(outcome)
    assert.deepEqual(
      seen.sort((one, other) => one.index - other.index),
      [
        { index: 0, key: 'a', status: 'fulfilled', value: 1, source: 'fetch', ms: 0, attempts: 1 },
        { index: 1, key: 'b', status: 'fulfilled', value: 2, source: 'fetch', ms: 0, attempts: 1 },
        { index: 2, key: 'a', status: 'fulfilled', value: 1, source: 'joined', ms: 0, attempts: 1 },
      ],
    )
  })

  test('begins when the first outcome is asked for', async (t) => {
    const { processor, source } = setUp(t)
    const stream = processor.streamCachedDataBatch(source.requests('a'))
    await drained()
    assert.equal(source.calls.length, 0)
    const first = stream.next()
    assert.equal(source.calls.length, 1)
    source.call(0).resolve('A')
    assert.deepEqual(seenIn(await first), ['a', 'A'])
    assert.equal(seenIn(await stream.next()), 'done')
  })

  test('break drops interest in the rest', async (t) => {
    const { processor, source } = setUp(t)
    const requests = [ready<unknown>('now', 1), ...source.requests('a', 'b')]
    for await (const outcome of processor.streamCachedDataBatch(requests, { maxConcurrency: 2 })) {
      assert.equal(outcome.key, 'now')
      break
    }
    assert.ok(source.calls.length > 0)
    assert.ok(source.calls.every(({ signal }) => signal.aborted))
    assert.equal((await processor.metrics()).inFlight, 0)
  })

  test('a throw in the loop drops interest in the rest', async (t) => {
    const { processor, source } = setUp(t)
    const loop = async () => {
      for await (const _ of processor.streamCachedDataBatch([ready<unknown>('now', 1), source.request('a')]))
        throw new Error('in the loop')
    }
    assert.equal(((await reasonOf(loop())) as Error).message, 'in the loop')
    assert.equal(source.call(0).signal.aborted, true)
  })

  test('break leaves alone what others wait for', async (t) => {
    const { processor, source } = setUp(t)
    const other = processor.getCachedData('a', source.fetch)
    for await (const _ of processor.streamCachedDataBatch([ready<unknown>('now', 1), source.request('a')])) break
    assert.equal(source.call(0).signal.aborted, false)
    source.call(0).resolve('A')
    assert.equal(await other, 'A')
  })

  test('answers many who ask before there is anything', async (t) => {
    const { processor, source } = setUp(t)
    const stream = processor.streamCachedDataBatch(source.requests('a', 'b'))
    const asked = [stream.next(), stream.next(), stream.next()]
    source.call(1).resolve('B')
    source.call(0).resolve('A')
    assert.deepEqual((await Promise.all(asked)).map(seenIn), [['b', 'B'], ['a', 'A'], 'done'])
  })

  test('of nothing, and of what is all in memory', async (t) => {
    const { processor } = setUp(t)
    assert.equal(seenIn(await processor.streamCachedDataBatch([]).next()), 'done')
    processor.memory.set('a', 1)
    const stream = processor.streamCachedDataBatch([unwanted('a')])
    assert.deepEqual(seenIn(await stream.next()), ['a', 1])
    assert.equal(seenIn(await stream.next()), 'done')
  })

  test('with failFast throws the first failure, and is done', async (t) => {
    const { processor, source } = setUp(t)
    const stream = processor.streamCachedDataBatch(source.requests('a', 'b', 'c'), { failFast: true })
    const first = stream.next()
    source.call(1).resolve('B')
    assert.deepEqual(seenIn(await first), ['b', 'B'])
    source.call(0).reject('no')
    assert.equal(await reasonOf(stream.next()), 'no')
    assert.equal(seenIn(await stream.next()), 'done')
    assert.equal(source.call(2).signal.aborted, true)
  })

  test('with failFast throws a failure that is the last answer, too', async (t) => {
    const { processor, source } = setUp(t)
    const stream = processor.streamCachedDataBatch(source.requests('a'), { failFast: true })
    const first = watch(stream.next())
    source.call(0).reject('no')
    await drained()
    assert.equal(first.reason, 'no')
  })

  test('throws what an abort, a deadline, or misuse does to a batch', async (t) => {
    const { processor, source, clock } = setUp(t)
    const controller = new AbortController()
    const aborted = watch(processor.streamCachedDataBatch(source.requests('a'), { signal: controller.signal }).next())
    const late = watch(processor.streamCachedDataBatch(source.requests('b'), { timeoutMs: 10 }).next())
    const wrong = watch(processor.streamCachedDataBatch('no' as never).next())
    controller.abort('enough')
    await clock.advance(10)
    assert.equal(aborted.reason, 'enough')
    assert.equal((late.reason as { code: string }).code, 'ERR_BATCH_TIMEOUT')
    assert.equal((wrong.reason as { code: string }).code, 'ERR_INVALID_REQUESTS')
  })

  test('return ends it for those who ask and for those who waited', async (t) => {
    const { processor, source } = setUp(t)
    const stream = processor.streamCachedDataBatch(source.requests('a'))
    const waiting = stream.next()
    assert.deepEqual(await stream.return?.(), { done: true, value: undefined })
    assert.equal(seenIn(await waiting), 'done')
    assert.equal(seenIn(await stream.next()), 'done')
    const unbegun = processor.streamCachedDataBatch(source.requests('b'))
    await unbegun.return?.()
    assert.equal(seenIn(await unbegun.next()), 'done')
    assert.equal(source.calls.length, 1)
  })
})

describe('prefetch', () => {
  test('sees to it that the keys are in memory, and reports no failure', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 1)
    const failing = { key: 'bad', fetchFunction: () => Promise.reject(new Error('no')) }
    assert.equal(await processor.prefetch<number>([unwanted('a'), ready('b', 2), failing]), undefined)
    assert.deepEqual([...processor.memory.keys()].sort(), ['a', 'b'])
  })

  test('shares its loads, and has an interest of its own', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const prefetched = processor.prefetch(source.requests('a'))
    const asked = watch(processor.getCachedData('a', source.fetch, { signal: controller.signal }))
    assert.equal(source.calls.length, 1)
    controller.abort('enough')
    await drained()
    assert.equal(asked.reason, 'enough')
    assert.equal(source.call(0).signal.aborted, false)
    source.call(0).resolve('A')
    await prefetched
    assert.equal(processor.memory.get('a'), 'A')
  })

  test('is of low priority unless its requests say otherwise', async (t) => {
    const { processor, source } = setUp(t)
    const requests = [
      source.request('first', { priority: 'high' }),
      source.request('a'),
      source.request('b', { priority: 'high' }),
      source.request('c'),
    ]
    const prefetched = processor.prefetch(requests, { maxConcurrency: 1 })
    const wanted = processor.getCachedData('c', source.fetch)
    for (let at = 0; at < 4; at++) {
      source.call(at).resolve(at)
      await drained()
    }
    assert.deepEqual(source.keys, ['first', 'b', 'c', 'a'])
    await Promise.all([prefetched, wanted])
  })

  test('takes requests of a class, as they are', async (t) => {
    const { processor } = setUp(t)
    class Request {
      readonly #value = 'A'
      get key() {
        return 'a'
      }
      fetchFunction() {
        return this.#value
      }
    }
    await processor.prefetch([new Request()])
    assert.equal(processor.memory.get('a'), 'A')
  })

  test('rejects for misuse and for an abort', async (t) => {
    const { processor } = setUp(t)
    assert.equal(
      ((await reasonOf(processor.prefetch(5 as never))) as Error).message,
      'requests: expected an array, received 5 (number)',
    )
    assert.equal(
      ((await reasonOf(processor.prefetch([null as never]))) as Error).message,
      'requests[0]: expected an object, received null',
    )
    assert.equal(await reasonOf(processor.prefetch([ready('a', 1)], { signal: AbortSignal.abort('enough') })), 'enough')
  })
})

describe('plan', () => {
  test('says what a call would do, and does nothing', async (t) => {
    const { processor, source, clock } = setUp(t)
    processor.memory.set('cached', 1).set('old', 2, { ttl: 10 })
    await clock.advance(10)
    const loading = processor.getCachedData('loading', source.fetch)
    const before = await processor.metrics()
    const keys = ['cached', 'old', 'loading', 'g:a:1', 'g:a:2', 'g:b:1', 'g:a:1']
    const plan = await processor.plan(source.requests(...keys), { staleWhileRevalidate: 50, groupFetch: source.groupFetch })
    assert.deepEqual(
      plan.requests,
      ['memory', 'stale', 'join', 'fetch', 'fetch', 'fetch', 'join'].map((action, index) => ({
        index,
        key: keys[index],
        action,
      })),
    )
    assert.equal(plan.calls, 2)
    assert.deepEqual(plan.groups, [{ groupKey: 'g:a', keys: ['g:a:1', 'g:a:2'] }])
    assert.deepEqual(await processor.metrics(), before)
    assert.equal(source.calls.length, 1)
    source.call(0).resolve(1)
    await loading
  })

  test('knows cache modes, deduplication, grouping and maxBatchSize', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('g:a:1', 1)
    const requests = source.requests('g:a:1', 'g:a:2', 'g:a:2', 'g:a:3', 'g:a:4')
    const actionsOf = async (options: Parameters<typeof processor.plan>[1]) =>
      (await processor.plan(requests, options)).requests.map(({ action }) => action)
    assert.deepEqual(await actionsOf({}), ['memory', 'fetch', 'join', 'fetch', 'fetch'])
    assert.deepEqual(await actionsOf({ cache: 'reload' }), ['fetch', 'fetch', 'join', 'fetch', 'fetch'])
    assert.deepEqual(await actionsOf({ deduplication: false }), ['fetch', 'fetch', 'fetch', 'fetch', 'fetch'])
    const { groups, calls } = await processor.plan(requests, { groupFetch: source.groupFetch, maxBatchSize: 2 })
    assert.deepEqual(groups, [{ groupKey: 'g:a', keys: ['g:a:2', 'g:a:3'] }])
    assert.equal(calls, 2)
    assert.equal((await processor.plan(requests, { cache: 'only-if-cached' })).calls, 0)
    assert.equal((await processor.plan(requests, { groupFetch: source.groupFetch, groupingStrategy: 'none' })).calls, 3)
  })
})

describe('onProgress', () => {
  test('is called after each answer, with those so far', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('cached', 1)
    const seen: unknown[] = []
    const asked = processor.getCachedDataBatchSettled(source.requests('cached', 'a', 'b', 'a'), {
      onProgress: (progress) => seen.push(progress),
    })
    source.call(1).reject('no')
    await drained()
    assert.deepEqual(seen, [
      { completed: 1, failed: 0, total: 4 },
      { completed: 2, failed: 1, total: 4 },
    ])
    source.call(0).resolve('A')
    await asked
    assert.deepEqual(seen.slice(2), [
      { completed: 3, failed: 1, total: 4 },
      { completed: 4, failed: 1, total: 4 },
    ])
  })

  test('that throws is reported, and hurts nobody', async (t) => {
    const { processor } = setUp(t)
    const errors: unknown[] = []
    processor.on('callbackError', ({ error }) => errors.push(error))
    const reason = new Error('in onProgress')
    const onProgress = () => {
      throw reason
    }
    assert.deepEqual(await processor.getCachedDataBatch([ready('a', 1), ready('b', 2)], { onProgress }), [1, 2])
    assert.deepEqual(errors, [reason, reason])
  })
})
