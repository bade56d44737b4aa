import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BatchPerformanceMetrics, BatchPerformanceMonitor } from '../js/index.js'
import { reasonOf, setUp } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { drained } from './support/virtual-clock.js'

const batch = (totalRequests: number, extras: Partial<BatchPerformanceMetrics> = {}): BatchPerformanceMetrics => ({
  totalRequests,
  cachedRequests: 0,
  fetchedRequests: totalRequests,
  optimizedGroups: 0,
  totalTime: 10,
  avgTimePerRequest: 10 / totalRequests,
  concurrencyUtilization: 0.5,
  joinedRequests: 0,
  deduplicatedRequests: 0,
  staleRequests: 0,
  failedRequests: 0,
  retriedRequests: 0,
  latencyP50: 4,
  latencyP95: 8,
  latencyP99: 9,
  tierHits: {},
  ...extras,
})

describe('BatchPerformanceMonitor', () => {
  test('remembers the last hundred batches, oldest first', () => {
    const monitor = new BatchPerformanceMonitor()
    assert.deepEqual(monitor.getHistory(), [])
    for (let count = 1; count <= 250; count++) monitor.recordBatch(batch(count))
    const history = monitor.getHistory()
    assert.equal(history.length, 100)
    assert.deepEqual(
      history.map(({ totalRequests }) => totalRequests),
      Array.from({ length: 100 }, (_, index) => 151 + index),
    )
  })

  test('averages each figure over what it remembers', () => {
    const monitor = new BatchPerformanceMonitor()
    assert.equal(monitor.getAverageMetrics(), undefined)
    monitor.recordBatch(batch(10, { failedRequests: 2, tierHits: { disk: 4 } }))
    monitor.recordBatch(batch(20, { concurrencyUtilization: 1, tierHits: { redis: 2 } }))
    assert.deepEqual(monitor.getAverageMetrics(), {
      ...batch(15, { fetchedRequests: 15, failedRequests: 1, concurrencyUtilization: 0.75, avgTimePerRequest: 0.75 }),
      tierHits: { disk: 2, redis: 1 },
    })
  })

  test('averages the last hundred only', () => {
    const monitor = new BatchPerformanceMonitor()
    for (let count = 0; count < 100; count++) monitor.recordBatch(batch(1000))
    for (let count = 0; count < 100; count++) monitor.recordBatch(batch(1))
    assert.equal(monitor.getAverageMetrics()?.totalRequests, 1)
  })

  test('forgets everything with reset', () => {
    const monitor = new BatchPerformanceMonitor()
    for (let count = 0; count < 150; count++) monitor.recordBatch(batch(1))
    monitor.reset()
    assert.deepEqual(monitor.getHistory(), [])
    assert.equal(monitor.getAverageMetrics(), undefined)
    monitor.recordBatch(batch(3))
    assert.deepEqual(
      monitor.getHistory().map(({ totalRequests }) => totalRequests),
      [3],
    )
  })

  test('is not confused by a tier called __proto__', () => {
    const monitor = new BatchPerformanceMonitor()
    const tierHits = Object.fromEntries([['__proto__', 3]])
    monitor.recordBatch(batch(1, { tierHits }))
    assert.deepEqual(Object.entries(monitor.getAverageMetrics()?.tierHits ?? {}), [['__proto__', 3]])
  })
})

