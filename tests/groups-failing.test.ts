import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type BatchOptions,
  type BatchOutcome,
  GroupContractError,
  GroupFetchError,
  MissingResultError,
  SluiceError,
} from '../js/index.js'
import { setUp } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

type GroupFetch = NonNullable<BatchOptions<unknown>['groupFetch']>

const KEYS = ['g:a:1', 'g:a:2', 'g:a:3'] as const
const own = (...keys: readonly string[]) => keys.map((key) => ready<unknown>(key, `own ${key}`))
const answers = (outcomes: readonly BatchOutcome<unknown>[]) =>
  outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason))

describe('keys that a groupFetch leaves out', () => {
  const partial: [string, () => unknown][] = [
    ['a Map', () => new Map([['g:a:2', 'two']])],
    ['an object', () => ({ 'g:a:2': 'two' })],
    ['an array with holes', () => Object.assign(new Array(3), { 1: 'two' })],
    ['an iterable', () => [['g:a:2', 'two']].values()],
  ]
  for (const [name, answer] of partial) {
    const groupFetch = answer as GroupFetch

    test(`of ${name} fall back to their own fetchFunction`, async (t) => {
      const { processor } = setUp(t)
      const outcomes = await processor.getCachedDataBatchSettled(own(...KEYS), { groupFetch })
      assert.deepEqual(answers(outcomes), ['own g:a:1', 'two', 'own g:a:3'])
      assert.deepEqual(
        outcomes.map(({ source, attempts }) => [source, attempts]),
        [
          ['fetch', 2],
          ['group', 1],
          ['fetch', 2],
        ],
      )
    })

    test(`of ${name} are undefined, and not stored, with onMissing undefined`, async (t) => {
      const { processor } = setUp(t)
      const results = await processor.getCachedDataBatch(own(...KEYS), { groupFetch, onMissing: 'undefined' })
      assert.deepEqual(results, [undefined, 'two', undefined])
      assert.deepEqual([...processor.memory.keys()], ['g:a:2'])
    })

    test(`of ${name} are null, and stored, with onMissing null`, async (t) => {
      const { processor } = setUp(t)
      const results = await processor.getCachedDataBatch(own(...KEYS), { groupFetch, onMissing: 'null' })
      assert.deepEqual(results, [null, 'two', null])
      assert.equal(processor.memory.get('g:a:1'), null)
    })

    test(`of ${name} reject with onMissing error`, async (t) => {
      const { processor } = setUp(t)
      const [one, two, three] = answers(
        await processor.getCachedDataBatchSettled(own(...KEYS), { groupFetch, onMissing: 'error' }),
      )
      assert.equal(two, 'two')
      for (const [error, key] of [
        [one, 'g:a:1'],
        [three, 'g:a:3'],
      ] as const) {
        assert.ok(error instanceof MissingResultError && error instanceof SluiceError)
        const { code, family, groupKey, message } = error
        assert.deepEqual(
          { code, family, key: error.key, groupKey, message },
          {
            code: 'ERR_MISSING_RESULT',
            family: 'fetch',
            key,
            groupKey: 'g:a',
            message: `groupFetch of "g:a" did not answer for "${key}"`,
          },
        )
      }
    })
  }

  test('fall back under the limit of their batch', async (t) => {
    const { processor, source } = setUp(t)
    const requests = source.requests('g:a:1', 'g:a:2', 'g:a:3', 'g:a:4')
    const asked = processor.getCachedDataBatch(requests, { groupFetch: () => new Map(), maxConcurrency: 2 })
    await drained()
    assert.equal(source.calls.length, 2)
    for (let at = 0; at < 4; at++) {
      source.call(at).resolve(at)
      await drained()
    }
    assert.deepEqual(await asked, [0, 1, 2, 3])
    assert.equal(source.runningMax, 2)
  })

  test('fall back however many they are: the limit is for failures', async (t) => {
    const { processor } = setUp(t)
    const keys = Array.from({ length: 50 }, (_, index) => `g:a:${index}`)
    const results = await processor.getCachedDataBatch(own(...keys), { groupFetch: () => new Map(), groupFallbackLimit: 0 })
    assert.deepEqual(
      results,
      keys.map((key) => `own ${key}`),
    )
  })
})

