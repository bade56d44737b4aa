/** A storage of unstorage's as a store of bytes. */

import type { ByteStore } from '../bytes/store.js'
import { keyBytes, keyOfBytes } from '../bytes/wtf8.js'
import { typed, verify, withMethods } from '../options/checks.js'

/** What `createStorage` of unstorage answers. */
export interface UnstorageLike {
  getItemRaw(key: string): Promise<unknown>
  setItemRaw(key: string, value: never, options?: never): Promise<unknown>
  removeItem(key: string): Promise<unknown>
  getKeys(base?: string): Promise<string[]>
}

/** So many digits are a part of a name: file systems have a limit. */
const PART = 128

/**
 * A store of bytes in a storage of unstorage's, beneath `base`; `byteTier` makes a tier of it. Keys are hexadecimal there, since unstorage takes some characters for
 * others, and some file systems do. It is not disposed of when the tier is closed: it is yours.
 */
export function unstorageStore(
  storage: UnstorageLike,
  { base = 'sluice', name = 'unstorage' }: { base?: string | undefined; name?: string | undefined } = {},
): ByteStore {
  const methods = ['getItemRaw', 'setItemRaw', 'removeItem', 'getKeys']
  verify('unstorageStore(storage)', storage, withMethods("a storage of unstorage's", ...methods))
  verify(
    'unstorageStore.base',
    base,
    typed("letters, digits, '.', '_', '-', in parts with ':' between", (value) => /^[\w.-]+(?::[\w.-]+)*$/.test(value as string)),
  )
  const nameOf = (key: string): string => `${base}:${toName(key)}`
  const keyOf = (each: string): string | undefined => toKey(each.slice(base.length + 1))
  const isOurs = (each: string): boolean => keyOf(each) !== undefined
  return {
    name,
    mget: (keys) => Promise.all(keys.map(async (key) => toBytes(await storage.getItemRaw(nameOf(key))))),
    mset: (entries) => {
      return Promise.all(
        entries.map(({ key, bytes, expiresAt }) => {
          // Seconds, as drivers that can expire take them.
          const ttl = expiresAt === undefined ? undefined : Math.max(1, Math.ceil((expiresAt - Date.now()) / 1000))
          return storage.setItemRaw(nameOf(key), bytes as never, { ttl } as never)
        }),
      )
    },
    mdelete: (keys) => Promise.all(keys.map((key) => storage.removeItem(nameOf(key)))),
    // Its own `clear` is of whole mounts.
    clear: async () => Promise.all((await storage.getKeys(base)).filter(isOurs).map((each) => storage.removeItem(each))),
    async *keys() {
      for (const each of await storage.getKeys(base)) {
        const key = keyOf(each)
        if (key !== undefined) yield key
      }
    },
  }
}

/** In hexadecimal, in parts; the last one ends in `_`, so that no name is a folder of another. */
function toName(key: string): string {
  const hex = Array.from(keyBytes(key), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.replaceAll(new RegExp(`.{${PART}}`, 'g'), '$&:')}_`
}

function toKey(name: string): string | undefined {
  if (!/^(?:[\da-f]{2}|:)*_$/.test(name)) return undefined
  const hex = name.replaceAll(/[:_]/g, '')
  return keyOfBytes(Uint8Array.from({ length: hex.length / 2 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16)))
}

/** As drivers give them. */
function toBytes(value: unknown): Uint8Array | undefined {
  if (value === null || value === undefined) return undefined
  if (value instanceof Uint8Array) return value
  return value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array()
}
