/**
 * Which keys have changed while group calls run: what one of these brings for keys that it was not asked for must not overwrite what is newer. While
 * none runs, nothing is noted.
 */

/** So many keys are told apart; past them, all count as changed. */
const KEYS_MAX = 10_000

export class Changes {
  #running = 0
  #clock = 0
  /** When all keys were changed last. */
  #all = 0
  readonly #keys = new Map<string, number>()

  /** A group call begins; answers when. */
  begin(): number {
    this.#running++
    return this.#clock
  }

  /** A group call has ended, or what it brings is not wanted any more. */
  end(): void {
    if (--this.#running === 0) this.#keys.clear()
  }

  /** `keys`, or all there are, were set, removed or loaded. */
  note(keys?: readonly string[]): void {
    if (this.#running === 0) return
    this.#clock++
    if (keys === undefined || this.#keys.size + keys.length > KEYS_MAX) {
      this.#all = this.#clock
      this.#keys.clear()
    } else for (const key of keys) this.#keys.set(key, this.#clock)
  }

  /** Whether `key` may have changed after `since`. */
  has(key: string, since: number): boolean {
    return this.#all > since || (this.#keys.get(key) ?? 0) > since
  }
}
