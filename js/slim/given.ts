/** `#wasm` of slim.js: the wasm is handed over by whoever uses it. */

import { isObject, misuse } from '../options/checks.js'
import { NotInitializedError } from './errors.js'

/** A compiled module, by whichever declarations of WebAssembly there are. */
export type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } }
  ? Module & object
  : object

/** What of a `Response` is needed. */
export interface WasmResponse {
  readonly ok: boolean
  readonly status: number
  arrayBuffer(): Promise<ArrayBuffer>
}

type Bytes = ArrayBuffer | ArrayBufferView<ArrayBuffer>

/** The section of dist/engine.wasm that tells which engine it is, and what it says; see scripts/stamp.mjs and scripts/bundle.mjs. */
const SECTION = 'sluice'
declare const ENGINE_STAMP: string

let given: WebAssembly.Module | undefined
/** Why what was given cannot be compiled here. */
let refusal: unknown

/** @internal */
export function compile(): WebAssembly.Module {
  if (given === undefined) throw refusal ?? new NotInitializedError()
  return given
}

/**
 * Hands over the engine's wasm, `sluice/engine.wasm` of this very version: compiled, as bytes, as what `fetch` answers, or as a promise of one of
 * these. When it resolves, everything can be used. What is given first counts; to give it again changes nothing.
 *
 * Where the platform has no WebAssembly, or forbids to compile it, this resolves, and sluice works without an engine, as it does everywhere: keys
 * are fetched, and nothing is kept.
 *
 * @throws {InvalidTypeError} `ERR_INVALID_WASM`: it is nothing of these.
 * @throws {InvalidRangeError} `ERR_INVALID_WASM`: the response is a failure, or the bytes are something else, or of another version.
 * @example
 * import { getCachedDataBatch, initialize } from 'sluice/slim'
 * import wasm from 'sluice/engine.wasm?url' // as Vite has it
 * await initialize(fetch(wasm))
 */
export async function initialize(
  source:
    | WasmModule
    | ArrayBuffer
    | ArrayBufferView
    | WasmResponse
    | PromiseLike<WasmModule | ArrayBuffer | ArrayBufferView | WasmResponse>,
): Promise<void> {
  const settled: unknown = await source
  const input = isResponse(settled) ? await read(settled) : settled
  verify(input, 'a WebAssembly.Module, its bytes, a Response, or a promise of one of these')
  if (isModule(input)) return take(input)
  const bytes = bytesOf(input)
  let module: WebAssembly.Module
  try {
    module = await WebAssembly.compile(bytes)
  } catch (error) {
    return refuse(bytes, error)
  }
  take(module)
}

/**
 * The same without waiting, for what is there already: in Workers, which hand an imported wasm over compiled, or with bytes that were read. Browsers
 * may refuse to compile much at once outside of workers; this is little.
 *
 * @throws {InvalidTypeError} `ERR_INVALID_WASM`: it is neither.
 * @throws {InvalidRangeError} `ERR_INVALID_WASM`: it is something else than the engine, or of another version.
 * @example
 * import { readFileSync } from 'node:fs'
 * import { initializeSync } from 'sluice/slim'
 * initializeSync(readFileSync(new URL(import.meta.resolve('sluice/engine.wasm'))))
 */
export function initializeSync(source: WasmModule | ArrayBuffer | ArrayBufferView): void {
  const input: unknown = source
  verify(input, 'a WebAssembly.Module, or its bytes')
  if (isModule(input)) return take(input)
  const bytes = bytesOf(input)
  let module: WebAssembly.Module
  try {
    module = new WebAssembly.Module(bytes)
  } catch (error) {
    return refuse(bytes, error)
  }
  take(module)
}

/** Makes it the engine's, if it is of this version. */
function take(module: WebAssembly.Module): void {
  const [section] = WebAssembly.Module.customSections(module, SECTION)
  const found = section === undefined ? 'another wasm' : textOf(new Uint8Array(section))
  if (found !== ENGINE_STAMP) throw unfit(`sluice/engine.wasm of this very version, stamped ${ENGINE_STAMP}`, found)
  given ??= module
}

/** It was not compiled: because it is no wasm, which is an error, or because that is not possible here, which an engine's absence will tell. */
function refuse(bytes: Uint8Array<ArrayBuffer>, error: unknown): void {
  if (typeof WebAssembly === 'object' && !WebAssembly.validate(bytes))
    throw unfit('the bytes of sluice/engine.wasm', textOf(bytes))
  refusal = error
}

async function read(response: WasmResponse): Promise<ArrayBuffer> {
  if (!response.ok) throw unfit('a response with a status of 200 to 299', response.status)
  return response.arrayBuffer()
}

function unfit(expected: string, received: unknown): Error {
  return misuse('source', { expected, outOfRange: true }, received, 'ERR_INVALID_WASM')
}

/** The beginning, as text: a server's page of apologies is known by it. */
function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 50))
}

/** Of any view: Node 20 compiles no `DataView`. */
function bytesOf(bytes: Bytes): Uint8Array<ArrayBuffer> {
  return ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes)
}

function verify(input: unknown, expected: string): asserts input is WebAssembly.Module | Bytes {
  if (isModule(input) || tagOf(input) === 'ArrayBuffer' || ArrayBuffer.isView(input)) return
  throw misuse('source', { expected, outOfRange: false }, input, 'ERR_INVALID_WASM')
}

/** Of whichever realm. */
function isModule(input: unknown): input is WebAssembly.Module {
  return tagOf(input) === 'WebAssembly.Module'
}

function isResponse(input: unknown): input is WasmResponse {
  return isObject(input) && typeof input.arrayBuffer === 'function' && typeof input.ok === 'boolean'
}

function tagOf(input: unknown): string {
  return Object.prototype.toString.call(input).slice('[object '.length, -1)
}
