/** Section F of docs/faults.md, as far as it is about bytes in any store: what they claim to be, and who reads them. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serialize } from 'node:v8'
import { gzipSync } from 'node:zlib'
import { byteTier, type Codec, v8Codec } from '../../js/bytes/index.js'
import { mapStore } from '../../js/testing/index.js'

test('F14 what was compressed inflates to what it says at most, and to nothing that is not allowed', async () => {
  for (const zeros of [10_000, 10_000_000]) {
    const store = mapStore()
    const bomb = { name: 'gzip', compress: () => gzipSync(new Uint8Array(zeros)), decompress: () => assert.fail() }
    await byteTier(store, { compress: bomb, compressAbove: 0 }).mset([{ key: 'a', value: 'x'.repeat(40_000) }])
    const reader = byteTier(store)
    const before = process.memoryUsage().arrayBuffers
    assert.deepEqual(await reader.mget(['a']), [undefined])
    assert.ok(process.memoryUsage().arrayBuffers - before < 5_000_000)
    assert.equal(reader.metrics.corrupt, 1)
  }
  const store = mapStore()
  await byteTier(store, { compress: 'gzip' }).mset([{ key: 'a', value: 'x'.repeat(100_000) }])
  assert.deepEqual(await byteTier(store, { maxValueBytes: 50_000 }).mget(['a']), [undefined])
  assert.equal((await byteTier(store).mget(['a']))[0]?.value, 'x'.repeat(100_000))
})

test('F16 what a newer runtime has written, and this one cannot read, is a miss', async () => {
  const store = mapStore()
  // The second byte is the version of the format.
  const newer: Codec = {
    ...v8Codec,
    encode(value) {
      const bytes = serialize(value)
      bytes[1] = 0xfe
      return bytes
    },
  }
  await byteTier(store, { codec: newer }).mset([{ key: 'a', value: { b: 1n } }])
  const tier = byteTier(store, { codec: v8Codec })
  assert.deepEqual(await tier.mget(['a']), [undefined])
  await tier.mset([{ key: 'a', value: { b: 2n } }])
  assert.deepEqual(await tier.mget(['a']), [{ value: { b: 2n } }])
})

test('F17 an entry is the same bytes on every machine', async () => {
  const store = mapStore()
  await byteTier(store, { clock: { wallNow: () => 1_700_000_000_000 }, generation: 3 }).mset([
    { key: 'ü', value: { a: [1, null] }, expiresAt: 1_700_000_060_000 },
  ])
  assert.equal(
    Buffer.from(store.map.get('ü') as Uint8Array).toString('hex'),
    '89534c430100000065d7c4cefe649b8100008056febc784200000000004ced40030000000e0000000200000004000000c3bc6a736f6e7b2261223a5b312c6e756c6c5d7d',
  )
})
