import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setUp } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'

const keysOf = ({ memory }: { memory: { keys(): Iterable<string> } }) => [...memory.keys()]

describe('memory', () => {
  test('stands where an lru-cache stood', (t) => {
    const { memory } = setUp(t, { maxEntries: 3 }).processor
    assert.equal(memory.set('a', 1).set('b', 2), memory)
    assert.equal(memory.get('a'), 1)
    assert.equal(memory.has('b'), true)
    assert.equal(memory.peek('b'), 2)
    assert.equal(memory.delete('b'), true)
    assert.equal(memory.delete('b'), false)
    memory.mset([
      { key: 'c', value: 3 },
      { key: 'd', value: 4 },
    ])
    assert.deepEqual(memory.mget(['a', 'b', 'c', 'd']), [1, undefined, 3, 4])
    assert.equal(memory.size, 3)
    assert.equal(memory.weight, 0)
    assert.equal(memory.mdelete(['a', 'b', 'c']), 2)
    memory.clear()
    assert.equal(memory.size, 0)
    assert.deepEqual(keysOf({ memory }), [])
  })

  test('is what batches read and write', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 1)
    assert.deepEqual(await processor.getCachedDataBatch([unwanted('a'), ready('b', 2)]), [1, 2])
    assert.equal(processor.memory.get('b'), 2)
    processor.memory.delete('a')
    assert.deepEqual(await processor.getCachedDataBatch([ready('a', 'anew')]), ['anew'])
  })

  test('keeps values by identity, whatever they are', (t) => {
    const { memory } = setUp(t).processor
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    const values = [
      cyclic,
      new Map(),
      () => 1,
      Symbol('s'),
      new Proxy({}, {}),
      Number.NaN,
      -0,
      10n,
      null,
      false,
      '',
      new SharedArrayBuffer(8),
    ]
    for (const [index, value] of values.entries()) memory.set(`${index}`, value)
    for (const [index, value] of values.entries()) assert.ok(Object.is(memory.get(`${index}`), value))
  })

  test('takes undefined, and a ttl of 0, as removal', (t) => {
    const { memory } = setUp(t).processor
    memory.set('a', 1).set('b', 2)
    memory.set('a', undefined).set('b', 3, { ttl: 0 })
    assert.deepEqual(keysOf({ memory }), [])
    memory.mset([{ key: 'c', value: undefined }])
    assert.equal(memory.size, 0)
  })

  test('keeps null, and tells it from nothing', (t) => {
    const { memory } = setUp(t, { negativeTtl: 10, ttl: 100 }).processor
    memory.set('a', null)
    assert.equal(memory.get('a'), null)
    assert.equal(memory.has('a'), true)
    assert.equal(memory.remainingTtl('a'), 10)
    assert.equal(memory.get('b'), undefined)
  })

  test('mset keeps all of its entries, or none if one is not right', (t) => {
    const { memory } = setUp(t).processor
    assert.throws(
      () =>
        memory.mset([
          { key: 'a', value: 1 },
          { key: 'b', value: 2, ttl: -1 },
        ]),
      RangeError,
    )
    assert.equal(memory.size, 0)
    memory.mset([
      { key: 'a', value: 1 },
      { key: 'a', value: 2 },
    ])
    assert.equal(memory.get('a'), 2)
  })

  test('mget and keys are in the order asked for, and of use', (t) => {
    const { memory } = setUp(t).processor
    memory.mset([
      { key: 'a', value: 1 },
      { key: 'b', value: 2 },
      { key: 'c', value: 3 },
    ])
    assert.deepEqual(memory.mget(['b', 'b', 'x', 'a']), [2, 2, undefined, 1])
    assert.deepEqual(memory.mget([]), [])
  })

  test('keys come in pages, and all of them come, in order', async (t) => {
    const { processor, clock } = setUp(t, { policy: 'lru' })
    const { memory } = processor
    const names = Array.from({ length: 3_000 }, (_, at) => `${at}`.padEnd(at % 1_000, '.'))
    for (const [at, key] of names.entries()) memory.set(key, at, at % 7 === 0 ? { ttl: 10 } : {})
    await clock.advance(10)
    const valid = names.filter((_, at) => at % 7 !== 0)
    assert.deepEqual(keysOf({ memory }), valid.reverse())
  })

  test('purgeStale removes what has expired', async (t) => {
    const { processor, clock } = setUp(t)
    processor.memory.set('a', 1, { ttl: 10 }).set('b', 2, { ttl: 20 })
    await clock.advance(10)
    assert.equal(processor.memory.size, 2)
    processor.memory.purgeStale()
    assert.equal(processor.memory.size, 1)
    assert.equal((await processor.metrics()).expired, 1)
  })

  test('gives up what expired unread as others come: no timer, no growth', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 10, maxEntries: 1_000_000 })
    for (let round = 0; round < 200; round++) {
      processor.memory.mset(Array.from({ length: 100 }, (_, index) => ({ key: `${round}/${index}`, value: index })))
      await clock.advance(10)
    }
    assert.ok(processor.memory.size <= 400, `${processor.memory.size} entries held`)
    assert.equal(clock.timers, 0)
  })
})

