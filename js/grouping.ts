/** Which group a key belongs to. Groups by prefix are found by the engine; here are their names, and the groups of `customGrouper`. */

import { NONE } from './engine/engine.js'
import { InvalidTypeError } from './errors.js'
import { show } from './options/checks.js'

/** The name of the group of `key` by prefix: its first two `:`-parts, or all of it if it has no more. */
export function prefixOf(key: string): string {
  const first = key.indexOf(':')
  const second = first < 0 ? -1 : key.indexOf(':', first + 1)
  return second < 0 ? key : key.slice(0, second)
}

/** What `customGrouper` says of `key`; throws what it throws, and a `TypeError` if it answers anything but a string or nothing. */
export function customGroupOf(key: string, grouper: (key: string) => unknown): string | undefined {
  const group = grouper(key)
  if (group === undefined || group === null) return undefined
  if (typeof group === 'string') return group
  // A promise must not go unhandled only because we do not want it.
  if (group instanceof Promise) group.catch(() => {})
  const message = `customGrouper(${JSON.stringify(key)}): expected a string, null or undefined, received ${show(group)}`
  throw new InvalidTypeError(message, 'ERR_INVALID_GROUP')
}

/** The number of each group by its name, in the order they come; `NONE` for no name. */
export function numberGroups(names: readonly (string | undefined)[]): number[] {
  const numbers = new Map<string, number>()
  return names.map((name) => {
    if (name === undefined) return NONE
    const number = numbers.get(name) ?? numbers.size
    numbers.set(name, number)
    return number
  })
}
