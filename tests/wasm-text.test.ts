/** The wasm travels as text: what is decoded is what was encoded, byte for byte. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { decodeBase64 } from '../js/wasm/decode-base64.js'
import { unpack } from '../js/wasm/unpack.js'
import type { WasmText } from '../pkg/engine_bg.wasm'

const { encodeWasm } = (await import(new URL('../scripts/wasm-text.mjs', import.meta.url).href)) as {
  encodeWasm(wasm: Uint8Array): WasmText
}
const wasm = new Uint8Array(readFileSync(new URL('../pkg/engine_bg.wasm', import.meta.url)))

test('the engine is put together again, byte for byte', () => {
  assert.deepEqual(unpack(encodeWasm(wasm)), wasm)
})

test('so is every kind of opcode, and whatever byte its operands have', () => {
  for (let value = 0; value < 256; value++) {
    const byte = value & 0x7f
    const body = [
      [0x02, byte, 0x03, byte, 0x04, byte, 0x05, 0x0b, 0x0b, 0x0b],
      [0x0c, byte, 0x0d, 0x80 | byte, byte, 0x0e, 3, byte, 1, 0x80 | byte, 2, byte],
      [0x10, byte, 0x11, byte, 0x80 | byte, 0x00, 0x20, byte, 0x21, byte, 0x22, 0x80 | byte, 0x80 | byte, byte],
      [0x28, byte, 0x80 | byte, byte, 0x3e, byte, byte, 0x3f, byte, 0x40, byte, 0x41, byte, 0x42, 0x80 | byte, byte],
      [0x43, value, 0, value, 255, 0x44, value, 1, 2, value, 4, 5, value, value, 0x6a, 0xc4],
      [0xfc, 0x00, 0xfc, 0x0a, byte, byte, 0xfc, 0x0b, byte, 0x23, byte, 0x24, byte, 0x1a, 0x0f],
    ].flat()
    const functions = [
      [1, value & 0x7f, value, ...body, 0x0b],
      [0, 0x0b],
    ].flatMap((code) => [code.length, ...code])
    const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 1, value]
    const section = [10, 0x80 | ((functions.length + 1) & 0x7f), (functions.length + 1) >> 7, 2, ...functions]
    const module = Uint8Array.from([...head, ...section, 11, 3, value, 0x80, value])
    assert.deepEqual(unpack(encodeWasm(module)), module)
  }
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
  assert.throws(() => encodeWasm(module), { message: 'scripts/wasm-streams.mjs does not know opcode 0xfd' })
})

test('code that ends elsewhere than it says is an error when the streams are made', () => {
  const module = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 10, 6, 1, 2, 0, 0x0b, 0, 0)
  assert.throws(() => encodeWasm(module), { message: 'scripts/wasm-streams.mjs: the code section does not end where it should' })
})
