/** The package, as the tests of crashes take it: from the sources over the committed pkg/, or from a bundle over a wasm with `test-hooks`. */

import { BatchProcessor } from '../../js/index.js'

export interface Library {
  readonly BatchProcessor: typeof BatchProcessor
}

export const library: Library = { BatchProcessor }
