/** Faults A1 to A20: what is asked for, keys above all. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BatchProcessor, type BatchRequest, type InvalidTypeError, type SluiceError } from '../../js/index.js'
import { wasmMemory } from '../support/crossings.js'
import { reasonOf, setUp, thrownBy } from '../support/set-up.js'
import { ready, unwanted } from '../support/source.js'
import { MapTier } from '../support/tiers.js'
import { SOAK, settled } from './support.js'

const { POSITIVE_INFINITY } = Number
const MIB = 2 ** 20

/** Each key is stored, read and loaded as itself, in memory and in a tier, and by a processor that only the tier tells of them. */
async function assertDistinct(keys: readonly string[]): Promise<void> {
  const tier = new MapTier()
  const first = new BatchProcessor({ storage: tier, maxEntries: 1_000_000 })
  assert.deepEqual(await first.getCachedDataBatch(keys.map((key, at) => ready(key, at))), [...keys.keys()])
  assert.deepEqual(await first.getCachedDataBatch(keys.map(unwanted)), [...keys.keys()])
  assert.deepEqual(new Set(first.memory.keys()), new Set(keys))
  await first.close()
  assert.equal(tier.kept.size, keys.length)
  const second = new BatchProcessor({ storage: tier, maxEntries: 1_000_000 })
  assert.deepEqual(await second.getCachedDataBatch([...keys].reverse().map(unwanted)), [...keys.keys()].reverse())
  await second.close()
}

describe('requests', () => {
  const NO_ARRAYS: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['an object', {}],
    ['an object', { length: 1, 0: ready('a', 1) }],
    ['an object', new Set([ready('a', 1)])],
    ['"a" (string)', 'a'],
    ['1 (number)', 1],
    ['a function', () => []],
  ]

  for (const [shown, requests] of NO_ARRAYS) {
    test(`A1 ${shown} for requests is a TypeError, by rejection, and nothing is done`, async (t) => {
      const { processor, clock } = setUp(t)
      const calls = [
        processor.getCachedDataBatch(requests as never),
        processor.getCachedDataBatchSettled(requests as never),
        processor.prefetch(requests as never),
        processor.plan(requests as never),
        processor.streamCachedDataBatch(requests as never).next(),
      ]
      for (const call of calls.map(reasonOf)) {
        const reason = (await call) as InvalidTypeError
        assert.ok(reason instanceof TypeError)
        assert.equal(reason.code, 'ERR_INVALID_REQUESTS')
        assert.equal(reason.message, `requests: expected an array, received ${shown}`)
      }
      assert.equal((await processor.metrics()).requested, 0)
      assert.deepEqual(clock.asked, [])
    })
  }

  for (const [shown, request] of [
    ['null', null],
    ['undefined', undefined],
    ['"a" (string)', 'a'],
  ] as const) {
    test(`A1 ${shown} among the requests is a TypeError that says where, and nothing is done`, async (t) => {
      const { processor, source } = setUp(t)
      const reason = (await reasonOf(processor.getCachedDataBatch([source.request('a'), request as never]))) as InvalidTypeError
      assert.equal(reason.code, 'ERR_INVALID_REQUESTS')
      assert.equal(reason.message, `requests[1]: expected an object, received ${shown}`)
      assert.equal(source.calls.length, 0)
    })
  }

  test('A1 a hole among the requests is one of undefined', async (t) => {
    const { processor } = setUp(t)
    const requests = new Array<BatchRequest<number>>(2)
    requests[1] = ready('a', 1)
    assert.equal(
      ((await reasonOf(processor.getCachedDataBatch(requests))) as Error).message,
      'requests[0]: expected an object, received undefined',
    )
  })

  test('A2 no requests have no results, and start no timer', async (t) => {
    const { processor, clock } = setUp(t)
    assert.deepEqual(await processor.getCachedDataBatch([]), [])
    assert.deepEqual(await processor.getCachedDataBatchSettled([]), [])
    assert.deepEqual(await processor.plan([]), { requests: [], calls: 0, groups: [] })
    assert.deepEqual(await processor.streamCachedDataBatch([]).next(), { done: true, value: undefined })
    await processor.prefetch([])
    assert.deepEqual(await processor.mget([]), [])
    await processor.mset([])
    assert.equal(await processor.delete([]), 0)
    assert.deepEqual(clock.asked, [])
    assert.equal((await processor.metrics()).requested, 0)
  })

  test('A4 what becomes of the array and its requests after the call, or during a callback, is of no consequence', async (t) => {
    const { processor, source } = setUp(t)
    const requests = source.requests('a', 'b', 'c', 'd')
    const asked = processor.getCachedDataBatch(requests, { maxConcurrency: 1 })
    const spoil = (): void => {
      for (const request of requests) {
        request.key = 'spoilt'
        request.fetchFunction = () => 'spoilt'
        request.ttl = 0
      }
      requests.length = 0
      requests.push(ready('more', 'more'))
    }
    spoil()
    for (const key of ['a', 'b', 'c', 'd']) {
      assert.equal(source.call(-1).key, key)
      source.call(-1).resolve(key.toUpperCase())
      spoil()
      await settled(1)
    }
    assert.deepEqual(await asked, ['A', 'B', 'C', 'D'])
    assert.deepEqual(await processor.getCachedDataBatch(['a', 'b', 'c', 'd'].map(unwanted)), ['A', 'B', 'C', 'D'])
  })

  test('A4 a groupFetch that spoils what it is given spoils nothing', async (t) => {
    const { processor } = setUp(t)
    const results = await processor.getCachedDataBatch([ready('g:g:1', 1), ready('g:g:2', 2), ready('g:g:3', 3)], {
      groupFetch: ({ keys, requests }) => {
        const answer = new Map(keys.slice(0, 2).map((key) => [key, Number(key.at(-1))]))
        for (const request of requests) request.key = 'spoilt'
        ;(keys as string[]).length = 0
        ;(requests as unknown[]).length = 0
        return answer
      },
    })
    assert.deepEqual(results, [1, 2, 3])
    assert.deepEqual(await processor.mget(['g:g:1', 'g:g:2', 'g:g:3', 'spoilt']), [1, 2, 3, undefined])
  })
})

