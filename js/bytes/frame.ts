/** Frames around bytes, sealed and verified in the wasm of bytes/. */

import { compile } from '#bytes-wasm'
import { lazily } from '../small-wasm.js'

/** What a frame is worth. `Verdict` in bytes/src/frame.rs. */
export const Verdict = { whole: 0, corrupt: 1, otherVersion: 2 } as const

interface Exports {
  readonly memory: WebAssembly.Memory
  buffer(): number
  head(): number
  frame_update(): void
  frame_seal(length: number): void
  frame_verify(length: number, total: number): number
}

/** `BUFFER_BYTES` in bytes/src/exports.rs. */
const BUFFER_BYTES = 64 * 1024
/** `HEAD` and `SUMMED_FROM` in bytes/src/frame.rs. */
export const HEAD = 48
const SUMMED_FROM = 16

// The memory does not grow, so that views stay good.
const instance = /* @__PURE__ */ lazily(compile, (wasm: Exports) => {
  const { buffer } = wasm.memory
  return {
    wasm,
    buffer: new Uint8Array(buffer, wasm.buffer(), BUFFER_BYTES),
    head: new Uint8Array(buffer, wasm.head(), HEAD),
  }
})

/** Writes what a frame begins with, by what is in the rest of it. */
export function sealFrame(frame: Uint8Array): void {
  const { wasm, head } = instance()
  wasm.frame_seal(load(frame))
  frame.set(head)
}

export function verifyFrame(frame: Uint8Array): number {
  return frame.length < HEAD ? Verdict.corrupt : instance().wasm.frame_verify(load(frame), frame.length)
}

/** Hands the head and the rest of a frame over; answers how much of that is still in the buffer. */
function load(frame: Uint8Array): number {
  const { wasm, buffer, head } = instance()
  head.set(frame.subarray(0, HEAD))
  let at = SUMMED_FROM
  for (; frame.length - at > BUFFER_BYTES; at += BUFFER_BYTES) {
    buffer.set(frame.subarray(at, at + BUFFER_BYTES))
    wasm.frame_update()
  }
  buffer.set(frame.subarray(at))
  return frame.length - at
}
