import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type RetryOptions, SluiceError } from '../js/index.js'
import { type Bench, reasonOf, setUp } from './support/set-up.js'
import { drained } from './support/virtual-clock.js'

const FIRM: RetryOptions = { attempts: 3, backoffMs: 100, jitter: 0 }

/** Fails the call at `index`, and all that follow once they are made `waits[i]` milliseconds later; each a moment too early is too early. */
async function failAfter({ source, clock }: Bench, waits: readonly number[]): Promise<void> {
  for (const wait of waits) {
    const made = source.calls.length
    source.call(-1).reject(new Error(`try ${made}`))
    await clock.advance(wait - 1)
    assert.equal(source.calls.length, made, `no call before ${wait} ms`)
    await clock.advance(1)
    assert.equal(source.calls.length, made + 1, `a call after ${wait} ms`)
  }
}

describe('retry', () => {
  test('is none unless asked for', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = reasonOf(processor.getCachedData('a', source.fetch))
    source.call(0).reject('no')
    assert.equal(await asked, 'no')
    await clock.advance(60_000)
    assert.equal(source.calls.length, 1)
  })

  test('doubles its backoff, and resolves with the first try that does', async (t) => {
    const bench = setUp(t)
    const { processor, source } = bench
    const asked = processor.getCachedDataBatchSettled(source.requests('a'), { retry: { ...FIRM, attempts: 5 } })
    await failAfter(bench, [100, 200, 400])
    source.call(-1).resolve('A')
    const [outcome] = await asked
    assert.deepEqual(outcome, { index: 0, key: 'a', status: 'fulfilled', value: 'A', source: 'fetch', ms: 700, attempts: 4 })
    assert.deepEqual(
      source.calls.map(({ context }) => context.attempt),
      [1, 2, 3, 4],
    )
    const { led, calls, retried, succeeded } = await processor.metrics()
    assert.deepEqual({ led, calls, retried, succeeded }, { led: 1, calls: 4, retried: 3, succeeded: 1 })
  })

  test('never waits longer than maxBackoffMs', async (t) => {
    const bench = setUp(t)
    const { processor, source } = bench
    const asked = processor.getCachedData('a', source.fetch, { retry: { ...FIRM, attempts: 9, maxBackoffMs: 250 } })
    await failAfter(bench, [100, 200, 250, 250])
    source.call(-1).resolve('A')
    assert.equal(await asked, 'A')
  })

  test('gives up with the error of the last try', async (t) => {
    const bench = setUp(t)
    const { processor, source } = bench
    const asked = processor.getCachedDataBatchSettled(source.requests('a'), { retry: FIRM })
    await failAfter(bench, [100, 200])
    source.call(-1).reject('the last')
    const [outcome] = await asked
    assert.equal(outcome?.status === 'rejected' && outcome.reason, 'the last')
    assert.equal(outcome?.attempts, 3)
  })

  test('is shared: who joins meanwhile waits for the same tries', async (t) => {
    const bench = setUp(t)
    const { processor, source } = bench
    const first = processor.getCachedData('a', source.fetch, { retry: FIRM })
    await failAfter(bench, [100])
    const second = processor.getCachedData('a', source.fetch)
    assert.equal(source.calls.length, 2)
    source.call(-1).resolve('A')
    assert.deepEqual([await first, await second], ['A', 'A'])
  })

  test('frees the slot while it backs off', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('a', 'b'), { maxConcurrency: 1, retry: FIRM })
    source.call(0).reject(new Error('once'))
    await drained()
    assert.deepEqual(source.keys, ['a', 'b'])
    source.call(1).resolve('B')
    await clock.advance(100)
    source.call(2).resolve('A')
    assert.deepEqual(await asked, ['A', 'B'])
  })

  test('has a deadline for each try', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedData('a', source.fetch, { retry: FIRM, fetchTimeoutMs: 50 })
    await clock.advance(150)
    assert.equal(source.calls.length, 2)
    assert.equal(source.call(0).signal.aborted, true)
    assert.equal(source.call(1).signal.aborted, false)
    source.call(0).resolve('late')
    await drained()
    source.call(1).resolve('A')
    assert.equal(await asked, 'A')
  })

  test('counts a group as a try, and goes on key by key', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('g:a:1', 'g:a:2'), { groupFetch: source.groupFetch, retry: FIRM })
    source.groupCall(0).resolve([new Error('not this one'), 'two'])
    await clock.advance(100)
    assert.deepEqual(
      source.calls.map(({ key, context }) => [key, context.attempt]),
      [['g:a:1', 2]],
    )
    source.call(0).resolve('one')
    assert.deepEqual(await asked, ['one', 'two'])
  })

  test('is for sync throws, too', async (t) => {
    const { processor, clock } = setUp(t)
    let tries = 0
    const asked = processor.getCachedData(
      'a',
      () => {
        if (++tries < 3) throw new Error('at once')
        return 'A'
      },
      { retry: FIRM },
    )
    await clock.advance(300)
    assert.equal(await asked, 'A')
  })
})

