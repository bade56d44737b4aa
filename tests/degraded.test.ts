/** What a processor does without an engine, as after three crashes within a second: fetch, bounded and deduplicated, and keep nothing. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import {
  type BatchError,
  type BatchOptions,
  type BatchProcessor,
  type BatchProcessorConfig,
  type CircularFetchError,
  type FetchContext,
  type SluiceError,
  UnshareableValueError,
} from '../js/index.js'
import { Crossings } from './support/crossings.js'
import { type Bench, reasonOf, setUp, watch } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

const crossings = new Crossings()

/** A processor whose engine has just crashed three times: for ten seconds there is none. */
async function setUpDegraded(t: TestContext, config: BatchProcessorConfig = {}): Promise<Bench> {
  const bench = setUp(t, config)
  crossings.before = (_, method) => {
    if (method === 'lookup') throw new WebAssembly.RuntimeError('unreachable')
  }
  for (let crash = 0; crash < 3; crash++) await reasonOf(bench.processor.getCachedData('crash', () => 1))
  crossings.reset()
  return bench
}

/** Long enough for each of some callbacks to have let the others begin. */
async function drainedOften(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await drained()
}

const codeOf = (error: unknown): string => (error as SluiceError).code

test('without an engine, batches begin as many callbacks as a limit that finds itself does', async (t) => {
  const { processor, source } = await setUpDegraded(t, { adaptiveConcurrency: { initial: 2 } })
  const asked = processor.getCachedDataBatch(source.requests('a', 'b', 'c', 'd', 'e'))
  await drained()
  while (source.running > 0) {
    source.finish()
    await drained()
  }
  await asked
  assert.equal(source.runningMax, 2)
  assert.equal((await processor.metrics()).concurrency, undefined)
})

describe('without an engine', () => {
  test('each key of a batch is fetched once, in order, never more at once than may be', async (t) => {
    for (const maxConcurrency of [1, 2, 5]) {
      const { processor, source } = await setUpDegraded(t)
      const requests = source.requests('a', 'a', 'b', 'a', 'b', 'c', 'd')
      const asked = watch(processor.getCachedDataBatch(requests, { maxConcurrency }))
      for (let at = 0; at < 4; at++) {
        assert.equal(source.running, Math.min(maxConcurrency, 4 - at))
        source.call(at).resolve(source.call(at).key.toUpperCase())
        await drained()
      }
      assert.deepEqual(asked.value, ['A', 'A', 'B', 'A', 'B', 'C', 'D'])
      assert.deepEqual(source.keys, ['a', 'b', 'c', 'd'])
      assert.equal(source.runningMax, Math.min(maxConcurrency, 4))
      assert.equal(processor.memory.get('a'), undefined)
    }
  })

  test('batches share a load, and outcomes say so', async (t) => {
    const { processor, source, clock } = await setUpDegraded(t)
    const first = watch(processor.getCachedDataBatchSettled([source.request('a'), ready('a', 'second')]))
    await clock.advance(10)
    const other = watch(processor.getCachedDataBatchSettled([ready('a', 'third')]))
    await clock.advance(10)
    source.call(0).resolve('A')
    await drained()
    const base = { key: 'a', attempts: 1, status: 'fulfilled', value: 'A' }
    assert.deepEqual(first.value, [
      { ...base, index: 0, source: 'fetch', ms: 20 },
      { ...base, index: 1, source: 'joined', ms: 20 },
    ])
    assert.deepEqual(other.value, [{ ...base, index: 0, source: 'joined', ms: 10 }])
    const [led, joined] = processor.monitor.getHistory()
    assert.deepEqual([led?.fetchedRequests, led?.deduplicatedRequests, joined?.joinedRequests], [1, 1, 1])
  })

  test('requests that do not share are fetched each', async (t) => {
    const { processor, source } = await setUpDegraded(t)
    const asked = watch(processor.getCachedDataBatch(source.requests('a', 'a'), { deduplication: false }))
    source.call(0).resolve(1)
    source.call(1).resolve(2)
    await drained()
    assert.deepEqual(asked.value, [1, 2])
  })

  test('ten thousand callbacks that answer at once do not overflow the stack', async (t) => {
    const { processor } = await setUpDegraded(t)
    const numbers = Array.from({ length: 10_000 }, (_, at) => at)
    const requests = numbers.map((at) => ready(`${at}`, at))
    assert.deepEqual(await processor.getCachedDataBatch(requests, { maxConcurrency: 1 }), numbers)
  })

  test('failures are those of their requests alone, falsy ones and throws included', async (t) => {
    const { processor } = await setUpDegraded(t)
    const requests = [
      ready<unknown>('a', 1),
      { key: 'b', fetchFunction: () => Promise.reject(undefined) },
      {
        key: 'c',
        fetchFunction: () => {
          throw 'no'
        },
      },
    ]
    const error = (await reasonOf(processor.getCachedDataBatch(requests))) as BatchError
    assert.deepEqual(
      error.results.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason)),
      [1, undefined, 'no'],
    )
    assert.equal(await reasonOf(processor.getCachedDataBatch(requests, { failFast: true })), 'no')
  })

  test('only one of several gets what can be read only once', async (t) => {
    const { processor } = await setUpDegraded(t)
    const response = new Response('once')
    const [first, second] = await processor.getCachedDataBatchSettled([ready('a', response), ready('a', response)])
    assert.equal(first?.status === 'fulfilled' && first.value, response)
    assert.ok(second?.status === 'rejected' && second.reason instanceof UnshareableValueError)
  })

  test('nothing is fetched that must be cached', async (t) => {
    const { processor } = await setUpDegraded(t)
    assert.equal(codeOf(await reasonOf(processor.getCachedData('a', () => 1, { cache: 'only-if-cached' }))), 'ERR_NOT_CACHED')
  })

  test('there is an engine again after ten seconds', async (t) => {
    const { processor, source, clock } = await setUpDegraded(t)
    const asked = watch(processor.getCachedData('a', source.fetch))
    await clock.advance(10_000)
    assert.equal(await processor.getCachedData('b', () => 'B'), 'B')
    assert.equal(processor.memory.get('b'), 'B')
    source.call(0).resolve('A')
    await drained()
    assert.equal(asked.value, 'A')
    assert.equal(processor.memory.get('a'), undefined)
  })
})