describe('a groupFetch that fails', () => {
  const reason = new Error('the source is down')
  const failing: [string, GroupFetch][] = [
    [
      'throws',
      () => {
        throw reason
      },
    ],
    ['rejects', () => Promise.reject(reason)],
    [
      'throws while it is iterated',
      (() =>
        // biome-ignore lint/correctness/useYield: it fails before it could
        (function* () {
          throw reason
        })()) as unknown as GroupFetch,
    ],
    [
      'rejects while it is iterated',
      (() =>
        // biome-ignore lint/correctness/useYield: it fails before it could
        (async function* () {
          throw reason
        })()) as unknown as GroupFetch,
    ],
  ]
  for (const [how, groupFetch] of failing) {
    test(`because it ${how} lets its keys fall back`, async (t) => {
      const { processor } = setUp(t)
      assert.deepEqual(
        await processor.getCachedDataBatch(own(...KEYS), { groupFetch }),
        KEYS.map((key) => `own ${key}`),
      )
    })

    test(`because it ${how} rejects the keys beyond groupFallbackLimit, its error as their cause`, async (t) => {
      const { processor } = setUp(t)
      const outcomes = await processor.getCachedDataBatchSettled(own(...KEYS), { groupFetch, groupFallbackLimit: 1 })
      const [one, ...others] = answers(outcomes)
      assert.equal(one, 'own g:a:1')
      for (const [index, error] of others.entries()) {
        assert.ok(error instanceof GroupFetchError && error instanceof SluiceError)
        const { code, family, key, groupKey, cause, message } = error
        const name = KEYS[index + 1]
        assert.deepEqual(
          { code, family, key, groupKey, message },
          {
            code: 'ERR_GROUP_FETCH',
            family: 'fetch',
            key: name,
            groupKey: 'g:a',
            message: `the group fetch of "g:a" failed for "${name}"`,
          },
        )
        assert.equal(cause, reason)
      }
    })
  }

  test('lets 32 keys fall back unless somebody says otherwise', async (t) => {
    const { processor } = setUp(t)
    const keys = Array.from({ length: 40 }, (_, index) => `g:a:${index}`)
    const outcomes = await processor.getCachedDataBatchSettled(own(...keys), { groupFetch: () => Promise.reject(reason) })
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      keys.map((_, index) => (index < 32 ? 'fulfilled' : 'rejected')),
    )
  })

  test('half-way keeps what it delivered', async (t) => {
    const { processor } = setUp(t)
    const groupFetch = async function* () {
      yield ['g:a:2', 'two'] as const
      throw reason
    }
    const results = await processor.getCachedDataBatch(own(...KEYS), { groupFetch })
    assert.deepEqual(results, ['own g:a:1', 'two', 'own g:a:3'])
  })

  test('leaves the other groups alone', async (t) => {
    const { processor } = setUp(t)
    const groupFetch: GroupFetch = ({ groupKey, keys }) => {
      if (groupKey === 'g:a') throw reason
      return keys.map((key) => `group ${key}`)
    }
    const outcomes = await processor.getCachedDataBatchSettled(own('g:a:1', 'g:b:1', 'g:a:2', 'g:b:2'), {
      groupFetch,
      groupFallbackLimit: 0,
    })
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled', 'rejected', 'fulfilled'],
    )
  })
})

describe('a groupFetch that answers in no shape', () => {
  const shapeless: [string, unknown, string][] = [
    ['an array too short', ['one', 'two'], 'expected an array of 3 values, one for each key, received one of 2'],
    ['an array too long', [1, 2, 3, 4], 'expected an array of 3 values, one for each key, received one of 4'],
    ['undefined', undefined, 'expected a Map, an object, an array, or an iterable of [key, value], received undefined'],
    ['null', null, 'expected a Map, an object, an array, or an iterable of [key, value], received null'],
    ['a string', 'text', 'expected a Map, an object, an array, or an iterable of [key, value], received "text" (string)'],
    ['a number', 3, 'expected a Map, an object, an array, or an iterable of [key, value], received 3 (number)'],
    ['a function', () => 1, 'expected a Map, an object, an array, or an iterable of [key, value], received a function'],
    ['an iterable of values', new Set([1]), 'expected its iterable to yield [key, value], received 1 (number)'],
    ['an iterable of triples', new Set([[1, 2, 3]]), 'expected its iterable to yield [key, value], received an array'],
    ['an iterable of pairs without keys', new Set([[1, 2]]), 'expected its iterable to yield [key, value], received an array'],
  ]
  for (const [name, answer, complaint] of shapeless) {
    test(`${name} rejects its keys, naming the group and the fault`, async (t) => {
      const { processor } = setUp(t)
      const outcomes = await processor.getCachedDataBatchSettled(own(...KEYS), { groupFetch: () => answer as never })
      for (const [index, error] of answers(outcomes).entries()) {
        assert.ok(error instanceof GroupContractError && error instanceof TypeError && error instanceof SluiceError)
        const { code, family, key, groupKey, message } = error
        assert.deepEqual(
          { code, family, key, groupKey, message },
          {
            code: 'ERR_GROUP_CONTRACT',
            family: 'misuse',
            key: KEYS[index],
            groupKey: 'g:a',
            message: `groupFetch of "g:a": ${complaint}`,
          },
        )
      }
      assert.equal(processor.memory.size, 0)
    })
  }

  test('stops an iterable that yields something else, what came before it stands', async (t) => {
    const { processor } = setUp(t)
    let closed = false
    const groupFetch = (() =>
      (function* () {
        try {
          yield ['g:a:1', 'one']
          yield 'nonsense'
          yield ['g:a:2', 'two']
        } finally {
          closed = true
        }
      })()) as unknown as GroupFetch
    const outcomes = await processor.getCachedDataBatchSettled(own(...KEYS), { groupFetch })
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected'],
    )
    assert.equal(closed, true)
  })
})