describe('retryable', () => {
  test('says which errors are worth it', async (t) => {
    const { processor, source } = setUp(t)
    const seen: unknown[] = []
    const retryable = (error: unknown) => {
      seen.push(error)
      return false
    }
    const asked = reasonOf(processor.getCachedData('a', source.fetch, { retry: { ...FIRM, retryable } }))
    source.call(0).reject('final')
    assert.equal(await asked, 'final')
    assert.deepEqual(seen, ['final'])
  })

  for (const [what, retryable] of [
    [
      'throws',
      () => {
        throw new Error('in retryable')
      },
    ],
    ['answers something truthy that is not true', () => 1 as unknown as boolean],
    ['answers a promise', () => Promise.resolve(true) as unknown as boolean],
  ] as const) {
    test(`that ${what} says no`, async (t) => {
      const { processor, source } = setUp(t)
      const asked = reasonOf(processor.getCachedData('a', source.fetch, { retry: { ...FIRM, retryable } }))
      source.call(0).reject('no')
      assert.equal(await asked, 'no')
    })
  }
})

describe('Retry-After', () => {
  for (const [what, error] of [
    ['of a response', new Response(null, { status: 500, headers: { 'Retry-After': '5' } })],
    ['of the response of an error', Object.assign(new Error('no'), { response: { headers: { 'retry-after': '5' } } })],
    ['in plain headers', { headers: { 'Retry-After': 5 } }],
    ['as the cause of an error', new Error('no', { cause: { retryAfterMs: 5000 } })],
  ] as const) {
    test(`${what} delays the retry`, async (t) => {
      const { processor, source, clock } = setUp(t, { retry: { attempts: 2, backoffMs: 1, jitter: 0 } })
      const asked = processor.getCachedData('a', source.fetch)
      await drained()
      source.call(0).reject(error)
      await clock.advance(4999)
      assert.equal(source.calls.length, 1)
      await clock.advance(1)
      source.call(1).resolve('a')
      assert.equal(await asked, 'a')
    })
  }
})

