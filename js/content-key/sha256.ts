/** SHA-256 in pieces, in the wasm of bytes/. */

import { compile } from '#sha256-wasm'
import { lazily } from '../small-wasm.js'

interface Exports {
  readonly memory: WebAssembly.Memory
  buffer(): number
  sha256(): number
  sha256_update(): void
  sha256_finish(length: number): void
}

/** `BUFFER_BYTES` in bytes/src/exports.rs. */
const BUFFER_BYTES = 64 * 1024
/** The size of `Sha256` in bytes/src/sha256.rs. */
const STATE_BYTES = 40

// The memory does not grow, so that views stay good.
const instance = /* @__PURE__ */ lazily(compile, (wasm: Exports) => {
  const { buffer } = wasm.memory
  const state = new Uint8Array(buffer, wasm.sha256(), STATE_BYTES)
  // `fresh` is the state of a digest of nothing.
  return { wasm, buffer: new Uint8Array(buffer, wasm.buffer(), BUFFER_BYTES), state, fresh: state.slice() }
})

/** SHA-256 of bytes that come in pieces. Any number of these can be under way. */
export class Sha256 {
  #state = instance().fresh
  /** What came and was not handed over yet. */
  #pending = new Uint8Array(256)
  #length = 0

  update(bytes: Uint8Array): this {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + BUFFER_BYTES - this.#length)
      const length = this.#length + piece.length
      if (length > this.#pending.length) {
        const grown = new Uint8Array(Math.min(BUFFER_BYTES, 2 * length))
        grown.set(this.#pending)
        this.#pending = grown
      }
      this.#pending.set(piece, this.#length)
      this.#length = length
      at += piece.length
      if (length === BUFFER_BYTES) this.#take()
    }
    return this
  }

  /** The digest of all that came; nothing may come after. */
  finish(): Uint8Array<ArrayBuffer> {
    const { wasm, buffer, state } = instance()
    state.set(this.#state)
    buffer.set(this.#pending.subarray(0, this.#length))
    wasm.sha256_finish(this.#length)
    return new Uint8Array(buffer.subarray(0, 32))
  }

  #take(): void {
    const { wasm, buffer, state } = instance()
    state.set(this.#state)
    buffer.set(this.#pending)
    wasm.sha256_update()
    this.#state = state.slice()
    this.#length = 0
  }
}
