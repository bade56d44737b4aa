import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BatchTimeoutError, FetchTimeoutError, GroupFetchError, QueueTimeoutError, SluiceError } from '../js/index.js'
import { setUp, watch } from './support/set-up.js'
import { drained } from './support/virtual-clock.js'

const FOREVER = Number.POSITIVE_INFINITY

describe('fetchTimeoutMs', () => {
  test('rejects the key when its fetch has not settled, frees slot and key, and aborts the signal', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 100, maxConcurrency: 1 }))
    const { signal } = source.call(0)
    await clock.advance(99)
    assert.equal(signal.aborted, false)
    assert.equal(asked.is, 'pending')
    await clock.advance(1)
    const error = asked.reason as FetchTimeoutError
    assert.ok(error instanceof FetchTimeoutError && error instanceof SluiceError)
    assert.deepEqual(
      { code: error.code, family: error.family, key: error.key, timeoutMs: error.timeoutMs, message: error.message },
      { code: 'ERR_FETCH_TIMEOUT', family: 'fetch', key: 'a', timeoutMs: 100, message: '"a" was not fetched within 100 ms' },
    )
    assert.equal(signal.aborted, true)
    assert.equal(signal.reason, error)
    const { running, inFlight, timedOut } = await processor.metrics()
    assert.deepEqual({ running, inFlight, timedOut }, { running: 0, inFlight: 0, timedOut: 1 })
  })

  test('is 30 seconds unless somebody says otherwise', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = watch(processor.getCachedData('a', source.fetch))
    await clock.advance(29_999)
    assert.equal(asked.is, 'pending')
    await clock.advance(1)
    assert.ok(asked.reason instanceof FetchTimeoutError)
  })

  test('counts from the start of the fetch, not from the call', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('a', 'b'), { maxConcurrency: 1, fetchTimeoutMs: 100 })
    await clock.advance(90)
    source.call(0).resolve('A')
    await clock.advance(90)
    source.call(1).resolve('B')
    assert.deepEqual(await asked, ['A', 'B'])
  })

  test("drops what comes late: it is not stored, and a late rejection is nobody's", async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatchSettled(source.requests('a', 'b'), { fetchTimeoutMs: 100 })
    await clock.advance(100)
    assert.deepEqual(
      (await asked).map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    source.call(0).resolve('late')
    source.call(1).reject(new Error('late'))
    await drained()
    assert.equal(processor.memory.size, 0)
    assert.equal((await processor.metrics()).late, 2)
  })

  test('lets a new caller begin anew; the late answer of the old load does not overwrite the new one', async (t) => {
    const { processor, source, clock } = setUp(t)
    const old = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 100 }))
    await clock.advance(100)
    assert.ok(old.reason instanceof FetchTimeoutError)
    const anew = processor.getCachedData('a', source.fetch)
    source.call(1).resolve('new')
    assert.equal(await anew, 'new')
    source.call(0).resolve('old')
    await drained()
    assert.equal(processor.memory.get('a'), 'new')
  })

  test('gives the slot to the next: callbacks that never end do not stop a batch', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatchSettled(source.requests('a', 'b', 'c'), { maxConcurrency: 1, fetchTimeoutMs: 100 })
    await clock.advance(250)
    source.call(2).resolve('C')
    assert.deepEqual(
      (await asked).map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled'],
    )
  })

  test('of Infinity is none, and sets no timer', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedData('a', source.fetch, { fetchTimeoutMs: FOREVER })
    assert.equal(clock.timers, 0)
    await clock.advance(1e9)
    source.call(0).resolve('A')
    assert.equal(await asked, 'A')
  })

  test('beyond what a timer of the platform can take is reached in several steps', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 2 ** 33 }))
    await clock.advance(2 ** 33 - 1)
    assert.equal(asked.is, 'pending')
    await clock.advance(1)
    assert.ok(asked.reason instanceof FetchTimeoutError)
    assert.ok(clock.asked.every((ms) => ms <= 2 ** 31 - 1))
    assert.ok(clock.asked.length >= 4)
  })

  test('is measured by the clock: a blocked event loop is late, not wrong', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatchSettled(source.requests('a', 'b'), { fetchTimeoutMs: 100 })
    clock.stall(5000)
    source.call(0).resolve('A')
    await drained()
    await clock.advance(0)
    const [a, b] = await asked
    assert.equal(a?.status, 'fulfilled')
    assert.equal(b?.status === 'rejected' && (b.reason as SluiceError).code, 'ERR_FETCH_TIMEOUT')
    assert.equal(source.calls.length, 2)
  })

  test('of a group names its group as cause; the keys fall back', async (t) => {
    const { processor, source, clock } = setUp(t)
    const options = { groupFetch: source.groupFetch, fetchTimeoutMs: 100, groupFallbackLimit: 1 }
    const asked = processor.getCachedDataBatchSettled(source.requests('g:a:1', 'g:a:2'), options)
    await clock.advance(100)
    assert.equal(source.groupCall(0).signal.aborted, true)
    source.call(0).resolve('one')
    const [one, two] = await asked
    assert.equal(one?.status === 'fulfilled' && one.value, 'one')
    assert.equal(two?.status === 'rejected' && (two.reason as Error).message, 'the group fetch of "g:a" failed for "g:a:2"')
    assert.equal(
      two?.status === 'rejected' && ((two.reason as Error).cause as Error).message,
      '"g:a" was not fetched within 100 ms',
    )
    source.groupCall(0).resolve(['late', 'late'])
    await drained()
    assert.deepEqual([...processor.memory.keys()], ['g:a:1'])
    assert.equal(processor.memory.get('g:a:1'), 'one')
  })
})

