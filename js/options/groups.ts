/** The options `groups` and `groupBreaker` of a processor: their fields, each with its check. */

import type { GroupBreakerOptions, GroupFetch, GroupLoader, Groups, OnMissing } from '../types.js'
import { aDuration, aFunction, anInteger, type Check, fields, isObject, isOwnOrInherited, oneOf } from './checks.js'

/** What a processor knows of one of its groups; the options that it does not give are those of the batch. */
export interface ResolvedGroup {
  readonly name: string
  readonly options: {
    readonly groupFetch: GroupFetch<never>
    readonly maxBatchSize?: number
    readonly onMissing?: OnMissing
    readonly groupFallbackLimit?: number
  }
}

export type ResolvedGroupBreaker = Readonly<Required<{ [Name in keyof GroupBreakerOptions]: number }>>

export const DEFAULT_GROUP_BREAKER: ResolvedGroupBreaker = Object.freeze({ failures: 5, coolDownMs: 10_000 })
/** Never opens. */
export const NO_GROUP_BREAKER: ResolvedGroupBreaker = Object.freeze({ failures: Number.POSITIVE_INFINITY, coolDownMs: 0 })

export const onMissings: readonly OnMissing[] = ['fallback', 'undefined', 'null', 'error']

const LOADER_FIELDS = {
  groupFetch: aFunction,
  maxBatchSize: anInteger(1),
  onMissing: oneOf(...onMissings),
  groupFallbackLimit: anInteger(0),
}
const aLoader = fields(LOADER_FIELDS, 'groupFetch')

export const aGroupBreaker: Check = (value) => {
  const complaint = value === false ? undefined : breakerFields(value)
  return complaint && { ...complaint, expected: `${complaint.expected}, or false` }
}
const breakerFields = fields({ failures: anInteger(1), coolDownMs: aDuration })

export const aGroupTable: Check = (value) => {
  if (!isObject(value) || Array.isArray(value) || typeof value === 'function') {
    return { expected: 'an object of group fetches, by prefix', outOfRange: false }
  }
  for (const [name, loader] of Object.entries(value)) {
    const shown = JSON.stringify(name)
    if (name === '' || name.endsWith(':')) {
      return { expected: `prefixes of whole parts, without a ':' at the end (not ${shown})`, outOfRange: false }
    }
    const complaint = typeof loader === 'function' ? undefined : aLoader(loader)
    if (complaint) return { ...complaint, expected: `${shown} to be a function, or ${complaint.expected}` }
  }
  return undefined
}

/** A processor's groups, by prefix. */
export class GroupTable {
  readonly #groups = new Map<string, ResolvedGroup>()
  #lengthMax = 0

  constructor(loaders: Groups = {}) {
    for (const [name, loader] of Object.entries(loaders)) {
      const options: Record<string, unknown> = {}
      if (typeof loader === 'function') options.groupFetch = loader
      else {
        for (const field of Object.keys(LOADER_FIELDS)) {
          const value = isOwnOrInherited(loader, field) ? loader[field as keyof GroupLoader] : undefined
          if (value !== undefined) options[field] = value
        }
        options.groupFetch = loader.groupFetch.bind(loader)
      }
      this.#groups.set(name, Object.freeze({ name, options: Object.freeze(options) }) as ResolvedGroup)
      this.#lengthMax = Math.max(this.#lengthMax, name.length)
    }
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0
  }

  /** The group with the longest name that is `key`, or some of its first `:`-parts. */
  of(key: string): ResolvedGroup | undefined {
    let end = key.length <= this.#lengthMax ? key.length : key.lastIndexOf(':', this.#lengthMax)
    while (end > 0) {
      const group = this.#groups.get(key.slice(0, end))
      if (group !== undefined) return group
      end = key.lastIndexOf(':', end - 1)
    }
    return undefined
  }
}
