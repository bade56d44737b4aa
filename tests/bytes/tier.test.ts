/** Values in stores of bytes: what comes back is what was kept, or nothing. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import {
  type ByteEntry,
  type ByteStore,
  type ByteTier,
  type ByteTierOptions,
  byteTier,
  jsonCodec,
  keyBytes,
  v8Codec,
} from '../../js/bytes/index.js'
import { SluiceError } from '../../js/index.js'

/** A store of bytes in a Map. */
class MapStore implements ByteStore {
  readonly map = new Map<string, Uint8Array>()
  readonly told: ByteEntry[] = []

  mget(keys: readonly string[]): (Uint8Array | undefined)[] {
    return keys.map((key) => this.map.get(key))
  }

  mset(entries: readonly ByteEntry[]): void {
    this.told.push(...entries)
    for (const { key, bytes } of entries) this.map.set(key, bytes)
  }

  mdelete(keys: readonly string[]): void {
    for (const key of keys) this.map.delete(key)
  }

  get only(): Uint8Array {
    assert.equal(this.map.size, 1)
    return [...this.map.values()][0] as Uint8Array
  }
}

class Wall {
  now = 1_700_000_000_000
  wallNow(): number {
    return this.now
  }
}

interface Bench {
  readonly store: MapStore
  readonly tier: ByteTier
  readonly clock: Wall
}

function setUp(options: ByteTierOptions = {}): Bench {
  const store = new MapStore()
  const clock = new Wall()
  return { store, clock, tier: byteTier(store, { clock, ...options }) }
}

async function roundTrip(tier: ByteTier, value: unknown): Promise<unknown> {
  await tier.mset([{ key: 'a', value }])
  return (await tier.mget(['a']))[0]
}

class Custom {}
const circle: { self?: unknown } = {}
circle.self = circle
const holes = [1, 2, 3]
delete holes[1]
const deep = (depth: number): unknown => (depth === 0 ? 0 : [deep(depth - 1)])

/** Whatever JSON gives back as it was. */
const JSON_VALUES: unknown[] = [
  null,
  'text',
  '',
  '\ud800',
  'e\u0301',
  0,
  1.5,
  -1e300,
  Number.MIN_VALUE,
  true,
  false,
  [],
  [1, [null]],
  {},
  { a: { b: ['c'] } },
  JSON.parse('{"__proto__":1,"constructor":2}'),
  [[], {}],
  deep(400),
  runInNewContext('({ a: [1] })'),
]
/** What JSON drops or changes, and structured cloning does not. */
const V8_VALUES: unknown[] = [
  1n,
  Number.NaN,
  -0,
  Number.POSITIVE_INFINITY,
  new Date(0),
  new Map<unknown, unknown>([['a', { b: new Set([1n]) }]]),
  { a: undefined },
  [undefined],
  holes,
  new Float64Array([1, 2]),
  new Uint8Array([1, 2, 3]).buffer,
  { bytes: new Uint8Array([1, 2]) },
  circle,
  Object.assign([1], { extra: 1 }),
  deep(600),
]
/** What neither gives back. */
const ALIEN_VALUES: unknown[] = [
  undefined,
  () => 0,
  Symbol('a'),
  new Custom(),
  { a: new Custom() },
  [() => 0],
  new Map([['a', new Custom()]]),
  { [Symbol('a')]: 1 },
  Object.create(null),
  Object.assign(new Date(0), { extra: 1 }),
  new (class extends Array {})(),
  new Error('no'),
  /a/,
  new WeakMap(),
  Promise.resolve(),
  new (class extends Uint8Array {})(2),
  new Proxy(
    {},
    {
      getPrototypeOf: () => {
        throw new Error('no')
      },
    },
  ),
  {
    get a(): number {
      throw new Error('no')
    },
  },
]

