/**
 * The tiers beneath memory, read in order and written together. Nothing they do, throw or leave undone reaches a reader: it costs a miss and
 * a counter. What was removed or replaced is a miss at once, whatever a tier still says of it (`hidden.ts`).
 */

import { type Clock, startTimer } from '../clock.js'
import { isStorage } from '../options/storage.js'
import type { StorageInput, Tier, TierEntry, ValueStorage } from '../types.js'
import { everyKey, Hidden, type Removal } from './hidden.js'
import { tierOf } from './value-tier.js'

/** What happened with one tier so far. */
export interface TierMetrics {
  readonly name: string
  hits: number
  misses: number
  /** Operations that threw, came too late, or answered something else than entries. */
  errors: number
  writes: number
  deletes: number
}

/** One operation of a tier, as it is done to all of them. */
type Operation = (tier: Tier) => Promise<unknown> | unknown

/** An entry that waits to be written. */
interface Pending {
  readonly entry: TierEntry
  /** What the tiers have of the key until then is no more. */
  readonly replaces: boolean
}

export class Tiers {
  readonly tiers: readonly Tier[]
  readonly metrics: readonly TierMetrics[]
  readonly #clock: Clock
  readonly #timeoutMs: number
  /** Of each tier, what is not to be read there. */
  readonly #hidden: readonly Hidden[]
  /** Of each tier, whether what it refused to remove is being removed again. */
  readonly #isMending: boolean[] = []
  /** The end of each tier's writes so far: they are done one after another, so that a delete comes after the write it undoes. */
  readonly #writes: Promise<void>[]
  /** Written with the next turn of the event loop, all at once. */
  #pending = new Map<string, Pending>()
  #flushing: Promise<void> | undefined

  constructor(storage: StorageInput | undefined, clock: Clock, timeoutMs: number) {
    const list = storage === undefined ? [] : Array.isArray(storage) ? storage : [storage]
    this.tiers = list.map((item: Tier | ValueStorage) => {
      return isTier(item) ? item : tierOf(item, { name: 'storage', ttlUnit: 'ms' }, () => clock.wallNow())
    })
    this.metrics = this.tiers.map(({ name }) => ({ name, hits: 0, misses: 0, errors: 0, writes: 0, deletes: 0 }))
    this.#hidden = this.tiers.map(() => new Hidden())
    this.#writes = this.tiers.map(() => Promise.resolve())
    this.#clock = clock
    this.#timeoutMs = timeoutMs
  }

  get isEmpty(): boolean {
    return this.tiers.length === 0
  }

  /** The entries of tier `index` for `keys`, in their order; a failure is a miss for all. Never rejects. */
  async read(index: number, keys: readonly string[]): Promise<readonly (TierEntry | undefined)[]> {
    const hidden = this.#hidden[index] as Hidden
    const asked = keys.filter((key) => !hidden.has(key))
    const found = asked.length === 0 ? [] : await this.#mget(index, asked)
    let at = 0
    // Asked for in the same order, so each that was asked for is the next one.
    const entries = keys.map((key) => (asked[at] === key ? found[at++] : undefined))
    const hits = entries.filter((entry) => entry !== undefined).length
    const metrics = this.metrics[index]
    if (metrics) {
      metrics.hits += hits
      metrics.misses += keys.length - hits
    }
    return entries
  }

  /** Copies entries to the tiers above `index`, in the background. */
  copyUp(index: number, entries: readonly (TierEntry & { key: string })[]): void {
    for (let above = 0; above < index; above++) void this.#mset(above, entries, [])
  }

