import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BatchProcessor, ClosedError, type SluiceError } from '../js/index.js'
import { Crossings, wasmMemory } from './support/crossings.js'
import { reasonOf, reasonsOf, setUp, thrownBy, watch } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained, VirtualClock } from './support/virtual-clock.js'

describe('close', () => {
  test('waits for what is in flight, then for nothing', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('a'))
    const closing = watch(processor.close())
    await drained()
    assert.equal(closing.is, 'pending')
    source.call(0).resolve('A')
    assert.deepEqual(await asked, ['A'])
    await drained()
    assert.equal(closing.is, 'fulfilled')
    assert.equal(clock.timers, 0)
  })

  test('resolves at once where nothing is in flight', async (t) => {
    const { processor, clock } = setUp(t)
    await processor.close()
    assert.deepEqual(clock.asked, [])
  })

  test('gives up after ten seconds: what is left rejects', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = watch(processor.getCachedDataBatch(source.requests('a'), { fetchTimeoutMs: 60_000 }))
    const closing = watch(processor.close())
    await clock.advance(9999)
    assert.equal(asked.is, 'pending')
    await clock.advance(1)
    assert.ok(asked.reason instanceof ClosedError)
    assert.equal(closing.is, 'fulfilled')
    assert.equal(source.call(0).signal.aborted, true)
  })

  test('gives up after timeoutMs', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = watch(processor.getCachedData('a', source.fetch))
    const closing = watch(processor.close({ timeoutMs: 50 }))
    await clock.advance(50)
    assert.ok(asked.reason instanceof ClosedError)
    assert.equal(closing.is, 'fulfilled')
  })

  for (const timeoutMs of [2 ** 40, Number.POSITIVE_INFINITY]) {
    test(`waits ${timeoutMs} ms if it is to, and leaves no timer`, async (t) => {
      const { processor, source, clock } = setUp(t)
      const asked = processor.getCachedData('a', source.fetch, { fetchTimeoutMs: Number.POSITIVE_INFINITY })
      const closing = watch(processor.close({ timeoutMs }))
      await clock.advance(1_000_000)
      assert.equal(closing.is, 'pending')
      source.call(0).resolve('A')
      assert.equal(await asked, 'A')
      await drained()
      assert.equal(closing.is, 'fulfilled')
    })
  }

  test('with abort rejects all at once', async (t) => {
    const { processor, source } = setUp(t)
    const asked = [
      processor.getCachedDataBatch(source.requests('a', 'b')),
      processor.getCachedDataBatchSettled(source.requests('b', 'c')),
    ]
    const closing = processor.close({ mode: 'abort' })
    for (const reason of await reasonsOf(...asked)) assert.ok(reason instanceof ClosedError)
    await closing
    assert.ok(source.calls.every(({ signal }) => signal.aborted))
  })

  test('leaves no timer for a callback that never ends, nor is what it says later of consequence', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = watch(processor.getCachedDataBatch(source.requests('a', 'b', 'c'), { maxConcurrency: 2 }))
    await processor.close({ mode: 'abort' })
    assert.ok(asked.reason instanceof ClosedError)
    assert.equal(clock.timers, 0)
    source.call(0).resolve('late')
    source.call(1).reject(new Error('late'))
    await drained()
    assert.equal(clock.timers, 0)
    assert.equal(source.calls.length, 2)
  })

  test('is one closing, however often it is asked for', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedData('a', source.fetch)
    const closing = processor.close()
    assert.equal(processor.close(), closing)
    assert.equal(processor.close({ mode: 'abort' }), closing)
    source.call(0).resolve('A')
    assert.equal(await asked, 'A')
    await closing
    assert.equal(processor.close(), closing)
  })

  test('is what `await using` does', async () => {
    let held: BatchProcessor
    {
      await using processor = new BatchProcessor({ clock: new VirtualClock() })
      held = processor
      assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
    }
    assert.ok((await reasonOf(held.getCachedData('a', () => 'A'))) instanceof ClosedError)
  })

  test('makes no engine for a processor that was never used', async () => {
    const crossings = new Crossings()
    const processor = new BatchProcessor({ clock: new VirtualClock() })
    await processor.close()
    assert.equal(crossings.count, 0)
    assert.equal((await processor.metrics()).requested, 0)
    assert.equal(crossings.count, 0)
  })

  test('lets go of what memory held', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 1)
    await processor.close()
    assert.equal(processor.memory.size, 0)
  })

  test('keeps nothing afterwards, and its metrics', async (t) => {
    const { processor } = setUp(t)
    await processor.getCachedData('a', () => 'A')
    await processor.close()
    processor.memory.set('b', 'B')
    assert.equal(processor.memory.get('b'), undefined)
    const { requested, succeeded, entries, inFlight } = await processor.metrics()
    assert.deepEqual({ requested, succeeded, entries, inFlight }, { requested: 1, succeeded: 1, entries: 0, inFlight: 0 })
  })

  test('aborts what was to be finished for those who come later', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const left = watch(processor.getCachedData('a', source.fetch, { signal: controller.signal, onOrphan: 'finish' }))
    controller.abort()
    await drained()
    assert.equal(left.is, 'rejected')
    assert.equal(source.call(0).signal.aborted, false)
    await processor.close({ mode: 'abort' })
    assert.equal(source.call(0).signal.aborted, true)
    const { led, dropped, inFlight } = await processor.metrics()
    assert.deepEqual({ led, dropped, inFlight }, { led: 1, dropped: 1, inFlight: 0 })
  })

  test('gives its memory back, with callbacks that hang as well', async () => {
    const sizes = new Set<number>()
    for (let round = 0; round < 400; round++) {
      const processor = new BatchProcessor()
      const hung = watch(processor.getCachedData('a', () => new Promise(() => {})))
      for (let at = 0; at < 100; at++) processor.memory.set(`${at}${'x'.repeat(1000)}`, at)
      await processor.close({ mode: 'abort' })
      assert.equal(hung.is, 'rejected')
      if (round >= 10) sizes.add(wasmMemory().buffer.byteLength)
    }
    // In one turn, so that no garbage needs to have been collected.
    assert.equal(sizes.size, 1)
  })

  test('writes down what is to be written, then closes the tiers', async (t) => {
    const done: string[] = []
    const tier = {
      name: 'disk',
      mget: async (keys: readonly string[]) => keys.map(() => undefined),
      mset: async (entries: readonly { key: string }[]) => {
        await drained()
        done.push(`wrote ${entries.map(({ key }) => key)}`)
      },
      mdelete: async () => {},
      close: async () => {
        done.push('closed')
      },
    }
    const { processor } = setUp(t, { storage: tier })
    assert.deepEqual(await processor.getCachedDataBatch([ready('a', 1), ready('b', 2)]), [1, 2])
    await processor.close()
    assert.deepEqual(done, ['wrote a,b', 'closed'])
  })

  test('is not kept from ending by a tier that hangs or throws', async (t) => {
    const hanging = { name: 'hangs', mget: () => [], mset: () => {}, mdelete: () => {}, close: () => new Promise<void>(() => {}) }
    const throwing = { ...hanging, name: 'throws', close: () => Promise.reject(new Error('no')) }
    const { processor, clock } = setUp(t, { storage: [hanging, throwing] })
    const closing = watch(processor.close())
    await clock.advance(1000)
    assert.equal(closing.is, 'fulfilled')
  })

  test('says what is wrong with its options, and then is not closed', async (t) => {
    const { processor } = setUp(t)
    const wrongMode = (await reasonOf(processor.close({ mode: 'now' as never }))) as SluiceError
    assert.equal(wrongMode.message, `close.mode: expected one of 'drain', 'abort', received "now" (string)`)
    const wrongTime = (await reasonOf(processor.close({ timeoutMs: 0 }))) as SluiceError
    assert.equal(wrongTime.message, 'close.timeoutMs: expected milliseconds greater than 0, or Infinity, received 0 (number)')
    assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
    await processor.close()
  })
})

