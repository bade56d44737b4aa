import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BatchProcessor, type BatchProcessorConfig } from '../js/index.js'
import { setUp, watch } from './support/set-up.js'
import { drained } from './support/virtual-clock.js'

const numbered = (count: number, prefix = 'k') => Array.from({ length: count }, (_, index) => `${prefix}${index}`)
const failure = (fields: object) => Object.assign(new Error('too much'), fields)
type World = ReturnType<typeof setUp>

/** Whoever is called is answered after `latencyMs`, as long as somebody is. */
async function serve({ source, clock }: World, latencyMs: (running: number) => number, untilMs: number): Promise<void> {
  const due = new Map<(typeof source.calls)[number], number>()
  let seen = 0
  for (;;) {
    for (; seen < source.calls.length; seen++) {
      const call = source.calls[seen]
      if (call !== undefined) due.set(call, clock.now() + latencyMs(source.running))
    }
    const next = Math.min(...due.values())
    if (due.size === 0 || next > untilMs) return
    await clock.advance(next - clock.now())
    for (const [call, at] of due) {
      if (at > clock.now()) continue
      due.delete(call)
      if (!call.isAnswered) call.resolve(call.key)
    }
    await drained()
  }
}

/** Answers at once, until nothing is asked for any more. */
async function finish(source: World['source']): Promise<void> {
  while (source.running > 0) {
    source.finish()
    await drained()
  }
}

