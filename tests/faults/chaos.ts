/**
 * Everything at once, at random: callbacks that answer, fail, hang and dawdle, callers who abort, delete and set, in virtual time. What must hold whatever
 * happens (I1 to I9 of the list of faults) is checked as it runs and when all is over.
 */

import assert from 'node:assert/strict'
import {
  type BatchOptions,
  type BatchProcessor,
  type BatchProcessorConfig,
  type BatchRequest,
  type FetchContext,
  type GroupFetch,
  SluiceError,
} from '../../js/index.js'
import { assertQuiescent } from '../support/quiescence.js'
import { drained, VirtualClock } from '../support/virtual-clock.js'
import type { Library } from './library.js'
import { randomFrom, settled } from './support.js'

const KEYS = 120
const FETCH_TIMEOUT_MS = 50
const LIMIT_MAX = 6

export interface Chaos {
  readonly library: Library
  readonly seed: number
  /** Loads to begin, about. */
  readonly loads: number
  readonly config?: BatchProcessorConfig
  /** Whether keys are set, deleted and invalidated meanwhile. Default `true`. */
  readonly touches?: boolean
  /** Whether the engine may crash: then whoever waits may get that for an answer. */
  readonly mayCrash?: boolean
  /** Called after each step. */
  readonly onStep?: (processor: BatchProcessor) => void
}

export interface ChaosReport {
  loads: number
  settled: number
  rejected: number
  crashes: number
  degraded: number
}

/** A value says whose it is. */
interface Value {
  readonly key: string
  readonly load: number
}

class Failed extends Error {
  readonly key: string

  constructor(key: string) {
    super(`no ${key}`)
    this.key = key
  }
}

