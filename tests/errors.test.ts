import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as sluice from '../js/index.js'
import { BatchError, SluiceError } from '../js/index.js'
import { reasonOf, setUp, watch } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

const failing = (key: string, reason: unknown) => ({ key, fetchFunction: (): unknown => Promise.reject(reason) })

describe('a batch with failures', () => {
  test('waits for all, then throws a BatchError that has every outcome', async (t) => {
    const { processor, source } = setUp(t)
    const reason = new Error('no b')
    const asked = watch(
      processor.getCachedDataBatch([failing('b', reason), source.request('a'), failing('b', 0), failing('c', undefined)]),
    )
    await drained()
    assert.equal(asked.is, 'pending')
    source.call(0).resolve('A')
    await drained()
    const error = asked.reason as BatchError
    assert.ok(error instanceof BatchError && error instanceof AggregateError && error instanceof SluiceError)
    assert.equal(error.code, 'ERR_BATCH_FAILED')
    assert.equal(error.family, 'fetch')
    assert.equal(error.name, 'BatchError')
    assert.equal(error.message, '3 of 4 requests failed, first "b": Error: no b')
    assert.equal(error.cause, reason)
    assert.deepEqual(error.errors, [reason, reason, undefined])
    assert.deepEqual(error.keys, ['b', 'c'])
    assert.deepEqual(error.results, [
      { index: 0, key: 'b', status: 'rejected', reason, source: 'fetch', ms: 0, attempts: 1 },
      { index: 1, key: 'a', status: 'fulfilled', value: 'A', source: 'fetch', ms: 0, attempts: 1 },
      { index: 2, key: 'b', status: 'rejected', reason, source: 'joined', ms: 0, attempts: 1 },
      { index: 3, key: 'c', status: 'rejected', reason: undefined, source: 'fetch', ms: 0, attempts: 1 },
    ])
    assert.deepEqual([...processor.memory.keys()], ['a'])
  })

  test('settled: resolves to one outcome per request, in order', async (t) => {
    const { processor, source, clock } = setUp(t)
    const reason = new Error('no')
    processor.memory.set('cached', 1)
    const other = processor.getCachedData('joined', source.fetch)
    const asked = processor.getCachedDataBatchSettled<unknown>([
      ready('now', 2),
      source.request('joined'),
      ready('cached', 3),
      failing('bad', reason),
      source.request('slow'),
    ])
    await clock.advance(10)
    source.call(0).resolve('J')
    await clock.advance(5)
    source.call(1).resolve('S')
    assert.deepEqual(await asked, [
      { index: 0, key: 'now', status: 'fulfilled', value: 2, source: 'fetch', ms: 0, attempts: 1 },
      { index: 1, key: 'joined', status: 'fulfilled', value: 'J', source: 'joined', ms: 10, attempts: 1 },
      { index: 2, key: 'cached', status: 'fulfilled', value: 1, source: 'memory', ms: 0, attempts: 0 },
      { index: 3, key: 'bad', status: 'rejected', reason, source: 'fetch', ms: 0, attempts: 1 },
      { index: 4, key: 'slow', status: 'fulfilled', value: 'S', source: 'fetch', ms: 15, attempts: 1 },
    ])
    assert.equal(await other, 'J')
  })

  test('settled: of a batch that is all in memory', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 1)
    assert.deepEqual(await processor.getCachedDataBatchSettled([ready('a', 2)]), [
      { index: 0, key: 'a', status: 'fulfilled', value: 1, source: 'memory', ms: 0, attempts: 0 },
    ])
  })

  test('that is empty has no outcomes and no values', async (t) => {
    const { processor, clock } = setUp(t)
    assert.deepEqual(await processor.getCachedDataBatch([]), [])
    assert.deepEqual(await processor.getCachedDataBatchSettled([]), [])
    assert.deepEqual(clock.asked, [])
  })

  test('says how it is with one of a thousand in a few words', async (t) => {
    const { processor } = setUp(t)
    const requests = Array.from({ length: 1000 }, (_, index) =>
      index === 500 ? failing(`${index}`, new TypeError('no')) : ready<unknown>(`${index}`, index),
    )
    const error = (await reasonOf(processor.getCachedDataBatch(requests))) as BatchError
    assert.equal(error.message, '1 of 1000 requests failed, first "500": TypeError: no')
    assert.equal(error.results.length, 1000)
  })
})

