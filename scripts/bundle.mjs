/** Makes one self-contained JavaScript file of a TypeScript file and all that it imports, the wasm and its glue included. */

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { root } from './steps.mjs'
import { encode } from './wasm-text.mjs'

/**
 * `wasm` is the condition by which `#wasm` finds its loader (`imports` in package.json). `pkg` is a folder that `cargo xtask pkg` made: tests
 * bundle an entry of their own against one with `test-hooks`.
 */
export async function bundle({ entry, outfile, wasm, format = 'esm', pkg = 'pkg' }) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    format,
    conditions: [wasm],
    bundle: true,
    platform: 'neutral',
    target: ['es2022', 'node20'],
    // Identifiers stay, for stack traces that can be read; applications minify again.
    minifySyntax: true,
    minifyWhitespace: true,
    charset: 'utf8',
    legalComments: 'none',
    external: ['./engine.wasm'],
    plugins: [fromPkg(pkg)],
    logLevel: 'warning',
    write: false,
  })
  for (const file of outputFiles) writeFileSync(file.path, withClassNames(file.text))
}

const fromPkg = (pkg) => ({
  name: 'from-pkg',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\/pkg\/[^/]+$/ }, ({ path: imported }) => ({ path: path.join(root, pkg, path.basename(imported)) }))
    onLoad({ filter: /\.wasm$/ }, ({ path: file }) => ({ contents: JSON.stringify(encode(readFileSync(file))), loader: 'json' }))
  },
})

/** esbuild calls a class whose body names it `_Name`, for all who look at it; within the body `Name` is as good. The wasm's text has no `_`. */
function withClassNames(text) {
  const names = [...text.matchAll(/\b(\w+)=class _\1\b/g)].map(([, name]) => name)
  return names.reduce((renamed, name) => renamed.replaceAll(new RegExp(`\\b_${name}\\b`, 'g'), name), text)
}
