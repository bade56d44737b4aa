import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BatchOptions, BatchProcessor, BatchProcessorConfig } from '../js/index.js'
import { setUp } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { MapTier } from './support/tiers.js'
import { drained } from './support/virtual-clock.js'

const KEYS = ['g:a:1', 'g:a:2'] as const
const requests = KEYS.map(unwanted)
const whole = (extra: unknown) => ({ 'g:a:1': 1, 'g:a:2': 2, 'g:a:9': extra })

describe('what a groupFetch answers for keys that nobody asked for', () => {
  const shapes: Record<string, () => unknown> = {
    'a Map': () => new Map([['g:a:9', 'extra'], ...KEYS.map((key) => [key, key] as const)]),
    'a Map, at its end': () => new Map([...KEYS.map((key) => [key, key] as const), ['g:a:9', 'extra']]),
    'an object': () => whole('extra'),
    'an iterable': () => [['g:a:9', 'extra'], ...Object.entries(whole('again'))].values(),
    'an async iterable': async function* () {
      yield ['g:a:9', 'extra']
      yield* Object.entries(whole('extra'))
    },
  }
  for (const [name, shape] of Object.entries(shapes)) {
    test(`is stored before anybody has an answer, and not returned: ${name}`, async (t) => {
      const { processor } = setUp(t)
      const results = await processor.getCachedDataBatch<unknown>(requests, { groupFetch: shape as never })
      assert.equal(results.length, 2)
      assert.equal(processor.memory.get('g:a:9'), 'extra')
      assert.equal(await processor.getCachedData('g:a:9', unwanted('g:a:9').fetchFunction), 'extra')
    })
  }

  test('that an iterable yields after what was asked for is stored when it ends', async (t) => {
    const { processor } = setUp(t)
    const groupFetch = () => Object.entries(whole('extra')).values() as never
    await processor.getCachedDataBatch<unknown>(requests, { groupFetch })
    await drained()
    assert.equal(processor.memory.get('g:a:9'), 'extra')
  })

  test('lives as long as the processor says, whatever the requests say', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 1000, negativeTtl: 100 })
    const asked = requests.map((request) => ({ ...request, ttl: 5, tags: ['t'] }))
    await processor.getCachedDataBatch<unknown>(asked, { groupFetch: () => ({ ...whole('extra'), 'g:a:8': null }) })
    assert.equal(processor.memory.remainingTtl('g:a:9'), 1000)
    assert.equal(processor.memory.remainingTtl('g:a:8'), 100)
    await clock.advance(999)
    assert.equal(processor.memory.get('g:a:9'), 'extra')
    await clock.advance(1)
    assert.equal(processor.memory.get('g:a:9'), undefined)
  })

  test('goes to the tiers, with its end', async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk, ttl: 1000 })
    await processor.getCachedDataBatch<unknown>(requests, { groupFetch: () => whole('extra') })
    await drained()
    assert.deepEqual(disk.kept.get('g:a:9'), { value: 'extra', expiresAt: clock.wallNow() + 1000 })
  })

  test('counts against maxWeight', async (t) => {
    const { processor } = setUp(t, { maxWeight: 1000 })
    await processor.getCachedDataBatch<unknown>(requests, { groupFetch: () => whole('x'.repeat(200)) })
    assert.ok(processor.memory.weight > 400)
  })

  test('is a copy, where values are cloned', async (t) => {
    const { processor } = setUp(t)
    const extra = { n: 1 }
    await processor.getCachedDataBatch<unknown>(requests, { groupFetch: () => whole(extra), isolation: 'clone' })
    extra.n = 2
    assert.deepEqual(processor.memory.get('g:a:9'), { n: 1 })
  })

  const unkept: [string, unknown][] = [
    ['undefined', undefined],
    ['an Error', new Error('not this one')],
    ['a stream', new ReadableStream()],
  ]
  for (const [name, extra] of unkept) {
    test(`is not stored if it is ${name}`, async (t) => {
      const { processor } = setUp(t)
      await processor.getCachedDataBatch<unknown>(requests, { groupFetch: () => whole(extra) })
      assert.deepEqual([...processor.memory.keys()].sort(), [...KEYS])
    })
  }

  const unstored: [string, BatchOptions<unknown>, BatchProcessorConfig, unknown][] = [
    ['with cache no-store', { cache: 'no-store' }, {}, 'extra'],
    ['with a ttl of 0', {}, { ttl: 0 }, 'extra'],
    ['if it cannot be cloned', { isolation: 'clone' }, {}, { f: () => {} }],
  ]
  for (const [name, options, config, extra] of unstored) {
    test(`is not stored ${name}`, async (t) => {
      const { processor } = setUp(t, config)
      const groupFetch = () => whole(extra)
      assert.deepEqual(await processor.getCachedDataBatch<unknown>(requests, { ...options, groupFetch }), [1, 2])
      assert.equal(processor.memory.has('g:a:9'), false)
    })
  }

  test('is not stored under a key that is no string, or too long', async (t) => {
    const { processor } = setUp(t, { maxKeyBytes: 5 })
    const groupFetch = () =>
      new Map<unknown, unknown>([...KEYS.map((key) => [key, key] as const), [7, 'seven'], ['g:a:ä', 'too long']]) as never
    await processor.getCachedDataBatch<unknown>(requests, { groupFetch })
    assert.deepEqual([...processor.memory.keys()].sort(), [...KEYS])
  })

  test('is stored up to 8,192 of them per call', async (t) => {
    const { processor } = setUp(t)
    const groupFetch = () => new Map(Array.from({ length: 9000 }, (_, n) => [`g:a:${n}`, n]))
    await processor.getCachedDataBatch<unknown>(requests, { groupFetch })
    assert.equal(processor.memory.size, 8192 + 2)
  })

  test('of a groupFetch that fails half-way stands', async (t) => {
    const { processor } = setUp(t)
    const groupFetch = async function* () {
      yield ['g:a:9', 'extra'] as const
      throw new Error('half-way')
    }
    await processor.getCachedDataBatch<unknown>(
      KEYS.map((key) => ready<unknown>(key, key)),
      { groupFetch },
    )
    assert.equal(processor.memory.get('g:a:9'), 'extra')
  })

  test('replaces what is older', async (t) => {
    const { processor, source } = setUp(t)
    await processor.set('g:a:9', 'older')
    const asked = processor.getCachedDataBatch(requests, { groupFetch: source.groupFetch })
    source.groupCall(0).resolve(whole('extra'))
    await asked
    assert.equal(processor.memory.get('g:a:9'), 'extra')
  })
})

