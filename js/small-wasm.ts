/** Small modules of bytes/, compiled when they are first used. */

import { WasmUnavailableError } from './errors.js'

/**
 * What gives the instance of a module that `use` makes of its exports, the same each time. Throws `WasmUnavailableError` where there can be none, at
 * each use.
 */
export function lazily<Exports, Instance>(compile: () => WebAssembly.Module, use: (wasm: Exports) => Instance): () => Instance {
  let made: Instance | undefined
  return () => {
    try {
      made ??= use(new WebAssembly.Instance(compile()).exports as Exports)
      return made
    } catch (error) {
      throw new WasmUnavailableError(error)
    }
  }
}
