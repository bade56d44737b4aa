/** The `storage` option: a tier, a storage of plain values, or several. */

import { type Check, isObject } from './checks.js'

const EXPECTED =
  'a tier ({ name, mget, mset, mdelete }), a storage of plain values (mget or get, mset or set, mdelete or delete), or an array of these'

const hasOneOf = (value: Record<string, unknown>, ...names: readonly string[]): boolean =>
  names.some((name) => typeof value[name] === 'function')

/** Whether `value` can read, write and delete, one way or another. */
export function isStorage(value: unknown): boolean {
  return (
    isObject(value) && hasOneOf(value, 'mget', 'get') && hasOneOf(value, 'mset', 'set') && hasOneOf(value, 'mdelete', 'delete')
  )
}

export const aStorage: Check = (value) => {
  const right = Array.isArray(value) ? value.every(isStorage) : isStorage(value)
  return right ? undefined : { expected: EXPECTED, outOfRange: false }
}
