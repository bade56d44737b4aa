import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { retireInstance } from '../js/engine/instance.js'
import {
  BatchProcessor,
  type BatchProcessorConfig,
  EngineCrashError,
  type FetchContext,
  OverloadedError,
  type RateLimit,
  RateLimitedError,
} from '../js/index.js'
import { reasonOf, setUp, thrownBy, watch } from './support/set-up.js'
import type { Source } from './support/source.js'
import { drained } from './support/virtual-clock.js'

const numbered = (count: number, prefix = '') => Array.from({ length: count }, (_, index) => `${prefix}${index}`)

/** Answers the oldest call that is not answered, and lets what follows happen. */
async function answerOne(source: Source): Promise<void> {
  const call = source.calls.find((call) => !call.isAnswered)
  call?.resolve(call.key)
  await drained()
}

async function answerAll(source: Source): Promise<void> {
  while (source.running > 0) await answerOne(source)
}

describe('maxConcurrency of the processor', () => {
  test('bounds all batches together, and is used to the full', async (t) => {
    const { processor, source } = setUp(t, { maxConcurrency: 3 })
    const asked = numbered(5, 'b').map((batch) => processor.getCachedDataBatch(source.requests(...numbered(4, batch))))
    for (let left = 20; left > 0; left--) {
      assert.equal(source.running, Math.min(3, left))
      await answerOne(source)
    }
    await Promise.all(asked)
    assert.equal(source.runningMax, 3)
  })

  test('lets batches take turns: one key does not wait for 100,000 of another', async (t) => {
    const { processor, source } = setUp(t, { maxConcurrency: 2, maxEntries: 10 })
    const controller = new AbortController()
    const { signal } = controller
    const many = watch(processor.getCachedDataBatch(source.requests(...numbered(100_000)), { maxConcurrency: 50, signal }))
    const one = watch(processor.getCachedData('one', source.fetch))
    await answerOne(source)
    await answerOne(source)
    await answerOne(source)
    assert.ok(source.keys.indexOf('one') <= 4, source.keys.join())
    await answerOne(source)
    await answerOne(source)
    assert.equal(one.value, 'one')
    controller.abort('enough')
    await drained()
    assert.equal(many.reason, 'enough')
  })

  test('starts what is urgent first, whichever batch it is of, and lets nobody starve', async (t) => {
    const { processor, source } = setUp(t, { maxConcurrency: 1 })
    const first = processor.getCachedData('first', source.fetch)
    const low = processor.getCachedDataBatch([source.request('low', { priority: 'low' })])
    const asked = [
      processor.getCachedDataBatch(source.requests('n')),
      processor.getCachedDataBatch([source.request('h', { priority: 1 })]),
    ]
    await answerOne(source)
    await answerOne(source)
    assert.deepEqual(source.keys, ['first', 'h', 'n'])
    let others = 0
    while (source.call(-1).key !== 'low') {
      asked.push(processor.getCachedDataBatch(source.requests(`other ${others++}`)))
      await answerOne(source)
      assert.ok(others < 150)
    }
    assert.ok(others > 90, `${others}`)
    await answerAll(source)
    await Promise.all([first, low, ...asked])
  })

  test('is not what nested calls wait for', async (t) => {
    const { processor } = setUp(t, { maxConcurrency: 1, maxConcurrencyPerGroup: 1 })
    type Fetch = (context: FetchContext) => Promise<number>
    const deep = (key: string, depth: number): Fetch => {
      return async (context) => (depth === 0 ? 0 : 1 + (await context.getCachedData(`${key}:${depth}`, deep(key, depth - 1))))
    }
    const all = await Promise.all(['x:y', 'x:z', 'x:y:z'].map((key) => processor.getCachedData(key, deep(key, 4))))
    assert.deepEqual(all, [4, 4, 4])
  })

  test('lets what an urgent load waits for go first', async (t) => {
    const { processor, source } = setUp(t, { maxConcurrency: 1 })
    const urgent = processor.getCachedData('urgent', ({ getCachedData }) => getCachedData('needed', source.fetch), {
      priority: 5,
    })
    const other = processor.getCachedDataBatch(source.requests('a', 'b', 'c'), { maxConcurrency: 1 })
    await drained()
    assert.equal(source.keys.includes('needed') || source.running === 1, true)
    await answerOne(source)
    assert.ok(source.keys.indexOf('needed') <= 1, source.keys.join())
    await answerAll(source)
    await Promise.all([urgent, other])
  })
})