describe('failFast', () => {
  test('rejects at the first failure, with it, and drops interest in the rest', async (t) => {
    const { processor, source } = setUp(t)
    const asked = watch(processor.getCachedDataBatch(source.requests('a', 'b', 'c'), { failFast: true, maxConcurrency: 2 }))
    const reason = new Error('no b')
    source.call(1).reject(reason)
    await drained()
    assert.equal(asked.reason, reason)
    assert.deepEqual(source.keys, ['a', 'b'])
    assert.equal(source.call(0).signal.aborted, true)
  })

  test('rejects with the failure itself even if it is the last answer, or the only one', async (t) => {
    const { processor, source } = setUp(t)
    const reason = new Error('no')
    const options = { failFast: true }
    assert.equal(await reasonOf(processor.getCachedDataBatch([failing('a', reason)], options)), reason)
    const asked = watch(processor.getCachedDataBatch(source.requests('b', 'c'), options))
    source.call(0).resolve('B')
    await drained()
    source.call(1).reject(reason)
    await drained()
    assert.equal(asked.reason, reason)
    assert.equal(await reasonOf(processor.getCachedDataBatch([failing('d', undefined)], options)), undefined)
  })

  test('rejects at once for a failure that is kept in memory, and fetches nothing', async (t) => {
    const { processor, source } = setUp(t, { errorTtl: 1000 })
    const reason = new Error('no')
    await reasonOf(processor.getCachedData('a', () => Promise.reject(reason)))
    assert.equal(await reasonOf(processor.getCachedDataBatch(source.requests('a', 'b'), { failFast: true })), reason)
    assert.equal(source.calls.length, 0)
  })

  test('leaves alone what others wait for', async (t) => {
    const { processor, source } = setUp(t)
    const fast = watch(processor.getCachedDataBatch(source.requests('a', 'b'), { failFast: true }))
    const slow = processor.getCachedData('a', source.fetch)
    source.call(1).reject('no')
    await drained()
    assert.equal(fast.reason, 'no')
    source.call(0).resolve('A')
    assert.equal(await slow, 'A')
  })
})

describe('getCachedData', () => {
  test('rejects with what its fetchFunction failed with, not with a BatchError', async (t) => {
    const { processor } = setUp(t)
    const reason = new Error('no')
    assert.equal(await reasonOf(processor.getCachedData('a', () => Promise.reject(reason))), reason)
  })
})

