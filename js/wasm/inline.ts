/**
 * `#wasm` of index.js and index.cjs: the wasm travels in the bundle, as text. Nothing has to be found or fetched at run time, so it
 * works after any bundler, and in browsers, Node, Bun and Deno alike. Decoded and compiled on first use: importing costs nothing.
 */

import encoded, { type WasmText } from '../../pkg/engine_bg.wasm'
import { weave } from './weave.js'

let compiled: WebAssembly.Module | undefined

export function compile(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(weave(decode(encoded), encoded.streams))
  return compiled
}

/** The inverse of `encode` in scripts/wasm-text.mjs. */
function decode({ alphabet, pairs, commonest, length, text }: WasmText): Uint8Array<ArrayBuffer> {
  const places = new Uint8Array(128)
  for (let i = 0; i < alphabet.length; i++) places[alphabet.charCodeAt(i)] = i
  const isCommon = (value: number) => ((Number.parseInt(commonest.charAt(value >> 2), 16) >> (value & 3)) & 1) === 1
  const all = Array.from({ length: 256 }, (_, value) => value)
  const values = [...all.filter(isCommon), ...all.filter((value) => !isCommon(value))]
  const singles = alphabet.length - pairs
  const bytes = new Uint8Array(length)
  let read = 0
  for (let i = 0; i < length; i++) {
    let code = places[text.charCodeAt(read++)] as number
    if (code >= singles) code = singles + (code - singles) * alphabet.length + (places[text.charCodeAt(read++)] as number)
    bytes[i] = values[code] as number
  }
  return bytes
}
