/** A tier that does what its spec says: at once, late, never; throwing, rejecting, or answering nonsense. */

import type { Tier, TierEntry } from '../../js/index.js'
import type { TierSpec, TierTurn } from './program.js'
import type { Scheduler } from './scheduler.js'

const GARBAGE = [undefined, null, [], {}, 'nothing', [7], [{}, null]]

export class FaultyTier implements Tier {
  readonly name: string
  readonly entries = new Map<string, TierEntry>()
  readonly #spec: TierSpec
  readonly #scheduler: Scheduler
  #reads = 0
  #writes = 0

  constructor(name: string, spec: TierSpec, scheduler: Scheduler) {
    this.name = name
    this.#spec = spec
    this.#scheduler = scheduler
  }

  mget(keys: readonly string[]): Promise<readonly (TierEntry | undefined)[]> | readonly (TierEntry | undefined)[] {
    const nth = this.#reads++
    const turn = this.#spec.reads[nth % this.#spec.reads.length] as TierTurn
    const read = (): (TierEntry | undefined)[] => keys.map((key) => this.entries.get(key))
    return this.#take(turn, read, () => GARBAGE[nth % GARBAGE.length] as never) as never
  }

  mset(entries: readonly (TierEntry & { key: string })[]): Promise<void> | void {
    return this.#write(() => {
      for (const { key, ...entry } of entries) this.entries.set(key, entry)
    })
  }

  mdelete(keys: readonly string[]): Promise<void> | void {
    return this.#write(() => {
      for (const key of keys) this.entries.delete(key)
    })
  }

  clear(): Promise<void> | void {
    return this.#write(() => this.entries.clear())
  }

  keys(): Iterable<string> {
    return [...this.entries.keys()]
  }

  close(): Promise<void> | void {
    return this.#write(() => {})
  }

  #write(effect: () => void): Promise<void> | void {
    const turn = this.#spec.writes[this.#writes++ % this.#spec.writes.length] as TierTurn
    return this.#take(turn, effect, effect)
  }

  /** `effect` is what the operation does, and answers; `garble` what it does where it answers nonsense. */
  #take<T>({ when, fails, effect: moment }: TierTurn, effect: () => T, garble: () => T): Promise<T> | T {
    const act = fails === 'garbage' ? garble : effect
    if (fails === 'throws') throw new Error('the tier throws')
    if (when === 'now' && fails !== 'rejects') return act()
    const early = moment === 'begin' && fails !== 'rejects' ? { answer: act() } : undefined
    return this.#later(when, () => {
      if (fails === 'rejects') throw new Error('the tier rejects')
      return early === undefined ? act() : early.answer
    })
  }

  #later<T>(when: TierTurn['when'], answer: () => T): Promise<T> {
    if (when === 'never') return new Promise(() => {})
    if (typeof when === 'number') return new Promise<void>((resolve) => this.#scheduler.in(when, resolve)).then(answer)
    return this.#scheduler.soon().then(answer)
  }
}
