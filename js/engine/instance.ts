/**
 * The one wasm instance of this copy of the package: compiled and started on first use, replaced after a trap.
 *
 * Rust on wasm32 aborts on panic, and after a stack overflow every call fails: what lived in the instance is lost. A trap therefore ends
 * the *generation*; whoever holds something of an older generation has lost it, and makes it anew. The compiled module is kept.
 */

import { seed } from '#seed'
import { compile } from '#wasm'
import type { InitOutput } from '../../pkg/engine.js'
import { SluiceError, WasmUnavailableError } from '../errors.js'
import type { EngineConfig } from './engine.js'

/** wasm-bindgen would fill a table of JavaScript values; none ever crosses, and its glue is not needed. */
const IMPORTS = { './engine_bg.js': { __wbindgen_init_externref_table: () => {} } }

let module: WebAssembly.Module | undefined
let output: InitOutput | undefined
let generation = 0
let retired = false
let cause: unknown
let ownerless: FinalizationRegistry<Ownerless> | undefined
const listeners = new Set<(cause: unknown) => void>()

/** How many instances there have been; what was made under another number is gone. */
export function currentGeneration(): number {
  return generation
}

/** The exports of an instance, and the handle by which they know an engine. */
export interface Core {
  readonly exports: InitOutput
  readonly handle: number
}

interface Ownerless {
  readonly handle: number
  readonly end: 'destroy' | 'destroyQueue'
  readonly generation: number
}

/** A new engine in the living instance, which is started if there is none; it ends when nobody has `owner` any longer, or at `endCore`. */
export function createCore(config: EngineConfig, owner: object): Core {
  const exports = start()
  // In the order of `create` in src/bindings/mod.rs.
  const list = [
    config.maxEntries,
    config.maxWeight,
    config.ttl,
    config.negativeTtl ?? -1,
    config.errorTtl,
    config.ttlJitter,
    config.slidingTtl ? 1 : 0,
    config.earlyRefresh,
    config.retryBudget.ratio,
    config.retryBudget.burst,
    config.maxConcurrency,
    config.maxQueue,
    config.adaptiveConcurrency.min,
    config.adaptiveConcurrency.max,
    config.adaptiveConcurrency.initial,
    config.adaptiveBatchSize ? config.batchDefaults.maxBatchSize : 0,
    config.policy === 'adaptive' ? 1 : 0,
    ...seed(),
    ...config.rateLimit.flatMap(({ requests, perMs, burst, onLimit }) => [requests, perMs, burst, onLimit === 'reject' ? 1 : 0]),
  ]
  // Rust frees the list.
  const at = exports.__wbindgen_malloc(list.length * Float64Array.BYTES_PER_ELEMENT, Float64Array.BYTES_PER_ELEMENT) >>> 0
  new Float64Array(exports.memory.buffer, at, list.length).set(list)
  const handle = exports.create(at, list.length)
  return owned({ exports, handle }, 'destroy', owner)
}

/** The same for the engine's side of a queue. */
export function createQueue(owner: object): Core {
  const exports = start()
  return owned({ exports, handle: exports.createQueue() }, 'destroyQueue', owner)
}

/** Ends an engine of the living instance. */
export function endCore({ exports, handle }: Core, owner: object): void {
  ownerless?.unregister(owner)
  exports.destroy(handle)
}

/** Calls `listener` when the instance is lost. Answers how to stop that. */
export function onRetire(listener: (cause: unknown) => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** What ended the generation before this one. */
export function lastCause(): unknown {
  return cause
}

/** The instance has trapped: nothing of it may be called, not even to free it. */
export function retireInstance(why: unknown): void {
  retired = true
  generation++
  cause = why
  for (const listener of [...listeners]) listener(why)
}

function owned(core: Core, end: Ownerless['end'], owner: object): Core {
  // Not every runtime has one; there, what is not closed keeps its memory.
  if (typeof FinalizationRegistry === 'function') ownerless ??= new FinalizationRegistry(destroy)
  ownerless?.register(owner, { handle: core.handle, end, generation }, owner)
  return core
}

/** What a lost instance had is lost with it. */
function destroy(of: Ownerless): void {
  if (of.generation === generation) output?.[of.end](of.handle)
}

function start(): InitOutput {
  try {
    if (output === undefined || retired) {
      module ??= compile()
      output = new WebAssembly.Instance(module, IMPORTS).exports as unknown as InitOutput
    }
    retired = false
    return output
  } catch (error) {
    throw error instanceof SluiceError ? error : new WasmUnavailableError(error)
  }
}
