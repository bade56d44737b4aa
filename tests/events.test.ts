import './support/strict.js'
import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { describe, test } from 'node:test'
import { setUp, watch } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

describe('events', () => {
  test('stall: callbacks that did not answer by their deadline, with their keys', async (t) => {
    const { processor, source, clock } = setUp(t)
    const stalls: unknown[] = []
    processor.on('stall', (event) => stalls.push(event))
    const asked = [
      watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 10 })),
      watch(
        processor.getCachedDataBatchSettled(source.requests('g:a:1', 'g:a:2'), {
          fetchTimeoutMs: 20,
          groupFetch: source.groupFetch,
          groupFallbackLimit: 0,
        }),
      ),
    ]
    await clock.advance(20)
    assert.deepEqual(
      asked.map(({ is }) => is),
      ['rejected', 'fulfilled'],
    )
    assert.deepEqual(stalls, [
      { keys: ['a'], timeoutMs: 10 },
      { keys: ['g:a:1', 'g:a:2'], timeoutMs: 20 },
    ])
  })

  test('are no longer heard by who has stopped listening', async (t) => {
    const { processor, source, clock } = setUp(t)
    let heard = 0
    const stop = processor.on('stall', () => heard++)
    processor.on('stall', () => heard++)
    const first = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 10 }))
    await clock.advance(10)
    assert.equal(heard, 2)
    stop()
    stop()
    const second = watch(processor.getCachedData('b', source.fetch, { fetchTimeoutMs: 10 }))
    await clock.advance(10)
    assert.equal(heard, 3)
    assert.deepEqual([first.is, second.is], ['rejected', 'rejected'])
  })

  test('callbackError: what a listener throws, and what a listener of that throws is dropped', async (t) => {
    const { processor, source, clock } = setUp(t)
    const reason = new Error('in a listener')
    const seen: unknown[] = []
    processor.on('stall', () => {
      throw reason
    })
    processor.on('callbackError', ({ error }) => {
      seen.push(error)
      throw new Error('in the listener of that')
    })
    const asked = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 10 }))
    await clock.advance(10)
    assert.equal(asked.is, 'rejected')
    assert.deepEqual(seen, [reason])
  })

  test('a listener that rejects leaves nothing unhandled', async (t) => {
    const { processor, source, clock } = setUp(t)
    const seen: unknown[] = []
    processor.on('stall', () => Promise.reject(new Error('later')) as never)
    processor.on('callbackError', ({ error }) => {
      seen.push((error as Error).message)
      return Promise.reject(new Error('and later')) as never
    })
    const asked = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 10 }))
    await clock.advance(10)
    await drained()
    assert.equal(asked.is, 'rejected')
    assert.deepEqual(seen, ['later'])
  })

  test('are published on diagnostics_channel', async (t) => {
    const { processor, source, clock } = setUp(t)
    const seen: unknown[] = []
    const listener = (message: unknown) => void seen.push(message)
    const stalls = channel('sluice:stall')
    stalls.subscribe(listener)
    t.after(() => stalls.unsubscribe(listener))
    const asked = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 10 }))
    await clock.advance(10)
    assert.equal(asked.is, 'rejected')
    assert.deepEqual(seen, [{ keys: ['a'], timeoutMs: 10 }])
  })

  test('a listener may call the processor', async (t) => {
    const { processor, source, clock } = setUp(t)
    let inner: Promise<unknown> | undefined
    processor.on('stall', () => {
      inner = processor.getCachedDataBatch([ready('b', 'B')])
    })
    const asked = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 10 }))
    await clock.advance(10)
    assert.equal(asked.is, 'rejected')
    assert.deepEqual(await inner, ['B'])
  })
})
