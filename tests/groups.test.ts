import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { BatchOptions, GroupFetchContext, Priority } from '../js/index.js'
import { reasonOf, setUp } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { drained } from './support/virtual-clock.js'

type GroupOptions = BatchOptions<unknown>

/** Every request fails if it is fetched by itself. */
const grouped = (...keys: readonly string[]) => keys.map(unwanted)
const KEYS = ['g:a:1', 'g:a:2', 'g:a:3'] as const

async function* yieldAll(pairs: Iterable<readonly [string, unknown]>) {
  yield* pairs
}

describe('a groupFetch', () => {
  test('gets what is missing of a group in one call: key, keys, requests, a signal', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('g:a:2', 'cached')
    const calls: GroupFetchContext<unknown>[] = []
    const requests = grouped(...KEYS)
    const groupFetch: GroupOptions['groupFetch'] = (context) => {
      calls.push(context)
      return new Map(context.keys.map((key) => [key, key.toUpperCase()]))
    }
    assert.deepEqual(await processor.getCachedDataBatch<unknown>(requests, { groupFetch }), ['G:A:1', 'cached', 'G:A:3'])
    assert.equal(calls.length, 1)
    const [call] = calls
    assert.equal(call?.groupKey, 'g:a')
    assert.deepEqual(call?.keys, ['g:a:1', 'g:a:3'])
    assert.equal(call?.requests[0], requests[0])
    assert.equal(call?.requests[1], requests[2])
    assert.equal(call?.signal.aborted, false)
  })

  test('is called once per group, by the first two parts of the key', async (t) => {
    const { processor, source } = setUp(t)
    const keys = ['user:1:name', 'user:2:name', 'user:1:mail', 'post:1:title', 'user:2:mail', 'post:1:text', 'user:1', 'user:2:']
    const asked = processor.getCachedDataBatch(grouped(...keys), { groupFetch: source.groupFetch })
    assert.deepEqual(
      source.groupCalls.map(({ context }) => [context.groupKey, context.keys]),
      [
        ['user:1', ['user:1:name', 'user:1:mail', 'user:1']],
        ['user:2', ['user:2:name', 'user:2:mail', 'user:2:']],
        ['post:1', ['post:1:title', 'post:1:text']],
      ],
    )
    for (const call of source.groupCalls) call.resolve(call.keys.map((key) => `<${key}>`))
    assert.deepEqual(
      await asked,
      keys.map((key) => `<${key}>`),
    )
  })

  test('is not called for a group of one: that has its own fetchFunction', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch([ready('alone:1', 'own'), ...grouped('g:a:1', 'g:a:2')], {
      groupFetch: source.groupFetch,
    })
    assert.deepEqual(
      source.groupCalls.map(({ keys }) => keys),
      [['g:a:1', 'g:a:2']],
    )
    source.groupCall(0).resolve(['one', 'two'])
    assert.deepEqual(await asked, ['own', 'one', 'two'])
  })

  test('is not called where groupingStrategy is none, or optimizations are off', async (t) => {
    for (const [config, options] of [
      [{}, { groupingStrategy: 'none' as const }],
      [{ enableOptimizations: false }, {}],
      [{ enableOptimizations: false }, { groupingStrategy: 'prefix' as const }],
    ] as const) {
      const { processor, source } = setUp(t, config)
      const asked = processor.getCachedDataBatch([ready('g:a:1', 1), ready('g:a:2', 2)], {
        ...options,
        groupFetch: source.groupFetch,
      })
      assert.deepEqual(await asked, [1, 2])
      assert.equal(source.groupCalls.length, 0)
    }
  })

  test('gets at most maxBatchSize keys at once; what is left alone fetches itself', async (t) => {
    const { processor, source } = setUp(t)
    const keys = Array.from({ length: 7 }, (_, index) => `g:a:${index}`)
    const requests = keys.map((key) => ready(key, `own ${key}`))
    const asked = processor.getCachedDataBatch<string>(requests, { groupFetch: source.groupFetch as never, maxBatchSize: 3 })
    assert.deepEqual(
      source.groupCalls.map((call) => call.keys),
      [keys.slice(0, 3), keys.slice(3, 6)],
    )
    for (const call of source.groupCalls) call.resolve(call.keys.map((key) => `group ${key}`))
    assert.deepEqual(await asked, [...keys.slice(0, 6).map((key) => `group ${key}`), 'own g:a:6'])
  })

  test('gets fifty keys at once unless somebody says otherwise', async (t) => {
    const { processor, source } = setUp(t)
    const keys = Array.from({ length: 120 }, (_, index) => `g:a:${index}`)
    const asked = processor.getCachedDataBatch(grouped(...keys), { groupFetch: source.groupFetch })
    assert.deepEqual(
      source.groupCalls.map((call) => call.keys.length),
      [50, 50, 20],
    )
    for (const call of source.groupCalls) call.resolve(call.keys)
    assert.deepEqual(await asked, keys)
  })

  test('takes one slot of maxConcurrency', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(grouped('a:a:1', 'a:a:2', 'b:b:1', 'b:b:2'), {
      groupFetch: source.groupFetch,
      maxConcurrency: 1,
    })
    assert.equal(source.groupCalls.length, 1)
    source.groupCall(0).resolve([1, 2])
    await drained()
    assert.equal(source.groupCalls.length, 2)
    source.groupCall(1).resolve([3, 4])
    assert.deepEqual(await asked, [1, 2, 3, 4])
    assert.equal(source.runningMax, 1)
  })

  test('shares its loads: single calls and other batches join the keys it fetches', async (t) => {
    const { processor, source } = setUp(t)
    const batch = processor.getCachedDataBatchSettled(grouped('g:a:1', 'g:a:2'), { groupFetch: source.groupFetch })
    const single = processor.getCachedData('g:a:2', unwanted('g:a:2').fetchFunction)
    source.groupCall(0).resolve({ 'g:a:1': 1, 'g:a:2': 2 })
    assert.deepEqual(
      (await batch).map(({ source }) => source),
      ['group', 'group'],
    )
    assert.equal(await single, 2)
  })

  test('that yields one by one delivers each as it comes', async (t) => {
    const { processor } = setUp(t)
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const groupFetch = async function* () {
      yield ['g:a:2', 'two'] as const
      await gate
      yield ['g:a:1', 'one'] as const
    }
    const asked = processor.getCachedDataBatch<string>(grouped('g:a:1', 'g:a:2'), { groupFetch })
    const joined = processor.getCachedDataBatch(grouped('g:a:2'))
    assert.deepEqual(await joined, ['two'])
    assert.equal(processor.memory.get('g:a:2'), 'two')
    release()
    assert.deepEqual(await asked, ['one', 'two'])
  })
})

