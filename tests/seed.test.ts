/** The seed of an engine: from the platform's secure source, and in Node from the device that is behind it. */

import './support/strict.js'
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import { seed as platformSeed } from '../js/engine/seed.js'
import { seed as nodeSeed } from '../js/engine/seed.node.js'

/** Six words that have something in them, and others the next time. */
function assertSecret(seed: () => Uint32Array): void {
  const all = Array.from({ length: 4 }, seed)
  for (const words of all) assert.equal(words.length, 6)
  assert.equal(new Set(all.flatMap((words) => [...words])).size, 24)
}

/** What the platform is asked for, each call of it one more. */
function watchCrypto(t: TestContext): { readonly calls: number } {
  const mock = t.mock.method(globalThis.crypto, 'getRandomValues')
  return {
    get calls() {
      return mock.mock.callCount()
    },
  }
}

function replace(t: TestContext, target: object, name: string, value: unknown): void {
  const before = Object.getOwnPropertyDescriptor(target, name)
  Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true })
  t.after(() => (before === undefined ? Reflect.deleteProperty(target, name) : Object.defineProperty(target, name, before)))
}

test('the seed comes from the platform, and from Math.random where a sandbox hides it', (t) => {
  const asked = watchCrypto(t)
  assertSecret(platformSeed)
  assert.equal(asked.calls, 4)
  replace(t, globalThis, 'crypto', undefined)
  assertSecret(platformSeed)
})

describe('in Node', { skip: process.platform === 'win32' }, () => {
  test('the seed comes from the device, whose file is closed again', (t) => {
    const asked = watchCrypto(t)
    const close = t.mock.method(fs, 'closeSync')
    assertSecret(nodeSeed)
    assert.equal(asked.calls, 0)
    assert.equal(close.mock.callCount(), 4)
  })

  const others: Record<string, (t: TestContext) => void> = {
    'there is no process': (t) => replace(t, globalThis, 'process', undefined),
    'Node is too old to hand modules out': (t) => replace(t, process, 'getBuiltinModule', undefined),
    'it does not hand this one out': (t) => replace(t, process, 'getBuiltinModule', () => undefined),
    'there is no device': (t) => void t.mock.method(fs, 'openSync', () => assert.fail('ENOENT')),
    'the device may not be read': (t) => void t.mock.method(fs, 'readSync', () => assert.fail('EACCES')),
    'it says too little': (t) => void t.mock.method(fs, 'readSync', () => 23),
    'this is Windows, where anybody could make such a file': (t) => replace(t, process, 'platform', 'win32'),
    'this is Deno, which would ask for a permission': (t) => replace(t, process.versions, 'deno', '2.0.0'),
    'this is Bun': (t) => replace(t, process.versions, 'bun', '1.0.0'),
  }
  for (const [name, arrange] of Object.entries(others)) {
    test(`the seed comes from the platform where ${name}`, (t) => {
      const asked = watchCrypto(t)
      const open = t.mock.method(fs, 'openSync')
      arrange(t)
      assertSecret(nodeSeed)
      assert.equal(asked.calls, 4)
      if (/Windows|Deno|Bun/.test(name)) assert.equal(open.mock.callCount(), 0)
    })
  }
})
