/**
 * What a batch asks for, and the straight way to it: one look-up of all keys. Where memory has all of them, nothing is made but the results; where it
 * has not, the batch goes on from the same look-up.
 */

import type { Dispatcher } from './dispatcher.js'
import { type Engine, FAILURE } from './engine/engine.js'
import type { BatchPerformanceMonitor } from './monitor.js'
import { anArray, aTtl, verify } from './options/checks.js'
import { type ResolvedBatchOptions, verifyKeyBytes, verifyRequest } from './options/resolve.js'
import type { BatchRequest } from './types.js'

/** Keys that cross at once, and their UTF-16 units but for the last key: bounds the memory that a large batch takes in the engine for good. */
const KEYS_PER_CROSSING = 8192
const UNITS_PER_CROSSING = 2 ** 22

export type Requests = readonly BatchRequest<unknown>[]
export type Options = ResolvedBatchOptions<never>

/** What a batch asks for, read once: a getter may say something else the next time, or ask the processor for something itself. */
export interface Asked {
  /** Of a bulk load, the keys as the caller has them. */
  readonly requests: Requests
  readonly keys: readonly string[]
  /** By position, of the requests that say anything of TTL, priority, tags or weight. */
  readonly wishes: readonly (BatchRequest<unknown> | undefined)[] | undefined
  /** Its first crossing, where that has been made: the engine's `words` have what it found until something else crosses. */
  crossing?: Crossing
}

/** A look-up of as many keys as cross at once. */
export interface Crossing {
  readonly at: number
  readonly size: number
  readonly missed: number
}

/**
 * The values of all keys, if they are in memory and are handed over as they are, without anybody to hear of each. If not, `asked` has the look-up that
 * was made, if one was.
 */
export function takeHits(
  asked: Asked,
  options: Options,
  dispatcher: Dispatcher,
  monitor: BatchPerformanceMonitor,
): unknown[] | undefined {
  const { keys } = asked
  const count = keys.length
  const isPlain = options.isolation === 'shared' && options.onProgress === undefined && readsMemory(options)
  if (!isPlain || count === 0 || options.signal?.aborted) return undefined
  // What has been answered in this turn is to be stored first.
  if (dispatcher.hasAnswers || !dispatcher.ensureAlive()) return undefined
  const at = dispatcher.now()
  const crossing = cross(dispatcher.engine, keys, 0, options, at)
  if (crossing.missed === 0 && crossing.size === count) {
    const { words, values } = dispatcher.engine
    const results: unknown[] = new Array(count)
    let found = 0
    for (; found < count; found++) {
      const word = words[found] as number
      if (word >= FAILURE) break
      results[found] = values[word]
    }
    if (found === count) {
      monitor.recordHits(count, dispatcher.now() - at)
      return results
    }
  }
  asked.crossing = crossing
  return undefined
}

/** Looks up as many of the keys from `base` on as cross at once. */
export function cross(engine: Engine, keys: readonly string[], base: number, options: Options, at: number): Crossing {
  const size = writeSome(engine, keys, base)
  const missed = readsMemory(options) ? engine.lookup(size, options.staleWhileRevalidate, at) : engine.missAll(size)
  return { at, size, missed }
}

/** Writes as many of the keys from `base` on as cross at once; answers how many. */
export function writeSome(engine: Engine, keys: readonly string[], base: number): number {
  return engine.writeKeys(keys, base, KEYS_PER_CROSSING, UNITS_PER_CROSSING)
}

/** Whether a batch is answered from memory and tiers. */
export function readsMemory({ deduplication, cache }: Options): boolean {
  return deduplication && (cache === 'default' || cache === 'only-if-cached')
}

/** Throws for the first request that is not one. */
export function verifyRequests(requests: unknown, keyBytesMax: number): Asked {
  verify('requests', requests, anArray, 'ERR_INVALID_REQUESTS')
  const { length } = requests as Requests
  const keys: string[] = new Array(length)
  // No string has more than three bytes per unit.
  const unitsMax = Math.floor(keyBytesMax / 3)
  let wishes: BatchRequest<unknown>[] | undefined
  for (let index = 0; index < length; index++) {
    const request = (requests as Requests)[index] as BatchRequest<unknown>
    const key = request?.key
    if (typeof key !== 'string' || typeof request.fetchFunction !== 'function') verifyRequest(request, index)
    else if (key.length > unitsMax) verifyKeyBytes(`requests[${index}].key`, key, keyBytesMax)
    keys[index] = key
    const { ttl, priority, tags, weight } = request
    if (ttl !== undefined || priority !== undefined || tags !== undefined || weight !== undefined) {
      const wish = { key, fetchFunction: request.fetchFunction, ttl, priority, tags, weight }
      // Most say a TTL and nothing else.
      const isTtlAlone = priority === undefined && tags === undefined && weight === undefined && aTtl(ttl) === undefined
      if (!isTtlAlone) verifyRequest(wish, index)
      wishes ??= new Array(length)
      wishes[index] = wish
    }
  }
  return { requests: requests as Requests, keys, wishes }
}
