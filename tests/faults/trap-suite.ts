/**
 * What must hold when the wasm traps, of whatever kind the trap is (E3 to E7): whoever waits gets a typed error, everybody is told, a new engine takes over,
 * and after three traps within a second keys are fetched without one for a while.
 */

import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { BatchProcessor, BatchProcessorConfig, EngineCrashError, ProcessorEvents, SluiceError } from '../../js/index.js'
import { type Core, Crossings, wasmMemory } from '../support/crossings.js'
import { assertQuiescent } from '../support/quiescence.js'
import { reasonOf, thrownBy, watch } from '../support/set-up.js'
import { ready, Source, unwanted } from '../support/source.js'
import { MapTier } from '../support/tiers.js'
import { VirtualClock } from '../support/virtual-clock.js'
import { chaos } from './chaos.js'
import type { Library } from './library.js'
import { PAGE, SEED, settled } from './support.js'

type Trap = (core: Core) => void

const PAGES_MAX = 65_536

interface Bench {
  readonly processor: BatchProcessor
  readonly clock: VirtualClock
  readonly source: Source
  readonly crashes: ProcessorEvents['crash'][]
}

export function testTraps(library: Library, traps: Readonly<Record<string, Trap>>): void {
  const crossings = new Crossings()

  const setUp = (t: TestContext, config: BatchProcessorConfig = {}, clock = new VirtualClock()): Bench => {
    crossings.reset()
    const processor = new library.BatchProcessor({ ...config, clock })
    const source = new Source()
    const crashes: ProcessorEvents['crash'][] = []
    processor.on('crash', (event) => crashes.push(event))
    t.after(async () => {
      crossings.reset()
      source.finish()
      await settled()
      await assertQuiescent(processor, clock)
    })
    return { processor, clock, source, crashes }
  }

  /** The next call of `method` traps. */
  const trapNext = (trap: Trap, method = 'lookup'): void => {
    crossings.before = (core, called) => {
      if (called !== method) return
      crossings.reset()
      trap(core)
    }
  }

  /** Whatever is asked, the engine crashes. */
  const trapAlways = (trap: Trap, method = 'lookup'): void => {
    crossings.before = (core, called) => {
      if (called === method) trap(core)
    }
  }

  for (const [kind, trap] of Object.entries(traps)) {
    describe(`${kind} in the engine`, () => {
      const name = /stack/.test(kind) ? 'E6' : /allocation/.test(kind) ? 'E3' : 'E4'

      test(`${name} ${kind}: all who wait are rejected, the next call has a new engine`, async (t) => {
        const { processor, source, crashes } = setUp(t)
        await processor.set('kept', 1)
        const batch = watch(processor.getCachedDataBatch(source.requests('a', 'b')))
        const joined = watch(processor.getCachedData('a', source.fetch))
        const outcomes = watch(processor.getCachedDataBatchSettled(source.requests('b', 'c')))
        const streamed = watch(processor.streamCachedDataBatch(source.requests('d')).next())
        trapNext(trap)
        const struck = (await reasonOf(processor.getCachedData('e', source.fetch))) as EngineCrashError
        const { signal } = source.call(0)
        for (const error of [struck, ...[batch, joined, outcomes, streamed].map(({ reason }) => reason as EngineCrashError)]) {
          assert.equal(error.code, 'ERR_ENGINE_CRASHED')
          assert.equal(error.family, 'internal')
          assert.match(error.message, /^the engine crashed \(.*\); please report this$/s)
          assert.ok(error.cause instanceof Error)
        }
        assert.deepEqual(crashes, [{ error: struck.cause, degraded: false }])
        assert.equal(signal.aborted, true)
        assert.equal(await processor.get('kept'), undefined)
        assert.equal(await processor.getCachedData('a', () => 'afresh'), 'afresh')
        // What the callbacks of before say now is nobody's.
        source.finish()
        await settled()
        assert.deepEqual([...processor.memory.keys()], ['a'])
      })

      test(`${name} ${kind}: processors that wait for something else are told, idle ones when they are used`, async (t) => {
        const clock = new VirtualClock()
        const { processor } = setUp(t, {}, clock)
        const waiting = setUp(t, {}, clock)
        const idle = setUp(t, {}, clock)
        const unused = setUp(t, {}, clock)
        await idle.processor.set('kept', 1)
        const asked = watch(waiting.processor.getCachedData('a', waiting.source.fetch))
        trapNext(trap, 'get')
        assert.equal((thrownBy(() => processor.memory.get('a')) as SluiceError).code, 'ERR_ENGINE_CRASHED')
        await settled(1)
        assert.equal((asked.reason as SluiceError).code, 'ERR_ENGINE_CRASHED')
        assert.deepEqual(
          [waiting, idle, unused].map(({ crashes }) => crashes.length),
          [1, 0, 0],
        )
        assert.equal(idle.processor.memory.get('kept'), undefined)
        assert.equal(await unused.processor.getCachedData('a', () => 1), 1)
        assert.deepEqual(
          [waiting, idle, unused].map(({ crashes }) => crashes.length),
          [1, 1, 0],
        )
        for (const { processor: each } of [waiting, idle]) assert.equal(await each.getCachedData('a', () => 2), 2)
      })

      test(`${name} ${kind}: what tiers have is still there`, async (t) => {
        const tier = new MapTier()
        const { processor } = setUp(t, { storage: tier })
        await processor.getCachedDataBatch([ready('a', 1), ready('b', 2)])
        await settled()
        const inTier = new Map(tier.kept)
        trapNext(trap)
        await reasonOf(processor.getCachedData('c', () => 3))
        assert.deepEqual(tier.kept, inTier)
        assert.deepEqual(await processor.getCachedDataBatch([unwanted('a'), unwanted('b')]), [1, 2])
      })

      test(`${name} ${kind} while an engine is made: another one is`, async (t) => {
        const { processor, crashes } = setUp(t)
        for (const times of [1, 2]) {
          let left = times
          const { processor: fresh, crashes: heard } = setUp(t)
          crossings.before = (core, method) => {
            if (method === 'reserve' && left-- > 0) trap(core)
          }
          assert.equal(await fresh.getCachedData('a', () => 1), 1)
          assert.equal(fresh.memory.get('a'), 1)
          assert.deepEqual(
            heard.map(({ degraded }) => degraded),
            [false, false].slice(0, times),
          )
        }
        assert.equal(await processor.getCachedData('a', () => 1), 1)
        assert.equal(crashes.length, 0)
      })

      test(`E5 ${kind}, three times within a second: no engine for ten seconds`, async (t) => {
        const { processor, clock, source, crashes } = setUp(t)
        trapAlways(trap)
        for (let crash = 1; crash <= 3; crash++) {
          assert.equal(((await reasonOf(processor.getCachedData('a', source.fetch))) as SluiceError).code, 'ERR_ENGINE_CRASHED')
          assert.deepEqual(
            crashes.map(({ degraded }) => degraded),
            [false, false, true].slice(0, crash),
          )
          await clock.advance(crash === 3 ? 0 : 499)
        }
        assert.equal(source.calls.length, 0)
        const crossed = crossings.count
        await assertDegraded(processor, clock)
        await clock.advance(9_900)
        assert.equal(crossings.count, crossed)
        crossings.reset()
        await clock.advance(100)
        assert.equal(await processor.getCachedData('a', () => 1), 1)
        assert.equal(processor.memory.get('a'), 1)
        assert.equal(crashes.length, 3)
      })

      test(`E5 ${kind}, three times, but not within a second: an engine each time`, async (t) => {
        const { processor, clock, crashes } = setUp(t)
        for (let crash = 0; crash < 5; crash++) {
          trapNext(trap)
          await reasonOf(processor.getCachedData('a', () => 1))
          assert.equal(await processor.getCachedData('a', () => crash), crash)
          await clock.advance(501)
        }
        assert.deepEqual(
          crashes.map(({ degraded }) => degraded),
          [false, false, false, false, false],
        )
      })

      test(`E4 ${kind} at each call of the core: nobody waits for ever`, async (t) => {
        setUp(t)
        const whole = await runScript(library)
        assert.deepEqual(whole.problems, [])
        assert.deepEqual(whole.crashes, 0)
        crossings.reset()
        await runScript(library)
        const { count } = crossings
        const methods = new Set<string>()
        // To use up the address space takes a while: not at each call then, but at others each time.
        const step = name === 'E3' ? 9 : 1
        for (let at = SEED % step; at < count; at += step) {
          crossings.trapAt(at, (core) => {
            methods.add(crossings.last)
            trap(core)
          })
          const { problems, crashes } = await runScript(library)
          assert.deepEqual(problems, [], `at ${crossings.last}, call ${at} of ${count}`)
          assert.ok(crashes <= 2)
        }
        crossings.reset()
        t.diagnostic(`${count} calls: ${[...methods].sort().join(' ')}`)
        if (step === 1) assert.ok(methods.size >= 30, 'nearly all exports')
      })

      test(`E4 ${kind} now and then, amid everything else`, async (t) => {
        // Often enough for the engine to be given up for a while, and so rarely that it never is.
        for (const [calls, loads] of [
          [300, 1000],
          [4000, 3000],
        ] as const) {
          setUp(t)
          let left = 100
          crossings.before = (core) => {
            if (--left > 0) return
            left = calls
            trap(core)
          }
          const report = await chaos({ library, seed: SEED, loads, mayCrash: true })
          t.diagnostic(`a crash per ${calls} calls, seed ${SEED}: ${JSON.stringify(report)}`)
          assert.ok(report.crashes > 1)
        }
      })
    })
  }

  describe('memory that cannot grow', () => {
    /** Leaves the instance so many pages to grow by. Nothing is touched, so nothing is taken from the machine. */
    const leave = (pages: number): void => {
      const memory = wasmMemory()
      memory.grow(PAGES_MAX - memory.buffer.byteLength / PAGE - pages)
    }

    test('E3 whichever page is refused: typed errors, entries not kept, and a processor that goes on', async (t) => {
      const { processor, crashes, clock } = setUp(t, { maxEntries: 100_000 })
      let refusals = 0
      for (let pages = 0; pages < 12; pages++) {
        // A new instance for each, as memory never shrinks.
        trapNext(() => {
          throw new WebAssembly.RuntimeError('unreachable')
        })
        await reasonOf(processor.getCachedData('a', () => 1))
        await clock.advance(2000)
        processor.memory.set('first', 'first')
        // Where keys cross there is room for them already, every other time: then it is entries that find none.
        if (pages % 2 === 1) processor.memory.mget(Array.from({ length: 30 }, () => 'x'.repeat(3000)))
        leave(pages)
        for (let round = 0; round < 25; round++) {
          const keys = Array.from({ length: 20 }, (_, at) => `${round}:${at}`.padEnd(1 + ((round * 37 + at) % 3000), 'x'))
          const outcome = await processor
            .getCachedDataBatch(keys.map((key) => ready(key, key)))
            .catch((error: SluiceError) => error)
          if (outcome instanceof Error) assert.equal((outcome as SluiceError).code, 'ERR_ENGINE_CRASHED')
          else assert.deepEqual(outcome, keys)
          try {
            processor.memory.mset(keys.map((key) => ({ key: `s${key}`, value: key, tags: [key] })))
            for (const key of keys) assert.ok([undefined, key].includes(processor.memory.get(`s${key}`)))
          } catch (error) {
            assert.equal((error as SluiceError).code, 'ERR_ENGINE_CRASHED')
          }
          await clock.advance(600)
        }
        refusals += (await processor.metrics()).refused
        assert.equal(await processor.getCachedData('last', () => pages, { cache: 'reload' }), pages)
      }
      t.diagnostic(`${refusals} entries were not kept for want of memory, ${crashes.length - 12} times the engine was lost`)
      assert.ok(refusals > 0)
      trapNext(() => {
        throw new WebAssembly.RuntimeError('unreachable')
      })
      await reasonOf(processor.getCachedData('a', () => 1))
    })

    test('E7 memory that grows at every call of the core: no view of it is used when it is old', async (t) => {
      setUp(t)
      // Detaches all views: before a call that has its arguments in memory already, or after one that answers there. What only tells where things are
      // allocates nothing.
      const grow = (_: Core, method: string): void => {
        if (method !== 'mail') wasmMemory().grow(1)
      }
      crossings.before = grow
      const whole = await runScript(library)
      assert.deepEqual(whole, { problems: [], crashes: 0 })
      crossings.before = undefined
      crossings.after = grow
      assert.deepEqual(await runScript(library), { problems: [], crashes: 0 })
      await chaos({ library, seed: SEED, loads: 400 })
      crossings.after = undefined
      crossings.before = grow
      const report = await chaos({ library, seed: SEED, loads: 400 })
      t.diagnostic(`seed ${SEED}: ${JSON.stringify(report)}`)
      crossings.reset()
      trapNext(() => {
        throw new WebAssembly.RuntimeError('unreachable')
      })
      await reasonOf(new library.BatchProcessor().getCachedData('a', () => 1))
    })
  })
}

