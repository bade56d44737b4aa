/** A storage adapter of Keyv's, of version 5 or 6, as a store of bytes: each value is a string, in base64, as most of them keep nothing else. */

import type { ByteEntry, ByteStore } from '../bytes/store.js'
import { isObject, typed, verify } from '../options/checks.js'

/** What `new Keyv({ store })` takes: a storage adapter, or a Map. */
export interface KeyvAdapter {
  get(key: string): unknown
  /** Version 5: milliseconds to live. Version 6, if `capabilities.expires`: epoch milliseconds. */
  set(key: string, value: never, time?: number): unknown
  delete(key: string): unknown
  clear(): unknown
}

/** A Keyv: its adapter is used, under its namespace. */
export interface KeyvLike {
  readonly store: unknown
  readonly namespace?: string | undefined
}

type Adapter = KeyvAdapter & {
  readonly store?: unknown
  readonly capabilities?: { readonly expires?: boolean }
  getMany?(keys: readonly string[]): unknown
  setMany?(entries: readonly object[]): unknown
  deleteMany?(keys: readonly string[]): unknown
  iterator?(namespace?: string): AsyncIterable<readonly [string, unknown]>
  on?(event: 'error', listener: (error: unknown) => void): unknown
}

const isAdapter = (value: unknown): boolean =>
  isObject(value) && ['get', 'set', 'delete', 'clear'].every((name) => typeof value[name] === 'function')

/**
 * A store of bytes in a storage adapter of Keyv's, or in that of a Keyv; `byteTier` makes a tier of it. Reads, writes and deletes many at once where the
 * adapter can. It is not disconnected when the tier is closed: it is yours.
 */
export function keyvStore(keyv: KeyvAdapter | KeyvLike, { name = 'keyv' }: { name?: string | undefined } = {}): ByteStore {
  const inner: unknown = isObject(keyv) && 'store' in keyv && isAdapter(keyv.store) ? keyv.store : keyv
  const expected = 'a Keyv, or a storage adapter with get, set, delete, clear'
  verify('keyvStore(keyv)', inner, typed(expected, isAdapter))
  const adapter = inner as Adapter
  const namespace = inner === keyv ? undefined : (keyv as KeyvLike).namespace
  const prefix = namespace === undefined ? '' : `${namespace}:`
  const nameOf = (key: string): string => prefix + key
  // Many adapters tell of what has failed by this event alone.
  let failed = 0
  let reason: unknown
  adapter.on?.('error', (error) => {
    failed++
    reason = error
  })

  async function honestly<T>(work: () => T): Promise<Awaited<T>> {
    const before = failed
    const answer = await work()
    if (failed > before) throw reason
    return answer
  }

  const store: ByteStore = {
    name,
    mget(keys) {
      return honestly(async () => {
        const names = keys.map(nameOf)
        const found = adapter.getMany ? await adapter.getMany(names) : await Promise.all(names.map((each) => adapter.get(each)))
        return Array.isArray(found) ? found.map(toBytes) : (found as never)
      })
    },
    mset(entries) {
      return honestly(async () => {
        const told = entries.map((entry) => ({ key: nameOf(entry.key), value: toText(entry.bytes), ...timeOf(entry) }))
        const done = adapter.setMany
          ? await adapter.setMany(told)
          : await Promise.all(told.map(({ key, value, ttl, expires }) => adapter.set(key, value as never, expires ?? ttl)))
        if (done === false || (Array.isArray(done) && done.includes(false))) throw new Error('it did not take all entries')
      })
    },
    mdelete(keys) {
      return honestly(() => {
        const names = keys.map(nameOf)
        return adapter.deleteMany ? adapter.deleteMany(names) : Promise.all(names.map((each) => adapter.delete(each)))
      })
    },
    clear: () => honestly(() => adapter.clear()),
  }
  if (canList(adapter)) {
    store.keys = async function* () {
      const names = adapter instanceof Map ? adapter : adapter.iterator?.(namespace)
      for await (const [each] of (names ?? []) as AsyncIterable<readonly [string]>) {
        if (each.startsWith(prefix)) yield each.slice(prefix.length)
      }
    }
  }
  return store

  function timeOf({ expiresAt }: ByteEntry): { ttl?: number; expires?: number } {
    if (expiresAt === undefined) return {}
    // A Map would take it for nothing, and version 5 for whole milliseconds.
    return adapter.capabilities?.expires ? { expires: expiresAt } : { ttl: Math.max(1, Math.ceil(expiresAt - Date.now())) }
  }
}

/** Version 6 bridges adapters that cannot list their keys to one that lists none. */
function canList(adapter: unknown): boolean {
  if (adapter instanceof Map) return true
  if (!isObject(adapter) || typeof adapter.iterator !== 'function') return false
  return adapter.store === undefined || canList(adapter.store)
}

function toText(bytes: Uint8Array): string {
  let text = ''
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return btoa(text)
}

/** What is no text of ours is bytes of nobody: `byteTier` finds that they are not whole. */
function toBytes(value: unknown): Uint8Array | undefined {
  if (value === undefined || value === null) return undefined
  try {
    return Uint8Array.from(atob(value as string), (char) => char.charCodeAt(0))
  } catch {
    return new Uint8Array()
  }
}
