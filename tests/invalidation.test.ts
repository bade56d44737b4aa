import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BatchProcessor } from '../js/index.js'
import { reasonOf, setUp, watch } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

const KEYS = ['user:1:name', 'user:1:mail', 'user:10:name', 'user:2:name', 'user', 'users', 'post:1', '', 'us:er']
const remaining = ({ memory }: BatchProcessor) => [...memory.keys()].sort()

/** A processor that has all of `KEYS`. */
async function filled(t: Parameters<typeof setUp>[0]) {
  const bench = setUp(t)
  await bench.processor.mset(KEYS.map((key) => ({ key, value: key })))
  return bench
}

describe('invalidate', () => {
  const without = (gone: readonly string[]) => KEYS.filter((key) => !gone.includes(key)).sort()
  for (const [prefix, gone] of [
    ['user:1', ['user:1:name', 'user:1:mail', 'user:10:name']],
    ['user:1:', ['user:1:name', 'user:1:mail']],
    ['user:', ['user:1:name', 'user:1:mail', 'user:10:name', 'user:2:name']],
    ['user', ['user:1:name', 'user:1:mail', 'user:10:name', 'user:2:name', 'user', 'users']],
    ['user:1:name', ['user:1:name']],
    ['', KEYS],
    ['nothing', []],
  ] as const) {
    test(`by the prefix ${JSON.stringify(prefix)} removes what begins with it, and counts it`, async (t) => {
      const { processor } = await filled(t)
      assert.equal(await processor.invalidate({ prefix }), gone.length)
      assert.deepEqual(remaining(processor), without(gone))
    })
  }

  for (const [pattern, gone] of [
    ['user:*:name', ['user:1:name', 'user:10:name', 'user:2:name']],
    ['user:?:name', ['user:1:name', 'user:2:name']],
    ['*', KEYS],
    ['????', ['user']],
    ['us?er', ['us:er']],
    ['*:1*', ['user:1:name', 'user:1:mail', 'user:10:name', 'post:1']],
    ['user', ['user']],
    ['', ['']],
    ['user:\\*', []],
    ['USER*', []],
  ] as const) {
    test(`by the pattern ${JSON.stringify(pattern)} removes what matches it`, async (t) => {
      const { processor } = await filled(t)
      assert.equal(await processor.invalidate({ pattern }), gone.length)
      assert.deepEqual(remaining(processor), without(gone))
    })
  }

  test('takes a character after \\ as it is', async (t) => {
    const { processor } = setUp(t)
    await processor.mset(['a*', 'ab', 'a?', 'a\\', 'a\\*'].map((key) => ({ key, value: key })))
    assert.equal(await processor.invalidate({ pattern: 'a\\*' }), 1)
    assert.equal(processor.memory.has('a*'), false)
    assert.equal(await processor.invalidate({ pattern: 'a\\\\' }), 1)
    assert.equal(processor.memory.has('a\\'), false)
    assert.equal(await processor.invalidate({ pattern: 'a\\?' }), 1)
    assert.deepEqual(remaining(processor), ['a\\*', 'ab'])
  })

  test('a pattern matches characters, not halves of them', async (t) => {
    const { processor } = setUp(t)
    await processor.mset(
      ['\ud83d\ude00', '\ud83d', 'é'.normalize('NFD'), 'é'.normalize('NFC')].map((key) => ({ key, value: key })),
    )
    assert.equal(await processor.invalidate({ pattern: '?' }), 3)
    assert.deepEqual(remaining(processor), ['é'.normalize('NFD')])
  })

  test('a pattern of many stars is no trap', async (t) => {
    const { processor } = setUp(t)
    const key = 'a'.repeat(10_000)
    await processor.set(key, 1)
    const start = performance.now()
    assert.equal(await processor.invalidate({ pattern: `${'*a'.repeat(50)}*b` }), 0)
    assert.ok(performance.now() - start < 2000)
  })

  test('by a tag removes what has it, however it came', async (t) => {
    const { processor, source } = setUp(t)
    await processor.set('set', 1, { tags: ['x', 'y'] })
    await processor.mset([
      { key: 'mset', value: 1, tags: ['x'] },
      { key: 'other', value: 1, tags: ['y'] },
    ])
    processor.memory.set('memory', 1, { tags: ['x'] })
    const asked = processor.getCachedDataBatch([source.request('fetched', { tags: ['x'] }), source.request('untagged')])
    for (const call of source.calls) call.resolve(1)
    await asked
    assert.equal(await processor.invalidate({ tag: 'x' }), 4)
    assert.deepEqual(remaining(processor), ['other', 'untagged'])
    assert.equal(await processor.invalidate({ tag: 'x' }), 0)
    assert.equal(await processor.invalidate({ tag: '' }), 0)
  })

  test('by a tag knows the tags of the value that is there, not of those before it', async (t) => {
    const { processor } = setUp(t)
    await processor.set('a', 1, { tags: ['old'] })
    await processor.set('a', 2, { tags: ['new'] })
    assert.equal(await processor.invalidate({ tag: 'old' }), 0)
    assert.equal(await processor.invalidate({ tag: 'new' }), 1)
    await processor.set('b', 1, { tags: ['old'] })
    await processor.delete('b')
    await processor.set('b', 2)
    assert.equal(await processor.invalidate({ tag: 'old' }), 0)
  })

  test('counts expired entries for nothing', async (t) => {
    const { processor, clock } = setUp(t)
    await processor.mset([
      { key: 'a', value: 1, ttl: 10, tags: ['x'] },
      { key: 'b', value: 1, tags: ['x'] },
    ])
    await clock.advance(10)
    assert.equal(await processor.invalidate({ tag: 'x' }), 1)
  })

  test('takes exactly one target, and says so', async (t) => {
    const { processor } = setUp(t)
    const expected = 'invalidate(target): expected an object with one of keys, prefix, pattern, tag, received'
    for (const [target, shown] of [
      [{}, 'an object'],
      [null, 'null'],
      [undefined, 'undefined'],
      ['a', '"a" (string)'],
      [{ keys: [], tag: 'x' }, 'an object'],
      [{ prefx: 'a' }, 'an object'],
    ] as const) {
      const reason = (await reasonOf(processor.invalidate(target as never))) as Error
      assert.equal(reason.message, `${expected} ${shown}`)
      assert.ok(reason instanceof TypeError)
    }
    const wrongPrefix = (await reasonOf(processor.invalidate({ prefix: 7 as never }))) as Error
    assert.equal(wrongPrefix.message, 'invalidate(target).prefix: expected a string, received 7 (number)')
    const wrongKeys = (await reasonOf(processor.invalidate({ keys: 'a' as never }))) as Error
    assert.equal(wrongKeys.message, 'keys: expected an array of strings, received "a" (string)')
  })
})