describe('maxConcurrencyPerGroup', () => {
  test('bounds the callbacks of a group in all batches, and of no other', async (t) => {
    const { processor, source } = setUp(t)
    const options = { maxConcurrency: 10, maxConcurrencyPerGroup: 2 }
    const of = (batch: string) =>
      processor.getCachedDataBatch(source.requests(...numbered(5, `a:b:${batch}`), ...numbered(2, `a:c:${batch}`)), options)
    const asked = [of('x'), of('y')]
    const running = (group: string) => source.calls.filter((call) => !call.isAnswered && call.key.startsWith(group)).length
    let calls = 0
    while (source.running > 0) {
      assert.ok(running('a:b:') <= 2 && running('a:c:') <= 2)
      if (calls++ < 8) assert.equal(running('a:b:'), 2)
      await answerOne(source)
    }
    await Promise.all(asked)
    assert.equal(source.calls.length, 14)
  })

  test('counts groups of customGrouper by their names, and leaves ungrouped keys alone', async (t) => {
    const { processor, source } = setUp(t, { maxConcurrencyPerGroup: 1 })
    const asked = processor.getCachedDataBatch(source.requests('a1', 'a2', 'b1', 'x1', 'x2'), {
      groupingStrategy: 'custom',
      customGrouper: (key) => (key.startsWith('x') ? null : (key[0] as string)),
    })
    assert.deepEqual(source.keys, ['a1', 'b1', 'x1', 'x2'])
    await answerAll(source)
    await asked
  })

  test('counts the calls of a groupFetch', async (t) => {
    const { processor, source } = setUp(t)
    const options = { maxBatchSize: 2, maxConcurrencyPerGroup: 1, groupFetch: source.groupFetch }
    const asked = processor.getCachedDataBatch(source.requests(...numbered(6, 'a:b:')), options)
    for (let at = 0; at < 3; at++) {
      assert.equal(source.groupCalls.length, at + 1)
      source.groupCall(at).resolve([1, 2])
      await drained()
    }
    assert.deepEqual(await asked, [1, 2, 1, 2, 1, 2])
  })
})

