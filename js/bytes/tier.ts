/** A tier of anything that keeps bytes: each value in an envelope that is verified before it is decoded. What does not hold is a miss. */

import type { Tier, TierEntry } from '../types.js'
import { type Codec, jsonCodec, rawCodec } from './codec.js'
import { type Envelope, open, seal } from './envelope.js'
import type { ByteEntry, ByteStore } from './store.js'
import { keyBytes } from './wtf8.js'

export interface ByteTierOptions {
  /** Shown as an outcome's `source`, and in metrics. Default: the store's own name, or `'bytes'`. */
  name?: string | undefined
  /** Default `jsonCodec`. Values that are a `Uint8Array` are kept as they are, whatever the codec. */
  codec?: Codec | undefined
  /** Entries written under another generation are misses. Default 0. */
  generation?: number | undefined
}

/** So much may clocks of several machines differ: what was written later than that from now is of a clock that was set back since. */
const SKEW_MS_MAX = 60_000

/** A tier over `store`. */
export function byteTier(
  store: ByteStore,
  { name = store.name ?? 'bytes', codec = jsonCodec, generation = 0 }: ByteTierOptions = {},
): Tier {
  const codecs = new Map([codec, jsonCodec, rawCodec].reverse().map((each) => [each.name, each]))

  function encode(value: unknown): { name: string; payload: Uint8Array } | undefined {
    const by = value instanceof Uint8Array ? rawCodec : codec
    try {
      return { name: by.name, payload: by.encode(value) }
    } catch {
      return undefined
    }
  }

  function toBytes({ key, value, expiresAt }: TierEntry & { key: string }): ByteEntry[] {
    const encoded = encode(value)
    if (encoded === undefined) return []
    const writtenAt = Date.now()
    const ttlMs = expiresAt === undefined ? Number.POSITIVE_INFINITY : expiresAt - writtenAt
    const { name: by, payload } = encoded
    const bytes = seal(keyBytes(key), { writtenAt, ttlMs, generation, rawLength: payload.length, codec: by, payload })
    return [{ key, bytes, expiresAt }]
  }

  function decode({ writtenAt, ttlMs, generation: of, codec: by, payload }: Envelope): TierEntry | undefined {
    const now = Date.now()
    const expiresAt = Math.min(writtenAt, now) + ttlMs
    if (of !== generation || writtenAt > now + SKEW_MS_MAX || !(now < expiresAt)) return undefined
    const value = codecs.get(by)?.decode(payload)
    return ttlMs === Number.POSITIVE_INFINITY ? { value } : { value, expiresAt }
  }

  const tier: Tier = {
    name,
    async mget(keys) {
      const found = await store.mget(keys)
      if (!Array.isArray(found) || found.length !== keys.length)
        throw new TypeError("mget did not answer an array of its keys' length")
      const spoilt: string[] = []
      const entries = keys.map((key, index) => {
        const bytes: unknown = found[index]
        if (bytes === null || bytes === undefined) return undefined
        try {
          const envelope = bytes instanceof Uint8Array ? open(keyBytes(key), bytes) : 'corrupt'
          if (typeof envelope === 'object') return decode(envelope)
          if (envelope === 'otherVersion') return undefined
        } catch {
          // Bytes that the codec cannot read.
        }
        spoilt.push(key)
        return undefined
      })
      if (spoilt.length > 0) void Promise.resolve(store.mdelete(spoilt)).catch(() => {})
      return entries
    },
    async mset(entries) {
      const encoded = entries.flatMap(toBytes)
      if (encoded.length > 0) await store.mset(encoded)
    },
    async mdelete(keys) {
      await store.mdelete(keys)
    },
  }
  const { clear, keys, close } = store
  if (clear) tier.clear = async () => void (await clear.call(store))
  if (keys) tier.keys = () => keys.call(store)
  if (close) tier.close = async () => void (await close.call(store))
  return tier
}