export async function chaos({
  library,
  seed,
  loads,
  config,
  touches = true,
  mayCrash = false,
  onStep,
}: Chaos): Promise<ChaosReport> {
  const random = randomFrom(seed)
  const chance = (percent: number): boolean => random(100) < percent
  const clock = new VirtualClock()
  const processor = new library.BatchProcessor({ maxEntries: 40, ttl: 200, fetchTimeoutMs: FETCH_TIMEOUT_MS, ...config, clock })
  const report: ChaosReport = { loads: 0, settled: 0, rejected: 0, crashes: 0, degraded: 0 }
  const problems: string[] = []
  const signals: AbortSignal[] = []
  /** Loads of each key under way. */
  let live = new Map<string, number>()
  const answers: (() => void)[] = []
  const asked: { promise: Promise<unknown>; isSettled: boolean }[] = []
  processor.on('crash', ({ error, degraded }) => {
    if (!mayCrash) problems.push(`it crashed: ${(error as Error).stack}`)
    report.crashes++
    if (degraded) report.degraded++
    live = new Map()
  })
  processor.on('callbackError', ({ error }) => problems.push(`a callback failed: ${error}`))

  const keyOf = (): string => `g${random(12)}:h:${random(KEYS / 12)}`

  /** I7: of the same key, one load at a time. Those whose key was changed meanwhile go on for who waits, and nobody else may join them. */
  const begin = (key: string, signal: AbortSignal, shares: boolean): (() => void) => {
    report.loads++
    if (!shares) return () => {}
    const counts = live
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    if (count > 1 && !touches) problems.push(`${count} loads of ${key} at once`)
    let isOver = false
    const end = (): void => {
      if (isOver) return
      isOver = true
      counts.set(key, (counts.get(key) ?? 1) - 1)
    }
    signal.addEventListener('abort', end)
    return end
  }

  const later = (act: () => void): void => {
    if (chance(50)) answers.push(act)
    else clock.setTimer(act, random(FETCH_TIMEOUT_MS))
  }

  const fetchOf =
    (gauge: Gauge, shares: boolean) =>
    (context: FetchContext): Promise<Value> | Value => {
      const { key, signal } = context
      const end = begin(key, signal, shares)
      const load = report.loads
      const leave = gauge.enter(signal)
      const finish = (): void => {
        end()
        leave()
      }
      const dice = random(100)
      if (dice < 10) {
        finish()
        throw new Failed(key)
      }
      if (dice < 30) {
        finish()
        return { key, load }
      }
      return new Promise((resolve, reject) => {
        // 10 % hang. Aborts are heeded by half of the others.
        if (dice < 40) return
        if (dice < 70) signal.addEventListener('abort', () => reject(signal.reason))
        later(() => {
          finish()
          if (chance(10)) reject(new Failed(key))
          else resolve({ key, load })
        })
      })
    }

  const groupFetchOf =
    (gauge: Gauge, shares: boolean): GroupFetch<Value> =>
    ({ keys, signal }) => {
      const ends = keys.map((key) => begin(key, signal, shares))
      const load = report.loads
      const leave = gauge.enter(signal)
      const finish = (): void => {
        leave()
        for (const end of ends) end()
      }
      const dice = random(100)
      if (dice < 10) {
        finish()
        throw new Failed('a group')
      }
      const answer = (): Map<string, Value | Error> =>
        new Map(keys.filter(() => chance(85)).map((key) => [key, chance(10) ? new Failed(key) : { key, load }]))
      return new Promise((resolve) => {
        if (dice < 20) return
        later(() => {
          finish()
          resolve(answer())
        })
      })
    }

  const check = (keys: readonly string[], values: readonly unknown[]): void => {
    if (values.length !== keys.length) problems.push(`${values.length} results of ${keys.length}`)
    values.forEach((value, at) => {
      if (value !== undefined && (value as Value).key !== keys[at]) problems.push(`${keys[at]} got ${JSON.stringify(value)}`)
    })
  }

  /** I9: what rejects is ours and says so, or the callback's own. */
  const checkReason = (reason: unknown, keys: readonly string[]): void => {
    if (reason instanceof Failed) {
      if (reason.key !== 'a group' && !keys.includes(reason.key)) problems.push(`somebody got the failure of ${reason.key}`)
    } else if (reason instanceof SluiceError) {
      const { code, key } = reason
      if (typeof code !== 'string' || !code.startsWith('ERR_')) problems.push(`no code: ${reason}`)
      if (key !== undefined && !keys.includes(key) && !/^g\d+:h$/.test(key)) problems.push(`${code} of ${key} for ${keys}`)
      if (code === 'ERR_ENGINE_CRASHED' && !mayCrash) problems.push(`${reason}`)
      if (code === 'ERR_BATCH_FAILED') for (const inner of (reason as unknown as AggregateError).errors) checkReason(inner, keys)
    } else if ((reason as Error)?.name !== 'AbortError') problems.push(`rejected with ${reason}`)
  }

  const follow = (promise: Promise<unknown>, keys: readonly string[], onValue: (value: never) => void): void => {
    const entry = { promise, isSettled: false }
    asked.push(entry)
    promise.then(
      (value) => {
        entry.isSettled = true
        report.settled++
        onValue(value as never)
      },
      (reason: unknown) => {
        entry.isSettled = true
        report.rejected++
        checkReason(reason, keys)
      },
    )
  }

  const batch = (): void => {
    const keys = Array.from({ length: 1 + random(12) }, keyOf)
    const limit = 1 + random(LIMIT_MAX)
    // What does not share is a change to those that do: it is stored beside them.
    const shares = !touches || !chance(5)
    const isStaleTaken = chance(20)
    // A refresh in the background is a batch of its own.
    const gauge = new Gauge(isStaleTaken ? limit * 2 : limit, (running) =>
      problems.push(`${running} callbacks under a limit of ${limit}`),
    )
    const controller = new AbortController()
    signals.push(controller.signal)
    const options: BatchOptions<Value> = {
      maxConcurrency: limit,
      deduplication: shares,
      signal: controller.signal,
      ...(chance(30) && { groupFetch: groupFetchOf(gauge, shares) }),
      ...(chance(20) && { groupingStrategy: 'none' }),
      ...(chance(20) && { timeoutMs: 1 + random(100) }),
      ...(chance(20) && { queueTimeoutMs: 1 + random(60) }),
      ...(chance(20) && { retry: { attempts: 3, backoffMs: 5, jitter: 0 } }),
      ...(chance(20) && { isolation: chance(50) ? 'clone' : 'freeze' }),
      ...(chance(10) && { cache: chance(50) ? 'reload' : 'no-store' }),
      ...(chance(10) && { onOrphan: 'finish' }),
      ...(chance(20) && { failFast: true }),
      ...(isStaleTaken && { staleWhileRevalidate: 100, staleIfError: 100 }),
      ...(chance(20) && { onProgress: () => {} }),
    }
    const requests: BatchRequest<Value>[] = keys.map((key) => ({
      key,
      fetchFunction: fetchOf(gauge, shares),
      ...(chance(20) && { ttl: random(300) }),
      ...(chance(20) && { priority: random(10) - 5 }),
      ...(chance(20) && { tags: [`t${random(4)}`] }),
    }))
    const how = random(10)
    if (how < 5) follow(processor.getCachedDataBatch(requests, options), keys, (values: Value[]) => check(keys, values))
    else if (how < 8) {
      follow(
        processor.getCachedDataBatchSettled(requests, options),
        keys,
        (outcomes: { key: string; value?: Value; reason?: unknown }[]) => {
          check(
            keys,
            outcomes.map(({ value }) => value),
          )
          for (const [at, { key, reason }] of outcomes.entries()) {
            if (key !== keys[at]) problems.push(`the outcome of ${keys[at]} says ${key}`)
            if (reason !== undefined) checkReason(reason, keys)
          }
        },
      )
    } else if (how < 9) follow(read(processor.streamCachedDataBatch(requests, options), keys), keys, () => {})
    else follow(processor.prefetch(requests, { ...options, failFast: false }), keys, () => {})
    if (chance(15)) controller.abort()
    else if (chance(20)) later(() => controller.abort())
  }

  const read = async (
    stream: AsyncIterable<{ index: number; key: string; value?: Value }>,
    keys: readonly string[],
  ): Promise<void> => {
    let left = 1 + random(keys.length * 2)
    for await (const { index, key, value } of stream) {
      if (key !== keys[index] || (value !== undefined && value.key !== key))
        problems.push(`the stream has ${JSON.stringify(value)} for ${keys[index]}`)
      if (--left === 0) return
    }
  }

  const touch = (): void => {
    const key = keyOf()
    const { memory } = processor
    const attempt = (act: () => unknown): void => {
      try {
        act()
      } catch (error) {
        checkReason(error, [key])
      }
    }
    switch (random(8)) {
      case 0:
        return follow(processor.set(key, { key, load: -1 }, { ttl: 1 + random(300) }), [key], () => {})
      case 1:
        return follow(processor.delete(key), [key], () => {})
      case 2:
        return follow(processor.invalidate({ prefix: key.slice(0, 3) }), [key], () => {})
      case 3:
        return follow(processor.invalidate({ tag: `t${random(4)}` }), [key], () => {})
      case 4:
        return follow(processor.get(key), [key], (value: Value | undefined) => check([key], [value]))
      case 5:
        return attempt(() => check([key], [memory.get(key)]))
      case 6:
        return attempt(() => memory.mset([{ key, value: { key, load: -2 } }]))
      default:
        return attempt(() => (chance(5) ? memory.clear() : memory.purgeStale()))
    }
  }

  while (report.loads < loads && problems.length === 0) {
    const dice = random(100)
    if (dice < 45) batch()
    else if (dice < 60 && touches) touch()
    else if (dice < 90) answers.splice(random(answers.length || 1), 1)[0]?.()
    else await clock.advance(random(40))
    if (chance(20)) await drained()
    if (onStep !== undefined) onStep(processor)
  }
  // I1: hangs and all, there is a deadline to everything.
  for (let round = 0; round < 200 && asked.some(({ isSettled }) => !isSettled); round++) {
    for (const answer of answers.splice(0)) answer()
    await clock.advance(10 * FETCH_TIMEOUT_MS)
    await settled(2)
  }
  for (const answer of answers.splice(0)) answer()
  await clock.advance(10 * FETCH_TIMEOUT_MS)
  await settled()
  const pending = asked.filter(({ isSettled }) => !isSettled).length
  if (pending > 0) problems.push(`${pending} of ${asked.length} promises never settle`)
  assert.deepEqual(problems, [], `seed ${seed}`)
  // I4, I8.
  await assertQuiescent(processor, clock, signals)
  return report
}

/** Callbacks of one batch that run; those whose signal was aborted do not count once they have ended, or their deadline has come. */
class Gauge {
  readonly #limit: number
  readonly #onExcess: (running: number) => void
  #running = 0

  constructor(limit: number, onExcess: (running: number) => void) {
    this.#limit = limit
    this.#onExcess = onExcess
  }

  /** Answers what to call at the end. */
  enter(signal: AbortSignal): () => void {
    if (++this.#running > this.#limit) this.#onExcess(this.#running)
    let isOver = false
    const leave = (): void => {
      if (isOver) return
      isOver = true
      this.#running--
    }
    // Its slot is not given away before; this only must not count too much.
    signal.addEventListener('abort', leave)
    return leave
  }
}
