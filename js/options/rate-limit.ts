/** The `rateLimit` option: its fields, their checks, and the list it comes to. */

import type { RateLimit } from '../types.js'
import { aFunction, anInteger, type Check, fields, oneOf } from './checks.js'

/** A `RateLimit` with every field filled in but `by`. */
export interface ResolvedRateLimit {
  readonly requests: number
  readonly perMs: number
  readonly burst: number
  readonly by: ((key: string) => unknown) | undefined
  readonly onLimit: 'queue' | 'reject'
}

const aFiniteDuration: Check = (value) => {
  const expected = 'finite milliseconds greater than 0'
  if (typeof value !== 'number') return { expected, outOfRange: false }
  return value > 0 && value < Number.POSITIVE_INFINITY ? undefined : { expected, outOfRange: true }
}

const aRate = fields(
  {
    requests: anInteger(1),
    perMs: aFiniteDuration,
    burst: anInteger(1),
    by: aFunction,
    onLimit: oneOf('queue', 'reject'),
  },
  'requests',
  'perMs',
)

export const aRateLimit: Check = (value) => {
  if (!Array.isArray(value)) return aRate(value)
  for (const [at, rate] of value.entries()) {
    const complaint = aRate(rate)
    if (complaint !== undefined) return { ...complaint, expected: `in [${at}], ${complaint.expected}` }
  }
  return undefined
}

export function resolveRateLimit(given: RateLimit | readonly RateLimit[] | undefined): readonly ResolvedRateLimit[] {
  if (given === undefined) return []
  const rates = Array.isArray(given) ? (given as readonly RateLimit[]) : [given as RateLimit]
  return rates.map((rate) => {
    const { requests, perMs, burst = requests, onLimit = 'queue' } = rate
    return { requests, perMs, burst, by: rate.by?.bind(rate), onLimit }
  })
}