describe('what a groupFetch answers for keys that nobody asked for is not stored where something newer exists:', () => {
  type Meanwhile = (processor: BatchProcessor) => unknown
  const newer: [string, Meanwhile, unknown][] = [
    ['a set', (processor) => processor.set('g:a:9', 'newer'), 'newer'],
    ['a set in memory', (processor) => processor.memory.set('g:a:9', 'newer'), 'newer'],
    ['a set of undefined', (processor) => processor.set('g:a:9', undefined), undefined],
    ['a delete', (processor) => processor.delete('g:a:9'), undefined],
    ['a delete in memory', (processor) => processor.memory.delete('g:a:9'), undefined],
    ['an invalidation by key', (processor) => processor.invalidate({ keys: ['g:a:9'] }), undefined],
    ['an invalidation by prefix', (processor) => processor.invalidate({ prefix: 'g:a' }), undefined],
    ['an invalidation by pattern', (processor) => processor.invalidate({ pattern: 'g:*' }), undefined],
    ['an invalidation by tag', (processor) => processor.invalidate({ tag: 'old' }), undefined],
    ['a clear', (processor) => processor.clear(), undefined],
    ['a load that has landed', (processor) => processor.getCachedData('g:a:9', () => 'newer', { cache: 'reload' }), 'newer'],
    [
      'a load that has landed, and was evicted',
      async (processor) => {
        await processor.getCachedData('g:a:9', () => 'newer', { cache: 'reload' })
        await processor.mset(Array.from({ length: 20 }, (_, n) => ({ key: `filler ${n}`, value: n })))
      },
      undefined,
    ],
    [
      'more changes than are told apart',
      async (processor) => {
        await processor.mset(Array.from({ length: 10_001 }, (_, n) => ({ key: `filler ${n}`, value: n })))
      },
      undefined,
    ],
  ]
  for (const [name, meanwhile, expected] of newer) {
    test(`${name}, in memory and in the tiers`, async (t) => {
      const disk = new MapTier()
      const { processor, source } = setUp(t, { storage: disk, maxEntries: 20 })
      await processor.set('g:a:9', 'old', { tags: ['old'] })
      const asked = processor.getCachedDataBatch(requests, { groupFetch: source.groupFetch })
      await drained()
      await meanwhile(processor)
      source.groupCall(0).resolve(whole('revived'))
      await asked
      await drained()
      assert.equal(processor.memory.get('g:a:9'), expected)
      const kept = disk.kept.get('g:a:9')?.value
      assert.notEqual(kept, 'revived')
    })
  }

  test('a load under way, whose answer is stored', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(requests, { groupFetch: source.groupFetch })
    const loading = processor.getCachedData('g:a:9', source.fetch)
    source.groupCall(0).resolve(whole('older'))
    await asked
    assert.equal(processor.memory.get('g:a:9'), undefined)
    source.call(0).resolve('newer')
    assert.equal(await loading, 'newer')
    assert.equal(processor.memory.get('g:a:9'), 'newer')
  })

  test('a load of the same batch, in another chunk of the group', async (t) => {
    const { processor, source } = setUp(t)
    const four = [1, 2, 3, 4].map((n) => unwanted(`g:a:${n}`))
    const asked = processor.getCachedDataBatch(four, { groupFetch: source.groupFetch, maxBatchSize: 2 })
    source.groupCall(0).resolve({ 'g:a:1': 1, 'g:a:2': 2, 'g:a:3': 'early', 'g:a:4': 'early' })
    source.groupCall(1).resolve([3, 4])
    assert.deepEqual(await asked, [1, 2, 3, 4])
    assert.equal(processor.memory.get('g:a:3'), 3)
  })

  test('what another group call brought that began later', async (t) => {
    const { processor, source } = setUp(t)
    const first = processor.getCachedDataBatch(requests, { groupFetch: source.groupFetch })
    const second = processor.getCachedDataBatch(['g:b:1', 'g:b:2'].map(unwanted), { groupFetch: source.groupFetch })
    source.groupCall(1).resolve({ 'g:b:1': 1, 'g:b:2': 2, 'g:a:9': 'newer' })
    await second
    source.groupCall(0).resolve(whole('older'))
    await first
    assert.equal(processor.memory.get('g:a:9'), 'newer')
  })

  test('a change before the call does not count', async (t) => {
    const { processor, source } = setUp(t)
    const long = processor.getCachedDataBatch(['g:b:1', 'g:b:2'].map(unwanted), { groupFetch: source.groupFetch })
    await processor.delete('g:a:9')
    const asked = processor.getCachedDataBatch(requests, { groupFetch: source.groupFetch })
    source.groupCall(1).resolve(whole('extra'))
    await asked
    assert.equal(processor.memory.get('g:a:9'), 'extra')
    source.groupCall(0).resolve([1, 2])
    await long
  })
})

describe('what a groupFetch answers for keys that nobody asked for when it comes too late is not stored:', () => {
  const abandoning: [string, BatchOptions<unknown>][] = [
    ['its deadline has come', { fetchTimeoutMs: 100, groupFallbackLimit: 0 }],
    ['its batch has timed out', { timeoutMs: 100 }],
  ]
  for (const [name, options] of abandoning) {
    test(name, async (t) => {
      const { processor, source, clock } = setUp(t)
      const asked = processor.getCachedDataBatchSettled(requests, { ...options, groupFetch: source.groupFetch })
      asked.catch(() => {})
      await clock.advance(100)
      await asked.catch(() => {})
      source.groupCall(0).resolve(whole('extra'))
      await drained()
      assert.equal(processor.memory.size, 0)
    })
  }

  test('the processor is closed', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(requests, { groupFetch: source.groupFetch })
    asked.catch(() => {})
    await processor.close({ mode: 'abort' })
    source.groupCall(0).resolve(whole('extra'))
    await drained()
    assert.equal(processor.memory.size, 0)
  })
})
