import './support/strict.js'
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import { reasonOf, reasonsOf, setUp, stateOf } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

describe('a signal that is aborted already', () => {
  test('rejects with its reason, and nothing is read or fetched', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('cached', 1)
    for (const reason of [new Error('enough'), 'text', 0, null]) {
      const signal = AbortSignal.abort(reason)
      assert.equal(await reasonOf(processor.getCachedDataBatch(source.requests('cached', 'a'), { signal })), reason)
      assert.equal(await reasonOf(processor.getCachedDataBatchSettled(source.requests('a'), { signal })), reason)
      assert.equal(await reasonOf(processor.getCachedData('a', source.fetch, { signal })), reason)
      assert.equal(await reasonOf(processor.getCachedDataBatch([], { signal })), reason)
    }
    assert.equal(source.calls.length, 0)
    assert.equal((await processor.metrics()).requested, 0)
  })

  test('rejects with an AbortError where it has no other reason', async (t) => {
    const { processor, source } = setUp(t)
    const reason = await reasonOf(processor.getCachedDataBatch(source.requests('a'), { signal: AbortSignal.abort() }))
    assert.equal((reason as Error).name, 'AbortError')
  })

  test('comes after misuse: what is wrong with the call is said first', async (t) => {
    const { processor } = setUp(t)
    const reason = await reasonOf(processor.getCachedDataBatch('no' as never, { signal: AbortSignal.abort() }))
    assert.equal((reason as { code: string }).code, 'ERR_INVALID_REQUESTS')
  })
})

describe('one of several who wait', () => {
  test('leaves alone, at once; the load and the others go on', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const leaving = processor.getCachedDataBatch(source.requests('a'), { signal: controller.signal })
    const staying = processor.getCachedDataBatch(source.requests('a'))
    const { signal } = source.call(0)
    controller.abort('enough')
    assert.equal(await reasonOf(leaving), 'enough')
    assert.equal(signal.aborted, false)
    assert.equal(await stateOf(staying), 'pending')
    source.call(0).resolve('A')
    assert.deepEqual(await staying, ['A'])
    assert.equal(processor.memory.get('a'), 'A')
  })

  test('leaves alone even if it was the one that began the load', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const leading = processor.getCachedData('a', source.fetch, { signal: controller.signal })
    const joined = Array.from({ length: 10 }, () => processor.getCachedData('a', source.fetch))
    controller.abort('enough')
    assert.equal(await reasonOf(leading), 'enough')
    source.call(0).resolve('A')
    assert.deepEqual(await Promise.all(joined), Array(10).fill('A'))
    assert.equal(source.calls.length, 1)
  })

  test('does not keep what it led in its queue from being fetched for others', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const leading = processor.getCachedDataBatch(source.requests('a', 'b', 'c'), { signal: controller.signal, maxConcurrency: 1 })
    const joined = processor.getCachedDataBatch(source.requests('c'))
    controller.abort('enough')
    assert.equal(await reasonOf(leading), 'enough')
    source.call(0).resolve('late')
    await drained()
    assert.deepEqual(source.keys, ['a', 'c'])
    source.call(1).resolve('C')
    assert.deepEqual(await joined, ['C'])
  })
})

