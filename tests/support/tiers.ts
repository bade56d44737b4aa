/** Tiers for tests: one that keeps what it is given and notes what it is asked, and can be made to fail. */

import type { Tier, TierEntry } from '../../js/index.js'
import type { Deferred } from './source.js'

type Kept = TierEntry & { key: string }

/** What a failing tier does. */
export type Fault = 'throws' | 'rejects' | 'hangs' | undefined

export class MapTier implements Tier {
  readonly name: string
  readonly kept = new Map<string, TierEntry>()
  /** What it was asked, as `mget a,b`. */
  readonly log: string[] = []
  fault: Fault
  /** While set, operations wait for it. */
  gate: Deferred<void> | undefined

  constructor(name = 'disk', entries: readonly (readonly [string, unknown])[] = []) {
    this.name = name
    for (const [key, value] of entries) this.kept.set(key, { value })
  }

  mget(keys: readonly string[]): Promise<(TierEntry | undefined)[]> {
    return this.#do(`mget ${keys}`, () => keys.map((key) => this.kept.get(key)))
  }

  mset(entries: readonly Kept[]): Promise<void> {
    return this.#do(`mset ${entries.map(({ key }) => key)}`, () => {
      for (const { key, ...entry } of entries) this.kept.set(key, entry)
    })
  }

  mdelete(keys: readonly string[]): Promise<void> {
    return this.#do(`mdelete ${keys}`, () => {
      for (const key of keys) this.kept.delete(key)
    })
  }

  clear(): Promise<void> {
    return this.#do('clear', () => this.kept.clear())
  }

  *keys(): Iterable<string> {
    yield* this.kept.keys()
  }

  /** Lets go what waits at the gate, and what comes after it. */
  open(): void {
    this.gate?.resolve()
    this.gate = undefined
  }

  /** What is done, is done after the gate. */
  #do<T>(what: string, work: () => T): Promise<T> {
    this.log.push(what)
    switch (this.fault) {
      case 'throws':
        throw new Error(`${this.name} throws`)
      case 'rejects':
        return Promise.reject(new Error(`${this.name} rejects`))
      case 'hangs':
        return new Promise(() => {})
      case undefined:
        return (this.gate?.promise ?? Promise.resolve()).then(work)
    }
  }
}
