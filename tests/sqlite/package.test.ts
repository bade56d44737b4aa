/** `sluice/sqlite` as it is built, in processes of its own: what it loads, which variables it heeds, and that it lets a process end. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { runProgram, scratch } from '../support/sqlite.js'

/** What the program prints, having ended by itself with code 0 and nothing on stderr. */
async function printed(program: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout, stderr, code, signal } = await runProgram(program, { env })
  assert.deepEqual({ stderr, code, signal }, { stderr: '', code: 0, signal: null })
  return stdout.trim()
}

const KEEP = `
  import { sqliteStorage } from 'sluice/sqlite'
  const storage = sqliteStorage()`

describe('a process', () => {
  test('loads no SQLite and touches no file before the first use', async (t) => {
    const directory = path.join(scratch(t), 'cache')
    const loaded = `() => [...process.moduleLoadList, ...Object.keys(require.cache)].filter((name) => /sqlite/.test(name) && !/dist.sqlite/.test(name)).length > 0`
    const program = `
      import { createRequire } from 'node:module'
      const require = createRequire(process.cwd() + '/')
      const isLoaded = ${loaded}
      const { sqliteStorage } = require('sluice/sqlite')
      const storage = sqliteStorage()
      const before = isLoaded()
      await storage.open()
      console.log(before, isLoaded())`
    assert.equal(await printed(program, { SLUICE_CACHE_DIR: directory }), 'false true')
    assert.deepEqual(readdirSync(directory).includes('sqlite.db'), true)
  })

  test('ends by itself with the storage open, and the next one has what it kept', async (t) => {
    const env = { SLUICE_CACHE_DIR: path.join(scratch(t), 'cache') }
    const program = `${KEEP}
      import { getCachedDataBatch, initializeStorage } from 'sluice'
      initializeStorage(storage)
      let calls = 0
      const fetchFunction = () => ++calls
      await getCachedDataBatch(['a', 'b', 'c'].map((key) => ({ key, fetchFunction })))
      console.log(calls)`
    assert.equal(await printed(program, env), '3')
    assert.equal(await printed(program, env), '0')
  })

  test('that is told SLUICE_NO_CACHE keeps nothing, and makes no file', async (t) => {
    const directory = path.join(scratch(t), 'cache')
    const program = `${KEEP}
      await storage.open()
      await storage.mset([{ key: 'a', value: 1 }])
      await storage.mdelete(['b'])
      const keys = []
      for await (const key of storage.keys()) keys.push(key)
      console.log(JSON.stringify([storage.path, await storage.mget(['a', 'b']), keys]))
      await storage.clear()
      await storage.close()`
    assert.equal(await printed(program, { SLUICE_CACHE_DIR: directory, SLUICE_NO_CACHE: '1' }), '[null,[null,null],[]]')
    assert.ok(!existsSync(directory))
    for (const no of ['0', 'false', '']) {
      await printed(program, { SLUICE_CACHE_DIR: directory, SLUICE_NO_CACHE: no })
      assert.ok(existsSync(directory))
    }
  })

  test('has an ES module and a CommonJS one', async (t) => {
    const program = `${KEEP}
      import { createRequire } from 'node:module'
      const cjs = createRequire(process.cwd() + '/')('./dist/sqlite.cjs').sqliteStorage()
      await storage.mset([{ key: 'a', value: 'of the one' }])
      console.log((await cjs.mget(['a']))[0].value)`
    assert.equal(await printed(program, { SLUICE_CACHE_DIR: scratch(t) }), 'of the one')
  })

  test('without a driver is told the remedy; its reads go on', async (t) => {
    const program = `
      import { BatchProcessor } from 'sluice'
      import { sqliteStorage } from 'sluice/sqlite'
      const storage = sqliteStorage({ driver: 'bun:sqlite' })
      const error = await storage.open().catch((reason) => reason)
      console.log(error.code, error.message)
      const processor = new BatchProcessor({ storage })
      console.log(await processor.getCachedData('a', () => 'fetched'))
      await processor.close()
      const { tiers } = await processor.metrics()
      console.log(tiers[0].errors > 0)`
    const remedy = 'no SQLite: expected bun:sqlite; use Node 22.13 or later, or Bun, or npm install better-sqlite3'
    assert.equal(await printed(program, { SLUICE_CACHE_DIR: scratch(t) }), `ERR_NO_SQLITE there is ${remedy}\nfetched\ntrue`)
  })
})
