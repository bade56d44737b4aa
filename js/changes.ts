/**
 * Which keys have changed while group calls run: what one of these brings for keys that it was not asked for must not overwrite what is newer. While
 * none runs, nothing is noted.
 */

/** So many changes are told apart; past them, all keys count as changed. */
const CHANGES_MAX = 10_000

export class Changes {
  #running = 0
  /** What was changed, in that order. The clock ticks with each. */
  readonly #keys: string[] = []
  /** The time of the first of these. */
  #base = 0
  /** When each was changed last, of the first `#indexed` of them: most group calls bring nothing that would have to be looked up. */
  readonly #times = new Map<string, number>()
  #indexed = 0
  /** Until then, all keys count as changed. */
  #all = 0

  /** A group call begins; answers when. */
  begin(): number {
    this.#running++
    return this.#base + this.#keys.length
  }

  /** A group call has ended, or what it brings is not wanted any more. */
  end(): void {
    if (--this.#running === 0) this.#forget()
  }

  /** `keys`, or all there are, were set or removed. */
  note(keys?: readonly string[]): void {
    if (keys !== undefined) for (const key of keys) this.noteKey(key)
    else if (this.#running > 0) {
      this.#keys.push('')
      this.#forget()
    }
  }

  /** `key` was set, removed or loaded. */
  noteKey(key: string): void {
    if (this.#running > 0 && this.#keys.push(key) > CHANGES_MAX) this.#forget()
  }

  /** Whether `key` may have changed at `since` or after it. */
  has(key: string, since: number): boolean {
    for (; this.#indexed < this.#keys.length; this.#indexed++) {
      this.#times.set(this.#keys[this.#indexed] as string, this.#base + this.#indexed)
    }
    return this.#all > since || (this.#times.get(key) ?? -1) >= since
  }

  /** All that was noted so far becomes one: a change of all keys. */
  #forget(): void {
    this.#base += this.#keys.length
    this.#all = this.#base
    this.#keys.length = 0
    this.#times.clear()
    this.#indexed = 0
  }
}
