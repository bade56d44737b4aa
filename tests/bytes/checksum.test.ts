/** The checksum in frames is XXH64, by an implementation of its own. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteTier, keyBytes } from '../../js/bytes/index.js'

const [P1, P2, P3, P4, P5]: readonly [bigint, bigint, bigint, bigint, bigint] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
]

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
const rotate = (value: bigint, by: bigint): bigint => u64(value << by) | (value >> (64n - by))
const round = (lane: bigint, input: bigint): bigint => u64(rotate(u64(lane + input * P2), 31n) * P1)

/** https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, with seed 0. */
function xxh64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  let sum = P5
  if (bytes.length >= 32) {
    const lanes = [u64(P1 + P2), P2, 0n, u64(-P1)] as [bigint, bigint, bigint, bigint]
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i] as bigint, view.getBigUint64(at + 8 * i, true))
    }
    sum = u64(rotate(lanes[0], 1n) + rotate(lanes[1], 7n) + rotate(lanes[2], 12n) + rotate(lanes[3], 18n))
    for (const lane of lanes) sum = u64((sum ^ round(0n, lane)) * P1 + P4)
  }
  sum = u64(sum + BigInt(bytes.length))
  for (; at + 8 <= bytes.length; at += 8) sum = u64(rotate(sum ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4)
  for (; at + 4 <= bytes.length; at += 4) sum = u64(rotate(sum ^ u64(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3)
  for (; at < bytes.length; at++) sum = u64(rotate(sum ^ u64(BigInt(view.getUint8(at)) * P5), 11n) * P1)
  sum = u64((sum ^ (sum >> 33n)) * P2)
  sum = u64((sum ^ (sum >> 29n)) * P3)
  return sum ^ (sum >> 32n)
}

test('a frame is laid out as bytes/src/frame.rs says, whatever its size', async () => {
  assert.equal(xxh64(Buffer.from('abc')), 0x44bc2cf5ad770999n)
  const around = [0, 1, 2].map((pieces) => pieces * 65_536)
  const sizes = [
    ...Array(80).keys(),
    ...around.flatMap((size) => [-70, -64, -33, -32, -1, 0, 1, 31, 32].map((by) => size + by).filter((size) => size >= 0)),
  ]
  for (const size of sizes) {
    const payload = Uint8Array.from({ length: size }, (_, at) => (at * 31) >> 3)
    let bytes = new Uint8Array()
    const tier = byteTier(
      {
        mget: () => [bytes],
        mset: ([entry]) => {
          bytes = Uint8Array.from(entry?.bytes ?? [])
        },
        mdelete: () => assert.fail(),
      },
      { clock: { wallNow: () => 1000 }, generation: 7 },
    )
    await tier.mset([{ key: 'ü', value: payload, expiresAt: 1500 }])
    const view = new DataView(bytes.buffer)
    assert.deepEqual([...bytes.subarray(0, 8)], [0x89, 0x53, 0x4c, 0x43, 1, 0, 0, 0])
    assert.equal(view.getBigUint64(8, true), xxh64(bytes.subarray(16)), `${size} bytes`)
    assert.deepEqual([view.getFloat64(16, true), view.getFloat64(24, true)], [1000, 500])
    assert.deepEqual(
      [32, 36, 40, 44].map((at) => view.getUint32(at, true)),
      [7, size, 2, 5],
    )
    assert.deepEqual(bytes.subarray(48), new Uint8Array(Buffer.concat([keyBytes('ü'), Buffer.from('bytes'), payload])))
    assert.deepEqual(await tier.mget(['ü']), [{ value: payload, expiresAt: 1500 }])
  }
})
