import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BatchOptions, BatchProcessor, type BatchProcessorConfig, type SluiceError } from '../js/index.js'
import { reasonOf, setUp, thrownBy } from './support/set-up.js'
import { ready } from './support/source.js'
import { VirtualClock } from './support/virtual-clock.js'

const FOREVER = Number.POSITIVE_INFINITY
const noop = () => {}
const tier = { name: 'disk', mget: () => [], mset: noop, mdelete: noop }

/** What is right and what is wrong for each option, and how it is said. */
interface Case {
  readonly good: readonly unknown[]
  readonly expected: string
  /** Of the wrong type, then of the right type and out of range. */
  readonly types: readonly unknown[]
  readonly values?: readonly unknown[]
}

const duration: Case = {
  good: [1, 0.5, 30_000, FOREVER],
  expected: 'milliseconds greater than 0, or Infinity',
  types: ['5', null, true, {}],
  values: [0, -0, -1, Number.NaN, -FOREVER],
}
const ttl: Case = {
  good: [0, -0, 1, 0.5, FOREVER],
  expected: 'milliseconds of at least 0, or Infinity',
  types: ['5m', null, 5n],
  values: [-1, Number.NaN, -FOREVER],
}
const limit: Case = {
  good: [1, 5, 2 ** 31 - 1],
  expected: 'an integer from 1 to 2,147,483,647',
  types: ['4', null, 4n],
  values: [0, -1, 1.5, Number.NaN, FOREVER, 2 ** 31],
}
const bound: Case = {
  good: [1, 10_000],
  expected: 'an integer of at least 1, or Infinity',
  types: ['4', null],
  values: [0, -1, 1.5, Number.NaN, -FOREVER, 2 ** 53],
}
const flag: Case = { good: [true, false], expected: 'a boolean', types: [0, 1, 'true', null] }
const names = (...good: string[]): Case => ({
  good,
  expected: `one of ${good.map((name) => `'${name}'`).join(', ')}`,
  types: [0, null, true],
  values: ['nonsense', good[0]?.toUpperCase(), ''],
})
const callback: Case = { good: [noop, class {}], expected: 'a function', types: [null, 0, 'x', {}, []] }

const BATCH_OPTIONS: Record<string, Case> = {
  maxConcurrency: limit,
  groupingStrategy: { ...names('none', 'prefix', 'custom'), good: ['none', 'prefix'] },
  customGrouper: callback,
  deduplication: flag,
  maxBatchSize: limit,
  groupFetch: callback,
  onMissing: names('fallback', 'undefined', 'null', 'error'),
  groupFallbackLimit: {
    good: [0, 32],
    expected: 'an integer from 0 to 2,147,483,647',
    types: ['4', null],
    values: [-1, 0.5, Number.NaN, FOREVER],
  },
  signal: {
    good: [new AbortController().signal],
    expected: 'an AbortSignal',
    types: [null, {}, 'signal', new AbortController(), 7],
  },
  timeoutMs: duration,
  fetchTimeoutMs: duration,
  queueTimeoutMs: duration,
  failFast: flag,
  onOrphan: names('abort', 'finish'),
  onProgress: callback,
  cache: names('default', 'reload', 'only-if-cached', 'no-store'),
  staleWhileRevalidate: ttl,
  staleIfError: ttl,
  isolation: names('shared', 'freeze', 'clone'),
}

const CONFIG_OPTIONS: Record<string, Case> = {
  defaultConcurrency: limit,
  enableOptimizations: flag,
  groupingStrategy: names('none', 'prefix', 'custom'),
  maxBatchSize: limit,
  timeoutMs: duration,
  fetchTimeoutMs: duration,
  queueTimeoutMs: duration,
  staleWhileRevalidate: ttl,
  staleIfError: ttl,
  isolation: names('shared', 'freeze', 'clone'),
  maxEntries: bound,
  policy: names('adaptive', 'lru'),
  maxWeight: { ...bound, good: [1, 2 ** 40, FOREVER] },
  ttl,
  negativeTtl: ttl,
  errorTtl: ttl,
  ttlJitter: {
    good: [0, 0.5, 1],
    expected: 'a number from 0 to 1',
    types: ['0.5', null],
    values: [-0.1, 1.1, Number.NaN, FOREVER],
  },
  slidingTtl: flag,
  earlyRefresh: {
    good: [0, 1, 2.5],
    expected: 'a finite number of at least 0',
    types: ['1', null],
    values: [-1, Number.NaN, FOREVER],
  },
  maxKeyBytes: {
    good: [1, 1024, 2 ** 26],
    expected: 'an integer from 1 to 67,108,864',
    types: ['4', null],
    values: [0, 1.5, 2 ** 26 + 1],
  },
  storage: {
    good: [tier, new Map(), [tier, new Map()], []],
    expected:
      'a tier ({ name, mget, mset, mdelete }), a storage of plain values (mget or get, mset or set, mdelete or delete), or an array of these',
    types: [null, 7, 'redis', {}, { get: noop }, [tier, {}], [null]],
  },
  storageTimeoutMs: duration,
  clock: { good: [new VirtualClock()], expected: 'a Clock', types: [null, {}, Date, { now: noop }] },
}

