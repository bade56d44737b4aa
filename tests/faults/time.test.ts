/** Faults D1 to D10: clocks that jump, stall, lie and overflow. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { byteTier } from '../../js/bytes/index.js'
import { BatchProcessor, type ValueStorage, valueTier } from '../../js/index.js'
import { assertQuiescent } from '../support/quiescence.js'
import { setUp, watch } from '../support/set-up.js'
import { ready, Source, unwanted } from '../support/source.js'
import { MapTier } from '../support/tiers.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { settled } from './support.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const TIMER_MS_MAX = 2 ** 31 - 1

const JUMPS: [string, (clock: VirtualClock) => number][] = [
  ['an hour back', () => -HOUR_MS],
  ['forty days ahead', () => 40 * DAY_MS],
  ['back to 1970', (clock) => -clock.wallNow()],
]

describe('a wall clock that jumps', () => {
  for (const [what, jump] of JUMPS) {
    test(`D1 ${what}: what is in memory neither expires by it nor outlives its time`, async (t) => {
      const { processor, clock } = setUp(t, { maxEntries: 1000 })
      const keys = Array.from({ length: 300 }, (_, at) => `key ${at}`)
      await processor.getCachedDataBatch(keys.map((key, at) => ready(key, at, { ttl: 100 + at })))
      clock.jumpWall(jump(clock))
      assert.deepEqual(await processor.getCachedDataBatch(keys.map(unwanted)), [...keys.keys()])
      await clock.advance(250)
      assert.deepEqual(
        processor.memory.mget(keys),
        keys.map((_, at) => (at > 150 ? at : undefined)),
      )
      await clock.advance(200)
      assert.ok(keys.every((key) => !processor.memory.has(key)))
    })

    test(`D1 ${what}, while callbacks and deadlines are under way: they do not notice`, async (t) => {
      const { processor, source, clock } = setUp(t, { storage: new MapTier() })
      const asked = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 1000 }))
      const late = watch(processor.getCachedData('b', source.fetch, { fetchTimeoutMs: 1000 }))
      await settled()
      clock.jumpWall(jump(clock))
      await clock.advance(999)
      assert.equal(asked.is, 'pending')
      source.call(0).resolve('A')
      await clock.advance(1)
      await settled()
      assert.equal(asked.value, 'A')
      assert.equal(late.is, 'rejected')
    })
  }

  test('D1 what a tier keeps expires by the wall clock: jumped past it is a miss, and is loaded once', async (t) => {
    const tier = new MapTier()
    const { processor, source, clock } = setUp(t, { storage: tier, ttl: 1000 })
    await processor.set('a', 'old')
    processor.memory.clear()
    clock.jumpWall(40 * DAY_MS)
    const asked = [1, 2, 3].map(() => watch(processor.getCachedData('a', source.fetch)))
    await settled()
    assert.equal(source.calls.length, 1)
    source.call(0).resolve('new')
    await settled()
    assert.deepEqual(
      asked.map(({ value }) => value),
      ['new', 'new', 'new'],
    )
    assert.equal(tier.kept.get('a')?.expiresAt, clock.wallNow() + 1000)
  })
})

describe('two clocks', () => {
  test('D2 one stands still while the other goes on: an entry is over as soon as either says so', async (t) => {
    const tier = new MapTier()
    const { processor, clock } = setUp(t, { storage: tier, ttl: 1000 })
    const refetched = async (): Promise<boolean> =>
      (await processor.getCachedDataBatchSettled([ready('a', 'new')]))[0]?.source === 'fetch'
    // Suspended: only the wall clock knows. Memory is asked by the other, and is empty.
    await processor.set('a', 'old')
    processor.memory.clear()
    clock.jumpWall(999)
    assert.equal(await refetched(), false)
    processor.memory.clear()
    clock.jumpWall(1)
    assert.equal(await refetched(), true)
    // A wall clock set back for as long as an entry lives: in memory it is over nevertheless.
    await settled()
    clock.stall(999)
    clock.jumpWall(-1000)
    assert.equal(processor.memory.has('a'), true)
    clock.stall(1)
    assert.equal(processor.memory.has('a'), false)
  })

  test('D3 what is read from a tier lives for what is left of it, and no read prolongs that', async (t) => {
    const tier = new MapTier()
    const { processor, clock } = setUp(t, { storage: tier, ttl: 1000 })
    await processor.set('a', 'A')
    const expiresAt = tier.kept.get('a')?.expiresAt as number
    assert.equal(expiresAt, clock.wallNow() + 1000)
    for (let left = 900; left > 0; left -= 100) {
      processor.memory.clear()
      await clock.advance(100)
      assert.equal(await processor.get('a'), 'A')
      assert.equal(processor.memory.remainingTtl('a'), left)
      await settled()
      assert.equal(tier.kept.get('a')?.expiresAt, expiresAt)
    }
    await clock.advance(100)
    assert.equal(await processor.get('a'), undefined)
  })

  test('D3 a wall clock that was set back does not prolong what a tier of bytes has', async (t) => {
    const kept = new Map<string, Uint8Array>()
    const { clock, processor } = setUp(t)
    const tier = byteTier(
      {
        mget: (keys) => keys.map((key) => kept.get(key)),
        mset: (entries) => {
          for (const { key, bytes } of entries) kept.set(key, bytes)
        },
        mdelete: () => {},
      },
      { clock },
    )
    processor.initializeStorage(tier)
    await processor.set('a', 'A', { ttl: 1000 })
    // A little: no longer than it was given.
    clock.jumpWall(-30_000)
    processor.memory.clear()
    assert.equal(await processor.get('a'), 'A')
    assert.equal(processor.memory.remainingTtl('a'), 1000)
    // By far: nobody knows how old it is.
    clock.jumpWall(-3_600_000)
    processor.memory.clear()
    assert.equal(await processor.get('a'), undefined)
  })

  test('D3 times that are none make an entry a miss', async (t) => {
    const tier = new MapTier()
    const { processor, clock } = setUp(t, { storage: tier })
    const times = [Number.NaN, Number.NEGATIVE_INFINITY, 0, -1, '9999999999999', null, new Date(8e15), 10n ** 20n]
    for (const [at, expiresAt] of times.entries()) tier.kept.set(`k${at}`, { value: 'kept', expiresAt: expiresAt as number })
    const outcomes = await processor.getCachedDataBatchSettled(times.map((_, at) => ready(`k${at}`, 'fetched')))
    assert.ok(outcomes.every(({ source }) => source === 'fetch'))
    // Nor is anything valid by a wall clock that says nothing.
    processor.memory.clear()
    clock.wallNow = () => Number.NaN
    assert.deepEqual(await processor.getCachedDataBatch([ready('k0', 'again')]), ['again'])
  })
})

describe('long and short times', () => {
  const LONG = [TIMER_MS_MAX + 1, 2 ** 32 + 5, 2 ** 40, 2 ** 53, 1e300]

  test('D4 entries set no timer, however long they live', async (t) => {
    const { processor, clock } = setUp(t, { maxEntries: 10 })
    await processor.getCachedDataBatch(LONG.map((ttl) => ready(`${ttl}`, ttl, { ttl })))
    assert.equal(clock.timers, 0)
    clock.stall(2 ** 32 + 4)
    assert.deepEqual(
      LONG.map((ttl) => processor.memory.has(`${ttl}`)),
      [false, true, true, true, true],
    )
    clock.stall(1)
    assert.equal(processor.memory.has(`${2 ** 32 + 5}`), false)
  })

  test('D4 deadlines, backoffs and tiers longer than a timer can be: no timer of the platform overflows', async () => {
    // The real clock: what overflows is a warning of the process, and a warning is a failure.
    for (const ms of LONG) {
      const processor = new BatchProcessor({ timeoutMs: ms, queueTimeoutMs: ms, storageTimeoutMs: ms, storage: new MapTier() })
      const source = new Source()
      const options = { fetchTimeoutMs: ms, retry: { attempts: 2, backoffMs: ms, maxBackoffMs: ms, jitter: 0 } }
      const asked = processor.getCachedDataBatch([...source.requests('a', 'b'), ready('c', 3)], {
        ...options,
        maxConcurrency: 1,
      })
      for (const key of ['a', 'b']) {
        await settled()
        assert.equal(source.call(-1).key, key)
        source.call(-1).resolve(key)
      }
      assert.deepEqual(await asked, ['a', 'b', 3])
      const controller = new AbortController()
      const retried = watch(processor.getCachedData('d', source.fetch, { ...options, signal: controller.signal }))
      await settled()
      source.call(-1).reject(new Error('once'))
      await settled()
      assert.equal(retried.is, 'pending')
      controller.abort('enough')
      await settled()
      assert.equal(retried.reason, 'enough')
      await assertQuiescent(processor)
      await processor.close()
    }
  })

  test('D5 a ttl of 1 ms on a clock that never shows the same time twice: each call ends, and loads each key at most once', async (t) => {
    class Rushing extends VirtualClock {
      #asked = 0

      override now(): number {
        return super.now() + this.#asked++
      }
    }
    for (const options of [{}, { staleWhileRevalidate: 1 }, { earlyRefresh: 1 }, { slidingTtl: true }]) {
      const clock = new Rushing()
      const processor = new BatchProcessor({ maxEntries: 100, ttl: 1, clock, ...options })
      const keys = Array.from({ length: 200 }, (_, at) => `key ${at}`)
      let loads = 0
      for (let round = 0; round < 5; round++) {
        const before = loads
        const requests = keys.map((key) => ({
          key,
          fetchFunction: () => {
            loads++
            return key
          },
        }))
        assert.deepEqual(await processor.getCachedDataBatch(requests), keys)
        await settled()
        // And a refresh in the background for each at the most.
        assert.ok(loads - before <= keys.length * 2, `${loads - before} loads`)
      }
      await assertQuiescent(processor, clock)
      t.diagnostic(`${JSON.stringify(options)}: ${loads} loads for 1,000 requests`)
    }
  })

  test('D6 at its end an entry is over, a moment before it is not, in memory and in a tier', async (t) => {
    const tier = new MapTier()
    const { processor, clock } = setUp(t, { storage: tier })
    for (const ttl of [1, 100, 0.5, 2 ** 31, 1e9 + 0.25]) {
      await processor.set('a', 'A', { ttl })
      const step = Math.min(0.25, ttl / 2)
      clock.stall(ttl - step)
      assert.equal(processor.memory.get('a'), 'A', `${ttl}`)
      processor.memory.clear()
      assert.equal(await processor.get('a'), 'A', `${ttl}`)
      clock.stall(step)
      assert.equal(processor.memory.get('a'), undefined, `${ttl}`)
      processor.memory.clear()
      assert.equal(await processor.get('a'), undefined, `${ttl}`)
    }
  })

  test('D6 a deadline comes when it says: not before, and not after what came in time', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = [1, 2].map((at) => watch(processor.getCachedData(`k${at}`, source.fetch, { fetchTimeoutMs: 100 })))
    await clock.advance(99)
    source.call(0).resolve('in time')
    await clock.advance(0)
    assert.deepEqual(
      asked.map(({ is }) => is),
      ['fulfilled', 'pending'],
    )
    await clock.advance(1)
    assert.equal(asked[1]?.is, 'rejected')
  })
})

describe('a clock that cannot be trusted', () => {
  const LIES: [string, (now: number, at: number) => number][] = [
    ['goes back now and then', (now, at) => (at % 3 === 0 ? now - 5000 : now)],
    ['answers NaN now and then', (now, at) => (at % 2 === 0 ? Number.NaN : now)],
    ['rolls over', (now, at) => (at > 40 ? now - 2 ** 32 : now)],
    ['has fractions', (now, at) => now + (at % 7) / 7],
    ['answers minus infinity now and then', (now, at) => (at % 2 === 0 ? Number.NEGATIVE_INFINITY : now)],
    ['never moves', () => 7],
    ['is below zero', (now) => now - 1e9],
    ['is as large as numbers with fractions are', (now) => now + 2 ** 51],
  ]
  for (const [what, lie] of LIES) {
    test(`D7 a clock that ${what}: every call ends, nothing is stored for other than its own, and time does not go back`, async () => {
      class Lying extends VirtualClock {
        #asked = 0

        override now(): number {
          return lie(super.now(), this.#asked++)
        }
      }
      const clock = new Lying()
      const processor = new BatchProcessor({ clock, ttl: 100, maxEntries: 50, staleWhileRevalidate: 50 })
      const keys = Array.from({ length: 40 }, (_, at) => `key ${at}`)
      let leftBefore = Number.POSITIVE_INFINITY
      await processor.set('watched', 1, { ttl: 1e6 })
      for (let round = 0; round < 5; round++) {
        const hung = new Source()
        const asked = watch(
          processor.getCachedDataBatchSettled([...keys.map((key) => ready(key, key)), hung.request('hung')], {
            fetchTimeoutMs: 20,
            timeoutMs: 1000,
          }),
        )
        for (let step = 0; step < 50 && asked.is === 'pending' && what !== 'never moves'; step++) await clock.advance(20)
        hung.finish()
        await settled()
        assert.deepEqual(
          asked.value.slice(0, -1).map((outcome) => outcome.status === 'fulfilled' && outcome.value),
          keys,
        )
        const left = processor.memory.remainingTtl('watched')
        assert.ok(left <= leftBefore, `${left} ms left, before: ${leftBefore}`)
        leftBefore = left
      }
      await assertQuiescent(processor, clock)
    })
  }

  test('D8 a stall of ten seconds: each key is refreshed once, and what is overdue ends once', async (t) => {
    for (const options of [{ staleWhileRevalidate: 60_000 }, { earlyRefresh: 1, staleWhileRevalidate: 60_000 }]) {
      const { processor, source, clock } = setUp(t, { ttl: 1000, ...options })
      const keys = Array.from({ length: 20 }, (_, at) => `key ${at}`)
      await processor.mset(keys.map((key) => ({ key, value: 'old' })))
      const hung = keys.map((key) => watch(processor.getCachedData(`hung ${key}`, source.fetch, { fetchTimeoutMs: 5000 })))
      clock.stall(10_000)
      // All timers that are late come at once, in between, and after.
      const asks = (): Promise<unknown[]>[] =>
        Array.from({ length: 50 }, () => processor.getCachedDataBatch(source.requests(...keys), { maxConcurrency: 100 }))
      const before = asks()
      await clock.advance(0)
      for (const results of await Promise.all([...before, ...asks()])) assert.ok(results.every((result) => result === 'old'))
      assert.ok(hung.every(({ is }) => is === 'rejected'))
      const refreshed = source.keys.filter((key) => !key.startsWith('hung'))
      assert.deepEqual(refreshed.sort(), [...keys].sort())
      source.finish()
      await settled()
    }
  })
})

describe('times for storages', () => {
  test('D9 a storage of plain values gets whole units of one at least, or none: no zero, no fraction, nothing beyond what numbers are exact to', async () => {
    const given: unknown[] = []
    const storage: ValueStorage = {
      get: () => undefined,
      set: (_key: string, _value: unknown, ttl?: number) => void given.push(ttl),
      delete: () => {},
    }
    for (const ttlUnit of ['ms', 's'] as const) {
      given.length = 0
      const clock = new VirtualClock()
      // The tier asks the real clock, so what is left is not known to the millisecond; what shape it has is.
      const ahead = Date.now() - clock.wallNow()
      clock.jumpWall(ahead)
      const processor = new BatchProcessor({ clock, storage: valueTier(storage, { ttlUnit }) })
      const ttls = [0.25, 1, 1.5, 999, 1000.75, 1500, 2 ** 31 + 0.5, 2 ** 53, 1e300, Number.POSITIVE_INFINITY]
      for (const [at, ttl] of ttls.entries()) {
        await processor.set(`k${at}`, at, { ttl })
        clock.jumpWall(0.3)
      }
      await processor.close()
      for (const ttl of given) {
        assert.ok(ttl === undefined || (Number.isSafeInteger(ttl) && (ttl as number) >= 1), `a ttl of ${ttl}`)
      }
      assert.equal(given.at(-1), undefined)
      assert.ok(given.length >= 5)
    }
  })

  const TIMES: [string, number][] = [
    ['before 1970', -1e10],
    ['in 1970', 0],
    ['at the end of 32 bits, in 2038', 2 ** 31 * 1000 - 50],
    ['while clocks go forward in Europe', Date.UTC(2027, 2, 28, 1) - 50],
    ['while clocks go back in Europe', Date.UTC(2027, 9, 31, 1) - 50],
    ['on a leap day', Date.UTC(2028, 1, 29) - 50],
    ['at the end of dates, in 275760', 8.64e15 - 50],
    ['after it', 8.64e15 + 1000],
  ]
  for (const [what, wall] of TIMES) {
    test(`D10 ${what}, entries live as long as ever`, async (t) => {
      const tier = new MapTier()
      const { processor, clock } = setUp(t, { storage: tier, ttl: 100 })
      clock.jumpWall(wall - clock.wallNow())
      await processor.set('a', 'A')
      assert.equal(tier.kept.get('a')?.expiresAt, wall + 100)
      await clock.advance(99)
      processor.memory.clear()
      assert.equal(await processor.get('a'), 'A')
      assert.equal(processor.memory.remainingTtl('a'), 1)
      await clock.advance(1)
      processor.memory.clear()
      assert.equal(await processor.get('a'), undefined)
    })
  }
})
