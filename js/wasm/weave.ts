/** Puts wasm together that scripts/wasm-streams.mjs has taken apart: head, streams of what is alike, tail. */

export interface Streams {
  /** Lengths of the head, the streams, and the tail. */
  readonly parts: readonly number[]
  readonly functions: number
  /** The operands of a kind of opcode: the stream of each in hexadecimal, `t` for a table of labels, `b` for one byte. */
  readonly kinds: readonly string[]
  /** The kind of each opcode, from `A` on. */
  readonly kindOf: string
}

// As in scripts/wasm-streams.mjs, one further on for the head.
const SIZES = 1
const OPCODES = 2
const LABELS = 4
const CONSTANTS = 10
const TABLE = -1
const BYTE = -2

export function weave(bytes: Uint8Array, { parts, functions, kinds, kindOf }: Streams): Uint8Array<ArrayBuffer> {
  const wasm = new Uint8Array(bytes.length)
  let end = 0
  const places = parts.map((length) => {
    end += length
    return end - length
  })
  const operandsOf = Array.from(kindOf, (kind) => Array.from(kinds[kind.charCodeAt(0) - 65] as string, partOf))
  let at = parts[0] as number
  wasm.set(bytes.subarray(0, at))
  const copy = (part: number, count: number): void => {
    for (; count > 0; count--) wasm[at++] = bytes[(places[part] as number)++] as number
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
  for (let left = functions; left > 0; left--) {
    const size = leb(SIZES)
    const last = at + size
    for (let locals = leb(SIZES); locals > 0; locals--) {
      leb(SIZES)
      copy(SIZES, 1)
    }
    // Most of the bytes go this way, before anything is compiled: without calls, and without values that nobody needs.
    while (at < last) {
      let opcode = bytes[(places[OPCODES] as number)++] as number
      wasm[at++] = opcode
      if (opcode === 0xfc) {
        copy(OPCODES, 1)
        opcode = 0xf0 + (wasm[at - 1] as number)
      }
      const operands = operandsOf[opcode] as number[]
      for (let i = 0; i < operands.length; i++) {
        const part = operands[i] as number
        if (part === TABLE) for (let labels = leb(LABELS); labels >= 0; labels--) leb(LABELS)
        else if (part === BYTE) copy(CONSTANTS, 1)
        else {
          let place = places[part] as number
          let byte: number
          do {
            byte = bytes[place++] as number
            wasm[at++] = byte
          } while (byte > 0x7f)
          places[part] = place
        }
      }
    }
  }
  wasm.set(bytes.subarray(places.at(-1)), at)
  return wasm
}

function partOf(operand: string): number {
  if (operand === 't') return TABLE
  return operand === 'b' ? BYTE : Number.parseInt(operand, 16) + 1
}
