import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BatchOptions, BatchProcessor, type BatchProcessorConfig, type GroupFetchContext } from '../js/index.js'
import { setUp, thrownBy } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'

/** Group fetches that note what they are asked for, and answer with their name. */
class Loaders {
  readonly calls: [string, string, readonly string[]][] = []

  loader(name: string) {
    return ({ groupKey, keys }: GroupFetchContext<unknown>) => {
      this.calls.push([name, groupKey, keys])
      return keys.map((key) => `${name} ${key}`)
    }
  }
}

const all = (...keys: readonly string[]) => keys.map(unwanted)
const own = (...keys: readonly string[]) => keys.map((key) => ready<unknown>(key, `own ${key}`))

describe('the groups of a processor', () => {
  test('fetch the keys of their prefix, and no others', async (t) => {
    const loaders = new Loaders()
    const { processor } = setUp(t, { groups: { 'component:react': loaders.loader('R') } })
    const keys = [
      'component:react:a',
      'component:reactive:a',
      'component:vue:a',
      'component:react:b:c',
      'component',
      'component:react',
    ]
    assert.deepEqual(await processor.getCachedDataBatch(own(...keys)), [
      'R component:react:a',
      'own component:reactive:a',
      'own component:vue:a',
      'R component:react:b:c',
      'own component',
      'R component:react',
    ])
    assert.deepEqual(loaders.calls, [['R', 'component:react', ['component:react:a', 'component:react:b:c', 'component:react']]])
  })

  test('with the longest name count', async (t) => {
    const loaders = new Loaders()
    const groups = Object.fromEntries(['a', 'a:b', 'a:b:c:d'].map((name) => [name, loaders.loader(name)]))
    const { processor } = setUp(t, { groups })
    await processor.getCachedDataBatch(all('a:b:c', 'a:b:c:d:e', 'a:x', 'a:b', 'a:b:c:d', 'a', 'a:b:c:dd', 'a:bb:c'))
    assert.deepEqual(
      loaders.calls.map(([name, , keys]) => [name, keys]),
      [
        ['a:b', ['a:b:c', 'a:b', 'a:b:c:dd']],
        ['a:b:c:d', ['a:b:c:d:e', 'a:b:c:d']],
        ['a', ['a:x', 'a', 'a:bb:c']],
      ],
    )
  })

  test('may be named like what every object has', async (t) => {
    const loaders = new Loaders()
    const { processor } = setUp(t, { groups: { constructor: loaders.loader('C'), ['__proto__']: loaders.loader('P') } })
    const keys = ['constructor:1', 'constructor:2', '__proto__:1', '__proto__:2', 'toString:1', 'toString:2']
    const results = await processor.getCachedDataBatch(own(...keys))
    assert.deepEqual(results, [
      ...keys.slice(0, 2).map((key) => `C ${key}`),
      ...keys.slice(2, 4).map((key) => `P ${key}`),
      'own toString:1',
      'own toString:2',
    ])
  })

  for (const options of [
    { groupingStrategy: 'none' },
    { groupingStrategy: 'custom', customGrouper: () => 'other' },
    { groupingStrategy: 'prefix' },
    { deduplication: false },
    { cache: 'reload' },
  ] satisfies BatchOptions<unknown>[]) {
    test(`are used whatever the batch says of others: ${JSON.stringify(options)}`, async (t) => {
      const loaders = new Loaders()
      const { processor } = setUp(t, { groups: { g: loaders.loader('G') } })
      assert.deepEqual(await processor.getCachedDataBatch<unknown>(own('g:a:1', 'g:b:2', 'h:1'), options), [
        'G g:a:1',
        'G g:b:2',
        'own h:1',
      ])
      assert.deepEqual(loaders.calls, [['G', 'g', ['g:a:1', 'g:b:2']]])
    })
  }

  test('are not used by a batch with a groupFetch of its own', async (t) => {
    const loaders = new Loaders()
    const { processor } = setUp(t, { groups: { g: loaders.loader('G') } })
    await processor.getCachedDataBatch<unknown>(all('g:a:1', 'g:a:2'), { groupFetch: loaders.loader('call') })
    assert.deepEqual(loaders.calls, [['call', 'g:a', ['g:a:1', 'g:a:2']]])
  })

  test('are not used where optimizations are off', async (t) => {
    const loaders = new Loaders()
    const { processor } = setUp(t, { groups: { g: loaders.loader('G') }, enableOptimizations: false })
    assert.deepEqual(await processor.getCachedDataBatch(own('g:1', 'g:2')), ['own g:1', 'own g:2'])
    assert.deepEqual(loaders.calls, [])
  })

  test('of one key use its own fetchFunction', async (t) => {
    const loaders = new Loaders()
    const { processor } = setUp(t, { groups: { g: loaders.loader('G') } })
    assert.equal(await processor.getCachedData('g:1', () => 'own'), 'own')
    assert.deepEqual(loaders.calls, [])
  })

  test('have a maxBatchSize of their own, else that of the batch', async (t) => {
    const loaders = new Loaders()
    const groups = { g: { groupFetch: loaders.loader('G'), maxBatchSize: 2 }, h: { groupFetch: loaders.loader('H') } }
    const { processor } = setUp(t, { groups, maxBatchSize: 3 })
    const keys = [1, 2, 3, 4, 5].flatMap((n) => [`g:${n}`, `h:${n}`])
    const plan = await processor.plan(own(...keys))
    await processor.getCachedDataBatch(own(...keys))
    const expected = [
      ['g', ['g:1', 'g:2']],
      ['h', ['h:1', 'h:2', 'h:3']],
      ['g', ['g:3', 'g:4']],
      ['h', ['h:4', 'h:5']],
    ]
    assert.deepEqual(
      loaders.calls.map(([, groupKey, keys]) => [groupKey, keys]),
      expected,
    )
    assert.deepEqual(plan.groups.map(({ groupKey, keys }) => [groupKey, keys]).sort(), expected.sort())
    assert.equal(plan.calls, 5)
    assert.equal(processor.monitor.getAverageMetrics()?.optimizedGroups, 2)
  })

  test('say what becomes of missing keys, before what the batch says', async (t) => {
    const groups: BatchProcessorConfig['groups'] = { g: { groupFetch: () => new Map(), onMissing: 'null' }, h: () => new Map() }
    const { processor } = setUp(t, { groups })
    const results = await processor.getCachedDataBatch<unknown>(all('g:1', 'g:2', 'h:1', 'h:2'), { onMissing: 'undefined' })
    assert.deepEqual(results, [null, null, undefined, undefined])
  })

  test('have a groupFallbackLimit of their own', async (t) => {
    const groupFetch = () => Promise.reject(new Error('down'))
    const { processor } = setUp(t, { groups: { g: { groupFetch, groupFallbackLimit: 1 }, h: groupFetch } })
    const outcomes = await processor.getCachedDataBatchSettled(own('g:1', 'g:2', 'h:1', 'h:2'))
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    )
  })

  test('are called as methods of what they were given in', async (t) => {
    class Loader {
      readonly #prefix = 'mine'
      groupFetch({ keys }: GroupFetchContext<string>) {
        return keys.map((key) => `${this.#prefix} ${key}`)
      }
    }
    const { processor } = setUp(t, { groups: { g: new Loader() } })
    assert.deepEqual(await processor.getCachedDataBatch(all('g:1', 'g:2')), ['mine g:1', 'mine g:2'])
  })

  test('fetch what is refreshed in the background', async (t) => {
    const loaders = new Loaders()
    const { processor, clock } = setUp(t, { groups: { g: loaders.loader('G') }, ttl: 100, staleWhileRevalidate: 1000 })
    await processor.mset(['g:1', 'g:2'].map((key) => ({ key, value: 'old' })))
    await clock.advance(100)
    assert.deepEqual(await processor.getCachedDataBatch(all('g:1', 'g:2')), ['old', 'old'])
    assert.deepEqual(loaders.calls, [['G', 'g', ['g:1', 'g:2']]])
    assert.equal(processor.memory.get('g:1'), 'G g:1')
  })

  test('cost no more for a key of a million parts', async (t) => {
    const loaders = new Loaders()
    const { processor } = setUp(t, { groups: { [`${':'.repeat(50)}x`]: loaders.loader('X') } })
    const key = ':'.repeat(1_000_000)
    assert.equal(await processor.getCachedData(key, () => 'own'), 'own')
  })
})

