/** Makes one self-contained JavaScript file of a TypeScript file and all that it imports, the wasm and its glue included. */

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build, transform } from 'esbuild'
import { root } from './steps.mjs'
import { encode } from './wasm-text.mjs'

/**
 * `wasm` is the condition by which `#wasm` finds its loader (`imports` in package.json). `pkg` is a folder that `cargo xtask pkg`
 * made: tests bundle an entry of their own against one with `test-hooks`.
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
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    external: ['./engine.wasm'],
    plugins: [fromPkg(pkg), withoutProse],
    logLevel: 'warning',
    write: false,
  })
  for (const file of outputFiles) writeFileSync(file.path, await withShortLocals(withClassNames(file.text)))
}

const fromPkg = (pkg) => ({
  name: 'from-pkg',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\/pkg\/[^/]+$/ }, ({ path: imported }) => ({ path: path.join(root, pkg, path.basename(imported)) }))
    onLoad({ filter: /\.wasm$/ }, ({ path: file }) => ({ contents: JSON.stringify(encode(readFileSync(file))), loader: 'json' }))
  },
})

/** What the options' declarations say for the README's tables stays out of the bundle. */
const withoutProse = {
  name: 'without-prose',
  setup({ onLoad }) {
    onLoad({ filter: /\/declarations\.ts$/ }, ({ path: file }) => {
      const contents = readFileSync(file, 'utf8').replaceAll(/^\s+(?:type|prose|defaultProse):\s+.+,$/gm, '')
      return { contents, loader: 'ts' }
    })
  },
}

/**
 * Shortens local and private names. Functions and classes keep theirs, for stack traces that can be read: without imports and exports,
 * esbuild takes the file for a script, whose outermost names others may know.
 */
async function withShortLocals(text) {
  if (/^import\b/m.test(text)) return text
  const [exported = ''] = /export\{[^}]*\};?\s*$/.exec(text) ?? []
  const script = text.slice(0, text.length - exported.length)
  const { code } = await transform(script, { minify: true, target: ['es2022', 'node20'], legalComments: 'none' })
  return code + exported
}

/**
 * esbuild calls a class whose body names it `_Name`, for all who look at it; within the body `Name` is as good. The text of the
 * wasm has no `_`.
 */
function withClassNames(text) {
  const names = [...text.matchAll(/\b(\w+)=class _\1\b/g)].map(([, name]) => name)
  const renamed = names.reduce((before, name) => before.replaceAll(new RegExp(`\\b_${name}\\b`, 'g'), name), text)
  // Without a name of its own, which would be a local one, a class has that of its variable.
  return renamed.replaceAll(/\b(\w+)=class \1\b/g, '$1=class')
}
