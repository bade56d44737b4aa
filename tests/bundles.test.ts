/** What bundlers make of the package: what is not used is left out, and no entry has another one in it. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build, type Metafile } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const { exports } = createRequire(import.meta.url)('sluice/package.json') as { exports: Record<string, Record<string, unknown>> }
const entries = Object.keys(exports)
  .filter((name) => /^\.(\/[\w-]+)?$/.test(name))
  .map((name) => `sluice${name.slice(1)}`)

/** What esbuild makes of a module of this text: its size, and the files of dist/ with the bytes that each has in it. */
async function bundled(
  contents: string,
  platform: 'node' | 'browser' = 'node',
): Promise<{ bytes: number; files: Record<string, number> }> {
  const { metafile } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform,
    outfile: 'out.js',
    external: ['node:*'],
    logLevel: 'silent',
  })
  const [output] = Object.values(metafile.outputs) as [Metafile['outputs'][string]]
  const inDist = Object.entries(output.inputs).flatMap(([file, { bytesInOutput }]) =>
    file.startsWith('dist/') && bytesInOutput > 0 ? [[file, bytesInOutput]] : [],
  )
  return { bytes: output.bytes, files: Object.fromEntries(inDist) }
}

describe('a bundle', () => {
  for (const entry of entries) {
    test(`has nothing of ${entry} where that is imported and not used`, async () => {
      assert.deepEqual(await bundled(`import '${entry}'`), { bytes: 0, files: {} })
      assert.deepEqual(await bundled(`import * as all from '${entry}'`), { bytes: 0, files: {} })
    })
  }

  test('has the bytes of what it uses', async () => {
    const whole = await bundled(`export * from 'sluice'`)
    assert.ok(whole.bytes > 100_000, `${whole.bytes}`)
  })
})

/** The files of the package that an entry may load: its own, and those beside it that it is built on. */
const BUILT_ON: Record<string, readonly string[]> = {
  'sluice/sqlite': ['dist/bytes.js'],
}

describe('an entry', () => {
  for (const entry of entries) {
    for (const platform of ['node', 'browser'] as const) {
      test(`${entry} has no other one in it, in a bundle for ${platform}`, async () => {
        const main = platform === 'node' ? 'dist/index.node.js' : 'dist/index.js'
        const own = entry === 'sluice' ? main : `dist/${entry.slice('sluice/'.length)}.js`
        const { files } = await bundled(`export * from '${entry}'`, platform)
        assert.deepEqual(Object.keys(files).sort(), [own, ...(BUILT_ON[entry] ?? [])].sort())
      })
    }
  }
})