describe('the priority of a group is the highest of its keys:', () => {
  /** Three groups of a batch that has one slot, which is taken. */
  const waiting = (t: TestContext, priorities: Record<string, Priority> = {}) => {
    const { processor, source } = setUp(t)
    const keys = ['g:x:1', 'g:a:1', 'g:a:2', 'g:b:1', 'g:b:2', 'g:c:1', 'g:c:2']
    const requests = keys.map((key) => source.request(key, { priority: key === 'g:x:1' ? 1000 : priorities[key] }))
    const asked = processor.getCachedDataBatch(requests, { groupFetch: source.groupFetch, maxConcurrency: 1 })
    /** Lets all go; answers in which order. */
    const order = async () => {
      source.call(0).resolve(1)
      for (let n = 0; n < 3; n++) {
        await drained()
        source.groupCall(n).resolve([1, 2])
      }
      await asked
      return source.groupCalls.map(({ context }) => context.groupKey)
    }
    return { processor, source, order }
  }

  test('of those asked for at once', async (t) => {
    const { order } = waiting(t, { 'g:b:1': 'low', 'g:b:2': 'normal', 'g:c:2': 'high' })
    assert.deepEqual(await order(), ['g:c', 'g:a', 'g:b'])
  })

  test('of who joins later', async (t) => {
    const { processor, source, order } = waiting(t)
    const joined = processor.getCachedDataBatch([source.request('g:c:2', { priority: 'high' })])
    assert.deepEqual(await order(), ['g:c', 'g:a', 'g:b'])
    assert.deepEqual(await joined, [2])
  })

  test('of those who stay', async (t) => {
    const { processor, source, order } = waiting(t, { 'g:b:1': 1 })
    const controller = new AbortController()
    const leaving = processor.getCachedDataBatch([source.request('g:c:2', { priority: 'high' })], { signal: controller.signal })
    controller.abort()
    assert.equal(await reasonOf(leaving), controller.signal.reason)
    assert.deepEqual(await order(), ['g:b', 'g:a', 'g:c'])
  })

  test('of those who stay in the batch that leads, too', async (t) => {
    const { processor, source } = setUp(t)
    const controller = new AbortController()
    const { signal } = controller
    const groups = (name: string, priority: Priority) => ['1', '2'].map((n) => source.request(`g:${name}:${n}`, { priority }))
    const requests = [source.request('x', { priority: 1000 }), ...groups('a', 'normal'), ...groups('b', 'high')]
    const leading = processor.getCachedDataBatch(requests, { groupFetch: source.groupFetch, maxConcurrency: 1, signal })
    const staying = ['x', 'g:a:1', 'g:b:1'].map((key) => processor.getCachedData(key, source.fetch, { priority: 'low' }))
    controller.abort()
    assert.ok(await reasonOf(leading))
    source.call(0).resolve(1)
    await drained()
    assert.deepEqual(
      source.groupCalls.map(({ keys }) => keys),
      [['g:a:1']],
    )
    source.groupCall(0).resolve([1])
    await drained()
    source.groupCall(1).resolve([1])
    assert.deepEqual(await Promise.all(staying), [1, 1, 1])
  })
})

