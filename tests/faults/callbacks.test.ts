/** Faults B1 to B20: callbacks that misbehave, and how a processor ends. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import {
  type BatchError,
  BatchProcessor,
  type CircularFetchError,
  type GroupFetch,
  type GroupResult,
  type ProcessorEvents,
  type SluiceError,
} from '../../js/index.js'
import { assertQuiescent } from '../support/quiescence.js'
import { reasonOf, reasonsOf, setUp, watch } from '../support/set-up.js'
import { ready, Source, unwanted } from '../support/source.js'
import { MapTier } from '../support/tiers.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { chaos } from './chaos.js'
import { library } from './library.js'
import { runChild, SEED, SOAK, settled } from './support.js'

describe('a fetchFunction', () => {
  test('B1 that throws is one that rejects: with the very same error, its slot free, nothing kept', async (t) => {
    const { processor } = setUp(t)
    const error = new Error('at once')
    const requests = [
      ready('a', 1),
      { key: 'bad', fetchFunction: () => Promise.reject(error) },
      { key: 'worse', fetchFunction: fail(error) },
      ready('b', 2),
    ]
    const outcomes = await processor.getCachedDataBatchSettled(requests, { maxConcurrency: 1 })
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : outcome.value)),
      [1, error, error, 2],
    )
    assert.deepEqual([...processor.memory.keys()], ['b', 'a'])
    const reason = (await reasonOf(processor.getCachedDataBatch(requests, { maxConcurrency: 1 }))) as BatchError
    assert.deepEqual(
      [reason.code, reason.keys, reason.cause, reason.errors],
      ['ERR_BATCH_FAILED', ['bad', 'worse'], error, [error, error]],
    )
    assert.equal(await processor.getCachedData('bad', () => 'good now'), 'good now')
  })

  const treacherous = Object.defineProperties(new Error(), {
    message: { get: fail(new Error('message')) },
    name: { get: fail(new Error('name')) },
  })
  const REASONS: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['false', false],
    ['a string', 'a string'],
    ['a symbol', Symbol('reason')],
    ['a frozen error', Object.freeze(new Error('frozen'))],
    ['an error whose message cannot be read', treacherous],
    ['an object without a prototype', Object.create(null)],
    ['a revoked proxy', revoked()],
    ['an error of another realm', runInNewContext('new Error("elsewhere")')],
    ['one who waits for ever for itself', Object.assign(new Error('self'), { cause: undefined })],
  ]
  for (const [what, reason] of REASONS) {
    test(`B2 may fail with ${what}, which all who wait get as it is`, async (t) => {
      const { processor, source, clock } = setUp(t, { errorTtl: 1000 })
      const retry = { attempts: 2, backoffMs: 0 }
      const asked = [processor.getCachedData('a', source.fetch, { retry }), processor.getCachedData('a', source.fetch, { retry })]
      const watched = asked.map(watch)
      const batch = watch(processor.getCachedDataBatch([source.request('a')]))
      const outcomes = watch(processor.getCachedDataBatchSettled([source.request('a')]))
      source.call(0).reject(reason)
      await clock.advance(0)
      await clock.advance(0)
      source.call(-1).reject(reason)
      await settled(1)
      for (const { reason: actual } of watched) assert.ok(Object.is(actual, reason))
      const error = batch.reason as BatchError
      assert.ok(Object.is(error.errors[0], reason) && Object.is(error.cause, reason))
      assert.equal(typeof error.message, 'string')
      const [outcome] = outcomes.value
      assert.ok(outcome?.status === 'rejected' && Object.is(outcome.reason, reason))
      // As it is kept, too.
      const [kept] = await processor.getCachedDataBatchSettled([unwanted('a')])
      assert.ok(kept?.status === 'rejected' && Object.is(kept.reason, reason))
    })
  }

  test('B3 that never settles: a deadline, and its slot and its key are free', async (t) => {
    const { processor, clock } = setUp(t)
    const hung = new Source()
    const stalls: ProcessorEvents['stall'][] = []
    processor.on('stall', (event) => stalls.push(event))
    const asked = watch(
      processor.getCachedDataBatchSettled([hung.request('a'), ready('b', 2)], { maxConcurrency: 1, fetchTimeoutMs: 100 }),
    )
    await clock.advance(99)
    assert.equal(asked.is, 'pending')
    await clock.advance(1)
    assert.equal(asked.is, 'fulfilled')
    const [first, second] = asked.value
    const reason = first?.status === 'rejected' ? (first.reason as SluiceError) : undefined
    assert.deepEqual([reason?.code, reason?.key], ['ERR_FETCH_TIMEOUT', 'a'])
    assert.equal(second?.status, 'fulfilled')
    assert.equal(hung.call(0).signal.aborted, true)
    assert.equal(hung.call(0).signal.reason, reason)
    assert.deepEqual(stalls, [{ keys: ['a'], timeoutMs: 100 }])
    await assertQuiescent(processor, clock)
    // B15: it never listened, and answers long after.
    hung.call(0).resolve('late')
    await settled()
    assert.equal(processor.memory.has('a'), false)
    assert.equal(await processor.getCachedData('a', () => 'fresh'), 'fresh')
  })

  test("B3 that is late: its answer is dropped, its rejection is no one's and goes nowhere", async (t) => {
    const { processor, clock, source } = setUp(t)
    const asked = [
      processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 10 }),
      processor.getCachedData('b', source.fetch, { fetchTimeoutMs: 10 }),
    ].map(watch)
    await clock.advance(10)
    for (const { reason } of asked) assert.equal((reason as SluiceError).code, 'ERR_FETCH_TIMEOUT')
    await processor.set('a', 'newer')
    source.call(0).resolve('late')
    source.call(1).reject(new Error('late'))
    await settled()
    assert.equal(await processor.get('a'), 'newer')
    assert.equal((await processor.metrics()).late, 2)
  })

  test('B6 may answer a value, a promise, or anything with a then', async (t) => {
    const { processor } = setUp(t)
    const foreign = runInNewContext('Promise.resolve(3)') as Promise<number>
    // biome-ignore lint/suspicious/noThenProperty: that is the point.
    const thenable = { then: (resolve: (value: number) => void) => resolve(4) }
    const twice = {
      // biome-ignore lint/suspicious/noThenProperty: that is the point.
      then: (resolve: (value: number) => void, reject: (reason: unknown) => void) => {
        resolve(5)
        reject(new Error('too late'))
        resolve(6)
      },
    }
    const answers = [1, Promise.resolve(2), foreign, thenable, twice] as number[]
    assert.deepEqual(await processor.getCachedDataBatch(answers.map((answer, at) => ready(`${at}`, answer))), [1, 2, 3, 4, 5])
  })

  test('B12 that blocks the event loop: deadlines are of the clock, nothing is loaded twice', async (t) => {
    const { processor, clock } = setUp(t)
    let calls = 0
    const requests = ['a', 'b', 'c', 'd'].map((key) => ({
      key,
      fetchFunction: async () => {
        calls++
        clock.stall(5000)
        return key
      },
    }))
    const asked = watch(processor.getCachedDataBatchSettled(requests, { maxConcurrency: 2, fetchTimeoutMs: 1000 }))
    await clock.advance(0)
    await settled()
    assert.equal(calls, 4)
    // They were late, and answered before anybody could tell: an answer that is there counts.
    assert.deepEqual(
      asked.value.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
    )
    assert.ok(clock.asked.length <= 8, `${clock.asked.length} timers for four calls`)
  })

  test('B12 a stall while callbacks are under way: what is overdue is told once', async (t) => {
    const { processor, clock, source } = setUp(t)
    const asked = [1, 2, 3].map((at) => watch(processor.getCachedData(`${at}`, source.fetch, { fetchTimeoutMs: at * 1000 })))
    const set = clock.asked.length
    clock.stall(2500)
    await clock.advance(0)
    assert.deepEqual(
      asked.map(({ is }) => is),
      ['rejected', 'rejected', 'pending'],
    )
    assert.equal(source.calls.length, 3)
    assert.ok(clock.asked.length <= set + 1)
    source.call(2).resolve(3)
    await settled()
    assert.equal(asked[2]?.value, 3)
  })

  test('B13 a signal aborted before the call: its reason, and nothing is read or fetched', async (t) => {
    const { processor, source } = setUp(t, { storage: new MapTier() })
    processor.memory.set('a', 1)
    for (const reason of [undefined, new Error('mine'), 'a string', null]) {
      const signal = AbortSignal.abort(reason)
      const calls = [
        () => processor.getCachedDataBatch([source.request('a')], { signal }),
        () => processor.getCachedDataBatchSettled([source.request('b')], { signal }),
        () => processor.getCachedData('a', source.fetch, { signal }),
        () => processor.streamCachedDataBatch([source.request('a')], { signal }).next(),
      ]
      for (const call of calls) assert.equal(await reasonOf(call()), signal.reason)
    }
    assert.equal(source.calls.length, 0)
    assert.equal((await processor.metrics()).requested, 0)
  })

  test('B13 of several who wait, one aborts: that one alone, and at once', async (t) => {
    const { processor, source } = setUp(t)
    const controllers = [new AbortController(), new AbortController(), new AbortController()]
    const asked = controllers.map(({ signal }) => watch(processor.getCachedData('a', source.fetch, { signal })))
    controllers[0]?.abort('first')
    await settled(1)
    assert.deepEqual(
      asked.map(({ is }) => is),
      ['rejected', 'pending', 'pending'],
    )
    assert.equal(source.call(0).signal.aborted, false)
    controllers[1]?.abort('second')
    controllers[2]?.abort('third')
    assert.equal(source.call(0).signal.aborted, true)
    await settled(1)
    assert.deepEqual(
      asked.map(({ reason }) => reason),
      ['first', 'second', 'third'],
    )
    // A newcomer starts afresh, whatever becomes of the aborted one.
    const fresh = watch(processor.getCachedData('a', source.fetch))
    source.call(0).resolve('stopped')
    source.call(1).resolve('fresh')
    await settled(1)
    assert.equal(fresh.value, 'fresh')
  })

  test('B14 an abort after all is settled does nothing', async (t) => {
    const { processor } = setUp(t)
    const controller = new AbortController()
    const { signal } = controller
    assert.deepEqual(await processor.getCachedDataBatch([ready('a', 1)], { signal }), [1])
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    controller.abort()
    assert.equal(processor.memory.get('a'), 1)
    await settled()
  })

  test('B14 one signal for ten thousand batches, ended well and badly: one listener at most, none at the end', async (t) => {
    const { processor, source, clock } = setUp(t)
    const { signal } = new AbortController()
    let most = 0
    for (let round = 0; round < 100; round++) {
      const asked = Array.from({ length: 100 }, (_, at) =>
        watch(
          processor.getCachedDataBatch([source.request(`${round}:${at % 7}`)], { signal, timeoutMs: at % 3 === 0 ? 5 : 100 }),
        ),
      )
      most = Math.max(most, getEventListeners(signal, 'abort').length)
      await clock.advance(5)
      for (const call of source.calls) {
        if (call.isAnswered) continue
        if (round % 2 === 0) call.resolve(1)
        else call.reject(new Error('no'))
      }
      await settled(1)
      assert.ok(asked.every(({ is }) => is !== 'pending'))
      assert.equal(getEventListeners(signal, 'abort').length, 0)
      await processor.clear()
    }
    assert.equal(most, 1)
  })

  test('B15 that ignores its signal keeps its slot until it ends or its deadline comes, its key is free at once', async (t) => {
    const { processor, source, clock } = setUp(t)
    const controller = new AbortController()
    const options = { maxConcurrency: 1, fetchTimeoutMs: 100 }
    const asked = watch(
      processor.getCachedDataBatch([source.request('a'), source.request('b')], { ...options, signal: controller.signal }),
    )
    const joined = watch(processor.getCachedDataBatch([source.request('b')]))
    controller.abort('enough')
    await settled(1)
    assert.equal(asked.reason, 'enough')
    assert.deepEqual(source.keys, ['a'])
    const afresh = watch(processor.getCachedData('a', source.fetch))
    assert.deepEqual(source.keys, ['a', 'a'])
    await clock.advance(100)
    assert.deepEqual(source.keys, ['a', 'a', 'b'])
    source.call(1).resolve('fresh')
    source.call(2).resolve('B')
    await settled(1)
    assert.equal(afresh.value, 'fresh')
    assert.deepEqual(joined.value, ['B'])
  })

  test('B17 that answers with a promise of its own load: a circle, told at once', async (t) => {
    const { processor } = setUp(t)
    const own = processor.getCachedData('a', () => processor.getCachedData('a', fail(new Error('no'))))
    const reason = (await reasonOf(own)) as CircularFetchError
    assert.deepEqual([reason.code, reason.path], ['ERR_CIRCULAR_FETCH', ['a', 'a']])
  })

  test('B17 that answers with the very promise of the call that called it: its deadline ends that', async (t) => {
    const { processor, clock } = setUp(t)
    const own: Promise<unknown> = processor.getCachedData(
      'a',
      async () => {
        await null
        return own
      },
      { fetchTimeoutMs: 100 },
    )
    const watched = watch(own)
    await clock.advance(100)
    assert.equal((watched.reason as SluiceError).code, 'ERR_FETCH_TIMEOUT')
  })
})

describe('a groupFetch', () => {
  const KEYS = ['g:g:1', 'g:g:2', 'g:g:3']
  const ask = (processor: BatchProcessor, answer: (keys: readonly string[]) => unknown, options = {}) =>
    processor.getCachedDataBatchSettled<unknown>(
      KEYS.map((key) => ready(key, `own ${key}`)),
      { groupFetch: (({ keys }) => answer(keys)) as GroupFetch<unknown>, ...options },
    )
  const shown = (outcomes: Awaited<ReturnType<typeof ask>>): unknown[] =>
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as SluiceError).code))

  const WRONG: [string, unknown][] = [
    ['an array too short', [1, 2]],
    ['an array too long', [1, 2, 3, 4]],
    ['an empty array', []],
    ['a number', 42],
    ['a string', 'values'],
    ['undefined', undefined],
    ['null', null],
    ['a function', () => []],
    ['an iterable of values', new Set([1, 2, 3])],
    ['an iterable of pairs too long', new Set([['g:g:1', 1, 2]])],
    ['an iterable of pairs without keys', [[1, 'g:g:1']].values()],
  ]
  for (const [what, answer] of WRONG) {
    test(`B7 that answers ${what} breaks its contract, for all its keys`, async (t) => {
      const { processor } = setUp(t)
      assert.deepEqual(shown(await ask(processor, () => answer)), new Array(3).fill('ERR_GROUP_CONTRACT'))
      assert.equal(processor.memory.size, 0)
    })
  }

  const PARTIAL: [string, (keys: readonly string[]) => GroupResult<unknown>][] = [
    [
      'a Map',
      () =>
        new Map([
          ['g:g:3', 3],
          ['alien', 0],
          ['g:g:1', 1],
        ]),
    ],
    ['an object', () => ({ 'g:g:3': 3, alien: 0, 'g:g:1': 1 })],
    // biome-ignore lint/suspicious/noSparseArray: that is the point.
    ['a sparse array', () => [1, , 3] as number[]],
    [
      'an iterable',
      () =>
        new Map([
          ['g:g:3', 3],
          ['alien', 0],
          ['g:g:1', 1],
        ]).entries(),
    ],
    [
      'an async iterable',
      () =>
        (async function* () {
          yield ['g:g:3', 3] as const
          yield ['alien', 0] as const
          yield ['g:g:1', 1] as const
        })(),
    ],
  ]
  for (const [what, answer] of PARTIAL) {
    test(`B7 that leaves a key out of ${what}: as onMissing says, the others in their places`, async (t) => {
      for (const [onMissing, expected] of [
        ['fallback', 'own g:g:2'],
        ['undefined', undefined],
        ['null', null],
        ['error', 'ERR_MISSING_RESULT'],
      ] as const) {
        const { processor } = setUp(t)
        assert.deepEqual(shown(await ask(processor, answer, { onMissing })), [1, expected, 3])
        assert.equal(await processor.get('g:g:1'), 1)
      }
    })
  }

  test('B8 an Error among the answers is the failure of that key alone', async (t) => {
    const { processor } = setUp(t)
    const error = new TypeError('two')
    const outcomes = await ask(processor, () => [1, error, 3])
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : outcome.value)),
      [1, error, 3],
    )
    assert.deepEqual([...processor.memory.keys()].sort(), ['g:g:1', 'g:g:3'])
  })

  for (const [what, answer] of [
    ['throws', fail(new Error('down'))],
    ['rejects', () => Promise.reject(new Error('down'))],
    ['answers what throws when it is read', () => new Proxy({}, { ownKeys: fail(new Error('down')) })],
    ['answers an iterator that throws', () => ({ [Symbol.iterator]: fail(new Error('down')) })],
  ] as [string, () => unknown][]) {
    test(`B9 that ${what}: its keys fall back, beyond the limit they fail with its error as cause; other groups do not notice`, async (t) => {
      const { processor } = setUp(t)
      const requests = ['g:g:1', 'g:g:2', 'g:g:3', 'h:h:1', 'h:h:2'].map((key) => ready<unknown>(key, `own ${key}`))
      const outcomes = await processor.getCachedDataBatchSettled(requests, {
        groupFallbackLimit: 2,
        groupFetch: (({ groupKey, keys }) =>
          groupKey === 'g:g' ? answer() : keys.map((key) => `group ${key}`)) as GroupFetch<unknown>,
      })
      assert.deepEqual(shown(outcomes), ['own g:g:1', 'own g:g:2', 'ERR_GROUP_FETCH', 'group h:h:1', 'group h:h:2'])
      const failed = outcomes[2]
      assert.equal(((failed?.status === 'rejected' && (failed.reason as SluiceError).cause) as Error).message, 'down')
    })
  }

  test('B9 that fails half-way: what it has delivered stands', async (t) => {
    const { processor } = setUp(t)
    const outcomes = await ask(
      processor,
      async function* () {
        yield ['g:g:2', 2]
        throw new Error('half-way')
      },
      { groupFallbackLimit: 0 },
    )
    assert.deepEqual(shown(outcomes), ['ERR_GROUP_FETCH', 2, 'ERR_GROUP_FETCH'])
    assert.equal(processor.memory.get('g:g:2'), 2)
  })

  test('B3 that never settles: its deadline, then each key by itself', async (t) => {
    const { processor, clock } = setUp(t)
    const asked = watch(ask(processor, () => new Promise(() => {}), { fetchTimeoutMs: 100 }))
    await clock.advance(100)
    assert.deepEqual(shown(asked.value), ['own g:g:1', 'own g:g:2', 'own g:g:3'])
  })
})

describe('what the process hears', () => {
  test('B11 a callback that ends the process leaves what tiers were told as it was', async () => {
    const file = path.join(tmpdir(), `sluice-exit-${process.pid}.json`)
    assert.equal(await runChild('exit.ts', ['exit', file]), '')
    assert.equal(readFileSync(file, 'utf8'), '["before"]')
    rmSync(file)
  })

  test("B11 a callback that throws where nobody can catch it is uncaught, as anybody's", async () => {
    const file = path.join(tmpdir(), `sluice-throw-${process.pid}.json`)
    assert.equal(await runChild('exit.ts', ['throw', file]), 'uncaught: out of reach')
    assert.equal(readFileSync(file, 'utf8'), '["before"]')
    rmSync(file)
  })

  test('B2 B3 B16 nothing goes unhandled of what is late, dropped, in the background, or promised by who only listens', async () => {
    assert.equal(await runChild('failures.ts'), '1\nnothing unhandled')
  })

  test('B20 an idle processor does not keep the process alive', async () => {
    assert.equal(await runChild('idle.ts'), 'idle')
  })

  test('B20 one that waits for something does, until it has that', async () => {
    assert.equal(await runChild('pending.ts'), '"a" was not fetched within 8 ms')
  })
})

describe('callbacks that only say something', () => {
  const NONSENSE: [string, () => unknown][] = [
    ['throws', fail(new Error('listener'))],
    ['promises and rejects', () => Promise.reject(new Error('listener'))],
  ]
  for (const [what, nonsense] of NONSENSE) {
    test(`B16 an onProgress that ${what} is told of, and stops nothing`, async (t) => {
      const { processor } = setUp(t)
      const errors: string[] = []
      processor.on('callbackError', ({ error }) => errors.push((error as Error).message))
      const onProgress = nonsense as () => void
      assert.deepEqual(await processor.getCachedDataBatch([ready('a', 1), ready('b', 2)], { onProgress }), [1, 2])
      assert.deepEqual(await processor.getCachedDataBatch([ready('a', 1), ready('b', 2)], { onProgress }), [1, 2])
      await settled()
      assert.deepEqual(errors, new Array(4).fill('listener'))
    })

    test(`B16 a listener that ${what} keeps no other from hearing, and stops nothing`, async (t) => {
      const { processor, clock } = setUp(t)
      const heard: string[] = []
      for (const event of ['stall', 'callbackError'] as const) {
        processor.on(event, nonsense as () => void)
        processor.on(event, () => heard.push(event))
      }
      const asked = watch(processor.getCachedData('a', () => new Promise(() => {}), { fetchTimeoutMs: 5 }))
      await clock.advance(5)
      await settled()
      assert.equal((asked.reason as SluiceError).code, 'ERR_FETCH_TIMEOUT')
      assert.deepEqual(heard.sort(), ['callbackError', 'stall'])
    })

    test(`B16 a retryable that ${what} says no`, async (t) => {
      const { processor } = setUp(t)
      let tries = 0
      const retry = { attempts: 5, backoffMs: 0, retryable: nonsense as () => boolean }
      const fetch = (): never => {
        tries++
        throw new Error('source')
      }
      assert.equal(((await reasonOf(processor.getCachedData('a', fetch, { retry }))) as Error).message, 'source')
      assert.equal(tries, 1)
    })
  }

  for (const [what, answer, message] of [
    ['throws', fail(new Error('grouper')), 'grouper'],
    [
      'answers a promise',
      () => Promise.reject(new Error('grouper')),
      'customGrouper("b"): expected a string, null or undefined, received an object',
    ],
    ['answers a number', () => 1, 'customGrouper("b"): expected a string, null or undefined, received 1 (number)'],
  ] as const) {
    test(`B16 a customGrouper that ${what}: the call rejects before any fetch, others do not notice`, async (t) => {
      const { processor, source } = setUp(t)
      const other = watch(processor.getCachedDataBatch([source.request('a')]))
      const customGrouper = answer as unknown as () => string
      const reason = (await reasonOf(
        processor.getCachedDataBatch(source.requests('a', 'b', 'c'), { groupingStrategy: 'custom', customGrouper }),
      )) as Error
      assert.equal(reason.message, message)
      assert.deepEqual(source.keys, ['a'])
      source.call(0).resolve(1)
      await settled(1)
      assert.deepEqual(other.value, [1])
      assert.deepEqual(await processor.getCachedDataBatch([ready('b', 2), ready('c', 3)]), [2, 3])
    })
  }

  test('B16 B19 a value that cannot be weighed has a weight all the same', async (t) => {
    const { processor } = setUp(t, { maxWeight: 100_000 })
    const odd: unknown[] = [
      new Proxy({}, { ownKeys: fail(new Error('ownKeys')) }),
      revoked(),
      Object.defineProperty([], 'length', { value: 2 ** 32 - 1 }),
      new (class extends Map<number, number> {
        override get size(): number {
          return Number.NaN
        }
      })(),
      new (class extends Map<number, number> {
        override get size(): number {
          return -5
        }
      })([[1, 2]]),
      new (class extends Set<number> {
        override [Symbol.iterator](): never {
          throw new Error('iterator')
        }
      })([1]),
      Object.create(null),
    ]
    for (const [at, value] of odd.entries()) {
      const before = processor.memory.weight
      processor.memory.set(`${at}`, value)
      const weight = processor.memory.weight - before
      // An array so long weighs more than all that may be held: it is not kept.
      if (at === 2) assert.equal(processor.memory.has(`${at}`), false)
      else assert.ok(weight > 0 && weight < 1000, `${at} weighs ${weight}`)
      assert.equal(processor.memory.set('plain', 1).get('plain'), 1)
      processor.memory.delete('plain')
    }
  })

  test('B16 a clock that throws is an error of who calls, and nothing is left behind', async (t) => {
    const clock = new VirtualClock()
    let isBroken = false
    const broken = {
      now: () => (isBroken ? fail(new Error('no time'))() : clock.now()),
      wallNow: () => clock.wallNow(),
      setTimer: clock.setTimer.bind(clock),
      clearTimer: clock.clearTimer.bind(clock),
    }
    const processor = new BatchProcessor({ clock: broken })
    t.after(() => assertQuiescent(processor, clock))
    assert.equal(await processor.getCachedData('a', () => 1), 1)
    isBroken = true
    assert.equal(((await reasonOf(processor.getCachedData('b', () => 1))) as Error).message, 'no time')
    isBroken = false
    assert.deepEqual(await processor.getCachedDataBatch([ready('b', 2), unwanted('a')]), [2, 1])
  })
})

describe('chaos', () => {
  test('B18 a tenth fails, a tenth hangs, others dawdle: whatever must hold holds', async (t) => {
    for (const [touches, seed] of [
      [true, SEED],
      [false, SEED + 1],
    ] as const) {
      const report = await chaos({ library, seed, loads: 15_000 * SOAK, touches })
      t.diagnostic(`seed ${seed}: ${JSON.stringify(report)}`)
      assert.ok(report.rejected > 100 && report.settled > 100)
    }
  })
})

describe('the end', () => {
  test('B20 close waits for what is in flight; then calls are refused; closing again is the same closing', async (t) => {
    const { processor, source } = setUp(t, { storage: new MapTier() })
    const asked = watch(processor.getCachedDataBatch(source.requests('a', 'b')))
    await settled()
    const closing = processor.close()
    const closed = watch(closing)
    assert.equal(processor.close({ mode: 'abort' }), closing)
    assert.equal(processor[Symbol.asyncDispose](), closing)
    const refused = await reasonsOf(
      processor.getCachedDataBatch([unwanted('a')]),
      processor.getCachedDataBatchSettled([unwanted('a')]),
      processor.getCachedData('a', source.fetch),
      processor.prefetch([unwanted('a')]),
      processor.plan([unwanted('a')]),
      processor.streamCachedDataBatch([unwanted('a')]).next(),
      processor.get('a'),
      processor.mget(['a']),
      processor.set('a', 1),
      processor.mset([]),
      processor.delete('a'),
      processor.invalidate({ prefix: 'a' }),
      processor.clear(),
    )
    for (const reason of refused) assert.equal((reason as SluiceError).code, 'ERR_CLOSED')
    await settled()
    assert.equal(closed.is, 'pending')
    for (const call of source.calls) call.resolve(1)
    await settled()
    assert.deepEqual(asked.value, [1, 1])
    assert.equal(closed.is, 'fulfilled')
  })

  for (const mode of ['drain', 'abort'] as const) {
    test(`B20 close by ${mode}: what does not come to an end rejects with ClosedError, callbacks are told`, async (t) => {
      const { processor, clock } = setUp(t)
      const source = new Source()
      const asked = [
        watch(processor.getCachedDataBatch(source.requests('a', 'b'), { maxConcurrency: 1 })),
        watch(processor.getCachedDataBatchSettled(source.requests('c'))),
        watch(processor.streamCachedDataBatch(source.requests('d')).next()),
        watch(processor.prefetch(source.requests('e'))),
      ]
      await settled(1)
      const closed = watch(processor.close({ mode, timeoutMs: 1000 }))
      await settled()
      if (mode === 'drain') await clock.advance(1000)
      for (const { reason } of asked) assert.equal((reason as SluiceError).code, 'ERR_CLOSED')
      assert.ok(source.calls.every(({ signal }) => signal.aborted))
      await settled()
      assert.equal(closed.is, 'fulfilled')
      // They have slots until they end, or their deadlines come; nobody waits for that.
      source.finish()
      await settled()
    })
  }

  test('B20 of a processor that was never used, and of one that crashed, close resolves', async (t) => {
    const { processor } = setUp(t)
    await processor.close()
    assert.equal(await setUp(t).processor.close(), undefined)
  })
})

/** A function that throws `error`. */
function fail(error: Error): () => never {
  return () => {
    throw error
  }
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
