/** Faults A27 to A30: options that are wrong, and options of odd make. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type BatchOptions,
  BatchProcessor,
  type BatchProcessorConfig,
  configure,
  type SluiceError,
  valueTier,
} from '../../js/index.js'
import { BATCH_OPTIONS, CONFIG_OPTIONS } from '../../js/options/declarations.js'
import { reasonOf, setUp, thrownBy } from '../support/set-up.js'
import { ready, unwanted } from '../support/source.js'
import { withPollution } from './support.js'

const { NaN: NO_NUMBER, POSITIVE_INFINITY: FOREVER } = Number

/** A number, and what the message says of it. */
const NO_DURATIONS: [unknown, string][] = [
  [NO_NUMBER, 'NaN (number)'],
  [-1, '-1 (number)'],
  [-FOREVER, '-Infinity (number)'],
  ['5m', '"5m" (string)'],
  [null, 'null'],
  [5n, '5n (bigint)'],
  [{ valueOf: () => 5 }, 'an object'],
]

describe('durations', () => {
  for (const [ttl, shown] of NO_DURATIONS) {
    test(`A27 a ttl of ${shown} is misuse wherever one is given, and nothing is done`, async (t) => {
      const { processor, source, clock } = setUp(t)
      const given = ttl as number
      const received = `expected milliseconds of at least 0, or Infinity, received ${shown}`
      for (const [call, message] of [
        [
          () => processor.getCachedDataBatch([source.request('a'), source.request('b', { ttl: given })]),
          `requests[1].ttl: ${received}`,
        ],
        [() => processor.getCachedData('a', source.fetch, { ttl: given }), `requests[0].ttl: ${received}`],
        [() => processor.set('a', 1, { ttl: given }), `entries[0].ttl: ${received}`],
        [
          () =>
            processor.mset([
              { key: 'b', value: 1 },
              { key: 'a', value: 1, ttl: given },
            ]),
          `entries[1].ttl: ${received}`,
        ],
      ] as const) {
        const reason = (await reasonOf(call())) as SluiceError
        assert.equal(reason.message, message)
        assert.ok(reason instanceof (typeof ttl === 'number' ? RangeError : TypeError))
        assert.equal(reason.family, 'misuse')
      }
      for (const name of ['ttl', 'negativeTtl', 'errorTtl', 'staleWhileRevalidate', 'staleIfError']) {
        assert.equal((thrownBy(() => new BatchProcessor({ [name]: ttl })) as Error).message, `config.${name}: ${received}`)
      }
      assert.equal(source.calls.length, 0)
      assert.equal(processor.memory.size, 0)
      assert.deepEqual(clock.asked, [])
    })
  }

  test('A27 a ttl is as it is given, however small or large, and sets no timer', async (t) => {
    const { processor, clock } = setUp(t)
    const ttls = [0, -0, Number.MIN_VALUE, 0.5, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 + 1, 1e308, FOREVER]
    await processor.getCachedDataBatch(ttls.map((ttl) => ready(`${ttl} ${Object.is(ttl, -0)}`, ttl, { ttl })))
    const left = ttls.map((ttl) => processor.memory.remainingTtl(`${ttl} ${Object.is(ttl, -0)}`))
    assert.deepEqual(left.slice(3), ttls.slice(3))
    // The least number that there is, is lost beside a thousand: the time it would expire at is now.
    assert.deepEqual(left.slice(0, 3), [0, 0, 0])
    assert.ok(
      clock.asked.every((ms) => ms === 30_000),
      `timers of ${clock.asked} ms`,
    )
    clock.stall(2 ** 40)
    assert.deepEqual([...processor.memory.keys()].sort(), ['1e+308 false', '9007199254740992 false', 'Infinity false'].sort())
  })

  test('A27 deadlines longer than a timer can be are kept to', async (t) => {
    const { processor, source, clock } = setUp(t)
    for (const timeoutMs of [2 ** 31, 2 ** 40, 2 ** 53 + 1, 1e308]) {
      const asked = processor.getCachedDataBatch([source.request(`${timeoutMs}`)], {
        timeoutMs,
        fetchTimeoutMs: timeoutMs,
        queueTimeoutMs: timeoutMs,
      })
      source.call(-1).resolve(1)
      assert.deepEqual(await asked, [1])
    }
    const slow = processor.getCachedData('slow', source.fetch, { fetchTimeoutMs: 2 ** 32 })
    slow.catch(() => {})
    await clock.advance(2 ** 32 - 1)
    assert.equal(source.call(-1).signal.aborted, false)
    await clock.advance(1)
    assert.equal(((await reasonOf(slow)) as SluiceError).code, 'ERR_FETCH_TIMEOUT')
    assert.ok(clock.asked.length < 20, `${clock.asked.length} timers`)
  })

  test('A27 durations that must not be zero', async (t) => {
    const { processor } = setUp(t)
    for (const name of ['timeoutMs', 'fetchTimeoutMs', 'queueTimeoutMs']) {
      for (const ms of [0, -0, ...NO_DURATIONS.map(([value]) => value)]) {
        const inBatch = (await reasonOf(processor.getCachedDataBatch([unwanted('a')], { [name]: ms }))) as SluiceError
        assert.equal(inBatch.code, 'ERR_INVALID_OPTION')
        assert.match(
          inBatch.message,
          new RegExp(`^options.${name}: expected milliseconds greater than 0, or Infinity, received `),
        )
        assert.equal((thrownBy(() => new BatchProcessor({ [name]: ms })) as SluiceError).code, 'ERR_INVALID_OPTION')
      }
    }
    assert.equal((thrownBy(() => new BatchProcessor({ storageTimeoutMs: 0 })) as SluiceError).code, 'ERR_INVALID_OPTION')
  })
})

