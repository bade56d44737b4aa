/** How values become bytes and bytes values. */

/** `name` is kept with each entry, which only a codec of that name reads. What throws is not stored, or a miss. */
export interface Codec {
  /** Letters, digits, `.`, `_` and `-`, at most 64. */
  readonly name: string
  encode(value: unknown): Uint8Array
  /** Must not keep the bytes. */
  decode(bytes: Uint8Array): unknown
}

const encoder = /* @__PURE__ */ new TextEncoder()
const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

/** A value that a codec cannot give back as it was. */
export class NotEncodable extends Error {}

/** JSON, for values that it gives back as they were. */
export const jsonCodec: Codec = {
  name: 'json',
  encode(value) {
    if (!isFaithful(value, 0)) throw new NotEncodable()
    return encoder.encode(JSON.stringify(value))
  },
  decode: (bytes) => JSON.parse(decoder.decode(bytes)),
}

/** Bytes as they are. */
export const rawCodec: Codec = {
  name: 'bytes',
  encode: (value) => value as Uint8Array,
  decode: (bytes) => bytes.slice(),
}

/** Deeper than this, a value is taken to be a circle. */
const DEPTH_MAX = 500

function isFaithful(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (typeof value !== 'object' || depth > DEPTH_MAX) return false
  const isArray = Array.isArray(value)
  if (!isArray && !isPlain(value)) return false
  const names = Object.keys(value)
  if (isArray && names.length !== value.length) return false
  return names.every((name) => isFaithful((value as Record<string, unknown>)[name], depth + 1))
}

function isPlain(value: object): boolean {
  return Object.getPrototypeOf(value) === Object.prototype
}
