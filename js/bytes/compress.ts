/** Compression by the runtime's own means. */

import { builtin } from './codec.js'
import type { Awaitable } from './store.js'

/** `name` is kept with each entry that it has compressed; only a compression of that name reads it. */
export interface Compression {
  /** 1 to 64 of letters, digits, `.`, `_` and `-`. */
  readonly name: string
  compress(bytes: Uint8Array): Awaitable<Uint8Array>
  /** Must not answer more than `length` bytes, however few those are that it gets: it throws instead. */
  decompress(bytes: Uint8Array, length: number): Awaitable<Uint8Array>
}

export type CompressionName = 'gzip' | 'deflate' | 'brotli' | 'zstd'

/** What `node:zlib` has by name: `gzip`, `gzipSync`, and so on. */
type Zlib = Readonly<Record<string, ((bytes: Uint8Array, ...rest: unknown[]) => Uint8Array) | undefined>>

const NAMES = {
  gzip: ['gzip', 'gunzip'],
  deflate: ['deflate', 'inflate'],
  brotli: ['brotliCompress', 'brotliDecompress'],
  zstd: ['zstdCompress', 'zstdDecompress'],
} as const

/** Up to so many bytes, a thread of its own would cost more than it saves. */
const SYNC_BYTES_MAX = 32 * 1024

/** The runtime's compression of this name, if it has it: of `node:zlib`, else of `CompressionStream`. */
export function compressionOf(name: CompressionName): Compression | undefined {
  if (!Object.hasOwn(NAMES, name)) return undefined
  const [compress, decompress] = NAMES[name]
  const zlib = builtin<Zlib>('node:zlib')
  if (zlib?.[compress] !== undefined) {
    return {
      name,
      compress: (bytes) => run(zlib, compress, bytes, {}),
      decompress: (bytes, length) => run(zlib, decompress, bytes, { maxOutputLength: Math.max(1, length) }),
    }
  }
  if (typeof CompressionStream !== 'function' || (name !== 'gzip' && name !== 'deflate')) return undefined
  return {
    name,
    compress: (bytes) => pump(bytes, new CompressionStream(name), Number.POSITIVE_INFINITY),
    decompress: (bytes, length) => pump(bytes, new DecompressionStream(name), length),
  }
}

function run(zlib: Zlib, name: string, bytes: Uint8Array, options: object): Awaitable<Uint8Array> {
  if (bytes.length <= SYNC_BYTES_MAX) return zlib[`${name}Sync`]?.(bytes, options) as Uint8Array
  return new Promise((resolve, reject) => {
    zlib[name]?.(bytes, options, (error: unknown, result: Uint8Array) => (error ? reject(error) : resolve(result)))
  })
}

async function pump(bytes: Uint8Array, stream: CompressionStream | DecompressionStream, lengthMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  const reader = new Blob([bytes as BlobPart]).stream().pipeThrough<Uint8Array>(stream).getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value)
    length += next.value.length
    if (length > lengthMax) {
      void reader.cancel()
      throw new RangeError(`more than ${lengthMax} bytes`)
    }
  }
  return new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer())
}