describe('the answer of a groupFetch', () => {
  const pairs = KEYS.map((key) => [key, `<${key}>`] as const)
  const shapes: Record<string, unknown> = {
    'a Map': new Map(pairs),
    'a Map in another order': new Map([...pairs].reverse()),
    'an object': Object.fromEntries(pairs),
    'an object without a prototype': Object.assign(Object.create(null), Object.fromEntries(pairs)),
    'an array of the same length': pairs.map(([, value]) => value),
    'an iterable of pairs': new Set(pairs),
    'a generator of pairs': (function* () {
      yield* pairs
    })(),
    'an async iterable of pairs': yieldAll(pairs),
  }
  for (const [name, shape] of Object.entries(shapes)) {
    for (const [how, answer] of [
      ['', shape],
      [', promised', Promise.resolve(shape)],
    ] as const) {
      if (how !== '' && name.includes('generator')) continue
      if (how !== '' && name.includes('async')) continue
      test(`may be ${name}${how}`, async (t) => {
        const { processor } = setUp(t)
        const results = await processor.getCachedDataBatch<unknown>(grouped(...KEYS), { groupFetch: () => answer as never })
        assert.deepEqual(
          results,
          pairs.map(([, value]) => value),
        )
        assert.deepEqual([...processor.memory.keys()].sort(), [...KEYS])
      })
    }
  }

  test('may have values of every kind: null is stored, undefined is not', async (t) => {
    const { processor } = setUp(t)
    const answer = [null, undefined, 0]
    assert.deepEqual(await processor.getCachedDataBatch<unknown>(grouped(...KEYS), { groupFetch: () => answer as never }), answer)
    assert.deepEqual([...processor.memory.keys()].sort(), ['g:a:1', 'g:a:3'])
  })

  test('with an Error as a value rejects that key alone', async (t) => {
    const { processor } = setUp(t)
    const reason = new RangeError('not two')
    const outcomes = await processor.getCachedDataBatchSettled<unknown>(grouped(...KEYS), {
      groupFetch: () => ['one', reason, 'three'],
    })
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason)),
      ['one', reason, 'three'],
    )
    assert.deepEqual([...processor.memory.keys()].sort(), ['g:a:1', 'g:a:3'])
  })

  test('that yields a key twice counts the first time', async (t) => {
    const { processor } = setUp(t)
    const groupFetch = () =>
      [
        ['g:a:1', 'first'],
        ['g:a:1', 'second'],
        ['g:a:2', 2],
      ].values() as never
    assert.deepEqual(await processor.getCachedDataBatch<unknown>(grouped('g:a:1', 'g:a:2'), { groupFetch }), ['first', 2])
  })

  test('for requests that do not share goes to each of them by its place', async (t) => {
    const { processor } = setUp(t)
    const options: GroupOptions = { deduplication: false, groupFetch: () => ['one', 'another'] }
    assert.deepEqual(await processor.getCachedDataBatch<unknown>(grouped('g:a:1', 'g:a:1'), options), ['one', 'another'])
  })
})