describe('the last who waits', () => {
  test('leaves: a queued load is never called', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const blocking = processor.getCachedDataBatch(source.requests('a', 'b'), { maxConcurrency: 1, signal: controller.signal })
    controller.abort('enough')
    assert.equal(await reasonOf(blocking), 'enough')
    source.call(0).resolve('late')
    await drained()
    assert.deepEqual(source.keys, ['a'])
    assert.equal((await processor.metrics()).dropped, 2)
  })

  test('leaves: a running load has its signal aborted, and its answer goes nowhere', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const asked = processor.getCachedDataBatch(source.requests('a'), { signal: controller.signal })
    const { signal } = source.call(0)
    controller.abort('enough')
    assert.equal(await reasonOf(asked), 'enough')
    assert.equal(signal.aborted, true)
    assert.equal(signal.reason.name, 'AbortError')
    source.call(0).resolve('late')
    await drained()
    assert.equal(processor.memory.has('a'), false)
    assert.equal((await processor.metrics()).late, 1)
  })

  test('leaves: a callback that looks at its signal only afterwards finds it aborted', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const asked = processor.getCachedData('a', source.fetch, { signal: controller.signal })
    controller.abort('enough')
    await reasonOf(asked)
    assert.equal(source.call(0).signal.aborted, true)
  })

  test('leaves: a new caller starts afresh at once, though the old callback still runs', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const leaving = processor.getCachedData('a', source.fetch, { signal: controller.signal })
    controller.abort('enough')
    const anew = processor.getCachedData('a', source.fetch)
    assert.equal(await reasonOf(leaving), 'enough')
    assert.equal(source.calls.length, 2)
    source.call(1).resolve('new')
    assert.equal(await anew, 'new')
    source.call(0).resolve('old')
    await drained()
    assert.equal(processor.memory.get('a'), 'new')
  })

  test("leaves: what the callback rejects with afterwards is nobody's", async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const asked = processor.getCachedData('a', source.fetch, { signal: controller.signal })
    controller.abort('enough')
    await reasonOf(asked)
    source.call(0).reject(new Error('aborted'))
    await drained()
  })

  test('leaves: with onOrphan finish the load goes on and is stored', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const asked = processor.getCachedData('a', source.fetch, { signal: controller.signal, onOrphan: 'finish' })
    controller.abort('enough')
    assert.equal(await reasonOf(asked), 'enough')
    assert.equal(source.call(0).signal.aborted, false)
    const joined = processor.getCachedData('a', source.fetch)
    assert.equal(source.calls.length, 1)
    source.call(0).resolve('A')
    assert.equal(await joined, 'A')
    assert.equal(processor.memory.get('a'), 'A')
  })

  test('leaves while the load backs off: it is not tried again', async (t) => {
    const { processor, source, clock } = setUp(t)
    const controller = new AbortController()
    const asked = processor.getCachedData('a', source.fetch, { signal: controller.signal, retry: { attempts: 3, jitter: 0 } })
    source.call(0).reject(new Error('once'))
    await drained()
    controller.abort('enough')
    assert.equal(await reasonOf(asked), 'enough')
    assert.equal(clock.timers, 0)
    await clock.advance(10_000)
    assert.equal(source.calls.length, 1)
  })
})

describe('a group', () => {
  const grouped = (source: { groupFetch: unknown }) => ({ groupFetch: source.groupFetch as never })

  test('is aborted only when none of its keys has a waiter', async (t) => {
    const { processor, source } = setUp(t)
    const [one, two] = [new AbortController(), new AbortController()]
    const first = processor.getCachedDataBatch(source.requests('g:a:1', 'g:a:2'), { ...grouped(source), signal: one.signal })
    const second = processor.getCachedDataBatch(source.requests('g:a:2'), { signal: two.signal })
    const { signal } = source.groupCall(0)
    one.abort('one')
    assert.equal(await reasonOf(first), 'one')
    assert.equal(signal.aborted, false)
    two.abort('two')
    assert.equal(await reasonOf(second), 'two')
    assert.equal(signal.aborted, true)
  })

  test('that goes on for one key stores the others for later', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const leaving = processor.getCachedDataBatch(source.requests('g:a:1', 'g:a:2'), {
      ...grouped(source),
      signal: controller.signal,
    })
    const staying = processor.getCachedDataBatch(source.requests('g:a:2'))
    controller.abort('enough')
    await reasonOf(leaving)
    source.groupCall(0).resolve(['one', 'two'])
    assert.deepEqual(await staying, ['two'])
    assert.equal(processor.memory.get('g:a:1'), 'one')
  })

  test('whose batch ends before its turn has come is never called', async (t) => {
    const { processor, source } = setUp(t)
    const failing = { key: 'g:a:0', fetchFunction: () => Promise.reject(new Error('no')) }
    const throwing = {
      key: 'alone',
      fetchFunction: () => {
        throw new Error('at once')
      },
    }
    const requests = [throwing, failing, source.request('g:a:1')]
    await reasonOf(processor.getCachedDataBatch(requests, { ...grouped(source), maxConcurrency: 1, failFast: true }))
    assert.equal(source.groupCalls.length, 0)
  })
})

