/** The package as it is built: as an ES module, as CommonJS, both in one process; a process that ends by itself. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import * as sources from '../js/index.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const esm = await import('sluice')
const cjs = createRequire(import.meta.url)('sluice') as typeof esm

/** Runs a program against the package; fails if it is not through by itself, or anything comes on stderr. */
async function run(program: string, type: 'module' | 'commonjs' = 'module'): Promise<string> {
  const args = ['--unhandled-rejections=strict', '--trace-warnings', `--input-type=${type}`, '--eval', program]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: root, timeout: 20_000 })
  assert.equal(stderr, '')
  return stdout.trim()
}

describe('the package', () => {
  test('exports what the sources do, by both ways', () => {
    const names = Object.keys(sources).sort()
    assert.deepEqual(Object.keys(esm).sort(), names)
    assert.deepEqual(
      Object.keys(cjs)
        .filter((name) => name !== '__esModule')
        .sort(),
      names,
    )
  })

  for (const [type, load] of [
    ['module', `import { getCachedDataBatch } from 'sluice'`],
    ['commonjs', `const { getCachedDataBatch } = require('sluice')`],
  ] as const) {
    test(`of an error that nobody catches, a few lines are shown, and not the whole file (${type})`, async () => {
      const program = `${load}\ngetCachedDataBatch([{ key: 5, fetchFunction: () => 1 }])`
      const ended = promisify(execFile)(process.execPath, [`--input-type=${type}`, '--eval', program], { cwd: root })
      const { stderr } = await ended.catch((error: { stderr: string }) => error)
      assert.match(stderr, /InvalidTypeError: requests\[0\]\.key: expected a string, received 5 \(number\)/)
      assert.ok(stderr.length < 5_000, `${stderr.length} characters`)
    })
  }

  for (const [name, built] of [
    ['an ES module', esm],
    ['CommonJS', cjs],
  ] as const) {
    test(`works as ${name}`, async () => {
      const processor = new built.BatchProcessor()
      const results: number[] = await processor.getCachedDataBatch(
        [1, 2, 3].map((id) => ({ key: `${id}`, fetchFunction: async () => id * 2 })),
      )
      assert.deepEqual(results, [2, 4, 6])
      assert.deepEqual(await processor.mget(['3', '1', 'x']), [6, 2, undefined])
      const outcome: sources.BatchOutcome<number>[] = await processor.getCachedDataBatchSettled([
        { key: '1', fetchFunction: () => 0 },
      ])
      assert.equal(outcome[0]?.source, 'memory')
      await processor.close()
    })
  }

  test('knows errors of its other half as its own', async () => {
    const error: unknown = await new cjs.BatchProcessor().getCachedDataBatch('no' as never).catch((reason: unknown) => reason)
    assert.ok(error instanceof esm.SluiceError)
    assert.ok(error instanceof TypeError)
    assert.ok(error instanceof sources.SluiceError)
    assert.equal(error instanceof esm.InvalidTypeError, false)
  })

  test('keeps two halves in one process apart: no state is shared', async () => {
    esm.configure({})
    await esm.getCachedData('a', () => 'esm')
    assert.equal(await cjs.getCachedData('a', () => 'cjs'), 'cjs')
    assert.equal(await esm.getCachedData('a', () => 'again'), 'esm')
  })

  test('is packed with its licence and those of what is compiled in, and without anything that only development needs', async () => {
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root })
    const files = (JSON.parse(stdout) as { files: { path: string }[] }[])[0]?.files.map((file) => file.path) ?? []
    const documents = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'THIRD-PARTY-LICENSES', 'package.json']
    assert.deepEqual(files.filter((file) => !file.startsWith('dist/')).sort(), documents)
    assert.deepEqual(
      files.filter((file) => !/\.(js|cjs|wasm|d\.ts|d\.cts)$/.test(file) && !documents.includes(file)),
      [],
    )
    const { dependencies, scripts } = createRequire(import.meta.url)('sluice/package.json')
    assert.equal(dependencies, undefined)
    for (const name of ['preinstall', 'install', 'postinstall']) assert.equal(scripts[name], undefined)
  })

  test('gives its own package.json and its wasm away', () => {
    const require = createRequire(import.meta.url)
    assert.equal(require('sluice/package.json').name, 'sluice')
    assert.match(require.resolve('sluice/engine.wasm'), /engine\.wasm$/)
  })
})