  /**
   * Keeps the entry in all tiers, in the background; what is written in one burst goes out in one call. If it `replaces` what the tiers have, that is not
   * read any more.
   */
  write(key: string, entry: TierEntry, replaces = false): void {
    const before = this.#pending.get(key)
    this.#pending.set(key, { entry, replaces: replaces || before?.replaces === true })
    if (replaces) for (const hidden of this.#hidden) hidden.hide({ keys: [key], matches: undefined })
    this.#flushing ??= Promise.resolve().then(() => this.#flush())
  }

  /** Removes keys from all tiers. Settles when they have answered, well or not. */
  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) this.#pending.delete(key)
    for (const metrics of this.metrics) metrics.deletes += keys.length
    await this.#removeEverywhere({ keys, matches: undefined })
  }

  /** Removes `keys` from all tiers, and all that `matches` says yes to; a tier that cannot list its keys is not read for those until it has taken them anew. */
  async deleteMatching(keys: readonly string[], matches: ((key: string) => boolean) | undefined): Promise<void> {
    for (const key of keys) this.#pending.delete(key)
    for (const key of this.#pending.keys()) if (matches?.(key)) this.#pending.delete(key)
    await this.#removeEverywhere({ keys, matches })
  }

  async clear(): Promise<void> {
    this.#pending.clear()
    await this.#removeEverywhere(everything())
  }

  /** Settles when all that was to be written has been, or has failed. */
  async flush(): Promise<void> {
    await this.#flushing
    await Promise.all(this.#writes)
  }

  async close(): Promise<void> {
    await this.flush()
    await Promise.all(this.tiers.map((_, index) => this.#run(index, (tier) => tier.close?.())))
  }

  #flush(): void {
    this.#flushing = undefined
    const pending = [...this.#pending]
    this.#pending = new Map()
    if (pending.length === 0) return
    const entries = pending.map(([key, { entry }]) => ({ key, ...entry }))
    const replaced = pending.filter(([, { replaces }]) => replaces).map(([key]) => key)
    for (const [index, metrics] of this.metrics.entries()) {
      metrics.writes += entries.length
      void this.#mset(index, entries, replaced)
    }
  }

  /** Writes entries to tier `index`. `replaced` are keys whose older entries are hidden there. */
  async #mset(index: number, entries: readonly (TierEntry & { key: string })[], replaced: readonly string[]): Promise<void> {
    const hidden = this.#hidden[index] as Hidden
    const keys = entries.map(({ key }) => key)
    const upTo = hidden.now
    const write = hidden.begin(keys)
    const onLate = (): (() => void) => {
      hidden.giveUp(write)
      return () => {
        const spoilt = hidden.end(write)
        if (spoilt.length > 0) void this.#remove(index, { keys: spoilt, matches: undefined })
      }
    }
    const onEnd = (isWell: boolean): void => {
      if (!write.isLate) hidden.end(write)
      if (isWell) hidden.show({ keys }, upTo)
      else hidden.keep({ keys: replaced, matches: undefined })
    }
    await this.#enqueue(index, (tier) => tier.mset(entries), onEnd, onLate)
  }

  async #removeEverywhere(removal: Removal): Promise<void> {
    await Promise.all(this.tiers.map((_, index) => this.#remove(index, removal)))
  }

  /** Removes from tier `index` what `removal` means; until that is done, and where it fails, it is not read there. */
  async #remove(index: number, removal: Removal): Promise<void> {
    const hidden = this.#hidden[index] as Hidden
    const upTo = hidden.hide(removal)
    const onEnd = (isWell: boolean): void => {
      if (isWell) {
        hidden.show(removal, upTo)
        if (canFind(this.tiers[index], removal)) hidden.showMatching(removal)
        else hidden.keepMatching(removal, upTo)
      } else hidden.keep(removal)
    }
    await this.#enqueue(index, (tier) => removeFrom(tier, removal), onEnd)
  }

  /** Tries again what tier `index` refused to remove; not with each success of that, or two that fail in turn would never end. */
  #removeFailed(index: number): void {
    if (this.#isMending[index]) return
    const failed = this.#hidden[index]?.takeFailed() ?? []
    if (failed.length === 0) return
    this.#isMending[index] = true
    const end = (): void => {
      this.#isMending[index] = false
    }
    void Promise.all(failed.map((removal) => this.#remove(index, removal))).then(end)
  }

  /** Does `operation` when what tier `index` was told before is done, and tells `onEnd` whether it went well. */
  #enqueue(index: number, operation: Operation, onEnd: (isWell: boolean) => void, onLate?: () => () => void): Promise<void> {
    const done = (this.#writes[index] ?? Promise.resolve())
      .then(() => this.#run(index, operation, onLate))
      .then((result) => {
        onEnd(result !== FAILED)
        if (result === FAILED) return
        // What it refused before, it may do now; but for what `onEnd` knows to be settled.
        this.#removeFailed(index)
      })
    this.#writes[index] = done
    return done
  }

  async #mget(index: number, keys: readonly string[]): Promise<readonly (TierEntry | undefined)[]> {
    const found = await this.#run(index, (tier) => tier.mget(keys))
    const wallNow = this.#clock.wallNow()
    if (Array.isArray(found) && found.length === keys.length) return found.map((entry) => validEntry(entry, wallNow))
    const metrics = this.metrics[index]
    if (found !== FAILED && metrics) metrics.errors++
    return []
  }

  /** Runs one operation up to its deadline. Answers `FAILED` for whatever goes wrong. `onLate` is called at the deadline; what it answers, if it ends after that. */
  async #run(index: number, operation: Operation, onLate?: () => () => void): Promise<unknown> {
    const tier = this.tiers[index]
    if (tier === undefined) return FAILED
    let stopTimer: (() => void) | undefined
    let onEnd: (() => void) | undefined
    const deadline = new Promise((resolve) => {
      stopTimer = startTimer(this.#clock, this.#timeoutMs, () => {
        onEnd = onLate?.()
        resolve(FAILED)
      })
    })
    // What comes after the deadline goes nowhere, a rejection included.
    const answer = (async () => operation(tier))().catch(() => FAILED)
    if (onLate !== undefined) void answer.then(() => onEnd?.())
    const result = await Promise.race([answer, deadline])
    stopTimer?.()
    const metrics = this.metrics[index]
    if (result === FAILED && metrics) metrics.errors++
    return result
  }
}

const FAILED = Symbol('failed')

/** A removal of its own each time: it is told apart from others of its kind. */
const everything = (): Removal => ({ keys: [], matches: everyKey })

/** Whether a tier can remove all that `matches` says yes to, and not only what memory knew of it. */
function canFind(tier: Tier | undefined, { matches }: Removal): boolean {
  return matches === undefined || tier?.keys !== undefined || (matches === everyKey && tier?.clear !== undefined)
}

async function removeFrom(tier: Tier, { keys, matches }: Removal): Promise<void> {
  if (matches === everyKey && tier.clear !== undefined) return tier.clear()
  const found = new Set(keys)
  if (matches !== undefined && tier.keys !== undefined) {
    for await (const key of tier.keys()) if (matches(key)) found.add(key)
  }
  if (found.size > 0) await tier.mdelete([...found])
}

/** A tier names itself; a storage of plain values does not. */
function isTier(item: Tier | ValueStorage): item is Tier {
  return typeof (item as Tier).name === 'string' && isStorage(item) && 'mget' in item && 'mset' in item && 'mdelete' in item
}

function validEntry(entry: unknown, wallNow: number): TierEntry | undefined {
  try {
    if (typeof entry !== 'object' || entry === null || !('value' in entry)) return undefined
    const { value, expiresAt } = entry as TierEntry
    if (value === undefined) return undefined
    if (expiresAt === undefined) return { value }
    return typeof expiresAt === 'number' && wallNow < expiresAt ? { value, expiresAt } : undefined
  } catch {
    // A proxy, or a getter, that throws.
    return undefined
  }
}