describe('a closed processor', () => {
  test('rejects every call with ClosedError', async (t) => {
    const { processor } = setUp(t)
    await processor.close()
    const calls: Promise<unknown>[] = [
      processor.getCachedDataBatch([ready('a', 1)]),
      processor.getCachedDataBatch([]),
      processor.getCachedDataBatchSettled([]),
      processor.getCachedData('a', () => 1),
      processor.prefetch([ready('a', 1)]),
      processor.plan([ready('a', 1)]),
      processor.streamCachedDataBatch([ready('a', 1)]).next(),
      processor.get('a'),
      processor.has('a'),
      processor.set('a', 1),
      processor.delete('a'),
      processor.mget(['a']),
      processor.mset([]),
      processor.invalidate({ keys: [] }),
      processor.invalidate({ prefix: 'a' }),
      processor.clear(),
    ]
    for (const reason of await reasonsOf(...calls)) {
      assert.ok(reason instanceof ClosedError)
      assert.equal(reason.message, 'the processor is closed')
      assert.equal(reason.code, 'ERR_CLOSED')
    }
    assert.ok(thrownBy(() => processor.initializeStorage(new Map())) instanceof ClosedError)
  })

  test('still tells its metrics', async (t) => {
    const { processor } = setUp(t)
    await processor.getCachedData('a', () => 1)
    await processor.close()
    assert.equal((await processor.metrics()).led, 1)
  })
})