describe('without an engine, whoever leaves', () => {
  test('leaves alone; the last one aborts the load', async (t) => {
    const { processor, source } = await setUpDegraded(t)
    const [one, two] = [new AbortController(), new AbortController()]
    const first = watch(processor.getCachedData('a', source.fetch, { signal: one.signal }))
    const second = watch(processor.getCachedData('a', source.fetch, { signal: two.signal }))
    const { signal } = source.call(0)
    one.abort('first')
    await drained()
    assert.deepEqual([first.reason, second.is, signal.aborted], ['first', 'pending', false])
    two.abort('second')
    await drained()
    assert.deepEqual([second.reason, signal.aborted], ['second', true])
    // Who comes now starts afresh.
    assert.equal(await processor.getCachedData('a', () => 'new'), 'new')
  })

  test('by a deadline of its own, or a stream that ends, starts nothing more', async (t) => {
    const { processor, source, clock } = await setUpDegraded(t)
    const options: BatchOptions<unknown> = { maxConcurrency: 1, timeoutMs: 10 }
    const late = watch(processor.getCachedDataBatch(source.requests('a', 'b'), options))
    await clock.advance(10)
    assert.equal(codeOf(late.reason), 'ERR_BATCH_TIMEOUT')
    const stream = processor.streamCachedDataBatch(source.requests('c', 'd', 'e'), { maxConcurrency: 1 })
    const next = watch(stream.next())
    source.call(1).resolve('C')
    await drained()
    assert.equal(next.value.value.value, 'C')
    await stream.return?.()
    await drained()
    assert.deepEqual(source.keys, ['a', 'c', 'd'])
    assert.deepEqual(
      source.calls.map(({ signal }) => signal.aborted),
      [true, false, true],
    )
  })

  test('a callback that does not answer is left at its deadline, and makes room', async (t) => {
    const { processor, source, clock } = await setUpDegraded(t)
    const stalls: unknown[] = []
    processor.on('stall', (stall) => stalls.push(stall))
    const asked = watch(processor.getCachedDataBatchSettled(source.requests('a', 'b'), { maxConcurrency: 1, fetchTimeoutMs: 10 }))
    await clock.advance(10)
    assert.deepEqual(source.keys, ['a', 'b'])
    assert.equal(codeOf(source.call(0).signal.reason), 'ERR_FETCH_TIMEOUT')
    assert.deepEqual(stalls, [{ keys: ['a'], timeoutMs: 10 }])
    source.call(0).resolve('late')
    source.call(1).resolve('B')
    await drained()
    assert.deepEqual(
      asked.value.map(({ status }) => status),
      ['rejected', 'fulfilled'],
    )
  })

  test('a processor that closes takes what is under way with it', async (t) => {
    const { processor, source } = await setUpDegraded(t)
    const asked = watch(processor.getCachedData('a', source.fetch))
    await processor.close({ mode: 'abort' })
    assert.equal(codeOf(asked.reason), 'ERR_CLOSED')
    assert.equal(source.call(0).signal.aborted, true)
  })
})

describe('without an engine, what is changed while it is loaded', () => {
  const changes: [string, (processor: BatchProcessor) => unknown][] = [
    ['set', (processor) => processor.set('a', 'new')],
    ['deleted', (processor) => processor.delete('a')],
    ['invalidated by prefix', (processor) => processor.invalidate({ prefix: 'a' })],
    ['cleared', (processor) => processor.clear()],
  ]
  for (const [what, change] of changes) {
    test(`${what}: who waits has the answer, who asks then has a load of their own`, async (t) => {
      const { processor, source } = await setUpDegraded(t)
      const before = watch(processor.getCachedData('a', source.fetch))
      await change(processor)
      const after = watch(processor.getCachedData('a', source.fetch))
      const joined = watch(processor.getCachedData('a', source.fetch))
      source.call(0).resolve('old')
      await drained()
      assert.deepEqual([before.value, after.is], ['old', 'pending'])
      source.call(1).resolve('new')
      await drained()
      assert.deepEqual([after.value, joined.value, source.calls.length], ['new', 'new', 2])
    })
  }
})

