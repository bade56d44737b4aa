/** `#wasm` of workerd.js: Workers refuse to compile bytes, and hand over an imported wasm file compiled. */

// Beside the bundle, in dist/.
import compiled from './engine.wasm'

export function compile(): WebAssembly.Module {
  return compiled
}
