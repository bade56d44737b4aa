/** Bulk loads: `loadMany`, and loaders that gather what is asked for one by one. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, type TestContext, test } from 'node:test'
import {
  BatchError,
  BatchProcessor,
  type BatchProcessorConfig,
  type BulkContext,
  type BulkLoader,
  type CircularFetchError,
  ClosedError,
  EngineCrashError,
  GroupContractError,
  type Loader,
  loadMany,
  MissingResultError,
  SluiceError,
} from '../js/index.js'
import { Crossings } from './support/crossings.js'
import { type Bench, reasonOf, setUp, thrownBy, watch } from './support/set-up.js'
import { Deferred } from './support/source.js'
import { MapTier } from './support/tiers.js'
import { drained } from './support/virtual-clock.js'

/** A bulk loader that the test answers. */
class BulkSource<K = string> {
  readonly calls: { readonly keys: readonly K[]; readonly context: BulkContext; readonly deferred: Deferred<unknown> }[] = []

  readonly load: BulkLoader<K, unknown> = (keys, context) => {
    const deferred = new Deferred<unknown>()
    this.calls.push({ keys, context, deferred })
    return deferred.promise as never
  }

  get keys(): (readonly K[])[] {
    return this.calls.map(({ keys }) => keys)
  }

  resolve(at: number, answer: unknown): void {
    this.calls.at(at)?.deferred.resolve(answer)
  }

  reject(at: number, reason: unknown): void {
    this.calls.at(at)?.deferred.reject(reason)
  }
}

function setUpBulk(t: TestContext, config: BatchProcessorConfig = {}): Bench & { bulk: BulkSource } {
  return { ...setUp(t, config), bulk: new BulkSource() }
}

/** A bulk loader that answers at once, and the keys it was asked for. */
function upper(asked: (readonly string[])[] = []): BulkLoader<string, string> {
  return (keys) => {
    asked.push(keys)
    return keys.map((key) => key.toUpperCase())
  }
}

