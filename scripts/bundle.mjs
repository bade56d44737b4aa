/** Makes one self-contained JavaScript file of a TypeScript file and all that it imports, the wasm and its glue included. */

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { minify } from 'terser'
import { stampOf } from './stamp.mjs'
import { root } from './steps.mjs'
import { encodeWasm } from './wasm-text.mjs'

/** What a user may bring along is not bundled. */
const { peerDependencies = {} } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

/** What a subpath may not have in it: the engine, and with it the main entry. */
const OF_MAIN = /^(?:js\/engine\/(?!keys\.)|js\/(?:index|processor|pipeline)\.|pkg\/engine)/

/**
 * `wasm` is the condition by which `#wasm` finds its loader (`imports` in package.json). `pkg` is a folder that `cargo xtask pkg`
 * made: tests bundle an entry of their own against one with `test-hooks`.
 *
 * `subpaths` are the names of the entries beside the main one. None has another one, or the main one, in it: it imports the file beside it.
 */
export async function bundle({ entry, outfile, wasm, format = 'esm', pkg = 'pkg', subpaths = [] }) {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    format,
    conditions: [wasm],
    bundle: true,
    platform: 'neutral',
    target: ['es2022', 'node20'],
    legalComments: 'none',
    define: { ENGINE_STAMP: JSON.stringify(stampOf(readFileSync(path.join(root, pkg, 'engine_bg.wasm')))) },
    external: ['./*.wasm', 'node:*', 'bun:*', ...Object.keys(peerDependencies)],
    plugins: [fromPkg(pkg), withoutProse, besides(subpaths, entry, format)],
    logLevel: 'warning',
    write: false,
    metafile: true,
  })
  const foreign = Object.keys(metafile.inputs).filter((file) => entry !== 'js/index.ts' && OF_MAIN.test(file))
  if (subpaths.length > 0 && foreign.length > 0) throw new Error(`${entry} must not have ${foreign.join(', ')} in it`)
  for (const file of outputFiles)
    writeFileSync(
      file.path,
      await minified(withTextLast(withClassNames(file.text)), /^js\/(?:slim\/)?index\.ts$/.test(entry) ? INTERNAL : []),
    )
}

const fromPkg = (pkg) => ({
  name: 'from-pkg',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\/pkg\/[^/]+$/ }, ({ path: imported }) => {
      const [name, suffix] = path.basename(imported).split(/(?=\?)/)
      return { path: path.join(root, pkg, name), suffix }
    })
    onLoad({ filter: /\.wasm$/ }, ({ path: file, suffix }) => {
      const wasm = readFileSync(file)
      if (suffix === '?base64') return { contents: JSON.stringify(wasm.toString('base64')), loader: 'json' }
      // What takes a text apart is longer than what it saves of a small one.
      const text = path.basename(file) === 'engine_bg.wasm' ? encodeWasm(wasm) : wasm.toString('hex')
      return { contents: JSON.stringify(text), loader: 'json' }
    })
  },
})

/** Another entry is the file beside this one. */
const besides = (subpaths, entry, format) => ({
  name: 'besides',
  setup({ onResolve }) {
    onResolve({ filter: /\/index\.js$/ }, ({ path: imported, resolveDir }) => {
      const name = path.basename(path.dirname(path.join(resolveDir, imported)))
      if (!subpaths.includes(name) || entry === `js/${name}/index.ts`) return undefined
      return { path: `./${name}${format === 'cjs' ? '.cjs' : '.js'}`, external: true }
    })
  },
})

/** What the options' declarations say for the README's tables stays out of the bundle. */
const withoutProse = {
  name: 'without-prose',
  setup({ onLoad }) {
    onLoad({ filter: /\/declarations\.ts$/ }, ({ path: file }) => {
      const contents = readFileSync(file, 'utf8').replaceAll(
        /^\s+(?:(?:type|prose|defaultProse):\s+.+|default: undefined),$/gm,
        '',
      )
      return { contents, loader: 'ts' }
    })
  },
}

/** What users have in their hands without having imported it. */
const HANDED_OUT = ['MemoryCache', 'Loader', 'SingleContext', 'GroupContext']

/** Properties of what nobody is handed, which get short names. None may be one of anything else, or be spoken of in a string. */
export const INTERNAL = `
  abandon after answerAt answered askers begin breakers carryOut change changes copyUp cycle deleteMatching deliver
  delivered deliverStale dispatcher drained ensureAlive failGroup findsHits firstReason forsake found giveUp isAbandoned
  isClosing isEmpty isExtra isIdle isLate isLive isLost isolates isOver isStranded isTicking joinable keepExtras
  keepMatching keyOf loads nested nextDeadline noteKey onDone onStored openBatches openUntil outcomes outOfRange owner
  plainLimit recordHits refuseCall refuseLoad replaces revive settledAt showMatching sizeMax stalled startedAt
  startGroup startOne stopTimer storedFailure succeed suspects takeFailed tellAnswers tierIndex timeOut timeOutBatch
  timeOutQueued touched uninterrupted unshareable unwatch useStorage waiters watchers weigh writeKeys
`
  .trim()
  .split(/\s+/)

/** What is exported or handed out keeps its name, for stack traces and logs that can be read. */
async function minified(text, internal) {
  const [, exported = ''] = /^export \{([^}]*)\}/m.exec(text) ?? /^__export\(\w+, \{([^}]*)\}/m.exec(text) ?? []
  const names = new RegExp(`^(?:${[...exported.matchAll(/\w+/g), ...HANDED_OUT].join('|')})$`)
  const keep = { keep_classnames: names, keep_fnames: names }
  const { code } = await minify(text, {
    module: true,
    ecma: 2020,
    // Lines instead of semicolons: of an error that nobody catches, Node shows the line it comes from, which would be all of the file.
    format: { semicolons: false },
    // A sequence is a character shorter than its statements, and longer for gzip: 50 bytes.
    compress: { ...keep, sequences: false, passes: 3 },
    mangle: { ...keep, toplevel: true, properties: internal.length > 0 && { regex: new RegExp(`^(?:${internal.join('|')})$`) } },
  })
  return code
}

/**
 * What is before the wasm's text and what is after it have much in common, which gzip does not see across 75 KB: 1.1 KB. Nothing reads the text while
 * modules are evaluated.
 */
function withTextLast(text) {
  const [found = ''] = /^var engine_bg_default = .*;\n/m.exec(text) ?? []
  const rest = text.replace(found, '')
  const end = rest.search(/^export \{|(?![\s\S])/m)
  return rest.slice(0, end) + found + rest.slice(end)
}

/**
 * esbuild makes variables of classes, and calls one whose body names it `_Name`: these are declarations again. The text of the wasm has
 * no `_`.
 */
function withClassNames(text) {
  const declared = text.replaceAll(/^var (\w+) = class(?: _\1)?(?= extends | \{)/gm, 'class $1')
  const names = [...text.matchAll(/^var (\w+) = class _\1\b/gm)].map(([, name]) => name)
  return names.reduce((before, name) => before.replaceAll(new RegExp(`\\b_${name}\\b`, 'g'), name), declared)
}
