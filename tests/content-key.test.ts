/** Keys of content: what they are, by node:crypto over the documented encoding. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { type ContentPart, contentKey } from '../js/content-key/index.js'
import { SluiceError } from '../js/index.js'

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()
const size = (count: number): Buffer => Buffer.from(Uint32Array.of(count).buffer)
const text = (tag: string, value: string): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from(tag), size(bytes.length), bytes])
}

/** The encoding that content-key.ts documents, for well-formed strings. */
function encode(value: ContentPart): Buffer {
  if (typeof value === 'string') return text('s', value)
  if (typeof value === 'bigint') return text('i', `${value}`)
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(9, 'n')
    bytes.writeDoubleLE(value === 0 ? 0 : value, 1)
    return bytes
  }
  if (value === undefined) return Buffer.from('u')
  if (value === null) return Buffer.from('0')
  if (typeof value === 'boolean') return Buffer.from(value ? 't' : 'f')
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from('b'), sha256(value)])
  if (Array.isArray(value)) return Buffer.concat([Buffer.from('a'), size(value.length), ...value.map(encode)])
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Buffer.concat([
    Buffer.from('o'),
    size(entries.length),
    ...entries.flatMap(([name, of]) => [text('s', name), encode(of)]),
  ])
}

const expected = (...parts: ContentPart[]): string =>
  sha256(Buffer.concat([Buffer.from('c'), size(parts.length), ...parts.map(encode)])).toString('hex')

const SHUFFLED = { runs: Number(process.env.SLUICE_SOAK ?? 1) * 300 }

describe('contentKey', () => {
  test('is of the promised value, for ever', () => {
    assert.equal(contentKey(), 'd79ef439f348fdd87e192a31bd74234159465dd5d5c80991c29a8fc716c2aa61')
  })

  test('is SHA-256 of the documented encoding', () => {
    const part = fc.letrec<{ part: ContentPart }>((tie) => ({
      part: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'grapheme' }),
        fc.double(),
        fc.integer(),
        fc.bigInt(),
        fc.boolean(),
        fc.constantFrom(null, undefined),
        fc.uint8Array(),
        fc.array(tie('part')),
        fc.dictionary(fc.string(), tie('part')),
      ) as fc.Arbitrary<ContentPart>,
    })).part
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        assert.equal(contentKey(...parts), expected(...parts))
      }),
      { numRuns: SHUFFLED.runs },
    )
  })

  test('is so for strings and bytes of all sizes', () => {
    for (const length of [
      0, 1, 55, 56, 63, 64, 65, 119, 120, 255, 256, 257, 65_500, 65_530, 65_535, 65_536, 65_537, 131_072, 300_001,
    ]) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 31) >> 3)
      assert.equal(contentKey(bytes), expected(bytes), `${length} bytes`)
      assert.equal(contentKey('x'.repeat(length)), expected('x'.repeat(length)), `${length} characters`)
    }
  })

  test('is another one for whatever is something else', () => {
    const different: ContentPart[][] = [
      [],
      [''],
      ['a'],
      ['a', 'b'],
      ['ab'],
      ['a', ''],
      [['a', 'b']],
      [['a'], 'b'],
      ['1'],
      [1],
      [1n],
      [true],
      [false],
      ['true'],
      [null],
      [undefined],
      ['null'],
      [[]],
      [{}],
      [[[]]],
      [{ a: 1 }],
      [{ a: '1' }],
      [{ a: undefined }],
      [['a', 1]],
      [{ b: 1 }],
      [{ a: { b: 1 } }],
      [{ a: {}, b: 1 }],
      [new Uint8Array()],
      [new Uint8Array([97])],
      [Number.NaN],
      [Number.POSITIVE_INFINITY],
      ['\ud800'],
      ['\udfff'],
      ['\ufffd'],
      ['\ud800\udc00'],
      ['\ud800', '\udc00'],
      ['é'],
      ['e\u0301'],
      ['a\0'],
      [sha256(new Uint8Array([97]))],
    ]
    assert.equal(new Set(different.map((parts) => contentKey(...parts))).size, different.length)
  })

  test('is the same for what is the same', () => {
    const same: ContentPart[][][] = [
      [
        [{ a: 1, b: [2] }],
        [{ b: [2], a: 1 }],
        [Object.assign(Object.create(null), { b: [2], a: 1 })],
        [runInNewContext('({ b: [2], a: 1 })')],
      ],
      [[0], [-0]],
      [[Number.NaN], [new Float64Array(new BigUint64Array([0x7ff0000000000001n]).buffer)[0] as number]],
      [[Buffer.from('abc')], [new Uint8Array([97, 98, 99])], [Buffer.from('xabcx').subarray(1, 4)]],
      [[[1, 2]], [Object.freeze([1, 2])]],
    ]
    for (const [first, ...others] of same)
      for (const other of others) assert.equal(contentKey(...other), contentKey(...(first ?? [])))
  })

  test('the same object twice is no circle', () => {
    const shared = { a: 1 }
    assert.equal(contentKey([shared, shared], { x: shared }), expected([shared, shared], { x: shared }))
  })

  test('refuses what has no content, and says where', () => {
    const circle: Record<string, unknown> = { name: 'a' }
    circle.again = { circle: [circle] }
    const cases: [unknown, string, string][] = [
      [() => 0, 'contentKey(parts[1])', 'a function'],
      [Symbol('a'), 'contentKey(parts[1])', 'a symbol'],
      [new Map(), 'contentKey(parts[1])', 'an object'],
      [new Date(0), 'contentKey(parts[1])', 'an object'],
      [new (class {})(), 'contentKey(parts[1])', 'an object'],
      [new Uint16Array(2), 'contentKey(parts[1])', 'an object'],
      [{ a: [1, { b: () => 0 }] }, 'contentKey(parts[1]).a[1].b', 'a function'],
      [circle, 'contentKey(parts[1]).again.circle[0]', 'an object'],
      [(async function* () {})(), 'contentKey(parts[1])', 'an object'],
    ]
    for (const [part, where, what] of cases) {
      assert.throws(
        () => contentKey('a', part as never),
        (error: Error & { code?: string }) => {
          assert.ok(error instanceof SluiceError && error instanceof TypeError)
          assert.equal(error.code, 'ERR_INVALID_CONTENT')
          assert.ok(error.message.startsWith(`${where}: expected strings, numbers,`), error.message)
          assert.ok(error.message.endsWith(`, received ${what}`), error.message)
          return true
        },
      )
    }
  })
})

