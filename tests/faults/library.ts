/**
 * The package and its boundary, as the tests of crashes take them: from the sources over the committed pkg/, or from a bundle over a wasm with
 * `test-hooks`.
 */

import { BatchProcessor } from '../../js/index.js'
import * as pkg from '../../pkg/engine.js'

/** What a wasm with `test-hooks` has besides. */
export interface Hooks {
  statNames(handle: number): string
  validate(handle: number): string | undefined
  isQuiescent(handle: number): boolean
  panic(handle: number): void
  overflowStack(handle: number): number
  exhaustMemory(handle: number): number
}

export interface Library {
  readonly BatchProcessor: typeof BatchProcessor
  readonly pkg: typeof pkg
  /** The memory of the instance that lives; there is one once a processor was used. */
  readonly memory: () => WebAssembly.Memory
}

export const library: Library = {
  BatchProcessor,
  pkg,
  // Answers the exports it has.
  memory: () => pkg.initSync(undefined as never).memory,
}
