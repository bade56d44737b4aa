/**
 * Wasm as text for a JavaScript string: one character for each of the 86 commonest byte values, two for each other one.
 *
 * A quarter less than base64 once compressed: base64 cuts bytes at every sixth bit, and so hides their repetitions from gzip and
 * brotli, which compress this as well as the bytes themselves. It is also shorter. js/wasm/inline.ts reads it.
 */

import { unravel } from './wasm-streams.mjs'

const PRINTABLE = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i))
/** What stands for itself in any string literal, template, script element and character set; `_` is left to bundle.mjs. */
const ALPHABET = PRINTABLE.filter((char) => !'"\'`\\$<_'.includes(char))

/** The last characters of the alphabet begin pairs. */
const PAIRS = 2
const SINGLES = ALPHABET.length - PAIRS

/** The text of a wasm, whose bytes are by streams in it. */
export function encodeWasm(wasm) {
  const { bytes, ...streams } = unravel(wasm)
  return { ...encode(bytes), streams }
}

/**
 * `commonest` tells which values are the singles: a hexadecimal digit for every four, the lowest bit for the first of them. The singles
 * have the first codes, the others the rest, both in their own order.
 */
function encode(bytes) {
  const counts = new Array(256).fill(0)
  for (const byte of bytes) counts[byte]++
  const byCount = [...counts.keys()].sort((a, b) => counts[b] - counts[a])
  const singles = new Set(byCount.slice(0, SINGLES))
  const all = [...counts.keys()]
  const values = [...all.filter((value) => singles.has(value)), ...all.filter((value) => !singles.has(value))]
  const digit = (_, at) => [0, 1, 2, 3].reduce((bits, bit) => bits | (singles.has(at * 4 + bit) << bit), 0).toString(16)
  const codes = new Array(256)
  for (const [code, value] of values.entries()) codes[value] = spell(code)
  return {
    alphabet: ALPHABET.join(''),
    pairs: PAIRS,
    commonest: Array.from({ length: 64 }, digit).join(''),
    length: bytes.length,
    text: Array.from(bytes, (byte) => codes[byte]).join(''),
  }
}

function spell(code) {
  if (code < SINGLES) return ALPHABET[code]
  const pair = code - SINGLES
  return ALPHABET[SINGLES + Math.floor(pair / ALPHABET.length)] + ALPHABET[pair % ALPHABET.length]
}
