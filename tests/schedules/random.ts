/** Chance from a seed: the same seed, the same choices, on every machine. */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
    // Neighbouring seeds must not begin alike.
    for (let round = 0; round < 4; round++) this.next()
  }

  /** 0 to 2³²-1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** 0 to `count`-1. */
  below(count: number): number {
    return Math.floor((this.next() / 2 ** 32) * count)
  }

  /** From `first` to `last`, both included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1)
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.next() < (percent / 100) * 2 ** 32
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** A list of `first` to `last` things. */
  list<T>(first: number, last: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.between(first, last) }, (_, index) => make(index))
  }
}
