/**
 * A writer is killed at random, again and again: the database opens, every value is one that was being written, and none older than what was done.
 *
 * `SLUICE_KILLS` says how often, `SLUICE_SEED` where the random times come from.
 */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { sqliteStorage } from '../../js/sqlite/index.js'
import { type Ended, ROOT, rowsOf, run, scratch } from '../support/sqlite.js'
import { randomFrom, SEED, SOAK } from './support.js'

const KILLS = Number(process.env.SLUICE_KILLS ?? 300)
const VICTIM = path.join(ROOT, 'tests/sqlite/children/victim.mjs')
const KEYS = Array.from({ length: 100 }, (_, at) => `key-${at}`)
/** With room for all, and with less than there is to write, so that something leaves with each write. */
const SIZES = [2 ** 30, 2 ** 20]
/** Each on a file of its own, at the same time. */
const CHAINS = 4
const LINES_MAX = 12
const WRITING_MS_MAX = 10
const STARTING_MS_MAX = 120
/** Of the system calls of a run, so many are killed at; with `SLUICE_SOAK`, each. */
const CALLS_IN_CI = 24
const noStrace = spawnSync('strace', ['-V']).status === 0 ? false : 'there is no strace'

test(`F2 F22 ${KILLS} kills of a writer: no value that is wrong, or older than what was done; no database that does not open`, async (t) => {
  t.diagnostic(`seed ${SEED}`)
  const chains = await Promise.all(
    Array.from({ length: CHAINS }, (_, chain) => {
      const kills = Math.ceil((KILLS - chain) / CHAINS)
      return killAgainAndAgain(
        path.join(scratch(t), 'victim.db'),
        kills,
        SIZES[chain % SIZES.length] as number,
        randomFrom(SEED + chain),
      )
    }),
  )
  const sum = (name: keyof Counts) => chains.reduce((total, counts) => total + counts[name], 0)
  assert.equal(sum('kills'), KILLS)
  assert.ok(sum('hits') > 0 && sum('writes') > KILLS)
  console.log(`${KILLS} kills, ${sum('writes')} writes, ${sum('cut')} cut off, ${sum('hits')} values read`)
})

