/** `#sha256-wasm` of content-key.workerd.js: Workers refuse to compile bytes, and hand over an imported wasm file compiled. */

// Beside the bundle, in dist/.
import compiled from './sha256.wasm'

export function compile(): WebAssembly.Module {
  return compiled
}
