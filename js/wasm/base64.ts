/**
 * `#wasm` of index.node.js: the wasm travels in the bundle, as base64. Nobody waits for this file to be downloaded, but for the first answer: the
 * shorter text of inline.ts takes ten times as long to be read as all of this. Compiled on first use, as there.
 */

import base64 from '../../pkg/engine_bg.wasm?base64'
import { decodeBase64 } from './decode-base64.js'

let compiled: WebAssembly.Module | undefined

export function compile(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(decodeBase64(base64))
  return compiled
}
