/**
 * Draws a program from a seed. Each has a few *traits*, not all that can happen: what is rare beside everything else (a cycle, a close amid tiers) is
 * common where it is one of three things that go on.
 */

import {
  type Act,
  type Answer,
  type Behaviour,
  type CallSpec,
  type ConfigSpec,
  type EntrySpec,
  type GroupSpec,
  KEYS,
  type Nested,
  type OnAbort,
  type OptionsSpec,
  PATTERNS,
  PREFIXES,
  type Program,
  type RateSpec,
  type RequestSpec,
  SIGNALS,
  type Step,
  TAGS,
  type TierSpec,
  type TierTurn,
  type Touch,
  type When,
} from './program.js'
import { Random } from './random.js'

interface Traits {
  /** How many of the keys are used. */
  readonly keys: number
  /** Callbacks may never answer, or late; else nothing ever takes long. */
  readonly hangs: boolean
  readonly fails: boolean
  readonly groups: boolean
  readonly nests: boolean
  readonly touches: boolean
  readonly wishes: boolean
  readonly aborts: boolean
  readonly times: boolean
  readonly stale: boolean
  readonly modes: boolean
  /** There are limits that batches share. */
  readonly limits: boolean
  readonly tiers: number
  readonly faults: boolean
  readonly blocks: boolean
  readonly crashes: boolean
  readonly closes: boolean
}

/** Long enough for things to meet, short enough to be read. */
const STEPS_MAX = 22

export function generate(seed: number): Program {
  return new Generator(new Random(seed)).program()
}

class Generator {
  readonly #random: Random
  readonly #traits: Traits