/** Without an engine: bounded, deduplicated, in order, with deadlines, and nothing is kept. */
async function assertDegraded(processor: BatchProcessor, clock: VirtualClock): Promise<void> {
  const source = new Source()
  const requests = source.requests('a', 'b', 'a', 'c', 'd')
  const progress: number[] = []
  const asked = watch(
    processor.getCachedDataBatch(requests, { maxConcurrency: 2, onProgress: ({ completed }) => progress.push(completed) }),
  )
  const single = watch(processor.getCachedData('a', source.fetch))
  // Nobody's business any longer.
  requests.reverse()
  requests.length = 1
  assert.deepEqual(source.keys, ['a', 'b'])
  for (const key of ['a', 'b', 'c', 'd']) {
    const call = source.calls.find((each) => each.key === key)
    assert.ok(call, `${key} was called for`)
    call.resolve(key.toUpperCase())
    await settled(1)
  }
  assert.equal(source.runningMax, 2)
  assert.deepEqual(asked.value, ['A', 'B', 'A', 'C', 'D'])
  assert.equal(single.value, 'A')
  assert.deepEqual(progress, [1, 2, 3, 4, 5])
  assert.equal(processor.memory.get('a'), undefined)
  assert.equal(processor.memory.set('a', 1).get('a'), undefined)
  assert.equal(await processor.get('a'), undefined)
  assert.equal((await processor.metrics()).requested, 0)
  assert.deepEqual(
    (await processor.plan(source.requests('a', 'b'))).requests.map(({ action }) => action),
    ['fetch', 'fetch'],
  )

  const failed = await processor.getCachedDataBatchSettled([
    ready('good', 1),
    { key: 'bad', fetchFunction: () => Promise.reject(undefined) },
  ])
  assert.deepEqual(
    failed.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  assert.equal(
    await reasonOf(
      processor.getCachedData('bad', () => Promise.reject(new Error('bad'))).catch((error) => Promise.reject(error.message)),
    ),
    'bad',
  )
  const controller = new AbortController()
  const aborted = processor.getCachedData('e', source.fetch, { signal: controller.signal })
  controller.abort('enough')
  assert.equal(await reasonOf(aborted), 'enough')
  const late = watch(processor.getCachedData('f', source.fetch, { fetchTimeoutMs: 10 }))
  const whole = watch(processor.getCachedDataBatch(source.requests('g'), { timeoutMs: 10 }))
  await clock.advance(10)
  assert.equal((late.reason as SluiceError).code, 'ERR_FETCH_TIMEOUT')
  assert.equal((whole.reason as SluiceError).code, 'ERR_BATCH_TIMEOUT')
  source.finish()
  await settled()
  const nested = processor.getCachedData(
    'outer',
    async (context) => `${await context.getCachedData('inner', () => 'inner')} and outer`,
  )
  assert.equal(await nested, 'inner and outer')
}

interface Run {
  readonly problems: string[]
  readonly crashes: number
}

/** Does everything once, so that every export of the core is called; then checks that nobody waits, and that the processor is of use. */
async function runScript(library: Library): Promise<Run> {
  const clock = new VirtualClock()
  const problems: string[] = []
  const tier = new MapTier('tier', [['in the tier', 'T']])
  const config: BatchProcessorConfig = {
    clock,
    maxEntries: 6,
    maxWeight: 1e6,
    errorTtl: 100,
    staleWhileRevalidate: 1000,
    ttl: 500,
    storage: tier,
  }
  const processor = new library.BatchProcessor(config)
  const other = new library.BatchProcessor({ clock })
  let crashes = 0
  processor.on('crash', () => crashes++)
  processor.on('callbackError', ({ error }) => problems.push(`a callback failed: ${error}`))
  const waiting = new Set<string>()
  const source = new Source()
  const { memory } = processor
  const controller = new AbortController()

  const isCrash = (error: unknown): boolean => (error as SluiceError).code === 'ERR_ENGINE_CRASHED'
  const ask = (what: string, promise: Promise<unknown>): void => {
    waiting.add(what)
    promise.then(
      () => waiting.delete(what),
      () => waiting.delete(what),
    )
  }
  const attempt = (work: () => unknown): void => {
    try {
      work()
    } catch (error) {
      if (!isCrash(error)) problems.push(`thrown: ${error}`)
    }
  }
  const answer = async (): Promise<void> => {
    for (const call of source.calls) if (!call.isAnswered) call.resolve(call.key)
    await settled(3)
  }

  ask('other', other.getCachedData('o', source.fetch))
  const first = [unwanted('in the tier'), { ...source.request('a:b:1'), tags: ['x'] }, ready('a:b:2', 2), ready('ключ', 3)]
  ask('first', processor.getCachedDataBatch<unknown>(first, { timeoutMs: 600 }))
  await settled(3)
  const groupFetch = ({ keys }: { keys: readonly string[] }) => new Map([[keys[0] as string, 'group']])
  ask(
    'grouped',
    processor.getCachedDataBatch<unknown>(source.requests('a:b:1', 'g:g:1', 'g:g:2', 'g:g:3'), {
      groupFetch,
      onMissing: 'fallback',
    }),
  )
  ask(
    'slow',
    processor.getCachedDataBatch(source.requests('u:1', 'u:2'), {
      retry: { attempts: 2, jitter: 0, backoffMs: 5 },
      fetchTimeoutMs: 50,
      maxConcurrency: 1,
    }),
  )
  ask(
    'failing',
    processor.getCachedData('f', () => Promise.reject(new Error('f')), { retry: { attempts: 2, jitter: 0, backoffMs: 5 } }),
  )
  await settled(3)
  ask(
    'aborted',
    processor.getCachedDataBatchSettled([source.request('n:1'), source.request('n:2')], {
      signal: controller.signal,
      maxConcurrency: 1,
    }),
  )
  ask(
    'nested',
    processor.getCachedData('outer', (context) => context.getCachedData('inner', source.fetch), { maxConcurrency: 1 }),
  )
  ask(
    'circular',
    processor.getCachedData('loop', (context) => context.getCachedData('loop', source.fetch)),
  )
  ask('reloaded', processor.getCachedData('a:b:2', source.fetch, { cache: 'reload', isolation: 'clone' }))
  ask(
    'custom',
    processor.getCachedDataBatch(source.requests('c1', 'c2'), {
      groupingStrategy: 'custom',
      customGrouper: () => 'c',
      queueTimeoutMs: 10,
      maxConcurrency: 1,
    }),
  )
  await settled(3)
  attempt(() => memory.set('s', 1, { ttl: 10 }).get('s'))
  attempt(() => memory.peek('s'))
  attempt(() => memory.remainingTtl('s'))
  attempt(() =>
    memory.mset([
      { key: 't'.repeat(5000), value: null, tags: ['y'] },
      { key: '\ud800', value: 1 },
    ]),
  )
  attempt(() => memory.delete('\ud800'))
  attempt(() => [...memory.keys(), memory.size, memory.weight])
  ask('set', processor.set('s2', 1, { ttl: 10, tags: ['y'] }))
  ask('plan', processor.plan([ready('s2', 1), ready('none', 1)]))
  ask('get', processor.get('nothing'))
  ask('has', processor.has('nothing'))
  ask('mget', processor.mget(['in the tier', 's2', 'nothing']))
  await clock.advance(60)
  ask(
    'stale',
    processor.getCachedData('s2', () => 3),
  )
  ask('metrics', processor.metrics())
  await settled(3)
  ask('tag', processor.invalidate({ tag: 'y' }))
  ask('prefix', processor.invalidate({ prefix: 'a:' }))
  ask('pattern', processor.invalidate({ pattern: '*:2' }))
  ask('delete', processor.delete(['u:1', 'u:2']))
  controller.abort(new Error('enough'))
  await answer()
  attempt(() => memory.purgeStale())
  await clock.advance(100)
  await answer()
  ask('clear', processor.clear())
  for (let round = 0; round < 3; round++) {
    await clock.advance(31_000)
    await answer()
  }
  for (const what of waiting) problems.push(`${what} still waits`)
  ask(
    'again',
    processor.getCachedDataBatch([ready('again', 1), ready('once more', 2)]).then((values) => assert.deepEqual(values, [1, 2])),
  )
  ask(
    'other again',
    other.getCachedData('again', () => 1),
  )
  await settled()
  for (const what of waiting) problems.push(`${what} waits`)
  for (const each of [processor, other]) {
    await settled()
    const metrics = await each.metrics().catch(() => each.metrics())
    if (metrics.inFlight + metrics.waiting + metrics.running > 0) problems.push('it is not idle')
  }
  if (clock.timers > 0) problems.push(`${clock.timers} timers`)
  return { problems, crashes }
}
