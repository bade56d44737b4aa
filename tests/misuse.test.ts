/** Misuse of calls: the whole text, the class, the code, and that nothing was done. Options have their own file, config.test.ts; TTLs ttl.test.ts. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BatchProcessor, InvalidRangeError, InvalidTypeError, SluiceError } from '../js/index.js'
import { reasonOf, setUp, thrownBy } from './support/set-up.js'
import { ready } from './support/source.js'

const fetchFunction = () => 1
const UNICODE = 'x'.repeat(50)

interface Complaint {
  readonly message: string
  readonly code: string
  readonly isRange?: boolean
}

function assertComplaint(error: unknown, { message, code, isRange = false }: Complaint): void {
  assert.equal((error as Error).message, message)
  assert.ok(error instanceof SluiceError)
  assert.equal(error.code, code)
  assert.equal(error.family, 'misuse')
  assert.ok(
    isRange
      ? error instanceof InvalidRangeError && error instanceof RangeError
      : error instanceof InvalidTypeError && error instanceof TypeError,
  )
}

/** Nothing has come of it: no key was asked for, nothing is kept. */
async function assertUntouched(processor: BatchProcessor): Promise<void> {
  const { requested, led, entries } = await processor.metrics()
  assert.deepEqual({ requested, led, entries }, { requested: 0, led: 0, entries: 0 })
}

