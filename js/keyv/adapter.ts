/** Sluice as a storage adapter for Keyv. */

import { typed, verify } from '../options/checks.js'
import type { BatchProcessor } from '../processor.js'

/** What of a processor the adapter uses. */
export type KeyvProcessor = Pick<BatchProcessor, 'mget' | 'mset' | 'has' | 'delete' | 'invalidate' | 'clear' | 'memory'>
/** What Keyv hands to `setMany`. */
export type KeyvEntry = { key: string; value: unknown; ttl?: number | undefined }

/**
 * A storage adapter for Keyv 5 and 6 that keeps things in a `BatchProcessor`, in memory and its tiers: `new Keyv({ store: new KeyvSluice(processor) })`. It is a
 * cache: what has to leave leaves, and `iterator` knows what is in memory.
 *
 * Its contract is that of version 5, which version 6 bridges.
 */
export class KeyvSluice {
  /** Keyv 5 iterates over adapters of the dialects that it knows. */
  readonly opts: Record<string, unknown> = { url: 'sluice', dialect: 'sqlite' }
  /** Set by Keyv 5, which puts it before each key, too. */
  declare namespace?: string | undefined
  readonly #processor: KeyvProcessor

  constructor(processor: KeyvProcessor) {
    const isRight = (value: unknown): boolean => typeof (value as KeyvProcessor | undefined)?.mget === 'function'
    verify('KeyvSluice(processor)', processor, typed('a BatchProcessor', isRight))
    this.#processor = processor
  }

  async get(key: string): Promise<unknown> {
    return (await this.getMany([key]))[0]
  }

  getMany(keys: readonly string[]): Promise<unknown[]> {
    return this.#processor.mget(keys)
  }

  /** `ttl` in milliseconds; without it, until it is evicted. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    await this.setMany([{ key, value, ttl }])
    return true
  }

  async setMany(entries: readonly KeyvEntry[]): Promise<boolean[]> {
    await this.#processor.mset(entries.map(({ key, value, ttl }) => ({ key, value, ttl: ttl || Number.POSITIVE_INFINITY })))
    return entries.map(() => true)
  }

  delete(key: string): Promise<boolean> {
    return this.deleteMany([key])
  }

  /** Whether one of the keys was there. */
  async deleteMany(keys: readonly string[]): Promise<boolean> {
    const had = await this.hasMany(keys)
    await this.#processor.delete(keys)
    return had.includes(true)
  }

  has(key: string): Promise<boolean> {
    return this.#processor.has(key)
  }

  hasMany(keys: readonly string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)))
  }

  async clear(): Promise<void> {
    if (this.namespace) await this.#processor.invalidate({ prefix: `${this.namespace}:` })
    else await this.#processor.clear()
  }

  /** Of what is in memory. */
  async *iterator(namespace: string | undefined = this.namespace): AsyncGenerator<[string, unknown], void> {
    for (const key of [...this.#processor.memory.keys()]) {
      const value = this.#processor.memory.peek(key)
      if (value !== undefined && (!namespace || key.startsWith(`${namespace}:`))) yield [key, value]
    }
  }

  /** Emits nothing: what fails rejects. */
  on(): this {
    return this
  }

  /** The processor is yours to close. */
  async disconnect(): Promise<void> {}
}
