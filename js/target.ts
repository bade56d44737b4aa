/** What `invalidate` is given. */

import { aKey, isObject, misuse, verify } from './options/checks.js'
import type { InvalidateTarget } from './types.js'

const KINDS = ['keys', 'prefix', 'pattern', 'tag'] as const

export function verifyTarget(target: InvalidateTarget): { kind: (typeof KINDS)[number]; value: unknown } {
  const given = isObject(target) ? Object.keys(target) : []
  const kind = KINDS.find((name) => given.length === 1 && given[0] === name)
  if (kind === undefined) {
    const expected = `an object with one of ${KINDS.join(', ')}`
    throw misuse('invalidate(target)', { expected, outOfRange: false }, target, 'ERR_INVALID_OPTION')
  }
  const value = (target as unknown as Record<string, unknown>)[kind]
  if (kind !== 'keys') verify(`invalidate(target).${kind}`, value, aKey)
  return { kind, value }
}

/** Whether a key is meant; as the engine decides it (`src/pattern.rs`), for keys that only a tier has. */
export function matcherOf(kind: 'prefix' | 'pattern', text: string): (key: string) => boolean {
  if (kind === 'prefix') return (key) => key.startsWith(text)
  return (key) => matchesPattern([...text], [...key])
}

/** Greedy, with one point of return: at most as many steps as the product of the lengths. */
function matchesPattern(pattern: readonly string[], key: readonly string[]): boolean {
  let at = 0
  let read = 0
  let retry: { behind: number; read: number } | undefined
  while (read < key.length) {
    const token = pattern[at]
    if (token === '*') {
      retry = { behind: ++at, read }
    } else if (token === '?' || (token === key[read] && token !== '\\')) {
      at++
      read++
    } else if (token === '\\' && pattern[at + 1] === key[read]) {
      at += 2
      read++
    } else if (retry !== undefined) {
      retry.read++
      at = retry.behind
      read = retry.read
    } else return false
  }
  return pattern.slice(at).every((token) => token === '*')
}
