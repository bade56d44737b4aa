/** `sluice/bytes`: tiers of what keeps bytes. Beside the main entry, of which it knows the types alone. */

export { type Codec, jsonCodec, v8Codec } from './codec.js'
export type { Compression, CompressionName } from './compress.js'
export type { Awaitable, ByteEntry, ByteStore } from './store.js'
export { type ByteTier, type ByteTierMetrics, type ByteTierOptions, byteTier } from './tier.js'
export { keyBytes } from './wtf8.js'