describe('loadMany', () => {
  test('gets all keys in one call, in their order, each once, and keeps them', async (t) => {
    const { processor } = setUp(t)
    const asked: (readonly string[])[] = []
    assert.deepEqual(await processor.loadMany(['b', 'a', 'b'], upper(asked)), ['B', 'A', 'B'])
    assert.deepEqual(await processor.loadMany(['a', 'c', 'b'], upper(asked)), ['A', 'C', 'B'])
    assert.deepEqual(asked, [['b', 'a'], ['c']])
    assert.deepEqual(await processor.loadMany([], upper(asked)), [])
  })

  test('of the default processor', async () => {
    assert.deepEqual(await loadMany(['x', 'y'], upper()), ['X', 'Y'])
  })

  const shapes: [string, (keys: readonly string[]) => unknown][] = [
    ['a Map', (keys) => new Map(keys.map((key) => [key, key.toUpperCase()]))],
    ['an object', (keys) => Object.fromEntries(keys.map((key) => [key, key.toUpperCase()]))],
    ['an array', (keys) => keys.map((key) => key.toUpperCase())],
    ['an iterable', (keys) => new Set(keys.map((key) => [key, key.toUpperCase()]))],
    [
      'an async iterable',
      async function* (keys) {
        for (const key of keys) yield [key, key.toUpperCase()]
      },
    ],
    ['a promise of one', async (keys) => keys.map((key) => key.toUpperCase())],
  ]
  for (const [name, answer] of shapes) {
    for (const keys of [['a'], ['a', 'b', 'c']]) {
      for (const prefix of ['', 'p:']) {
        test(`takes ${name} for ${keys.length}${prefix && ', with a prefix'}`, async (t) => {
          const { processor } = setUp(t)
          const values = await processor.loadMany(keys, answer as never, { prefix })
          assert.deepEqual(values, ['A', 'B', 'C'].slice(0, keys.length))
          assert.deepEqual([...processor.memory.keys()].sort(), keys.map((key) => prefix + key).sort())
        })
      }
    }
  }

  test('splits what is more than maxBatchSize, and runs no more calls than may be', async (t) => {
    const { processor, bulk } = setUpBulk(t)
    const asked = processor.loadMany(['a', 'b', 'c', 'd', 'e'], bulk.load, { maxBatchSize: 2, maxConcurrency: 2 })
    assert.deepEqual(bulk.keys, [
      ['a', 'b'],
      ['c', 'd'],
    ])
    bulk.resolve(0, [1, 2])
    await drained()
    assert.deepEqual(bulk.keys.at(-1), ['e'])
    bulk.resolve(1, [3, 4])
    bulk.resolve(2, [5])
    assert.deepEqual(await asked, [1, 2, 3, 4, 5])
  })

  test('is not split by default, whatever the processor groups', async (t) => {
    const { processor } = setUp(t, { maxBatchSize: 2, enableOptimizations: false })
    const asked: (readonly string[])[] = []
    const keys = Array.from({ length: 10_000 }, (_, n) => `k${n}:${n}:${n}`)
    await processor.loadMany(keys, upper(asked))
    assert.deepEqual(
      asked.map(({ length }) => length),
      [10_000],
    )
  })

  test('is its own group, whatever groups and breakers the processor has', async (t) => {
    const { processor } = setUp(t, { groups: { 'user:1': () => assert.fail('not asked') }, groupBreaker: { failures: 1 } })
    const fails = () => {
      throw new Error('down')
    }
    for (let time = 0; time < 3; time++) {
      const { errors } = (await reasonOf(processor.loadMany(['user:1:a', 'user:1:b'], fails))) as BatchError
      assert.deepEqual(
        errors.map(({ message }) => message),
        ['down', 'down'],
      )
    }
    assert.deepEqual(await processor.loadMany(['user:1:a', 'user:1:b'], upper()), ['USER:1:A', 'USER:1:B'])
  })

  test('joins loads in flight, and is joined', async (t) => {
    const { processor, source, bulk } = setUpBulk(t)
    const single = processor.getCachedData('a', source.fetch)
    const many = processor.loadMany(['a', 'b'], bulk.load)
    const joined = processor.getCachedData('b', source.fetch)
    assert.deepEqual(bulk.keys, [['b']])
    source.call(0).resolve('A')
    bulk.resolve(0, ['B'])
    assert.deepEqual(await Promise.all([single, many, joined]), ['A', ['A', 'B'], 'B'])
    assert.equal(source.calls.length, 1)
  })

  test('asks the tiers first, and tells them', async (t) => {
    const disk = new MapTier('disk', [['p:a', 'kept']])
    const { processor } = setUp(t, { storage: disk })
    assert.deepEqual(await processor.loadMany(['a', 'b'], upper(), { prefix: 'p:' }), ['kept', 'B'])
    await drained()
    assert.deepEqual([...disk.kept.keys()], ['p:a', 'p:b'])
  })

  test('keeps values as its ttl and tags say', async (t) => {
    const { processor, clock } = setUp(t)
    await processor.loadMany(['a', 'b'], upper(), { ttl: 100, tags: ['letters'] })
    assert.equal(processor.memory.remainingTtl('a'), 100)
    assert.equal(await processor.invalidate({ tag: 'letters' }), 2)
    await processor.loadMany(['a', 'b'], upper(), { ttl: 0 })
    assert.equal(processor.memory.size, 0)
    await processor.loadMany(['a'], () => [1], { ttl: 100 })
    await clock.advance(100)
    assert.equal(processor.memory.get('a'), undefined)
  })

  test('keeps what nobody asked for, for as long', async (t) => {
    const { processor } = setUp(t)
    await processor.loadMany(['a', 'b'], () => ({ a: 1, b: 2, c: 3 }), { ttl: 100, prefix: 'p:' })
    assert.equal(processor.memory.get('p:c'), 3)
    assert.equal(processor.memory.remainingTtl('p:c'), 100)
  })

  test('starts by priority', async (t) => {
    const { processor, source, bulk } = setUpBulk(t, { defaultConcurrency: 1 })
    const asked = processor.loadMany(['a', 'b'], bulk.load, { priority: 'high', maxBatchSize: 1, maxConcurrency: 1 })
    bulk.resolve(0, [1])
    await drained()
    bulk.resolve(1, [2])
    assert.deepEqual(await asked, [1, 2])
    assert.equal(source.calls.length, 0)
  })

  test('what it leaves out is undefined and not kept, or null, or an error', async (t) => {
    const { processor } = setUp(t)
    for (const keys of [['a'], ['a', 'b']]) {
      assert.deepEqual(
        await processor.loadMany(keys, () => ({})),
        keys.map(() => undefined),
      )
      assert.equal(processor.memory.size, 0)
      const error = (await reasonOf(processor.loadMany(keys, () => ({}), { onMissing: 'error' }))) as BatchError
      assert.ok(error.errors[0] instanceof MissingResultError)
      assert.equal(error.errors[0].message, 'the bulk loader did not answer for "a"')
      assert.deepEqual(
        await processor.loadMany(keys, () => ({}), { onMissing: 'null' }),
        keys.map(() => null),
      )
      assert.equal(processor.memory.get('a'), null)
      await processor.clear()
    }
  })

  test('an Error among the values rejects its key alone', async (t) => {
    const { processor } = setUp(t)
    const bad = new Error('bad')
    const error = await reasonOf(processor.loadMany(['a', 'b', 'c'], () => [1, bad, 3]))
    assert.ok(error instanceof BatchError)
    assert.deepEqual(error.errors, [bad])
    assert.deepEqual(error.keys, ['b'])
    assert.deepEqual([...processor.memory.keys()].sort(), ['a', 'c'])
  })

  for (const keys of [['a'], ['a', 'b']]) {
    test(`what it throws is the reason of its keys: ${keys}`, async (t) => {
      const { processor } = setUp(t)
      const thrown = new Error('down')
      for (const fails of [
        () => {
          throw thrown
        },
        async () => {
          throw thrown
        },
      ]) {
        const error = (await reasonOf(processor.loadMany(keys, fails as never))) as BatchError
        assert.deepEqual(
          error.errors,
          keys.map(() => thrown),
        )
      }
      assert.equal(await reasonOf(processor.loadMany(keys, () => Promise.reject(thrown), { failFast: true })), thrown)
    })
  }

  test('what it delivered before it threw stands', async (t) => {
    const { processor } = setUp(t)
    const error = (await reasonOf(
      processor.loadMany(['a', 'b'], async function* () {
        yield ['a', 1] as const
        throw new Error('half-way')
      }),
    )) as BatchError
    assert.deepEqual(error.keys, ['b'])
    assert.equal(processor.memory.get('a'), 1)
  })

  const wrong: [string, unknown, string][] = [
    ['too few', [1], 'the bulk loader: expected an array of 2 values, one for each key, received one of 1'],
    [
      'nothing',
      undefined,
      'the bulk loader: expected a Map, an object, an array, or an iterable of [key, value], received undefined',
    ],
    ['no pairs', new Set([7]), 'the bulk loader: expected its iterable to yield [key, value], received 7 (number)'],
  ]
  for (const [name, answer, message] of wrong) {
    test(`an answer of the wrong shape is said to be: ${name}`, async (t) => {
      const { processor } = setUp(t)
      for (const prefix of ['', 'p:']) {
        const error = (await reasonOf(processor.loadMany(['a', 'b'], () => answer as never, { prefix }))) as BatchError
        assert.deepEqual(
          error.errors.map((reason) => reason.message),
          [message, message],
        )
        assert.ok(error.errors[0] instanceof GroupContractError)
      }
    })
  }

  test('tries again, one by one', async (t) => {
    const { processor, clock } = setUp(t)
    const asked: (readonly string[])[] = []
    const loads: BulkLoader<string, string> = (keys) => {
      asked.push(keys)
      if (asked.length === 1) throw new Error('down')
      return keys.map((key) => key.toUpperCase())
    }
    const loading = processor.loadMany(['a', 'b'], loads, { retry: { attempts: 2, jitter: 0 } })
    await clock.advance(100)
    assert.deepEqual(await loading, ['A', 'B'])
    assert.deepEqual(asked, [['a', 'b'], ['a'], ['b']])
  })

  test('is refreshed in bulk while the old is answered', async (t) => {
    const { processor, clock } = setUp(t)
    const asked: (readonly string[])[] = []
    const options = { ttl: 100, staleWhileRevalidate: 1000, prefix: 'p:' }
    await processor.loadMany(['a', 'b'], upper(asked), options)
    await clock.advance(100)
    assert.deepEqual(await processor.loadMany(['b', 'a'], upper(asked), options), ['B', 'A'])
    await drained()
    assert.deepEqual(asked, [
      ['a', 'b'],
      ['b', 'a'],
    ])
    assert.equal(processor.memory.remainingTtl('p:a'), 100)
  })

  test('an aborted one rejects with the reason, and aborts the call that nobody waits for', async (t) => {
    const { processor, bulk } = setUpBulk(t)
    const controller = new AbortController()
    const asked = watch(processor.loadMany(['a', 'b'], bulk.load, { signal: controller.signal }))
    const signal = bulk.calls[0]?.context.signal
    controller.abort('enough')
    await drained()
    assert.equal(asked.reason, 'enough')
    assert.equal(signal?.aborted, true)
    bulk.resolve(0, [1, 2])
    await drained()
    assert.equal(await reasonOf(processor.loadMany(['a'], bulk.load, { signal: controller.signal })), 'enough')
    assert.equal(bulk.calls.length, 1)
  })

  test('has a deadline', async (t) => {
    const { processor, clock, bulk } = setUpBulk(t)
    const asked = watch(processor.loadMany(['a', 'b'], bulk.load, { fetchTimeoutMs: 50 }))
    await clock.advance(50)
    assert.equal((asked.reason as BatchError).errors[0].code, 'ERR_FETCH_TIMEOUT')
    bulk.resolve(0, [1, 2])
  })

  test('tells of its progress', async (t) => {
    const { processor } = setUp(t)
    const told: number[] = []
    await processor.loadMany(['a', 'b'], upper(), { onProgress: ({ completed }) => told.push(completed) })
    assert.deepEqual(told, [1, 2])
  })

  test('nested, runs in the slot of whoever asks; who would wait for itself is told', async (t) => {
    const { processor } = setUp(t, { defaultConcurrency: 1 })
    const outer = processor.getCachedData('outer', async () => (await processor.loadMany(['a', 'b'], upper())).join(''))
    assert.equal(await outer, 'AB')
    const circular = processor.loadMany(['x', 'y'], async (_, context) => [
      await context.getCachedData('y', () => 1).catch((error: CircularFetchError) => error.path.join()),
      2,
    ])
    assert.deepEqual(await circular, ['y,y', 2])
  })

  test('keys are read once, and what the loader does to its own changes nothing', async (t) => {
    const { processor } = setUp(t)
    const keys = ['a', 'b']
    const asked = processor.loadMany(keys, async (own) => {
      const answer = own.map((key) => key.toUpperCase())
      ;(own as string[]).length = 0
      return answer
    })
    keys[0] = 'z'
    assert.deepEqual(await asked, ['A', 'B'])
    assert.equal(processor.memory.get('a'), 'A')
  })
})