describe('keys', () => {
  test('A6 the empty string is a key like any other', async () => {
    await assertDistinct(['', ' ', 'undefined', 'null', '\0'])
  })

  const NO_KEYS: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['a symbol', Symbol('a')],
    ['a function', () => 'a'],
    ['an object', { toString: () => 'a' }],
    ['an object', new String('a')],
    ['an array', ['a']],
    ['true (boolean)', true],
  ]
  const NUMBERS: [string, unknown][] = [
    ['1 (number)', 1],
    ['-0 (number)', -0],
    ['NaN (number)', Number.NaN],
    ['1e+21 (number)', 1e21],
    ['10n (bigint)', 10n],
  ]
  for (const [name, keys] of [
    ['A7', NO_KEYS],
    ['A8', NUMBERS],
  ] as const) {
    for (const [shown, key] of keys) {
      test(`${name} ${shown} is no key: nothing is coerced, nothing is done`, async (t) => {
        const { processor, source } = setUp(t)
        const { memory } = processor
        const received = `expected a string, received ${shown}`
        const given = key as string
        for (const [call, message] of [
          [
            () => processor.getCachedDataBatch([ready('a', 1), { ...source.request('b'), key: given }]),
            `requests[1].key: ${received}`,
          ],
          [() => processor.getCachedData(given, source.fetch), `requests[0].key: ${received}`],
          [() => processor.mget([given]), `keys[0]: ${received}`],
          [() => processor.get(given), `keys[0]: ${received}`],
          [() => processor.has(given), `keys[0]: ${received}`],
          [() => processor.set(given, 1), `entries[0].key: ${received}`],
          [() => processor.delete([given]), `keys[0]: ${received}`],
        ] as const) {
          const reason = (await reasonOf(call())) as SluiceError
          assert.equal(reason.message, message)
          assert.equal(reason.code, 'ERR_INVALID_KEY')
          assert.ok(reason instanceof TypeError)
        }
        for (const call of [
          () => memory.get(given),
          () => memory.peek(given),
          () => memory.has(given),
          () => memory.set(given, 1),
          () => memory.delete(given),
        ]) {
          assert.equal((thrownBy(call) as SluiceError).code, 'ERR_INVALID_KEY')
        }
        assert.equal(memory.size, 0)
        assert.equal(source.calls.length, 0)
      })
    }
  }

  test('A9 lone surrogates are keys of their own, in memory and in tiers', async () => {
    const units = ['\ud800', '\udbff', '\udc00', '\udfff', '\ufffd', '\ud800\udc00', '\udc00\ud800', '\udfff\udfff']
    await assertDistinct([...units, ...units.flatMap((unit) => [`a${unit}`, `${unit}a`])])
  })

  test('A9 halves of a pair that meet where two keys of a batch do stay halves', async (t) => {
    const { processor } = setUp(t)
    const keys = ['x\ud83d', '\ude00y', 'x\ud83d\ude00y', '\ude00y\ud83d', '\ud83d', '\ude00']
    assert.deepEqual(await processor.getCachedDataBatch(keys.map((key, at) => ready(key, at))), [0, 1, 2, 3, 4, 5])
    assert.deepEqual(await processor.getCachedDataBatch([...keys].reverse().map(unwanted)), [5, 4, 3, 2, 1, 0])
  })

  test('A10 a NUL is a character like any other', async () => {
    await assertDistinct(['a', 'a\0', 'a\0b', 'a\0\0', '\0a', '\0', 'ab'])
  })

  test('A11 nothing is normalised', async () => {
    await assertDistinct(['é'.normalize('NFC'), 'é'.normalize('NFD'), '\u212b', '\u00c5', 'ﬁ', 'fi', 'ſ', 's'])
  })

  test('A12 nothing is folded', async () => {
    await assertDistinct(['A', 'a', 'ß', 'ẞ', 'SS', 'İ', 'i', 'ı', 'I'])
  })

  const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', 'prototype', '__defineGetter__']
  const prototypeOf = () => Object.getOwnPropertyNames(Object.prototype).sort()

  test('A13 what objects inherit are keys, groups and tags like any others, and Object.prototype stays as it is', async (t) => {
    const before = prototypeOf()
    await assertDistinct(NAMES)
    const { processor } = setUp(t)
    const requests = NAMES.flatMap((name) => [1, 2].map((at) => ready(`${name}:${name}:${at}`, 0, { tags: [name] })))
    const groups: string[] = []
    const results = await processor.getCachedDataBatch(requests, {
      groupingStrategy: 'custom',
      customGrouper: (key) => key.split(':')[0],
      groupFetch: ({ groupKey, keys }) => {
        groups.push(groupKey)
        // As it comes from JSON, where `__proto__` is a property of its own.
        return JSON.parse(`{${keys.map((key) => `${JSON.stringify(key)}: ${JSON.stringify(`${groupKey} ${key}`)}`)}}`)
      },
    })
    assert.deepEqual(groups, NAMES)
    assert.deepEqual(
      results,
      NAMES.flatMap((name) => [1, 2].map((at) => `${name} ${name}:${name}:${at}`)),
    )
    for (const name of NAMES) assert.equal(await processor.invalidate({ tag: name }), 2)
    assert.equal(processor.memory.size, 0)
    assert.deepEqual(prototypeOf(), before)
  })

  test('A13 a groupFetch may answer an object whose keys are what objects inherit, and inherits none', async (t) => {
    const { processor } = setUp(t)
    const options = { groupingStrategy: 'custom', customGrouper: () => 'all', onMissing: 'null' } as const
    const answered = JSON.parse('{"__proto__": 1, "constructor": 2}')
    const results = await processor.getCachedDataBatch<unknown>(NAMES.map(unwanted), { ...options, groupFetch: () => answered })
    assert.deepEqual(results, [1, 2, null, null, null, null, null])
  })

  test('A13 tiers so named are counted like any others', async (t) => {
    for (const name of NAMES) {
      const { processor } = setUp(t, {
        storage: new MapTier(name, [
          ['a', 1],
          ['b', 2],
        ]),
      })
      const outcomes = await processor.getCachedDataBatchSettled([unwanted('a'), unwanted('b')])
      assert.deepEqual(
        outcomes.map(({ source }) => source),
        [name, name],
      )
      const [metrics] = processor.monitor.getHistory()
      assert.deepEqual(Object.entries(metrics?.tierHits ?? {}), [[name, 2]])
      processor.monitor.recordBatch({ ...(metrics as NonNullable<typeof metrics>), tierHits: {} })
      assert.deepEqual(Object.entries(processor.monitor.getAverageMetrics()?.tierHits ?? {}), [[name, 1]])
    }
  })

  test('A18 where a key ends and the next begins, or its prefix, is no matter of concatenation', async (t) => {
    await assertDistinct(['a', 'b:c', 'a:b', 'c', 'a:b:c', 'ab:c', 'a:bc', ':', '::', 'a:', ':a', '', 'a:b:', ':a:b'])
    const { processor } = setUp(t)
    const groups: string[] = []
    await processor.getCachedDataBatch(
      ['a:b:c', 'a:b:d', 'a:bc:', 'a:bc:x', 'ab::c', 'ab::d', 'a:b', ':a:b', ':a:c'].map((key) => ready(key, key)),
      {
        groupFetch: ({ groupKey, keys }) => {
          groups.push(`${groupKey} of ${keys}`)
          return [...keys]
        },
      },
    )
    assert.deepEqual(groups, ['a:b of a:b:c,a:b:d,a:b', 'a:bc of a:bc:,a:bc:x', 'ab: of ab::c,ab::d', ':a of :a:b,:a:c'])
  })

  test('A18 processors share nothing: the same key in two of them is two entries', async (t) => {
    const { processor: one } = setUp(t)
    const { processor: other } = setUp(t)
    assert.equal(await one.getCachedData('k', () => 'one'), 'one')
    assert.equal(await other.getCachedData('k', () => 'other'), 'other')
    assert.equal(one.memory.get('k'), 'one')
    await other.clear()
    assert.equal(one.memory.get('k'), 'one')
  })

  test('A19 keys that weak hashes take for one another are distinct', async () => {
    const PAIRS = [
      ['ab', 'bA'], // DJB2
      ['Aa', 'BB'], // Java's
      ['costarring', 'liquid'], // FNV-1 and FNV-1a, 32 bits
      ['declinate', 'macallums'],
      ['plumless', 'buckeroo'], // CRC-32
      ['codding', 'gnu'],
    ]
    // All words of so many pairs collide, too.
    const words = Array.from({ length: 2 ** 12 }, (_, bits) =>
      Array.from({ length: 12 }, (_, at) => ((bits >> at) & 1 ? 'Aa' : 'BB')).join(''),
    )
    await assertDistinct([...PAIRS.flat(), ...words])
  })
})

