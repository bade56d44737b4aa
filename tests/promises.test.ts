/** The ten promises that hold always, one test each, and each by what would break it. The README links here. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type BatchError, BatchProcessor, EngineCrashError, SluiceError } from '../js/index.js'
import { Crossings } from './support/crossings.js'
import { setUp, watch } from './support/set-up.js'
import { Deferred, ready, unwanted } from './support/source.js'
import { type Fault, MapTier } from './support/tiers.js'
import { drained } from './support/virtual-clock.js'

describe('promise 1: at most one load per key is in flight', () => {
  test('single, batch, grouped, prefetch, stream and refresh share it', async (t) => {
    const { processor, source, clock } = setUp(t, { staleWhileRevalidate: 1000 })
    await processor.set('g:a:1', 'old', { ttl: 10 })
    await clock.advance(10)
    const groupFetch = source.groupFetch
    const refreshing = processor.getCachedDataBatch(source.requests('g:a:1'))
    const asked = [
      processor.getCachedData('g:a:1', source.fetch, { cache: 'reload' }),
      processor.getCachedData('g:a:2', source.fetch),
      processor.getCachedDataBatch(source.requests('g:a:1', 'g:a:2', 'g:a:3', 'g:a:4'), { groupFetch, cache: 'reload' }),
      processor.getCachedDataBatchSettled(source.requests('g:a:3', 'g:a:4'), { groupFetch }),
      processor.prefetch(source.requests('g:a:2', 'g:a:3')),
      processor.streamCachedDataBatch(source.requests('g:a:4')).next(),
    ]
    assert.deepEqual(await refreshing, ['old'])
    const fetched = [...source.keys, ...source.groupCalls.flatMap(({ keys }) => keys)]
    assert.deepEqual(fetched.sort(), ['g:a:1', 'g:a:2', 'g:a:3', 'g:a:4'])
    for (const call of source.calls) call.resolve(call.key)
    for (const call of source.groupCalls) call.resolve(call.keys)
    await Promise.all(asked)
    assert.equal((await processor.metrics()).led, 4)
  })
})

describe('promise 2: results[i] belongs to requests[i], and duplicates share one result', () => {
  test('whatever the keys, the grouping, the limits, and the order in which answers come', async (t) => {
    const { processor } = setUp(t, { maxEntries: 5 })
    const keys = fc.array(fc.constantFrom('a', 'b', 'c', 'g:a:1', 'g:a:2', 'g:a:3', 'g:b:1', ''), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(
        keys,
        fc.nat(),
        fc.integer({ min: 1, max: 6 }),
        fc.boolean(),
        async (keys, seed, maxConcurrency, isGrouped) => {
          const gates: Deferred<void>[] = []
          const later = async <T>(value: T): Promise<T> => {
            const gate = new Deferred<void>()
            gates.push(gate)
            await gate.promise
            return value
          }
          const requests = keys.map((key) => ({ key, fetchFunction: () => later({ key }) }))
          const groupFetch = ({ keys }: { keys: readonly string[] }) =>
            later(new Map([...keys].reverse().map((key) => [key, { key }])))
          const asked = processor.getCachedDataBatch(requests, { maxConcurrency, ...(isGrouped && { groupFetch }) })
          for (let turn = seed; gates.length > 0; turn += 7) {
            gates.splice(turn % gates.length, 1)[0]?.resolve()
            await drained()
          }
          const results = await asked
          assert.deepEqual(
            results.map(({ key }) => key),
            keys,
          )
          for (const [index, key] of keys.entries()) assert.equal(results[index], results[keys.indexOf(key)])
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('promise 3: every promise settles, and a late result is stored only if nothing newer exists', () => {
  test('though fetches, groups, tiers and retries all hang', async (t) => {
    const disk = new MapTier()
    disk.fault = 'hangs'
    const { processor, source, clock } = setUp(t, { storage: disk })
    const requests = source.requests('a', 'b', 'g:a:1', 'g:a:2', 'g:a:3')
    const retry = { attempts: 3, backoffMs: 100, jitter: 0 }
    const asked = [
      processor.getCachedDataBatch(requests),
      processor.getCachedDataBatchSettled(requests, {
        maxConcurrency: 1,
        retry,
        groupFetch: source.groupFetch,
        groupFallbackLimit: 1,
      }),
      processor.getCachedDataBatch(requests, { deduplication: false, maxConcurrency: 2, queueTimeoutMs: 5 }),
      processor.getCachedData('c', source.fetch, { timeoutMs: 50, fetchTimeoutMs: Number.POSITIVE_INFINITY }),
      processor.get('d'),
      processor.has('e'),
      processor.set('f', 1),
      processor.delete('f'),
      processor.clear(),
    ].map((promise) => watch<unknown>(promise))
    await clock.advance(600_000)
    assert.ok(
      asked.every(({ is }) => is !== 'pending'),
      asked.map(({ is }) => is).join(),
    )
  })

  test('a late result is dropped, and what is newer stays', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = watch(processor.getCachedData('a', source.fetch, { fetchTimeoutMs: 10 }))
    await clock.advance(10)
    assert.equal(asked.is, 'rejected')
    await processor.set('a', 'newer')
    source.call(0).resolve('late')
    await drained()
    assert.equal(processor.memory.get('a'), 'newer')
  })
})

describe("promise 4: one bad key never poisons its batch's other keys", () => {
  test('they are delivered, cached, and reachable from the error', async (t) => {
    const { processor, clock } = setUp(t)
    const bad = [
      {
        key: 'throws',
        fetchFunction: () => {
          throw new Error('at once')
        },
      },
      { key: 'rejects', fetchFunction: () => Promise.reject(undefined) },
      { key: 'hangs', fetchFunction: () => new Promise<string>(() => {}) },
      { key: 'g:a:1', fetchFunction: () => Promise.reject(new Error('its fallback, too')) },
    ]
    const good = ['a', 'g:a:2', 'g:a:3'].map((key) => ready(key, key))
    const groupFetch = ({ keys }: { keys: readonly string[] }) =>
      keys.map((key) => (key === 'g:a:1' ? new Error('not this one') : key))
    const asked = watch(
      processor.getCachedDataBatch<string>([...bad, ...good], { groupFetch: groupFetch as never, fetchTimeoutMs: 50 }),
    )
    await clock.advance(50)
    const error = asked.reason as BatchError
    assert.deepEqual(error.keys, ['throws', 'rejects', 'hangs', 'g:a:1'])
    const delivered = error.results.filter((outcome) => outcome.status === 'fulfilled').map(({ key, value }) => [key, value])
    assert.deepEqual(
      delivered,
      good.map(({ key }) => [key, key]),
    )
    assert.deepEqual([...processor.memory.keys()].sort(), ['a', 'g:a:2', 'g:a:3'])
  })
})

describe('promise 5: a load that started before an invalidation, a delete or a set never overwrites it, in any tier', () => {
  const changes: [string, unknown, (processor: BatchProcessor) => Promise<unknown>][] = [
    ['a delete', undefined, (processor) => processor.delete('k:1')],
    ['an invalidation by keys', undefined, (processor) => processor.invalidate({ keys: ['k:1'] })],
    ['an invalidation by prefix', undefined, (processor) => processor.invalidate({ prefix: 'k' })],
    ['an invalidation by pattern', undefined, (processor) => processor.invalidate({ pattern: 'k*' })],
    ['an invalidation by tag', undefined, (processor) => processor.invalidate({ tag: 'tag' })],
    ['a clear', undefined, (processor) => processor.clear()],
    ['a set', 'set', (processor) => processor.set('k:1', 'set')],
  ]
  for (const [name, expected, change] of changes) {
    test(`${name} while it is fetched`, async (t) => {
      const tiers = [new MapTier('near'), new MapTier('far')]
      const { processor, source } = setUp(t, { storage: tiers })
      const asked = processor.getCachedDataBatch([source.request('k:1', { tags: ['tag'] })])
      await drained()
      await change(processor)
      source.call(0).resolve('old')
      assert.deepEqual(await asked, ['old'])
      await drained()
      assert.equal(processor.memory.get('k:1'), expected)
      for (const tier of tiers) assert.equal(tier.kept.get('k:1')?.value, expected)
    })

    test(`${name} while a tier is asked`, async (t) => {
      const tiers = [new MapTier('near'), new MapTier('far', [['k:1', 'old']])]
      const { processor } = setUp(t, { storage: tiers })
      const gate = new Deferred<void>()
      for (const tier of tiers) tier.gate = gate
      const asked = watch(processor.getCachedDataBatch([{ ...ready('k:1', 'fetched'), tags: ['tag'] }]))
      const changed = change(processor)
      for (const tier of tiers) tier.gate = undefined
      gate.resolve()
      await changed
      await drained()
      assert.equal(asked.is, 'fulfilled')
      // A tag is known to memory alone, which had not heard of the entry yet.
      if (name === 'an invalidation by tag') return
      assert.equal(processor.memory.get('k:1'), expected)
      processor.memory.clear()
      assert.equal(await processor.get('k:1'), expected)
    })
  }
})

describe('promise 6: a failing, slow or hanging storage tier never fails or hangs a read', () => {
  for (const fault of ['throws', 'rejects', 'hangs'] as const satisfies readonly Fault[]) {
    test(`one that ${fault} costs a miss and a counter`, async (t) => {
      const disk = new MapTier('disk', [['a', 'never seen']])
      disk.fault = fault
      const { processor, clock } = setUp(t, { storage: disk })
      const asked = watch(processor.getCachedDataBatch([ready('a', 'A'), ready('b', 'B')]))
      await clock.advance(2000)
      assert.deepEqual(asked.value, ['A', 'B'])
      const [counts] = (await processor.metrics()).tiers
      assert.equal(counts?.misses, 2)
      assert.ok((counts?.errors ?? 0) >= 1)
    })
  }
})

describe('promise 7: no value is ever served for another key', () => {
  test('keys are compared whole, in memory and in tiers: lone surrogates, NUL, normal forms, colliding hashes', async (t) => {
    const keys = [
      '',
      'a',
      'a\0',
      'é'.normalize('NFC'),
      'é'.normalize('NFD'),
      '\ud83d',
      '\ude00',
      '\ud83d\ude00',
      '\ufffd',
      'a:b',
      'a/b',
      '__proto__',
      'Ez',
      'FY',
      'A',
    ]
    const disk = new MapTier()
    const { processor } = setUp(t, { storage: disk })
    assert.deepEqual(
      await processor.getCachedDataBatch(keys.map((key) => ready(key, `<${key}>`))),
      keys.map((key) => `<${key}>`),
    )
    await drained()
    for (const where of ['memory', 'disk']) {
      assert.deepEqual(
        await processor.getCachedDataBatch(keys.map(unwanted)),
        keys.map((key) => `<${key}>`),
        where,
      )
      assert.deepEqual([...processor.memory.keys()].sort(), [...keys].sort(), where)
      processor.memory.clear()
    }
    assert.equal(disk.kept.size, keys.length)
  })
})

describe('promise 8: maxConcurrency is never exceeded, and nested calls never deadlock on it', () => {
  test('a tree of nested batches, one callback at a time', async (t) => {
    const { processor } = setUp(t)
    /** Callbacks of each batch that run and do not wait; a batch is named by the key that asks for it. */
    const running = new Map<string, number>()
    const work = async (batch: string): Promise<void> => {
      running.set(batch, (running.get(batch) ?? 0) + 1)
      assert.equal(running.get(batch), 1, `one callback of ${batch} at a time`)
      await drained()
      running.set(batch, 0)
    }
    const grow = (batch: string, side: string, depth: number) => ({
      key: batch + side,
      fetchFunction: async (): Promise<number> => {
        await work(batch)
        if (depth === 0) return 1
        const children = ['l', 'r'].map((child) => grow(batch + side, child, depth - 1))
        const [left, right] = (await processor.getCachedDataBatch(children, { maxConcurrency: 1 })) as [number, number]
        await work(batch)
        return left + right
      },
    })
    const roots = ['a', 'b', 'c'].map((side) => grow('root ', side, 4))
    assert.deepEqual(await processor.getCachedDataBatch(roots, { maxConcurrency: 1 }), [16, 16, 16])
  })

  test('one batch, however its callbacks end', async (t) => {
    const { processor, source, clock } = setUp(t)
    const requests = Array.from({ length: 60 }, (_, index) => source.request(`${index}`))
    const asked = processor.getCachedDataBatchSettled(requests, {
      maxConcurrency: 3,
      fetchTimeoutMs: 100,
      retry: { attempts: 2, backoffMs: 10, jitter: 0 },
    })
    for (let turn = 0; (await processor.metrics()).inFlight > 0; turn++) {
      assert.ok((await processor.metrics()).running <= 3)
      const running = source.calls.filter((call) => !call.isAnswered && !call.signal.aborted)
      assert.ok(running.length <= 3, `${running.length} run`)
      const call = running[turn % Math.max(1, running.length)]
      if (turn % 3 === 0) await clock.advance(100)
      else if (turn % 3 === 1) call?.reject(new Error('no'))
      else call?.resolve(turn)
      await clock.advance(10)
    }
    assert.equal((await asked).length, 60)
  })
})

