/** The `retry` option and the processor's `retryBudget`: their fields, each with its default and check. */

import type { RetryBudgetOptions, RetryOptions } from '../types.js'
import { aCount, aFunction, anInteger, aShare, aTtl, type Check, fields } from './checks.js'

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

export const aRetry: Check = fields({
  attempts: anInteger(1),
  backoffMs: aTtl,
  maxBackoffMs: aTtl,
  jitter: aShare,
  retryable: aFunction,
})

export const aRetryBudget: Check = fields({ ratio: aShare, burst: aCount })
