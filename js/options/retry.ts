/** The `retry` option and the processor's `retryBudget`: their fields, each with its default and check. */

import type { RetryBudgetOptions, RetryOptions } from '../types.js'
import { aCount, aFunction, anInteger, aShare, aTtl, type Check, type Complaint, isObject, isOwnOrInherited } from './checks.js'

/** `retry` with every field filled in. */
export type ResolvedRetry = Readonly<Filled<RetryOptions>>
/** `retryBudget` with every field filled in. */
export type ResolvedRetryBudget = Readonly<Filled<RetryBudgetOptions>>

type Filled<Options> = { [Name in keyof Options]-?: NonNullable<Options[Name]> }

export const DEFAULT_RETRY: ResolvedRetry = Object.freeze({
  attempts: 1,
  backoffMs: 100,
  maxBackoffMs: 10_000,
  jitter: 1,
  retryable: () => true,
})

export const DEFAULT_RETRY_BUDGET: ResolvedRetryBudget = Object.freeze({ ratio: 0.2, burst: 100 })

/** An object of these fields, each of them optional. */
const fields = (checks: Readonly<Record<string, Check>>): Check => {
  const names = Object.keys(checks)
  return (value): Complaint | undefined => {
    if (!isObject(value) || typeof value === 'function') {
      return { expected: `an object of ${names.join(', ')}`, outOfRange: false }
    }
    for (const name of Object.keys(value)) {
      if (!names.includes(name)) return { expected: `an object of ${names.join(', ')} (not ${name})`, outOfRange: false }
    }
    for (const name of names) {
      const field = isOwnOrInherited(value, name) ? value[name] : undefined
      const complaint = field === undefined ? undefined : checks[name]?.(field)
      if (complaint !== undefined) return { ...complaint, expected: `${name} to be ${complaint.expected}` }
    }
    return undefined
  }
}

export const aRetry = fields({
  attempts: anInteger(1),
  backoffMs: aTtl,
  maxBackoffMs: aTtl,
  jitter: aShare,
  retryable: aFunction,
})

export const aRetryBudget = fields({ ratio: aShare, burst: aCount })
