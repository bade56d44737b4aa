import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NotCachedError } from '../js/index.js'
import { reasonOf, setUp, watch } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { drained } from './support/virtual-clock.js'

describe("cache: 'default'", () => {
  test('answers from memory, fetches the rest, stores it', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 'cached')
    assert.deepEqual(await processor.getCachedDataBatch([unwanted('a'), ready('b', 'fetched')], { cache: 'default' }), [
      'cached',
      'fetched',
    ])
    assert.equal(processor.memory.get('b'), 'fetched')
  })
})

describe("cache: 'reload'", () => {
  test('fetches what is cached, and stores it', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 'old')
    assert.deepEqual(await processor.getCachedDataBatch([ready('a', 'new')], { cache: 'reload' }), ['new'])
    assert.equal(processor.memory.get('a'), 'new')
  })

  test('shares its load: it joins what is in flight, and others join it', async (t) => {
    const { processor, source } = setUp(t)
    const asked = [
      processor.getCachedData('a', source.fetch),
      processor.getCachedData('a', source.fetch, { cache: 'reload' }),
      processor.getCachedData('a', source.fetch, { cache: 'reload' }),
    ]
    assert.equal(source.calls.length, 1)
    source.call(0).resolve('A')
    assert.deepEqual(await Promise.all(asked), ['A', 'A', 'A'])
  })

  test('that fails leaves the old value where it is', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 'old')
    await reasonOf(processor.getCachedData('a', () => Promise.reject(new Error('no')), { cache: 'reload' }))
    assert.equal(processor.memory.get('a'), 'old')
  })
})

describe("cache: 'only-if-cached'", () => {
  test('answers from memory and fetches nothing: what is missing rejects', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 'cached')
    const outcomes = await processor.getCachedDataBatchSettled([unwanted('a'), unwanted('b')], { cache: 'only-if-cached' })
    assert.equal(outcomes[0]?.status === 'fulfilled' && outcomes[0].value, 'cached')
    const error = outcomes[1]?.status === 'rejected' && (outcomes[1].reason as NotCachedError)
    assert.ok(error instanceof NotCachedError)
    assert.deepEqual(
      { code: error.code, key: error.key, message: error.message, attempts: outcomes[1]?.attempts },
      { code: 'ERR_NOT_CACHED', key: 'b', message: '"b" is not cached', attempts: 0 },
    )
  })

  test('does not wait for what is in flight', async (t) => {
    const { processor, source } = setUp(t)
    const loading = processor.getCachedData('a', source.fetch)
    assert.ok(
      (await reasonOf(processor.getCachedData('a', unwanted('a').fetchFunction, { cache: 'only-if-cached' }))) instanceof
        NotCachedError,
    )
    source.call(0).resolve('A')
    assert.equal(await loading, 'A')
  })

  test('lets nobody join what it does not load', async (t) => {
    const { processor } = setUp(t)
    const missing = reasonOf(processor.getCachedData('a', unwanted('a').fetchFunction, { cache: 'only-if-cached' }))
    assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
    assert.ok((await missing) instanceof NotCachedError)
  })

  test('is not asked of customGrouper', async (t) => {
    const { processor } = setUp(t)
    const customGrouper = () => {
      throw new Error('asked')
    }
    const reason = await reasonOf(
      processor.getCachedData('a', unwanted('a').fetchFunction, {
        cache: 'only-if-cached',
        groupingStrategy: 'custom',
        customGrouper,
      }),
    )
    assert.ok(reason instanceof NotCachedError)
  })
})

describe("cache: 'no-store'", () => {
  test('neither reads nor stores', async (t) => {
    const { processor } = setUp(t)
    processor.memory.set('a', 'cached')
    assert.deepEqual(await processor.getCachedDataBatch([ready('a', 'fetched'), ready('b', 'B')], { cache: 'no-store' }), [
      'fetched',
      'B',
    ])
    assert.equal(processor.memory.get('a'), 'cached')
    assert.equal(processor.memory.has('b'), false)
  })

  test('shares loads in flight; a load that one of them may not keep is not kept', async (t) => {
    const { processor, source } = setUp(t)
    const keeping = processor.getCachedData('a', source.fetch)
    const passing = processor.getCachedData('a', source.fetch, { cache: 'no-store' })
    assert.equal(source.calls.length, 1)
    source.call(0).resolve('A')
    assert.deepEqual([await keeping, await passing], ['A', 'A'])
    assert.equal(processor.memory.has('a'), false)
  })
})

describe('a reader that comes while another writes', () => {
  test('gets what is stored, not what is on its way', async (t) => {
    const { processor, source } = setUp(t)
    processor.memory.set('a', 'old')
    const reloading = watch(processor.getCachedData('a', source.fetch, { cache: 'reload' }))
    assert.equal(await processor.getCachedData('a', unwanted('a').fetchFunction), 'old')
    source.call(0).resolve('new')
    await drained()
    assert.equal(reloading.value, 'new')
    assert.equal(await processor.getCachedData('a', unwanted('a').fetchFunction), 'new')
  })
})