describe('requests that are none', () => {
  const wrong: [string, unknown, Complaint][] = [
    ['undefined', undefined, { message: 'requests: expected an array, received undefined', code: 'ERR_INVALID_REQUESTS' }],
    ['null', null, { message: 'requests: expected an array, received null', code: 'ERR_INVALID_REQUESTS' }],
    ['a string', 'ab', { message: 'requests: expected an array, received "ab" (string)', code: 'ERR_INVALID_REQUESTS' }],
    [
      'an iterable',
      new Set([ready('a', 1)]),
      { message: 'requests: expected an array, received an object', code: 'ERR_INVALID_REQUESTS' },
    ],
    ['one request', ready('a', 1), { message: 'requests: expected an array, received an object', code: 'ERR_INVALID_REQUESTS' }],
    ['a function', fetchFunction, { message: 'requests: expected an array, received a function', code: 'ERR_INVALID_REQUESTS' }],
    [
      'with null',
      [ready('a', 1), null],
      { message: 'requests[1]: expected an object, received null', code: 'ERR_INVALID_REQUESTS' },
    ],
    [
      'with a hole',
      Object.assign(new Array(2), { 0: ready('a', 1) }),
      { message: 'requests[1]: expected an object, received undefined', code: 'ERR_INVALID_REQUESTS' },
    ],
    ['with a key', ['a'], { message: 'requests[0]: expected an object, received "a" (string)', code: 'ERR_INVALID_REQUESTS' }],
    [
      'without a fetchFunction',
      [{ key: 'a' }],
      { message: 'requests[0].fetchFunction: expected a function, received undefined', code: 'ERR_INVALID_REQUESTS' },
    ],
    [
      'with a promise for a fetchFunction',
      [{ key: 'a', fetchFunction: Promise.resolve(1) }],
      { message: 'requests[0].fetchFunction: expected a function, received an object', code: 'ERR_INVALID_REQUESTS' },
    ],
    [
      'of a weight below 0',
      [ready('a', 1, { weight: -1 })],
      {
        message: 'requests[0].weight: expected an integer from 0 to 4,294,967,295, received -1 (number)',
        code: 'ERR_INVALID_REQUESTS',
        isRange: true,
      },
    ],
    [
      'of half a weight',
      [ready('a', 1, { weight: 0.5 })],
      {
        message: 'requests[0].weight: expected an integer from 0 to 4,294,967,295, received 0.5 (number)',
        code: 'ERR_INVALID_REQUESTS',
        isRange: true,
      },
    ],
    [
      'of a weight in words',
      [ready('a', 1, { weight: 'heavy' as never })],
      {
        message: 'requests[0].weight: expected an integer from 0 to 4,294,967,295, received "heavy" (string)',
        code: 'ERR_INVALID_REQUESTS',
      },
    ],
    [
      'of a tag',
      [ready('a', 1, { tags: 'x' as never })],
      { message: 'requests[0].tags: expected an array of strings, received "x" (string)', code: 'ERR_INVALID_REQUESTS' },
    ],
    [
      'of tags that are no strings',
      [ready('a', 1, { tags: ['x', 1 as never] })],
      { message: 'requests[0].tags: expected an array of strings, received an array', code: 'ERR_INVALID_REQUESTS' },
    ],
    [
      'of a priority unheard of',
      [ready('a', 1, { priority: 'urgent' as never })],
      {
        message:
          "requests[0].priority: expected 'high', 'normal', 'low', or an integer from -1,000,000 to 1,000,000, received \"urgent\" (string)",
        code: 'ERR_INVALID_REQUESTS',
        isRange: true,
      },
    ],
    [
      'of a priority too high',
      [ready('a', 1, { priority: 1_000_001 })],
      {
        message:
          "requests[0].priority: expected 'high', 'normal', 'low', or an integer from -1,000,000 to 1,000,000, received 1000001 (number)",
        code: 'ERR_INVALID_REQUESTS',
        isRange: true,
      },
    ],
    [
      'of a broken priority',
      [ready('a', 1, { priority: 0.5 })],
      {
        message:
          "requests[0].priority: expected 'high', 'normal', 'low', or an integer from -1,000,000 to 1,000,000, received 0.5 (number)",
        code: 'ERR_INVALID_REQUESTS',
        isRange: true,
      },
    ],
    [
      'of a priority that is null',
      [ready('a', 1, { priority: null as never })],
      {
        message:
          "requests[0].priority: expected 'high', 'normal', 'low', or an integer from -1,000,000 to 1,000,000, received null",
        code: 'ERR_INVALID_REQUESTS',
      },
    ],
  ]
  for (const [what, requests, complaint] of wrong) {
    test(`${what}: every call says so, and does nothing`, async (t) => {
      const { processor } = setUp(t)
      const calls = [
        () => processor.getCachedDataBatch(requests as never),
        () => processor.getCachedDataBatchSettled(requests as never),
        () => processor.prefetch(requests as never),
        () => processor.plan(requests as never),
        () => processor.streamCachedDataBatch(requests as never).next(),
      ]
      for (const call of calls) assertComplaint(await reasonOf(call()), complaint)
      await assertUntouched(processor)
    })
  }

  test('are named by their index, the first that is wrong', async (t) => {
    const { processor } = setUp(t)
    const requests = Array.from({ length: 10_000 }, (_, index) => (index >= 9000 ? { key: index } : ready(`${index}`, 1)))
    const complaint = { message: 'requests[9000].key: expected a string, received 9000 (number)', code: 'ERR_INVALID_KEY' }
    assertComplaint(await reasonOf(processor.getCachedDataBatch(requests as never)), complaint)
    await assertUntouched(processor)
  })
})

