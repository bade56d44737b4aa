/**
 * What is around the bytes of a value: whose they are, when they were written and for how long, how they are to be read, and a checksum of
 * all that. Nothing of it is believed before the checksum is right. Little-endian:
 *
 *      0  magic        89 53 4c 43
 *      4  version      u16, 1; another version is another layout from here on
 *      6  0            u16
 *      8  checksum     u64, XXH64 of all that follows it
 *     16  written at   f64, epoch milliseconds
 *     24  ttl          f64, milliseconds; Infinity for what does not expire
 *     32  generation   u32
 *     36  raw length   u32, of the payload before it was compressed
 *     40  key length   u32
 *     44  codec length u32
 *     48  key          WTF-8
 *         codec        ASCII; `+gzip` and the like behind it where the payload is compressed
 *         payload      to the end
 */

import { xxh64 } from './checksum.js'

export interface Envelope {
  readonly writtenAt: number
  readonly ttlMs: number
  readonly generation: number
  /** Bytes of the payload before it was compressed. */
  readonly rawLength: number
  readonly codec: string
  readonly payload: Uint8Array
}

/** Why there is nothing to be read: bytes that are not whole, another key's, or of a version that is not ours to judge. */
export type Flaw = 'corrupt' | 'otherKey' | 'otherVersion'

const MAGIC = 0x434c5389
const VERSION = 1
const SUMMED_FROM = 16
const HEAD = 48
/** Of a codec's name with its compression. */
const CODEC_LENGTH_MAX = 255

/** The bytes to keep for `key`. */
export function seal(
  key: Uint8Array,
  { writtenAt, ttlMs, generation, rawLength, codec, payload }: Envelope,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEAD + key.length + codec.length + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, VERSION, true)
  view.setFloat64(16, writtenAt, true)
  view.setFloat64(24, ttlMs, true)
  view.setUint32(32, generation, true)
  view.setUint32(36, rawLength, true)
  view.setUint32(40, key.length, true)
  view.setUint32(44, codec.length, true)
  bytes.set(key, HEAD)
  for (let at = 0; at < codec.length; at++) bytes[HEAD + key.length + at] = codec.charCodeAt(at)
  bytes.set(payload, HEAD + key.length + codec.length)
  view.setBigUint64(8, xxh64(bytes.subarray(SUMMED_FROM)), true)
  return bytes
}

/** What is in `bytes`, which are said to be those of `key`. The payload is part of them. */
export function open(key: Uint8Array, bytes: Uint8Array): Envelope | Flaw {
  if (bytes.length < HEAD) return 'corrupt'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0, true) !== MAGIC) return 'corrupt'
  if (view.getUint16(4, true) !== VERSION) return 'otherVersion'
  if (view.getUint16(6, true) !== 0 || view.getBigUint64(8, true) !== xxh64(bytes.subarray(SUMMED_FROM))) return 'corrupt'
  const codecAt = HEAD + view.getUint32(40, true)
  const codecLength = view.getUint32(44, true)
  const payloadAt = codecAt + codecLength
  if (codecLength > CODEC_LENGTH_MAX || payloadAt > bytes.length) return 'corrupt'
  if (!isEqual(key, bytes.subarray(HEAD, codecAt))) return 'otherKey'
  return {
    writtenAt: view.getFloat64(16, true),
    ttlMs: view.getFloat64(24, true),
    generation: view.getUint32(32, true),
    rawLength: view.getUint32(36, true),
    codec: String.fromCharCode(...bytes.subarray(codecAt, payloadAt)),
    payload: bytes.subarray(payloadAt),
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}
