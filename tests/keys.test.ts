import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { SluiceError } from '../js/index.js'
import { reasonOf, setUp, thrownBy } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'

const MIB = 2 ** 20

/** Any two of them are different keys. */
const ODD = [
  '',
  ' ',
  'a',
  'a\0',
  'a\0b',
  '\0',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'prototype',
  'undefined',
  'null',
  '0',
  '-0',
  'NaN',
  'é'.normalize('NFC'),
  'é'.normalize('NFD'),
  'A',
  '\ud83d',
  '\ude00',
  '\ud83d\ude00',
  '\ude00\ud83d',
  '\ud800',
  '\udfff',
  '\ufffd',
  'a\ud800',
  '\udc00a',
  '\ud800\ud800',
  '\ud800\ud800\udc00',
  '\ufeff',
  '\ufeffa',
  '\uffff',
  '\u007f',
  '\u0080',
  '\u07ff',
  '\u0800',
  '\u{10ffff}',
  'a:b',
  'a/b',
  '../../etc/passwd',
  'ab',
  'bA',
  '\r\n',
  '%2e%2e',
]

/** Keys as they are, so that a failure can be read. */
const shown = (keys: readonly string[]) => keys.map((key) => JSON.stringify(key))

describe('odd keys', () => {
  for (const [what, keys] of [
    ['one by one', ODD.map((key) => [key])],
    ['all in one batch', [ODD]],
    ['in one batch, the other way round', [[...ODD].reverse()]],
  ] as const) {
    test(`${what}: all distinct, all right, and given back exactly`, async (t) => {
      const { processor } = setUp(t)
      for (const batch of keys) {
        assert.deepEqual(shown(await processor.getCachedDataBatch(batch.map((key) => ready(key, key)))), shown(batch))
      }
      assert.equal(processor.memory.size, ODD.length)
      for (const batch of keys) assert.deepEqual(shown(await processor.getCachedDataBatch(batch.map(unwanted))), shown(batch))
      assert.deepEqual(shown([...processor.memory.keys()]).sort(), shown(ODD).sort())
      for (const key of ODD) assert.equal(processor.memory.get(key), key)
    })
  }

  test('lone surrogates side by side do not make a pair, however they lie in a batch', async (t) => {
    const { processor } = setUp(t)
    const batches = [
      ['\ud83d', '\ude00'],
      ['\ud83d\ude00'],
      ['\ud83d', '\ude00', '\ud83d\ude00', '\ude00', '\ud83d'],
      ['x\ud83d', '\ude00x'],
      ['\ud83d', '', '\ude00'],
    ]
    for (const batch of batches) {
      assert.deepEqual(shown(await processor.getCachedDataBatch(batch.map((key) => ready(key, key)))), shown(batch))
    }
    assert.equal(processor.memory.size, 6)
  })

  test('set, delete and invalidate mean one key and no other', async (t) => {
    const { processor } = setUp(t)
    await processor.mset(ODD.map((key) => ({ key, value: key })))
    for (const [index, key] of ODD.entries()) {
      if (index % 2 === 0) assert.equal(await processor.delete(key), 1)
      else assert.equal(await processor.invalidate({ keys: [key] }), 1)
      assert.equal(processor.memory.size, ODD.length - index - 1)
      assert.equal(processor.memory.has(key), false)
    }
  })

  test('groups by prefix: each key goes to its own group', async (t) => {
    const { processor } = setUp(t)
    const keys = ODD.flatMap((part) => [`${part}:${part}:1`, `${part}:${part}:2`])
    const seen = new Map<string, readonly string[]>()
    const results = await processor.getCachedDataBatch<string>(keys.map(unwanted), {
      groupFetch: ({ groupKey, keys }) => {
        seen.set(groupKey, keys)
        return [...keys]
      },
    })
    assert.deepEqual(shown(results), shown(keys))
    for (const [groupKey, keys] of seen) for (const key of keys) assert.equal(key.split(':').slice(0, 2).join(':'), groupKey)
  })

  test('as answers of a groupFetch, in an object too', async (t) => {
    const { processor } = setUp(t)
    const answer = Object.fromEntries(ODD.map((key) => [key, `<${key}>`]))
    const options = { groupingStrategy: 'custom' as const, customGrouper: () => 'all', groupFetch: () => answer }
    assert.deepEqual(
      await processor.getCachedDataBatch<string>(ODD.map(unwanted), options),
      ODD.map((key) => `<${key}>`),
    )
  })

  test('leave Object.prototype as it was', async (t) => {
    const before = Object.getOwnPropertyNames(Object.prototype)
    const { processor } = setUp(t)
    await processor.mset(ODD.map((key) => ({ key, value: { polluted: true }, tags: [key] })))
    for (const key of ODD) await processor.invalidate({ tag: key })
    assert.deepEqual(Object.getOwnPropertyNames(Object.prototype), before)
    assert.equal(({} as { polluted?: boolean }).polluted, undefined)
  })
})