describe('an entry beside the main one', () => {
  const require = createRequire(import.meta.url)
  const { exports } = require('sluice/package.json') as { exports: Record<string, Record<string, unknown>> }
  const subpaths = Object.keys(exports).filter((name) => /^\.\/[\w-]+$/.test(name))
  const nameOf = (subpath: string): string => `sluice${subpath.slice(1)}`

  for (const subpath of subpaths) {
    test(`${nameOf(subpath)} exports by both ways what its sources do`, async () => {
      const names = Object.keys(await import(`../js${subpath.slice(1)}/index.js`)).sort()
      assert.deepEqual(Object.keys(await import(nameOf(subpath))).sort(), names)
      assert.deepEqual(Object.keys(require(nameOf(subpath)) as object).sort(), names)
    })
  }

  test('sluice/bytes works as it is built, by both ways, and in a Worker', async (t) => {
    for (const built of [await import('sluice/bytes'), require('sluice/bytes'), await asWorker(t, 'bytes')]) {
      const kept = new Map<string, Uint8Array>()
      const { byteTier } = built as typeof import('../js/bytes/index.js')
      const tier = byteTier({
        mget: (keys) => keys.map((key) => kept.get(key)),
        mset: (entries) => {
          for (const { key, bytes } of entries) kept.set(key, bytes)
        },
        mdelete: () => {},
      })
      await tier.mset([{ key: 'a', value: { b: 1 } }])
      assert.deepEqual(await tier.mget(['a']), [{ value: { b: 1 } }])
      assert.throws(() => byteTier(null as never), sources.SluiceError)
    }
  })

  test('sluice/content-key works as it is built, by both ways, and in a Worker', async (t) => {
    const keys = [await import('sluice/content-key'), require('sluice/content-key'), await asWorker(t, 'content-key')].map(
      (built) => (built as typeof import('../js/content-key/index.js')).contentKey('a', { b: 1 }),
    )
    assert.deepEqual(new Set(keys).size, 1)
  })

  test('sluice/bytes costs misses where there is no WebAssembly, and removes nothing', async () => {
    const program = `
      delete globalThis.WebAssembly
      const { byteTier } = await import('sluice/bytes')
      const store = { mget: () => [new Uint8Array(100)], mset() {}, mdelete() { console.log('removed') } }
      const codes = [byteTier(store).mget(['a']), byteTier(store).mset([{ key: 'a', value: 1 }])].map((done) => done.catch(({ code }) => code))
      console.log((await Promise.all(codes)).join())`
    assert.equal(await run(program), 'ERR_WASM_UNAVAILABLE,ERR_WASM_UNAVAILABLE')
  })
})

/** What Workers get, whose runtime hands an imported wasm over compiled. */
async function asWorker(t: TestContext, name: string): Promise<unknown> {
  const file = new URL(`../dist/${name}.workerd.js`, import.meta.url)
  mkdirSync(path.join(root, 'target'), { recursive: true })
  const folder = mkdtempSync(path.join(root, 'target/worker-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const imported = /import (\w+) ?from ?"\.\/([\w.]+)";?/
  const text = readFileSync(file, 'utf8')
  assert.match(text, imported)
  const compiled = (_: string, as: string, wasm: string): string =>
    `import{readFileSync}from"node:fs";const ${as}=new WebAssembly.Module(readFileSync(${JSON.stringify(path.join(root, 'dist', wasm))}));`
  writeFileSync(path.join(folder, 'worker.mjs'), text.replace(imported, compiled))
  return import(pathToFileURL(path.join(folder, 'worker.mjs')).href)
}

describe('a process', () => {
  test('ends by itself when nothing is left to do: an idle processor does not keep it alive', async () => {
    const program = `
      import { BatchProcessor } from 'sluice'
      const processor = new BatchProcessor({ ttl: 3_600_000, storage: new Map() })
      const [value] = await processor.getCachedDataBatch([{ key: 'a', fetchFunction: async () => 'A' }], { timeoutMs: 60_000, signal: new AbortController().signal })
      await processor.set('b', 1, { ttl: 2 ** 40 })
      console.log(value)`
    assert.equal(await run(program), 'A')
  })

  test('ends by itself after aborts, deadlines and failures', async () => {
    const program = `
      import { BatchProcessor } from 'sluice'
      const processor = new BatchProcessor()
      const controller = new AbortController()
      const never = ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      const asked = [
        processor.getCachedDataBatch([{ key: 'aborted', fetchFunction: never }], { signal: controller.signal }),
        processor.getCachedDataBatch([{ key: 'late', fetchFunction: never }], { fetchTimeoutMs: 5 }),
        processor.getCachedDataBatch([{ key: 'hurried', fetchFunction: never }], { timeoutMs: 5 }),
        processor.getCachedDataBatch([{ key: 'failed', fetchFunction: () => Promise.reject(new Error('no')) }]),
      ]
      controller.abort()
      console.log((await Promise.allSettled(asked)).map(({ status }) => status).join())`
    assert.equal(await run(program), 'rejected,rejected,rejected,rejected')
  })

  test('is kept alive by a batch that waits for its deadline', async () => {
    const program = `
      const { getCachedData } = require('sluice')
      getCachedData('a', () => new Promise(() => {}), { fetchTimeoutMs: 50 }).catch(({ code }) => console.log(code))`
    assert.equal(await run(program, 'commonjs'), 'ERR_FETCH_TIMEOUT')
  })

  test('of Node starts without loading crypto', async () => {
    const program = `
      const { getCachedData } = await import('sluice')
      console.log(await getCachedData('a', () => 'A'), process.moduleLoadList.filter((name) => /crypto/.test(name)).join())`
    assert.equal(await run(program), process.platform === 'win32' ? 'A crypto' : 'A')
  })

  test('starts no wasm by importing the package', async () => {
    const program = `
      const { Instance, Module } = WebAssembly
      let made = 0
      WebAssembly.Module = class extends Module { constructor(...args) { super(...args); made++ } }
      WebAssembly.Instance = class extends Instance { constructor(...args) { super(...args); made++ } }
      const sluice = await import('sluice')
      const before = made
      await sluice.getCachedData('a', () => 'A')
      console.log(before, made > 0)`
    assert.equal(await run(program), '0 true')
  })
})
