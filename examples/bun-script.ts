#!/usr/bin/env bun
/**
 * A script for Bun, and for Node by way of tsx: which dependencies are out of date, by a registry that takes two calls at once, and is busy at
 * first. What is not there is remembered, too.
 */

import { type BatchOutcome, BatchProcessor } from 'sluice'

const INSTALLED: Record<string, string> = { alpha: '1.0.0', beta: '2.1.0', gamma: '0.3.0', delta: '4.0.0', nowhere: '1.0.0' }

// The registry: at most two calls at once, and its first answer is that it is busy.
const LATEST: Record<string, string> = { alpha: '1.0.0', beta: '2.2.0', gamma: '1.0.0', delta: '4.0.0' }
let inFlight = 0
let answers = 0
async function askRegistry(name: string): Promise<string> {
  inFlight += 1
  try {
    if (inFlight > 2) throw Object.assign(new Error('too many requests'), { status: 429 })
    await new Promise((resolve) => setTimeout(resolve, 10))
    answers += 1
    if (answers === 1) throw Object.assign(new Error('busy'), { status: 503, retryAfterMs: 20 })
    const latest = LATEST[name]
    if (latest === undefined) throw Object.assign(new Error(`there is no ${name}`), { status: 404 })
    return latest
  } finally {
    inFlight -= 1
  }
}

const processor = new BatchProcessor({ maxConcurrency: 2, ttl: 60_000, errorTtl: 60_000 })

async function check(): Promise<void> {
  const names = Object.keys(INSTALLED)
  const outcomes = await processor.getCachedDataBatchSettled(
    names.map((name) => ({ key: `latest:${name}`, fetchFunction: () => askRegistry(name) })),
    { retry: { attempts: 3, backoffMs: 5, retryable: (error) => (error as { status?: number }).status !== 404 } },
  )
  for (const outcome of outcomes) {
    const name = names[outcome.index] ?? ''
    console.log(`  ${name.padEnd(7)}  ${outcome.source.padEnd(6)}  ${verdict(INSTALLED[name], outcome)}`)
  }
}

function verdict(installed: string | undefined, outcome: BatchOutcome<string>): string {
  if (outcome.status === 'rejected') return (outcome.reason as Error).message
  return outcome.value === installed ? 'up to date' : `${installed} → ${outcome.value}`
}

console.log('A first check')
await check()
console.log('The same again')
await check()
const { calls, retried, hits } = await processor.metrics()
console.log(`${calls} calls, of which ${retried} again after a failure; ${hits} answers from memory`)

/* It prints:

A first check
  alpha    fetch   up to date
  beta     fetch   2.1.0 → 2.2.0
  gamma    fetch   0.3.0 → 1.0.0
  delta    fetch   up to date
  nowhere  fetch   there is no nowhere
The same again
  alpha    memory  up to date
  beta     memory  2.1.0 → 2.2.0
  gamma    memory  0.3.0 → 1.0.0
  delta    memory  up to date
  nowhere  memory  there is no nowhere
6 calls, of which 1 again after a failure; 5 answers from memory
*/
