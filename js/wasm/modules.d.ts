/** What importing wasm means here. */

/** Inlined: scripts/bundle.mjs replaces the file by what `encodeWasm` in scripts/wasm-text.mjs makes of it. */
declare module '*/pkg/engine_bg.wasm' {
  export interface WasmText {
    /** The head, the streams, and the tail, one after the other. */
    readonly text: string
    /** How many characters of it each of them has. */
    readonly parts: readonly number[]
    /** The characters there are, by rank. */
    readonly alphabet: string
    /** How many of the last of them begin a pair. */
    readonly pairs: number
    /** Which byte values have a character of their own: a 1 for those that have. */
    readonly commonest: string
    /** How many bytes there are. */
    readonly length: number
    /** How many of them are the head's. */
    readonly head: number
    readonly functions: number
    /** The stream of the first operand of each opcode, and of the second: a letter, `@` where there is none, `?` for what is no LEB128. */
    readonly operands: readonly string[]
  }
  const encoded: WasmText
  export default encoded
}

/** Inlined, too, as it is. */
declare module '*/pkg/engine_bg.wasm?base64' {
  const base64: string
  export default base64
}

/** Of sluice/bytes and sluice/content-key: in hexadecimal. */
declare module '*/pkg/bytes_bg.wasm' {
  const hex: string
  export default hex
}

declare module '*/pkg/sha256_bg.wasm' {
  const hex: string
  export default hex
}

/** In a Worker: the runtime hands it over compiled. */
declare module '*/engine.wasm' {
  const compiled: WebAssembly.Module
  export default compiled
}

declare module '*/bytes.wasm' {
  const compiled: WebAssembly.Module
  export default compiled
}

declare module '*/sha256.wasm' {
  const compiled: WebAssembly.Module
  export default compiled
}