describe('every error of ours', () => {
  /** One of each, made as they are made inside. */
  const made: Record<string, [Error, code: string, family: string, base: new (...args: never[]) => Error]> = {
    InvalidTypeError: [new sluice.InvalidTypeError('m', 'ERR_INVALID_OPTION'), 'ERR_INVALID_OPTION', 'misuse', TypeError],
    InvalidRangeError: [new sluice.InvalidRangeError('m', 'ERR_INVALID_OPTION'), 'ERR_INVALID_OPTION', 'misuse', RangeError],
    ClosedError: [new sluice.ClosedError(), 'ERR_CLOSED', 'misuse', Error],
    CircularFetchError: [new sluice.CircularFetchError(['a', 'a']), 'ERR_CIRCULAR_FETCH', 'misuse', Error],
    UnshareableValueError: [new sluice.UnshareableValueError('a', 'Response'), 'ERR_UNSHAREABLE_VALUE', 'misuse', TypeError],
    BatchError: [new sluice.BatchError([]), 'ERR_BATCH_FAILED', 'fetch', AggregateError],
    FetchTimeoutError: [new sluice.FetchTimeoutError('a', 1), 'ERR_FETCH_TIMEOUT', 'fetch', Error],
    QueueTimeoutError: [new sluice.QueueTimeoutError('a', 1), 'ERR_QUEUE_TIMEOUT', 'fetch', Error],
    OverloadedError: [new sluice.OverloadedError('a'), 'ERR_OVERLOADED', 'fetch', Error],
    RateLimitedError: [new sluice.RateLimitedError('a', 1), 'ERR_RATE_LIMITED', 'fetch', Error],
    BatchTimeoutError: [new sluice.BatchTimeoutError(1), 'ERR_BATCH_TIMEOUT', 'fetch', Error],
    GroupFetchError: [new sluice.GroupFetchError('a', 'g', 'why'), 'ERR_GROUP_FETCH', 'fetch', Error],
    GroupBreakerError: [new sluice.GroupBreakerError('a', 'g', 'why'), 'ERR_GROUP_BREAKER_OPEN', 'fetch', Error],
    GroupContractError: [new sluice.GroupContractError('a', 'g', 'm'), 'ERR_GROUP_CONTRACT', 'misuse', TypeError],
    MissingResultError: [new sluice.MissingResultError('a', 'g'), 'ERR_MISSING_RESULT', 'fetch', Error],
    NotCachedError: [new sluice.NotCachedError('a'), 'ERR_NOT_CACHED', 'fetch', Error],
    QueueFullError: [new sluice.QueueFullError(2, 1, 2), 'ERR_QUEUE_FULL', 'misuse', RangeError],
    StorageError: [new sluice.StorageError('disk', 'failed', 'why'), 'ERR_STORAGE', 'fetch', Error],
    EngineCrashError: [new sluice.EngineCrashError(new Error('trap')), 'ERR_ENGINE_CRASHED', 'internal', Error],
    WasmUnavailableError: [new sluice.WasmUnavailableError(new Error('csp')), 'ERR_WASM_UNAVAILABLE', 'internal', Error],
  }

  test('is in this list', () => {
    // Nothing slips out with them.
    assert.deepEqual(
      Object.keys(sluice).filter((name) => name === name.toUpperCase()),
      [],
    )
    const exported = Object.keys(sluice).filter((name) => name.endsWith('Error') && name !== 'SluiceError')
    assert.deepEqual(exported.sort(), Object.keys(made).sort())
  })

  for (const [name, [error, code, family, Base]] of Object.entries(made)) {
    test(`${name} has its name, code and family, and is an instance of what it should be`, () => {
      assert.equal(error.name, name)
      assert.equal(error.constructor.name, name)
      assert.equal((error as SluiceError).code, code)
      assert.equal((error as SluiceError).family, family)
      assert.ok(error instanceof SluiceError)
      assert.ok(error instanceof Base)
      assert.ok(error instanceof Error)
      assert.match(String(error), new RegExp(`^${name}: `))
      assert.ok(error.stack?.includes(error.message))
      assert.ok(!Object.keys(error).includes('name'))
    })
  }

  test('is known as ours, and nothing else is', () => {
    for (const other of [new Error('x'), new TypeError('x'), { code: 'ERR_CLOSED' }, null, undefined, 'text', 7]) {
      assert.equal((other as unknown) instanceof SluiceError, false)
    }
    assert.equal(new sluice.ClosedError() instanceof sluice.BatchError, false)
    assert.equal(new sluice.ClosedError() instanceof sluice.ClosedError, true)
  })

  test('that is of a key says which, however odd it is', () => {
    assert.equal(new sluice.NotCachedError('a"\n\0').message, '"a\\"\\n\\u0000" is not cached')
    assert.equal(new sluice.NotCachedError('\ud800').message, '"\\ud800" is not cached')
  })
})
