/**
 * `#wasm` of the sources run as they are, by tsx in Node: tests, demo and benchmarks need no bundle. Not shipped.
 *
 * Which of the loaders `#wasm` is, `imports` in package.json says, by condition: scripts/build.mjs sets `inline-wasm`, `base64-wasm` or
 * `workerd`, and whoever sets none gets this one.
 */

import { readFileSync } from 'node:fs'

let compiled: WebAssembly.Module | undefined

export function compile(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('../../pkg/engine_bg.wasm', import.meta.url)))
  return compiled
}