describe('numbers', () => {
  const NO_COUNTS = [0, -1, NO_NUMBER, 1.5, FOREVER, -FOREVER, '4', 2 ** 31, 4n, null, [4]]

  for (const value of NO_COUNTS) {
    const shown = Array.isArray(value) ? 'an array' : `${String(value)} (${typeof value})`
    test(`A28 ${shown} is no concurrency`, async (t) => {
      const { processor } = setUp(t)
      const given = value as number
      for (const name of ['maxConcurrency', 'maxBatchSize'] as const) {
        const reason = (await reasonOf(processor.getCachedDataBatch([unwanted('a')], { [name]: given }))) as SluiceError
        assert.equal(reason.code, 'ERR_INVALID_OPTION')
        assert.match(reason.message, new RegExp(`^options.${name}: expected an integer from 1 to 2,147,483,647, received `))
      }
      for (const name of ['defaultConcurrency', 'maxBatchSize', 'maxKeyBytes'] as const) {
        assert.equal((thrownBy(() => new BatchProcessor({ [name]: given })) as SluiceError).code, 'ERR_INVALID_OPTION')
      }
    })
  }

  test('A28 budgets: at least one of the two is finite, none is 0 or a fraction', () => {
    const wrong: BatchProcessorConfig[] = [
      ...[0, -1, NO_NUMBER, 1.5, '10', -FOREVER].flatMap((value) => [
        { maxEntries: value as number },
        { maxWeight: value as number },
      ]),
      { maxEntries: FOREVER },
      { maxEntries: FOREVER, maxWeight: FOREVER },
      { maxKeyBytes: 2 ** 26 + 1 },
    ]
    for (const config of wrong)
      assert.equal((thrownBy(() => new BatchProcessor(config)) as SluiceError).code, 'ERR_INVALID_OPTION')
    for (const config of [
      { maxEntries: 1 },
      { maxEntries: 2 ** 53 - 1 },
      { maxEntries: FOREVER, maxWeight: 1 },
      { maxWeight: 2 ** 53 - 1 },
    ]) {
      const { memory } = new BatchProcessor(config)
      memory.mset([
        { key: 'a', value: 1, weight: 1 },
        { key: 'b', value: 2, weight: 1 },
      ])
      assert.equal(memory.get('b'), 2)
    }
  })

  test('A28 the largest concurrency there can be is one', async (t) => {
    const { processor } = setUp(t)
    assert.deepEqual(
      await processor.getCachedDataBatch([ready('a', 1), ready('b', 2)], {
        maxConcurrency: 2 ** 31 - 1,
        maxBatchSize: 2 ** 31 - 1,
      }),
      [1, 2],
    )
  })
})

