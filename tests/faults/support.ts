/** What the fault tests share beside tests/support: the wasm's memory, random numbers that can be repeated, and processes of their own. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { drained } from '../support/virtual-clock.js'

/** Bytes of a page of wasm memory. */
export const PAGE = 65_536

/** The seed of this run's random tests: `SLUICE_SEED`, else the time. Failures print it. */
export const SEED = Number(process.env.SLUICE_SEED ?? Date.now() % 2 ** 30)

/** How much longer than in CI soak tests run. */
export const SOAK = Number(process.env.SLUICE_SOAK ?? 1)

/** Numbers from 0 up to `bound`, the same for the same seed (mulberry32). */
export function randomFrom(seed: number): (bound: number) => number {
  let state = seed >>> 0
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

/** Lets everything run that does not wait for time, through several turns: tiers take one for each step. */
export async function settled(turns = 6): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await drained()
}

/** What a process with the TypeScript file `name` of this folder prints, having ended by itself with code 0 and without a word on stderr. */
export async function runChild(name: string, args: readonly string[] = [], flags: readonly string[] = []): Promise<string> {
  const file = fileURLToPath(new URL(`children/${name}`, import.meta.url))
  const strict = ['--import=tsx', '--unhandled-rejections=strict', '--trace-warnings', ...flags]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...strict, file, ...args], { timeout: 60_000 * SOAK })
  // What Node says of a flag that takes another with it is no warning of ours.
  assert.equal(stderr.replace(/^Warning: disabling flag .*\n/m, ''), '')
  return stdout.trimEnd()
}

/** Runs `work` with a property that every object seems to have. */
export async function withPollution<R>(properties: Record<string, unknown>, work: () => R | Promise<R>): Promise<R> {
  const prototype = Object.prototype as unknown as Record<string, unknown>
  for (const [name, value] of Object.entries(properties)) {
    Object.defineProperty(prototype, name, { value, configurable: true, writable: true, enumerable: false })
  }
  try {
    return await work()
  } finally {
    for (const name of Object.keys(properties)) delete prototype[name]
  }
}

/** The least time that `work` took in some rounds, in milliseconds: what it costs when nothing else runs. */
export function timeOf(work: () => void, rounds = 5): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    work()
    least = Math.min(least, performance.now() - start)
  }
  return least
}