describe('groups that are not right are refused:', () => {
  const fetch = () => []
  const wrong: [unknown, string, string][] = [
    [null, 'an object of group fetches, by prefix', 'null'],
    ['g', 'an object of group fetches, by prefix', '"g" (string)'],
    [[fetch], 'an object of group fetches, by prefix', 'an array'],
    [fetch, 'an object of group fetches, by prefix', 'a function'],
    [{ '': fetch }, `prefixes of whole parts, without a ':' at the end (not "")`, 'an object'],
    [{ 'g:': fetch }, `prefixes of whole parts, without a ':' at the end (not "g:")`, 'an object'],
    [{ g: null }, '"g" to be a function, or an object of groupFetch, maxBatchSize, onMissing, groupFallbackLimit', 'an object'],
    [{ g: {} }, '"g" to be a function, or groupFetch to be a function', 'an object'],
    [
      { g: { groupFetch: fetch, size: 3 } },
      '"g" to be a function, or an object of groupFetch, maxBatchSize, onMissing, groupFallbackLimit (not size)',
      'an object',
    ],
    [
      { g: { groupFetch: fetch, maxBatchSize: 0 } },
      '"g" to be a function, or maxBatchSize to be an integer from 1 to 2,147,483,647',
      'an object',
    ],
    [
      { g: { groupFetch: fetch, onMissing: 'ignore' } },
      `"g" to be a function, or onMissing to be one of 'fallback', 'undefined', 'null', 'error'`,
      'an object',
    ],
  ]
  for (const [groups, expected, received] of wrong) {
    test(`${received}, expected ${expected}`, () => {
      const error = thrownBy(() => new BatchProcessor({ groups: groups as never })) as Error & { code: string }
      assert.equal(error.message, `config.groups: expected ${expected}, received ${received}`)
      assert.equal(error.code, 'ERR_INVALID_OPTION')
    })
  }
})