/** A value in the words of the messages. */
function shown(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return `${JSON.stringify(value)} (string)`
  if (typeof value === 'number') return `${Object.is(value, -0) ? '-0' : value} (number)`
  if (typeof value === 'bigint') return `${value}n (bigint)`
  if (typeof value === 'boolean') return `${value} (boolean)`
  if (typeof value === 'function') return 'a function'
  return Array.isArray(value) ? 'an array' : 'an object'
}

function assertComplaint(error: unknown, where: string, { expected }: Case, value: unknown, isType: boolean): void {
  assert.equal((error as Error).message, `${where}: expected ${expected}, received ${shown(value)}`)
  assert.ok(error instanceof (isType ? TypeError : RangeError))
  assert.equal((error as unknown as SluiceError).code, 'ERR_INVALID_OPTION')
}

describe('an option of a batch', () => {
  for (const [name, option] of Object.entries(BATCH_OPTIONS)) {
    test(`${name} is taken where it is ${option.expected}`, async (t) => {
      const { processor } = setUp(t)
      for (const value of [...option.good, undefined]) {
        processor.memory.set('a', 'A')
        const options = { [name]: value } as BatchOptions<string>
        assert.deepEqual(await processor.getCachedDataBatch([ready('a', 'A')], options), ['A'])
      }
    })

    test(`${name} is refused where it is anything else, before any work`, async (t) => {
      const { processor, source } = setUp(t)
      for (const [isType, values] of [
        [true, option.types],
        [false, option.values ?? []],
      ] as const) {
        for (const value of values) {
          const options = { [name]: value } as BatchOptions<unknown>
          assertComplaint(
            await reasonOf(processor.getCachedDataBatch(source.requests('a'), options)),
            `options.${name}`,
            option,
            value,
            isType,
          )
          assertComplaint(
            await reasonOf(processor.getCachedData('a', source.fetch, options)),
            `options.${name}`,
            option,
            value,
            isType,
          )
          assertComplaint(await reasonOf(processor.plan(source.requests('a'), options)), `options.${name}`, option, value, isType)
        }
      }
      assert.equal(source.calls.length, 0)
    })
  }

  test("groupingStrategy 'custom' needs a customGrouper", async (t) => {
    const { processor, source } = setUp(t)
    const reason = await reasonOf(processor.getCachedDataBatch(source.requests('a'), { groupingStrategy: 'custom' }))
    assert.equal(
      (reason as Error).message,
      "options.customGrouper: expected a function, as groupingStrategy is 'custom', received undefined",
    )
    const custom = new BatchProcessor({ groupingStrategy: 'custom' })
    const same = await reasonOf(custom.getCachedDataBatch(source.requests('a')))
    assert.equal(
      (same as Error).message,
      "options.customGrouper: expected a function, as groupingStrategy is 'custom', received undefined",
    )
  })
})

describe('an option of a processor', () => {
  for (const [name, option] of Object.entries(CONFIG_OPTIONS)) {
    test(`${name} is taken where it is ${option.expected}`, async () => {
      for (const value of [...option.good, undefined]) {
        const processor = new BatchProcessor({ [name]: value })
        if (name !== 'groupingStrategy' && name !== 'storage') assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
      }
    })

    test(`${name} is refused where it is anything else`, () => {
      for (const [isType, values] of [
        [true, option.types],
        [false, option.values ?? []],
      ] as const) {
        for (const value of values)
          assertComplaint(
            thrownBy(() => new BatchProcessor({ [name]: value })),
            `config.${name}`,
            option,
            value,
            isType,
          )
      }
    })
  }

  test('maxEntries may be Infinity where maxWeight is finite, and only there', () => {
    new BatchProcessor({ maxEntries: FOREVER, maxWeight: 1000 })
    const error = thrownBy(() => new BatchProcessor({ maxEntries: FOREVER }))
    assert.ok(error instanceof RangeError)
    assert.equal(
      error.message,
      'config.maxEntries: expected a finite number unless maxWeight is finite, received Infinity (number)',
    )
  })
})