describe('rateLimit', () => {
  test('starts the burst at once, then one call for each token', async (t) => {
    const { processor, source, clock } = setUp(t, { rateLimit: { requests: 10, perMs: 1000, burst: 3 } })
    const asked = processor.getCachedDataBatch(source.requests(...numbered(6)), { maxConcurrency: 100 })
    assert.equal(source.calls.length, 3)
    for (const calls of [4, 5, 6]) {
      await clock.advance(99)
      assert.equal(source.calls.length, calls - 1)
      await clock.advance(1)
      assert.equal(source.calls.length, calls)
    }
    await answerAll(source)
    await asked
  })

  test('by a name counts each by itself, and what has none not at all', async (t) => {
    const by = (key: string) => (key.startsWith('free') ? undefined : key.split('/')[0])
    const { processor, source, clock } = setUp(t, { rateLimit: { requests: 1, perMs: 100, by } })
    const asked = processor.getCachedDataBatch(source.requests('a/1', 'a/2', 'b/1', 'b/2', 'free/1', 'free/2'), {
      maxConcurrency: 9,
    })
    assert.deepEqual(source.keys, ['a/1', 'b/1', 'free/1', 'free/2'])
    await clock.advance(100)
    assert.deepEqual(source.keys.slice(4).sort(), ['a/2', 'b/2'])
    await answerAll(source)
    await asked
  })

  test('of several, all must have a token, and none is taken in vain', async (t) => {
    const rateLimit: RateLimit[] = [
      { requests: 4, perMs: 1000 },
      { requests: 1, perMs: 100, by: (key) => key.split('/')[0] },
    ]
    const { processor, source, clock } = setUp(t, { rateLimit })
    const asked = processor.getCachedDataBatch(source.requests('a/1', 'a/2', 'a/3', 'a/4', 'a/5'), { maxConcurrency: 9 })
    await clock.advance(299)
    assert.equal(source.calls.length, 3)
    await clock.advance(1)
    assert.equal(source.calls.length, 4)
    // Five tokens of the first in 250 ms.
    await clock.advance(100)
    assert.equal(source.calls.length, 5)
    await answerAll(source)
    await asked
  })

  test('with onLimit reject refuses what finds no token, and says when to come again', async (t) => {
    const { processor, source, clock } = setUp(t, { rateLimit: { requests: 2, perMs: 1000, onLimit: 'reject' } })
    const asked = processor.getCachedDataBatchSettled(source.requests('a', 'b', 'c'), { retry: { attempts: 5 } })
    await answerAll(source)
    const outcomes = await asked
    const [, , refused] = outcomes
    assert.ok(refused?.status === 'rejected' && refused.reason instanceof RateLimitedError)
    assert.deepEqual([refused.reason.code, refused.reason.key, refused.reason.retryAfterMs], ['ERR_RATE_LIMITED', 'c', 500])
    assert.equal(refused.attempts, 0)
    await clock.advance(500)
    const again = processor.getCachedData('c', source.fetch)
    await answerAll(source)
    assert.equal(await again, 'c')
  })

  test('is waited for no longer than queueTimeoutMs, and not after an abort', async (t) => {
    const { processor, source, clock } = setUp(t, { rateLimit: { requests: 1, perMs: 1000 } })
    const first = processor.getCachedData('first', source.fetch)
    await answerAll(source)
    await first
    const late = watch(processor.getCachedData('late', source.fetch, { queueTimeoutMs: 200 }))
    const controller = new AbortController()
    const aborted = watch(processor.getCachedData('aborted', source.fetch, { signal: controller.signal }))
    const patient = watch(processor.getCachedData('patient', source.fetch))
    await clock.advance(200)
    assert.equal((late.reason as Error).name, 'QueueTimeoutError')
    controller.abort('no more')
    await drained()
    assert.equal(aborted.reason, 'no more')
    await clock.advance(800)
    await answerAll(source)
    assert.equal(patient.value, 'patient')
    assert.deepEqual(source.keys, ['first', 'patient'])
  })

  test('and close: who waits for a token is rejected, and no timer is left', async (t) => {
    const { processor, source, clock } = setUp(t, { rateLimit: { requests: 1, perMs: 1000 } })
    const asked = watch(processor.getCachedDataBatch(source.requests('a', 'b')))
    await processor.close({ mode: 'abort' })
    await drained()
    assert.equal((asked.reason as Error).name, 'ClosedError')
    source.finish()
    await clock.advance(0)
  })

  test('whose by throws, or answers something else, rejects the batch before any work', async (t) => {
    const thrown = new Error('by')
    for (const [by, message] of [
      [() => 5, 'rateLimit[0].by("a"): expected a string, null or undefined, received 5 (number)'],
      [
        () => {
          throw thrown
        },
        'by',
      ],
    ] as const) {
      const { processor, source } = setUp(t, { rateLimit: { requests: 1, perMs: 1, by: by as never } })
      const reason = (await reasonOf(processor.getCachedDataBatch(source.requests('a')))) as Error
      assert.equal(reason.message, message)
      assert.equal(source.calls.length, 0)
    }
  })
})

describe('maxQueue', () => {
  test('refuses what would wait beyond it, and lets the rest of the batch be', async (t) => {
    const { processor, source } = setUp(t, { maxQueue: 2 })
    const asked = processor.getCachedDataBatchSettled(source.requests('a', 'b', 'c', 'd', 'e'), { maxConcurrency: 1 })
    await answerAll(source)
    const outcomes = await asked
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
    )
    const { reason } = outcomes[3] as { reason: OverloadedError }
    assert.ok(reason instanceof OverloadedError)
    assert.deepEqual([reason.code, reason.key, reason.family], ['ERR_OVERLOADED', 'd', 'fetch'])
    assert.equal(source.calls.length, 3)
  })

  test('of 0 lets nothing wait', async (t) => {
    const { processor, source } = setUp(t, { maxQueue: 0, maxConcurrency: 1 })
    const first = processor.getCachedData('a', source.fetch)
    assert.ok((await reasonOf(processor.getCachedData('b', source.fetch))) instanceof OverloadedError)
    await answerAll(source)
    assert.equal(await first, 'a')
  })
})

