import './support/strict.js'
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, test } from 'node:test'
import {
  type BatchError,
  type BatchProcessor,
  type BulkContext,
  CircularFetchError,
  type FetchContext,
  type GroupFetchContext,
  SluiceError,
} from '../js/index.js'
import { reasonOf, setUp, watch } from './support/set-up.js'
import { Deferred, ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

type Calls = Pick<FetchContext, 'getCachedData' | 'getCachedDataBatch' | 'loadMany'>

/** As a runtime without AsyncLocalStorage has it: nothing says whose callback is running. */
const outside = AsyncLocalStorage.snapshot()
const byItself = ({ getCachedData, getCachedDataBatch, loadMany }: Calls): Calls => ({
  getCachedData: (...args) => outside(() => getCachedData(...args)),
  getCachedDataBatch: (...args: Parameters<Calls['getCachedDataBatch']>) => outside(() => getCachedDataBatch(...args)) as never,
  loadMany: (...args: Parameters<Calls['loadMany']>) => outside(() => loadMany(...args)) as never,
})

/** How a callback calls the processor: by its method, or by what its context offers where there is no AsyncLocalStorage. */
const WAYS: [string, (processor: BatchProcessor, context: Calls) => Calls][] = [
  ['the processor', (processor) => processor],
  ['its context', (_, context) => byItself(context)],
]

for (const [name, via] of WAYS) {
  describe(`a callback that calls ${name}`, () => {
    test('gets what it asks for, though its own slot is the only one', async (t) => {
      const { processor } = setUp(t)
      const outer = (context: FetchContext) =>
        via(processor, context)
          .getCachedData('inner', async () => 'inner')
          .then((value) => `outer of ${value}`)
      assert.deepEqual(await processor.getCachedDataBatch([{ key: 'outer', fetchFunction: outer }], { maxConcurrency: 1 }), [
        'outer of inner',
      ])
    })

    test('gets what it asks for, a hundred levels deep', async (t) => {
      const { processor } = setUp(t)
      const level =
        (depth: number) =>
        async (context: FetchContext): Promise<number> =>
          depth === 0
            ? 0
            : 1 +
              (await via(processor, context)
                .getCachedDataBatch([{ key: `${depth - 1}`, fetchFunction: level(depth - 1) }], { maxConcurrency: 1 })
                .then(([value]) => value as number))
      assert.equal(await processor.getCachedData('100', level(100), { maxConcurrency: 1 }), 100)
    })

    test('for its own key rejects at once, naming the path', async (t) => {
      const { processor } = setUp(t)
      const fetchFunction = (context: FetchContext): Promise<unknown> => via(processor, context).getCachedData('a', () => 'never')
      const error = (await reasonOf(processor.getCachedData('a', fetchFunction))) as CircularFetchError
      assert.ok(error instanceof CircularFetchError && error instanceof SluiceError)
      assert.deepEqual(error.path, ['a', 'a'])
      assert.equal(error.message, 'circular fetch: "a" waits for "a"')
      assert.equal(error.code, 'ERR_CIRCULAR_FETCH')
      assert.equal(error.key, 'a')
    })

    test('for a key that waits for it rejects at once, naming the whole circle', async (t) => {
      const { processor } = setUp(t)
      const next: Record<string, string> = { a: 'b', b: 'c', c: 'a' }
      const fetchFunction = (context: FetchContext): Promise<unknown> => {
        const key = next[context.key] as string
        return via(processor, context)
          .getCachedDataBatch([{ key, fetchFunction }])
          .then(([value]) => value)
      }
      const outcome = await reasonOf(processor.getCachedData('a', fetchFunction))
      let error = outcome as Error
      while (error.cause instanceof Error) error = error.cause
      assert.ok(error instanceof CircularFetchError)
      // From the key that was asked for, and rejected, on.
      assert.deepEqual(error.path, ['a', 'b', 'c', 'a'])
      assert.equal(error.key, 'a')
    })

    test('loads many in bulk, from each kind of callback, with one slot', async (t) => {
      const { processor } = setUp(t, { maxConcurrency: 1 })
      const loaded: string[][] = []
      const load = (keys: readonly string[]) => {
        loaded.push([...keys])
        return keys.map((key) => `${key}!`)
      }
      const single = await processor.getCachedData('single', (context) => via(processor, context).loadMany(['a', 'b'], load))
      assert.deepEqual(single, ['a!', 'b!'])
      const groupFetch = async (context: GroupFetchContext<string[]>) => {
        const found = await via(processor, context).loadMany(['b', 'c'], load)
        return context.keys.map(() => found)
      }
      const group = await processor.getCachedDataBatch([ready('g:a:1', []), ready('g:a:2', [])], { groupFetch })
      assert.deepEqual(group, [
        ['b!', 'c!'],
        ['b!', 'c!'],
      ])
      const bulk = await processor.loadMany(['x', 'y'], async (keys, context) => {
        const options = { cacheKey: (key: number) => `n:${key}` }
        const numbers = await via(processor, context).loadMany([1, 2], (keys: readonly number[]) => keys, options)
        return keys.map((key) => `${key}${numbers}`)
      })
      assert.deepEqual(bulk, ['x1,2', 'y1,2'])
      assert.deepEqual(loaded, [['a', 'b'], ['c']])
    })

    test('loads in bulk what waits for it: that rejects at once', async (t) => {
      const { processor } = setUp(t)
      const load = (_: readonly string[], context: BulkContext): Promise<string[]> =>
        via(processor, context).loadMany(['b'], load)
      const error = (await reasonOf(processor.loadMany(['a', 'b'], load))) as BatchError
      let cause: unknown = error
      while (cause instanceof Error && !(cause instanceof CircularFetchError)) cause = cause.cause
      assert.deepEqual((cause as CircularFetchError).path, ['b', 'b'])
    })

    test('asks for many, and those under the limit of its own batch of them', async (t) => {
      const { processor, source } = setUp(t)
      const outer = async (context: FetchContext) =>
        (await via(processor, context).getCachedDataBatch(source.requests('a', 'b', 'c'), { maxConcurrency: 2 })).join('')
      const asked = processor.getCachedData('outer', outer)
      await drained()
      assert.deepEqual(source.keys, ['a', 'b'])
      for (let at = 0; at < 3; at++) {
        source.call(at).resolve(source.call(at).key.toUpperCase())
        await drained()
      }
      assert.equal(await asked, 'ABC')
      assert.equal(source.runningMax, 2)
    })
  })
}

describe('callbacks that wait for one another', () => {
  test('make room: what waits holds no slot, and takes one again before it goes on', async (t) => {
    const { processor, source } = setUp(t)
    let running = 0
    let runningMax = 0
    const enter = () => {
      runningMax = Math.max(runningMax, ++running)
    }
    const outer = async (key: string) => {
      enter()
      running--
      const inner = await processor.getCachedData(`inner ${key}`, source.fetch)
      enter()
      running--
      return inner
    }
    const keys = ['1', '2', '3', '4']
    const asked = processor.getCachedDataBatch(
      keys.map((key) => ({ key, fetchFunction: () => outer(key) })),
      { maxConcurrency: 1 },
    )
    await drained()
    assert.equal(source.calls.length, 4)
    for (const call of source.calls) call.resolve(call.key)
    assert.deepEqual(
      await asked,
      keys.map((key) => `inner ${key}`),
    )
    assert.equal(runningMax, 1)
  })

  test('that join each other from two sides: one of them is told, neither hangs', async (t) => {
    const { processor } = setUp(t)
    const gate = new Deferred<void>()
    const toEachOther = (other: string) => async (): Promise<string> => {
      await gate.promise
      return `${await processor.getCachedData(other, () => 'never')}!`
    }
    const a = watch(processor.getCachedData('a', toEachOther('b')))
    const b = watch(processor.getCachedData('b', toEachOther('a')))
    gate.resolve()
    await drained()
    assert.ok([a, b].every(({ is }) => is === 'rejected'))
    assert.ok([a, b].some(({ reason }) => reason instanceof CircularFetchError))
  })

  test('may ask twice for the same thing, or for two that need a third', async (t) => {
    const { processor } = setUp(t)
    const base = { key: 'base', fetchFunction: async () => 1 }
    const twice = (key: string) => ({
      key,
      fetchFunction: async () => ((await processor.getCachedDataBatch([base, base])) as number[]).reduce((a, b) => a + b),
    })
    const top = async () =>
      (await processor.getCachedDataBatch([twice('left'), twice('right')], { maxConcurrency: 1 })).reduce((a, b) => a + b)
    assert.equal(await processor.getCachedData('top', top, { maxConcurrency: 1 }), 4)
  })

  test('do not confuse two processors', async (t) => {
    const one = setUp(t).processor
    const two = setUp(t).processor
    const asked = one.getCachedData('a', () => two.getCachedData('a', () => one.getCachedData('b', () => 'b')))
    assert.equal(await asked, 'b')
  })

  test('may write, delete and look while they run', async (t) => {
    const { processor } = setUp(t)
    const fetchFunction = async () => {
      await processor.set('other', 1)
      await processor.delete('other')
      processor.memory.set('third', 3)
      return [await processor.get('other'), await processor.has('third'), processor.memory.get('third')]
    }
    assert.deepEqual(await processor.getCachedData('a', fetchFunction), [undefined, true, 3])
  })

  test('in a group: for a key of the group itself rejects that call', async (t) => {
    const { processor } = setUp(t)
    const groupFetch = async ({ keys }: { keys: readonly string[] }) => {
      const inner = await processor.getCachedDataBatchSettled([ready('g:a:1', 'never'), ready('free', 'free')])
      assert.equal(inner[0]?.status === 'rejected' && (inner[0].reason as SluiceError).code, 'ERR_CIRCULAR_FETCH')
      assert.equal(inner[1]?.status, 'fulfilled')
      return keys.map((key) => key.toUpperCase())
    }
    assert.deepEqual(
      await processor.getCachedDataBatch([ready('g:a:1', ''), ready('g:a:2', '')], { groupFetch, maxConcurrency: 1 }),
      ['G:A:1', 'G:A:2'],
    )
  })

  test('a circle among many keys fails those on it, not the others', async (t) => {
    const { processor } = setUp(t)
    const requests = [
      { key: 'self', fetchFunction: (): Promise<unknown> => processor.getCachedData('self', () => 1) },
      { key: 'good', fetchFunction: (): Promise<unknown> => processor.getCachedData('leaf', () => 1) },
    ]
    const error = (await reasonOf(processor.getCachedDataBatch(requests))) as BatchError
    assert.deepEqual(error.keys, ['self'])
    assert.equal(processor.memory.get('good'), 1)
  })

  test('that is aborted while it waits takes what it waits for with it', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const asked = watch(
      processor.getCachedData('a', ({ signal }) => processor.getCachedData('b', source.fetch, { signal }), {
        signal: controller.signal,
      }),
    )
    controller.abort('enough')
    await drained()
    assert.equal(asked.reason, 'enough')
    assert.equal(source.call(0).signal.aborted, true)
    source.finish()
    await drained()
  })
})

