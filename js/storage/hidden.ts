/**
 * What one tier may still answer though it is no more: keys that are being removed or replaced there, or whose removal failed. They are misses
 * until the tier has confirmed that they are gone, or has taken something newer.
 *
 * What is removed by a prefix or a pattern, or all of it, cannot be found in a tier that does not list its keys: that stays hidden, but for what the
 * tier has taken since.
 *
 * A write that is given up at its deadline may take effect at any time after that, and bring back what was removed meanwhile. What happened to its keys
 * since is therefore hidden until it ends.
 */

/** Beyond so many keys whose removal failed, all keys are hidden, until all are removed. */
const FAILED_MAX = 10_000
/** Of more writes that were given up, the oldest is taken for lost. */
const LATE_MAX = 1000
/** Beyond so many rules for what a tier cannot find, all keys are hidden but those it has taken since. */
const RULES_MAX = 100
/** So many of the keys that a tier has taken since are told apart. */
const TAKEN_MAX = 10_000

/** What is removed: keys, or all that `matches` says yes to. */
export interface Removal {
  readonly keys: readonly string[]
  readonly matches: ((key: string) => boolean) | undefined
}

/** Of all keys. */
export const everyKey = (): boolean => true

/** A write that is queued or under way. */
export interface Write {
  readonly keys: ReadonlySet<string>
  /** Those that were removed, or written anew, since. */
  readonly touched: Set<string>
  /** It was given up, and may take effect whenever it likes. */
  isLate: boolean
}

export class Hidden {
  /** By key: the number of the removal that was the last to mean it. */
  readonly #keys = new Map<string, number>()
  readonly #rules = new Map<Removal, number>()
  /** What was taken, or removed by its key, while there were rules: up to where that counts, the oldest first. */
  readonly #taken = new Map<string, number>()
  readonly #writes = new Set<Write>()
  #failedKeys = new Set<string>()
  #failedRules = new Set<Removal>()
  #count = 0

  /** Whether `key` is a miss, whatever the tier says. */
  has(key: string): boolean {
    if (this.#keys.has(key)) return true
    const taken = this.#taken.get(key) ?? -1
    for (const [{ matches }, upTo] of this.#rules) if (taken < upTo && matches?.(key)) return true
    for (const { isLate, touched } of this.#writes) if (isLate && touched.has(key)) return true
    return false
  }

  /** Hides what `removal` means from now on. Answers up to where it counts, for `show`. */
  hide(removal: Removal): number {
    const upTo = ++this.#count
    for (const key of removal.keys) this.#keys.set(key, upTo)
    if (removal.matches !== undefined) this.#rules.set(removal, upTo)
    this.#touch(removal)
    return upTo
  }

  /** The tier no longer has what `removal` means, as far as it was hidden by then. */
  show({ keys }: Pick<Removal, 'keys'>, upTo: number): void {
    for (const key of keys) {
      if (this.#rules.size > 0) {
        this.#taken.delete(key)
        this.#taken.set(key, upTo)
        if (this.#taken.size > TAKEN_MAX) this.#taken.delete(this.#taken.keys().next().value as string)
      }
      if ((this.#keys.get(key) ?? Number.POSITIVE_INFINITY) > upTo) continue
      this.#keys.delete(key)
      this.#failedKeys.delete(key)
    }
  }

  /** The tier no longer has what `removal` means by its `matches`. */
  showMatching(removal: Removal): void {
    this.#rules.delete(removal)
    this.#failedRules.delete(removal)
    if (this.#rules.size === 0) this.#taken.clear()
  }

  /** The tier cannot find what `removal` means by its `matches`; it stays hidden as far as it was by then. */
  keepMatching(removal: Removal, upTo: number): void {
    const isTooMany = this.#rules.size > RULES_MAX
    if (isTooMany) this.#rules.set({ keys: [], matches: everyKey }, upTo)
    if (!isTooMany && removal.matches !== everyKey) return
    // That says all that those before it say.
    for (const [rule, before] of this.#rules) if (before < upTo) this.#rules.delete(rule)
  }

  /** The tier has refused: what is meant stays hidden, and is due to be removed again. */
  keep(removal: Removal): void {
    for (const key of removal.keys) if (this.#keys.has(key)) this.#failedKeys.add(key)
    if (this.#rules.has(removal)) this.#failedRules.add(removal)
    if (this.#failedKeys.size <= FAILED_MAX) return
    const all = { keys: [], matches: everyKey }
    this.#rules.set(all, ++this.#count)
    this.#failedRules.add(all)
    for (const key of this.#failedKeys) this.#keys.delete(key)
    this.#failedKeys.clear()
  }

  /** What is due to be removed again: until it is hidden once more, by that, it is not. */
  takeFailed(): Removal[] {
    const failed: Removal[] = []
    for (const rule of this.#failedRules) {
      this.#rules.delete(rule)
      failed.push({ keys: [], matches: rule.matches })
    }
    if (this.#failedKeys.size > 0) failed.push({ keys: [...this.#failedKeys], matches: undefined })
    this.#failedKeys = new Set()
    this.#failedRules = new Set()
    return failed
  }

  /** A write of `keys` begins to wait for its turn. */
  begin(keys: readonly string[]): Write {
    this.#touch({ keys, matches: undefined })
    const write: Write = { keys: new Set(keys), touched: new Set(), isLate: false }
    this.#writes.add(write)
    return write
  }

  giveUp(write: Write): void {
    write.isLate = true
    const late = [...this.#writes].filter(({ isLate }) => isLate)
    for (const lost of late.slice(0, -LATE_MAX)) this.#writes.delete(lost)
  }

  /** The write has ended, after all. Answers the keys that it may have spoilt. */
  end(write: Write): string[] {
    this.#writes.delete(write)
    return write.isLate ? [...write.touched] : []
  }

  /** Numbers the moment, for `show`. */
  get now(): number {
    return this.#count
  }

  /** Something newer happens to what is meant: what is under way of older writes must not be heard if it comes late. */
  #touch({ keys, matches }: Removal): void {
    for (const write of this.#writes) {
      for (const key of keys) if (write.keys.has(key)) write.touched.add(key)
      if (matches !== undefined) for (const key of write.keys) if (matches(key)) write.touched.add(key)
    }
  }
}
