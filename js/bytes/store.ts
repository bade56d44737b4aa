/** What keeps bytes by key: a file, a database, a server. `byteTier` makes a tier of it, and trusts nothing that it answers. */

export type Awaitable<T> = T | PromiseLike<T>

/** Bytes to be kept. */
export interface ByteEntry {
  readonly key: string
  readonly bytes: Uint8Array
  /** Epoch milliseconds from which on the entry is of no use, so that the store may drop it. Without it, the entry does not expire. */
  readonly expiresAt?: number | undefined
}

/**
 * A store of bytes. Keys are any strings, lone surrogates included: where a store's own keys are not, `keyBytes` gives bytes that no two
 * strings share.
 *
 * It need not check what it keeps, nor look at `expiresAt`: `byteTier` does both when it reads. It may throw, reject and forget.
 */
export interface ByteStore {
  /** The tier's name, where `byteTier` is given none. */
  readonly name?: string | undefined
  /** The bytes in the order of `keys`, `undefined` or `null` where there are none. They are not changed; the store must not change them either. */
  mget(keys: readonly string[]): Awaitable<readonly (Uint8Array | null | undefined)[]>
  /** No key is twice in it. The bytes are the store's from now on. */
  mset(entries: readonly ByteEntry[]): Awaitable<unknown>
  mdelete(keys: readonly string[]): Awaitable<unknown>
  clear?(): Awaitable<unknown>
  keys?(): Iterable<string> | AsyncIterable<string>
  close?(): Awaitable<unknown>
}