describe('the async context', () => {
  test('of a callback is that of the caller whose load it is, whoever sets it off later', async (t) => {
    const { processor, source, clock } = setUp(t)
    const storage = new AsyncLocalStorage<string>()
    const seen = (key: string) => ({ key, fetchFunction: async () => storage.getStore() })
    const options = { maxConcurrency: 1, fetchTimeoutMs: 10 }
    const requests = [source.request('hangs'), seen('a')]
    const blocked = storage.run('one', () => processor.getCachedDataBatchSettled(requests, options))
    const other = storage.run('two', () => processor.getCachedDataBatch([seen('b'), ready('c', 'c')]))
    // A timer frees the slot, and that has a context of its own.
    await storage.run('three', () => clock.advance(10))
    const [, outcome] = await blocked
    assert.equal(outcome?.status === 'fulfilled' && outcome.value, 'one')
    assert.deepEqual(await other, ['two', 'c'])
  })

  test('that a callback left running is not taken for a callback: it may ask for its own key', async (t) => {
    const { processor } = setUp(t)
    const later = new Deferred<unknown>()
    await processor.getCachedData('a', () => {
      setImmediate(() => later.resolve(processor.getCachedData('a', () => 'again', { cache: 'reload' })))
      return 'A'
    })
    assert.equal(await later.promise, 'again')
  })
})
