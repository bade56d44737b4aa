/** Faults E1, E2 and E8 to E12: what is taken of memory, whether it comes back, and no WebAssembly. E3 to E7 are in `trap-suite.ts`. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { wasmMemory } from '../support/crossings.js'
import { assertQuiescent } from '../support/quiescence.js'
import { setUp, watch } from '../support/set-up.js'
import { ready } from '../support/source.js'
import { PAGE, runChild, SEED, SOAK, settled } from './support.js'

/** What the child `memory.ts` says of `what`; its wasm has been used for nothing else. */
async function measured<F>(what: string): Promise<F> {
  return JSON.parse(await runChild('memory.ts', [what, String(SEED), String(SOAK)], ['--expose-gc'])) as F
}

/** Pages of an instance that holds nothing: its stack, its data, and the lists that cross. */
const PAGES_EMPTY = 20

describe('budgets', () => {
  test('E1 a million random inserts stay within both budgets, and the wasm within 160 bytes for each entry', async (t) => {
    interface Figures {
      entriesMax: number
      weightMax: number
      most: number
      heaviest: number
      half: number
      pages: number
    }
    const { entriesMax, weightMax, most, heaviest, half, pages } = await measured<Figures>('inserts')
    const perEntry = ((pages - PAGES_EMPTY) * PAGE) / most
    t.diagnostic(`seed ${SEED}: ${perEntry.toFixed(0)} bytes per entry, of ${most} entries`)
    assert.equal(most, entriesMax)
    assert.ok(heaviest <= weightMax, `${heaviest} of ${weightMax}`)
    assert.ok(perEntry <= 160, `${perEntry} bytes per entry`)
    // It has what it needs long before the end, but for a step by which the keys' place grows: how long they are is left to chance.
    assert.ok(pages <= half * 1.25, `${half} pages half-way, ${pages} at the end`)
  })

  for (const policy of ['lru', 'adaptive']) {
    test(`E2 keys of sizes that fit nowhere, policy '${policy}': what is free is used again, and the wasm stays in proportion`, async (t) => {
      interface Figures {
        entries: number
        liveMost: number
        isRight: boolean
        perRound: number[]
      }
      const { entries, liveMost, isRight, perRound } = await measured<Figures>(`sizes-${policy}`)
      const last = perRound.at(-1) as number
      const factor = ((last - PAGES_EMPTY) * PAGE) / (liveMost + entries * 60)
      t.diagnostic(`seed ${SEED}: ${factor.toFixed(2)} times what was held at most; pages after each round: ${perRound}`)
      assert.ok(isRight)
      // Where the oldest leave, each round has to hold what the one before had.
      if (policy === 'lru') assert.deepEqual(new Set(perRound.slice(1)), new Set([perRound[1]]))
      assert.ok(factor <= 2, `${factor} times`)
    })
  }
})