describe('retry and retryBudget', () => {
  const complaints: [BatchProcessorConfig, string][] = [
    [
      { retry: null as never },
      'config.retry: expected an object of attempts, backoffMs, maxBackoffMs, jitter, retryable, received null',
    ],
    [
      { retry: 3 as never },
      'config.retry: expected an object of attempts, backoffMs, maxBackoffMs, jitter, retryable, received 3 (number)',
    ],
    [
      { retry: { tries: 3 } as never },
      'config.retry: expected an object of attempts, backoffMs, maxBackoffMs, jitter, retryable (not tries), received an object',
    ],
    [{ retry: { attempts: 0 } }, 'config.retry: expected attempts to be an integer from 1 to 2,147,483,647, received an object'],
    [
      { retry: { backoffMs: -1 } },
      'config.retry: expected backoffMs to be milliseconds of at least 0, or Infinity, received an object',
    ],
    [
      { retry: { maxBackoffMs: Number.NaN } },
      'config.retry: expected maxBackoffMs to be milliseconds of at least 0, or Infinity, received an object',
    ],
    [{ retry: { jitter: 2 } }, 'config.retry: expected jitter to be a number from 0 to 1, received an object'],
    [{ retry: { retryable: true as never } }, 'config.retry: expected retryable to be a function, received an object'],
    [{ retryBudget: { ratio: 2 } }, 'config.retryBudget: expected ratio to be a number from 0 to 1, received an object'],
    [
      { retryBudget: { burst: FOREVER } },
      'config.retryBudget: expected burst to be a finite number of at least 0, received an object',
    ],
    [
      { retryBudget: { size: 1 } as never },
      'config.retryBudget: expected an object of ratio, burst (not size), received an object',
    ],
  ]
  for (const [config, message] of complaints) {
    test(message, async (t) => {
      const error = thrownBy(() => new BatchProcessor(config)) as Error
      assert.equal(error.message, message)
      // A wrong number is out of range; anything else is of the wrong type.
      assert.equal(error.name, / to be (?!a function)/.test(message) ? 'InvalidRangeError' : 'InvalidTypeError')
      if (config.retry === undefined) return
      const { processor } = setUp(t)
      const reason = await reasonOf(processor.getCachedDataBatch([ready('a', 1)], { retry: config.retry }))
      assert.equal((reason as Error).message, message.replace('config.', 'options.'))
    })
  }
})

describe('a name that is no option', () => {
  const near: [string, string, string][] = [
    ['maxConcurency', "; did you mean 'maxConcurrency'?", "; did you mean 'maxConcurrency'?"],
    ['concurrency', "; did you mean 'maxConcurrency'?", "; did you mean 'maxConcurrency'?"],
    ['TTL', '', "; did you mean 'ttl'?"],
    ['timeoutMS', "; did you mean 'timeoutMs'?", "; did you mean 'timeoutMs'?"],
    ['groupfetch', "; did you mean 'groupFetch'?", ''],
    ['maxEntrys', '', "; did you mean 'maxEntries'?"],
    ['somethingElseAltogether', '', ''],
  ]
  for (const [name, inBatch, inConfig] of near) {
    test(`${name} is refused, with the name that is near it`, async (t) => {
      const { processor } = setUp(t)
      const reason = (await reasonOf(processor.getCachedDataBatch([ready('a', 1)], { [name]: 5 } as never))) as SluiceError
      assert.equal(reason.message, `options.${name}: expected no option of this name${inBatch}, received 5 (number)`)
      assert.equal(reason.code, 'ERR_UNKNOWN_OPTION')
      const error = thrownBy(() => new BatchProcessor({ [name]: 5 } as never)) as SluiceError
      assert.equal(error.message, `config.${name}: expected no option of this name${inConfig}, received 5 (number)`)
      assert.ok(error instanceof TypeError)
    })
  }

  test('options that are no object are refused', async (t) => {
    const { processor } = setUp(t)
    for (const options of [null, 5, 'x', [], noop]) {
      const reason = await reasonOf(processor.getCachedDataBatch([ready('a', 1)], options as never))
      assert.equal((reason as Error).message, `options: expected an object, received ${shown(options)}`)
      const error = thrownBy(() => new BatchProcessor(options as never))
      assert.equal((error as Error).message, `config: expected an object, received ${shown(options)}`)
    }
  })
})
