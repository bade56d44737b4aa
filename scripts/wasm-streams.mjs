/**
 * Wasm with what is alike beside what is alike: all opcodes one after another, then all indices of locals, all offsets, and so on.
 *
 * In the order of the code, an opcode stands between operands that have nothing to do with it, and gzip finds little that repeats: what is
 * separated compresses by an eighth better. js/wasm/unpack.ts puts it together again. Known is what Rust's wasm32 target makes (opcodes: the
 * core specification 2.0, chapter 5.4); anything else is an error here.
 */

/** Streams: operands that are alike. */
const [SIZES, OPCODES, TYPES, LABELS, INDIRECT, LOCALS, SET, OFFSETS, GLOBALS, CONSTANTS, MEMORIES] = '0123456789A'
const STREAMS = 11
/** Operands of an opcode: the stream of each, all LEB128; of these two, something else. */
const TABLE = 't'
const BYTE = 'b'
const CODE_SECTION = 10
/** `memory.copy` and its kin have a second opcode, and their operands stand here plus that. */
const PREFIX = 0xfc
const PREFIXED = 0xf0

const OPERANDS = {
  [TYPES]: [0x02, 0x03, 0x04],
  [LABELS]: [0x0c, 0x0d],
  [TABLE]: [0x0e],
  // With the opcode before it, who is called is nearly a word of its own, and so is the alignment of a load.
  [OPCODES]: [0x10],
  [INDIRECT + INDIRECT]: [0x11],
  [LOCALS]: [0x20, 0x22],
  [SET]: [0x21],
  [GLOBALS]: [0x23, 0x24],
  [OPCODES + OFFSETS]: range(0x28, 0x3e),
  [MEMORIES]: [0x3f, 0x40, PREFIXED + 11],
  [MEMORIES + MEMORIES]: [PREFIXED + 10],
  [CONSTANTS]: [0x41, 0x42],
  [BYTE.repeat(4)]: [0x43],
  [BYTE.repeat(8)]: [0x44],
  // None: unreachable to return, drop and select, comparisons to conversions, saturating truncations.
  '': [0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b, ...range(0x45, 0xc4), ...range(PREFIXED, PREFIXED + 7)],
}

/** The head, the bytes by streams, the tail; and what `unpack` needs to know besides. */
export function unravel(wasm) {
  const kindOf = new Map(Object.entries(OPERANDS).flatMap(([kind, opcodes]) => opcodes.map((opcode) => [opcode, kind])))
  const streams = Array.from({ length: STREAMS }, () => [])
  const { start, end } = findCode(wasm)
  let at = start
  const byte = (stream) => {
    streams[Number.parseInt(stream, 16)].push(wasm[at])
    return wasm[at++]
  }
  const leb = (stream) => {
    const from = at
    while (byte(stream) & 0x80);
    return readLeb(wasm, from).value
  }
  const count = readLeb(wasm, start)
  at = count.end
  for (let left = count.value; left > 0; left--) {
    const last = leb(SIZES) + at
    for (let locals = leb(SIZES); locals > 0; locals--) {
      leb(SIZES)
      byte(SIZES)
    }
    while (at < last) {
      let opcode = byte(OPCODES)
      if (opcode === PREFIX) opcode = PREFIXED + byte(OPCODES)
      const kind = kindOf.get(opcode)
      if (kind === undefined) throw new Error(`scripts/wasm-streams.mjs does not know opcode 0x${opcode.toString(16)}`)
      for (const operand of kind) {
        if (operand === TABLE) for (let labels = leb(LABELS); labels >= 0; labels--) leb(LABELS)
        else if (operand === BYTE) byte(CONSTANTS)
        else leb(operand)
      }
    }
  }
  if (at !== end) throw new Error('scripts/wasm-streams.mjs: the code section does not end where it should')
  const parts = [wasm.subarray(0, count.end), ...streams.map((stream) => Uint8Array.from(stream)), wasm.subarray(end)]
  return {
    parts,
    functions: count.value,
    operands: [0, 1].map((nth) => Array.from({ length: 256 }, (_, opcode) => letterOf(kindOf.get(opcode)?.[nth])).join('')),
  }
}

/** Streams are letters for `unpack`. */
function letterOf(operand) {
  if (operand === undefined) return '@'
  return operand === TABLE || operand === BYTE ? '?' : String.fromCharCode(65 + Number.parseInt(operand, 16))
}

/** Where the contents of the code section are. */
function findCode(wasm) {
  let at = 8
  while (at < wasm.length) {
    const id = wasm[at]
    const size = readLeb(wasm, at + 1)
    const end = size.end + size.value
    if (id === CODE_SECTION) return { start: size.end, end }
    at = end
  }
  throw new Error('scripts/wasm-streams.mjs: no code section')
}

function readLeb(bytes, at) {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return { value, end: at }
  }
}

function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}
