/** Faults E3 to E6 with traps of every kind, and the engine's own checks after every call of it: over a wasm with `test-hooks`, where there is Rust. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_STATS } from '../../js/engine/engine.js'
import { chaos } from './chaos.js'
import { Crossings } from './crossings.js'
import { type HookedCore, loadHooked } from './hooks.js'
import { PAGE, SEED } from './support.js'
import { testTraps } from './trap-suite.js'

const PAGES_MAX = 65_536
const hooked = await loadHooked()

if (typeof hooked === 'string') {
  test('E4 E5 E6 traps of the wasm with test-hooks', { skip: hooked }, () => {})
} else {
  const hooks = (core: unknown): HookedCore => core as HookedCore

  testTraps(hooked, {
    'a panic': (core) => hooks(core).panic(),
    'a stack overflow': (core) => void hooks(core).overflowStack(),
    'a failed allocation': (core) => {
      // What is grown by and not touched takes nothing from the machine.
      const memory = hooked.memory()
      memory.grow(PAGES_MAX - memory.buffer.byteLength / PAGE)
      hooks(core).exhaustMemory()
    },
  })

  test('E4 the counters have the same names, in the same order, on both sides', async () => {
    const crossings = new Crossings(hooked)
    let names = ''
    crossings.before = (core) => {
      names = hooks(core).statNames()
    }
    await new hooked.BatchProcessor().metrics()
    crossings.reset()
    assert.deepEqual(names.split(','), Object.keys(NO_STATS))
  })

  for (const [what, grouped] of [
    ['with invalidations', true],
    ['without', false],
  ] as const) {
    test(`B18 chaos ${what}: the engine agrees with itself after every call, and has nothing left at the end`, async (t) => {
      const crossings = new Crossings(hooked)
      let last: HookedCore | undefined
      crossings.after = (core) => {
        last = hooks(core)
        assert.equal(last.validate(), undefined)
      }
      const report = await chaos({ library: hooked, seed: SEED, loads: 3000, touches: grouped })
      t.diagnostic(`seed ${SEED}: ${JSON.stringify(report)}, ${crossings.count} calls`)
      crossings.reset()
      assert.equal(last?.validate(), undefined)
      assert.equal(last?.isQuiescent(), true)
    })
  }
}
