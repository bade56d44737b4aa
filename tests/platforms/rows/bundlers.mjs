/** Bundlers, none of them configured for us. What they make is moved away from node_modules, and run in Node. */

import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { bun, nodes, run, smoked, versionBy, versionOf } from '../tools.mjs'

const require = createRequire(import.meta.url)

/** Bundles `main.mjs` with `bundle(entry, file)`, and runs the file where there is nothing else. */
const bundled = (name, version, bundle, extension = 'mjs') => ({
  name,
  version,
  run: async (consumer) => {
    const { project, folder } = consumer
    const output = path.join(project, 'out')
    const away = path.join(folder, 'away')
    mkdirSync(away, { recursive: true })
    rmSync(output, { recursive: true, force: true })
    const made = await bundle(path.join(project, 'main.mjs'), output, consumer)
    const file = path.join(away, `bundle.${extension}`)
    copyFileSync(made ?? path.join(output, `bundle.${extension}`), file)
    return smoked(await run(nodes[20] ?? process.execPath, ['--unhandled-rejections=strict', file], { cwd: away }))
  },
})

export const rows = [
  ...['esm', 'cjs'].map((format) =>
    bundled(
      `esbuild ${format}`,
      versionOf('esbuild'),
      async (entry, output, { project }) => {
        const { build } = await import('esbuild')
        const extension = format === 'esm' ? 'mjs' : 'cjs'
        await build({
          // No top-level await in CommonJS.
          ...(format === 'esm' ? { entryPoints: [entry] } : { stdin: { contents: CALLING, resolveDir: project } }),
          outfile: path.join(output, `bundle.${extension}`),
          bundle: true,
          minify: true,
          format,
          logLevel: 'error',
        })
      },
      format === 'esm' ? 'mjs' : 'cjs',
    ),
  ),
  bundled('esbuild, platform node', versionOf('esbuild'), async (entry, output) => {
    const { build } = await import('esbuild')
    await build({
      entryPoints: [entry],
      outfile: path.join(output, 'bundle.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      logLevel: 'error',
    })
  }),
  bundled('esbuild, sluice/slim', versionOf('esbuild'), async (_, output, { project }) => {
    const { build } = await import('esbuild')
    await build({
      stdin: { contents: SLIM, resolveDir: project },
      outfile: path.join(output, 'bundle.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      loader: { '.wasm': 'binary' },
      logLevel: 'error',
    })
  }),
  bundled('rollup', versionOf('rollup'), async (entry, output) => {
    const { rollup } = await import('rollup')
    const { nodeResolve } = await import('@rollup/plugin-node-resolve')
    const bundle = await rollup({
      input: entry,
      plugins: [nodeResolve()],
      onwarn: (warning) => {
        throw new Error(warning.message)
      },
    })
    await bundle.write({ file: path.join(output, 'bundle.mjs'), format: 'es' })
    await bundle.close()
  }),
  ...['node', 'web'].map((target) =>
    bundled(`webpack, target ${target}`, versionOf('webpack'), async (entry, output) => {
      const webpack = require('webpack')
      const config = {
        mode: 'production',
        entry,
        target: [target, 'es2022'],
        experiments: { outputModule: true, topLevelAwait: true },
        output: { path: output, filename: 'bundle.mjs', library: { type: 'module' } },
        performance: { hints: false },
      }
      const stats = await new Promise((resolve, reject) => {
        webpack(config, (error, stats) => (error ? reject(error) : resolve(stats)))
      })
      if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString({ all: false, errors: true, warnings: true }))
    }),
  ),
  bundled('vite build', versionOf('vite'), async (entry, output, { project }) => {
    const { build } = await import('vite')
    await build({
      root: project,
      configFile: false,
      logLevel: 'error',
      build: { outDir: output, target: 'es2022', lib: { entry, formats: ['es'], fileName: () => 'bundle.mjs' } },
    })
  }),
  bundled('bun build', versionBy(bun, 'Bun '), async (entry, output, { project }) => {
    await run(bun, ['build', entry, '--target=node', `--outfile=${path.join(output, 'bundle.mjs')}`], {
      cwd: project,
      allowed: /./,
    })
  }),
]

const SLIM = `import wasm from 'sluice/engine.wasm'
import * as sluice from 'sluice/slim'
import { smoke } from './smoke.mjs'
sluice.initializeSync(wasm)
console.log(await smoke(sluice))
`

const CALLING = `import * as sluice from 'sluice'
import { smoke } from './smoke.mjs'
smoke(sluice).then(console.log)
`
