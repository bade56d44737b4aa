/**
 * The package and its boundary, as the tests of crashes take them: from the sources over the committed pkg/, or from a bundle over a wasm with
 * `test-hooks`.
 */

import { BatchProcessor } from '../../js/index.js'
import { Core, initSync } from '../../pkg/engine.js'

/** What a wasm with `test-hooks` has besides. */
export interface Hooks {
  statNames(): string
  validate(): string | undefined
  isQuiescent(): boolean
  panic(): void
  overflowStack(): number
  exhaustMemory(): number
}

export interface Library {
  readonly BatchProcessor: typeof BatchProcessor
  readonly Core: typeof Core
  /** The memory of the instance that lives; there is one once a processor was used. */
  readonly memory: () => WebAssembly.Memory
}

export const library: Library = {
  BatchProcessor,
  Core,
  // Answers the exports it has.
  memory: () => initSync(undefined as never).memory,
}
