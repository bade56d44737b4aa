/**
 * The breakers of a processor's groups, and of its tiers: one that fails again and again is left alone for a while, and then tried by one call at a time
 * until one succeeds.
 */

import type { ResolvedGroupBreaker } from './options/groups.js'

/** So many groups that fail are told apart; the one that failed first is forgotten. */
const GROUPS_MAX = 1000

interface Breaker {
  /** In a row. */
  failures: number
  error: unknown
  /** Until then, the group is not to be called. */
  openUntil: number
}

export class Breakers {
  readonly #terms: ResolvedGroupBreaker
  readonly #now: () => number
  readonly #onOpen: (groupKey: string, error: unknown) => void
  /** Of the groups that have failed since they last succeeded. */
  readonly #breakers = new Map<string, Breaker>()
  /** How often one has opened. */
  opened = 0

  constructor(terms: ResolvedGroupBreaker, now: () => number, onOpen: (groupKey: string, error: unknown) => void) {
    this.#terms = terms
    this.#now = now
    this.#onOpen = onOpen
  }

  /** Whether the group is to be left alone, and why. If it is half open, who asks is the one to try, unless another did within the cool-down. */
  refuse(groupKey: string): { readonly error: unknown } | undefined {
    const breaker = this.#breakers.get(groupKey)
    if (breaker === undefined || !this.suspects(groupKey)) return undefined
    if (this.#now() < breaker.openUntil) return breaker
    breaker.openUntil = this.#now() + this.#terms.coolDownMs
    return undefined
  }

  /** Whether it is open, or half open: whatever is called is a trial. */
  suspects(groupKey: string): boolean {
    return (this.#breakers.get(groupKey)?.failures ?? 0) >= this.#terms.failures
  }

  succeeded(groupKey: string): void {
    this.#breakers.delete(groupKey)
  }

  failed(groupKey: string, error: unknown): void {
    const { failures, coolDownMs } = this.#terms
    const breaker = this.#breakers.get(groupKey) ?? { failures: 0, error, openUntil: 0 }
    breaker.error = error
    if (++breaker.failures >= failures) breaker.openUntil = this.#now() + coolDownMs
    if (breaker.failures === failures) {
      this.opened++
      this.#onOpen(groupKey, error)
    }
    if (failures < Number.POSITIVE_INFINITY) this.#breakers.set(groupKey, breaker)
    if (this.#breakers.size > GROUPS_MAX) this.#breakers.delete(this.#breakers.keys().next().value as string)
  }
}
