/** `#bytes-wasm` of bytes.workerd.js: Workers refuse to compile bytes, and hand over an imported wasm file compiled. */

// Beside the bundle, in dist/.
import compiled from './bytes.wasm'

export function compile(): WebAssembly.Module {
  return compiled
}
