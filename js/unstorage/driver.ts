/** Sluice as a driver of unstorage. */

import { typed, verify } from '../options/checks.js'
import type { BatchProcessor } from '../processor.js'

/** What of a processor the driver uses. */
export type DriverProcessor = Pick<
  BatchProcessor,
  'get' | 'mget' | 'set' | 'mset' | 'has' | 'delete' | 'invalidate' | 'clear' | 'memory'
>

/** What unstorage hands to `setItem`. */
export interface DriverItemOptions {
  /** Seconds, as for unstorage's other drivers. */
  ttl?: number
}

/** A driver, as `createStorage({ driver })` takes it. */
export interface SluiceDriver {
  name: string
  hasItem(key: string): Promise<boolean>
  // biome-ignore lint/suspicious/noExplicitAny: as unstorage declares it
  getItem(key: string): Promise<any>
  // biome-ignore lint/suspicious/noExplicitAny: as unstorage declares it
  getItems(items: { key: string }[]): Promise<{ key: string; value: any }[]>
  getItemRaw(key: string): Promise<unknown>
  setItem(key: string, value: string, options?: DriverItemOptions): Promise<void>
  setItems(items: { key: string; value: string; options?: DriverItemOptions }[]): Promise<void>
  setItemRaw(key: string, value: unknown, options?: DriverItemOptions): Promise<void>
  removeItem(key: string): Promise<void>
  getKeys(base?: string): Promise<string[]>
  clear(base?: string): Promise<void>
}

/**
 * A driver that keeps items in a `BatchProcessor`, in memory and its tiers. It is a cache: what has to leave leaves, and `getKeys` knows what is in memory. The
 * processor is yours to close.
 */
export function sluiceDriver(processor: DriverProcessor): SluiceDriver {
  const isRight = (value: unknown): boolean => typeof (value as DriverProcessor | undefined)?.mget === 'function'
  verify('sluiceDriver(processor)', processor, typed('a BatchProcessor', isRight))
  const ttlOf = (options: DriverItemOptions | undefined): { ttl: number } => ({
    ttl: options?.ttl ? options.ttl * 1000 : Number.POSITIVE_INFINITY,
  })
  const get = async (key: string): Promise<unknown> => (await processor.get(key)) ?? null
  const set = (key: string, value: unknown, options?: DriverItemOptions): Promise<void> =>
    processor.set(key, value, ttlOf(options))
  return {
    name: 'sluice',
    hasItem: (key) => processor.has(key),
    getItem: get,
    async getItems(items) {
      const values = await processor.mget(items.map(({ key }) => key))
      return items.map(({ key }, index) => ({ key, value: values[index] ?? null }))
    },
    getItemRaw: get,
    setItem: set,
    setItems: (items) => processor.mset(items.map(({ key, value, options }) => ({ key, value, ...ttlOf(options) }))),
    setItemRaw: set,
    removeItem: async (key) => void (await processor.delete(key)),
    getKeys: async (base = '') => [...processor.memory.keys()].filter((key) => key.startsWith(base)),
    clear: async (base) => void (await (base ? processor.invalidate({ prefix: base }) : processor.clear())),
  }
}