describe('contentKey.stream', () => {
  async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
  }
  const bytes = Uint8Array.from({ length: 200_000 }, (_, at) => (at * 31) >> 3)

  test('is the key of the same bytes in one piece, however they come', async () => {
    for (const length of [1000, 64, 65_536, 70_000, 1_000_000]) {
      assert.equal(await contentKey.stream('v1', pieces(bytes, length), { a: 1 }), expected('v1', bytes, { a: 1 }))
    }
    assert.equal(await contentKey.stream(new Blob([bytes]).stream()), expected(bytes))
    assert.equal(await contentKey.stream('a', 1), expected('a', 1))
    assert.equal(await contentKey.stream(pieces(new Uint8Array(), 1)), expected(new Uint8Array()))
  })

  test('many at a time do not meet', async () => {
    const lengths = [100, 777, 65_536, 3000, 199_999]
    const keys = await Promise.all(
      lengths.map((length) => contentKey.stream(length, pieces(bytes.subarray(0, length * 2), length))),
    )
    assert.deepEqual(
      keys,
      lengths.map((length) => expected(length, bytes.subarray(0, length * 2))),
    )
  })

  test('fails as its source does, or where that gives something else than bytes', async () => {
    const failing = (async function* () {
      yield bytes
      throw new Error('read failed')
    })()
    await assert.rejects(contentKey.stream(failing), { message: 'read failed' })
    const strings = (async function* () {
      yield 'text'
    })()
    await assert.rejects(contentKey.stream('a', strings as never), {
      code: 'ERR_INVALID_CONTENT',
      message: 'contentKey.stream(parts[1]): expected pieces that are Uint8Arrays, received "text" (string)',
    })
    await assert.rejects(contentKey.stream((() => 0) as never), { code: 'ERR_INVALID_CONTENT' })
  })
})