describe('adaptiveConcurrency', () => {
  test('runs as many callbacks at once as the source takes without getting slower', async (t) => {
    const world = setUp(t, { adaptiveConcurrency: true })
    const { processor, source } = world
    const asked = processor.getCachedDataBatch(source.requests(...numbered(3000)))
    await drained()
    assert.equal(source.running, 10)
    await serve(world, (running) => 50 * Math.max(1, running / 40) ** 2, Number.POSITIVE_INFINITY)
    assert.equal((await asked).length, 3000)
    const { concurrency } = await processor.metrics()
    assert.ok(concurrency !== undefined && concurrency.limit > 25 && concurrency.limit < 60, JSON.stringify(concurrency))
    assert.ok((concurrency.baseLatencyMs ?? 0) > 45 && (concurrency.latencyMs ?? 0) >= (concurrency.baseLatencyMs ?? 0) * 0.8)
    assert.ok(['held', 'grown', 'shrunk'].includes(concurrency.reason))
    assert.equal(concurrency.inFlight, 0)
  })

  test('a batch or the processor that says how many it takes gets no more', async (t) => {
    const { processor, source } = setUp(t, { adaptiveConcurrency: { initial: 8 } })
    const asked = processor.getCachedDataBatch(source.requests(...numbered(20)), { maxConcurrency: 3 })
    await drained()
    assert.equal(source.running, 3)
    await finish(source)
    await asked
    const bounded = setUp(t, { adaptiveConcurrency: { initial: 8 }, maxConcurrency: 4 })
    watch(bounded.processor.getCachedDataBatch(bounded.source.requests(...numbered(20))))
    await drained()
    assert.equal(bounded.source.running, 4)
    await bounded.processor.close({ mode: 'abort' })
  })

  const overload = { retryAfterMs: 100 }
  for (const [what, fields] of [
    ['a status', { status: 429 }],
    ['a statusCode', { statusCode: 503 }],
    ['a code', { code: 'EMFILE' }],
    ['another code', { code: 'ENFILE' }],
    ['a number as code', { code: 429 }],
    ['retryAfterMs', overload],
    ['a response', { response: { status: 429 } }],
    ['a cause', { cause: failure({ code: 'EMFILE' }) }],
    ['headers', { headers: new Headers({ 'Retry-After': '1' }) }],
    ['plain headers', { response: { headers: { 'retry-after': '1' } } }],
    ['headers that throw', { status: 429, headers: { get: () => assert.fail() } }],
  ] as const) {
    test(`shrinks when a callback fails with ${what}`, async (t) => {
      const { processor, source, clock } = setUp(t, { adaptiveConcurrency: { initial: 20 } })
      const asked = watch(processor.getCachedDataBatchSettled(source.requests(...numbered(20))))
      await drained()
      source.calls[0]?.reject(failure(fields))
      await drained()
      const { concurrency } = await processor.metrics()
      assert.deepEqual([concurrency?.limit, concurrency?.reason], [19, 'rejected'])
      source.finish()
      await clock.advance(1000)
      assert.equal(asked.is, 'fulfilled')
    })
  }

  test('shrinks when a group fetch fails so, whether its keys fall back or not, and for one of its keys', async (t) => {
    for (const [groupFallbackLimit, fails] of [
      [32, true],
      [0, true],
      [0, false],
    ] as const) {
      const { processor, source } = setUp(t, { adaptiveConcurrency: { initial: 20 } })
      const options = { groupFetch: source.groupFetch, groupFallbackLimit }
      const asked = watch(processor.getCachedDataBatchSettled(source.requests('g:a:1', 'g:a:2'), options))
      await drained()
      if (fails) source.groupCalls[0]?.reject(failure({ status: 429 }))
      else source.groupCalls[0]?.resolve({ 'g:a:1': failure({ status: 429 }), 'g:a:2': 2 })
      await drained()
      assert.equal((await processor.metrics()).concurrency?.limit, 19, `${groupFallbackLimit} ${fails}`)
      await finish(source)
      assert.equal(asked.is, 'fulfilled')
      assert.equal((await processor.metrics()).late, 0)
    }
  })

  test('a group whose breaker is open was not asked, and tells nothing', async (t) => {
    const { processor, source } = setUp(t, {
      adaptiveConcurrency: { initial: 20 },
      groupBreaker: { failures: 1, coolDownMs: 1000 },
    })
    const options = { groupFetch: source.groupFetch, groupFallbackLimit: 0 }
    const ask = () => processor.getCachedDataBatchSettled(source.requests('g:a:1', 'g:a:2'), options)
    const first = ask()
    await drained()
    source.groupCalls[0]?.reject(failure({ status: 429 }))
    await first
    for (let time = 0; time < 10; time++) await ask()
    assert.equal(source.groupCalls.length, 1)
    assert.equal((await processor.metrics()).concurrency?.limit, 19)
  })

  test('a timeout counts as a rejection, other failures do not', async (t) => {
    const { processor, source, clock } = setUp(t, { adaptiveConcurrency: { initial: 20 }, fetchTimeoutMs: 100 })
    const failing = processor.getCachedDataBatchSettled(source.requests(...numbered(5)))
    await drained()
    for (const call of source.calls) call.reject(failure({ status: 404, code: 'ENOENT', retryAfterMs: 'soon' }))
    await failing
    assert.equal((await processor.metrics()).concurrency?.limit, 20)
    const slow = processor.getCachedDataBatchSettled(source.requests('slow'))
    await drained()
    await clock.advance(100)
    await slow
    assert.equal((await processor.metrics()).concurrency?.reason, 'rejected')
    source.finish()
    await drained()
  })

  test('starts nothing while the source wants to be left alone, and goes on by itself', async (t) => {
    const { processor, source, clock } = setUp(t, { adaptiveConcurrency: { initial: 2 } })
    const asked = watch(processor.getCachedDataBatchSettled(source.requests(...numbered(4))))
    await drained()
    source.calls[0]?.reject(failure({ status: 429, retryAfterMs: 500 }))
    source.calls[1]?.resolve('one')
    await drained()
    assert.equal(source.running, 0)
    await clock.advance(499)
    assert.equal(source.calls.length, 2)
    await clock.advance(1)
    assert.ok(source.running > 0)
    await finish(source)
    assert.equal(asked.is, 'fulfilled')
  })

  test('a Retry-After is seconds, or a date', async (t) => {
    for (const header of [() => '5', (at: number) => new Date(at + 5000).toUTCString()]) {
      const { processor, source, clock } = setUp(t, { adaptiveConcurrency: true })
      // Dates have whole seconds.
      await clock.advance(1000 - (clock.wallNow() % 1000))
      const first = processor.getCachedDataBatchSettled(source.requests('a'))
      await drained()
      source.calls[0]?.reject(new Response(null, { status: 503, headers: { 'Retry-After': header(clock.wallNow()) } }))
      await first
      const second = processor.getCachedData('b', source.fetch)
      await clock.advance(4999)
      assert.equal(source.calls.length, 1)
      await clock.advance(1)
      assert.equal(source.calls.length, 2)
      source.calls[1]?.resolve('b')
      await second
    }
  })

  test('in a pause, what has started goes on: callbacks whose nested batch is answered hear of it', async (t) => {
    const { processor, source } = setUp(t, { adaptiveConcurrency: { initial: 2, max: 2 } })
    const outer = watch(
      processor.getCachedData('outer', async (context) => `${await context.getCachedData('inner', source.fetch)}!`),
    )
    const other = watch(processor.getCachedData('other', source.fetch))
    await drained()
    assert.deepEqual(source.keys, ['inner', 'other'])
    source.call(1).reject(failure({ retryAfterMs: 30_000 }))
    source.call(0).resolve('inner')
    await drained()
    assert.deepEqual([outer.value, other.is], ['inner!', 'rejected'])
  })

  test('an idle processor keeps no timer for the end of a pause', async (t) => {
    const { processor, source, clock } = setUp(t, { adaptiveConcurrency: true })
    const asked = watch(processor.getCachedDataBatchSettled(source.requests('a')))
    await drained()
    source.calls[0]?.reject(failure({ retryAfterMs: 60_000 }))
    await drained()
    assert.equal(asked.is, 'fulfilled')
    // What comes meanwhile waits, and starts when the pause is over.
    const late = watch(processor.getCachedData('b', source.fetch))
    await drained()
    assert.equal(source.calls.length, 1)
    await clock.advance(60_000)
    source.calls[1]?.resolve('b')
    await drained()
    assert.equal(late.value, 'b')
  })

  test('a processor that is closed in a pause leaves no timer', async (t) => {
    const { processor, source, clock } = setUp(t, { adaptiveConcurrency: true })
    const first = processor.getCachedDataBatchSettled(source.requests('a'))
    await drained()
    source.call(0).reject(failure({ retryAfterMs: 60_000 }))
    await first
    const waiting = watch(processor.getCachedData('b', source.fetch))
    await drained()
    const closed = processor.close({ timeoutMs: 100 })
    await clock.advance(100)
    await closed
    assert.equal((waiting.reason as { code?: string }).code, 'ERR_CLOSED')
    assert.equal(clock.timers, 0)
  })

  test('says nothing in the metrics where it is off', async (t) => {
    const { processor } = setUp(t)
    const { concurrency, batchSize } = await processor.metrics()
    assert.deepEqual([concurrency, batchSize], [undefined, undefined])
  })

  for (const [value, message] of [
    [1, ': expected an object of min, max, initial, or a boolean, received 1 (number)'],
    [{ min: 0 }, ': expected min to be an integer from 1 to 1,000,000, or a boolean, received an object'],
    [{ limit: 5 }, ': expected an object of min, max, initial (not limit), or a boolean, received an object'],
    [{ min: 5, max: 4 }, '.min: expected an integer from 1 to 4, received 5 (number)'],
    [{ min: 201 }, '.min: expected an integer from 1 to 200, received 201 (number)'],
  ] as const) {
    test(`refuses ${JSON.stringify(value)}`, () => {
      const config = { adaptiveConcurrency: value } as unknown as BatchProcessorConfig
      assert.throws(() => new BatchProcessor(config), { message: `config.adaptiveConcurrency${message}` })
    })
  }
})

