/** Values in stores of bytes: what comes back is what was kept, or nothing. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ByteEntry, type ByteStore, byteTier } from '../../js/bytes/index.js'

/** A store of bytes in a Map. */
function mapStore(map = new Map<string, Uint8Array>()): ByteStore & { map: Map<string, Uint8Array> } {
  return {
    map,
    mget: (keys) => keys.map((key) => map.get(key)),
    mset: (entries: readonly ByteEntry[]) => {
      for (const { key, bytes } of entries) map.set(key, bytes)
    },
    mdelete: (keys) => {
      for (const key of keys) map.delete(key)
    },
    clear: () => map.clear(),
    keys: () => map.keys(),
  }
}

describe('a tier of bytes', () => {
  test('gives back what it was given, for as long as it was said to be good', async () => {
    const tier = byteTier(mapStore())
    const values = [null, 'text', '', 0, 1.5, true, [], [1, [null]], {}, { a: { b: ['c'] } }, '\ud800', { ['__proto__']: 1 }]
    const expiresAt = Date.now() + 10_000
    await tier.mset(values.map((value, index) => ({ key: `${index}`, value, expiresAt })))
    const found = await tier.mget(values.map((_, index) => `${index}`))
    assert.deepEqual(
      found.map((entry) => entry?.value),
      values,
    )
    for (const entry of found) assert.ok((entry?.expiresAt ?? 0) <= expiresAt)
    assert.deepEqual(await tier.mget(['none']), [undefined])
  })

  test('keeps bytes as they are', async () => {
    const tier = byteTier(mapStore())
    const bytes = new Uint8Array([0, 1, 255])
    await tier.mset([{ key: 'a', value: bytes }])
    assert.deepEqual(await tier.mget(['a']), [{ value: bytes }])
  })

  test('believes no entry of another key', async () => {
    const store = mapStore()
    const tier = byteTier(store)
    await tier.mset([{ key: 'a', value: 1 }])
    store.map.set('b', store.map.get('a') as Uint8Array)
    assert.deepEqual(await tier.mget(['a', 'b']), [{ value: 1 }, undefined])
    assert.deepEqual([...store.map.keys()], ['a'])
  })
})
