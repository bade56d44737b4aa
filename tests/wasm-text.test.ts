/** The wasm travels as text: what is decoded is what was encoded, byte for byte. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decodeBase64 } from '../js/wasm/decode-base64.js'
import { type Streams, weave } from '../js/wasm/weave.js'

const { unravel } = (await import(new URL('../scripts/wasm-streams.mjs', import.meta.url).href)) as {
  unravel(wasm: Uint8Array): Streams & { readonly bytes: Uint8Array }
}
const wasm = new Uint8Array(readFileSync(new URL('../pkg/engine_bg.wasm', import.meta.url)))

test('the wasm by streams is put together again, byte for byte', () => {
  const { bytes, ...streams } = unravel(wasm)
  assert.notDeepEqual(bytes.subarray(0, wasm.length), wasm)
  assert.deepEqual(weave(bytes, streams), wasm)
})

test('base64 is read as Buffer reads it, with it and without', (t) => {
  const { Buffer: whole } = globalThis
  t.after(() => Object.assign(globalThis, { Buffer: whole }))
  const all = [wasm, wasm.subarray(1), wasm.subarray(2), Uint8Array.of(), Uint8Array.of(0), Uint8Array.of(255, 254)]
  for (const bytes of all) {
    const text = whole.from(bytes).toString('base64')
    for (const Buffer of [whole, undefined]) {
      Object.assign(globalThis, { Buffer })
      const read = decodeBase64(text)
      Object.assign(globalThis, { Buffer: whole })
      assert.deepEqual(new Uint8Array(read), new Uint8Array(bytes))
    }
  }
})

test('an opcode that the streams do not know is an error when they are made', () => {
  const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 10, 5, 1, 3, 0, 0xfd, 0x0b)
  assert.throws(() => unravel(module), { message: 'scripts/wasm-streams.mjs does not know opcode 0xfd' })
})

test('code that ends elsewhere than it says is an error when the streams are made', () => {
  const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 10, 6, 1, 2, 0, 0x0b, 0, 0)
  assert.throws(() => unravel(module), { message: 'scripts/wasm-streams.mjs: the code section does not end where it should' })
})
