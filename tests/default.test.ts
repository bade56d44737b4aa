/** The module-level functions. They share one processor: the tests of this file run in their order, and in a process of their own. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  configure,
  getCachedData,
  getCachedDataBatch,
  getCachedDataBatchSettled,
  getStorage,
  initializeStorage,
  isStorageInitialized,
  plan,
  prefetch,
  streamCachedDataBatch,
} from '../js/index.js'
import { thrownBy } from './support/set-up.js'
import { ready, Source, unwanted } from './support/source.js'
import { drained } from './support/virtual-clock.js'

test('there is no storage at first', () => {
  assert.equal(isStorageInitialized(), false)
  assert.equal(getStorage(), undefined)
})

test('they use one processor, made on first use', async () => {
  assert.deepEqual(await getCachedDataBatch([ready('a', 1), ready('b', 2)]), [1, 2])
  assert.equal(await getCachedData('a', unwanted('a').fetchFunction), 1)
  assert.deepEqual(
    (await getCachedDataBatchSettled([unwanted('b')])).map(({ source }) => source),
    ['memory'],
  )
  await prefetch([ready('c', 3)])
  assert.deepEqual(
    (await plan([unwanted('c'), unwanted('d')])).requests.map(({ action }) => action),
    ['memory', 'fetch'],
  )
  const seen: unknown[] = []
  for await (const outcome of streamCachedDataBatch([unwanted('a')])) seen.push(outcome.key)
  assert.deepEqual(seen, ['a'])
})

test('initializeStorage puts storage beneath it', async () => {
  const storage = new Map<string, unknown>([['stored', 'S']])
  initializeStorage(storage)
  assert.equal(isStorageInitialized(), true)
  assert.equal(getStorage(), storage)
  assert.equal(await getCachedData('stored', unwanted('stored').fetchFunction), 'S')
})

test('initializeStorage that is wrong changes nothing', () => {
  const before = getStorage()
  assert.throws(() => initializeStorage({} as never), TypeError)
  assert.equal(getStorage(), before)
})

test('configure sets up another, over the same storage, and answers it', async () => {
  const storage = getStorage() as Map<string, unknown>
  const processor = configure({ ttl: 50 })
  assert.equal(processor.getStorage(), storage)
  assert.equal(getStorage(), storage)
  storage.set('later', 'L')
  assert.equal(await getCachedData('later', unwanted('later').fetchFunction), 'L')
  assert.equal(processor.memory.get('later'), 'L')
})

test('configure that is wrong changes nothing', async () => {
  const processor = configure({ storage: new Map([['kept', 'K']]) })
  assert.equal(
    (thrownBy(() => configure({ maxEntries: 0 })) as Error).message,
    'config.maxEntries: expected an integer of at least 1, or Infinity, received 0 (number)',
  )
  assert.equal(await getCachedData('kept', unwanted('kept').fetchFunction), 'K')
  assert.equal(processor.memory.get('kept'), 'K')
})

test('configure lets the one before finish what it has in flight', async () => {
  const source = new Source()
  const asked = getCachedDataBatch(source.requests('slow'))
  await drained()
  configure({})
  source.call(0).resolve('done')
  assert.deepEqual(await asked, ['done'])
  assert.equal(await getCachedData('slow', () => 'anew', { cache: 'reload' }), 'anew')
})

test('storage given before the processor was made, or given anew with configure, is the storage there is', () => {
  const other = new Map()
  configure({ storage: other })
  assert.equal(getStorage(), other)
  assert.equal(isStorageInitialized(), true)
})
