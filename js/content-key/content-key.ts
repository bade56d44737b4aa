/**
 * Keys made of content: SHA-256 over an encoding in which no two different contents are the same bytes, whatever they are made of. Part of every
 * version's promise, as keys outlive processes. Little-endian; a *size* is a u32.
 *
 *     parts        'c', size, each part
 *     string       's', size in bytes, WTF-8
 *     number       'n', f64; -0 as 0, NaN as 7ff8000000000000
 *     BigInt       'i', size, decimal digits
 *     true, false, null, undefined      't', 'f', '0', 'u'
 *     bytes        'b', SHA-256 of them: so that it does not matter in which pieces they came
 *     array        'a', size, each element
 *     object       'o', size, each property in the order of the names (by UTF-16 code units): the name as a string, the value
 */

import { keyBytes } from '../bytes/wtf8.js'
import { isObject, misuse } from '../options/checks.js'
import { Sha256 } from './sha256.js'

/** What a content key is made of. Of arrays and plain objects: in the order of elements, in whatever order of properties. */
export type ContentPart =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly ContentPart[]
  | { readonly [name: string]: ContentPart }

/** What `contentKey.stream` takes besides: bytes that come in pieces, such as those of a file. */
export type StreamedPart = ContentPart | AsyncIterable<Uint8Array>

const EXPECTED =
  'strings, numbers, BigInts, booleans, null, undefined, Uint8Arrays, and arrays and plain objects of these without a circle'

/** `contentKey`, at once or by pieces. */
export interface ContentKey {
  (...parts: readonly ContentPart[]): string
  /** As `contentKey`, and the same key whether bytes come at once or in pieces: `await contentKey.stream('v1', createReadStream(file))`. */
  stream(...parts: readonly StreamedPart[]): Promise<string>
}

/**
 * A key of 64 hexadecimal digits, the same for the same parts in every process and version, and another one for any others: for results that depend on
 * nothing but their input.
 */
export const contentKey: ContentKey = ((...parts: readonly ContentPart[]): string => {
  const encoder = new Encoder(parts.length)
  parts.forEach((part, index) => {
    encoder.add(part, `contentKey(parts[${index}])`)
  })
  return encoder.finish()
}) as ContentKey

contentKey.stream = async (...parts) => {
  const encoder = new Encoder(parts.length)
  for (const [index, part] of parts.entries()) {
    const where = `contentKey.stream(parts[${index}])`
    if (isObject(part) && Symbol.asyncIterator in part) await encoder.addPieces(part as AsyncIterable<unknown>, where)
    else encoder.add(part as ContentPart, where)
  }
  return encoder.finish()
}

class Encoder {
  readonly #hash = new Sha256()
  /** What the value that is being written is in. */
  readonly #within = new Set<object>()

  constructor(count: number) {
    this.#tag('c', count)
  }

  add(value: ContentPart, where: string): void {
    switch (typeof value) {
      case 'string':
        return this.#text('s', value)
      case 'number': {
        const view = new DataView(new ArrayBuffer(8))
        // One of all NaN, and of both zeros.
        view.setFloat64(0, Number.isNaN(value) ? Number.NaN : value + 0, true)
        return this.#tag('n', undefined, new Uint8Array(view.buffer))
      }
      case 'bigint':
        return this.#text('i', `${value}`)
      case 'boolean':
        return this.#tag(value ? 't' : 'f')
      case 'undefined':
        return this.#tag('u')
      case 'object':
        if (value === null) return this.#tag('0')
        if (value instanceof Uint8Array) return this.#tag('b', undefined, new Sha256().update(value).finish())
        if (!this.#within.has(value)) return this.#addObject(value, where)
    }
    throw misuse(where, { expected: EXPECTED, outOfRange: false }, value, 'ERR_INVALID_CONTENT')
  }

  /** Bytes that come in pieces. */
  async addPieces(pieces: AsyncIterable<unknown>, where: string): Promise<void> {
    const hash = new Sha256()
    for await (const piece of pieces) {
      if (!(piece instanceof Uint8Array)) {
        throw misuse(where, { expected: 'pieces that are Uint8Arrays', outOfRange: false }, piece, 'ERR_INVALID_CONTENT')
      }
      hash.update(piece)
    }
    this.#tag('b', undefined, hash.finish())
  }

  finish(): string {
    return Array.from(this.#hash.finish(), (byte) => byte.toString(16).padStart(2, '0')).join('')
  }

  #addObject(value: Exclude<ContentPart & object, Uint8Array>, where: string): void {
    this.#within.add(value)
    if (Array.isArray(value)) {
      this.#tag('a', value.length)
      for (let index = 0; index < value.length; index++) this.add(value[index], `${where}[${index}]`)
    } else {
      const prototype = Object.getPrototypeOf(value)
      if (prototype !== null && (Object.getPrototypeOf(prototype) !== null || !Object.hasOwn(prototype, 'hasOwnProperty'))) {
        throw misuse(where, { expected: EXPECTED, outOfRange: false }, value, 'ERR_INVALID_CONTENT')
      }
      const names = Object.keys(value).sort()
      this.#tag('o', names.length)
      for (const name of names) {
        this.#text('s', name)
        this.add((value as Record<string, ContentPart>)[name], `${where}.${name}`)
      }
    }
    this.#within.delete(value)
  }

  #text(tag: string, text: string): void {
    const bytes = keyBytes(text)
    this.#tag(tag, bytes.length, bytes)
  }

  #tag(tag: string, size?: number, bytes?: Uint8Array): void {
    this.#hash.update(Uint8Array.of(tag.charCodeAt(0)))
    if (size !== undefined) this.#hash.update(new Uint8Array(Uint32Array.of(size).buffer))
    if (bytes !== undefined) this.#hash.update(bytes)
  }
}
