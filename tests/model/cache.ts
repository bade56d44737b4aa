/** The naive model's memory: a `Map` in order of use, oldest first, and plain loops. */

import type { Setting } from './operations.js'

export interface Kept {
  readonly value: unknown
  readonly failure: boolean
  expiresAt: number
  readonly ttl: number
  readonly weight: number
  readonly tags: Set<string>
}

/** What a reader finds. */
export type Found = { readonly is: 'hit' | 'stale' | 'failure'; readonly value: unknown } | { readonly is: 'miss' }

export interface CacheCounts {
  stored: number
  evicted: number
  expired: number
  tooHeavy: number
}

export class ModelCache {
  readonly counts: CacheCounts = { stored: 0, evicted: 0, expired: 0, tooHeavy: 0 }
  /** Least recently used first. */
  readonly entries = new Map<string, Kept>()
  readonly #setting: Setting
  /** The longest that anybody took an entry stale for. */
  #grace = 0

  constructor(setting: Setting) {
    this.#setting = setting
  }

  keepStale(ms: number): void {
    this.#grace = Math.max(this.#grace, ms)
  }

  /** As a reader does: a use. */
  look(key: string, now: number, stale = 0): Found {
    const entry = this.entries.get(key)
    if (entry === undefined) return { is: 'miss' }
    const isValid = now < entry.expiresAt
    if (!isValid && (entry.failure || now >= entry.expiresAt + stale)) return { is: 'miss' }
    this.entries.delete(key)
    this.entries.set(key, entry)
    if (entry.failure) return { is: 'failure', value: entry.value }
    if (isValid && this.#setting.slidingTtl) entry.expiresAt = now + entry.ttl
    return { is: isValid ? 'hit' : 'stale', value: entry.value }
  }

  peek(key: string, now: number): Kept | undefined {
    const entry = this.entries.get(key)
    return entry !== undefined && isReadable(entry, now) ? entry : undefined
  }

  /** A value, however old, that is taken for `stale` milliseconds after its end. */
  findStale(key: string, now: number, stale: number): Kept | undefined {
    const entry = this.entries.get(key)
    return entry !== undefined && !entry.failure && now < entry.expiresAt + stale ? entry : undefined
  }

  put(key: string, entry: Omit<Kept, 'expiresAt'>, now: number): void {
    this.entries.delete(key)
    if (entry.weight > this.#setting.maxWeight) {
      this.counts.tooHeavy++
      return
    }
    this.entries.set(key, { ...entry, expiresAt: now + entry.ttl, tags: new Set(entry.tags) })
    while (this.entries.size > this.#setting.maxEntries || this.weight > this.#setting.maxWeight) {
      this.entries.delete(this.entries.keys().next().value as string)
      this.counts.evicted++
    }
    this.counts.stored++
  }

  /** Answers whether there was a valid value. */
  remove(key: string, now: number): boolean {
    const wasThere = this.peek(key, now) !== undefined
    this.entries.delete(key)
    return wasThere
  }

  /** Answers how many valid values there were. */
  removeWhere(chosen: (key: string, tags: ReadonlySet<string>) => boolean, now: number): number {
    return [...this.entries].filter(([key, { tags }]) => chosen(key, tags) && this.remove(key, now)).length
  }

  /** Removes what has expired and nobody takes stale. */
  purge(now: number): void {
    for (const [key, entry] of this.entries) {
      if (now < entry.expiresAt + this.#grace) continue
      this.entries.delete(key)
      this.counts.expired++
    }
  }

  /** Most recently used first. */
  keys(now: number): string[] {
    return [...this.entries]
      .filter(([, entry]) => isReadable(entry, now))
      .map(([key]) => key)
      .reverse()
  }

  get weight(): number {
    return [...this.entries.values()].reduce((sum, { weight }) => sum + weight, 0)
  }
}

function isReadable(entry: Kept, now: number): boolean {
  return !entry.failure && now < entry.expiresAt
}