describe('any two strings', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.constantFrom('\ud83d', '\ude00', 'a', ':', '\0', 'é'), { maxLength: 4 }).map((units) => units.join('')),
    fc.array(fc.nat(0xffff), { maxLength: 4 }).map((units) => String.fromCharCode(...units)),
  )

  test('are two keys if and only if they differ', async (t) => {
    const { processor } = setUp(t, { maxEntries: 100_000 })
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 30 }), async (keys) => {
        processor.memory.clear()
        const results = await processor.getCachedDataBatch(keys.map((key) => ready(key, key)))
        assert.deepEqual(shown(results), shown(keys))
        assert.deepEqual(shown([...processor.memory.keys()]).sort(), shown([...new Set(keys)]).sort())
        assert.deepEqual(shown(await processor.getCachedDataBatch(keys.map(unwanted))), shown(keys))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('long keys', () => {
  for (const [what, unit, bytes] of [
    ['ASCII', 'x', 1],
    ['two bytes', 'é', 2],
    ['three bytes', '€', 3],
    ['a lone surrogate', '\ud800', 3],
  ] as const) {
    const longest = unit.repeat(Math.floor(MIB / bytes))

    test(`of ${what} may have 1 MiB`, async (t) => {
      const { processor } = setUp(t)
      assert.deepEqual(await processor.getCachedDataBatch([ready('a', 1), ready(longest, 2), ready('b', 3)]), [1, 2, 3])
      assert.equal(processor.memory.get(longest), 2)
      assert.ok([...processor.memory.keys()].includes(longest))
    })

    test(`of ${what} may have no more, and nothing is done then`, async (t) => {
      const { processor } = setUp(t)
      const key = longest + unit
      const size = key.length * bytes
      const error = (await reasonOf(processor.getCachedDataBatch([unwanted('a'), unwanted(key)]))) as SluiceError
      assert.equal(error.code, 'ERR_KEY_TOO_LARGE')
      assert.ok(error instanceof RangeError)
      assert.equal(error.message, `requests[1].key: expected at most 1048576 bytes, received ${size}`)
      assert.equal((thrownBy(() => processor.memory.get(key)) as SluiceError).code, 'ERR_KEY_TOO_LARGE')
      assert.equal((thrownBy(() => processor.memory.set(key, 1)) as SluiceError).code, 'ERR_KEY_TOO_LARGE')
      assert.equal(processor.memory.size, 0)
      assert.equal(await processor.getCachedData('a', () => 'still works'), 'still works')
    })
  }

  test('are limited by maxKeyBytes', async (t) => {
    const { processor } = setUp(t, { maxKeyBytes: 4 })
    assert.equal(await processor.getCachedData('four', () => 1), 1)
    assert.equal(((await reasonOf(processor.getCachedData('five5', () => 1))) as SluiceError).code, 'ERR_KEY_TOO_LARGE')
    assert.equal(((await reasonOf(processor.getCachedData('€€', () => 1))) as SluiceError).code, 'ERR_KEY_TOO_LARGE')
    assert.deepEqual(await processor.getCachedDataBatch(['ab', 'cd', 'ef', 'gh'].map((key) => ready(key, key))), [
      'ab',
      'cd',
      'ef',
      'gh',
    ])
  })
})

describe('many keys', () => {
  test('a hundred thousand in one batch, and again from memory', async (t) => {
    const { processor } = setUp(t, { maxEntries: 100_000 })
    const keys = Array.from({ length: 100_000 }, (_, index) => `key ${index} ${'é'.repeat(index % 3)}`)
    assert.deepEqual(await processor.getCachedDataBatch(keys.map((key) => ready(key, key))), keys)
    assert.deepEqual(await processor.getCachedDataBatch(keys.map(unwanted)), keys)
    assert.equal(processor.memory.size, 100_000)
  })

  test('known to collide under DJB2 and its like are distinct', async (t) => {
    const { processor } = setUp(t)
    const parts = ['Ez', 'FY', 'G8', 'ab', 'bA', 'c ']
    const keys = parts.flatMap((a) => parts.flatMap((b) => parts.flatMap((c) => parts.map((d) => a + b + c + d))))
    assert.deepEqual(await processor.getCachedDataBatch(keys.map((key) => ready(key, key))), keys)
    assert.equal(processor.memory.size, keys.length)
  })
})

describe('a request whose key is another each time it is read', () => {
  test('costs nobody else anything', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('kept', 1)
    let reads = 0
    const shifty = {
      get key() {
        return 'x'.repeat(++reads % 7)
      },
      fetchFunction: () => 'shifty',
    }
    for (let round = 0; round < 20; round++) {
      await processor.getCachedDataBatch<unknown>([ready('a', 'A'), shifty, ready('b', 'B')]).then(
        (results) => assert.equal(results.length, 3),
        (error) => assert.ok(error instanceof TypeError || error instanceof RangeError, String(error)),
      )
    }
    assert.equal(processor.memory.get('kept'), 1)
    assert.equal(await processor.getCachedData('c', () => 'C'), 'C')
  })
})
