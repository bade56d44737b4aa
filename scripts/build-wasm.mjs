/**
 * `npm run build:wasm`: makes pkg/ anew from the Rust sources. Needs Rust; what it makes is committed, so that nobody else does.
 *
 * The arguments are those of `cargo xtask pkg`: `npm run build:wasm -- --features test-hooks --out target/pkg-test-hooks`.
 */

import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { writeLicenses } from './licenses.mjs'
import { ensureInstalled } from './setup.mjs'
import { root, run, runNode, steps } from './steps.mjs'

const args = process.argv.slice(2)
const { out } = parseArgs({ args, options: { features: { type: 'string' }, out: { type: 'string', default: 'pkg' } } }).values
/**
 * Little is inlined, the functions called most have the shortest numbers, and offsets are part of loads: less once it is compressed.
 * The last takes it for granted that nothing is below 1024: there is only the end of the stack, and who gets there traps as it should.
 */
const FOR_GZIP = ['--converge', '--low-memory-unused', '--flexible-inline-max-function-size', '4', '--reorder-functions']
/** wasm-bindgen does this for the engine's. */
const STRIPPED = ['--strip-debug', '--strip-producers', '--strip-target-features']
const bytes = (wasm) => `${statSync(path.join(root, wasm)).size.toLocaleString('en')} bytes`

await steps([['build wasm', buildWasm]])

async function buildWasm() {
  // binaryen has a lock of its own: it is 104 MB that only this needs.
  await ensureInstalled('xtask')
  await run('cargo', ['xtask', 'pkg', ...args])
  await optimize(path.join(out, 'engine_bg.wasm'), FOR_GZIP)
  // Only beside the engine that is shipped.
  for (const file of ['bytes_bg.wasm', 'sha256_bg.wasm'].map((name) => path.join(out, name))) {
    if (existsSync(path.join(root, file))) await optimize(file, STRIPPED)
  }
  if (out === 'pkg') writeLicenses()
}

async function optimize(wasm, flags) {
  const compiled = bytes(wasm)
  // On fresh output always: a second pass would give other bytes.
  await runNode('xtask/node_modules/binaryen/bin/wasm-opt', '-O3', ...flags, wasm, '-o', wasm)
  console.log(`${wasm}: ${compiled} as compiled, ${bytes(wasm)} after wasm-opt`)
}
