/** Faults C1 to C18: many at once, in circles, and while things change. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { BatchProcessor, type CircularFetchError, SluiceError } from '../../js/index.js'
import { reasonOf, setUp, thrownBy, watch } from '../support/set-up.js'
import { Deferred, ready, unwanted } from '../support/source.js'
import { MapTier } from '../support/tiers.js'
import { randomFrom, SEED, settled } from './support.js'

const dist = (file: string): string => fileURLToPath(new URL(`../../dist/${file}`, import.meta.url))
// Built by `npm test`; a single file may run without.
const skipWithoutDist = existsSync(dist('index.cjs')) ? false : 'no dist/: npm run build'

describe('many at once', () => {
  for (const count of [1000, 10_000]) {
    test(`C1 ${count} batches for one key are one load`, async (t) => {
      const { processor, source } = setUp(t)
      const value = {}
      const asked = Array.from({ length: count }, () => processor.getCachedDataBatch([source.request('a')]))
      assert.equal(source.calls.length, 1)
      source.call(0).resolve(value)
      for (const [result] of await Promise.all(asked)) assert.equal(result, value)
      assert.equal((await processor.metrics()).joined, count - 1)
    })
  }

  test('C2 batches that overlap load each key once, and each has its own in its places', async (t) => {
    const { processor, source } = setUp(t)
    const batches = [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
      ['c', 'b', 'a', 'b'],
    ]
    const asked = batches.map((keys) => processor.getCachedDataBatch(source.requests(...keys)))
    assert.deepEqual(source.keys, ['a', 'b', 'c'])
    for (const call of [...source.calls].reverse()) call.resolve(call.key.toUpperCase())
    assert.deepEqual(
      await Promise.all(asked),
      batches.map((keys) => keys.map((key) => key.toUpperCase())),
    )
  })

  test('C3 whoever led may time out, abort, fail fast, or stop reading: the others get their answer', async (t) => {
    const { processor, source, clock } = setUp(t)
    const controller = new AbortController()
    const bad = { key: 'bad', fetchFunction: () => Promise.reject(new Error('bad')) }
    const leaders = [
      () => processor.getCachedDataBatch(source.requests('a'), { timeoutMs: 10 }),
      () => processor.getCachedDataBatch(source.requests('b'), { signal: controller.signal }),
      () => processor.getCachedDataBatch([...source.requests('c'), bad], { failFast: true }),
      async () => {
        const stream = processor.streamCachedDataBatch([ready('now', 1), ...source.requests('d')])
        await stream.next()
        await stream.return?.()
      },
    ]
    const led = leaders.map((lead) => watch<unknown>(lead()))
    const waiting = ['a', 'b', 'c', 'd'].map((key) =>
      watch(processor.getCachedData(key, () => Promise.reject(new Error('a second load')))),
    )
    controller.abort('enough')
    await clock.advance(10)
    assert.deepEqual(
      led.map(({ is }) => is),
      ['rejected', 'rejected', 'rejected', 'fulfilled'],
    )
    assert.ok(source.calls.every(({ signal }) => !signal.aborted))
    for (const call of source.calls) call.resolve(call.key)
    await settled(1)
    assert.deepEqual(
      waiting.map(({ value }) => value),
      ['a', 'b', 'c', 'd'],
    )
  })

  test('C4 a load that fails is the failure of all who wait, called once; the next one loads afresh, once', async (t) => {
    const { processor, source } = setUp(t)
    const error = new Error('down')
    const ask = () => Array.from({ length: 1000 }, () => watch(processor.getCachedData('a', source.fetch)))
    const first = ask()
    source.call(0).reject(error)
    await settled(1)
    assert.ok(first.every(({ reason }) => reason === error))
    assert.equal(source.calls.length, 1)
    const second = ask()
    assert.equal(source.calls.length, 2)
    source.call(1).resolve('up')
    await settled(1)
    assert.ok(second.every(({ value }) => value === 'up'))
  })

  test('C1 C4 a hundred thousand who wait for one load are answered in a time that grows as their number', async (t) => {
    const { processor, source } = setUp(t)
    const msFor = async (count: number): Promise<number> => {
      const asked = Array.from({ length: count }, () => processor.getCachedDataBatch(source.requests('a')))
      const start = performance.now()
      source.call(-1).resolve(1)
      await Promise.all(asked)
      await processor.clear()
      return performance.now() - start
    }
    await msFor(1000)
    const few = Math.min(await msFor(5000), await msFor(5000))
    const ms = await msFor(50_000)
    t.diagnostic(`50,000: ${ms.toFixed(0)} ms, 5,000: ${few.toFixed(0)} ms`)
    assert.ok(ms < few * 10 * 8, `${ms} ms, and ${few} ms for a tenth`)
  })
})

describe('callbacks that ask the processor', () => {
  const circle = (error: unknown): readonly string[] => {
    const { code, path } = error as CircularFetchError
    assert.equal(code, 'ERR_CIRCULAR_FETCH')
    return path
  }

  for (const maxConcurrency of [1, 5]) {
    test(`C5 a load that waits for itself, or round a circle, is told so at once, beginning with what is asked for, ${maxConcurrency} at a time`, async (t) => {
      const { processor, clock } = setUp(t, { defaultConcurrency: maxConcurrency })
      const self = processor.getCachedData('a', () => processor.getCachedData('a', () => 1))
      assert.deepEqual(circle(await reasonOf(self)), ['a', 'a'])
      const get = (key: string, next: () => unknown) => processor.getCachedData(key, () => Promise.resolve().then(next))
      const round = get('b', () => get('c', () => get('d', () => get('b', () => 1))))
      assert.deepEqual(circle(await reasonOf(round)), ['b', 'c', 'd', 'b'])
      // Each begun by itself, and closed in the middle.
      const crossed = [get('x', () => get('y', () => 1)), get('y', () => get('x', () => 1))].map(watch)
      await settled()
      const outcomes = crossed.map((each) => (each.is === 'rejected' ? 'circle' : each.is))
      assert.ok(outcomes.includes('circle') && !outcomes.includes('pending'), outcomes.join(' '))
      const viaContext = processor.getCachedData('k', (context) => context.getCachedDataBatch([unwanted('k')]))
      assert.deepEqual(circle(((await reasonOf(viaContext)) as AggregateError).errors[0]), ['k', 'k'])
      assert.ok(clock.asked.length < 50)
    })
  }

  test('C5 a circle through a groupFetch is a circle, too', async (t) => {
    const { processor } = setUp(t)
    const groupFetch = () => processor.getCachedDataBatch([unwanted('g:g:2')]) as Promise<never>
    const outcomes = await processor.getCachedDataBatchSettled([unwanted('g:g:1'), unwanted('g:g:2')], {
      groupFetch,
      groupFallbackLimit: 0,
    })
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected')
      const { cause } = outcome.reason as { cause: AggregateError }
      assert.deepEqual(circle(cause.errors[0]), ['g:g:2', 'g:g:2'])
    }
  })

  test('C5 no circle, however deep, deadlocks under a limit of one', async (t) => {
    const { processor } = setUp(t, { defaultConcurrency: 1 })
    const sum = (level: number): Promise<number> =>
      processor.getCachedData(`level ${level}`, async () => (level === 0 ? 0 : (await sum(level - 1)) + 1))
    assert.equal(await sum(100), 100)
    const tree = (path: string): Promise<number> =>
      processor.getCachedData(`tree ${path}`, async () => {
        if (path.length === 5) return 1
        const parts = await Promise.all([tree(`${path}l`), tree(`${path}r`)])
        return parts.reduce((total, part) => total + part)
      })
    assert.equal(await tree(''), 32)
  })

  test('C12 no callback runs within a call of the engine: whatever it asks of the processor is right', async (t) => {
    const { processor } = setUp(t, { maxEntries: 30, isolation: 'clone' })
    const { memory } = processor
    const random = randomFrom(SEED)
    const meddle = (): void => {
      const key = `k${random(60)}`
      memory.set(`x${random(60)}`, 1)
      memory.get(key)
      memory.delete(`x${random(60)}`)
      void processor.getCachedDataBatch([ready(`n${random(60)}`, 1)])
      if (random(10) === 0) void processor.clear()
    }
    processor.on('stall', meddle)
    processor.on('callbackError', meddle)
    for (let round = 0; round < 100; round++) {
      const keys = Array.from({ length: 20 }, () => `k${random(60)}`)
      const results = await processor.getCachedDataBatch(
        keys.map((key) => ({
          key,
          fetchFunction: ({ signal }) => {
            meddle()
            signal.addEventListener('abort', meddle)
            const value = {
              get key() {
                meddle()
                return key
              },
            }
            return random(2) === 0
              ? value
              : new Promise<{ key: string }>((resolve) => {
                  setImmediate(() => {
                    meddle()
                    resolve(value)
                  })
                })
          },
        })),
        {
          onProgress: meddle,
          groupingStrategy: 'custom',
          customGrouper: (key) => {
            meddle()
            return key.slice(0, 2)
          },
          retry: {
            retryable: () => {
              meddle()
              return false
            },
          },
        },
      )
      assert.deepEqual(
        results,
        keys.map((key) => ({ key })),
      )
    }
    await settled()
  })
})

describe('what changes meanwhile', () => {
  const CHANGES: [string, (processor: BatchProcessor) => Promise<unknown>, unknown][] = [
    ['delete', (processor) => processor.delete('a:b:c'), undefined],
    ['invalidate by key', (processor) => processor.invalidate({ keys: ['a:b:c'] }), undefined],
    ['invalidate by prefix', (processor) => processor.invalidate({ prefix: 'a:' }), undefined],
    ['invalidate by pattern', (processor) => processor.invalidate({ pattern: 'a:*:c' }), undefined],
    ['invalidate by tag', (processor) => processor.invalidate({ tag: 'tag' }), undefined],
    ['clear', (processor) => processor.clear(), undefined],
    ['set', (processor) => processor.set('a:b:c', 'set'), 'set'],
    ['memory.delete', async (processor) => processor.memory.delete('a:b:c'), undefined],
    ['memory.set', async (processor) => processor.memory.set('a:b:c', 'set'), 'set'],
  ]
  for (const [what, change, kept] of CHANGES) {
    const name = kept === undefined ? 'C7' : 'C9'
    test(`${name} ${what} while a key is loaded: who waited is answered, nothing of it is kept, who comes later does not get it`, async (t) => {
      const tier = new MapTier()
      const { processor, source } = setUp(t, { storage: tier })
      const asked = watch(processor.getCachedData('a:b:c', source.fetch, { tags: ['tag'] }))
      await settled()
      await change(processor)
      const later = watch(processor.getCachedData('a:b:c', source.fetch))
      await settled()
      assert.equal(source.calls.length, kept === undefined ? 2 : 1)
      source.call(0).resolve('old')
      await settled()
      assert.equal(asked.value, 'old')
      assert.equal(processor.memory.get('a:b:c'), kept)
      // memory's own calls leave the tiers alone.
      if (!what.startsWith('memory')) assert.equal(tier.kept.get('a:b:c')?.value, kept)
      if (kept === undefined) source.call(1).resolve('new')
      await settled()
      assert.equal(later.value, kept ?? 'new')
      assert.equal(processor.memory.get('a:b:c'), kept ?? 'new')
    })
  }

  test('C7 a change while a tier is asked, or a retry waits, counts as well', async (t) => {
    const tier = new MapTier('disk', [['a', 'stale']])
    const { processor, source, clock } = setUp(t, { storage: tier })
    const fromTier = watch(processor.getCachedData('a', source.fetch))
    await processor.delete('a')
    await settled()
    assert.equal(processor.memory.has('a'), false)
    assert.equal(tier.kept.has('a'), false)
    assert.notEqual(fromTier.is, 'rejected')
    const retried = watch(processor.getCachedData('b', source.fetch, { retry: { attempts: 2, backoffMs: 10, jitter: 0 } }))
    await settled()
    source.call(-1).reject(new Error('once'))
    await settled()
    await processor.set('b', 'set')
    await clock.advance(10)
    source.call(-1).resolve('old')
    await settled()
    assert.equal(retried.value, 'old')
    assert.equal(processor.memory.get('b'), 'set')
  })

  test('C10 what is stale is answered at once and refreshed once; a failing refresh keeps it until it is too old', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 100, staleWhileRevalidate: 1000 })
    const errors: string[] = []
    processor.on('refreshError', ({ key, error }) => errors.push(`${key}: ${(error as Error).message}`))
    await processor.set('a', 'old')
    await clock.advance(100)
    const ask = () => Promise.all(Array.from({ length: 50 }, () => processor.getCachedData('a', source.fetch)))
    assert.ok((await ask()).every((value) => value === 'old'))
    assert.equal(source.calls.length, 1)
    source.call(0).reject(new Error('down'))
    await settled()
    assert.deepEqual(errors, ['a: down'])
    assert.ok((await ask()).every((value) => value === 'old'))
    assert.equal(source.calls.length, 2)
    source.call(1).resolve('new')
    await settled()
    assert.ok((await ask()).every((value) => value === 'new'))
    await clock.advance(1100)
    const tooOld = watch(processor.getCachedData('a', source.fetch))
    await settled()
    assert.equal(tooOld.is, 'pending')
    source.call(-1).resolve('newest')
    await settled()
    assert.equal(tooOld.value, 'newest')
  })

  test('C11 eviction has nothing to do with what is in flight', async (t) => {
    const { processor, source } = setUp(t, { maxEntries: 1 })
    const asked = watch(processor.getCachedDataBatch(source.requests('a', 'b', 'c')))
    for (let at = 0; at < 100; at++) processor.memory.set(`filler ${at}`, at)
    for (const call of source.calls) call.resolve(call.key)
    await settled()
    assert.deepEqual(asked.value, ['a', 'b', 'c'])
    assert.equal(processor.memory.size, 1)
  })
})

describe('processors, copies and threads', () => {
  test('C13 two processors over one tier: tables of loads and caches of their own', async (t) => {
    const tier = new MapTier()
    const { processor: one, source } = setUp(t, { storage: tier })
    const { processor: other } = setUp(t, { storage: tier })
    const asked = [watch(one.getCachedData('a', source.fetch)), watch(other.getCachedData('a', source.fetch))]
    await settled()
    assert.equal(source.calls.length, 2)
    source.call(0).resolve('one')
    source.call(1).resolve('other')
    await settled()
    assert.deepEqual(
      asked.map(({ value }) => value),
      ['one', 'other'],
    )
    await one.delete('a')
    assert.equal(other.memory.get('a'), 'other')
    assert.equal(tier.kept.has('a'), false)
  })

  test('C13 the package twice in a process, as ES module and CommonJS: nothing is shared but what errors are', {
    skip: skipWithoutDist,
  }, async () => {
    const cjs = createRequire(import.meta.url)(dist('index.cjs')) as typeof import('../../js/index.js')
    const esm = (await import(dist('index.js'))) as typeof import('../../js/index.js')
    assert.notEqual(cjs.BatchProcessor, esm.BatchProcessor)
    const copies = [cjs, esm, { BatchProcessor, SluiceError }]
    const processors = copies.map((copy) => new copy.BatchProcessor())
    for (const [at, processor] of processors.entries()) assert.equal(await processor.getCachedData('a', () => at), at)
    assert.deepEqual(
      processors.map((processor) => processor.memory.get('a')),
      [0, 1, 2],
    )
    for (const processor of processors) {
      const reason = await processor.getCachedData('a', 1 as never).catch((error: unknown) => error)
      for (const copy of copies) assert.ok(reason instanceof copy.SluiceError)
      await processor.close()
    }
    // Of one copy asked by the callback of another, nobody knows that it is the same callback; it is not in the way either.
    const nested = cjs.getCachedData('outer', () => esm.getCachedData('inner', () => cjs.getCachedData('innermost', () => 1)))
    assert.equal(await nested, 1)
  })

  test('C14 a worker has processors of its own', { skip: skipWithoutDist }, async () => {
    const COUNT = 2000
    const workers = [1, 2].map(() => {
      const file = fileURLToPath(new URL('children/worker.mjs', import.meta.url))
      return new Worker(file, { workerData: { url: dist('index.js'), count: COUNT } })
    })
    for (const [answer] of await Promise.all(workers.map((worker) => once(worker, 'message')))) {
      assert.deepEqual(answer, { isRight: true, led: COUNT, hits: COUNT })
    }
    await Promise.all(workers.map((worker) => worker.terminate()))
  })

  test('C14 a processor cannot be posted, and is none after a structured clone', async (t) => {
    const { processor } = setUp(t)
    const error = thrownBy(() => structuredClone({ processor, on: () => {} })) as DOMException
    assert.equal(error.name, 'DataCloneError')
    const clone = structuredClone(processor) as BatchProcessor
    assert.equal(clone instanceof BatchProcessor, false)
    assert.equal(clone.getCachedData, undefined)
    assert.equal(await processor.getCachedData('a', () => 1), 1)
  })
})

describe('when callbacks start', () => {
  test('C15 there is no window to wait in: what is asked for in one tick is shared, and begins in it', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked: Promise<unknown>[] = []
    const turns: ((act: () => void) => void)[] = [
      (act) => act(),
      (act) => queueMicrotask(act),
      (act) => process.nextTick(act),
      (act) => void Promise.resolve().then(() => Promise.resolve().then(act)),
      (act) => void setImmediate(act),
      (act) => void clock.setTimer(act, 0),
    ]
    for (const [at, turn] of turns.entries()) {
      turn(() => {
        // `nextTick` may come before a microtask, or after it.
        asked[at] = processor.getCachedDataBatch(source.requests('shared', `own ${at}`))
        // In the turn it was asked for.
        assert.equal(source.calls.at(-1)?.key, `own ${at}`)
      })
    }
    await settled()
    await clock.advance(0)
    assert.equal(source.keys.filter((key) => key === 'shared').length, 1)
    assert.equal(source.calls.length, turns.length + 1)
    for (const call of source.calls) call.resolve(call.key)
    assert.deepEqual(
      await Promise.all(asked),
      turns.map((_, at) => ['shared', `own ${at}`]),
    )
  })

  test('C16 a huge batch keeps a small one of another waiting for nothing', async (t) => {
    const { processor, source } = setUp(t)
    const gate = new Deferred<string>()
    let running = 0
    let most = 0
    const fetchFunction = async () => {
      most = Math.max(most, ++running)
      await gate.promise
      running--
      return 1
    }
    const huge = processor.getCachedDataBatch(Array.from({ length: 20_000 }, (_, at) => ({ key: `huge ${at}`, fetchFunction })))
    const small = watch(processor.getCachedDataBatch(source.requests('small')))
    assert.equal(source.calls.length, 1)
    source.call(0).resolve('done')
    await settled(1)
    assert.deepEqual(small.value, ['done'])
    gate.resolve('')
    assert.equal((await huge).length, 20_000)
    assert.equal(most, 5)
  })

  test('C16 what is urgent goes first, first come first among equals, and the least urgent gets its turn', async (t) => {
    const { processor, source } = setUp(t)
    const priorities = ['low', 'normal', 'high', -5, 5] as const
    const requests = Array.from({ length: 300 }, (_, at) => {
      const priority = priorities[at % priorities.length] as (typeof priorities)[number]
      return source.request(`${priority} ${at}`, { priority })
    })
    const asked = watch(processor.getCachedDataBatch(requests, { maxConcurrency: 1 }))
    for (let at = 0; at < requests.length; at++) {
      source.call(-1).resolve(at)
      await settled(1)
    }
    assert.equal(asked.is, 'fulfilled')
    const inOrder = [5, 'high', 'normal', 'low', -5].flatMap((priority) =>
      requests.map(({ key }) => key).filter((key) => key.startsWith(`${priority} `)),
    )
    assert.deepEqual(source.keys, inOrder)
  })

  test('C17 a rate limit allows its burst and no more, however far the clock jumps', async (t) => {
    const { processor, source, clock } = setUp(t, { rateLimit: { requests: 10, perMs: 1000, burst: 3 } })
    const keys = Array.from({ length: 9 }, (_, at) => `key ${at}`)
    const asked = processor.getCachedDataBatch(source.requests(...keys), { maxConcurrency: 9 })
    assert.equal(source.calls.length, 3)
    await clock.advance(100)
    assert.equal(source.calls.length, 4)
    for (let calls = 5; calls <= 9; calls++) await clock.advance(100)
    assert.equal(source.calls.length, 9)
    for (const call of source.calls) call.resolve(0)
    await asked
    await clock.advance(10 ** 9)
    const again = processor.getCachedDataBatch(source.requests(...keys.map((key) => `${key} again`)), { maxConcurrency: 9 })
    assert.equal(source.calls.length, 12)
    await clock.advance(600)
    assert.equal(source.calls.length, 18)
    for (const call of source.calls) if (!call.isAnswered) call.resolve(0)
    await again
  })

  test('C18 what gets no slot in time is refused, and the queue has nothing of it left', async (t) => {
    const { processor, source, clock } = setUp(t)
    const keys = Array.from({ length: 10_000 }, (_, at) => `key ${at}`)
    const asked = watch(processor.getCachedDataBatchSettled(source.requests(...keys), { maxConcurrency: 2, queueTimeoutMs: 100 }))
    const left = async (): Promise<unknown> => {
      const { waiting, running, inFlight } = await processor.metrics()
      return { waiting, running, inFlight }
    }
    assert.deepEqual(await left(), { waiting: 10_000, running: 2, inFlight: 10_000 })
    await clock.advance(100)
    assert.deepEqual(await left(), { waiting: 2, running: 2, inFlight: 2 })
    for (const call of source.calls) call.resolve('in time')
    await settled()
    assert.equal(source.calls.length, 2)
    assert.deepEqual(
      asked.value.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as SluiceError).code)),
      keys.map((_, at) => (at < 2 ? 'in time' : 'ERR_QUEUE_TIMEOUT')),
    )
  })
})
