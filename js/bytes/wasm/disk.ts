/** `#bytes-wasm` of the sources run as they are. Not shipped. */

import { readFileSync } from 'node:fs'

export function compile(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL('../../../pkg/bytes_bg.wasm', import.meta.url)))
}
