/**
 * A bulk loader and its options, read once: what makes batches of bare keys. Such a batch is one group; a key that is alone in its call, or is tried
 * again, goes through the same function.
 */

import { BULK_LOADER } from './bulk-name.js'
import { missingAnswer, readGroupResult } from './group-result.js'
import type { Asked } from './hits.js'
import { aFunction, aName, anArray, isObject, verify } from './options/checks.js'
import type { Declaration } from './options/declarations.js'
import { type ResolvedBulkOptions, type ResolvedConfig, resolveBulkOptions, verifyKeyBytes } from './options/resolve.js'
import type { BulkContext, BulkLoader, FetchContext, GroupFetchContext } from './types.js'
import { isInstance } from './values.js'

export class Bulk<K> {
  readonly options: ResolvedBulkOptions<K>
  readonly #keyBytesMax: number
  readonly #load: BulkLoader<K, unknown>

  constructor(load: unknown, options: unknown, config: ResolvedConfig, declarations: readonly Declaration[]) {
    verify('bulkLoader', load, aFunction)
    this.#load = load as BulkLoader<K, unknown>
    this.#keyBytesMax = config.maxKeyBytes
    const self = this
    this.options = Object.assign(resolveBulkOptions<K>(options, config, declarations), {
      groupFetch: (context: GroupFetchContext<never>) => this.#fetch(context.requests as never, context) as never,
      bulk(context: FetchContext) {
        return self.#fetchOne(this as K, context)
      },
    })
  }

  /** What `key`, the one at `index` if there are many, is kept under. Throws if it is none. */
  keyOf(key: K, index?: number): string {
    const { prefix, cacheKey } = this.options
    const given: unknown = cacheKey === undefined ? key : cacheKey(key)
    const isName = typeof given === 'string'
    const full = isName ? prefix + given : ''
    // No string has more than three bytes per unit.
    if (isName && full.length * 3 <= this.#keyBytesMax) return full
    const where = index === undefined ? 'key' : `keys[${index}]`
    verify(where, given, aName, 'ERR_INVALID_KEY')
    verifyKeyBytes(where, full, this.#keyBytesMax)
    return full
  }

  /** What a batch for `keys` asks for. */
  ask(keys: readonly K[]): Asked {
    verify('keys', keys, anArray, 'ERR_INVALID_KEY')
    // A copy: what is asked for is what was there when it was asked.
    const requests = Array.from(keys)
    return { requests: requests as never, keys: requests.map((key, index) => this.keyOf(key, index)), wishes: undefined }
  }

  #fetch(keys: readonly K[], context: BulkContext): unknown {
    const { prefix, cacheKey } = this.options
    const answer = this.#load(keys, context)
    if (prefix === '' && cacheKey === undefined) return answer
    return Promise.resolve(answer).then((found) => this.#rename(found))
  }

  async #fetchOne(key: K, context: FetchContext): Promise<unknown> {
    const name = context.key
    const found = new Map<unknown, unknown>()
    const complaint = await readGroupResult(await this.#fetch([key], context), {
      keys: [name],
      answerAt: (_, value) => found.set(name, value),
      answer: (of, value) => found.set(of, value),
      flush: () => !found.has(name),
    })
    const value = found.has(name) ? found.get(name) : missingAnswer(this.options.onMissing, name, BULK_LOADER, complaint)
    if (isInstance(value, Error)) throw value
    return value
  }

  /** What is answered by key has its keys as the caller has them; here they are as the cache has them. */
  #rename(found: unknown): unknown {
    if (Array.isArray(found) || !isObject(found) || typeof found === 'function') return found
    const isMap = found instanceof Map
    // Names of properties are strings already.
    const nameOf = (key: unknown): string => this.keyOf(key as K)
    if (!isMap && (Symbol.asyncIterator in found || Symbol.iterator in found)) return renamed(found as never, nameOf)
    const pairs = isMap ? found : Object.entries(found)
    return new Map(Array.from(pairs, ([key, value]) => [isMap ? nameOf(key) : this.options.prefix + key, value]))
  }
}

async function* renamed(pairs: AsyncIterable<unknown>, nameOf: (key: unknown) => string): AsyncIterable<unknown> {
  for await (const pair of pairs) yield Array.isArray(pair) && pair.length === 2 ? [nameOf(pair[0]), pair[1]] : pair
}
