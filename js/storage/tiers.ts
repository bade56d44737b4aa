/**
 * The tiers beneath memory, read in order and written together. Nothing they do, throw or leave undone reaches a reader: it costs a miss and
 * a counter. What was removed or replaced is a miss at once, whatever a tier still says of it (`hidden.ts`).
 */

import { Breakers } from '../breaker.js'
import { startTimer } from '../clock.js'
import { StorageError } from '../errors.js'
import type { Events } from '../events.js'
import type { ResolvedConfig } from '../options/resolve.js'
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
  /** Operations that were not tried, as too many had failed. */
  skipped: number
  writes: number
  deletes: number
}

/** What a tier failed with, if one did. */
export type TierFailure = StorageError | undefined

/** Each has a breaker of its own: a tier that cannot be read is to be told what is deleted. */
type Operations = 'reads' | 'writes'

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
  readonly #config: ResolvedConfig
  readonly #events: Events
  readonly #breakers: Breakers
  /** Of each tier, what is not to be read there. */
  readonly #hidden: readonly Hidden[]
  /** Of each tier, whether what it refused to remove is being removed again. */
  readonly #isMending: boolean[] = []
  /** The end of each tier's writes so far: they are done one after another, so that a delete comes after the write it undoes. */
  readonly #writes: Promise<unknown>[]
  /** Written with the next turn of the event loop, all at once. */
  #pending = new Map<string, Pending>()
  #flushing: Promise<TierFailure> | undefined
  /** The burst before. What comes while it is being written waits for it, and is written together, however slow a tier is. */
  #writing: Promise<TierFailure> = Promise.resolve(undefined)

  constructor(storage: StorageInput | undefined, config: ResolvedConfig, events: Events) {
    const { clock, storageBreaker } = config
    const list = storage === undefined ? [] : Array.isArray(storage) ? storage : [storage]
    this.tiers = list.map((item: Tier | ValueStorage) => {
      return isTier(item) ? item : tierOf(item, { name: 'storage', ttlUnit: 'ms' }, () => clock.wallNow())
    })
    this.metrics = this.tiers.map(({ name }) => ({ name, hits: 0, misses: 0, errors: 0, skipped: 0, writes: 0, deletes: 0 }))
    this.#hidden = this.tiers.map(() => new Hidden())
    this.#writes = this.tiers.map(() => Promise.resolve())
    this.#config = config
    this.#events = events
    const now = (): number => clock.now()
    this.#breakers = new Breakers(storageBreaker, now, (name, error) => {
      const [operations, index] = name.split(' ') as [Operations, string]
      events.emit('tierBreakerOpen', { tier: this.#nameOf(index), operations, error })
    })
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
   * read any more. Settles when the burst has been written, well or not.
   */
  write(key: string, entry: TierEntry, replaces = false): Promise<TierFailure> {
    const before = this.#pending.get(key)
    this.#pending.set(key, { entry, replaces: replaces || before?.replaces === true })
    if (replaces) for (const hidden of this.#hidden) hidden.hide({ keys: [key], matches: undefined })
    this.#flushing ??= this.#writing.then(() => this.#flush())
    return this.#flushing
  }

  /** Removes keys from all tiers. Settles when they have answered, well or not. */
  delete(keys: readonly string[]): Promise<TierFailure> {
    for (const key of keys) this.#pending.delete(key)
    for (const metrics of this.metrics) metrics.deletes += keys.length
    return this.#removeEverywhere({ keys, matches: undefined })
  }

  /** Removes `keys` from all tiers, and all that `matches` says yes to; a tier that cannot list its keys is not read for those until it has taken them anew. */
  deleteMatching(keys: readonly string[], matches: ((key: string) => boolean) | undefined): Promise<TierFailure> {
    for (const key of keys) this.#pending.delete(key)
    for (const key of this.#pending.keys()) if (matches?.(key)) this.#pending.delete(key)
    return this.#removeEverywhere({ keys, matches })
  }

  clear(): Promise<TierFailure> {
    this.#pending.clear()
    return this.#removeEverywhere(everything())
  }

  /** Settles when all that was to be written has been, or has failed. */
  async flush(): Promise<void> {
    await this.#flushing
    await Promise.all(this.#writes)
  }

  async close(): Promise<void> {
    await this.flush()
    await Promise.all(this.tiers.map((_, index) => this.#try(index, (tier) => tier.close?.())))
  }

  #nameOf(index: number | string): string {
    return (this.tiers[index as number] as Tier).name
  }

  #flush(): Promise<TierFailure> {
    this.#flushing = undefined
    const pending = [...this.#pending]
    this.#pending = new Map()
    if (pending.length === 0) return Promise.resolve(undefined)
    const entries = pending.map(([key, { entry }]) => ({ key, ...entry }))
    const replaced = pending.filter(([, { replaces }]) => replaces).map(([key]) => key)
    this.#writing = firstOf(
      this.metrics.map((metrics, index) => {
        metrics.writes += entries.length
        return this.#mset(index, entries, replaced)
      }),
    )
    return this.#writing
  }

  /** Writes entries to tier `index`. `replaced` are keys whose older entries are hidden there. */
  #mset(index: number, entries: readonly (TierEntry & { key: string })[], replaced: readonly string[]): Promise<TierFailure> {
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
    return this.#enqueue(index, (tier) => tier.mset(entries), onEnd, onLate)
  }

  #removeEverywhere(removal: Removal): Promise<TierFailure> {
    return firstOf(this.tiers.map((_, index) => this.#remove(index, removal)))
  }

  /** Removes from tier `index` what `removal` means; until that is done, and where it fails, it is not read there. */
  #remove(index: number, removal: Removal): Promise<TierFailure> {
    const hidden = this.#hidden[index] as Hidden
    const upTo = hidden.hide(removal)
    const onEnd = (isWell: boolean): void => {
      if (isWell) {
        hidden.show(removal, upTo)
        if (canFind(this.tiers[index], removal)) hidden.showMatching(removal)
        else hidden.keepMatching(removal, upTo)
      } else hidden.keep(removal)
    }
    return this.#enqueue(index, (tier) => removeFrom(tier, removal), onEnd)
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
  #enqueue(
    index: number,
    operation: Operation,
    onEnd: (isWell: boolean) => void,
    onLate?: () => () => void,
  ): Promise<TierFailure> {
    const done = (this.#writes[index] ?? Promise.resolve())
      .then(() => this.#run(index, 'writes', operation, onLate))
      .then((result) => {
        const failure = result instanceof StorageError ? result : undefined
        onEnd(failure === undefined)
        // What it refused before, it may do now; but for what `onEnd` knows to be settled.
        if (failure === undefined) this.#removeFailed(index)
        return failure
      })
    this.#writes[index] = done
    return done
  }

  async #mget(index: number, keys: readonly string[]): Promise<readonly (TierEntry | undefined)[]> {
    const isTrial = this.#breakers.suspects(`reads ${index}`)
    const answer = this.#run(index, 'reads', async (tier) => {
      const found: unknown = await tier.mget(keys)
      if (!Array.isArray(found) || found.length !== keys.length)
        throw new TypeError("mget did not answer an array of its keys' length")
      return found
    })
    // Nobody waits for what has failed so often.
    const found = isTrial ? undefined : await answer
    const wallNow = this.#config.clock.wallNow()
    return Array.isArray(found) ? found.map((entry) => validEntry(entry, wallNow)) : []
  }

  /** Runs one operation, unless the tier is left alone. Answers a `StorageError` for whatever goes wrong. */
  async #run(index: number, operations: Operations, operation: Operation, onLate?: () => () => void): Promise<unknown> {
    const name = `${operations} ${index}`
    const refused = this.#breakers.refuse(name)
    if (refused === undefined) {
      const result = await this.#try(index, operation, onLate)
      if (result instanceof StorageError) this.#breakers.failed(name, result)
      else this.#breakers.succeeded(name)
      return result
    }
    const metrics = this.metrics[index] as TierMetrics
    metrics.skipped++
    return new StorageError(metrics.name, 'is left alone for a while', refused.error)
  }

  /** Runs one operation up to its deadline. `onLate` is called at the deadline; what it answers, if it ends after that. */
  async #try(index: number, operation: Operation, onLate?: () => () => void): Promise<unknown> {
    const { clock, storageTimeoutMs } = this.#config
    const name = this.#nameOf(index)
    let stopTimer: (() => void) | undefined
    let onEnd: (() => void) | undefined
    const deadline = new Promise((resolve) => {
      stopTimer = startTimer(clock, storageTimeoutMs, () => {
        onEnd = onLate?.()
        resolve(new StorageError(name, `did not answer within ${storageTimeoutMs} ms`, undefined))
      })
    })
    // What comes after the deadline goes nowhere, a rejection included.
    const answer = (async () => operation(this.tiers[index] as Tier))().catch(
      (error: unknown) => new StorageError(name, 'failed', error),
    )
    if (onLate !== undefined) void answer.then(() => onEnd?.())
    const result = await Promise.race([answer, deadline])
    stopTimer?.()
    if (result instanceof StorageError) {
      const metrics = this.metrics[index] as TierMetrics
      metrics.errors++
      this.#events.emit('tierError', { tier: name, error: result })
    }
    return result
  }
}

async function firstOf(failures: readonly Promise<TierFailure>[]): Promise<TierFailure> {
  return (await Promise.all(failures)).find((failure) => failure !== undefined)
}

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
