/**
 * A tier of anything that keeps bytes: each value in an envelope, which is verified before anything of it is decoded. What does not hold is a miss, and
 * is removed, as nobody else could read it either.
 */

import { aKey, anInteger, anIntegerOrInfinity, isObject, typed, verify, withMethods } from '../options/checks.js'
import type { Tier, TierEntry } from '../types.js'
import { bufferCodec, bytesCodec, type Codec, codecOfBytes, jsonCodec } from './codec.js'
import { type Compression, type CompressionName, compressionOf } from './compress.js'
import { type Envelope, open, seal } from './envelope.js'
import type { Awaitable, ByteEntry, ByteStore } from './store.js'
import { keyBytes } from './wtf8.js'

export interface ByteTierOptions {
  /** Shown as an outcome's `source`, and in metrics. Default: the store's own name, or `'bytes'`. */
  name?: string | undefined
  /** Default `jsonCodec`. A `Uint8Array` or `Buffer` is kept as it is, whatever the codec. */
  codec?: Codec | undefined
  /** Default: not compressed. By name where the runtime has it (`node:zlib`; else `CompressionStream`, which has gzip and deflate), or your own. */
  compress?: CompressionName | Compression | undefined
  /** What has fewer bytes is not compressed. Default 1024. */
  compressAbove?: number | undefined
  /** Values of more bytes than this, before compression, are neither stored nor read. Default 64 MiB; at most 4 GiB. */
  maxValueBytes?: number | undefined
  /** Entries written under another generation are misses: a number to count up when the meaning of values changes. Default 0. */
  generation?: number | undefined
  /** Where the time of day comes from, in epoch milliseconds. Default: `Date.now`. */
  clock?: { wallNow(): number } | undefined
}

/** What a tier of bytes did with entries, besides what every tier's metrics have. */
export interface ByteTierMetrics {
  /** Values that the codec could not give back as they were: delivered, not stored. */
  unencodable: number
  /** Values of more than `maxValueBytes`: delivered, not stored. */
  tooLarge: number
  /** Bytes that were not whole, another key's, or not what their codec says: misses, and removed. */
  corrupt: number
  /** Entries past their time, of another generation or codec, or written later than now: misses. */
  unusable: number
}

export interface ByteTier extends Tier {
  mget(keys: readonly string[]): Promise<(TierEntry | undefined)[]>
  mset(entries: readonly (TierEntry & { key: string })[]): Promise<void>
  mdelete(keys: readonly string[]): Promise<void>
  readonly metrics: Readonly<ByteTierMetrics>
}

type Kept = TierEntry & { key: string }

/** So far may clocks of several machines differ. What was written later than that from now is of a clock that has been set back since. */
const SKEW_MS_MAX = 60_000

const aByteStore = withMethods('a store of bytes with mget, mset, mdelete', 'mget', 'mset', 'mdelete')
const named = (what: string, ...methods: readonly string[]) =>
  typed(`${what} with a name of 1 to 64 letters, digits, '.', '_', '-'`, (value) => {
    return (
      isObject(value) && /^[\w.-]{1,64}$/.test(value.name as string) && methods.every((name) => typeof value[name] === 'function')
    )
  })
const aCodec = named('a codec ({ name, encode, decode })', 'encode', 'decode')
const aCompression = named(
  'a compression that this runtime has, or one ({ name, compress, decompress })',
  'compress',
  'decompress',
)

/** A tier over `store`. */
export function byteTier(store: ByteStore, options: ByteTierOptions = {}): ByteTier {
  verify('byteTier(store)', store, aByteStore)
  const {
    name = store.name ?? 'bytes',
    codec = jsonCodec,
    compressAbove = 1024,
    maxValueBytes = 2 ** 26,
    generation = 0,
  } = options
  const compress = typeof options.compress === 'string' ? (compressionOf(options.compress) ?? options.compress) : options.compress
  verify('byteTier.name', name, aKey)
  verify('byteTier.codec', codec, aCodec)
  if (compress !== undefined) verify('byteTier.compress', compress, aCompression)
  verify('byteTier.compressAbove', compressAbove, anIntegerOrInfinity(0))
  verify('byteTier.maxValueBytes', maxValueBytes, anInteger(1, 2 ** 32 - 1))
  verify('byteTier.generation', generation, anInteger(0, 2 ** 32 - 1))
  return new TierOfBytes(
    store,
    { name, codec, compress: compress as Compression | undefined, compressAbove, maxValueBytes, generation },
    options.clock,
  )
}

interface Terms {
  readonly name: string
  readonly codec: Codec
  readonly compress: Compression | undefined
  readonly compressAbove: number
  readonly maxValueBytes: number
  readonly generation: number
}

class TierOfBytes implements ByteTier {
  readonly name: string
  readonly metrics: ByteTierMetrics = { unencodable: 0, tooLarge: 0, corrupt: 0, unusable: 0 }
  // Where the store has them.
  declare readonly clear?: () => Promise<void>
  declare readonly keys?: NonNullable<ByteStore['keys']>
  declare readonly close?: () => Promise<void>
  readonly #store: ByteStore
  readonly #terms: Terms
  readonly #now: () => number

  constructor(store: ByteStore, terms: Terms, clock: ByteTierOptions['clock']) {
    this.#store = store
    this.#terms = terms
    this.#now = () => (clock ?? { wallNow: Date.now }).wallNow()
    this.name = terms.name
    const { clear, keys, close } = store
    if (clear) this.clear = async () => void (await clear.call(store))
    if (keys) this.keys = () => keys.call(store)
    if (close) this.close = async () => void (await close.call(store))
  }