describe('customGrouper', () => {
  const custom = (customGrouper: GroupOptions['customGrouper'], groupFetch: GroupOptions['groupFetch']): GroupOptions => ({
    groupingStrategy: 'custom',
    customGrouper,
    groupFetch,
  })

  test('names the group of each key; null and undefined leave it alone', async (t) => {
    const { processor, source } = setUp(t)
    const groups = new Map<string, string | null | undefined>([
      ['a', 'x'],
      ['b', ''],
      ['c', null],
      ['d', 'x'],
      ['e', ''],
      ['f', undefined],
    ])
    const requests = [...groups.keys()].map((key) => ready(key, `own ${key}`))
    const asked = processor.getCachedDataBatch<unknown>(
      requests,
      custom((key) => groups.get(key), source.groupFetch),
    )
    assert.deepEqual(
      source.groupCalls.map(({ context }) => [context.groupKey, context.keys]),
      [
        ['x', ['a', 'd']],
        ['', ['b', 'e']],
      ],
    )
    for (const call of source.groupCalls) call.resolve(call.keys.map((key) => `group ${key}`))
    assert.deepEqual(await asked, ['group a', 'group b', 'own c', 'group d', 'group e', 'own f'])
  })

  test('is asked only about what is fetched', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 1)
    const asked: string[] = []
    const grouper = (key: string) => {
      asked.push(key)
      return null
    }
    await processor.getCachedDataBatch([unwanted('a'), ready('b', 2), unwanted('b')], custom(grouper, undefined))
    assert.deepEqual(asked, ['b'])
  })

  test('that throws rejects the call with its error, before any fetch', async (t) => {
    const { processor } = setUp(t)
    const reason = new Error('no group')
    const grouper = (key: string) => {
      if (key === 'b') throw reason
      return 'x'
    }
    assert.equal(await reasonOf(processor.getCachedDataBatch([unwanted('a'), unwanted('b')], custom(grouper, undefined))), reason)
  })

  for (const [answer, shown] of [
    [Promise.resolve('x'), 'an object'],
    [7, '7 (number)'],
    [['x'], 'an array'],
    [{}, 'an object'],
  ] as const) {
    test(`that answers ${shown === 'an object' && answer instanceof Promise ? 'a promise' : shown} rejects the call, before any fetch`, async (t) => {
      const { processor } = setUp(t)
      const reason = await reasonOf(
        processor.getCachedDataBatch(
          [unwanted('a')],
          custom(() => answer as never, undefined),
        ),
      )
      assert.ok(reason instanceof TypeError)
      assert.equal((reason as { code?: string }).code, 'ERR_INVALID_GROUP')
      assert.equal(reason.message, `customGrouper("a"): expected a string, null or undefined, received ${shown}`)
    })
  }

  test('that answers a promise that rejects leaves nothing unhandled', async (t) => {
    const { processor } = setUp(t)
    const grouper = () => Promise.reject(new Error('unheard')) as never
    assert.ok((await reasonOf(processor.getCachedDataBatch([unwanted('a')], custom(grouper, undefined)))) instanceof TypeError)
  })
})