describe('retryAfterMs of an error', () => {
  test('is a lower bound', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedData('a', source.fetch, { retry: FIRM })
    source.call(0).reject(Object.assign(new Error('slow down'), { retryAfterMs: 5000 }))
    await clock.advance(4999)
    assert.equal(source.calls.length, 1)
    await clock.advance(1)
    source.call(1).reject(Object.assign(new Error('soon'), { retryAfterMs: 1 }))
    await clock.advance(199)
    assert.equal(source.calls.length, 2)
    await clock.advance(1)
    source.call(2).resolve('A')
    assert.equal(await asked, 'A')
  })

  const hostile = Object.defineProperty({}, 'retryAfterMs', {
    get() {
      throw new Error('no hint')
    },
  })
  for (const reason of [
    { retryAfterMs: Number.NaN },
    { retryAfterMs: -1 },
    { retryAfterMs: '5' },
    { retryAfterMs: Number.POSITIVE_INFINITY },
    { headers: { 'retry-after': 'soon' } },
    { headers: { 'retry-after': '-5' } },
    { headers: { 'retry-after': 'Infinity' } },
    { headers: { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' } },
    { headers: { 'retry-after': { valueOf: 5 } } },
    { headers: null, response: 5, cause: 'none' },
    hostile,
    null,
    undefined,
  ]) {
    test(`is passed over where it is no duration: ${reason === hostile ? 'a getter that throws' : JSON.stringify(reason)} ${String(Object.values(reason ?? {})[0])}`, async (t) => {
      const bench = setUp(t)
      const { processor, source, clock } = bench
      const asked = processor.getCachedData('a', source.fetch, { retry: FIRM })
      source.call(0).reject(reason)
      await clock.advance(100)
      assert.equal(source.calls.length, 2)
      source.call(1).resolve('A')
      assert.equal(await asked, 'A')
    })
  }
})

describe('jitter', () => {
  test('takes up to all of the backoff off, and nothing on', async (t) => {
    const { processor, clock } = setUp(t, { retryBudget: { ratio: 1, burst: 1000 } })
    const delays: number[] = []
    for (let round = 0; round < 100; round++) {
      let failedAt = -1
      await Promise.all([
        processor.getCachedData(
          `${round}`,
          () => {
            if (failedAt >= 0) return delays.push(clock.now() - failedAt)
            failedAt = clock.now()
            throw new Error('once')
          },
          { retry: { attempts: 2, backoffMs: 1000, jitter: 1 } },
        ),
        clock.advance(1000),
      ])
    }
    assert.equal(delays.length, 100)
    assert.ok(delays.every((delay) => delay >= 0 && delay <= 1000))
    assert.ok(new Set(delays).size > 50, 'they differ')
  })
})

describe('the retry budget', () => {
  test('is spent by retries and earned by loads: a dead source is not hammered', async (t) => {
    const { processor, clock } = setUp(t, { retryBudget: { ratio: 0.5, burst: 4 } })
    let calls = 0
    const dead = (key: string) => ({
      key,
      fetchFunction: () => {
        calls++
        throw new Error('dead')
      },
    })
    const asked = processor.getCachedDataBatchSettled(
      Array.from({ length: 20 }, (_, index) => dead(`${index}`)),
      { retry: { attempts: 100, backoffMs: 1, jitter: 0 }, maxConcurrency: 1 },
    )
    await clock.advance(60_000)
    assert.ok((await asked).every(({ status }) => status === 'rejected'))
    const { retried } = await processor.metrics()
    assert.ok(retried <= 4 + 20 * 0.5, `${retried} retries`)
    assert.equal(calls, 20 + retried)
  })

  test('of 0 allows none', async (t) => {
    const { processor, source } = setUp(t, { retryBudget: { ratio: 0, burst: 0 } })
    const asked = reasonOf(processor.getCachedData('a', source.fetch, { retry: FIRM }))
    source.call(0).reject('no')
    assert.equal(await asked, 'no')
  })
})

test('the retry of the config is the default, and a batch changes of it what it names', async (t) => {
  const bench = setUp(t, { retry: { attempts: 3, backoffMs: 1000, jitter: 0 } })
  const { processor, source } = bench
  const asked = processor.getCachedData('a', source.fetch, { retry: { backoffMs: 10 } })
  await failAfter(bench, [10, 20])
  source.call(-1).resolve('A')
  assert.equal(await asked, 'A')
  const other = reasonOf(processor.getCachedData('b', source.fetch, { retry: { attempts: 1 } }))
  source.call(-1).reject('no')
  assert.equal(await other, 'no')
})

test('the error of a fetch is handed over as it is, not wrapped', async (t) => {
  const { processor, source } = setUp(t)
  const asked = reasonOf(processor.getCachedData('a', source.fetch))
  source.call(0).reject(new Error('theirs'))
  assert.ok(!((await asked) instanceof SluiceError))
})
