/** The in-memory cache alone, synchronous: what an lru-cache was used for, over the same entries the batches use. */

import type { Dispatcher } from './dispatcher.js'
import { type Engine, MISS, type Slot } from './engine/engine.js'
import { aKey, misuse, verify } from './options/checks.js'
import { REQUEST_FIELDS } from './options/declarations.js'
import type { SetEntry, SetOptions } from './types.js'

const CHECKS = new Map(REQUEST_FIELDS.map(({ name, check }) => [name, check]))

/**
 * A processor's resident entries. Nothing here fetches, waits, or asks a tier: `set` and `delete` change memory alone (and keep loads in flight from
 * overwriting it). The processor's own `set` and `delete` change the tiers, too.
 */
export class MemoryCache {
  readonly #dispatcher: Dispatcher

  /** @internal Made by the processor. */
  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher
  }

  /** The value of `key`, `undefined` if there is no valid one. Counts as a use. */
  get<T = unknown>(key: string): T | undefined {
    return this.#valueAt(this.#find(key, 'get')) as T | undefined
  }

  /** Whether `key` has a valid value. Not a use. */
  has(key: string): boolean {
    return this.#find(key, 'peek') !== MISS
  }

  /** As `get`, but not a use. */
  peek<T = unknown>(key: string): T | undefined {
    return this.#valueAt(this.#find(key, 'peek')) as T | undefined
  }

  /** Milliseconds the value of `key` stays valid; 0 if there is none, `Infinity` if it never expires. */
  remainingTtl(key: string): number {
    const slot = this.#find(key, 'peek')
    return slot === MISS ? 0 : this.#dispatcher.engine.remaining(slot, this.#dispatcher.now())
  }

  /** Keeps `value`. `undefined` and a `ttl` of 0 remove what there is. */
  set(key: string, value: unknown, options: SetOptions = {}): this {
    this.mset([{ ...options, key, value }])
    return this
  }

  /** Removes `key`. Answers whether it had a valid value. */
  delete(key: string): boolean {
    return this.mdelete([key]) > 0
  }

  /** The values in the order of `keys`, `undefined` where there is none. */
  mget<T = unknown>(keys: readonly string[]): (T | undefined)[] {
    verifyKeys(keys)
    return keys.map((key) => this.get<T>(key))
  }

  /** Keeps many values, or none if one of the entries is not right. */
  mset(entries: readonly SetEntry[]): void {
    verifyEntries(entries)
    const dispatcher = this.#dispatcher
    // Read before anything is changed: reading and weighing may call what is the user's.
    const read = entries.map(({ key, value, ttl, weight }) => ({ key, value, ttl, weight: dispatcher.weigh(value, weight) }))
    if (!dispatcher.change(read.map(({ key }) => key))) return
    dispatcher.store(read)
    const { engine } = dispatcher
    for (const { key, tags = [] } of entries) for (const tag of tags) engine.tagKey(key, tag)
  }

  /** Removes many keys. Answers how many had a valid value. */
  mdelete(keys: readonly string[]): number {
    verifyKeys(keys)
    const dispatcher = this.#dispatcher
    if (!dispatcher.change(keys)) return 0
    return dispatcher.uninterrupted(() => {
      const { engine } = dispatcher
      const deleted = engine.mdelete(engine.writeKeys(keys), dispatcher.now())
      dispatcher.after()
      return deleted
    })
  }

  /** Removes what begins with a prefix, matches a glob pattern, or has a tag. Answers the keys removed, and how many were valid. */
  invalidate(kind: 'prefix' | 'pattern' | 'tag', text: string): { keys: string[]; count: number } {
    verify(kind, text, aKey)
    const dispatcher = this.#dispatcher
    if (!dispatcher.change()) return { keys: [], count: 0 }
    return dispatcher.uninterrupted(() => {
      const removed = dispatcher.engine.invalidate(kind, text, dispatcher.now())
      dispatcher.after()
      return removed
    })
  }

  /** Removes everything. Loads in flight answer who waits for them, and are not stored. */
  clear(): void {
    if (this.#dispatcher.change()) this.#dispatcher.engine.clear()
  }

  /** Removes what has expired and was not asked for since. Happens by itself as entries are added. */
  purgeStale(): void {
    const engine = this.#living()
    if (engine === undefined) return
    engine.purge(this.#dispatcher.now())
    this.#dispatcher.after()
  }

  /**
   * The keys of all valid values, from the last to the first that would leave: most recently used first with `policy: 'lru'`, and by
   * default as long as memory is not full.
   */
  keys(): IterableIterator<string> {
    return (this.#living()?.keys(this.#dispatcher.now()) ?? []).values()
  }

  /** Entries held; expired ones may be among them until they are swept. */
  get size(): number {
    return this.#living()?.size ?? 0
  }

  /** What all entries weigh together; 0 where `maxWeight` is not given. */
  get weight(): number {
    return this.#living()?.weight ?? 0
  }

  /** The slot of `key`, `MISS` if it has no valid value. */
  #find(key: string, how: 'get' | 'peek'): Slot {
    if (typeof key !== 'string') verify('key', key, aKey, 'ERR_INVALID_KEY')
    const engine = this.#living()
    return engine === undefined ? MISS : engine[how](key, this.#dispatcher.now())
  }

  #valueAt(slot: Slot): unknown {
    return slot === MISS ? undefined : this.#dispatcher.engine.values[slot]
  }

  /** Nothing while there is no engine: then nothing is kept. */
  #living(): Engine | undefined {
    return this.#dispatcher.ensureAlive() ? this.#dispatcher.engine : undefined
  }
}

export function verifyKeys(keys: unknown, where = 'keys'): asserts keys is readonly string[] {
  if (!Array.isArray(keys)) throw misuse(where, { expected: 'an array of strings', outOfRange: false }, keys, 'ERR_INVALID_KEY')
  for (let index = 0; index < keys.length; index++) {
    if (typeof keys[index] !== 'string') verify(`${where}[${index}]`, keys[index], aKey, 'ERR_INVALID_KEY')
  }
}

export function verifyEntries(entries: unknown): asserts entries is readonly SetEntry[] {
  if (!Array.isArray(entries)) {
    throw misuse('entries', { expected: 'an array of { key, value }', outOfRange: false }, entries, 'ERR_INVALID_ENTRIES')
  }
  entries.forEach((entry: unknown, index) => {
    const where = `entries[${index}]`
    if (typeof entry !== 'object' || entry === null) {
      throw misuse(where, { expected: '{ key, value }', outOfRange: false }, entry, 'ERR_INVALID_ENTRIES')
    }
    for (const name of ['key', 'ttl', 'tags', 'weight'] as const) {
      const value = (entry as Record<string, unknown>)[name]
      if (value === undefined && name !== 'key') continue
      verify(`${where}.${name}`, value, CHECKS.get(name) as never, name === 'key' ? 'ERR_INVALID_KEY' : 'ERR_INVALID_ENTRIES')
    }
  })
}
