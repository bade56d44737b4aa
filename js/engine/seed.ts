/** What makes an engine's hashes and jitter its own. */

/**
 * Six random words of 32 bits, from the platform's secure source; where a sandbox hides that, from `Math.random`, which is better than
 * the same hash in every process.
 */
export function seed(): Uint32Array {
  const words = new Uint32Array(6)
  if (typeof globalThis.crypto?.getRandomValues === 'function') return crypto.getRandomValues(words)
  return words.map(() => Math.random() * 2 ** 32)
}