  constructor(random: Random) {
    this.#random = random
    const hangs = random.chance(55)
    const tiers = random.chance(40) ? random.between(1, 2) : 0
    this.#traits = {
      keys: random.between(1, KEYS.length),
      hangs,
      fails: random.chance(60),
      groups: random.chance(50),
      nests: random.chance(40),
      touches: random.chance(65),
      wishes: random.chance(40),
      aborts: random.chance(40),
      times: hangs && random.chance(50),
      stale: random.chance(30),
      modes: random.chance(35),
      limits: random.chance(40),
      tiers,
      faults: tiers > 0 && hangs && random.chance(50),
      blocks: random.chance(15),
      crashes: random.chance(5),
      closes: random.chance(12),
    }
  }

  program(): Program {
    const random = this.#random
    const { tiers, closes } = this.#traits
    const steps = random.list(2, STEPS_MAX, () => this.#step())
    if (closes) {
      const mode = random.pick(['drain', 'abort'] as const)
      steps.splice(random.below(steps.length + 1), 0, {
        do: 'close',
        mode,
        timeoutMs: random.pick([1, 5, 40, 10_000]),
        wait: random.below(10),
      })
    }
    return {
      config: this.#config(),
      tiers: Array.from({ length: tiers }, () => this.#tier()),
      steps,
      order: random.next(),
    }
  }

  #config(): ConfigSpec {
    const random = this.#random
    const { fails, stale, wishes, tiers, limits } = this.#traits
    return {
      // What memory cannot hold comes back from the tiers.
      ...(random.chance(tiers > 0 ? 60 : 25) && { maxEntries: random.between(1, tiers > 0 ? 2 : 4) }),
      ...(wishes && random.chance(25) && { maxWeight: random.pick([100, 300, 2000]) }),
      ...(random.chance(60) && { ttl: random.pick([1, 5, 20, 60, 0, Number.POSITIVE_INFINITY]) }),
      ...(random.chance(15) && { negativeTtl: random.pick([0, 3, 30]) }),
      ...(fails && random.chance(20) && { errorTtl: random.pick([2, 20]) }),
      ...(random.chance(10) && { ttlJitter: 0.5 }),
      ...(random.chance(10) && { slidingTtl: true }),
      ...(stale && random.chance(30) && { earlyRefresh: random.pick([1, 5]) }),
      ...(stale && random.chance(30) && { staleWhileRevalidate: random.pick([5, 50]) }),
      storageTimeoutMs: 30,
      ...(limits && this.#limits()),
      ...(fails && random.chance(20) && { retryBurst: random.below(3) }),
    }
  }

  #limits(): ConfigSpec {
    const random = this.#random
    return {
      ...(random.chance(50) && { maxConcurrency: random.between(1, 4) }),
      ...(random.chance(45) && { maxConcurrencyPerGroup: random.between(1, 2) }),
      ...(random.chance(45) && { rateLimit: random.list(1, 2, () => this.#rate()) }),
      ...(random.chance(35) && { maxQueue: random.pick([0, 1, 2, 4, 8]) }),
      ...(random.chance(25) && { adaptiveConcurrency: { min: 1, max: random.between(1, 4), initial: random.between(1, 4) } }),
      ...(random.chance(10) && { adaptiveBatchSize: true }),
    }
  }

  #rate(): RateSpec {
    const random = this.#random
    return {
      requests: random.between(1, 3),
      perMs: random.pick([0.5, 3, 10, 20]),
      ...(random.chance(50) && { burst: random.between(1, 4) }),
      ...(random.chance(40) && { onLimit: random.pick(['queue', 'reject', 'reject'] as const) }),
      ...(random.chance(40) && { isByHead: true }),
    }
  }

  #step(): Step {
    const random = this.#random
    const wait = random.chance(55) ? 0 : random.pick([1, 1, 2, 3, 5, 8, 13, 30])
    return { ...this.#act(), wait }
  }

  #act(): Act {
    const random = this.#random
    const { touches, aborts, blocks, crashes } = this.#traits
    if (aborts && random.chance(15)) return { do: 'abort', signal: random.below(SIGNALS) }
    if (touches && random.chance(30)) return this.#touch()
    if (blocks && random.chance(20))
      return random.chance(70) ? { do: 'stall', ms: random.pick([1, 10, 60]) } : { do: 'jump', ms: random.pick([-50, 50]) }
    if (crashes && random.chance(20)) return { do: 'crash' }
    if (random.chance(18))
      return { do: 'read', kind: random.pick(['get', 'get', 'has', 'mget'] as const), keys: this.#keys(1, 3) }
    if (random.chance(15))
      return { do: 'look', kind: random.pick(['get', 'peek', 'mget', 'list'] as const), keys: this.#keys(1, 3) }
    if (random.chance(2)) return { do: 'plan', call: this.#call(1) }
    if (random.chance(2)) return { do: 'purge' }
    return { do: 'call', call: this.#call(0) }
  }

  #touch(): Touch {
    const random = this.#random
    const where = random.chance(70) ? 'all' : 'memory'
    const dice = random.below(100)
    if (dice < 35) return { do: 'delete', where, keys: this.#keys(1, 2) }
    if (dice < 70) return { do: 'set', where, entries: random.list(1, 2, () => this.#entry()) }
    if (dice < 76) return { do: 'clear', where }
    const kind = random.pick(['keys', 'prefix', 'pattern', 'tag'] as const)
    const counts = { keys: KEYS.length, prefix: PREFIXES.length, pattern: PATTERNS.length, tag: TAGS.length }
    return { do: 'invalidate', kind, pick: random.below(counts[kind]) }
  }

  #entry(): EntrySpec {
    const random = this.#random
    return {
      key: this.#key(),
      value: random.chance(80) ? 'value' : random.pick(['null', 'undefined'] as const),
      ...(random.chance(30) && { ttl: this.#ttl() }),
      ...(this.#traits.wishes && random.chance(40) && { tags: this.#tags() }),
    }
  }

  #call(depth: number): CallSpec {
    const random = this.#random
    const how = random.pick(['values', 'values', 'settled', 'settled', 'single', 'stream', 'prefetch'] as const)
    const most = how === 'single' ? 1 : depth > 0 ? 2 : 6
    const requests = random.list(how === 'single' ? 1 : random.chance(4) ? 0 : 1, most, () => this.#request(depth))
    const take = how === 'stream' && random.chance(50) ? random.below(requests.length + 1) : undefined
    return { how, requests, options: this.#options(depth), ...(take !== undefined && { take }) }
  }

  #request(depth: number): RequestSpec {
    const random = this.#random
    const { wishes } = this.#traits
    return {
      key: this.#key(),
      ...(wishes && random.chance(40) && { ttl: this.#ttl() }),
      ...(wishes && random.chance(40) && { priority: random.pick([-1, 0, 1, 500]) }),
      ...(wishes && random.chance(30) && { tags: this.#tags() }),
      ...(wishes && random.chance(20) && { weight: random.pick([0, 50, 5000]) }),
      tries: random.list(1, depth === 0 && this.#traits.fails && random.chance(30) ? 3 : 1, () => this.#behaviour(depth)),
    }
  }

  #options(depth: number): OptionsSpec {
    const random = this.#random
    const { hangs, fails, groups, aborts, times, stale, modes, limits } = this.#traits
    return {
      ...(random.chance(60) && { maxConcurrency: random.between(1, 3) }),
      ...(limits && random.chance(15) && { maxConcurrencyPerGroup: random.between(1, 2) }),
      ...(groups && random.chance(60) && this.#grouping(depth)),
      ...(random.chance(8) && { deduplication: false }),
      ...(aborts && random.chance(40) && { signal: random.below(SIGNALS) }),
      ...(times && random.chance(30) && { timeoutMs: random.pick([1, 5, 20, 80]) }),
      ...(hangs && random.chance(85) && { fetchTimeoutMs: random.pick([1, 4, 10, 25]) }),
      ...(times && random.chance(30) && { queueTimeoutMs: random.pick([1, 5, 20]) }),
      ...(random.chance(12) && { failFast: true }),
      ...(random.chance(12) && { onOrphan: 'finish' as const }),
      ...(random.chance(10) && { progress: random.pick(['counts', 'throws'] as const) }),
      ...(random.chance(8) && { isolation: random.pick(['freeze', 'clone'] as const) }),
      ...(fails && random.chance(30) && { attempts: random.between(2, 3) }),
      ...(modes && random.chance(50) && { cache: random.pick(['reload', 'only-if-cached', 'no-store'] as const) }),
      ...(stale && random.chance(50) && { staleWhileRevalidate: random.pick([5, 50]) }),
      ...(stale && random.chance(50) && { staleIfError: random.pick([5, 50]) }),
    }
  }

  #grouping(depth: number): OptionsSpec {
    const random = this.#random
    return {
      group: this.#group(depth),
      ...(random.chance(40) && { groupingStrategy: random.pick(['none', 'prefix', 'custom'] as const) }),
      ...(random.chance(5) && { ungroupable: this.#key() }),
      ...(random.chance(30) && { maxBatchSize: random.between(1, 3) }),
      ...(random.chance(50) && { onMissing: random.pick(['fallback', 'undefined', 'null', 'error'] as const) }),
      ...(random.chance(30) && { groupFallbackLimit: random.below(3) }),
    }
  }

  #group(depth: number): GroupSpec {
    const random = this.#random
    const { fails } = this.#traits
    const shape = random.pick([
      'map',
      'object',
      'array',
      'pairs',
      'stream',
      'stream',
      ...(fails ? (['short', 'garbage'] as const) : []),
    ] as const)
    const member = () =>
      random.chance(65) ? 'value' : random.pick(['null', 'undefined', 'missing', ...(fails ? (['error'] as const) : [])] as const)
    const nested = this.#nested(depth)
    return {
      when: this.#when(),
      shape,
      members: random.list(1, 4, member),
      ...(random.chance(20) && { extra: this.#key() }),
      gap: random.chance(70) ? random.pick(['soon', 1, 3] as const) : this.#when(),
      fails: fails && random.chance(20),
      onAbort: this.#onAbort(),
      ...(nested !== undefined && { nested }),
    }
  }

  #behaviour(depth: number): Behaviour {
    const random = this.#random
    const { fails, touches } = this.#traits
    const good: Answer = random.chance(88) ? 'value' : random.pick(['null', 'undefined'] as const)
    const nested = this.#nested(depth)
    return {
      when: this.#when(),
      answer: fails && random.chance(30) ? random.pick(['error', 'error', 'falsy', 'hinted'] as const) : good,
      onAbort: this.#onAbort(),
      ...(nested !== undefined && { nested }),
      ...(touches && random.chance(5) && { first: this.#touch() }),
    }
  }

  #nested(depth: number): Nested | undefined {
    const random = this.#random
    if (!this.#traits.nests || depth > 2 || !random.chance(depth === 0 ? 35 : 20)) return undefined
    return {
      call: this.#call(depth + 1),
      through: random.pick(['context', 'processor'] as const),
      after: random.chance(60) ? 'now' : this.#when(),
      isAwaited: random.chance(85),
    }
  }

  #when(): When {
    const random = this.#random
    const { hangs } = this.#traits
    const dice = random.below(100)
    if (dice < 15) return 'now'
    if (dice < 30) return 'soon'
    if (hangs && dice < 40) return 'never'
    if (hangs && dice < 52) return random.pick([10, 25, 26, 60])
    return random.pick([0, 0, 1, 2, 3, 5])
  }

  #onAbort(): OnAbort {
    return this.#random.pick(['ignore', 'obey', 'obey', 0, 3] as const)
  }

  #tier(): TierSpec {
    return { reads: this.#random.list(1, 5, () => this.#turn()), writes: this.#random.list(1, 5, () => this.#turn()) }
  }

  #turn(): TierTurn {
    const random = this.#random
    const { faults } = this.#traits
    const isFaulty = faults && random.chance(35)
    return {
      when:
        isFaulty && random.chance(50)
          ? random.pick(['never', 31, 60, 30] as const)
          : random.pick(['now', 'soon', 'soon', 0, 1, 4, 9] as const),
      fails: isFaulty && random.chance(60) ? random.pick(['throws', 'rejects', 'garbage'] as const) : 'no',
      effect: random.pick(['begin', 'end'] as const),
    }
  }

  #key(): number {
    return this.#random.below(this.#traits.keys)
  }

  #keys(first: number, last: number): number[] {
    return this.#random.list(first, last, () => this.#key())
  }

  #ttl(): number {
    return this.#random.pick([0, 1, 10, 100, Number.POSITIVE_INFINITY])
  }

  #tags(): number[] {
    return this.#random.list(1, 2, () => this.#random.below(TAGS.length))
  }
}
