/**
 * Every library in the battery, in the order of its columns. Loaded by name, so that one that does not load, such as ours before
 * it is built, fails alone.
 */

import type { Peer } from './peer.ts'

const MODULES: Readonly<Record<string, () => Promise<{ peer: Peer }>>> = {
  sluice: () => import('./sluice.ts'),
  'lru-cache': () => import('./lru-cache.ts'),
  bentocache: () => import('./bentocache.ts'),
  'cache-manager': () => import('./cache-manager.ts'),
  cacheable: () => import('./cacheable.ts'),
  'async-cache-dedupe': () => import('./async-cache-dedupe.ts'),
  cachified: () => import('./cachified.ts'),
  dataloader: () => import('./dataloader.ts'),
  'layered-loader': () => import('./layered-loader.ts'),
  'p-limit': () => import('./p-limit.ts'),
  'p-queue': () => import('./p-queue.ts'),
}

export const PEER_NAMES: readonly string[] = Object.keys(MODULES)

/** The package behind a column, where its name is not the column's. */
export function packageOf(name: string): string {
  return name === 'cachified' ? '@epic-web/cachified' : name
}

export async function loadPeer(name: string): Promise<Peer> {
  const load = MODULES[name]
  if (load === undefined) throw new Error(`Expected one of ${PEER_NAMES.join(', ')}, got ${name}`)
  return (await load()).peer
}
