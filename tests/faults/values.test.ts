/** Faults A21 to A26: what callbacks answer with, how much it weighs, and whose it is. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BatchProcessor, type BatchRequest, type Isolation } from '../../js/index.js'
import { reasonOf, setUp } from '../support/set-up.js'
import { ready, unwanted } from '../support/source.js'
import { MapTier } from '../support/tiers.js'
import { settled } from './support.js'

class Point {
  readonly #x: number

  constructor(x: number) {
    this.#x = x
  }

  get x(): number {
    return this.#x
  }
}

function cyclic(): object {
  const value: Record<string, unknown> = { list: [] }
  value.self = value
  ;(value.list as unknown[]).push(value)
  return value
}

function nested(depth: number): unknown {
  let value: unknown = 'the bottom'
  for (let level = 0; level < depth; level++) value = { below: value }
  return value
}

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const throwing = (): object =>
  new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail, getOwnPropertyDescriptor: fail })

function fail(): never {
  throw new Error('the trap')
}

const VALUES: [string, () => unknown][] = [
  ['false', () => false],
  ['0', () => 0],
  ['-0', () => -0],
  ['NaN', () => Number.NaN],
  ['the empty string', () => ''],
  ['a BigInt', () => 2n ** 100n],
  ['a Date', () => new Date(0)],
  ['a Map', () => new Map([[{}, 1]])],
  ['a Set', () => new Set([{}])],
  ['a Buffer', () => Buffer.from('bytes')],
  ['what has a cycle', cyclic],
  ['an instance', () => new Point(1)],
  ['a function', () => () => 1],
  ['a symbol', () => Symbol('value')],
  ['a proxy', () => new Proxy({}, {})],
  ['a revoked proxy', revoked],
  ['a proxy whose traps throw', throwing],
  ['a SharedArrayBuffer', () => new SharedArrayBuffer(8)],
  ['an error', () => new Error('a value here')],
  ['an object whose toJSON throws', () => ({ toJSON: fail })],
  [
    'an object whose getters throw',
    () => Object.defineProperties({}, { a: { get: fail, enumerable: true }, pipe: { get: fail, enumerable: true } }),
  ],
  ['ten thousand levels of objects', () => nested(10_000)],
]

for (const [what, make] of VALUES) {
  const name = /throws?\b|levels/.test(what) ? 'A22' : 'A21'
  // Promises, too, take it for a failure if they cannot ask whether there is a `then`.
  const isFetchable = !/proxy (?:whose|that)|revoked/.test(what)
  // An error that a groupFetch answers is a failure: there, it cannot be a value.
  const isGroupable = isFetchable && what !== 'an error'

  test(`${name} ${what} is a value, kept by identity`, async (t) => {
    for (const maxWeight of [Number.POSITIVE_INFINITY, 2 ** 20]) {
      const { processor } = setUp(t, { maxWeight })
      const value = make()
      const same = (actual: unknown): void => assert.ok(Object.is(actual, value))
      const asked = [processor.getCachedData('a', async () => ({ value })), processor.getCachedData('a', fail)]
      for (const answer of await Promise.all(asked)) same(answer.value)
      same(processor.memory.set('c', value).get('c'))
      same((await processor.getCachedDataBatch([unwanted('c')]))[0])
      if (!isFetchable) continue
      for (const answer of await processor.getCachedDataBatch<unknown>([ready('b', value), ready('b', 1), ready('b', 1)]))
        same(answer)
      same((await processor.getCachedDataBatch([unwanted('b')]))[0])
      same(processor.memory.get('b'))
      if (!isGroupable) continue
      const groupFetch = ({ keys }: { keys: readonly string[] }): Map<string, unknown> => new Map(keys.map((key) => [key, value]))
      for (const answer of await processor.getCachedDataBatch<unknown>(['g:g:1', 'g:g:2'].map(unwanted), {
        groupFetch: groupFetch as never,
      }))
        same(answer)
    }
  })

  test(`${name} ${what} goes to a tier and comes from it as it is`, async () => {
    const tier = new MapTier()
    const value = make()
    const first = new BatchProcessor({ storage: tier, maxWeight: 2 ** 20 })
    await first.set('a', value)
    await first.close()
    assert.ok(Object.is(tier.kept.get('a')?.value, value))
    const second = new BatchProcessor({ storage: tier, maxWeight: 2 ** 20 })
    const [outcome] = await second.getCachedDataBatchSettled<unknown>([ready('a', 'fetched')])
    assert.equal(outcome?.source, 'disk')
    assert.ok(outcome?.status === 'fulfilled' && Object.is(outcome.value, value))
    await second.close()
  })
}

describe('values', () => {
  test('A21 undefined is delivered, and not stored; null is a value', async (t) => {
    const tier = new MapTier()
    const { processor } = setUp(t, { storage: tier })
    assert.deepEqual(await processor.getCachedDataBatch<unknown>([ready('u', undefined), ready('n', null)]), [undefined, null])
    await settled()
    assert.deepEqual([...processor.memory.keys()], ['n'])
    assert.deepEqual([...tier.kept.keys()], ['n'])
    assert.deepEqual(await processor.getCachedDataBatch<unknown>([ready('u', 2), unwanted('n')]), [2, null])
  })

  test('A22 a value that a tier cannot write costs a counter, and nobody their value', async (t) => {
    const tier = new MapTier()
    const mset = tier.mset.bind(tier)
    tier.mset = async (entries) => {
      for (const { value } of entries) JSON.stringify(value)
      await mset(entries)
    }
    const { processor } = setUp(t, { storage: tier })
    for (const [key, value] of [
      ['big', 1n],
      ['cycle', cyclic()],
      ['deep', nested(100_000)],
      ['toJSON', { toJSON: fail }],
    ] as const) {
      assert.equal((await processor.getCachedDataBatch<unknown>([ready(key, value)]))[0], value)
      await settled()
      assert.equal(processor.memory.get(key), value)
      assert.equal(tier.kept.has(key), false)
    }
    assert.equal((await processor.metrics()).tiers[0]?.errors, 4)
  })

  for (const isolation of ['clone', 'freeze'] as const) {
    test(`A22 isolation '${isolation}' of what cannot be: that caller rejects, nobody else`, async (t) => {
      const { processor } = setUp(t)
      const [cannot, can] = isolation === 'clone' ? [() => () => 1, () => ({ a: 1 })] : [throwing, () => ({ a: 1 })]
      const requests = (): BatchRequest<unknown>[] => [
        ready('can', can()),
        {
          key: 'cannot',
          fetchFunction: () => new Promise((resolve) => setImmediate(() => resolve({ inner: cannot() }))),
        },
      ]
      const others = processor.getCachedDataBatch(requests())
      const mine = processor.getCachedDataBatchSettled(requests(), { isolation })
      assert.deepEqual((await others)[0], { a: 1 })
      const [good, bad] = await mine
      assert.equal(good?.status, 'fulfilled')
      assert.equal(bad?.status, 'rejected')
    })
  }

  test('A24 a value heavier than all that may be held is delivered and not kept, and drives nobody out', async (t) => {
    const { processor } = setUp(t, { maxWeight: 1000 })
    await processor.getCachedDataBatch([ready('a', 1, { weight: 500 }), ready('b', 2, { weight: 500 })])
    const large = Buffer.alloc(2000)
    assert.deepEqual(await processor.getCachedDataBatch<unknown>([ready('c', large), ready('d', 4, { weight: 1001 })]), [
      large,
      4,
    ])
    const { tooHeavy, evicted, entries, weight } = await processor.metrics()
    assert.deepEqual({ tooHeavy, evicted, entries, weight }, { tooHeavy: 2, evicted: 0, entries: 2, weight: 1000 })
    assert.equal(await processor.getCachedData('c', () => 'again'), 'again')
  })

  const mutate = (value: { list: number[] }): void => {
    value.list.push(2)
  }
  test("A25 isolation 'clone': no caller's changes are another's, the callback's own neither", async (t) => {
    const { processor } = setUp(t)
    const own = { list: [1] }
    const options = { isolation: 'clone' as Isolation }
    const both = await processor.getCachedDataBatch<{ list: number[] }>([ready('a', own), ready('a', own)], options)
    for (const value of both) mutate(value)
    mutate(own)
    const [hit] = await processor.getCachedDataBatch<{ list: number[] }>([unwanted('a')], options)
    assert.deepEqual(hit, { list: [1] })
    mutate(hit as { list: number[] })
    const [again] = await processor.getCachedDataBatchSettled<{ list: number[] }>([unwanted('a')], options)
    assert.deepEqual(again?.status === 'fulfilled' && again.value, { list: [1] })
    for await (const outcome of processor.streamCachedDataBatch<{ list: number[] }>([unwanted('a')], options)) {
      assert.deepEqual(outcome.status === 'fulfilled' && outcome.value, { list: [1] })
    }
  })

  test("A25 isolation 'freeze': a change throws", async (t) => {
    const { processor } = setUp(t, { isolation: 'freeze' })
    const [value] = await processor.getCachedDataBatch([ready('a', { list: [1] })])
    assert.throws(() => mutate(value as { list: number[] }), TypeError)
    assert.throws(() => mutate(processor.memory.get('a') as { list: number[] }), TypeError)
  })

  test("A25 isolation 'shared', the default: all have the value itself", async (t) => {
    const { processor } = setUp(t)
    const [value, same] = await processor.getCachedDataBatch([ready('a', { list: [1] }), ready('a', { list: [9] })])
    mutate(value as { list: number[] })
    assert.equal(same, value)
    assert.deepEqual(processor.memory.get('a'), { list: [1, 2] })
  })

  test("A26 with isolation 'clone', a Buffer of a pool does not change with the pool", async (t) => {
    const { processor } = setUp(t, { isolation: 'clone' })
    const pool = new Uint8Array(64)
    const bytes = pool.subarray(8, 12)
    bytes.set([1, 2, 3, 4])
    const asked = await processor.getCachedDataBatch([ready('a', bytes)])
    pool.fill(9)
    assert.deepEqual([...(asked[0] as Uint8Array)], [1, 2, 3, 4])
    const [again] = await processor.getCachedDataBatch<Uint8Array>([unwanted('a')])
    assert.deepEqual([...(again as Uint8Array)], [1, 2, 3, 4])
  })

  test('A26 with values shared, the default, it is the Buffer itself that is kept', async (t) => {
    const { processor } = setUp(t)
    const bytes = Buffer.from('bytes')
    await processor.getCachedDataBatch([ready('a', bytes)])
    assert.equal(processor.memory.get('a'), bytes)
  })

  test("A25 copying may call what is a value's own, and that the processor, without harm", async (t) => {
    const { processor } = setUp(t, { isolation: 'clone' })
    const { memory } = processor
    const nosy = (at: number): object => ({
      at,
      get said() {
        memory.set(`x${at}`.repeat(50), 'x')
        memory.get(`y${at}`)
        void processor.getCachedDataBatch([ready(`z${at}`, 'z'), ready(`w${at}`, 'w')], { isolation: 'shared' })
        return at
      },
    })
    const keys = Array.from({ length: 40 }, (_, at) => `k${at}`)
    memory.mset(keys.filter((_, at) => at % 2 === 0).map((key) => ({ key, value: nosy(Number(key.slice(1))) })))
    const requests = keys.map((key, at) => ready(key, nosy(at)))
    for (let round = 0; round < 3; round++) {
      const results = await processor.getCachedDataBatch<unknown>(requests)
      assert.deepEqual(
        results,
        keys.map((_, at) => ({ at, said: at })),
      )
      const outcomes = await processor.getCachedDataBatchSettled<unknown>(requests, { maxConcurrency: 3, cache: 'reload' })
      assert.deepEqual(
        outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value),
        keys.map((_, at) => ({ at, said: at })),
      )
    }
    assert.equal(((await reasonOf(processor.getCachedData('v', () => Promise.reject(new Error('v'))))) as Error).message, 'v')
  })
})
