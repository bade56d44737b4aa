/**
 * `npm run build`: makes dist/ from js/ and the committed pkg/, without Rust.
 *
 * Each entry is one self-contained file, so that no bundler or runtime has to find a second one:
 *
 *   index.js, index.cjs   the wasm inlined as text, compiled on first use
 *   index.node.js         the same as base64, which starts faster; for whoever need not download it
 *   workerd.js            Workers may not compile bytes: imports ./engine.wasm as a module
 *   slim.js, slim.cjs     without the wasm, which is handed over
 *   bytes.js, bytes.cjs   and so on, bytes.workerd.js: each subpath of `exports` in package.json, from js/<name>/index.ts. They import each other as files
 *                         beside them, and have nothing of index.js in them
 *
 * `--if-stale` builds only if a source is newer than dist/.
 */

import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { dist, isStale } from './setup.mjs'
import { stamped } from './stamp.mjs'
import { root, steps } from './steps.mjs'

/** The most that a file may come to, in bytes: gzipped and by brotli. */
const BUDGETS = {
  'index.js': [60 * 1024, 53 * 1024],
  // The same, and what CommonJS takes to export it.
  'index.cjs': [61 * 1024, 54 * 1024],
  // Not downloaded by those who wait for it.
  'index.node.js': [80 * 1024, 70 * 1024],
  // The wasm is a file beside it.
  'workerd.js': [32 * 1024, 28 * 1024],
  'engine.wasm': [33 * 1024, 29 * 1024],
  // It is handed over.
  'slim.js': [32 * 1024, 28 * 1024],
  'slim.cjs': [32.5 * 1024, 28.5 * 1024],
}
/** And each subpath, its wasm included; CommonJS takes some helpers more. */
const SUBPATH_BUDGETS = { '.js': [6 * 1024, 5.5 * 1024], '.cjs': [6.5 * 1024, 6 * 1024] }

/** The main entry without the wasm. */
const SLIM = 'slim'
/** The names of the subpaths that have code of their own, and of these none of the main entry's. */
const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const entries = Object.keys(exports)
  .filter((name) => /^\.\/[\w-]+$/.test(name))
  .map((name) => name.slice(2))
const subpaths = entries.filter((name) => name !== SLIM)

if (!process.argv.includes('--if-stale') || isStale()) await steps([['build', build]])

async function build() {
  const { bundle, INTERNAL } = await import('./bundle.mjs')
  const { declare } = await import('./declare.mjs')
  rmSync(dist, { recursive: true, force: true })
  mkdirSync(dist)
  await Promise.all([
    bundle({ entry: 'js/index.ts', outfile: 'dist/index.js', wasm: 'inline-wasm' }),
    bundle({ entry: 'js/index.ts', outfile: 'dist/index.cjs', wasm: 'inline-wasm', format: 'cjs' }),
    bundle({ entry: 'js/index.ts', outfile: 'dist/index.node.js', wasm: 'base64-wasm' }),
    bundle({ entry: 'js/index.ts', outfile: 'dist/workerd.js', wasm: 'workerd' }),
    bundle({ entry: `js/${SLIM}/index.ts`, outfile: `dist/${SLIM}.js`, wasm: 'given-wasm' }),
    bundle({ entry: `js/${SLIM}/index.ts`, outfile: `dist/${SLIM}.cjs`, wasm: 'given-wasm', format: 'cjs' }),
    ...subpaths.flatMap((name) => {
      const terms = { entry: `js/${name}/index.ts`, subpaths }
      return [
        bundle({ ...terms, outfile: `dist/${name}.js`, wasm: 'inline-wasm' }),
        bundle({ ...terms, outfile: `dist/${name}.cjs`, wasm: 'inline-wasm', format: 'cjs' }),
        exports[`./${name}`].workerd && bundle({ ...terms, outfile: `dist/${name}.workerd.js`, wasm: 'workerd' }),
      ]
    }),
  ])
  writeFileSync(path.join(dist, 'engine.wasm'), stamped(readFileSync(path.join(root, 'pkg/engine_bg.wasm'))))
  for (const name of ['bytes', 'sha256']) {
    copyFileSync(path.join(root, `pkg/${name}_bg.wasm`), path.join(dist, `${name}.wasm`))
  }
  assertNames(await import(pathToFileURL(path.join(dist, 'index.node.js')).href))
  for (const name of ['index', ...entries]) {
    assertNames(await import(pathToFileURL(path.join(dist, `${name}.js`)).href))
    assertNames(createRequire(import.meta.url)(path.join(dist, `${name}.cjs`)))
  }
  reportSizes()
  // Last, because its last file stands for a build that went well.
  await declare(dist, ['index.d.ts', ...entries.map((name) => `${name}/index.d.ts`)], INTERNAL)
}

/** Bundlers rename; what people read in consoles and logs must be what they imported. */
function assertNames(exported) {
  for (const [name, value] of Object.entries(exported)) {
    if (typeof value === 'function' && value.name !== name) throw new Error(`${name} is called ${value.name} in dist/`)
  }
}

function reportSizes() {
  const over = []
  for (const file of [...Object.keys(BUDGETS), ...subpaths.flatMap((name) => [`${name}.js`, `${name}.cjs`])]) {
    const bytes = readFileSync(path.join(dist, file))
    const sizes = [gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length]
    const most = BUDGETS[file] ?? SUBPATH_BUDGETS[path.extname(file)]
    const [raw, gz, br] = [bytes.length, ...sizes].map((size) => size.toLocaleString('en').padStart(8))
    console.log(`dist/${file.padEnd(16)}${raw} bytes ${gz} gzip ${br} brotli`)
    if (sizes.some((size, index) => size > most[index]))
      over.push(`dist/${file} may have ${most.join(' bytes gzipped and ')} by brotli`)
  }
  if (over.length > 0) throw new Error(over.join('\n'))
}
