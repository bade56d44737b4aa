/**
 * Which callback the code that runs now belongs to, and the caller's own async context: by `AsyncLocalStorage` where the runtime has it. Where it
 * has not, callbacks say so themselves, through the calls their context offers.
 */

import type { CallId } from './engine/engine.js'

/** A running callback: of which processor, and which call. Says nothing else, as it may outlive the call by long. */
export interface Caller extends CallId {
  readonly owner: object
}

/** Runs a function in the async context that was current when the scope was taken. */
export type Scope = <R>(run: () => R) => R

interface Storage {
  run<R>(store: Caller | undefined, run: () => R): R
  getStore(): Caller | undefined
}

interface StorageClass {
  new (): Storage
  snapshot?(): Scope
}

interface ResourceClass {
  new (type: string): { runInAsyncScope: Scope }
}

const { AsyncLocalStorage: Class, AsyncResource: Resource } = findClasses()
const storage = Class === undefined ? undefined : new Class()

/** The callback that the code running now belongs to, if it is one of `owner`'s. */
export function currentCaller(owner: object): Caller | undefined {
  const caller = storage?.getStore()
  return caller?.owner === owner ? caller : undefined
}

/** The async context of now, to run callbacks in later. */
export function takeScope(): Scope | undefined {
  // On Node 20, a snapshot takes a hundred times as long.
  if (Resource === undefined) return Class?.snapshot?.()
  const resource = new Resource('sluice')
  return (run) => resource.runInAsyncScope(run)
}

/** Runs a callback as `caller`. */
export function runAs<R>(caller: Caller, run: () => R): R {
  return storage === undefined ? run() : storage.run(caller, run)
}

/** Without an import, which not every platform could resolve. */
function findClasses(): { AsyncLocalStorage?: StorageClass; AsyncResource?: ResourceClass } {
  const { process, AsyncLocalStorage } = globalThis as {
    process?: { getBuiltinModule?: (name: string) => ReturnType<typeof findClasses> | undefined }
    AsyncLocalStorage?: StorageClass
  }
  return process?.getBuiltinModule?.('node:async_hooks') ?? (AsyncLocalStorage === undefined ? {} : { AsyncLocalStorage })
}
