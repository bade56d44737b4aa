/**
 * `npm run build`: makes dist/ from js/ and the committed pkg/, without Rust.
 *
 * Each entry is one self-contained file, so that no bundler or runtime has to find a second one:
 *
 *   index.js, index.cjs   the wasm inlined as text, compiled on first use
 *   workerd.js            Workers may not compile bytes: imports ./engine.wasm as a module
 *
 * `--if-stale` builds only if a source is newer than dist/.
 */

import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { dist, isStale } from './setup.mjs'
import { root, steps } from './steps.mjs'

/** The most that index.js may come to, gzipped. */
const ENTRY_GZIP_BYTES_MAX = 60 * 1024

if (!process.argv.includes('--if-stale') || isStale()) await steps([['build', build]])

async function build() {
  const { bundle } = await import('./bundle.mjs')
  const { declare } = await import('./declare.mjs')
  rmSync(dist, { recursive: true, force: true })
  mkdirSync(dist)
  await Promise.all([
    bundle({ entry: 'js/index.ts', outfile: 'dist/index.js', wasm: 'inline-wasm' }),
    bundle({ entry: 'js/index.ts', outfile: 'dist/index.cjs', wasm: 'inline-wasm', format: 'cjs' }),
    bundle({ entry: 'js/index.ts', outfile: 'dist/workerd.js', wasm: 'workerd' }),
  ])
  copyFileSync(path.join(root, 'pkg/engine_bg.wasm'), path.join(dist, 'engine.wasm'))
  assertNames(await import(pathToFileURL(path.join(dist, 'index.js')).href))
  assertNames(createRequire(import.meta.url)(path.join(dist, 'index.cjs')))
  reportSizes()
  // Last, because its last file stands for a build that went well.
  await declare(dist)
}

/** Bundlers rename; what people read in consoles and logs must be what they imported. */
function assertNames(exported) {
  for (const [name, value] of Object.entries(exported)) {
    if (typeof value === 'function' && value.name !== name) throw new Error(`${name} is called ${value.name} in dist/`)
  }
}

function reportSizes() {
  for (const file of ['index.js', 'index.cjs', 'workerd.js', 'engine.wasm']) {
    const bytes = readFileSync(path.join(dist, file))
    const gzip = gzipSync(bytes, { level: 9 })
    const [raw, gz, br] = [bytes, gzip, brotliCompressSync(bytes)].map(({ length }) => length.toLocaleString('en').padStart(8))
    console.log(`dist/${file.padEnd(12)}${raw} bytes ${gz} gzip ${br} brotli`)
    if (file === 'index.js' && gzip.length > ENTRY_GZIP_BYTES_MAX) {
      throw new Error(`dist/index.js may have ${ENTRY_GZIP_BYTES_MAX.toLocaleString('en')} bytes gzipped`)
    }
  }
}
