import { Keyv } from 'keyv'
import type { BrokenStore } from './peer.ts'

/** A broken store as a Keyv, for the libraries that are built on Keyv. */
export function keyvStore({ operation }: BrokenStore): Keyv {
  const store = {
    opts: {},
    get: operation,
    getMany: operation,
    set: operation,
    setMany: operation,
    delete: operation,
    deleteMany: operation,
    clear: operation,
    has: operation,
    on: () => store,
  }
  // Without a listener, an EventEmitter throws what it is told to report.
  return new Keyv({ store }).on('error', () => {})
}
