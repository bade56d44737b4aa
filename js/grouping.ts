/**
 * Which group a key belongs to. Groups by prefix are found by the engine; here are their names, the groups of `customGrouper`, and those of the
 * processor.
 */

import { NONE } from './engine/engine.js'
import { InvalidTypeError } from './errors.js'
import type { Load } from './load.js'
import { show } from './options/checks.js'
import type { GroupTable, ResolvedGroup } from './options/groups.js'
import type { ResolvedBatchOptions } from './options/resolve.js'

/** The name of the group of `key` by prefix: its first two `:`-parts, or all of it if it has no more. */
export function prefixOf(key: string): string {
  const first = key.indexOf(':')
  const second = first < 0 ? -1 : key.indexOf(':', first + 1)
  return second < 0 ? key : key.slice(0, second)
}

/** What `namer` says of `key`; throws what it throws, and a `TypeError` if it answers anything but a string or nothing. */
export function nameBy(what: string, key: string, namer: (key: string) => unknown): string | undefined {
  const name = namer(key)
  if (name === undefined || name === null) return undefined
  if (typeof name === 'string') return name
  // A promise must not go unhandled only because we do not want it.
  if (name instanceof Promise) name.catch(() => {})
  const message = `${what}(${JSON.stringify(key)}): expected a string, null or undefined, received ${show(name)}`
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

/**
 * Assigns loads to the groups of the processor: each gets the name and the options of its group. Answers the number of the chunk that each is in, `NONE`
 * for none, and how many groups there are.
 */
export function assignGroups(
  loads: readonly Load[],
  options: ResolvedBatchOptions<never>,
  table: GroupTable,
): { chunks: number[]; count: number } {
  const found = new Map<ResolvedGroup, { readonly options: ResolvedBatchOptions<never>; number: number; left: number }>()
  let next = 0
  const chunks = loads.map((load) => {
    const group = table.of(load.key)
    if (group === undefined) return NONE
    const chunk = found.get(group) ?? { options: { ...options, ...group.options }, number: 0, left: 0 }
    found.set(group, chunk)
    if (chunk.left-- === 0) {
      chunk.number = next++
      chunk.left = chunk.options.maxBatchSize - 1
    }
    load.groupKey = group.name
    load.options = chunk.options
    return chunk.number
  })
  return { chunks, count: found.size }
}
