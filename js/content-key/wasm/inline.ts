/** `#sha256-wasm` of content-key.js and content-key.cjs: the wasm travels in the bundle. As text that gzip makes as small as the bytes, which base64 is not. */

import hex from '../../../pkg/sha256_bg.wasm'

export function compile(): WebAssembly.Module {
  const bytes = Uint8Array.from({ length: hex.length / 2 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16))
  return new WebAssembly.Module(bytes)
}
