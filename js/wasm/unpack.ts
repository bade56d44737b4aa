/** The wasm of a text that scripts/wasm-text.mjs has made: characters for bytes, and the bytes by streams of what is alike. */

import type { WasmText } from '../../pkg/engine_bg.wasm'

// The parts that have a name: the head, and streams as in scripts/wasm-streams.mjs, one further on.
const HEAD = 0
const SIZES = 1
const OPCODES = 2
const LABELS = 4
const CONSTANTS = 10
/** Where something else than LEB128 comes after an opcode. */
const SPECIAL = -1
const BR_TABLE = 0x0e
const F32_CONST = 0x43
const PREFIX = 0xfc
const PREFIXED = 0xf0

export function unpack({
  text,
  alphabet,
  pairs,
  commonest,
  length,
  head,
  parts,
  functions,
  operands,
}: WasmText): Uint8Array<ArrayBuffer> {
  const wasm = new Uint8Array(length)
  let at = 0

  // What a character stands for: a byte, or where in `values` those are that begin with it, as a complement.
  const values: number[] = []
  for (const isCommon of '10') {
    for (let value = 0; value < 256; value++) if (commonest.charAt(value) === isCommon) values.push(value)
  }
  const codes = new TextEncoder().encode(text)
  const meanings = new Int16Array(128)
  const singles = alphabet.length - pairs
  for (let rank = 0; rank < alphabet.length; rank++) {
    meanings[alphabet.charCodeAt(rank)] =
      rank < singles ? (values[rank] as number) : ~(singles + (rank - singles) * alphabet.length)
  }

  let end = 0
  const places = Int32Array.from(parts, (characters) => {
    end += characters
    return end - characters
  })
  const [first, second] = operands.map((all) => Int8Array.from(all, (letter) => letter.charCodeAt(0) - 64)) as [
    Int8Array,
    Int8Array,
  ]

  const copy = (part: number, count: number): void => {
    let place = places[part] as number
    for (; count > 0; count--) {
      const meaning = meanings[codes[place++] as number] as number
      wasm[at++] = meaning < 0 ? (values[~meaning + alphabet.indexOf(text.charAt(place++))] as number) : meaning
    }
    places[part] = place
  }
  const leb = (part: number): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      copy(part, 1)
      const byte = wasm[at - 1] as number
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  copy(HEAD, head)
  for (let left = functions; left > 0; left--) {
    const size = leb(SIZES)
    const last = at + size
    for (let locals = leb(SIZES); locals > 0; locals--) {
      leb(SIZES)
      copy(SIZES, 1)
    }
    // Nearly all bytes go this way, before anything is compiled: without calls, and without values that nobody needs.
    while (at < last) {
      let place = places[OPCODES] as number
      let opcode = meanings[codes[place++] as number] as number
      if (opcode < 0) opcode = values[~opcode + alphabet.indexOf(text.charAt(place++))] as number
      places[OPCODES] = place
      wasm[at++] = opcode
      if (opcode === PREFIX) {
        copy(OPCODES, 1)
        opcode = PREFIXED + (wasm[at - 1] as number)
      }
      let part = first[opcode] as number
      if (part === SPECIAL) {
        if (opcode === BR_TABLE) for (let labels = leb(LABELS); labels >= 0; labels--) leb(LABELS)
        else copy(CONSTANTS, opcode === F32_CONST ? 4 : 8)
      } else {
        for (let next = second[opcode] as number; part > 0; part = next, next = 0) {
          place = places[part] as number
          let byte: number
          do {
            byte = meanings[codes[place++] as number] as number
            if (byte < 0) byte = values[~byte + alphabet.indexOf(text.charAt(place++))] as number
            wasm[at++] = byte
          } while (byte > 0x7f)
          places[part] = place
        }
      }
    }
  }
  copy(parts.length - 1, length - at)
  return wasm
}