describe('what comes back', () => {
  test('E8 processors closed, closed with callbacks that hang, or dropped: their memory is used again', async () => {
    const { perRound, heaps } = await measured<{ perRound: number[]; heaps: number[] }>('engines')
    assert.deepEqual(new Set(perRound.slice(1)), new Set([perRound[1]]), `pages: ${perRound}`)
    const [early, late] = [heaps[2] as number, heaps.at(-1) as number]
    assert.ok(late < early * 1.2, `heaps: ${heaps}`)
  })

  test('E8 a closed processor may be closed and asked again, whatever is left of it', async (t) => {
    const { processor, source, clock } = setUp(t)
    const hung = watch(processor.getCachedData('a', source.fetch))
    for (let time = 0; time < 3; time++) await processor.close({ mode: 'abort' })
    assert.equal((hung.reason as { code: string }).code, 'ERR_CLOSED')
    for (let time = 0; time < 3; time++) {
      const asked = watch(processor.getCachedData('a', () => 1))
      await settled(1)
      assert.equal((asked.reason as { code: string }).code, 'ERR_CLOSED')
    }
    assert.equal((await processor.metrics()).entries, 0)
    assert.equal(clock.timers, 0)
  })

  test('E9 failures of all kinds, and nothing of them is left: no flight, no key, no waiter, no page', async (t) => {
    const { processor, source, clock } = setUp(t, { maxEntries: 100 })
    let failures = 0
    const round = async (number: number): Promise<void> => {
      const keys = Array.from({ length: 500 }, (_, at) => `user:${number}:${at}`)
      const controller = new AbortController()
      const asked = [
        processor.getCachedDataBatchSettled(
          keys.map((key) => ({ key, fetchFunction: () => Promise.reject(new Error(key)) })),
          { maxConcurrency: 50 },
        ),
        processor.getCachedDataBatchSettled(
          keys.map((key) => ({ key: `t${key}`, fetchFunction: source.fetch })),
          { maxConcurrency: 500, fetchTimeoutMs: 10 },
        ),
        processor.getCachedDataBatchSettled(
          keys.map((key) => ({ key: `g:${key}`, fetchFunction: () => Promise.reject(new Error(key)) })),
          { groupFetch: () => Promise.reject(new Error('group')) },
        ),
        processor.getCachedDataBatchSettled(
          keys.map((key) => ({ key: `a${key}`, fetchFunction: source.fetch })),
          { signal: controller.signal },
        ),
      ].map(watch)
      await settled(1)
      controller.abort(new Error('enough'))
      // The deadlines of those that were aborted, too.
      await clock.advance(30_000)
      for (const { is } of asked) assert.notEqual(is, 'pending')
      source.calls.length = 0
      failures += 4 * keys.length
    }
    const pages: number[] = []
    for (let number = 0; number < 10 * SOAK; number++) {
      await round(number)
      pages.push(wasmMemory().buffer.byteLength / PAGE)
      await assertQuiescent(processor, clock)
    }
    t.diagnostic(`${failures} failures, ${pages.at(-1)} pages`)
    assert.equal((await processor.metrics()).entries, 0)
    assert.equal(new Set(pages.slice(3)).size, 1, `pages: ${pages}`)
  })

  test('E10 of loads that failed, each in its own way, nothing is held: no error, request, closure, signal or result', async (t) => {
    interface Figures {
      made: number
      alive: Record<string, number>
      before: number
      pages: number
    }
    const { made, alive, before, pages } = await measured<Figures>('errors')
    t.diagnostic(`${made} loads`)
    assert.ok(made >= 5000 * SOAK)
    assert.deepEqual(Object.values(alive), [0, 0, 0, 0, 0, 0, 0], JSON.stringify(alive))
    assert.equal(pages, before)
  })

  test('E11 metrics have a bounded number of names and records, however many keys there are', async (t) => {
    const { processor } = setUp(t, { maxEntries: 100 })
    const namesOf = (object: unknown): string[] =>
      typeof object !== 'object' || object === null
        ? []
        : Object.entries(object).flatMap(([name, value]) => [name, ...namesOf(value).map((inner) => `${name}.${inner}`)])
    const ask = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; at++) {
        const failing = { key: `${at}:bad`, fetchFunction: () => Promise.reject(new Error(`${at}`)) }
        await processor.getCachedDataBatchSettled(
          [ready(`${at}:a`, at, { tags: [`tag ${at}`] }), ready(`${at}:b`, at), failing],
          {
            groupFetch: ({ keys }) => keys.map(() => at),
          },
        )
      }
    }
    const seen = async (): Promise<unknown> => [
      namesOf(await processor.metrics()),
      namesOf(processor.monitor.getAverageMetrics()),
      namesOf(processor.monitor.getHistory()[0]),
    ]
    await ask(0, 10)
    const before = await seen()
    await ask(10, 2000)
    assert.deepEqual(await seen(), before)
    assert.equal(processor.monitor.getHistory().length, 100)
  })
})

describe('without WebAssembly', () => {
  interface Answers {
    answers: string[]
    joined: string
    loads: number
    most: number
    kept: unknown[]
    heard: string[]
    warnings: string[]
    hasSimd: boolean
  }
  const ask = async (how: string[], flags: string[] = []): Promise<Answers> =>
    JSON.parse(await runChild('no-wasm.ts', how, flags)) as Answers
  const answered = { answers: ['A', 'B', 'A', 'C', 'Error: no', 'D'], joined: 'A', loads: 5, most: 2 }

  const WARNING =
    'SluiceWarning: sluice keeps nothing: WebAssembly is not available here (it is switched off, forbidden by policy, or out of address space)'

  const WAYS: [string, string[], string[]][] = [
    ['with --jitless, which takes it away', [], ['--jitless']],
    ['where there is none', ['missing'], []],
    ['where a policy forbids to compile it', ['refused'], []],
  ]
  for (const [what, how, flags] of WAYS) {
    test(`E12 ${what}: keys are fetched, bounded and deduplicated, none is kept, which an event and one warning say`, async () => {
      const { hasSimd, ...rest } = await ask(how, flags)
      assert.equal(hasSimd, false)
      assert.deepEqual(rest, { ...answered, kept: [null, null], heard: ['crash, degraded'], warnings: [WARNING] })
    })
  }

  test('E12 without SIMD all is as ever: the wasm has none', async (t) => {
    const { hasSimd, ...rest } = await ask([], ['--no-enable-sse3', '--no-enable-ssse3', '--no-enable-sse4-1'])
    // Other processors than x64 cannot be told so.
    if (hasSimd) t.diagnostic('this processor has SIMD all the same')
    assert.deepEqual(rest, { ...answered, kept: [1, 'A'], heard: [], warnings: [] })
  })
})