describe('a loader', () => {
  test('gathers what is asked for in a tick, by whoever is told of a promise in it', async (t) => {
    const { processor } = setUp(t)
    const asked: (readonly string[])[] = []
    const loader = processor.loader(upper(asked))
    const later = Promise.resolve().then(() => Promise.resolve().then(() => loader.load('c')))
    assert.deepEqual(await Promise.all([loader.load('a'), loader.loadMany(['b', 'a']), later]), ['A', ['B', 'A'], 'C'])
    assert.deepEqual(asked, [['a', 'b', 'c']])
    assert.deepEqual(await Promise.all([loader.load('a'), loader.load('d')]), ['A', 'D'])
    assert.deepEqual(asked.at(-1), ['d'])
    assert.deepEqual(await loader.loadMany([]), [])
  })

  test('answers what is in memory without waiting for what is not', async (t) => {
    const { processor, bulk } = setUpBulk(t)
    await processor.set('hit', 'warm')
    const loader = processor.loader(bulk.load)
    const missing = watch(loader.load('miss'))
    const hits = [watch(loader.load('hit')), watch(loader.loadMany(['hit', 'hit']))]
    await drained()
    assert.deepEqual(
      hits.map(({ value }) => value),
      ['warm', ['warm', 'warm']],
    )
    assert.equal(missing.is, 'pending')
    bulk.resolve(0, ['cold'])
    await drained()
    assert.equal(missing.value, 'cold')
  })

  test('waits as long as windowMs says, but for what need not be loaded', async (t) => {
    const { processor, source, clock, bulk } = setUpBulk(t)
    await processor.set('hit', 'warm')
    const flying = processor.getCachedData('flying', source.fetch)
    const loader = processor.loader(bulk.load, { windowMs: 10 })
    const all = watch(loader.loadMany(['hit', 'a', 'flying']))
    const hit = watch(loader.load('hit'))
    const joined = watch(loader.load('flying'))
    await clock.advance(9)
    assert.equal(hit.value, 'warm')
    source.call(0).resolve('landed')
    await drained()
    assert.equal(joined.value, 'landed')
    assert.equal(await flying, 'landed')
    const later = watch(loader.load('b'))
    await clock.advance(1)
    assert.deepEqual(bulk.keys, [['a', 'b']])
    bulk.resolve(0, ['A', 'B'])
    await drained()
    assert.deepEqual(all.value, ['warm', 'A', 'landed'])
    assert.equal(later.value, 'B')
    // The next window is one of its own.
    const next = watch(loader.load('c'))
    await clock.advance(10)
    bulk.resolve(1, ['C'])
    await drained()
    assert.equal(next.value, 'C')
  })

  test('does not wait for more than maxBatchSize', async (t) => {
    const { processor, clock, bulk } = setUpBulk(t)
    const loader = processor.loader(bulk.load, { windowMs: 1000, maxBatchSize: 2 })
    const first = watch(loader.loadMany(['a']))
    await drained()
    assert.equal(clock.timers, 1)
    const rest = watch(loader.loadMany(['b', 'c']))
    await drained()
    assert.deepEqual(bulk.keys, [['a', 'b'], ['c']])
    bulk.resolve(0, ['A', 'B'])
    bulk.resolve(1, ['C'])
    await drained()
    assert.deepEqual([first.value, rest.value], [['A'], ['B', 'C']])
  })

  test('a window asked for of a fraction of a millisecond is whole', async (t) => {
    const { processor, clock } = setUp(t)
    const asked = watch(processor.loader(upper(), { windowMs: 0.5 }).load('a'))
    await clock.advance(1)
    assert.equal(asked.value, 'A')
  })

  test('takes keys of any kind, and hands them on as they are', async (t) => {
    const { processor } = setUp(t)
    type Point = { readonly x: number; readonly y: number }
    const asked: (readonly Point[])[] = []
    const loader = processor.loader(
      (points: readonly Point[]) => {
        asked.push(points)
        return points.map(({ x, y }) => x + y)
      },
      { cacheKey: ({ x, y }) => `${x},${y}`, prefix: 'sum:' },
    )
    const point = { x: 1, y: 2 }
    assert.deepEqual(await Promise.all([loader.load(point), loader.load({ x: 1, y: 2 }), loader.load({ x: 3, y: 4 })]), [3, 3, 7])
    assert.equal(asked[0]?.[0], point)
    assert.equal(asked[0]?.length, 2)
    assert.equal(processor.memory.get('sum:1,2'), 3)
  })

  const keyed: [string, (ids: readonly number[]) => unknown][] = [
    ['a Map', (ids) => new Map(ids.map((id) => [id, id * 2]))],
    ['an object', (ids) => Object.fromEntries(ids.map((id) => [id, id * 2]))],
    ['an iterable', (ids) => new Set(ids.map((id) => [id, id * 2]))],
  ]
  for (const [name, answer] of keyed) {
    test(`finds the answers for keys that are numbers in ${name}`, async (t) => {
      const { processor } = setUp(t)
      const loader = processor.loader(answer as never as BulkLoader<number, number>, { cacheKey: String, prefix: 'n:' })
      assert.deepEqual(await loader.loadMany([1, 2]), [2, 4])
      assert.equal(await loader.load(3), 6)
    })
  }

  test('keys of another prefix are others', async (t) => {
    const { processor } = setUp(t)
    const [users, posts] = [
      processor.loader(() => ['user'], { prefix: 'user:' }),
      processor.loader(() => ['post'], { prefix: 'post:' }),
    ]
    assert.deepEqual(await Promise.all([users.load('1'), posts.load('1')]), ['user', 'post'])
  })

  test('a key that failed fails alone; loadMany has all outcomes', async (t) => {
    const { processor } = setUp(t)
    await processor.set('hit', 'warm')
    const loader = processor.loader<string, string>((keys) => keys.map((key) => (key === 'bad' ? new Error('bad') : key)))
    const [good, bad, many] = [
      watch(loader.load('good')),
      watch(loader.load('bad')),
      watch(loader.loadMany(['hit', 'bad', 'good'])),
    ]
    await drained()
    assert.equal(good.value, 'good')
    assert.equal((bad.reason as Error).message, 'bad')
    const { results } = many.reason as BatchError
    assert.deepEqual(
      results.map(({ index, key, status, source }) => [index, key, status, source]),
      [
        [0, 'hit', 'fulfilled', 'memory'],
        [1, 'bad', 'rejected', 'joined'],
        [2, 'good', 'fulfilled', 'joined'],
      ],
    )
  })

  test('what is no key is refused alone', async (t) => {
    const { processor } = setUp(t, { maxKeyBytes: 6 })
    const loader = processor.loader(upper(), { prefix: 'p:' })
    const refused: [() => Promise<unknown>, string, string][] = [
      [
        () => loader.load(7 as never),
        'key: expected a string, or a cacheKey to make one, received 7 (number)',
        'ERR_INVALID_KEY',
      ],
      [() => loader.load('abcde'), 'key: expected at most 6 bytes, received 7', 'ERR_KEY_TOO_LARGE'],
      [() => loader.loadMany('ab' as never), 'keys: expected an array, received "ab" (string)', 'ERR_INVALID_KEY'],
      [
        () => loader.loadMany(['a', null as never]),
        'keys[1]: expected a string, or a cacheKey to make one, received null',
        'ERR_INVALID_KEY',
      ],
      [
        () => processor.loader(upper(), { cacheKey: (() => 7) as never }).load('a'),
        'key: expected a string, or a cacheKey to make one, received 7 (number)',
        'ERR_INVALID_KEY',
      ],
    ]
    const good = loader.load('a')
    for (const [ask, message, code] of refused) {
      const error = (await reasonOf(ask())) as SluiceError
      assert.ok(error instanceof SluiceError)
      assert.deepEqual([(error as Error).message, (error as { code: string }).code], [message, code])
    }
    assert.equal(await good, 'A')
    const thrown = new Error('no key')
    const throwing = processor.loader(upper(), {
      cacheKey: () => {
        throw thrown
      },
    })
    assert.equal(await reasonOf(throwing.load('a')), thrown)
  })

  const misuse: [string, unknown[], string][] = [
    ['no function', ['x'], 'bulkLoader: expected a function, received "x" (string)'],
    ['options that are none', [upper(), 7], 'options: expected an object, received 7 (number)'],
    [
      'an option of batches',
      [upper(), { groupFetch: upper() }],
      'options.groupFetch: expected no option of this name, received a function',
    ],
    [
      'a fallback',
      [upper(), { onMissing: 'fallback' }],
      `options.onMissing: expected one of 'undefined', 'null', 'error', received "fallback" (string)`,
    ],
    [
      'a size',
      [upper(), { maxBatchSize: 0 }],
      'options.maxBatchSize: expected an integer of at least 1, or Infinity, received 0 (number)',
    ],
    ['a prefix', [upper(), { prefix: 7 }], 'options.prefix: expected a string, received 7 (number)'],
    ['a cacheKey', [upper(), { cacheKey: 'id' }], 'options.cacheKey: expected a function, received "id" (string)'],
  ]
  for (const [name, args, message] of misuse) {
    test(`is not made with ${name}; nor is loadMany`, async (t) => {
      const { processor } = setUp(t)
      assert.equal((thrownBy(() => processor.loader(...(args as [never]))) as Error).message, message)
      assert.equal(((await reasonOf(processor.loadMany(['a'], ...(args as [never])))) as Error).message, message)
    })
  }

  test('the window is of loaders alone, and what ends one call of loadMany', async (t) => {
    const { processor } = setUp(t)
    const message = (error: unknown) => (error as Error).message
    assert.equal(
      message(await reasonOf(processor.loadMany(['a'], upper(), { windowMs: 1 } as never))),
      'options.windowMs: expected no option of this name, received 1 (number)',
    )
    assert.equal(
      message(thrownBy(() => processor.loader(upper(), { failFast: true } as never))),
      'options.failFast: expected no option of this name, received true (boolean)',
    )
    assert.equal(
      message(thrownBy(() => processor.loader(upper(), { windowMs: -1 }))),
      'options.windowMs: expected a finite number of at least 0, received -1 (number)',
    )
  })

  test('forgets and takes values as DataLoader does', async (t) => {
    const disk = new MapTier()
    const { processor } = setUp(t, { storage: disk })
    const asked: (readonly string[])[] = []
    const loader = processor.loader(upper(asked), { prefix: 'p:', ttl: 100 })
    assert.equal(loader.prime('a', 'primed').prime('a', 'again').prime('e', new Error('not kept')), loader)
    assert.equal(await loader.load('a'), 'primed')
    assert.equal(processor.memory.remainingTtl('p:a'), 100)
    assert.equal(await loader.clear('a').load('a'), 'A')
    assert.equal(await loader.load('e'), 'E')
    await processor.set('other', 1)
    loader.clearAll()
    assert.deepEqual([...processor.memory.keys()], ['other'])
    await drained()
    assert.deepEqual([...disk.kept.keys()], ['other'])
    processor.loader(upper()).clearAll()
    assert.equal(processor.memory.size, 0)
    await drained()
    assert.equal(disk.kept.size, 0)
    assert.deepEqual(asked, [['a'], ['e']])
  })

  test('is of no use when its processor is closed', async (t) => {
    const { processor } = setUp(t)
    const loader = processor.loader(upper())
    await processor.close()
    assert.ok((await reasonOf(loader.load('a'))) instanceof ClosedError)
    loader.clear('a').clearAll().prime('a', 'A')
    assert.ok(thrownBy(() => processor.loader(upper())) instanceof ClosedError)
    await drained()
  })

  test('what is gathered when the processor closes is loaded, or rejected', async (t) => {
    for (const options of [{}, { windowMs: 50 }]) {
      for (const mode of ['drain', 'abort'] as const) {
        const { processor, clock, bulk } = setUpBulk(t)
        const loader = processor.loader(bulk.load, options)
        const early = watch(loader.loadMany(['a', 'b']))
        await drained()
        const late = watch(loader.load('c'))
        const closing = watch(processor.close({ mode }))
        for (const { keys, deferred } of bulk.calls) deferred.resolve(keys)
        await drained()
        if (mode === 'abort') assert.ok(early.reason instanceof ClosedError && late.reason instanceof ClosedError)
        else assert.deepEqual([early.value, late.value], [['a', 'b'], 'c'])
        assert.equal(closing.is, 'fulfilled')
        assert.equal(clock.timers, 0)
      }
    }
  })

  test('a crash rejects what waits, not what is gathered', async (t) => {
    const { processor, clock, bulk } = setUpBulk(t)
    const crossings = new Crossings()
    t.after(() => crossings.reset())
    const loader = processor.loader(bulk.load, { windowMs: 10 })
    const loading = watch(processor.loadMany(['a', 'b'], bulk.load))
    const gathered = watch(loader.load('c'))
    await drained()
    crossings.before = (_, method) => {
      if (method === 'lookup') throw new WebAssembly.RuntimeError('unreachable')
    }
    assert.ok((await reasonOf(processor.getCachedData('x', () => 1))) instanceof EngineCrashError)
    crossings.reset()
    assert.ok(loading.reason instanceof EngineCrashError)
    await clock.advance(10)
    assert.deepEqual(bulk.keys.at(-1), ['c'])
    bulk.resolve(-1, ['C'])
    await drained()
    assert.equal(gathered.value, 'C')
    // A crash while it begins.
    crossings.before = (_, method) => {
      if (method === 'lookup') throw new WebAssembly.RuntimeError('unreachable')
    }
    assert.ok((await reasonOf(processor.loader(bulk.load).load('d'))) instanceof EngineCrashError)
    crossings.reset()
    bulk.resolve(0, [1, 2])
  })

  test('without an engine, keys are still loaded, one by one', async (t) => {
    const { processor, clock } = setUp(t)
    const crossings = new Crossings()
    t.after(() => crossings.reset())
    crossings.before = (_, method) => {
      if (method === 'lookup') throw new WebAssembly.RuntimeError('unreachable')
    }
    for (let crash = 0; crash < 3; crash++) await reasonOf(processor.getCachedData('crash', () => 1))
    const asked: (readonly string[])[] = []
    const loader = processor.loader(upper(asked), { windowMs: 5 })
    const many = watch(loader.loadMany(['a', 'b', 'a']))
    await clock.advance(5)
    assert.deepEqual(many.value, ['A', 'B', 'A'])
    assert.deepEqual(asked, [['a'], ['b']])
    crossings.reset()
    await clock.advance(10_000)
  })

  test('a deadline of the batch rejects each key', async (t) => {
    const { processor, clock, bulk } = setUpBulk(t)
    const loader = processor.loader(bulk.load, { timeoutMs: 20 })
    const asked = [watch(loader.load('a')), watch(loader.loadMany(['b']))]
    await drained()
    await clock.advance(20)
    for (const { reason } of asked) assert.equal((reason as SluiceError & { code: string }).code, 'ERR_BATCH_TIMEOUT')
    bulk.resolve(0, [1, 2])
  })

  test('callers of different slots do not share a window', async (t) => {
    const { processor } = setUp(t)
    const asked: (readonly string[])[] = []
    const loader = processor.loader(upper(asked))
    const nested = (key: string) => processor.getCachedData(key, () => loader.load(key.slice(1)), { maxConcurrency: 1 })
    assert.deepEqual(await Promise.all([nested('xa'), nested('xb'), loader.load('c')]), ['A', 'B', 'C'])
    assert.equal(asked.length, 3)
  })

  test('who would wait for itself by way of a loader is told', async (t) => {
    const { processor } = setUp(t)
    const loader: Loader<string, unknown> = processor.loader<string, unknown>(async (keys) => {
      const reason = (await loader.load(keys[0] as string).catch((error: unknown) => error)) as CircularFetchError
      return keys.map(() => reason.code)
    })
    assert.deepEqual(await loader.loadMany(['a', 'b']), ['ERR_CIRCULAR_FETCH', 'ERR_CIRCULAR_FETCH'])
  })

  test('the bulk loader runs in the async context of who asked first', async (t) => {
    const { processor } = setUp(t)
    const storage = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const loader = processor.loader((keys) => {
      seen.push(storage.getStore())
      return [...keys]
    })
    await storage.run('first', () => loader.load('a'))
    assert.deepEqual(seen, ['first'])
  })

  test('values are handed over as isolation says', async (t) => {
    const { processor } = setUp(t)
    const loader = processor.loader(() => [{ n: 1 }], { isolation: 'clone' })
    const [one, two] = await Promise.all([loader.load('a'), loader.load('a')])
    assert.deepEqual(one, two)
    assert.notEqual(one, two)
    assert.notEqual(await loader.load('a'), one)
  })

  test('a value that is thenable runs nothing in the midst of things', async (t) => {
    const { processor } = setUp(t)
    const asked: unknown[] = []
    const sly = (key: string) =>
      Object.defineProperty({}, 'then', {
        get: () => void processor.getCachedData(`${key}!`, () => 1).then((value) => asked.push(value)),
      })
    const loader = processor.loader((keys) => keys.map(sly))
    await Promise.all(['a', 'b', 'c'].map((key) => loader.load(key)))
    await Promise.all([loader.load('a'), loader.load('d')])
    await drained()
    assert.ok(asked.length >= 4)
  })

  test('nothing is wanted of the process while nothing is asked for', async (t) => {
    const { processor, clock } = setUp(t)
    processor.loader(upper(), { windowMs: 1000 })
    assert.equal(clock.timers, 0)
    const pending = processor.loader(upper(), { windowMs: 1000 }).load('a')
    await drained()
    assert.equal(clock.timers, 1)
    await clock.advance(1000)
    assert.equal(await pending, 'A')
    assert.equal(clock.timers, 0)
  })

  test('a rejection that nobody listens to is the one of the promise handed out', async (t) => {
    const { processor } = setUp(t)
    const loader = processor.loader(() => {
      throw new Error('down')
    })
    const asked = [loader.load('a'), loader.loadMany(['a', 'b'])]
    assert.equal((await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected').length, 2)
  })
})

test('types are inferred', async () => {
  type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
  const is = <A, B>(_: Equal<A, B>): void => {}
  const processor = new BatchProcessor()
  interface User {
    readonly id: number
  }
  const byArray = processor.loader(async (keys) => keys.map((key) => ({ id: key.length }) as User | Error))
  is<typeof byArray, Loader<string, User>>(true)
  const byMap = processor.loader((ids: readonly number[]) => new Map(ids.map((id) => [id, { id } as User])), { cacheKey: String })
  is<typeof byMap, Loader<number, User>>(true)
  const byPairs = processor.loader(async function* (keys: readonly string[]) {
    for (const key of keys) yield [key, key.length] as const
  })
  is<typeof byPairs, Loader<string, number>>(true)
  const many = await processor.loadMany(['a'], (keys) => keys.map((key) => key.length))
  is<typeof many, number[]>(true)
  const given = processor.loader<string, User | null>(async () => [null])
  is<typeof given, Loader<string, User | null>>(true)
  // @ts-expect-error: keys that are no strings need a cacheKey
  processor.loader((ids: readonly number[]) => ids.map(String))
  // @ts-expect-error: nor is there anything to fall back to
  thrownBy(() => processor.loader(upper(), { onMissing: 'fallback' }))
  // @ts-expect-error: a loader's key
  byMap.load('1').catch(() => {})
  await processor.close()
})