/** How a callback calls the processor: by its method, or by what its context offers where there is no AsyncLocalStorage. */
const WAYS: [string, (processor: BatchProcessor, context: FetchContext) => Pick<FetchContext, 'getCachedData' | 'loadMany'>][] = [
  ['the processor', (processor) => processor],
  ['its context', (_, context) => context],
]

for (const [name, via] of WAYS) {
  describe(`without an engine, a callback that calls ${name}`, () => {
    /** A callback for each key, which asks for what is `next` to it. */
    const chain = (processor: BatchProcessor, next: Readonly<Record<string, string>>) => {
      const fetchFunction = async (context: FetchContext): Promise<string> => {
        const key = next[context.key]
        // Lets the others begin.
        await drained()
        const below =
          key === undefined ? '' : await via(processor, context).getCachedData(key, fetchFunction, { maxConcurrency: 1 })
        return `${context.key}${below}`
      }
      return fetchFunction
    }

    test('gets what it asks for, a hundred levels deep, with one slot', async (t) => {
      const { processor } = await setUpDegraded(t)
      const level =
        (depth: number) =>
        async (context: FetchContext): Promise<number> =>
          depth === 0
            ? 0
            : 1 + (await via(processor, context).getCachedData(`${depth - 1}`, level(depth - 1), { maxConcurrency: 1 }))
      assert.equal(await processor.getCachedData('100', level(100), { maxConcurrency: 1 }), 100)
    })

    test('for what waits in its own batch gets it, with one slot', async (t) => {
      const { processor } = await setUpDegraded(t)
      const fetchFunction = chain(processor, { a: 'b', b: 'c' })
      const requests = ['a', 'b', 'c', 'a'].map((key) => ({ key, fetchFunction }))
      assert.deepEqual(await processor.getCachedDataBatch(requests, { maxConcurrency: 1 }), ['abc', 'bc', 'c', 'abc'])
    })

    test('for its own key is told at once, with the path', async (t) => {
      const { processor } = await setUpDegraded(t)
      const error = await reasonOf(processor.getCachedData('a', chain(processor, { a: 'a' })))
      assert.equal(codeOf(error), 'ERR_CIRCULAR_FETCH')
      assert.deepEqual((error as CircularFetchError).path, ['a', 'a'])
    })

    test('for what waits for it is told at once, with the whole circle', async (t) => {
      const { processor } = await setUpDegraded(t)
      const asked = watch(processor.getCachedData('a', chain(processor, { a: 'b', b: 'c', c: 'a' })))
      await drainedOften()
      assert.deepEqual((asked.reason as CircularFetchError).path, ['a', 'b', 'c', 'a'])
    })

    test('for what was begun elsewhere and waits for it is told, too', async (t) => {
      const { processor } = await setUpDegraded(t)
      const fetchFunction = chain(processor, { a: 'b', b: 'a', d: 'a', c: 'd' })
      const asked = ['a', 'b', 'c'].map((key) => watch(processor.getCachedData(key, fetchFunction)))
      await drainedOften()
      assert.deepEqual(
        asked.map(({ reason }) => codeOf(reason)),
        ['ERR_CIRCULAR_FETCH', 'ERR_CIRCULAR_FETCH', 'ERR_CIRCULAR_FETCH'],
      )
    })

    test('loads many in bulk, with one slot', async (t) => {
      const { processor } = await setUpDegraded(t)
      const load = (keys: readonly string[]) => keys.map((key) => `${key}!`)
      const fetchFunction = (context: FetchContext) => via(processor, context).loadMany(['a', 'b'], load, { maxConcurrency: 1 })
      assert.deepEqual(await processor.getCachedData('x', fetchFunction, { maxConcurrency: 1 }), ['a!', 'b!'])
    })

    test('may wait for what another one has waited for', async (t) => {
      const { processor, source } = await setUpDegraded(t)
      const twice = async (context: FetchContext): Promise<string> => {
        const first = await via(processor, context).getCachedData('x', source.fetch)
        return `${first}${await via(processor, context).getCachedData('y', source.fetch)}`
      }
      const asked = ['a', 'b'].map((key) => watch(processor.getCachedData(key, twice)))
      source.call(0).resolve('X')
      await drained()
      source.call(1).resolve('Y')
      await drained()
      assert.deepEqual(
        asked.map(({ value }) => value),
        ['XY', 'XY'],
      )
      assert.equal(source.calls.length, 2)
    })
  })
}
