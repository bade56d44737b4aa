/** What holds entries, by name. */

import {
  CACHES,
  dataLoader,
  fetch,
  lruCache,
  lruCacheFetch,
  mapOfPromises,
  quickLru,
  type Rival,
  sluice,
  TTL_MS,
  type Value,
} from './rivals.ts'

/** The null rival: entries with an expiry, and nothing else. */
const map: Rival = {
  name: 'Map',
  open() {
    const known = new Map<string, { readonly value: Value; readonly expiresAt: number }>()
    return async (batch) => {
      for (const request of batch) known.set(request.key, { value: await fetch(request), expiresAt: performance.now() + TTL_MS })
    }
  },
}

const HOLDERS: readonly Rival[] = [
  sluice,
  { ...lruCache, name: 'lru-cache' },
  map,
  { ...quickLru, name: 'quick-lru' },
  dataLoader,
  mapOfPromises,
  ...CACHES.filter((cache) => cache !== lruCacheFetch),
]

/** Ours first, then the one of the bars. */
export const HOLDER_NAMES = HOLDERS.map(({ name }) => name)
/** Those one would hold many entries in. */
export const LARGE_NAMES = HOLDER_NAMES.slice(0, 5)

export function holder(name: string): Rival {
  const found = HOLDERS.find((rival) => rival.name === name)
  if (found === undefined) throw new Error(`Expected one of ${HOLDER_NAMES.join(', ')}, received ${name}`)
  return found
}