describe('names', () => {
  test('A29 an unknown option is an error that knows the nearest', async (t) => {
    const { processor, source } = setUp(t)
    const options = { maxConcurency: 3 } as BatchOptions
    const message = "options.maxConcurency: expected no option of this name; did you mean 'maxConcurrency'?, received 3 (number)"
    for (const call of [
      () => processor.getCachedDataBatch([source.request('a')], options),
      () => processor.getCachedDataBatchSettled([source.request('a')], options),
      () => processor.getCachedData('a', source.fetch, options),
      () => processor.prefetch([source.request('a')], options),
      () => processor.plan([source.request('a')], options),
      () => processor.streamCachedDataBatch([source.request('a')], options).next(),
    ]) {
      const reason = (await reasonOf(call())) as SluiceError
      assert.equal(reason.message, message)
      assert.equal(reason.code, 'ERR_UNKNOWN_OPTION')
    }
    assert.equal(
      (thrownBy(() => new BatchProcessor({ maxEntry: 3 } as BatchProcessorConfig)) as SluiceError).code,
      'ERR_UNKNOWN_OPTION',
    )
    assert.equal((thrownBy(() => configure({ tll: 3 } as BatchProcessorConfig)) as SluiceError).code, 'ERR_UNKNOWN_OPTION')
    assert.equal(
      (thrownBy(() => new BatchProcessor({ retry: { retries: 3 } } as BatchProcessorConfig)) as SluiceError).code,
      'ERR_INVALID_OPTION',
    )
    assert.equal(
      (thrownBy(() => new BatchProcessor({ retryBudget: { rate: 3 } } as BatchProcessorConfig)) as SluiceError).code,
      'ERR_INVALID_OPTION',
    )
    assert.equal((thrownBy(() => valueTier(new Map(), { ttlUnit: 'sec' as 's' })) as SluiceError).code, 'ERR_INVALID_OPTION')
    assert.equal(source.calls.length, 0)
  })

  for (const options of [null, 1, 'fast', true, [], () => ({})]) {
    test(`A29 ${Array.isArray(options) ? 'an array' : typeof options === 'function' ? 'a function' : String(options)} for options is misuse`, async (t) => {
      const { processor, source } = setUp(t)
      const given = options as BatchOptions
      const reason = (await reasonOf(processor.getCachedDataBatch([source.request('a')], given))) as SluiceError
      assert.match(reason.message, /^options: expected an object, received /)
      assert.equal(reason.code, 'ERR_INVALID_OPTION')
      assert.equal((thrownBy(() => new BatchProcessor(given as BatchProcessorConfig)) as SluiceError).code, 'ERR_INVALID_OPTION')
      assert.equal(source.calls.length, 0)
    })
  }

  test('A29 what somebody put on Object.prototype is no option', async (t) => {
    const polluted = {
      ...Object.fromEntries([...BATCH_OPTIONS, ...CONFIG_OPTIONS].map(({ name }) => [name, 'polluted'])),
      attempts: 'polluted',
      backoffMs: 'polluted',
      ratio: 'polluted',
      ttl: 0,
    }
    const { clock } = setUp(t)
    await withPollution(polluted, async () => {
      const processor = new BatchProcessor({ clock, retry: { attempts: 2 }, retryBudget: { burst: 1 } })
      const results = await processor.getCachedDataBatch([ready('a', 1, { ttl: 1000 })], {
        maxConcurrency: 1,
        retry: { jitter: 0 },
      })
      assert.deepEqual(results, [1])
      assert.equal(await processor.getCachedData('b', () => 2, { ttl: 1000 }), 2)
      assert.equal(await processor.getCachedData('c', () => 3, { maxConcurrency: 1 }), 3)
      // 'c' says nothing of a ttl.
      assert.deepEqual([...processor.memory.keys()], ['c', 'b', 'a'])
      await processor.close()
    })
  })
})