describe('a key that is no string', () => {
  const wrong: [unknown, string][] = [
    [undefined, 'undefined'],
    [null, 'null'],
    [1, '1 (number)'],
    [-0, '-0 (number)'],
    [Number.NaN, 'NaN (number)'],
    [1e21, '1e+21 (number)'],
    [10n, '10n (bigint)'],
    [true, 'true (boolean)'],
    [Symbol('s'), 'a symbol'],
    [() => 'a', 'a function'],
    [{ toString: () => 'a' }, 'an object'],
    [['a'], 'an array'],
    [new String('a'), 'an object'],
  ]
  for (const [key, shown] of wrong) {
    test(`${shown}: is never made one`, async (t) => {
      const { processor } = setUp(t)
      const { memory } = processor
      const complaint = (where: string): Complaint => ({
        message: `${where}: expected a string, received ${shown}`,
        code: 'ERR_INVALID_KEY',
      })
      const wrongKey = key as string
      assertComplaint(
        await reasonOf(processor.getCachedDataBatch([ready('a', 1), ready(wrongKey, 1)])),
        complaint('requests[1].key'),
      )
      assertComplaint(await reasonOf(processor.getCachedData(wrongKey, fetchFunction)), complaint('requests[0].key'))
      assertComplaint(await reasonOf(processor.get(wrongKey)), complaint('keys[0]'))
      assertComplaint(await reasonOf(processor.has(wrongKey)), complaint('keys[0]'))
      assertComplaint(await reasonOf(processor.mget(['a', wrongKey])), complaint('keys[1]'))
      assertComplaint(await reasonOf(processor.delete(['a', wrongKey])), complaint('keys[1]'))
      assertComplaint(await reasonOf(processor.invalidate({ keys: [wrongKey] })), complaint('keys[0]'))
      assertComplaint(await reasonOf(processor.set(wrongKey, 1)), complaint('entries[0].key'))
      assertComplaint(
        await reasonOf(
          processor.mset([
            { key: 'a', value: 1 },
            { key: wrongKey, value: 1 },
          ]),
        ),
        complaint('entries[1].key'),
      )
      for (const call of ['get', 'has', 'peek', 'remainingTtl'] as const)
        assertComplaint(
          thrownBy(() => memory[call](wrongKey)),
          complaint('key'),
        )
      assertComplaint(
        thrownBy(() => memory.delete(wrongKey)),
        complaint('keys[0]'),
      )
      assertComplaint(
        thrownBy(() => memory.mget([wrongKey])),
        complaint('keys[0]'),
      )
      assertComplaint(
        thrownBy(() => memory.mdelete(['a', wrongKey])),
        complaint('keys[1]'),
      )
      assertComplaint(
        thrownBy(() => memory.set(wrongKey, 1)),
        complaint('entries[0].key'),
      )
      await assertUntouched(processor)
    })
  }

  test('nor are they a list', async (t) => {
    const { processor } = setUp(t)
    for (const [keys, shown] of [
      ['a', '"a" (string)'],
      [undefined, 'undefined'],
      [null, 'null'],
      [new Set(['a']), 'an object'],
      [7, '7 (number)'],
    ] as const) {
      const complaint = { message: `keys: expected an array of strings, received ${shown}`, code: 'ERR_INVALID_KEY' }
      assertComplaint(await reasonOf(processor.mget(keys as never)), complaint)
      assertComplaint(
        thrownBy(() => processor.memory.mget(keys as never)),
        complaint,
      )
      assertComplaint(
        thrownBy(() => processor.memory.mdelete(keys as never)),
        complaint,
      )
      if (keys !== 'a') assertComplaint(await reasonOf(processor.delete(keys as never)), complaint)
    }
    await assertUntouched(processor)
  })
})

describe('entries that are none', () => {
  const wrong: [unknown, Complaint][] = [
    [undefined, { message: 'entries: expected an array of { key, value }, received undefined', code: 'ERR_INVALID_ENTRIES' }],
    [
      new Map([['a', 1]]),
      { message: 'entries: expected an array of { key, value }, received an object', code: 'ERR_INVALID_ENTRIES' },
    ],
    [
      { key: 'a', value: 1 },
      { message: 'entries: expected an array of { key, value }, received an object', code: 'ERR_INVALID_ENTRIES' },
    ],
    [
      [{ key: 'a', value: 1 }, null],
      { message: 'entries[1]: expected { key, value }, received null', code: 'ERR_INVALID_ENTRIES' },
    ],
    [['a'], { message: 'entries[0]: expected { key, value }, received "a" (string)', code: 'ERR_INVALID_ENTRIES' }],
    [[{ value: 1 }], { message: 'entries[0].key: expected a string, received undefined', code: 'ERR_INVALID_KEY' }],
    [[['a', 1]], { message: 'entries[0].key: expected a string, received undefined', code: 'ERR_INVALID_KEY' }],
    [
      [{ key: 'a', value: 1, ttl: -5 }],
      {
        message: 'entries[0].ttl: expected milliseconds of at least 0, or Infinity, received -5 (number)',
        code: 'ERR_INVALID_ENTRIES',
        isRange: true,
      },
    ],
    [
      [{ key: 'a', value: 1, ttl: '5' }],
      {
        message: 'entries[0].ttl: expected milliseconds of at least 0, or Infinity, received "5" (string)',
        code: 'ERR_INVALID_ENTRIES',
      },
    ],
    [
      [{ key: 'a', value: 1, weight: 2 ** 32 }],
      {
        message: 'entries[0].weight: expected an integer from 0 to 4,294,967,295, received 4294967296 (number)',
        code: 'ERR_INVALID_ENTRIES',
        isRange: true,
      },
    ],
    [
      [{ key: 'a', value: 1, tags: [null] }],
      { message: 'entries[0].tags: expected an array of strings, received an array', code: 'ERR_INVALID_ENTRIES' },
    ],
  ]
  for (const [entries, complaint] of wrong) {
    test(complaint.message, async (t) => {
      const { processor } = setUp(t)
      assertComplaint(
        thrownBy(() => processor.memory.mset(entries as never)),
        complaint,
      )
      assertComplaint(await reasonOf(processor.mset(entries as never)), complaint)
      await assertUntouched(processor)
    })
  }
})