describe('timeoutMs', () => {
  test('rejects the whole batch, and drops its interest', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = watch(processor.getCachedDataBatch(source.requests('a', 'b'), { timeoutMs: 50 }))
    source.call(0).resolve('A')
    await clock.advance(50)
    const error = asked.reason as BatchTimeoutError
    assert.ok(error instanceof BatchTimeoutError && error instanceof SluiceError)
    assert.deepEqual(
      { code: error.code, family: error.family, timeoutMs: error.timeoutMs, message: error.message },
      { code: 'ERR_BATCH_TIMEOUT', family: 'fetch', timeoutMs: 50, message: 'the batch was not complete within 50 ms' },
    )
    assert.equal(source.call(1).signal.aborted, true)
    assert.equal(processor.memory.get('a'), 'A')
  })

  test('leaves loads alone that somebody else waits for', async (t) => {
    const { processor, source, clock } = setUp(t)
    const hurried = watch(processor.getCachedDataBatchSettled(source.requests('a'), { timeoutMs: 50 }))
    const patient = processor.getCachedData('a', source.fetch)
    await clock.advance(50)
    assert.ok(hurried.reason instanceof BatchTimeoutError)
    assert.equal(source.call(0).signal.aborted, false)
    source.call(0).resolve('A')
    assert.equal(await patient, 'A')
  })

  test('of the config bounds every batch', async (t) => {
    const { processor, source, clock } = setUp(t, { timeoutMs: 50 })
    const asked = watch(processor.getCachedDataBatch(source.requests('a')))
    const single = watch(processor.getCachedData('b', source.fetch))
    await clock.advance(50)
    assert.ok(asked.reason instanceof BatchTimeoutError)
    assert.ok(single.reason instanceof BatchTimeoutError)
  })

  test('leaves no timer behind when the batch is complete before', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('a'), { timeoutMs: 50 })
    assert.equal(clock.timers, 1)
    source.call(0).resolve('A')
    await asked
    assert.equal(clock.timers, 0)
  })

  test('at the same moment as fetchTimeoutMs frees the slot all the same', async (t) => {
    const { processor, source, clock } = setUp(t)
    const options = { timeoutMs: 100, fetchTimeoutMs: 100, maxConcurrency: 1 }
    const leading = watch(processor.getCachedDataBatch(source.requests('a', 'b'), options))
    const joined = processor.getCachedData('b', source.fetch)
    await clock.advance(100)
    assert.ok(leading.reason instanceof BatchTimeoutError)
    assert.deepEqual(source.keys, ['a', 'b'])
    source.call(1).resolve('B')
    assert.equal(await joined, 'B')
  })

  test('at the same moment as a group fails leaves nothing running', async (t) => {
    const { processor, source, clock } = setUp(t)
    const options = { groupFetch: source.groupFetch, fetchTimeoutMs: 100, groupFallbackLimit: 0, failFast: true }
    const asked = watch(processor.getCachedDataBatch(source.requests('g:a:1', 'g:a:2'), options))
    await clock.advance(100)
    assert.ok(asked.reason instanceof GroupFetchError)
    assert.equal((await processor.metrics()).running, 0)
  })
})

describe('queueTimeoutMs', () => {
  test('rejects what did not get its slot in time, and never calls it', async (t) => {
    const { processor, source, clock } = setUp(t)
    const options = { maxConcurrency: 1, queueTimeoutMs: 50 }
    const asked = processor.getCachedDataBatchSettled(source.requests('a', 'b'), options)
    await clock.advance(50)
    source.call(0).resolve('A')
    const [a, b] = await asked
    assert.equal(a?.status, 'fulfilled')
    const error = b?.status === 'rejected' && (b.reason as QueueTimeoutError)
    assert.ok(error instanceof QueueTimeoutError && error instanceof SluiceError)
    assert.deepEqual(
      { code: error.code, family: error.family, key: error.key, timeoutMs: error.timeoutMs, message: error.message },
      { code: 'ERR_QUEUE_TIMEOUT', family: 'fetch', key: 'b', timeoutMs: 50, message: '"b" waited 50 ms for a slot' },
    )
    assert.deepEqual(source.keys, ['a'])
  })

  test('is not for what runs', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('a'), { queueTimeoutMs: 50, fetchTimeoutMs: 1000 })
    await clock.advance(500)
    source.call(0).resolve('A')
    assert.deepEqual(await asked, ['A'])
  })
})

describe('timers', () => {
  test('are one for all deadlines together, and none when nothing is due', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = Array.from({ length: 100 }, (_, index) =>
      processor.getCachedDataBatch(source.requests(`${index}`), { timeoutMs: 1000 + index, fetchTimeoutMs: 500 + index }),
    )
    assert.equal(clock.timers, 1)
    for (const call of source.calls) call.resolve(1)
    await Promise.all(asked)
    assert.equal(clock.timers, 0)
  })

  test('are none for a batch whose keys are all in memory', async (t) => {
    const { processor, source, clock } = setUp(t)
    await processor.mset([
      { key: 'a', value: 'A' },
      { key: 'b', value: 'B' },
    ])
    assert.deepEqual(await processor.getCachedDataBatch(source.requests('a', 'b'), { timeoutMs: 10, fetchTimeoutMs: 10 }), [
      'A',
      'B',
    ])
    assert.deepEqual(clock.asked, [])
  })
})