describe('a tier of bytes', () => {
  test('gives back what it was given, for as long as it was said to be good', async () => {
    const { tier, clock, store } = setUp()
    const expiresAt = clock.now + 10_000
    await tier.mset(JSON_VALUES.map((value, index) => ({ key: `${index}`, value, expiresAt })))
    clock.now = expiresAt - 1
    const found = await tier.mget([...JSON_VALUES.keys(), 'none'].map(String))
    assert.deepEqual(
      found.map((entry) => entry?.expiresAt),
      [...JSON_VALUES.map(() => expiresAt), undefined],
    )
    // From another realm it comes back as of this one.
    assert.deepEqual(
      JSON.parse(JSON.stringify(found.slice(0, -1).map((entry) => entry?.value))),
      JSON.parse(JSON.stringify(JSON_VALUES)),
    )
    assert.deepStrictEqual(
      found.slice(0, -2).map((entry) => entry?.value),
      JSON_VALUES.slice(0, -1),
    )
    assert.equal(store.told[0]?.expiresAt, expiresAt)
    clock.now = expiresAt
    assert.deepEqual(await tier.mget(['0']), [undefined])
  })

  for (const value of [...V8_VALUES, ...ALIEN_VALUES]) {
    test(`does not store as JSON what would be something else: ${inspect(value, { depth: 1 }).slice(0, 60)}`, async () => {
      const { tier, store } = setUp()
      await tier.mset([{ key: 'a', value: 'older' }])
      assert.equal(await roundTrip(tier, value), undefined)
      assert.equal(store.map.size, 0, 'what was there is older')
      assert.equal(tier.metrics.unencodable, 1)
    })
  }

  for (const value of [...JSON_VALUES.slice(0, -1), ...V8_VALUES]) {
    test(`keeps with v8Codec what structured cloning does: ${inspect(value, { depth: 1 }).slice(0, 60)}`, async () => {
      const { tier } = setUp({ codec: v8Codec })
      assert.deepStrictEqual(await roundTrip(tier, value), { value })
    })
  }

  for (const value of ALIEN_VALUES) {
    test(`does not store with v8Codec what would be something else: ${inspect(value, { depth: 1 }).slice(0, 60)}`, async () => {
      const { tier } = setUp({ codec: v8Codec })
      assert.equal(await roundTrip(tier, value), undefined)
      assert.equal(tier.metrics.unencodable, 1)
    })
  }

  test('keeps bytes as they are, whatever the codec, and hands out copies', async () => {
    for (const codec of [jsonCodec, v8Codec]) {
      const { tier, store } = setUp({ codec })
      const pooled = new Uint8Array(100).fill(7).subarray(10, 13)
      for (const value of [pooled, Buffer.from('text'), new Uint8Array(0), new Uint8Array(200_000).fill(1)]) {
        const entry = (await roundTrip(tier, value)) as { value: Uint8Array }
        assert.deepStrictEqual(entry, { value })
        assert.notEqual(entry.value.buffer, store.only.buffer)
        assert.equal(Buffer.isBuffer(entry.value), Buffer.isBuffer(value))
      }
      const taken = (await roundTrip(tier, { bytes: codec === v8Codec ? pooled : 1 })) as { value: { bytes: Uint8Array } }
      if (codec === v8Codec) assert.notEqual(taken.value.bytes.buffer, store.only.buffer)
    }
  })

  test("takes anybody's codec, and reads what another one wrote only with that", async () => {
    const { tier, store, clock } = setUp({
      codec: {
        name: 'csv',
        encode: (value) => Buffer.from((value as string[]).join()),
        decode: (bytes) => `${Buffer.from(bytes)}`.split(','),
      },
    })
    assert.deepEqual(await roundTrip(tier, ['a', 'b']), { value: ['a', 'b'] })
    const json = byteTier(store, { clock })
    assert.deepEqual(await json.mget(['a']), [undefined])
    assert.deepEqual([json.metrics.unusable, store.map.size], [1, 1])
    await json.mset([{ key: 'a', value: 1 }])
    assert.deepEqual(await tier.mget(['a']), [{ value: 1 }], 'JSON is read by all')
  })

  test('survives codecs and compressions that throw, reject or answer nonsense', async () => {
    const bad = (): never => {
      throw new Error('no')
    }
    for (const encode of [bad, async () => bad(), () => undefined as never]) {
      const { tier } = setUp({ codec: { name: 'bad', encode, decode: bad } })
      assert.equal(await roundTrip(tier, 1), undefined)
      assert.equal(tier.metrics.unencodable, 1)
    }
    for (const decode of [bad, async () => bad(), () => undefined]) {
      const { tier } = setUp({ codec: { name: 'bad', encode: () => new Uint8Array(3), decode } })
      assert.equal(await roundTrip(tier, 1), undefined)
      assert.equal(tier.metrics.corrupt + tier.metrics.unusable, 1)
    }
    for (const compress of [bad, async () => bad()]) {
      const { tier } = setUp({ compressAbove: 0, compress: { name: 'bad', compress, decompress: bad } })
      assert.deepEqual(await roundTrip(tier, 1), { value: 1 }, 'stored as it is')
    }
  })

  for (const compress of ['gzip', 'deflate', 'brotli'] as const) {
    test(`compresses with ${compress} what is large and gets smaller by it`, async () => {
      const { tier, store } = setUp({ compress })
      for (const size of [1022, 100_000]) {
        const value = 'ab'.repeat(size / 2)
        assert.deepEqual(await roundTrip(tier, value), { value })
        assert.ok(store.only.length < size / 4)
      }
      const noise = crypto.getRandomValues(new Uint8Array(2000))
      assert.deepEqual(await roundTrip(tier, noise), { value: noise })
      assert.ok(store.only.length < 2070)
      assert.deepEqual(await roundTrip(tier, 'short'), { value: 'short' })
      // Who compresses otherwise, or not at all, reads it.
      await tier.mset([{ key: 'a', value: 'ab'.repeat(1000) }])
      assert.deepEqual(await byteTier(store, { clock: { wallNow: () => 1_700_000_000_000 } }).mget(['a']), [
        { value: 'ab'.repeat(1000) },
      ])
    })
  }

  test('inflates no more than it wrote, and nothing beyond maxValueBytes', async () => {
    const bomb = { name: 'gzip', compress: () => gzipSync(new Uint8Array(1e7)), decompress: () => new Uint8Array(0) }
    const { tier, store, clock } = setUp({ compress: bomb, compressAbove: 0 })
    await tier.mset([{ key: 'a', value: 'x'.repeat(50_000) }])
    const reader = byteTier(store, { clock })
    assert.deepEqual(await reader.mget(['a']), [undefined])
    assert.equal(reader.metrics.corrupt, 1)
    const small = byteTier(store, { clock, maxValueBytes: 100 })
    assert.equal(await roundTrip(small, 'x'.repeat(200)), undefined)
    assert.equal(small.metrics.tooLarge, 1)
    await byteTier(store, { clock }).mset([{ key: 'a', value: 'x'.repeat(200) }])
    assert.deepEqual(await small.mget(['a']), [undefined])
    assert.equal(small.metrics.unusable, 1)
  })

  test('knows entries of another generation, of a clock set back since, and of other versions', async () => {
    const { tier, store, clock } = setUp()
    await tier.mset([{ key: 'a', value: 1, expiresAt: clock.now + 1000 }])
    assert.deepEqual(await byteTier(store, { clock, generation: 1 }).mget(['a']), [undefined])
    // Clocks of two machines may differ a little: what is left is never more than was given.
    clock.now -= 30_000
    assert.deepEqual(await tier.mget(['a']), [{ value: 1, expiresAt: clock.now + 1000 }])
    clock.now -= 40_000
    assert.deepEqual(await tier.mget(['a']), [undefined])
    clock.now += 70_000
    const newer = store.only.slice()
    newer[4] = 2
    store.map.set('a', newer)
    assert.deepEqual(await tier.mget(['a']), [undefined])
    assert.equal(store.only, newer, 'not ours to judge')
    assert.deepEqual(tier.metrics, { unencodable: 0, tooLarge: 0, corrupt: 0, unusable: 2 })
  })

  test('A9 F12 H1 believes no entry of another key', async () => {
    const { tier, store } = setUp()
    const keys = [
      'a',
      'b',
      'A',
      'a\0',
      '',
      '\ud800',
      '\udfff',
      '\ufffd',
      '\ud800\udc00',
      'é',
      'e\u0301',
      '__proto__',
      'a'.repeat(70_000),
    ]
    await tier.mset(keys.map((key) => ({ key, value: key })))
    assert.deepEqual(
      await tier.mget(keys),
      keys.map((value) => ({ value })),
    )
    const kept = new Map(store.map)
    for (const key of keys) {
      for (const other of keys) if (other !== key) store.map.set(other, kept.get(key) as Uint8Array)
      assert.deepEqual(
        await tier.mget(keys),
        keys.map((value) => (value === key ? { value } : undefined)),
      )
      for (const [other, bytes] of kept) store.map.set(other, bytes)
    }
    assert.equal(new Set(keys.map((key) => `${keyBytes(key)}`)).size, keys.length)
  })

  for (const [name, value, options] of [
    ['JSON', { id: 1, tags: ['a', 'b'], name: 'ü' }, {}],
    ['bytes', new Uint8Array([0, 255, 7]), {}],
    ['v8', new Map([['a', 1n]]), { codec: v8Codec }],
    ['gzip', 'abcabc'.repeat(30), { compress: 'gzip', compressAbove: 0 }],
  ] as const) {
    test(`F12 survives every flipped bit and every truncation: ${name}`, async () => {
      const { tier, store, clock } = setUp(options)
      const expiresAt = clock.now + 1000
      await tier.mset([{ key: 'key', value, expiresAt }])
      const good = store.only
      const wrong = async (bytes: Uint8Array, what: string) => {
        store.map.set('key', bytes)
        assert.deepEqual(await tier.mget(['key']), [undefined], what)
      }
      for (let bit = 0; bit < good.length * 8; bit++) {
        const flipped = good.slice()
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        await wrong(flipped, `bit ${bit}`)
      }
      for (let length = 0; length < good.length; length++) await wrong(good.slice(0, length), `${length} bytes`)
      await wrong(Buffer.concat([good, Buffer.of(0)]), 'one more')
      await wrong(Buffer.concat([good, good]), 'twice')
      store.map.set('key', good)
      assert.deepEqual(await tier.mget(['key']), [{ value, expiresAt }])
    })
  }

  test('removes what is spoilt, whether or not the store can', async () => {
    for (const mdelete of [
      undefined,
      () => {
        throw new Error('no')
      },
      () => Promise.reject(new Error('no')),
    ]) {
      const { tier, store } = setUp()
      await tier.mset([
        { key: 'a', value: 1 },
        { key: 'b', value: 2 },
      ])
      store.map.set('a', new Uint8Array(60))
      if (mdelete !== undefined) store.mdelete = mdelete
      assert.deepEqual(await tier.mget(['a', 'b']), [undefined, { value: 2 }])
      assert.deepEqual([...store.map.keys()], mdelete ? ['a', 'b'] : ['b'])
      assert.equal(tier.metrics.corrupt, 1)
    }
  })

  test('fails where its store does, or answers what is no list of bytes', async () => {
    for (const answer of [undefined, null, [], ['a', 'b'], { length: 1 }, new Map()]) {
      const { store, clock } = setUp()
      await assert.rejects(
        async () => byteTier(Object.assign(store, { mget: () => answer as never }), { clock }).mget(['a']),
        TypeError,
      )
    }
    for (const answer of [['text'], [{}], [1], [new Uint16Array(100)], [new Uint8Array(0)]]) {
      const { store, clock } = setUp()
      assert.deepEqual(await byteTier(Object.assign(store, { mget: () => answer as never }), { clock }).mget(['a']), [undefined])
    }
  })

  test('passes on what its store can besides', async () => {
    const { store, tier } = setUp()
    assert.deepEqual([tier.clear, tier.keys, tier.close, tier.name], [undefined, undefined, undefined, 'bytes'])
    let isClosed = false
    const more = Object.assign(store, {
      name: 'mine',
      clear: () => store.map.clear(),
      keys: () => store.map.keys(),
      close: () => {
        isClosed = true
      },
    })
    const full = byteTier(more)
    await full.mset([{ key: 'a', value: 1 }])
    assert.deepEqual([full.name, ...((full.keys?.() ?? []) as Iterable<string>)], ['mine', 'a'])
    await full.clear?.()
    assert.deepEqual(await full.mget(['a']), [undefined])
    await full.close?.()
    assert.ok(isClosed)
  })

  for (const [options, message] of [
    [
      { codec: { name: 'a b' } },
      /byteTier\.codec: expected a codec \(\{ name, encode, decode \}\) with a name of .*, received an object/,
    ],
    [{ compress: 'lzma' }, /byteTier\.compress: expected a compression that this runtime has, .* received "lzma" \(string\)/],
    [
      { maxValueBytes: 2 ** 33 },
      /byteTier\.maxValueBytes: expected an integer from 1 to 4,294,967,295, received 8589934592 \(number\)/,
    ],
    [{ generation: -1 }, /byteTier\.generation/],
    [{ compressAbove: '1' }, /byteTier\.compressAbove/],
    [{ name: 1 }, /byteTier\.name/],
  ] as const) {
    test(`refuses ${inspect(options)}`, () => {
      assert.throws(
        () => byteTier(new MapStore(), options as never),
        (error) => error instanceof SluiceError && message.test((error as Error).message),
      )
    })
  }

  test('refuses what is no store', () => {
    for (const store of [undefined, null, {}, new Map(), { mget() {}, mset() {} }]) {
      assert.throws(() => byteTier(store as never), {
        code: 'ERR_INVALID_OPTION',
        message: /^byteTier\(store\): expected a store of bytes with mget, mset, mdelete, received /,
      })
    }
  })
})
