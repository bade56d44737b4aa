/** Both ways round, with both current majors: sluice beneath Keyv, and Keyv's adapters beneath sluice. */

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite'
import { Keyv } from 'keyv'
import { Keyv as Keyv6, KeyvMemoryAdapter } from 'keyv6'
import { byteTier } from '../../dist/bytes.js'
import { BatchProcessor, SluiceError } from '../../dist/index.js'
import { KeyvSluice, keyvStore } from '../../dist/keyv.js'
import { mapStore } from '../../dist/testing.js'
import { vitest } from './suite.mjs'

const MAJORS = { 'Keyv 5': Keyv, 'Keyv 6': Keyv6 }

/** The suite is that of version 5. */
const EXCEPT = {
  'Keyv 5': {},
  'Keyv 6': {
    // It answers one by one.
    '.deleteMany([keys]) with nonexistent keys resolves to false': async () => {
      const keyv = new Keyv6({ store: new KeyvSluice(new BatchProcessor()) })
      assert.deepEqual(await keyv.delete(['foo', 'foo1']), [false, false])
    },
  },
}

for (const [name, Class] of Object.entries(MAJORS)) {
  for (const [where, storage] of [
    ['in memory', () => undefined],
    ['over a tier of bytes', () => byteTier(mapStore())],
    ["over a tier in Keyv's Map", () => byteTier(keyvStore(new Keyv()))],
  ]) {
    describe(`${name} over sluice ${where}`, () => {
      const processor = new BatchProcessor({ storage: storage() })
      keyvTestSuite(vitest(EXCEPT[name]), Class, () => new KeyvSluice(processor))
      keyvIteratorTests(vitest(), Class, () => new KeyvSluice(processor))
    })
  }
}

/** What keeps one thing after another, and can no more than it must. */
class Plain {
  map = new Map()
  async get(key) {
    return this.map.get(key)
  }
  async set(key, value, time) {
    assert.equal(typeof value, 'string')
    this.time = time
    this.map.set(key, value)
  }
  async delete(key) {
    return this.map.delete(key)
  }
  async clear() {
    this.map.clear()
  }
}

const KEYVS = {
  'a Map': () => new Map(),
  'an adapter that can only get and set': () => new Plain(),
  'a Keyv 5': () => new Keyv(),
  'a Keyv 5 with a namespace': () => new Keyv({ namespace: 'mine' }),
  'a Keyv 5 over an adapter': () => new Keyv({ store: new Plain() }),
  'a Keyv 6': () => new Keyv6(),
  'a Keyv 6 with a namespace': () => new Keyv6({ namespace: 'mine' }),
  'a Keyv 6 over an adapter': () => new Keyv6({ store: new Plain() }),
  "Keyv 6's memory": () => new KeyvMemoryAdapter(new Map()),
  sluice: () => new KeyvSluice(new BatchProcessor()),
}

for (const [name, make] of Object.entries(KEYVS)) {
  describe(`a tier over ${name}`, () => {
    const values = {
      text: 'ü',
      nothing: null,
      deep: { a: [1, { b: false }] },
      bytes: Buffer.alloc(50_000, 7),
      'a:b::c': 0,
      '\ud800': 'lone',
    }
    const entries = Object.entries(values).map(([key, value]) => ({ key, value }))

    test('keeps values for the next processor, and loses what is deleted', async () => {
      const keyv = make()
      const first = new BatchProcessor({ storage: byteTier(keyvStore(keyv)), writes: 'strict' })
      await first.mset(entries.map((entry) => ({ ...entry, ttl: 60_000 })))
      await first.set('for ever', 1, { ttl: Number.POSITIVE_INFINITY })
      await first.close()
      const second = new BatchProcessor({ storage: byteTier(keyvStore(keyv)), writes: 'strict' })
      const outcomes = await second.getCachedDataBatchSettled(
        entries.map(({ key }) => ({ key, fetchFunction: () => assert.fail(key) })),
      )
      assert.deepEqual(
        outcomes.map(({ source, value }) => [source, value]),
        entries.map(({ value }) => ['keyv', value]),
      )
      assert.equal(await second.get('for ever'), 1)
      await second.delete(['text', 'deep'])
      await second.invalidate({ prefix: 'a:' })
      second.memory.clear()
      assert.deepEqual(await second.mget(['text', 'deep', 'a:b::c', 'nothing', 'none']), [
        undefined,
        undefined,
        undefined,
        null,
        undefined,
      ])
      await second.clear()
      assert.deepEqual(await second.mget(['nothing', 'bytes']), [undefined, undefined])
      const [{ errors }] = (await second.metrics()).tiers
      assert.equal(errors, 0)
      await second.close()
    })

    test('lets entries expire', async () => {
      const tier = byteTier(keyvStore(make()))
      await tier.mset([
        { key: 'a', value: 1, expiresAt: Date.now() + 30 },
        { key: 'b', value: 2, expiresAt: Date.now() + 60_000 },
      ])
      await new Promise((resolve) => setTimeout(resolve, 40))
      const [a, b] = await tier.mget(['a', 'b'])
      assert.deepEqual([a, b?.value], [undefined, 2])
    })
  })
}

describe('keyvStore', () => {
  test('tells version 5 how long, and version 6 until when', async () => {
    const expiresAt = Date.now() + 10_000
    const five = new Plain()
    await keyvStore(five).mset([{ key: 'a', bytes: new Uint8Array(1), expiresAt }])
    assert.ok(five.time > 9000 && five.time <= 10_000 && Number.isInteger(five.time))
    const six = Object.assign(new Plain(), { capabilities: { expires: true } })
    await keyvStore(six).mset([{ key: 'a', bytes: new Uint8Array(1), expiresAt }])
    assert.equal(six.time, expiresAt)
  })

  test('fails where an adapter throws, answers false, or only emits an error', async () => {
    const bytes = new Uint8Array(1)
    const throwing = Object.assign(new Plain(), { get: () => Promise.reject(new Error('down')) })
    await assert.rejects(keyvStore(throwing).mget(['a']), { message: 'down' })
    const refusing = Object.assign(new Plain(), { setMany: async () => [false] })
    await assert.rejects(keyvStore(refusing).mset([{ key: 'a', bytes }]), { message: 'it did not take all entries' })
    const emitter = new EventEmitter()
    const quiet = Object.assign(new Plain(), {
      on: (...listener) => emitter.on(...listener),
      deleteMany: async () => {
        emitter.emit('error', new Error('lost'))
        return false
      },
    })
    await assert.rejects(keyvStore(quiet).mdelete(['a']), { message: 'lost' })
    await keyvStore(quiet).mset([{ key: 'a', bytes }])
  })

  test('takes what is no text of ours for bytes that are not whole', async () => {
    const map = new Map([
      ['a', 'no base64 …'],
      ['b', 7],
      ['c', 'YWJj'],
    ])
    const tier = byteTier(keyvStore(map))
    assert.deepEqual(await tier.mget(['a', 'b', 'c']), [undefined, undefined, undefined])
    assert.equal(tier.metrics.corrupt, 3)
  })

  test('and KeyvSluice refuse what they cannot use', () => {
    for (const wrong of [undefined, null, {}, { store: {} }, 'redis://']) {
      assert.throws(
        () => keyvStore(wrong),
        (error) => error instanceof SluiceError && error.code === 'ERR_INVALID_OPTION',
      )
      assert.throws(() => new KeyvSluice(wrong), { code: 'ERR_INVALID_OPTION' })
    }
  })
})