describe('while a key is loaded', () => {
  const changes: [string, (processor: BatchProcessor) => unknown][] = [
    ['delete', (processor) => processor.delete('k:1:x')],
    ['invalidate by keys', (processor) => processor.invalidate({ keys: ['k:1:x'] })],
    ['invalidate by prefix', (processor) => processor.invalidate({ prefix: 'k:1' })],
    ['invalidate by pattern', (processor) => processor.invalidate({ pattern: 'k:*' })],
    ['invalidate by tag', (processor) => processor.invalidate({ tag: 'tag' })],
    ['clear', (processor) => processor.clear()],
    ['memory.delete', (processor) => processor.memory.delete('k:1:x')],
    ['memory.clear', (processor) => processor.memory.clear()],
    ['set undefined', (processor) => processor.set('k:1:x', undefined)],
  ]
  for (const [name, change] of changes) {
    test(`${name}: who waits gets the value, nothing is stored, who comes later loads anew`, async (t) => {
      const { processor, source } = setUp(t)
      const before = processor.getCachedDataBatch([source.request('k:1:x', { tags: ['tag'] })])
      await change(processor)
      const after = processor.getCachedData('k:1:x', source.fetch)
      assert.equal(source.calls.length, 2)
      source.call(0).resolve('old')
      assert.deepEqual(await before, ['old'])
      assert.equal(processor.memory.has('k:1:x'), false)
      source.call(1).resolve('new')
      assert.equal(await after, 'new')
      assert.equal(processor.memory.get('k:1:x'), 'new')
    })

    test(`${name}: whichever load ends last, the newer one stays`, async (t) => {
      const { processor, source } = setUp(t)
      const before = processor.getCachedDataBatch([source.request('k:1:x', { tags: ['tag'] })])
      await change(processor)
      const after = processor.getCachedData('k:1:x', source.fetch)
      source.call(1).resolve('new')
      assert.equal(await after, 'new')
      source.call(0).resolve('old')
      assert.deepEqual(await before, ['old'])
      assert.equal(processor.memory.get('k:1:x'), 'new')
      assert.equal((await processor.metrics()).fenced, 1)
    })
  }

  test('set: what was set stays, who waits gets what was loaded', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedData('a', source.fetch)
    await processor.set('a', 'set')
    assert.equal(await processor.getCachedData('a', source.fetch), 'set')
    source.call(0).resolve('loaded')
    assert.equal(await asked, 'loaded')
    assert.equal(processor.memory.get('a'), 'set')
  })

  test('another key invalidated is nothing to it', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedData('user:10', source.fetch)
    await processor.delete('user:1')
    await processor.invalidate({ pattern: 'user:1' })
    await processor.invalidate({ tag: 'user:10' })
    source.call(0).resolve('A')
    await asked
    assert.equal(processor.memory.get('user:10'), 'A')
  })

  test('its retry is the old load still: it is not stored', async (t) => {
    const { processor, source, clock } = setUp(t)
    const asked = processor.getCachedData('a', source.fetch, { retry: { attempts: 2, backoffMs: 10, jitter: 0 } })
    await processor.delete('a')
    source.call(0).reject(new Error('once'))
    await clock.advance(10)
    source.call(1).resolve('old')
    assert.equal(await asked, 'old')
    assert.equal(processor.memory.has('a'), false)
  })

  test('a group is fenced key by key', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('g:a:1', 'g:a:2'), { groupFetch: source.groupFetch })
    await processor.delete('g:a:1')
    source.groupCall(0).resolve(['one', 'two'])
    assert.deepEqual(await asked, ['one', 'two'])
    assert.deepEqual(remaining(processor), ['g:a:2'])
  })

  test('a refresh of a stale entry does not bring back what was deleted', async (t) => {
    const { processor, source, clock } = setUp(t, { ttl: 10, staleWhileRevalidate: 100 })
    await processor.set('a', 'old')
    await clock.advance(20)
    assert.equal(await processor.getCachedData('a', source.fetch), 'old')
    await processor.delete('a')
    source.call(0).resolve('refreshed')
    await drained()
    assert.equal(processor.memory.has('a'), false)
  })

  test('a failure does not undo what was set', async (t) => {
    const { processor, source } = setUp(t, { errorTtl: 1000 })
    const asked = watch(processor.getCachedData('a', source.fetch))
    await processor.delete('a')
    source.call(0).reject('no')
    await drained()
    assert.equal(asked.reason, 'no')
    assert.deepEqual(await processor.getCachedDataBatch([ready('a', 'A')]), ['A'])
  })
})
