/** The package as it is built: as an ES module, as CommonJS, both in one process; a process that ends by itself. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
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

  test('gives its own package.json and its wasm away', () => {
    const require = createRequire(import.meta.url)
    assert.equal(require('sluice/package.json').name, 'sluice')
    assert.match(require.resolve('sluice/engine.wasm'), /engine\.wasm$/)
  })
})

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