describe('a fetchFunction that is none', () => {
  for (const [given, shown] of [
    [undefined, 'undefined'],
    ['f', '"f" (string)'],
    [5, '5 (number)'],
    [Promise.resolve(1), 'an object'],
  ] as const) {
    test(`${shown}: getCachedData says so`, async (t) => {
      const { processor } = setUp(t)
      const complaint = {
        message: `requests[0].fetchFunction: expected a function, received ${shown}`,
        code: 'ERR_INVALID_REQUESTS',
      }
      assertComplaint(await reasonOf(processor.getCachedData('a', given as never)), complaint)
      await assertUntouched(processor)
    })
  }
})

describe('what is shown of a value', () => {
  test('is short, says its type, and never calls it', async (t) => {
    const { processor } = setUp(t)
    const hostile = {
      toString: () => assert.fail('called'),
      toJSON: () => assert.fail('called'),
      get [Symbol.toStringTag]() {
        return assert.fail('called')
      },
    }
    const shown = async (requests: unknown) =>
      ((await reasonOf(processor.getCachedDataBatch(requests as never))) as Error).message
    assert.equal(await shown(hostile), 'requests: expected an array, received an object')
    assert.equal(await shown(UNICODE), `requests: expected an array, received "${'x'.repeat(40)}…" (string)`)
    assert.equal(await shown('\n"\ud800'), 'requests: expected an array, received "\\n\\"\\ud800" (string)')
    assert.equal(await shown(Object.create(null)), 'requests: expected an array, received an object')
  })
})

describe('storage that is none', () => {
  test('initializeStorage says so, and what was there stays', async (t) => {
    const kept = new Map([['a', 'A']])
    const { processor } = setUp(t, { storage: kept })
    const expected =
      'a tier ({ name, mget, mset, mdelete }), a storage of plain values (mget or get, mset or set, mdelete or delete), or an array of these'
    for (const [storage, shown] of [
      [undefined, 'undefined'],
      [{}, 'an object'],
      ['redis', '"redis" (string)'],
      [[null], 'an array'],
    ] as const) {
      assertComplaint(
        thrownBy(() => processor.initializeStorage(storage as never)),
        { message: `storage: expected ${expected}, received ${shown}`, code: 'ERR_INVALID_OPTION' },
      )
    }
    assert.equal(processor.getStorage(), kept)
    assert.equal(await processor.get('a'), 'A')
  })
})

describe('on', () => {
  test('says what is wrong with the name or the listener', (t) => {
    const { processor } = setUp(t)
    const names =
      "expected one of 'stall', 'crash', 'groupBreakerOpen', 'tierError', 'tierBreakerOpen', 'refreshError', 'callbackError'"
    assertComplaint(
      thrownBy(() => processor.on('stalled' as never, () => {})),
      { message: `on(name): ${names}, received "stalled" (string)`, code: 'ERR_INVALID_OPTION', isRange: true },
    )
    assertComplaint(
      thrownBy(() => processor.on('stall', null as never)),
      { message: 'on(listener): expected a function, received null', code: 'ERR_INVALID_OPTION' },
    )
  })
})
