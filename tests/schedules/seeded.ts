/** Makes the engine's own chance (its hashes' seed, jitter, early refreshes) come from ours, so that a run can be repeated. */

import type { Random } from './random.js'

/** Runs `work` while the platform's secure source is `random`. */
export async function withSeed<R>(random: Random, work: () => Promise<R>): Promise<R> {
  const source = globalThis.crypto as { getRandomValues?: unknown }
  // An own property hides the method, and deleted shows it again.
  source.getRandomValues = <T extends ArrayBufferView>(view: T): T => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
    for (let at = 0; at < bytes.length; at++) bytes[at] = random.below(256)
    return view
  }
  try {
    return await work()
  } finally {
    delete source.getRandomValues
  }
}