test('all limits together hold, whatever the order', async (t) => {
  const { processor, source, clock } = setUp(t, {
    maxConcurrency: 5,
    maxConcurrencyPerGroup: 2,
    rateLimit: [
      { requests: 50, perMs: 1000, burst: 5 },
      { requests: 20, perMs: 1000, burst: 2, by: (key) => key.split(':')[1] },
    ],
  })
  const asked = numbered(10).map((batch) =>
    processor.getCachedDataBatch(source.requests(...numbered(12).map((at) => `k:${Number(at) % 4}:${batch}/${at}`)), {
      maxConcurrency: 4,
    }),
  )
  for (let step = 0; step < 2000 && source.calls.filter((call) => call.isAnswered).length < 120; step++) {
    assert.ok(source.running <= 5)
    for (const group of ['0', '1', '2', '3']) {
      assert.ok(source.calls.filter((call) => !call.isAnswered && call.key.startsWith(`k:${group}:`)).length <= 2)
    }
    await answerOne(source)
    await clock.advance(7)
    assert.ok(source.calls.length <= 6 + clock.now() / 20)
  }
  await Promise.all(asked)
  assert.equal(source.calls.length, 120)
})

test('after a crash all limits begin anew: nothing stays taken, and what was before gives nothing back', async (t) => {
  const { processor, source, clock } = setUp(t, {
    maxConcurrency: 2,
    maxConcurrencyPerGroup: 1,
    maxQueue: 2,
    rateLimit: { requests: 2, perMs: 1000 },
  })
  const keys = ['a:1:x', 'b:1:x', 'a:1:y', 'c:1:x']
  const ask = () => watch(processor.getCachedDataBatch(source.requests(...keys)))
  const isOverloaded = async () => (await reasonOf(processor.getCachedData('d', source.fetch))) instanceof OverloadedError

  const before = ask()
  assert.deepEqual(source.keys, ['a:1:x', 'b:1:x'])
  assert.ok(await isOverloaded())
  retireInstance(new Error('a crash on demand'))
  await drained()
  assert.ok(before.reason instanceof EngineCrashError)

  // Slots, tokens and places in the queue are all there.
  const after = ask()
  assert.deepEqual(source.keys.slice(2), ['a:1:x', 'b:1:x'])
  assert.ok(await isOverloaded())
  // The callbacks of before had slots that are gone.
  await answerOne(source)
  await answerOne(source)
  assert.equal(source.calls.length, 4)
  assert.equal(after.is, 'pending')
  // Those of now have what the next ones need, but for a token.
  await answerOne(source)
  await answerOne(source)
  assert.equal(source.calls.length, 4)
  await clock.advance(500)
  assert.equal(source.calls.length, 5)
  await clock.advance(500)
  assert.equal(source.calls.length, 6)
  await answerAll(source)
  assert.deepEqual(after.value, keys)
})

describe('a limit that is not one', () => {
  const rate = { requests: 1, perMs: 1 }
  const wrong: [BatchProcessorConfig, string][] = [
    [{ maxConcurrency: 0 }, 'maxConcurrency: expected an integer of at least 1, or Infinity, received 0 (number)'],
    [{ maxQueue: -1 }, 'maxQueue: expected an integer of at least 0, or Infinity, received -1 (number)'],
    [
      { maxConcurrencyPerGroup: 1.5 },
      'maxConcurrencyPerGroup: expected an integer of at least 1, or Infinity, received 1.5 (number)',
    ],
    [{ rateLimit: 5 as never }, 'rateLimit: expected an object of requests, perMs, burst, by, onLimit, received 5 (number)'],
    [
      { rateLimit: { perMs: 5 } as never },
      'rateLimit: expected requests to be an integer from 1 to 2,147,483,647, received an object',
    ],
    [
      { rateLimit: [rate, { requests: 1 }] as never },
      'rateLimit: expected in [1], perMs to be finite milliseconds greater than 0, received an array',
    ],
    [
      { rateLimit: { ...rate, onLimit: 'x' } as never },
      "rateLimit: expected onLimit to be one of 'queue', 'reject', received an object",
    ],
    [
      { rateLimit: { ...rate, host: 1 } as never },
      'rateLimit: expected an object of requests, perMs, burst, by, onLimit (not host), received an object',
    ],
    [
      { rateLimit: { ...rate, perMs: Number.POSITIVE_INFINITY } },
      'rateLimit: expected perMs to be finite milliseconds greater than 0, received an object',
    ],
  ]
  for (const [config, message] of wrong) {
    test(message, () => {
      assert.equal((thrownBy(() => new BatchProcessor(config)) as Error).message, `config.${message}`)
    })
  }
})