test('F1 killed at a system call: at each that writes, syncs, cuts or removes, in a run that does all there is to do', {
  skip: noStrace,
}, async (t) => {
  t.diagnostic(`seed ${SEED}`)
  const folder = scratch(t)
  const counted = await runUnderStrace(path.join(folder, 'counted.db'), undefined)
  assert.deepEqual([counted.code, counted.stderr], [0, ''])
  const calls = readFileSync(`${path.join(folder, 'counted.db')}.calls`, 'utf8')
    .split('\n')
    .filter((line) => /^\w+\(/.test(line)).length
  assert.ok(calls > 30, `${calls} calls`)
  const random = randomFrom(SEED)
  const all = Array.from({ length: calls }, (_, at) => at + 1)
  const chosen =
    SOAK > 1
      ? all
      : Array.from(
          { length: CALLS_IN_CI },
          (_, nth) => 1 + Math.floor((nth * calls) / CALLS_IN_CI) + random(Math.floor(calls / CALLS_IN_CI)),
        )
  const queue = [...chosen]
  const work = async () => {
    for (let call = queue.shift(); call !== undefined; call = queue.shift()) {
      const file = path.join(folder, `${call}.db`)
      const { stdout, signal, code, stderr } = await runUnderStrace(file, call)
      // Where the last one falls depends on a few writes that go together, or not.
      assert.ok(
        signal === 'SIGKILL' || (code === 0 && call > calls * 0.9),
        `call ${call} of ${calls}: ${signal} ${code} ${stderr}`,
      )
      const known = knownOf()
      for (const [begun, keys, isDone] of writesIn(stdout)) {
        for (const key of keys) {
          if (isDone) known.set(key, { done: begun, cut: new Set() })
          else known.get(key)?.cut.add(begun)
        }
      }
      // Twice: what the first one recovered is there for the second.
      for (let opening = 0; opening < 2; opening++) await check(file, known, SIZES[0] as number)
    }
  }
  await Promise.all([work(), work()])
  console.log(`killed at ${chosen.length} of ${calls} system calls`)
})

test('C14 a thread that is terminated while it writes: as if it had been killed', async (t) => {
  const file = path.join(scratch(t), 'thread.db')
  const random = randomFrom(SEED)
  const known = knownOf()
  let nth = 1
  for (let round = 0; round < 12; round++) {
    const worker = new Worker(VICTIM, { argv: [file, String(nth), String(2 ** 30), 'messages'] })
    let log = ''
    worker.on('message', (line) => {
      log += line
    })
    await once(worker, 'message')
    await delay(random(WRITING_MS_MAX))
    await worker.terminate()
    const writes = writesIn(log)
    nth = Math.max(nth, ...writes.map(([begun]) => begun)) + 1000
    for (const [begun, keys, isDone] of writes) {
      for (const key of keys) {
        if (isDone) known.set(key, { done: begun, cut: new Set() })
        else known.get(key)?.cut.add(begun)
      }
    }
    // What it said last may not have come: of these, nothing is known but that they are whole.
    for (const key of KEYS) for (let later = 0; later < 1000; later++) known.get(key)?.cut.add(nth - 1000 + later)
    await check(file, known, SIZES[0] as number)
  }
})

/** Ends with the signal at the `call`th of the calls that change files; without one, notes them in `<file>.calls`. */
function runUnderStrace(file: string, call: number | undefined): Promise<Ended> {
  const paths = ['', '-wal', '-shm'].flatMap((suffix) => ['-P', file + suffix])
  const calls = 'pwrite64,write,ftruncate,fsync,fdatasync,fallocate,unlink'
  const injection = call === undefined ? [] : ['-e', `inject=${calls}:signal=KILL:when=${call}`]
  return run([
    'strace',
    '-qq',
    '-o',
    `${file}.calls`,
    ...paths,
    '-e',
    `trace=${calls}`,
    ...injection,
    process.execPath,
    VICTIM,
    file,
    '1',
    String(2 ** 30),
    'steps',
  ])
}

interface Counts {
  kills: number
  writes: number
  /** Kills in the midst of a write. */
  cut: number
  hits: number
}

/** What may be read of a key. */
interface Known {
  /** The last write that was done, 0 for none. */
  done: number
  /** Those that were cut off since; any of them may have taken effect. */
  readonly cut: Set<number>
}

const knownOf = () => new Map(KEYS.map((key): [string, Known] => [key, { done: 0, cut: new Set() }]))

async function killAgainAndAgain(
  file: string,
  kills: number,
  maxBytes: number,
  random: (bound: number) => number,
): Promise<Counts> {
  const known = knownOf()
  const counts: Counts = { kills: 0, writes: 0, cut: 0, hits: 0 }
  let nth = 1
  for (let kill = 0; kill < kills; kill++) {
    const log = await logOfVictim(file, nth, maxBytes, random)
    for (const [begun, keys, isDone] of writesIn(log)) {
      nth = begun + 1
      counts.writes++
      if (!isDone) counts.cut++
      for (const key of keys) {
        if (isDone) known.set(key, { done: begun, cut: new Set() })
        else known.get(key)?.cut.add(begun)
      }
    }
    counts.kills++
    counts.hits += await check(file, known, maxBytes)
  }
  return counts
}

/** What a writer said until it was killed. */
async function logOfVictim(file: string, nth: number, maxBytes: number, random: (bound: number) => number): Promise<string> {
  const child: ChildProcess = spawn(process.execPath, [VICTIM, file, String(nth), String(maxBytes)], { cwd: ROOT })
  let log = ''
  let errors = ''
  // By what it has said rather than by time alone, so that it has written something on a busy machine, too.
  const lines = 1 + random(LINES_MAX)
  const hasSaid = new Promise<void>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      log += text
      if (log.split('\n').length > lines) resolve()
    })
    child.once('close', () => resolve())
  })
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  const isClosed = new Promise((resolve) => child.once('close', resolve))
  if (random(4) === 0) await delay(random(STARTING_MS_MAX))
  else {
    await hasSaid
    await delay(random(WRITING_MS_MAX))
  }
  child.kill('SIGKILL')
  await isClosed
  assert.equal(errors.replaceAll(/^.*ExperimentalWarning.*\n.*\n/gm, ''), '')
  assert.equal(child.signalCode, 'SIGKILL')
  return log
}

function writesIn(log: string): [nth: number, keys: string[], isDone: boolean][] {
  const done = new Set([...log.matchAll(/^< (\d+)\n/gm)].map(([, nth]) => Number(nth)))
  return [...log.matchAll(/^> (\d+) (.+)\n/gm)].map(([, nth, keys = '']) => [Number(nth), keys.split(' '), done.has(Number(nth))])
}

/** Reads everything; answers how many values there were. */
async function check(file: string, known: Map<string, Known>, maxBytes: number): Promise<number> {
  const storage = sqliteStorage({ path: file, maxBytes })
  const entries = await storage.mget(KEYS)
  await storage.close()
  assert.ok(!existsSync(`${file}.corrupt`), 'it was found corrupt')
  assert.deepEqual(await rowsOf(file, 'PRAGMA quick_check'), await rowsOf(file, "SELECT 'ok' AS quick_check"))
  let hits = 0
  for (const [index, entry] of entries.entries()) {
    const key = KEYS[index] as string
    const { done, cut } = known.get(key) as Known
    if (entry === undefined) {
      // Removed, cut off, or gone for want of room; else it has been lost.
      const mayBeGone = maxBytes < 2 ** 30 || done % 5 === 0 || [...cut].some((nth) => nth % 5 === 0)
      assert.ok(mayBeGone, `${key} was written by ${done}, and is not there`)
      continue
    }
    hits++
    const value = entry.value as { key: string; nth: number; text: string }
    assert.equal(value.key, key)
    assert.equal(value.text.replaceAll(`${key} ${value.nth} `, ''), '')
    assert.ok(
      (value.nth === done && done % 5 !== 0) || cut.has(value.nth),
      `${key} is of ${value.nth}, and ${done} was done since`,
    )
  }
  return hits
}
