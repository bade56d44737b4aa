/** `sluice/slim` as it is built: the wasm is handed over. Each test has a copy of its own, as what was given stays. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as main from 'sluice'
import type * as Slim from '../js/slim/index.js'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const bytes = new Uint8Array(readFileSync(path.join(dist, 'engine.wasm')))
/** As a build of other sources would be. */
const unstamped = new Uint8Array(readFileSync(path.join(dist, '../pkg/engine_bg.wasm')))
const another = bytes.with(-1, (bytes.at(-1) as number) ^ 1)
const html = new TextEncoder().encode('<!doctype html><title>Not found</title><p>There is nothing here.')

let copies = 0
/** A copy that nothing was given to. */
const fresh = (): Promise<typeof Slim> => import(`${pathToFileURL(path.join(dist, 'slim.js')).href}?${copies++}`)

const load = (slim: typeof Slim, key = 'a'): Promise<string> => slim.getCachedData(key, () => `value of ${key}`)

/** That it works with an engine, which keeps what it fetched. */
async function assertWorks(slim: typeof Slim): Promise<void> {
  const processor = new slim.BatchProcessor()
  assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
  assert.equal(processor.memory.get('a'), 'A')
  await processor.close()
}

const isMisuse = (code: string, message?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof main.SluiceError, String(error))
  assert.equal(error.code, code)
  assert.equal(error.family, 'misuse')
  if (message !== undefined) assert.match(error.message, message)
  return true
}
const isUnfit = (message: RegExp) => isMisuse('ERR_INVALID_WASM', message)
const isEarly = isMisuse('ERR_NOT_INITIALIZED', /^sluice\/slim has not been given its wasm: await initialize\(/)

describe('sluice/slim', () => {
  test('exports all of sluice, and how the wasm is given', async () => {
    const names = [...Object.keys(main), 'NotInitializedError', 'initialize', 'initializeSync'].sort()
    const cjs: object = createRequire(import.meta.url)(path.join(dist, 'slim.cjs'))
    for (const exported of [await fresh(), cjs]) {
      assert.deepEqual(
        Object.keys(exported)
          .filter((name) => name !== '__esModule')
          .sort(),
        names,
      )
    }
  })

  const module = new WebAssembly.Module(bytes)
  const answer = () => new Response(bytes, { headers: { 'content-type': 'application/wasm' } })
  const within = new Uint8Array(bytes.length + 20)
  within.set(bytes, 7)
  const sources = {
    'a module': () => module,
    'an ArrayBuffer': () => bytes.buffer,
    'a Uint8Array': () => bytes,
    'a Buffer': () => Buffer.from(bytes),
    'a part of a buffer': () => within.subarray(7, 7 + bytes.length),
    'a DataView': () => new DataView(within.buffer, 7, bytes.length),
    'a Response': answer,
    'a Response without a content type': () => new Response(bytes),
    'a promise of a module': () => WebAssembly.compile(bytes),
    'a promise of bytes': async () => bytes,
    'a promise of a Response': async () => answer(),
    // biome-ignore lint/suspicious/noThenProperty: what some libraries answer
    'a thenable': () => ({ then: (resolve: (source: WebAssembly.Module) => void) => resolve(module) }) as never,
  }
  for (const [name, source] of Object.entries(sources)) {
    test(`takes ${name}`, async () => {
      const slim = await fresh()
      assert.equal(await slim.initialize(source()), undefined)
      await assertWorks(slim)
    })
  }
  for (const name of ['a module', 'an ArrayBuffer', 'a Uint8Array', 'a Buffer', 'a part of a buffer', 'a DataView'] as const) {
    test(`takes ${name} without waiting`, async () => {
      const slim = await fresh()
      slim.initializeSync(sources[name]() as Uint8Array)
      await assertWorks(slim)
    })
  }

  test('takes what a realm of its own has made, as tests of jest have', async () => {
    const { runInNewContext } = await import('node:vm')
    const slim = await fresh()
    slim.initializeSync(runInNewContext('new Uint8Array(bytes)', { bytes: [...bytes] }))
    await assertWorks(slim)
    const other = await fresh()
    other.initializeSync(runInNewContext('new WebAssembly.Module(new Uint8Array(bytes))', { bytes: [...bytes] }))
    await assertWorks(other)
  })

  test('keeps what it was given first', async () => {
    const slim = await fresh()
    await Promise.all([slim.initialize(answer()), slim.initialize(bytes), slim.initialize(module)])
    assert.equal(await load(slim), 'value of a')
    slim.initializeSync(module)
    await slim.initialize(answer())
    assert.equal(await slim.getCachedData('a', () => 'another'), 'value of a')
    await assert.rejects(slim.initialize(html), isUnfit(/doctype/))
    assert.equal(await slim.getCachedData('a', () => 'another'), 'value of a')
  })

  test('goes with the entries beside it: their tiers are its tiers, their errors its errors', async () => {
    const [{ byteTier }, { chaosTier, mapStore, mapTier }, { contentKey }] = await Promise.all([
      import('sluice/bytes'),
      import('sluice/testing'),
      import('sluice/content-key'),
    ])
    const slim = await fresh()
    slim.initializeSync(bytes)
    const store = mapStore()
    const key = contentKey('component', { b: 1 })
    const first = new slim.BatchProcessor({ storage: byteTier(store) })
    assert.deepEqual(await first.getCachedData(key, () => ({ of: 'A' })), { of: 'A' })
    await first.close()
    const failures: unknown[] = []
    const failing = chaosTier(mapTier('failing'), { seed: 1, throws: 1 })
    const second = new slim.BatchProcessor({ storage: [failing, byteTier(store)] })
    second.on('tierError', ({ error }) => failures.push(error))
    assert.deepEqual(await second.getCachedData(key, () => assert.fail('it was kept')), { of: 'A' })
    await second.close()
    assert.ok(failures.length > 0 && failures.every((error) => error instanceof slim.SluiceError))
    assert.throws(
      () => byteTier(null as never),
      (error) => error instanceof slim.SluiceError && error.code === 'ERR_INVALID_OPTION',
    )
  })

  test('has a new engine after a crash, from what it was given', async (t) => {
    const trap = { isArmed: false }
    armTrap(t, trap)
    const slim = await fresh()
    slim.initializeSync(module)
    const processor = new slim.BatchProcessor()
    const get = (key: string): Promise<string> => processor.getCachedData(key, () => key)
    assert.equal(await get('before'), 'before')
    trap.isArmed = true
    await assert.rejects(get('before'), { code: 'ERR_ENGINE_CRASHED' })
    assert.equal(await get('after'), 'after')
    assert.equal(processor.memory.get('after'), 'after')
    await processor.close()
  })
})

/** From now on, instances have a look-up that traps when it is told to. */
function armTrap(t: TestContext, trap: { isArmed: boolean }): void {
  const { Instance } = WebAssembly
  t.after(() => Object.assign(WebAssembly, { Instance }))
  Object.assign(WebAssembly, {
    Instance: function Trapped(module: WebAssembly.Module, imports: WebAssembly.Imports) {
      const { exports } = new Instance(module, imports)
      const lookup = (...args: unknown[]): unknown => {
        if (!trap.isArmed) return (exports.lookup as (...args: unknown[]) => unknown)(...args)
        trap.isArmed = false
        throw new WebAssembly.RuntimeError('unreachable')
      }
      return { exports: { ...exports, lookup } }
    },
  })
}

describe('before it has its wasm', () => {
  test('whatever is asked of sluice/slim is an error that says what to do; then it works', async () => {
    const slim = await fresh()
    const processor = new slim.BatchProcessor()
    const crashes: unknown[] = []
    processor.on('crash', (event) => crashes.push(event))
    let calls = 0
    const fetchFunction = (): number => ++calls
    const requests = [{ key: 'a', fetchFunction }]
    const asked: Record<string, () => unknown> = {
      getCachedDataBatch: () => processor.getCachedDataBatch(requests),
      getCachedDataBatchSettled: () => processor.getCachedDataBatchSettled(requests),
      getCachedData: () => processor.getCachedData('a', fetchFunction),
      'getCachedData of the module': () => slim.getCachedData('a', fetchFunction),
      loadMany: () => processor.loadMany(['a'], () => [fetchFunction()]),
      'loader.load': () => processor.loader((keys) => keys.map(fetchFunction)).load('a'),
      streamCachedDataBatch: async () => {
        for await (const _ of processor.streamCachedDataBatch(requests)) assert.fail('there is an outcome')
      },
      prefetch: () => processor.prefetch(requests),
      get: () => processor.get('a'),
      mget: () => processor.mget(['a']),
      has: () => processor.has('a'),
      set: () => processor.set('a', 1),
      delete: () => processor.delete('a'),
      clear: () => processor.clear(),
      invalidate: () => processor.invalidate({ prefix: 'a' }),
      metrics: () => processor.metrics(),
      plan: async () => processor.plan(requests),
      'memory.get': async () => processor.memory.get('a'),
      'memory.set': async () => processor.memory.set('a', 1),
      'memory.size': async () => processor.memory.size,
    }
    for (const [name, ask] of Object.entries(asked)) {
      await assert.rejects(async () => ask(), isEarly, name)
    }
    assert.equal(calls, 0)
    assert.deepEqual(crashes, [])
    slim.initializeSync(bytes)
    assert.equal(await processor.getCachedData('a', fetchFunction), 1)
    assert.equal(processor.memory.get('a'), 1)
    await processor.close()
  })

  test('it is the error class that sluice/slim exports', async () => {
    const slim = await fresh()
    const error: unknown = await load(slim).catch((reason: unknown) => reason)
    assert.ok(error instanceof slim.NotInitializedError)
    assert.ok(error instanceof slim.SluiceError)
    assert.equal(error.name, 'NotInitializedError')
  })

  test('a processor closes', async () => {
    const slim = await fresh()
    const kept = new Map<string, unknown>()
    const processor = new slim.BatchProcessor({ storage: kept })
    await processor.close()
    await assert.rejects(
      processor.getCachedData('a', () => 1),
      { code: 'ERR_CLOSED' },
    )
  })

  test('a queue works, as it does without an engine', async () => {
    const slim = await fresh()
    const queue = new slim.PriorityQueue<number>({ prefetch: 1 })
    queue.enqueueMany([1, 2, 3], ['low', 'normal', 'high'])
    assert.deepEqual(queue.dequeueMany(3), [3, 2, 1])
  })
})

describe('what is not the engine', () => {
  const wrong: Record<string, unknown> = {
    nothing: undefined,
    null: null,
    'an address': 'https://example.com/engine.wasm',
    'a URL': new URL('https://example.com/engine.wasm'),
    'a number': 1,
    'an array': [0, 0x61],
    'an object': {},
    'an instance': new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))),
    'a Blob': new Blob([bytes]),
  }
  for (const [name, value] of Object.entries(wrong)) {
    test(`is ${name}`, async () => {
      const slim = await fresh()
      const isWrong = (error: unknown): boolean =>
        error instanceof TypeError && isUnfit(/^source: expected a WebAssembly\.Module, (?:or )?its bytes.*, received /)(error)
      await assert.rejects(slim.initialize(value as never), isWrong)
      await assert.rejects(slim.initialize(Promise.resolve(value) as never), isWrong)
      assert.throws(() => slim.initializeSync(value as never), isWrong)
      await assert.rejects(load(slim), isEarly)
    })
  }

  test('is a promise, or a Response, where nobody waits', async () => {
    const slim = await fresh()
    assert.throws(() => slim.initializeSync(Promise.resolve(bytes) as never), isUnfit(/received an object$/))
    assert.throws(() => slim.initializeSync(new Response(bytes) as never), isUnfit(/received an object$/))
  })

  const unfit: Record<string, [Uint8Array<ArrayBuffer>, RegExp]> = {
    'no bytes': [new Uint8Array(0), /expected the bytes of sluice\/engine\.wasm, received "" \(string\)$/],
    'a page of a server': [html, /received "<!doctype html><title>Not found<\/title><…" \(string\)$/],
    'the first half': [bytes.slice(0, bytes.length >> 1), /expected the bytes of sluice\/engine\.wasm/],
    'wasm without the stamp': [
      unstamped,
      /expected sluice\/engine\.wasm of this very version, stamped \w{12}, received "another wasm" \(string\)$/,
    ],
    'the engine of another version': [another, /of this very version, stamped \w{12}, received "\w{11}.\W/],
  }
  for (const [name, [given, message]] of Object.entries(unfit)) {
    test(`is ${name}`, async () => {
      const slim = await fresh()
      const isWrong = (error: unknown): boolean => error instanceof RangeError && isUnfit(message)(error)
      await assert.rejects(slim.initialize(given), isWrong)
      await assert.rejects(slim.initialize(new Response(given)), isWrong)
      assert.throws(() => slim.initializeSync(given), isWrong)
      if (WebAssembly.validate(given)) assert.throws(() => slim.initializeSync(new WebAssembly.Module(given)), isWrong)
      await assert.rejects(load(slim), isEarly)
      // And what is right is still taken.
      await slim.initialize(bytes)
      await assertWorks(slim)
    })
  }

  test('is a response that failed, which is not read', async () => {
    const slim = await fresh()
    const response = new Response(bytes, { status: 404 })
    await assert.rejects(
      slim.initialize(response),
      isUnfit(/^source: expected a response with a status of 200 to 299, received 404 \(number\)$/),
    )
    assert.equal(response.bodyUsed, false)
  })

  test('is what fails on its way: that reaches whoever waits as it is', async () => {
    const slim = await fresh()
    const reason = new TypeError('fetch failed')
    await assert.rejects(slim.initialize(Promise.reject(reason)), reason)
    const used = new Response(bytes)
    await used.text()
    await assert.rejects(slim.initialize(used), TypeError)
    await assert.rejects(load(slim), isEarly)
  })
})

