/** `sluice/slim`, as a strict user calls it. Nothing here is run. */

import { expectTypeOf } from 'expect-type'
import type * as main from 'sluice'
import type * as slim from 'sluice/slim'
import { type AnySluiceError, BatchProcessor, initialize, initializeSync, NotInitializedError, SluiceError } from 'sluice/slim'

// It is all of `sluice`, by the same declarations.
expectTypeOf<Pick<typeof slim, keyof typeof main>>().toEqualTypeOf<typeof main>()
expectTypeOf<BatchProcessor>().toEqualTypeOf<main.BatchProcessor>()
void new BatchProcessor()

declare const module: WebAssembly.Module
declare const bytes: Uint8Array<ArrayBuffer>
declare const response: Response
expectTypeOf(initialize(module)).toEqualTypeOf<Promise<void>>()
expectTypeOf(initializeSync(module)).toEqualTypeOf<void>()
void initialize(bytes)
void initialize(bytes.buffer)
void initialize(response)
void initialize(fetch('engine.wasm'))
void initialize(WebAssembly.compile(bytes))
void initialize(Promise.resolve(bytes))
initializeSync(bytes)
initializeSync(bytes.buffer)

// @ts-expect-error: it is what was fetched that counts
void initialize('engine.wasm')
// @ts-expect-error
void initialize()
// @ts-expect-error
void initialize(undefined)
// @ts-expect-error
initializeSync('engine.wasm')

declare const error: unknown
if (error instanceof NotInitializedError) expectTypeOf(error.code).toEqualTypeOf<'ERR_NOT_INITIALIZED'>()
if (error instanceof SluiceError && error.code === 'ERR_NOT_INITIALIZED') expectTypeOf(error.family).toEqualTypeOf<'misuse'>()
expectTypeOf<Extract<AnySluiceError, { code: 'ERR_NOT_INITIALIZED' }>>().not.toBeNever()
