/**
 * `#wasm` of index.js and index.cjs: the wasm travels in the bundle, as text. Nothing has to be found or fetched at run time, so it
 * works after any bundler, and in browsers, Node, Bun and Deno alike. Decoded and compiled on first use: importing costs nothing.
 */

import text from '../../pkg/engine_bg.wasm'
import { unpack } from './unpack.js'

let compiled: WebAssembly.Module | undefined

export function compile(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(unpack(text))
  return compiled
}
