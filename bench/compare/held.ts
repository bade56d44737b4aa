/**
 * A process that holds entries of one library, and prints what they cost: `held.ts <rival> <entries> memory|gc`.
 *
 * All values are one object, and keys are held by the library alone: what is counted is the library's own, keys and all.
 */

import { PerformanceObserver } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import { isBun } from './child.ts'
import type { Ask, Request, Value } from './rivals.ts'
import { wasmBytes } from './wasm-bytes.ts'

export interface Memory {
  /** On the heap of JavaScript, in its array buffers, and in wasm. */
  readonly heap: number
  readonly buffers: number
  readonly wasm: number
}
export interface Pauses {
  /** Of full collections one asks for, in ms. */
  readonly full: readonly number[]
  /** Of any that comes by itself while garbage is made, in ms. */
  readonly longest: number
  readonly total: number
}

const FILL = 1_000
const FULL_COLLECTIONS = 7
/** Garbage, some of which lives long enough to be moved out of the nursery. */
const CHURN_ROUNDS = 600
const CHURN_OBJECTS = 20_000
const SURVIVORS = 100_000

const [name = '', count = '', what = ''] = process.argv.slice(2)
const shared: Value = { id: 1 }
const fetchShared = () => shared

// Used once before the first measurement, as its code and its modules are not the entries'.
const { holder } = await import('./holders.ts')
const { open } = holder(name)
await open({ entries: 10, limit: 10 })([request(-1)])
let ask: Ask = () => undefined
console.log(JSON.stringify(what === 'gc' ? await pauses() : await memory()))
// Held until here, and not collected before.
await ask([])
process.exit()

async function memory(): Promise<Memory> {
  const before = await usage()
  await fill()
  const after = await usage()
  const per = (figure: keyof Memory) => (after[figure] - before[figure]) / Number(count)
  return { heap: per('heap'), buffers: per('buffers'), wasm: per('wasm') }
}

async function usage(): Promise<Memory> {
  // What a collection has only marked for later is freed by the next.
  for (let i = 0; i < 4; i += 1) {
    collect()
    await setImmediate()
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { heap: heapUsed, buffers: arrayBuffers, wasm: wasmBytes() }
}

async function pauses(): Promise<Pauses> {
  await fill()
  const full: number[] = []
  for (let i = 0; i < FULL_COLLECTIONS; i += 1) {
    const startMs = performance.now()
    collect()
    full.push(performance.now() - startMs)
    await setImmediate()
  }
  const seen: number[] = []
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) seen.push(duration)
  })
  observer.observe({ entryTypes: ['gc'] })
  const survivors: object[] = []
  for (let round = 0; round < CHURN_ROUNDS; round += 1) {
    for (let i = 0; i < CHURN_OBJECTS; i += 1)
      survivors[(round * CHURN_OBJECTS + i) % SURVIVORS] = { round, i, text: `${round}/${i}` }
    await setImmediate()
  }
  // Its entries are told a turn later.
  await setImmediate()
  await setImmediate()
  observer.disconnect()
  return { full, longest: Math.max(0, ...seen), total: seen.reduce((sum, ms) => sum + ms, 0) }
}

async function fill(): Promise<void> {
  // Some take room for all entries at once.
  ask = open({ entries: Number(count), limit: 10 })
  for (let first = 0; first < Number(count); first += FILL) {
    await ask(Array.from({ length: Math.min(FILL, Number(count) - first) }, (_, i) => request(first + i)))
  }
}

/** 24 bytes. */
function request(id: number): Request {
  return { key: `user:profile:${String(id).padStart(11, '0')}`, fetchFunction: fetchShared }
}

function collect(): void {
  if (isBun) (globalThis as unknown as { Bun: { gc(isSync: boolean): void } }).Bun.gc(true)
  else (globalThis.gc as () => void)()
}
