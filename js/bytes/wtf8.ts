/** A key as bytes, whatever string it is, and back. */

import { measure, read, write, writeIllFormed } from '../engine/keys.js'

/** `key` in WTF-8: UTF-8, and lone surrogates as three bytes of their own, so that no two strings share their bytes. */
export function keyBytes(key: string): Uint8Array<ArrayBuffer> {
  const size = measure(key)
  const bytes = new Uint8Array(Math.abs(size))
  if (size < 0) writeIllFormed(key, bytes, 0)
  else write(key, bytes)
  return bytes
}

/** The key that has these bytes. */
export const keyOfBytes: (bytes: Uint8Array) => string = read
