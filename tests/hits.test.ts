import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Crossings } from './support/crossings.js'

// What follows uses instances that count.
const { setUp, reasonOf } = await import('./support/set-up.js')
const { unwanted } = await import('./support/source.js')

const crossings = new Crossings()

/** The engine's methods that `work` has called, in order. */
async function crossed(work: () => unknown): Promise<string[]> {
  const methods: string[] = []
  crossings.before = (_, method) => methods.push(method)
  try {
    await work()
  } finally {
    crossings.reset()
  }
  return methods
}

describe('what is in memory', () => {
  test('takes one crossing, whatever asks for it', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('a', 1).set('b', 2)
    const requests = [unwanted('b'), unwanted('a')]
    const ways: Record<string, () => Promise<unknown>> = {
      getCachedDataBatch: () => processor.getCachedDataBatch(requests),
      'getCachedDataBatch with options': () => processor.getCachedDataBatch(requests, { maxConcurrency: 2, timeoutMs: 5 }),
      getCachedDataBatchSettled: () => processor.getCachedDataBatchSettled(requests),
      getCachedData: () => processor.getCachedData('a', source.fetch),
      'getCachedData with a TTL': () => processor.getCachedData('a', source.fetch, 10),
      'getCachedData with options': () => processor.getCachedData('a', source.fetch, { ttl: 10, maxConcurrency: 2 }),
      loadMany: () => processor.loadMany(['b', 'a'], () => []),
      mget: () => processor.mget(['b', 'a']),
      get: () => processor.get('a'),
      prefetch: () => processor.prefetch(requests),
      'memory.get': async () => processor.memory.get('a'),
    }
    const found: Record<string, unknown> = {}
    for (const [name, way] of Object.entries(ways)) {
      assert.deepEqual(await crossed(async () => (found[name] = await way())), [name === 'memory.get' ? 'get' : 'lookup'], name)
    }
    assert.deepEqual(found, {
      getCachedDataBatch: [2, 1],
      'getCachedDataBatch with options': [2, 1],
      getCachedDataBatchSettled: [
        { index: 0, key: 'b', source: 'memory', ms: 0, attempts: 0, status: 'fulfilled', value: 2 },
        { index: 1, key: 'a', source: 'memory', ms: 0, attempts: 0, status: 'fulfilled', value: 1 },
      ],
      getCachedData: 1,
      'getCachedData with a TTL': 1,
      'getCachedData with options': 1,
      loadMany: [2, 1],
      mget: [2, 1],
      get: 1,
      prefetch: undefined,
      'memory.get': 1,
    })
    assert.equal(source.calls.length, 0)
  })

  test('is looked up and counted once, whatever else the batch has to do', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100, errorTtl: 100 })
    processor.memory.set('a', 1).set('stale', 2, { ttl: 10 })
    await reasonOf(processor.getCachedData('failed', () => Promise.reject(new Error('no'))))
    await clock.advance(10)
    const counted = async () => {
      const { requested, hits, led } = await processor.metrics()
      return { requested, hits, led }
    }
    for (const { keys, ...more } of [
      { keys: ['a', 'missing'], requested: 2, hits: 1, led: 1 },
      { keys: ['gone', 'a'], requested: 2, hits: 1, led: 1 },
      { keys: ['a', 'failed'], requested: 2, hits: 2, led: 0 },
      // And the refresh.
      { keys: ['a', 'stale', 'a'], requested: 4, hits: 3, led: 1 },
    ]) {
      const before = await counted()
      const methods = await crossed(() => {
        void processor.getCachedDataBatchSettled(source.requests(...keys), { staleWhileRevalidate: 50 })
      })
      assert.equal(methods.filter((method) => method === 'lookup').length, 1, keys.join())
      const after = await counted()
      const difference = Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - before[name as never]]))
      assert.deepEqual(difference, more, keys.join())
    }
  })

  test('is what has been answered in the same turn', async (t) => {
    const { processor, source } = setUp(t)
    const answer = Promise.resolve('A')
    const first = processor.getCachedData('a', () => answer)
    // After the processor's own listener, and before the engine is told.
    const second = answer.then(() => processor.getCachedData('a', source.fetch))
    assert.deepEqual([await first, await second], ['A', 'A'])
    assert.equal(source.calls.length, 0)
  })

  test('is found whatever a getter does meanwhile, which is read once', async (t) => {
    const { processor } = setUp(t)
    const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`)
    for (const key of keys) processor.memory.set(key, key)
    let reads = 0
    const requests = keys.map((key) => ({
      get key() {
        reads++
        // Crosses itself, and has the engine make room.
        processor.memory.mget(keys)
        processor.memory.delete(`${'x'.repeat(10_000)}é`)
        return key
      },
      fetchFunction: unwanted(key).fetchFunction,
    }))
    assert.deepEqual(await processor.getCachedDataBatch(requests), keys)
    assert.equal(reads, 300)
    const outcomes = await processor.getCachedDataBatchSettled(requests)
    assert.deepEqual([outcomes.map(({ key }) => key), reads], [keys, 600])
  })

  test('is kept count of, among batches of other kinds, for the last hundred', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('a', 1)
    const waiting = processor.getCachedData('b', source.fetch)
    source.call(0).resolve(2)
    await waiting
    for (let count = 1; count <= 120; count++)
      await processor.getCachedDataBatch(Array.from({ length: count }, () => unwanted('a')))
    const history = processor.monitor.getHistory()
    assert.deepEqual(
      history.map(({ totalRequests, cachedRequests, fetchedRequests }) => [totalRequests, cachedRequests, fetchedRequests]),
      Array.from({ length: 100 }, (_, index) => [21 + index, 21 + index, 0]),
    )
    assert.equal(processor.monitor.getAverageMetrics()?.cachedRequests, 70.5)
    processor.monitor.reset()
    await processor.getCachedDataBatch([])
    assert.deepEqual(processor.monitor.getHistory(), [])
  })

  test('is read where batches have to say by what they are grouped, as nothing is', async (t) => {
    const { processor } = setUp(t, { groupingStrategy: 'custom' })
    processor.memory.set('a', 1)
    const read = [await processor.get('a'), await processor.mget(['a', 'b']), await processor.has('b')]
    assert.deepEqual(read, [1, [1, undefined], false])
  })

  test('is not told of where options throw: the call rejects', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('a', 1)
    const options = {
      get ttl(): number {
        throw new Error('no')
      },
    }
    assert.equal(((await reasonOf(processor.getCachedData('a', source.fetch, options))) as Error).message, 'no')
  })
})