describe('where wasm cannot run', () => {
  const without: Record<string, (t: TestContext) => void> = {
    'there is no WebAssembly': (t) => {
      const { WebAssembly: whole } = globalThis
      t.after(() => Object.assign(globalThis, { WebAssembly: whole }))
      Reflect.deleteProperty(globalThis, 'WebAssembly')
    },
    'it may not be compiled': (t) => {
      const refuse = (): never => {
        throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder')
      }
      t.mock.method(WebAssembly, 'compile', async () => refuse())
      const { Module } = WebAssembly
      t.after(() => Object.assign(WebAssembly, { Module }))
      Object.assign(WebAssembly, { Module: refuse })
    },
  }
  for (const [name, arrange] of Object.entries(without)) {
    for (const way of ['initialize', 'initializeSync'] as const) {
      test(`because ${name}: ${way} tells nobody, and sluice does without an engine`, async (t) => {
        const warnings = t.mock.method(process, 'emitWarning', () => {})
        const slim = await fresh()
        arrange(t)
        await slim[way](bytes)
        const processor = new slim.BatchProcessor()
        const crashes: unknown[] = []
        processor.on('crash', ({ error, degraded }) => crashes.push([(error as main.WasmUnavailableError).code, degraded]))
        assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
        assert.equal(await processor.getCachedData('a', () => 'B'), 'B')
        assert.deepEqual(crashes, [['ERR_WASM_UNAVAILABLE', true]])
        assert.equal(warnings.mock.callCount(), 1)
        await processor.close()
      })
    }
  }
})
