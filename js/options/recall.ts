/** What a batch's options resolve to. Most callers write the same ones at each call: these are not checked and copied again. */

import type { BatchOptions } from '../types.js'
import { isObject, isPlain } from './checks.js'
import { type ResolvedBatchOptions, type ResolvedConfig, resolveBatchOptions } from './resolve.js'

export class BatchOptionsResolver {
  readonly #config: ResolvedConfig
  /** The last that said nothing but what is a primitive: what else there is may change, and is not to be kept alive. */
  #names: readonly string[] = []
  #values: readonly unknown[] = []
  #resolved: ResolvedBatchOptions<never> | undefined

  constructor(config: ResolvedConfig) {
    this.#config = config
  }

  /** Throws for misuse. What it answers is shared: nobody may change it. */
  resolve<T>(options: BatchOptions<T> | undefined): ResolvedBatchOptions<never> {
    if (!isObject(options) || !isPlain(options)) return resolveBatchOptions(options, this.#config) as never
    const names = Object.keys(options)
    const values = names.map((name) => (options as Record<string, unknown>)[name])
    if (this.#resolved !== undefined && isSame(names, this.#names) && isSame(values, this.#values)) return this.#resolved
    const read = Object.fromEntries(names.map((name, at) => [name, values[at]]))
    const resolved: ResolvedBatchOptions<never> = resolveBatchOptions(read as BatchOptions<never>, this.#config)
    if (values.every(isPrimitive)) {
      this.#names = names
      this.#values = values
      this.#resolved = resolved
    }
    return resolved
  }
}

function isSame(some: readonly unknown[], others: readonly unknown[]): boolean {
  return some.length === others.length && some.every((one, at) => Object.is(one, others[at]))
}

function isPrimitive(value: unknown): boolean {
  return !isObject(value)
}
