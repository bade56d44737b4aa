/**
 * What a library looks like to the battery: a few calls under uniform names, in the library's own defaults.
 *
 * An adapter translates and adds nothing: it repairs no fault, and it leaves out what its library has no call for.
 */

/** Fetches one thing. `signal` where the library hands one to its loader. */
export type Loader = (signal?: AbortSignal) => unknown

/** The source of a bulk load: what it found of `keys`. An `Error` as a value stands for a key that failed. */
export type Find = (keys: readonly string[]) => ReadonlyMap<string, unknown>

export interface LoadOptions {
  /** Milliseconds, passed on as it is wherever the library counts in milliseconds too. */
  ttl?: number
  /** The caller's own: it stops waiting when this aborts. */
  signal?: AbortSignal
}

/** Calls of which a library has some. All are asked through promises, whatever the library answers with. */
export interface Cache {
  /** What is cached under `key`, else what `loader` fetches. */
  getOrLoad?(key: string, loader: Loader, options?: LoadOptions): Promise<unknown>
  delete?(key: string): Promise<unknown>
  /** Many keys in one call: what became of each, in the order in which the library answered. */
  getMany?(keys: readonly string[], find: Find): Promise<readonly PromiseSettledResult<unknown>[]>
  /** `task` under the library's limit of tasks running at once. */
  run?(name: string, task: () => unknown): Promise<unknown>
  /** `fetch` behind the library's own way of making keys of arguments. */
  memoize?(fetch: (key: string) => Promise<unknown>): (key: string) => Promise<unknown>
  close?(): Promise<unknown>
}

export type Method = keyof Cache

/** What a library can be set up with, or be asked for. `bulkLoader`: `getMany` fetches what is missing in one call. */
export type Feature = 'ttl' | 'signal' | 'store' | 'maxEntries' | 'bulkLoader'

/** A storage layer whose every operation fails in the same way. */
export interface BrokenStore {
  /** Stands for each of the store's operations: it rejects, or it never settles. */
  operation(): Promise<never>
  /** How long an operation may take, for libraries that let one say so. */
  readonly timeoutMs: number
}

export interface Setup {
  maxEntries?: number
  concurrency?: number
  store?: BrokenStore
  /** Keep entries where the library keeps them beyond the process, if it has such a place. */
  durable?: boolean
}

export interface Peer {
  readonly features: readonly Feature[]
  open(setup: Setup): Cache
}

/** One result per promise, in the order of `promises`. */
export function settleAll(promises: readonly Promise<unknown>[]): Promise<PromiseSettledResult<unknown>[]> {
  return Promise.allSettled(promises)
}

/** For libraries that answer many keys with values alone. */
export function fulfilled(values: readonly unknown[]): PromiseSettledResult<unknown>[] {
  return values.map((value) => ({ status: 'fulfilled', value }))
}