describe('the listeners on a signal', () => {
  test('are one, however many batches watch it, and none when they have settled', async (t) => {
    const { processor, source } = setUp(t)
    const { signal } = new AbortController()
    const asked = Array.from({ length: 50 }, (_, index) => processor.getCachedDataBatch(source.requests(`${index}`), { signal }))
    assert.equal(listeners(signal), 1)
    for (const call of source.calls.slice(0, 49)) call.resolve(1)
    await drained()
    assert.equal(listeners(signal), 1)
    source.call(-1).resolve(1)
    await Promise.all(asked)
    assert.equal(listeners(signal), 0)
  })

  test('are none after ten thousand batches that resolved, rejected, or were answered from memory', async (t) => {
    const { processor } = setUp(t)
    const { signal } = new AbortController()
    for (let round = 0; round < 10_000; round++) {
      const key = `${round % 100}`
      const asked = processor.getCachedDataBatch(
        [round % 3 === 0 ? { key, fetchFunction: () => Promise.reject(new Error('no')) } : ready(key, round)],
        {
          signal,
          cache: round % 2 === 0 ? 'reload' : 'default',
        },
      )
      await asked.catch(() => {})
    }
    assert.equal(listeners(signal), 0)
  })

  test('are none after an abort, and an abort after the end is nothing', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const asked = processor.getCachedDataBatch(source.requests('a'), { signal: controller.signal })
    source.call(0).resolve('A')
    assert.deepEqual(await asked, ['A'])
    controller.abort('late')
    assert.equal(listeners(controller.signal), 0)
    const other = new AbortController()
    const dropped = processor.getCachedDataBatch(source.requests('b'), { signal: other.signal })
    other.abort('enough')
    await reasonOf(dropped)
    assert.equal(listeners(other.signal), 0)
  })

  test('are none on a signal that is never needed: all requests were in memory', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 1)
    const { signal } = new AbortController()
    const asked = processor.getCachedDataBatch([ready('a', 2)], { signal })
    assert.equal(listeners(signal), 0)
    assert.deepEqual(await asked, [1])
  })
})

test('an abort drops all batches of its signal, each with the same reason', async (t) => {
  const { processor, source } = setUp(t)
  const controller = new AbortController()
  const { signal } = controller
  const asked = [
    processor.getCachedDataBatch(source.requests('a', 'b'), { signal }),
    processor.getCachedDataBatch(source.requests('b', 'c'), { signal }),
    processor.getCachedDataBatchSettled(source.requests('c', 'a'), { signal }),
  ]
  const reason = new Error('enough')
  controller.abort(reason)
  assert.deepEqual(await reasonsOf(...asked), [reason, reason, reason])
  assert.ok(source.calls.every((call) => call.signal.aborted))
})

test('an abort from within a callback, or from a listener of its signal, is as good as any', async (t) => {
  const { processor, source, clock } = setUp(t)
  const [one, two] = [new AbortController(), new AbortController()]
  const other = processor.getCachedDataBatch(source.requests('x', 'y'), { signal: two.signal })
  const asked = processor.getCachedDataBatch(
    [
      { key: 'a', fetchFunction: ({ signal }) => new Promise(() => signal.addEventListener('abort', () => two.abort('two'))) },
      {
        key: 'b',
        fetchFunction: () => {
          one.abort('one')
          return 'B'
        },
      },
      source.request('c'),
    ],
    { signal: one.signal, fetchTimeoutMs: 100 },
  )
  assert.deepEqual(await reasonsOf(asked, other), ['one', 'two'])
  assert.deepEqual(source.keys, ['x', 'y'])
  // What never ends holds its slot up to its deadline.
  await clock.advance(100)
})