describe('options of odd make', () => {
  const OPTIONS = { maxConcurrency: 1, retry: { attempts: 2, backoffMs: 0 } }

  class Options {
    get maxConcurrency(): number {
      return 1
    }

    get retry(): object {
      return new Retry()
    }
  }

  class Retry {
    get attempts(): number {
      return 2
    }

    get backoffMs(): number {
      return 0
    }
  }

  const MAKES: [string, () => BatchOptions][] = [
    ['frozen', () => Object.freeze({ ...OPTIONS, retry: Object.freeze({ ...OPTIONS.retry }) })],
    [
      'without a prototype',
      () => Object.assign(Object.create(null), { ...OPTIONS, retry: Object.assign(Object.create(null), OPTIONS.retry) }),
    ],
    ['a proxy', () => new Proxy({ ...OPTIONS, retry: new Proxy(OPTIONS.retry, {}) }, {})],
    ['of a class with getters', () => new Options() as BatchOptions],
    ['inherited from other options', () => Object.create(OPTIONS)],
  ]
  for (const [what, make] of MAKES) {
    test(`A30 options that are ${what} are options like any others`, async (t) => {
      for (const run of [
        (processor: BatchProcessor, key: string, fetch: () => unknown) =>
          processor.getCachedDataBatch([{ key, fetchFunction: fetch }], make()),
        (processor: BatchProcessor, key: string, fetch: () => unknown) => processor.getCachedData(key, fetch, make()),
      ]) {
        const { processor, source, clock } = setUp(t)
        let tries = 0
        const asked = run(processor, 'a', () => {
          if (++tries === 1) throw new Error('once')
          return tries
        })
        await clock.advance(1)
        assert.deepEqual([await asked].flat(), [2])
        const both = processor.getCachedDataBatch(source.requests('b', 'c'), make())
        assert.equal(source.running, 1)
        source.call(0).resolve(1)
        await clock.advance(0)
        source.call(1).resolve(2)
        assert.deepEqual(await both, [1, 2])
      }
    })
  }

  test('A30 each option is read once', async (t) => {
    const { processor } = setUp(t)
    const reads: string[] = []
    const noted = <T extends object>(object: T): T =>
      new Proxy(object, {
        get(target, name, receiver) {
          reads.push(String(name))
          return Reflect.get(target, name, receiver)
        },
      })
    const given = {
      maxConcurrency: 1,
      timeoutMs: 5000,
      groupFetch: () => new Map(),
      failFast: true,
      isolation: 'freeze' as const,
    }
    const names = Object.keys(given)
    await processor.getCachedDataBatch([ready('a', 1)], noted(given))
    assert.deepEqual(reads.sort(), names.sort())
    reads.length = 0
    new BatchProcessor(noted({ ttl: 5, maxEntries: 5, defaultConcurrency: 1, timeoutMs: 5000 }))
    assert.deepEqual(reads.sort(), ['defaultConcurrency', 'maxEntries', 'timeoutMs', 'ttl'])
    reads.length = 0
    await processor.getCachedData('b', () => 1, noted({ ttl: 5, maxConcurrency: 1 }))
    assert.deepEqual(reads.sort(), ['maxConcurrency', 'ttl'])
  })

  test('A30 a request whose getters say something else each time is the request it was at first', async (t) => {
    const { processor } = setUp(t)
    for (const keys of [
      ['é', 'ééééééé'.repeat(1000), 'b'],
      ['a', 'b', 'c'],
      ['😀', '', '\ud800'],
    ]) {
      const reads: Record<string, number> = {}
      const each = <V>(name: string, values: readonly V[]): V => {
        reads[name] = (reads[name] ?? 0) + 1
        return values[reads[name] === 1 ? 0 : 1] as V
      }
      const shifty = {
        get key() {
          return each('key', keys)
        },
        get ttl() {
          return each('ttl', [1000, -5])
        },
        get priority() {
          return each('priority', ['high', 'garbage'])
        },
        get tags() {
          return each('tags', [['tag'], 'garbage'])
        },
        fetchFunction: ({ key }: { key: string }) => `value of ${key}`,
      }
      const results = await processor.getCachedDataBatch<string>([ready('x', 'x'), shifty as never, ready('y', 'y')])
      assert.deepEqual(results, ['x', `value of ${keys[0]}`, 'y'])
      assert.equal(processor.memory.get(keys[0] as string), `value of ${keys[0]}`)
      assert.equal(processor.memory.remainingTtl(keys[0] as string), 1000)
      assert.deepEqual(processor.memory.has(keys[1] as string), false)
      assert.equal(await processor.invalidate({ tag: 'tag' }), 1)
      assert.deepEqual(reads, { key: 1, ttl: 1, priority: 1, tags: 1 })
    }
  })

  test('A30 a request whose getters ask the processor does no harm', async (t) => {
    const { processor } = setUp(t)
    const { memory } = processor
    const nosy = (key: string): object => {
      const ask = (): void => {
        memory.set('other'.repeat(20), 1)
        memory.get(`${key}${key}`)
        void processor.getCachedDataBatch([ready(`of ${key}`, 1), unwanted('other'.repeat(20))])
      }
      return {
        get key() {
          ask()
          return key
        },
        get ttl() {
          ask()
          return 1000
        },
        get fetchFunction() {
          ask()
          return () => key
        },
        get tags() {
          ask()
          return [key]
        },
      }
    }
    const keys = Array.from({ length: 50 }, (_, at) => `key ${at}`)
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(await processor.getCachedDataBatch(keys.map((key) => nosy(key) as never)), keys)
    }
    for (const key of keys) assert.equal(memory.get(key), key)
    for (const key of keys) assert.equal(await processor.invalidate({ tag: key }), 1)
  })

  test('A30 a request whose getter throws once begun leaves nothing in flight', async (t) => {
    const { processor, source } = setUp(t)
    let reads = 0
    const treacherous = {
      key: 'b',
      get fetchFunction() {
        if (++reads > 1) throw new Error('no more')
        return source.fetch
      },
    }
    const reason = await reasonOf(processor.getCachedDataBatch([source.request('a'), treacherous]))
    assert.equal((reason as Error).message, 'no more')
    assert.equal(source.calls.length, 0)
    assert.deepEqual(await processor.getCachedDataBatch([ready('a', 'A'), ready('b', 'B')]), ['A', 'B'])
  })
})