describe('what leaves when memory is full', () => {
  test("is the least recently used where the policy is 'lru'", (t) => {
    const { memory } = setUp(t, { maxEntries: 3, policy: 'lru' }).processor
    memory.set('a', 1).set('b', 2).set('c', 3)
    memory.get('a')
    memory.set('d', 4)
    assert.deepEqual(keysOf({ memory }), ['d', 'a', 'c'])
    memory.set('c', 5)
    memory.set('e', 6)
    assert.deepEqual(keysOf({ memory }), ['e', 'c', 'd'])
  })

  test('is spared by a read of a batch, by get, mget and set, not by peek, has, remainingTtl or keys', async (t) => {
    const uses = ['batch', 'get', 'mget', 'set', 'processor.get']
    for (const use of [...uses, 'peek', 'has', 'remainingTtl', 'keys', 'plan']) {
      const { processor } = setUp(t, { maxEntries: 2, policy: 'lru' })
      const { memory } = processor
      memory.set('a', 1).set('b', 2)
      if (use === 'batch') await processor.getCachedDataBatch([unwanted('a')])
      else if (use === 'processor.get') await processor.get('a')
      else if (use === 'plan') await processor.plan([unwanted('a')])
      else if (use === 'mget') memory.mget(['a'])
      else if (use === 'set') memory.set('a', 1)
      else if (use === 'keys') keysOf({ memory })
      else memory[use as 'get' | 'peek' | 'has' | 'remainingTtl']('a')
      memory.set('c', 3)
      assert.equal(memory.has('a'), uses.includes(use), use)
    }
  })

  test('is in the order of a batch: its first key is used first', async (t) => {
    const { processor } = setUp(t, { maxEntries: 3, policy: 'lru' })
    await processor.getCachedDataBatch([ready('a', 1), ready('b', 2), ready('c', 3)])
    await processor.getCachedDataBatch([unwanted('c'), unwanted('a')])
    assert.deepEqual(keysOf(processor), ['a', 'c', 'b'])
  })

  test('is the least recently used by default, too, as long as nothing else would have hit more', (t) => {
    const { memory } = setUp(t, { maxEntries: 500 }).processor
    const reference = setUp(t, { maxEntries: 500, policy: 'lru' }).processor.memory
    for (let step = 0; step < 20_000; step++) {
      // Each key a few times in a row, and then never again for long.
      const key = `${(step >> 2) % 2000}`
      assert.equal(memory.get(key), reference.get(key))
      for (const cache of [memory, reference]) cache.set(key, step)
    }
    assert.deepEqual(keysOf({ memory }), keysOf({ memory: reference }))
  })

  test('is not what a loop comes back to: of one that does not fit, most stays', (t) => {
    const hits = (policy: 'adaptive' | 'lru') => {
      const { memory } = setUp(t, { maxEntries: 500, policy }).processor
      let count = 0
      for (let step = 0; step < 50_000; step++) {
        const key = `${step % 1000}`
        if (memory.get(key) !== undefined) count++
        else memory.set(key, step)
      }
      assert.equal(memory.size, 500)
      return count
    }
    assert.equal(hits('lru'), 0)
    assert.ok(hits('adaptive') > 15_000, `${hits('adaptive')} of 50,000`)
  })

  test('is not what is read again and again, whatever is read only once', (t) => {
    const { memory } = setUp(t, { maxEntries: 500 }).processor
    let misses = 0
    for (let step = 0; step < 60_000; step++) {
      // Every third is one of 300, the others are new: LRU would have forgotten each before it is read again.
      const key = step % 3 === 0 ? `${(step / 3) % 300}` : `once ${step}`
      if (memory.get(key) !== undefined) continue
      memory.set(key, step)
      if (step % 3 === 0 && step >= 30_000) misses++
    }
    assert.ok(misses < 500, `${misses} of 10,000 missed`)
  })

  test('is never more than must: by weight, too, everything fits, and values stay with their keys', (t) => {
    const { memory } = setUp(t, { maxEntries: 200, maxWeight: 1000 }).processor
    let state = 1
    const random = (below: number) => {
      state = (state * 48_271) % 0x7fff_ffff
      return state % below
    }
    for (let step = 0; step < 50_000; step++) {
      const key = `${random(random(2) === 0 ? 100 : 1000)}`
      const got = memory.get(key)
      assert.ok(got === undefined || (got as string).startsWith(`${key}:`))
      if (got === undefined || random(10) === 0) memory.set(key, `${key}:${step}`, { weight: random(20) })
      if (random(50) === 0) memory.delete(`${random(1000)}`)
      assert.ok(memory.size <= 200 && memory.weight <= 1000)
    }
    assert.equal(keysOf({ memory }).length, memory.size)
  })

  test('is never a load in flight, nor what waits for it', async (t) => {
    const { processor, source } = setUp(t, { maxEntries: 1 })
    const asked = processor.getCachedDataBatch(source.requests('a', 'b', 'c'))
    processor.memory.mset(Array.from({ length: 100 }, (_, index) => ({ key: `${index}`, value: index })))
    for (const call of source.calls) call.resolve(call.key)
    assert.deepEqual(await asked, ['a', 'b', 'c'])
    assert.deepEqual(keysOf(processor), ['c'])
    const { evicted } = await processor.metrics()
    assert.equal(evicted, 102)
  })

  test('makes room for a batch larger than memory, whose results are all there', async (t) => {
    const { processor } = setUp(t, { maxEntries: 10 })
    const keys = Array.from({ length: 1000 }, (_, index) => `${index}`)
    assert.deepEqual(
      await processor.getCachedDataBatch(
        keys.map((key) => ready(key, key)),
        { maxConcurrency: 1 },
      ),
      keys,
    )
    assert.deepEqual(keysOf(processor), keys.slice(-10).reverse())
  })

  test('maxEntries is ten thousand unless somebody says otherwise', (t) => {
    const { memory } = setUp(t).processor
    memory.mset(Array.from({ length: 10_500 }, (_, index) => ({ key: `${index}`, value: index })))
    assert.equal(memory.size, 10_000)
    assert.equal(memory.has('499'), false)
    assert.equal(memory.has('500'), true)
  })
})

