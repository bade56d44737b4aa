/**
 * Runs the smoke program in workerd, bundled as wrangler does: with the condition `workerd`, the wasm a module of its own.
 *
 *     node workerd.mjs <project> [slim]
 */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

const [project, slim] = process.argv.slice(2)
const IMPORT = `import * as sluice from 'sluice'
`
const IMPORT_SLIM = `import wasm from './engine.wasm'
import * as sluice from 'sluice/slim'
sluice.initializeSync(wasm)
`
const WORKER = `import { smoke } from './smoke.mjs'
export default {
  async fetch() {
    try {
      return new Response(await smoke(sluice))
    } catch (error) {
      return new Response(error.stack)
    }
  },
}
`
const { outputFiles } = await build({
  stdin: { contents: (slim ? IMPORT_SLIM : IMPORT) + WORKER, resolveDir: project },
  bundle: true,
  format: 'esm',
  conditions: ['workerd'],
  external: ['./engine.wasm'],
  write: false,
})
const miniflare = new Miniflare({
  compatibilityDate: '2026-01-01',
  modules: [
    { type: 'ESModule', path: 'worker.mjs', contents: outputFiles[0].text },
    {
      type: 'CompiledWasm',
      path: 'engine.wasm',
      contents: readFileSync(path.join(project, 'node_modules/sluice/dist/engine.wasm')),
    },
  ],
})
try {
  console.log(await (await miniflare.dispatchFetch('http://localhost/')).text())
} finally {
  await miniflare.dispose()
}