describe('promise 9: no unhandled rejection, no leaked listener or timer', () => {
  test('after aborts, deadlines, failures, retries and late answers of every kind', async (t) => {
    const { processor, source, clock } = setUp(t, { staleWhileRevalidate: 50, ttl: 20 })
    const signals: AbortSignal[] = []
    for (let round = 0; round < 300; round++) {
      const controller = new AbortController()
      signals.push(controller.signal)
      const asked = watch(
        processor.getCachedDataBatch(source.requests(`${round % 7}`, `g:a:${round % 5}`, `g:a:${round % 3}`), {
          signal: controller.signal,
          fetchTimeoutMs: 30,
          timeoutMs: 70,
          failFast: round % 4 === 0,
          groupFetch: source.groupFetch,
          retry: { attempts: 1 + (round % 3), backoffMs: 5 },
        }),
      )
      await clock.advance(round % 11)
      for (const call of [...source.calls, ...source.groupCalls].filter(({ isAnswered }) => !isAnswered).slice(0, 2)) {
        if (round % 3 === 0) call.reject(new Error('no'))
        else call.resolve('keys' in call ? (round % 2 === 0 ? call.keys : 'nonsense') : round)
      }
      if (round % 5 === 0) controller.abort('enough')
      if (round % 50 === 49) await clock.advance(1000)
      assert.ok(asked.is !== undefined)
    }
    await clock.advance(1000)
    source.finish()
    await drained()
    assert.equal(clock.timers, 0)
    for (const signal of signals) assert.equal(getEventListeners(signal, 'abort').length, 0)
  })
})

