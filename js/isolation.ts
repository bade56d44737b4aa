/** Whose value a caller gets. */

import { isPlain } from './options/checks.js'
import type { Isolation } from './types.js'

/** `value` as one caller is to get it. Throws what cannot be cloned. */
export function isolate<T>(value: T, isolation: Isolation): T {
  if (isolation === 'shared' || typeof value !== 'object' || value === null) return value
  return isolation === 'freeze' ? freezeDeeply(value) : structuredClone(value)
}

/** Freezes `value` and the plain objects and arrays within it. What has a type of its own (a Map, a class's instance, a buffer) is left as it is. */
function freezeDeeply<T extends object>(value: T): T {
  const left: object[] = [value]
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (Object.isFrozen(next) || !(Array.isArray(next) || isPlain(next))) continue
    Object.freeze(next)
    for (const { value: member } of Object.values(Object.getOwnPropertyDescriptors(next))) {
      if (typeof member === 'object' && member !== null) left.push(member)
    }
  }
  return value
}
