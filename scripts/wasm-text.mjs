/**
 * Wasm as text for a JavaScript string: one character for each of the 86 commonest byte values, two for each other one.
 *
 * A quarter less than base64 once compressed: base64 cuts bytes at every sixth bit, and so hides their repetitions from gzip and
 * brotli, which compress this as well as the bytes themselves. It is also shorter. js/wasm/unpack.ts reads it.
 */

import { unravel } from './wasm-streams.mjs'

const PRINTABLE = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i))
/** What stands for itself in any string literal, template, script element and character set; `_` is left to bundle.mjs. */
const ALPHABET = PRINTABLE.filter((char) => !'"\'`\\$<_'.includes(char))

/** The last characters of the alphabet begin pairs. */
const PAIRS = 2
const SINGLES = ALPHABET.length - PAIRS

/** The text of a wasm, whose bytes are by streams in it; and what `unpack` needs to know besides. */
export function encodeWasm(wasm) {
  const { parts, ...known } = unravel(wasm)
  const { texts, ...alphabet } = encode(parts)
  return {
    ...alphabet,
    length: wasm.length,
    head: parts[0].length,
    ...known,
    parts: texts.map(({ length }) => length),
    text: texts.join(''),
  }
}

/**
 * `commonest` tells which values are the singles: those with a 1. The singles have the first codes, the others the rest, both in
 * their own order.
 */
function encode(parts) {
  const counts = new Array(256).fill(0)
  for (const byte of parts.flatMap((part) => [...part])) counts[byte]++
  const byCount = [...counts.keys()].sort((a, b) => counts[b] - counts[a])
  const singles = new Set(byCount.slice(0, SINGLES))
  const all = [...counts.keys()]
  const values = [...all.filter((value) => singles.has(value)), ...all.filter((value) => !singles.has(value))]
  const codes = new Array(256)
  for (const [code, value] of values.entries()) codes[value] = spell(code)
  return {
    alphabet: ALPHABET.join(''),
    pairs: PAIRS,
    commonest: all.map((value) => Number(singles.has(value))).join(''),
    texts: parts.map((bytes) => Array.from(bytes, (byte) => codes[byte]).join('')),
  }
}

function spell(code) {
  if (code < SINGLES) return ALPHABET[code]
  const pair = code - SINGLES
  return ALPHABET[SINGLES + Math.floor(pair / ALPHABET.length)] + ALPHABET[pair % ALPHABET.length]
}