describe('promise 9: an idle processor never keeps the process alive', () => {
  // Whole processes that end by themselves are in tests/package.test.ts.
  test('on the clock of the platform no timer is left when a batch has settled', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length
    const before = timers()
    const processor = new BatchProcessor({ storage: new Map() })
    const gate = new Deferred<string>()
    const asked = processor.getCachedDataBatch([{ key: 'a', fetchFunction: () => gate.promise }, ready('b', 'B')], {
      timeoutMs: 60_000,
    })
    await drained()
    assert.ok(timers() > before)
    gate.resolve('A')
    assert.deepEqual(await asked, ['A', 'B'])
    await drained()
    assert.equal(timers(), before)
  })
})

const crossings = new Crossings()

describe('promise 10: a wasm trap loses at most cached entries', () => {
  for (const method of ['lookup', 'open', 'admit', 'seal', 'queue', 'settle', 'get', 'mset', 'keys', 'stats'] as const) {
    test(`in ${method}: waiters settle with a typed error, the engine is rebuilt`, async (t) => {
      const { processor, source, clock } = setUp(t)
      const waiting = watch(processor.getCachedDataBatch(source.requests('in flight', 'and another')))
      let traps = 1
      crossings.before = (_, called) => {
        if (called === method && traps-- > 0) throw new WebAssembly.RuntimeError('unreachable')
      }
      t.after(() => crossings.reset())
      const calls = [
        () => processor.getCachedDataBatch([ready('a', 'A')]),
        () => Promise.resolve(source.call(0).resolve('late')),
        async () => processor.memory.get('a'),
        async () => processor.memory.set('a', 1),
        async () => [...processor.memory.keys()],
        () => processor.metrics(),
      ]
      const during = []
      for (const call of calls) {
        during.push(watch<unknown>(call()))
        await drained()
      }
      assert.equal(traps < 1, true, 'the trap was met')
      for (const one of during) {
        assert.notEqual(one.is, 'pending')
        if (one.is === 'rejected') assert.ok(one.reason instanceof EngineCrashError)
      }
      assert.ok(waiting.reason instanceof EngineCrashError && waiting.reason instanceof SluiceError)
      assert.deepEqual(await processor.getCachedDataBatch([ready('after', 'works')]), ['works'])
      assert.equal(processor.memory.get('after'), 'works')
      source.finish()
      await clock.advance(0)
    })
  }
})
