/**
 * What is around the bytes of a value: whose they are, when they were written and for how long, how they are to be read, and a checksum of
 * all that. Nothing of it is believed before the checksum is right. The layout is in bytes/src/frame.rs, which seals and verifies.
 */

import { HEAD, sealFrame, Verdict, verifyFrame } from './frame.js'
import { keyBytes } from './wtf8.js'

export interface Envelope {
  /** Epoch milliseconds. */
  readonly writtenAt: number
  readonly ttlMs: number
  readonly generation: number
  /** Bytes of the payload before it was compressed. */
  readonly rawLength: number
  /** The codec's name; where the payload is compressed, `+` and how. */
  readonly codec: string
  readonly payload: Uint8Array
}

/** Why there is nothing to be read: bytes that are not whole, or another key's; bytes of a version that is not ours to judge. */
export type Flaw = 'corrupt' | 'otherVersion'

/** The bytes to keep for `key`. */
export function seal(
  key: Uint8Array,
  { writtenAt, ttlMs, generation, rawLength, codec, payload }: Envelope,
): Uint8Array<ArrayBuffer> {
  const codecAt = HEAD + key.length
  const bytes = new Uint8Array(codecAt + codec.length + payload.length)
  const view = new DataView(bytes.buffer)
  view.setFloat64(16, writtenAt, true)
  view.setFloat64(24, ttlMs, true)
  view.setUint32(32, generation, true)
  view.setUint32(36, rawLength, true)
  view.setUint32(40, key.length, true)
  view.setUint32(44, codec.length, true)
  bytes.set(key, HEAD)
  for (let at = 0; at < codec.length; at++) bytes[codecAt + at] = codec.charCodeAt(at)
  bytes.set(payload, codecAt + codec.length)
  sealFrame(bytes)
  return bytes
}

/** What is in `bytes`, which are said to be those of `key`. The payload is part of them. */
export function open(key: string, bytes: Uint8Array): Envelope | Flaw {
  const verdict = verifyFrame(bytes)
  if (verdict !== Verdict.whole) return verdict === Verdict.otherVersion ? 'otherVersion' : 'corrupt'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const codecAt = HEAD + view.getUint32(40, true)
  const payloadAt = codecAt + view.getUint32(44, true)
  if (!isOf(key, bytes.subarray(HEAD, codecAt))) return 'corrupt'
  let codec = ''
  for (let at = codecAt; at < payloadAt; at++) codec += String.fromCharCode(bytes[at] as number)
  return {
    writtenAt: view.getFloat64(16, true),
    ttlMs: view.getFloat64(24, true),
    generation: view.getUint32(32, true),
    rawLength: view.getUint32(36, true),
    codec,
    payload: bytes.subarray(payloadAt),
  }
}

/** Whether `bytes` are those of `key`. Most keys are ASCII, and need not be encoded for that. */
function isOf(key: string, bytes: Uint8Array): boolean {
  let at = 0
  if (key.length === bytes.length) while (at < key.length && isAscii(key.charCodeAt(at), bytes[at])) at++
  if (at === bytes.length && at === key.length) return true
  const expected = keyBytes(key)
  return expected.length === bytes.length && expected.every((byte, index) => byte === bytes[index])
}

function isAscii(unit: number, byte: number | undefined): boolean {
  return unit === byte && unit < 0x80
}
