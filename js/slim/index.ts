/**
 * `sluice/slim`: all of `sluice`, without the engine's wasm in it. You hand that over, before anything is asked: for pages that load it by itself,
 * beside the code and at the same time, and for runtimes that will have it imported.
 */

export * from '../index.js'
export { NotInitializedError } from './errors.js'
export { initialize, initializeSync, type WasmModule, type WasmResponse } from './given.js'