describe('the metrics of a batch', () => {
  test('say how its requests were answered, and how long they took', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100 })
    processor.memory.set('cached', 1).set('stale', 2, { ttl: 10 })
    await clock.advance(10)
    const other = processor.getCachedData('joined', source.fetch)
    const requests = [
      unwanted('cached'),
      source.request('stale'),
      source.request('joined'),
      source.request('g:a:1'),
      source.request('g:a:2'),
      source.request('g:a:1'),
      source.request('alone'),
      source.request('bad'),
    ]
    const asked = processor.getCachedDataBatchSettled(requests, {
      maxConcurrency: 4,
      staleWhileRevalidate: 50,
      groupFetch: source.groupFetch,
    })
    await clock.advance(10)
    source.groupCall(0).resolve([1, 2])
    for (const call of source.calls) {
      if (call.key === 'bad') call.reject(new Error('no'))
      else if (call.key !== 'alone') call.resolve(call.key)
    }
    await clock.advance(10)
    source.calls.find(({ key }) => key === 'alone')?.resolve(3)
    await asked
    await other
    const metrics = processor.monitor.getHistory().find(({ totalRequests }) => totalRequests === 8)
    assert.deepEqual(metrics, {
      totalRequests: 8,
      cachedRequests: 1,
      fetchedRequests: 4,
      optimizedGroups: 3,
      totalTime: 20,
      avgTimePerRequest: 2.5,
      concurrencyUtilization: (10 + 20 + 10) / (20 * 4),
      joinedRequests: 1,
      deduplicatedRequests: 1,
      staleRequests: 1,
      failedRequests: 1,
      retriedRequests: 0,
      latencyP50: 10,
      latencyP95: 20,
      latencyP99: 20,
      tierHits: {},
    })
  })

  test('count further tries, and the time with them', async (t) => {
    const { clock, processor, source } = setUp(t)
    const retry = { attempts: 3, backoffMs: 5, jitter: 0 }
    const asked = processor.getCachedDataBatch(source.requests('a', 'b'), { retry })
    source.calls[1]?.resolve('b')
    source.calls[0]?.reject(new Error('no'))
    await clock.advance(5)
    source.calls[2]?.reject(new Error('no'))
    await clock.advance(10)
    source.calls[3]?.resolve('a')
    await asked
    const [metrics] = processor.monitor.getHistory()
    assert.deepEqual([metrics?.retriedRequests, metrics?.latencyP50, metrics?.latencyP99], [2, 0, 15])
  })

  test('of a batch that is all in memory are recorded, too', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 1)
    await processor.getCachedDataBatch([unwanted('a'), unwanted('a')])
    const [metrics] = processor.monitor.getHistory()
    assert.equal(metrics?.totalRequests, 2)
    assert.equal(metrics?.cachedRequests, 2)
    assert.equal(metrics?.fetchedRequests, 0)
  })

  test('are not recorded for an empty batch, nor for one that was aborted', async (t) => {
    const { processor, source } = setUp(t)
    await processor.getCachedDataBatch([])
    const controller = new AbortController()
    const asked = processor.getCachedDataBatch(source.requests('a'), { signal: controller.signal })
    controller.abort()
    await reasonOf(asked)
    assert.deepEqual(processor.monitor.getHistory(), [])
  })

  test('count each tier by its name', async (t) => {
    const kept = new Map([
      ['a', 1],
      ['b', 2],
    ])
    const storage = { get: (key: string) => kept.get(key), set: () => {}, delete: () => {} }
    const { processor } = setUp(t, { storage })
    await processor.getCachedDataBatch([unwanted('a'), unwanted('b'), ready('c', 3)])
    assert.deepEqual(processor.monitor.getHistory()[0]?.tierHits, { storage: 2 })
    await drained()
  })
})

describe('metrics()', () => {
  test('adds up: each key asked for is one of hits, joined, deduplicated, led; each load ended once', async (t) => {
    const { processor, source, clock } = setUp(t, { maxEntries: 3 })
    const controller = new AbortController()
    processor.memory.set('cached', 1)
    const kept = processor.getCachedDataBatchSettled(source.requests('cached', 'a', 'b', 'a'))
    const joined = processor.getCachedDataBatchSettled(source.requests('a', 'c'), { signal: controller.signal })
    source.call(0).resolve('A')
    source.call(1).reject(new Error('no'))
    controller.abort('enough')
    await reasonOf(joined)
    source.call(2).resolve('late')
    await kept
    await processor.get('nothing')
    await clock.advance(1)
    const {
      requested,
      hits,
      joined: joins,
      deduplicated,
      led,
      succeeded,
      failed,
      dropped,
      calls,
      late,
      stored,
    } = await processor.metrics()
    assert.deepEqual(
      { requested, hits, joins, deduplicated, led, succeeded, failed, dropped, calls, late, stored },
      {
        requested: 7,
        hits: 1,
        joins: 1,
        deduplicated: 1,
        led: 4,
        succeeded: 1,
        failed: 2,
        dropped: 1,
        calls: 3,
        late: 1,
        stored: 2,
      },
    )
  })

  test('of a new processor are all zero, and its tiers are listed', async (t) => {
    const tier = { name: 'disk', mget: () => [], mset: () => {}, mdelete: () => {} }
    const { processor } = setUp(t, { storage: tier })
    const { engineBytes, tiers, concurrency, batchSize, ...counts } = await processor.metrics()
    assert.ok(engineBytes >= 0)
    assert.deepEqual([concurrency, batchSize], [undefined, undefined])
    assert.ok(Object.values(counts).every((count) => count === 0))
    assert.deepEqual(tiers, [{ name: 'disk', hits: 0, misses: 0, errors: 0, skipped: 0, writes: 0, deletes: 0, own: {} }])
  })
})