describe('maxWeight', () => {
  test('bounds the sum of the weights, with maxEntries or instead', (t) => {
    const { memory } = setUp(t, { maxWeight: 100, maxEntries: Number.POSITIVE_INFINITY }).processor
    memory.set('a', 1, { weight: 40 }).set('b', 2, { weight: 40 })
    assert.equal(memory.weight, 80)
    memory.set('c', 3, { weight: 30 })
    assert.deepEqual(keysOf({ memory }), ['c', 'b'])
    assert.equal(memory.weight, 70)
    memory.set('b', 4, { weight: 90 })
    assert.deepEqual(keysOf({ memory }), ['b'])
    memory.delete('b')
    assert.equal(memory.weight, 0)
  })

  test('counts what requests say, and else an estimate of the bytes', async (t) => {
    const { processor } = setUp(t, { maxWeight: 100_000 })
    await processor.getCachedDataBatch<unknown>([
      ready('a', 'x', { weight: 7 }),
      ready('b', 'x'.repeat(1000)),
      ready('c', Buffer.alloc(5000)),
    ])
    const { weight } = processor.memory
    assert.ok(weight > 7 + 1000 + 5000 && weight < 7 + 2100 + 5200, `${weight}`)
  })

  test('a value heavier than all of it is delivered, not stored, and drives nothing out', async (t) => {
    const { processor } = setUp(t, { maxWeight: 100 })
    processor.memory.set('a', 1, { weight: 90 })
    assert.deepEqual(await processor.getCachedDataBatch([ready('b', 'heavy', { weight: 101 })]), ['heavy'])
    assert.deepEqual(keysOf(processor), ['a'])
    assert.equal((await processor.metrics()).tooHeavy, 1)
  })

  test('a value too heavy replaces nothing, and what was there is gone: it is no longer true', (t) => {
    const { memory } = setUp(t, { maxWeight: 100 }).processor
    memory.set('a', 'light', { weight: 1 })
    memory.set('a', 'heavy', { weight: 101 })
    assert.equal(memory.get('a'), undefined)
  })

  test('a weight of 0 counts for maxEntries only', (t) => {
    const { memory } = setUp(t, { maxWeight: 1, maxEntries: 5 }).processor
    memory.mset(Array.from({ length: 9 }, (_, index) => ({ key: `${index}`, value: index, weight: 0 })))
    assert.equal(memory.size, 5)
  })

  test('an estimate never runs wild: cycles, depth, getters that throw, huge arrays', (t) => {
    const { memory } = setUp(t, { maxWeight: 2 ** 40 }).processor
    const cyclic: Record<string, unknown> = {}
    cyclic.self = cyclic
    let deep: unknown = 1
    for (let level = 0; level < 10_000; level++) deep = { deep }
    const hostile = {
      get boom() {
        throw new Error('read')
      },
      toJSON() {
        throw new Error('read')
      },
    }
    const revoked = Proxy.revocable({}, {})
    revoked.revoke()
    const values = [cyclic, deep, hostile, new Array(1_000_000).fill(0), revoked.proxy, new Map([[{}, cyclic]]), new Set([deep])]
    for (const value of values) memory.set('a', value)
    memory.set('many', new Array(1_000_000).fill(0))
    assert.ok(memory.weight >= 8_000_000)
  })
})

describe('values of a processor', () => {
  test("set, mset, get, mget, has and delete are memory's, with promises", async (t) => {
    const { processor } = setUp(t)
    await processor.set('a', 1)
    await processor.mset([
      { key: 'b', value: 2, ttl: 50 },
      { key: 'c', value: null },
    ])
    assert.equal(await processor.get('a'), 1)
    assert.equal(await processor.get('x'), undefined)
    assert.deepEqual(await processor.mget(['c', 'x', 'b']), [null, undefined, 2])
    assert.equal(await processor.has('c'), true)
    assert.equal(await processor.has('x'), false)
    assert.equal(await processor.delete('a'), 1)
    assert.equal(await processor.delete(['a', 'b', 'x']), 1)
    await processor.clear()
    assert.equal(processor.memory.size, 0)
  })
})
