/** The option `adaptiveConcurrency` of a processor: its fields, each with its default and check. */

import type { AdaptiveConcurrencyOptions } from '../types.js'
import { anInteger, type Check, fields } from './checks.js'

export type ResolvedAdaptiveConcurrency = Readonly<{ [Name in keyof AdaptiveConcurrencyOptions]-?: number }>

export const DEFAULT_ADAPTIVE_CONCURRENCY: ResolvedAdaptiveConcurrency = Object.freeze({ min: 1, max: 200, initial: 10 })
/** Finds nothing. */
export const NO_ADAPTIVE_CONCURRENCY: ResolvedAdaptiveConcurrency = Object.freeze({ min: 0, max: 0, initial: 0 })

/** More calls at once than any source takes. */
const aLimit = anInteger(1, 1_000_000)
const rangeFields = fields({ min: aLimit, max: aLimit, initial: aLimit })

export const anAdaptiveConcurrency: Check = (value) => {
  const complaint = typeof value === 'boolean' ? undefined : rangeFields(value)
  return complaint && { ...complaint, expected: `${complaint.expected}, or a boolean` }
}
