/** Faults E3 to E6 with traps of every kind, and the engine's own checks after every call of it: over a wasm with `test-hooks`, where there is Rust. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_STATS } from '../../js/engine/engine.js'
import { type Core, Crossings, wasmMemory } from '../support/crossings.js'
import { chaos } from './chaos.js'
import { loadHooked, textOf } from './hooks.js'
import { PAGE, SEED } from './support.js'
import { testTraps } from './trap-suite.js'

const PAGES_MAX = 65_536
const hooked = await loadHooked()

if (typeof hooked === 'string') {
  test('E4 E5 E6 traps of the wasm with test-hooks', { skip: hooked }, () => {})
} else {
  testTraps(hooked, {
    'a panic': (core) => void core.call('panic'),
    'a stack overflow': (core) => void core.call('overflowStack'),
    'a failed allocation': (core) => {
      // What is grown by and not touched takes nothing from the machine.
      const memory = wasmMemory()
      memory.grow(PAGES_MAX - memory.buffer.byteLength / PAGE)
      core.call('exhaustMemory')
    },
  })

  test('E4 the counters have the same names, in the same order, on both sides', async () => {
    const crossings = new Crossings()
    let names = ''
    crossings.before = (core) => {
      names = textOf(core, 'statNames')
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
      const crossings = new Crossings()
      let last: Core | undefined
      crossings.after = (core) => {
        last = core
        assert.equal(textOf(core, 'validate'), '')
      }
      const report = await chaos({ library: hooked, seed: SEED, loads: 3000, touches: grouped })
      t.diagnostic(`seed ${SEED}: ${JSON.stringify(report)}, ${crossings.count} calls`)
      crossings.reset()
      assert.ok(last)
      assert.equal(textOf(last, 'validate'), '')
      assert.equal(last.call('isQuiescent'), 1)
    })
  }
}