  // Properties, so that a tier can be made of another by spreading it.
  readonly mget = async (keys: readonly string[]): Promise<(TierEntry | undefined)[]> => {
    const found = await this.#store.mget(keys)
    if (!Array.isArray(found) || found.length !== keys.length)
      throw new TypeError("mget did not answer an array of its keys' length")
    const spoilt: string[] = []
    const read = keys.map((key, at) => this.#read(key, found[at], spoilt))
    // A promise for each would cost as much as all the rest, and few codecs answer by one.
    const entries = read.some(isThenable) ? await Promise.all(read) : (read as (TierEntry | undefined)[])
    this.metrics.corrupt += spoilt.length
    if (spoilt.length > 0) this.mdelete(spoilt).catch(() => {})
    return entries
  }

  readonly mset = async (entries: readonly Kept[]): Promise<void> => {
    const sealed = await Promise.all(entries.map((entry) => this.#seal(entry)))
    const kept = sealed.filter((entry) => entry !== undefined)
    // What the store has of a key that cannot be written is older.
    const dropped = entries.filter((_, at) => sealed[at] === undefined).map(({ key }) => key)
    if (kept.length > 0) await this.#store.mset(kept)
    if (dropped.length > 0) await this.mdelete(dropped)
  }

  readonly mdelete = async (keys: readonly string[]): Promise<void> => {
    await this.#store.mdelete(keys)
  }

  async #seal({ key, value, expiresAt }: Kept): Promise<ByteEntry | undefined> {
    const { compress, compressAbove, maxValueBytes, generation } = this.#terms
    const writtenAt = this.#now()
    const ttlMs = expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt - writtenAt
    if (ttlMs <= 0) return undefined
    let by: string
    let payload: Uint8Array
    try {
      if (value === undefined) throw new TypeError('no value')
      const codec = codecOfBytes(value) ?? this.#terms.codec
      by = codec.name
      payload = bytesOf(await codec.encode(value))
    } catch {
      this.metrics.unencodable++
      return undefined
    }
    const rawLength = payload.length
    if (rawLength > maxValueBytes) {
      this.metrics.tooLarge++
      return undefined
    }
    if (compress !== undefined && rawLength >= compressAbove) {
      try {
        const compressed = bytesOf(await compress.compress(payload))
        if (compressed.length < rawLength) {
          payload = compressed
          by += `+${compress.name}`
        }
      } catch {
        // It is kept as it is.
      }
    }
    return { key, bytes: seal(keyBytes(key), { writtenAt, ttlMs, generation, rawLength, codec: by, payload }), expiresAt }
  }

  /** The entry in `bytes`, which are said to be that of `key`, which else is one of the `spoilt`; by a promise where its codec answers by one. */
  #read(key: string, bytes: unknown, spoilt: string[]): Awaitable<TierEntry | undefined> {
    if (bytes === undefined || bytes === null) return undefined
    const take = (entry: TierEntry | undefined): TierEntry | undefined => {
      if (entry === undefined) this.metrics.unusable++
      return entry
    }
    const spoil = (): undefined => {
      spoilt.push(key)
    }
    const envelope = bytes instanceof Uint8Array ? open(key, bytes) : 'corrupt'
    if (envelope === 'corrupt') return spoil()
    try {
      const entry = typeof envelope === 'object' ? this.#decode(envelope) : undefined
      return isThenable(entry) ? entry.then(take, spoil) : take(entry)
    } catch {
      // Whole, but nothing that its codec could have written.
      return spoil()
    }
  }

  #decode({ writtenAt, ttlMs, generation, rawLength, codec: by, payload }: Envelope): Awaitable<TierEntry | undefined> {
    const { codec, compress, maxValueBytes } = this.#terms
    const now = this.#now()
    // Never longer than it was given, however the clocks differ.
    const expiresAt = Math.min(writtenAt, now) + ttlMs
    const isInTime = writtenAt <= now + SKEW_MS_MAX && now < expiresAt
    const [name, how] = by.split('+') as [string, string?]
    const decoder = [bytesCodec, bufferCodec, codec, jsonCodec].find((each) => each.name === name)
    const inflater = how === undefined || how === compress?.name ? compress : compressionOf(how as CompressionName)
    if (!isInTime || generation !== this.#terms.generation || rawLength > maxValueBytes || decoder === undefined) return undefined
    const entryOf = (value: unknown): TierEntry | undefined => {
      if (value === undefined) return undefined
      return ttlMs === Number.POSITIVE_INFINITY ? { value } : { value, expiresAt }
    }
    const decode = (raw: Uint8Array): Awaitable<TierEntry | undefined> => {
      if (raw.length !== rawLength) throw new RangeError('another length')
      const value = decoder.decode(raw)
      return isThenable(value) ? value.then(entryOf) : entryOf(value)
    }
    if (how === undefined) return decode(payload)
    return inflater && Promise.resolve(inflater.decompress(payload, rawLength)).then(bytesOf).then(decode)
  }
}

function isThenable(value: unknown): value is PromiseLike<TierEntry | undefined> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function'
}

function bytesOf(made: unknown): Uint8Array {
  if (made instanceof Uint8Array) return made
  throw new TypeError('no bytes')
}