describe('many and long keys', () => {
  test('A15 a key may have as many bytes as maxKeyBytes says, and not one more', async (t) => {
    for (const unit of ['x', 'é', '語', '😀', '\ud800']) {
      const bytes = Buffer.byteLength(unit)
      const longest = unit.repeat(MIB / 2 / bytes)
      const maxKeyBytes = Buffer.byteLength(longest)
      const { processor, source } = setUp(t, { maxKeyBytes })
      assert.equal(await processor.getCachedData(longest, () => 1), 1)
      assert.equal(await processor.getCachedData(longest, source.fetch), 1)
      const tooLong = `${longest}x`
      const expected = `expected at most ${maxKeyBytes} bytes, received ${maxKeyBytes + 1}`
      const reason = (await reasonOf(processor.getCachedDataBatch([source.request('a'), source.request(tooLong)]))) as SluiceError
      assert.equal(reason.message, `requests[1].key: ${expected}`)
      assert.equal(reason.code, 'ERR_KEY_TOO_LARGE')
      assert.ok(reason instanceof RangeError)
      for (const call of [
        () => processor.memory.get(tooLong),
        () => processor.memory.set(tooLong, 1),
        () =>
          processor.memory.mset([
            { key: 'a', value: 1 },
            { key: tooLong, value: 1 },
          ]),
        () => processor.memory.delete(tooLong),
      ]) {
        assert.equal((thrownBy(call) as SluiceError).code, 'ERR_KEY_TOO_LARGE')
      }
      assert.equal(((await reasonOf(processor.plan([source.request(tooLong)]))) as SluiceError).code, 'ERR_KEY_TOO_LARGE')
      assert.equal(source.calls.length, 0)
      assert.deepEqual([...processor.memory.keys()], [longest])
    }
  })

  test('A15 what is too long is not copied into the engine, whose memory never shrinks', async (t) => {
    const { processor } = setUp(t)
    const { memory } = processor
    await processor.getCachedData('a', () => 1)
    const before = wasmMemory().buffer.byteLength
    const tooLong = 'x'.repeat(16 * MIB)
    for (const call of [
      () => processor.getCachedData(tooLong, () => 1),
      () => processor.getCachedDataBatch([ready('b', 1), ready(tooLong, 1)]),
      () => processor.get(tooLong),
      () => processor.set(tooLong, 1),
      () => processor.delete(tooLong),
      async () => memory.get(tooLong),
      async () =>
        memory.mset([
          { key: 'b', value: 1 },
          { key: tooLong, value: 1 },
        ]),
      async () => memory.mdelete(['b', tooLong]),
    ]) {
      assert.equal(((await reasonOf(call())) as SluiceError).code, 'ERR_KEY_TOO_LARGE')
    }
    assert.equal(wasmMemory().buffer.byteLength, before)
    assert.equal(memory.get('a'), 1)
  })

  test('A15 a key too long anywhere in a large batch is found before any work', async (t) => {
    const { processor, source } = setUp(t, { maxKeyBytes: 100 })
    const requests = Array.from({ length: 20_000 }, (_, at) => source.request(at === 17_000 ? 'x'.repeat(101) : `${at}`))
    const reason = (await reasonOf(processor.getCachedDataBatch(requests))) as SluiceError
    assert.equal(reason.message, 'requests[17000].key: expected at most 100 bytes, received 101')
    assert.equal(source.calls.length, 0)
    assert.equal((await processor.metrics()).requested, 0)
    assert.equal(await processor.getCachedData('1', () => 'one'), 'one')
  })

  test('A15 many long keys in one batch cross a few at a time', async (t) => {
    const { processor } = setUp(t)
    const requests = Array.from({ length: 96 }, (_, at) => ready(`${at}:`.padEnd(MIB / 2, 'x'), at))
    await processor.getCachedData('a', () => 1)
    const before = wasmMemory().buffer.byteLength
    const { calls } = await processor.plan(requests)
    assert.equal(calls, 96)
    const grown = (wasmMemory().buffer.byteLength - before) / MIB
    assert.ok(grown < 24, `${grown} MiB more for 48 MiB of keys`)
    // Loads in flight and entries have their keys, and nothing else.
    assert.deepEqual(await processor.getCachedDataBatch(requests), [...requests.keys()])
    assert.deepEqual(await processor.getCachedDataBatch(requests), [...requests.keys()])
  })

  test('A16 a hundred thousand keys in one batch: right, and in a time that grows as their number', async (t) => {
    const ask = async (count: number, options = {}): Promise<number> => {
      const processor = new BatchProcessor({ maxEntries: 2_000_000 })
      const requests = Array.from({ length: count }, (_, at) => ready(`user:${at % 1000}:${at}`, at))
      const start = performance.now()
      const cold = await processor.getCachedDataBatch(requests, options)
      const warm = await processor.getCachedDataBatch(requests, options)
      const ms = performance.now() - start
      for (const results of [cold, warm]) assert.ok(results.every((result, at) => result === at))
      await processor.clear()
      return ms
    }
    const least = Math.min(await ask(10_000), await ask(10_000))
    const ms = await ask(100_000 * SOAK)
    const ratio = ms / least / (10 * SOAK)
    t.diagnostic(`${100_000 * SOAK} keys: ${Math.round(ms)} ms, ${ratio.toFixed(1)} times as long per key as 10,000`)
    assert.ok(ratio < 8, `${ms} ms; 10,000 keys took ${least} ms`)
  })

  test('A16 while a large batch is under way, no more of it happens between two turns than may run at once', async (t) => {
    const { processor } = setUp(t, { maxEntries: 200_000 })
    const LIMIT = 50
    let sinceTurn = 0
    let most = 0
    let isDone = false
    const turn = (): void => {
      sinceTurn = 0
      if (!isDone) setImmediate(turn)
    }
    const fetchFunction = ({ key }: { key: string }): Promise<string> => {
      most = Math.max(most, ++sinceTurn)
      return new Promise((resolve) => setImmediate(() => resolve(key)))
    }
    const keys = Array.from({ length: 50_000 }, (_, at) => `user:${at}`)
    const asked = processor.getCachedDataBatch(
      keys.map((key) => ({ key, fetchFunction })),
      { maxConcurrency: LIMIT },
    )
    turn()
    assert.deepEqual(await asked, keys)
    isDone = true
    // What was answered just before a turn and just after it may begin the next of both.
    assert.ok(most <= 2 * LIMIT, `${most} callbacks between two turns`)
  })

  test('A16 what a large batch takes in the engine is used again by the next ones', async (t) => {
    const { processor } = setUp(t, { maxEntries: 1000 })
    const requests = Array.from({ length: 100_000 }, (_, at) => ready(`user:${at}`, at))
    const first = await processor.getCachedDataBatch(requests)
    // The second finds holes where lists of the first grew, and may need another place.
    assert.deepEqual(await processor.getCachedDataBatch(requests), first)
    const before = wasmMemory().buffer.byteLength
    for (let round = 0; round < 4; round++) assert.deepEqual(await processor.getCachedDataBatch(requests), first)
    assert.equal(wasmMemory().buffer.byteLength, before)
  })

  test('A17 ten thousand requests for one key are one load and ten thousand results', async (t) => {
    const { processor, source } = setUp(t)
    const value = {}
    const asked = processor.getCachedDataBatch(Array.from({ length: 10_000 }, () => source.request('a')))
    source.call(0).resolve(value)
    const results = await asked
    assert.equal(results.length, 10_000)
    assert.ok(results.every((result) => result === value))
    assert.equal(source.calls.length, 1)
  })

  test('A20 keys with a pattern cost no more than random ones', (t) => {
    const COUNT = 20_000
    const shapes: Record<string, (at: number) => string> = {
      random: (at) => `${Math.imul(at, 0x9e3779b1) >>> 0}:${Math.imul(at ^ 0x5bd1e995, 0x85ebca6b) >>> 0}`,
      // What V8 takes for array indices and hashes by their value.
      indices: (at) => String(at),
      strided: (at) => String(at * 65_536),
      // What multiplies and xors, or adds 31 times, takes for one another.
      'Aa and BB': (at) => Array.from({ length: 16 }, (_, bit) => ((at >> bit) & 1 ? 'Aa' : 'BB')).join(''),
      'the same but for the end': (at) => `${'x'.repeat(24)}${at}`,
      'the same but for the beginning': (at) => `${at}${'x'.repeat(24)}`,
      'only high bits differ': (at) => String.fromCharCode(at >> 8, 0, 0, 0, at & 255, 0, 0, 0),
    }
    const runs = Object.entries(shapes).map(([name, shape]) => {
      const entries = Array.from({ length: COUNT }, (_, at) => ({ key: shape(at), value: at }))
      return { name, entries, keys: entries.map(({ key }) => key), ms: POSITIVE_INFINITY }
    })
    // In turns, for what else runs here comes and goes.
    for (let round = 0; round < 5; round++) {
      for (const run of runs) {
        const { memory } = new BatchProcessor({ maxEntries: COUNT })
        const start = performance.now()
        memory.mset(run.entries)
        memory.mget(run.keys)
        run.ms = Math.min(run.ms, performance.now() - start)
        assert.equal(memory.size, COUNT)
        memory.clear()
      }
    }
    const [random] = runs
    assert.ok(random)
    for (const { name, ms } of runs) {
      t.diagnostic(`${name}: ${(ms / random.ms).toFixed(2)} times as long as random keys`)
      // Some keys are longer. A run of collisions would take thousands of times as long.
      assert.ok(ms < random.ms * 5, `${name}: ${ms} ms, random: ${random.ms} ms`)
    }
  })
})
