/** Both ways round: sluice beneath unstorage, and storages of unstorage's beneath sluice. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { createStorage } from 'unstorage'
import fsDriver from 'unstorage/drivers/fs'
import lruDriver from 'unstorage/drivers/lru-cache'
import memoryDriver from 'unstorage/drivers/memory'
import overlayDriver from 'unstorage/drivers/overlay'
import { byteTier } from '../../dist/bytes.js'
import { BatchProcessor, SluiceError } from '../../dist/index.js'
import { mapStore } from '../../dist/testing.js'
import { sluiceDriver, unstorageStore } from '../../dist/unstorage.js'

for (const [where, storage] of [
  ['in memory', () => undefined],
  ['over a tier of bytes', () => byteTier(mapStore())],
]) {
  // What unstorage asks of its own drivers (test/drivers/utils.ts), which it does not publish.
  describe(`unstorage over sluice ${where}`, () => {
    const processor = new BatchProcessor({ storage: storage() })
    const items = createStorage({ driver: sluiceDriver(processor) })

    test('has what is set', async () => {
      await items.setItem('s1:a', 'test_data')
      await items.setItem('s2:a', 'test_data')
      await items.setItem('s3:a?q=1', 'test_data')
      assert.equal(await items.hasItem('s1:a'), true)
      assert.equal(await items.getItem('s1:a'), 'test_data')
      assert.equal(await items.getItem('s3:a?q=2'), 'test_data')
      assert.equal(await items.hasItem('none'), false)
      assert.equal(await items.getItem('none'), null)
    })

    test('lists keys, beneath a base, too', async () => {
      assert.deepEqual((await items.getKeys()).sort(), ['s1:a', 's2:a', 's3:a'])
      assert.deepEqual(await items.getKeys('s1'), ['s1:a'])
    })

    test('keeps values of all kinds that JSON knows', async () => {
      for (const value of ['', 'ü', 0, -1.5, true, false, [1, 'a'], { a: { b: null } }]) {
        await items.setItem('value', value)
        assert.deepEqual(await items.getItem('value'), value)
      }
      await items.setItem('s4:a', { works: true })
      assert.deepEqual(await items.getItems(['s4:a', 'none']), [
        { key: 's4:a', value: { works: true } },
        { key: 'none', value: null },
      ])
      await items.setItems([
        { key: 'm:1', value: 1 },
        { key: 'm:2', value: 2 },
      ])
      assert.deepEqual(
        (await items.getItems(['m:1', 'm:2'])).map(({ value }) => value),
        [1, 2],
      )
    })

    test('keeps raw values', async () => {
      const bytes = new Uint8Array([1, 2, 255])
      await items.setItemRaw('raw', bytes)
      assert.deepEqual(new Uint8Array(await items.getItemRaw('raw')), bytes)
    })

    test('takes a ttl in seconds', async () => {
      await items.setItem('short', 1, { ttl: 100 })
      assert.ok((processor.memory.remainingTtl('short') ?? 0) <= 100_000)
    })

    test('removes and clears, beneath a base, too', async () => {
      await items.removeItem('s1:a')
      assert.equal(await items.hasItem('s1:a'), false)
      const mounted = createStorage().mount('cache', sluiceDriver(processor))
      assert.equal(await mounted.getItem('cache:s2:a'), 'test_data')
      assert.equal(await items.hasItem('s3:a'), true)
      await items.clear()
      assert.deepEqual(await items.getKeys(), [])
      await items.dispose()
    })
  })
}

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-unstorage-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const STORAGES = {
  memory: () => createStorage({ driver: memoryDriver() }),
  'lru-cache': () => createStorage({ driver: lruDriver({}) }),
  overlay: () => createStorage({ driver: overlayDriver({ layers: [memoryDriver(), memoryDriver()] }) }),
  'the file system': () => createStorage({ driver: fsDriver({ base: path.join(folder, `${Math.random()}`) }) }),
  sluice: () => createStorage({ driver: sluiceDriver(new BatchProcessor()) }),
}

for (const [name, make] of Object.entries(STORAGES)) {
  describe(`a tier over unstorage's ${name}`, () => {
    const keys = [
      'text',
      'a/b',
      'a:b',
      'a:b:',
      'A',
      'a',
      '../x',
      'x?y',
      '',
      '\ud800',
      '\ufffd',
      'k'.repeat(64),
      'k'.repeat(65),
      'k'.repeat(500),
    ]
    const entries = keys.map((key, index) => ({ key, value: { index, key: key.slice(0, 9).replaceAll('\ud800', '') } }))

    test('keeps values for the next processor, keys apart, and loses what is deleted', async () => {
      const items = make()
      await items.setItem('not ours', 1)
      const first = new BatchProcessor({ storage: byteTier(unstorageStore(items)), writes: 'strict' })
      await first.mset(entries)
      await first.set('bytes', Buffer.alloc(1000, 200))
      await first.set('nothing', null)
      await first.close()
      const second = new BatchProcessor({ storage: byteTier(unstorageStore(items)), writes: 'strict' })
      assert.deepEqual(
        await second.mget(keys),
        entries.map(({ value }) => value),
      )
      assert.deepEqual(await second.mget(['bytes', 'nothing', 'none']), [Buffer.alloc(1000, 200), null, undefined])
      await second.delete(['a:b', 'text'])
      await second.invalidate({ prefix: 'k' })
      second.memory.clear()
      const gone = (key) => key === 'a:b' || key === 'text' || key.startsWith('k')
      assert.deepEqual(
        await second.mget(keys),
        entries.map(({ key, value }) => (gone(key) ? undefined : value)),
      )
      await second.clear()
      assert.deepEqual(
        await second.mget(keys),
        keys.map(() => undefined),
      )
      const [{ errors, own }] = (await second.metrics()).tiers
      assert.deepEqual([errors, own.corrupt], [0, 0])
      assert.equal(await items.getItem('not ours'), 1)
      await second.close()
    })
  })
}

describe('unstorageStore', () => {
  test('lists its keys, and no others', async () => {
    const items = createStorage()
    const store = unstorageStore(items, { base: 'cache:v1' })
    await store.mset(['a', 'ü', '', '\ud800', 'k'.repeat(500)].map((key) => ({ key, bytes: new Uint8Array(1) })))
    await items.setItem('cache:v1:other', 1)
    await items.setItem('cache:v2:61_', 1)
    const found = []
    for await (const key of store.keys()) found.push(key)
    assert.deepEqual(found.sort(), ['', 'a', 'k'.repeat(500), 'ü', '\ud800'])
  })

  test('and sluiceDriver refuse what they cannot use', () => {
    for (const wrong of [undefined, null, {}, new Map()]) {
      assert.throws(
        () => unstorageStore(wrong),
        (error) => error instanceof SluiceError && error.code === 'ERR_INVALID_OPTION',
      )
      assert.throws(() => sluiceDriver(wrong), { code: 'ERR_INVALID_OPTION' })
    }
  })
})