test('adaptiveConcurrency begins within its range', async (t) => {
  for (const [range, limit] of [
    [{ max: 5 }, 5],
    [{ min: 20 }, 20],
    [{ max: 5, initial: 6 }, 5],
  ] as const) {
    const { processor } = setUp(t, { adaptiveConcurrency: range })
    assert.equal((await processor.metrics()).concurrency?.limit, limit)
  }
})

describe('adaptiveBatchSize', () => {
  /** What takes so long is asked for again and again; answers the size at the end. */
  async function sizeAfter(
    { processor, source, clock }: World,
    calls: number,
    ms: (keys: number) => number,
    maxBatchSize?: number,
  ): Promise<number> {
    const until = source.groupCalls.length + calls
    for (let round = 0; source.groupCalls.length < until; round++) {
      const keys = numbered(200, `group:${source.groupCalls.length}:${round}`)
      const asked = processor.getCachedDataBatch(source.requests(...keys), {
        groupFetch: source.groupFetch,
        groupingStrategy: 'custom',
        customGrouper: () => 'all',
        maxConcurrency: 1,
        maxBatchSize,
      })
      await drained()
      for (let call = source.groupCalls.at(-1); call !== undefined && !call.isAnswered; call = source.groupCalls.at(-1)) {
        await clock.advance(ms(call.keys.length))
        call.resolve(call.keys.map((key) => key))
        await drained()
      }
      await asked
    }
    return (await processor.metrics()).batchSize ?? 0
  }

  test('gives no group more than it may have, nor less than it asks for where that is more than by default', async (t) => {
    const world = setUp(t, { adaptiveBatchSize: true, maxBatchSize: 2 })
    assert.equal((await world.processor.metrics()).batchSize, 2)
    assert.ok((await sizeAfter(world, 300, (keys) => 100 + keys, 40)) > 20)
    assert.ok(world.source.groupCalls.every((call) => call.keys.length <= 40))
  })

  test('grows while the time per key falls, up to maxBatchSize, and returns when it gets worse', async (t) => {
    const world = setUp(t, { adaptiveBatchSize: true, maxBatchSize: 60 })
    assert.equal((await world.processor.metrics()).batchSize, 8)
    const large = await sizeAfter(world, 300, (keys) => 100 + keys)
    assert.ok(large >= 40 && large <= 60, String(large))
    const small = await sizeAfter(world, 300, (keys) => 10 + keys * keys)
    assert.ok(small <= 8, String(small))
    assert.ok(world.source.groupCalls.every((call) => call.keys.length <= 60))
  })

  test('is what a plan says', async (t) => {
    const { processor, source } = setUp(t, { adaptiveBatchSize: true })
    const requests = source.requests(...numbered(20, 'a:b:'))
    const { calls, groups } = await processor.plan(requests, { groupFetch: source.groupFetch })
    assert.deepEqual([calls, groups.map(({ keys }) => keys.length)], [3, [8, 8, 4]])
    const asked = processor.getCachedDataBatchSettled(requests, { groupFetch: source.groupFetch })
    await drained()
    assert.deepEqual(
      source.groupCalls.map(({ keys }) => keys.length),
      [8, 8, 4],
    )
    await finish(source)
    await asked
  })

  test('is for bulk loads, too', async (t) => {
    const { processor } = setUp(t, { adaptiveBatchSize: true })
    const sizes: number[] = []
    const keys = numbered(20)
    const load = (asked: readonly string[]) => {
      sizes.push(asked.length)
      return asked
    }
    assert.deepEqual(await processor.loadMany(keys, load), keys)
    assert.deepEqual(sizes, [8, 8, 4])
  })

  test('is misuse unless it is a boolean', () => {
    const config = { adaptiveBatchSize: 5 } as unknown as BatchProcessorConfig
    assert.throws(() => new BatchProcessor(config), {
      message: 'config.adaptiveBatchSize: expected a boolean, received 5 (number)',
    })
  })
})
