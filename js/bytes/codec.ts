/**
 * How values become bytes and bytes values. What comes back from a tier must be what was fetched: a value that a codec would give back as something
 * else is not stored.
 */

import type { Awaitable } from './store.js'

/** `name` is kept with each entry; only a codec of that name reads it. */
export interface Codec {
  /** 1 to 64 of letters, digits, `.`, `_` and `-`. */
  readonly name: string
  /** Throws, or rejects, for a value that it cannot give back as it was: that is delivered and not stored. */
  encode(value: unknown): Awaitable<Uint8Array>
  /** Must not keep `bytes`, nor give them back. What throws is a miss. */
  decode(bytes: Uint8Array): unknown
}

interface V8 {
  serialize(value: unknown): Uint8Array
  deserialize(bytes: Uint8Array): unknown
}

/** A module of Node's, where the runtime has it. */
export function builtin<Module>(name: string): Module | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => Module | undefined } }
  return process?.getBuiltinModule?.(name)
}

const encoder = /* @__PURE__ */ new TextEncoder()
const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

/** Deeper than this, a value is not taken to be one that JSON can write. */
const DEPTH_MAX = 500

/**
 * JSON. `null`, booleans, strings, finite numbers but `-0`, and arrays and plain objects of these, at most 500 deep; whatever JSON would drop or change
 * (`undefined`, holes, functions, symbols, BigInts, NaN, dates, maps, instances of classes) is not encodable, wherever it is in the value.
 * Properties are read once more than written: a getter is stored as what it answers.
 */
export const jsonCodec: Codec = {
  name: 'json',
  encode(value) {
    if (!isJson(value, 0)) throw new TypeError('JSON would give something else back')
    return encoder.encode(JSON.stringify(value))
  },
  decode: (bytes) => JSON.parse(decoder.decode(bytes)),
}

/**
 * `v8.serialize` of Node, Bun and Deno: besides what JSON has, `undefined`, BigInts, NaN, `-0`, holes, dates, maps, sets, buffers, typed
 * arrays, and objects that are in it twice or in a circle. Functions, symbols, errors, and instances of other classes are not encodable.
 * A runtime reads what an older one wrote; what it cannot read is a miss.
 */
export const v8Codec: Codec = {
  name: 'v8',
  encode(value) {
    if (!isCloneable(value, new Set())) throw new TypeError('structured cloning would give something else back')
    return v8().serialize(value)
  },
  // A copy: what it makes of typed arrays are views of the bytes.
  decode: (bytes) => v8().deserialize(new Uint8Array(bytes)),
}

/** What is a `Uint8Array` as it is. */
export const bytesCodec: Codec = {
  name: 'bytes',
  encode: (value) => value as Uint8Array,
  decode: (bytes) => new Uint8Array(bytes),
}

/** The same for Node's `Buffer`. */
export const bufferCodec: Codec = {
  ...bytesCodec,
  name: 'buffer',
  decode: (bytes) => bufferClass()?.from(bytes),
}

/** The codec of what is kept as it is. */
export function codecOfBytes(value: unknown): Codec | undefined {
  if (!(value instanceof Uint8Array)) return undefined
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Uint8Array.prototype) return bytesCodec
  return prototype === bufferClass()?.prototype ? bufferCodec : undefined
}

function v8(): V8 {
  const module = builtin<V8>('node:v8')
  if (module === undefined) throw new TypeError('this runtime has no node:v8')
  return module
}

interface BufferClass {
  readonly prototype: object
  from(bytes: Uint8Array): Uint8Array
}

function bufferClass(): BufferClass | undefined {
  return (globalThis as { Buffer?: BufferClass }).Buffer
}

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (typeof value !== 'object' || depth > DEPTH_MAX) return false
  const isArray = Array.isArray(value)
  if (classOf(value) !== (isArray ? 'Array' : 'Object') || Object.getOwnPropertySymbols(value).length > 0) return false
  const names = Object.keys(value)
  // As many names as elements: no holes, and nothing besides.
  if (isArray && names.length !== value.length) return false
  return names.every((name) => isJson((value as Record<string, unknown>)[name], depth + 1))
}

function isCloneable(value: unknown, seen: Set<unknown>): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'function' && typeof value !== 'symbol'
  if (seen.has(value) || codecOfBytes(value) !== undefined) return true
  seen.add(value)
  const of = classOf(value)
  if (ArrayBuffer.isView(value)) return of !== 'DataView' && of !== ''
  if (Object.getOwnPropertySymbols(value).length > 0) return false
  const names = Object.keys(value)
  if (of === 'Object' || of === 'Array') return names.every((name) => isCloneable((value as Record<string, unknown>)[name], seen))
  if (names.length > 0) return false
  if (of === 'Map' || of === 'Set') {
    for (const items of (value as Map<unknown, unknown>).entries())
      if (!items.every((item) => isCloneable(item, seen))) return false
    return true
  }
  return of === 'Date' || of === 'ArrayBuffer'
}

/** The name of the built-in class that `value` is of, of whatever realm; of no other. */
function classOf(value: object): string {
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype) return 'Object'
  if (prototype === Array.prototype) return 'Array'
  const by: unknown = prototype !== null && Object.hasOwn(prototype, 'constructor') ? prototype.constructor : undefined
  return typeof by === 'function' && /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(by)) ? by.name : ''
}
