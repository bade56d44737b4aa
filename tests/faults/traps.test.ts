/** Faults E3 to E7, over the committed pkg/: without Rust. `traps-hooks.test.ts` has more kinds of traps. */

import '../support/strict.js'
import { library } from './library.js'
import { testTraps } from './trap-suite.js'

testTraps(library, {
  // Rust checks the bounds of a slice.
  'a panic': (core) => void core.call('lookup', 2 ** 31, 0, 0),
  'a trap': () => {
    throw new WebAssembly.RuntimeError('unreachable')
  },
})
