/** Programs that once went wrong, each made as small as it gets by hand or by `shrink.ts`, and what was wrong. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Behaviour, Program, RequestSpec } from './program.js'
import { run } from './run.js'

const NOW: Behaviour = { when: 'now', answer: 'value', onAbort: 'ignore' }
const LATER: Behaviour = { when: 5, answer: 'value', onAbort: 'ignore' }

/** What must be, and the program that showed that it was not. */
const CASES: readonly [string, Pick<Program, 'steps'> & Partial<Program>][] = [
  [
    // The first was refused, then an answer was told that had come meanwhile, and the second got that, stale.
    'two of one key that are not to be fetched have one answer, whatever is stored meanwhile',
    {
      config: { storageTimeoutMs: 30 },
      tiers: [
        { reads: [{ when: 'soon', fails: 'no', effect: 'begin' }], writes: [{ when: 'now', fails: 'no', effect: 'begin' }] },
      ],
      steps: [
        { do: 'abort', signal: 1, wait: 0 },
        {
          do: 'call',
          call: { how: 'values', requests: [request(0, { when: 'soon', answer: 'value', onAbort: 'obey' })], options: {} },
          wait: 0,
        },
        {
          do: 'call',
          call: {
            how: 'values',
            requests: [request(0, NOW), request(0, NOW)],
            options: { cache: 'only-if-cached', staleIfError: 5 },
          },
          wait: 0,
        },
      ],
      order: 962735559,
    },
  ],
  [
    // As no batch was open, the processor did not hear of the crash: the timer for the callback's deadline stayed set.
    'a crash while nothing runs but a callback that nobody waits for leaves no timer',
    {
      steps: [
        { do: 'call', call: { how: 'values', requests: [request(0, LATER)], options: { signal: 0 } }, wait: 0 },
        { do: 'abort', signal: 0, wait: 1 },
        { do: 'crash', wait: 1 },
      ],
    },
  ],
  [
    // The same, of what is let finish; nor was its signal aborted.
    'a crash while nothing runs but a load that is let finish leaves no timer',
    {
      steps: [
        {
          do: 'call',
          call: { how: 'values', requests: [request(0, LATER)], options: { signal: 0, onOrphan: 'finish' } },
          wait: 0,
        },
        { do: 'abort', signal: 0, wait: 1 },
        { do: 'crash', wait: 1 },
      ],
    },
  ],
  [
    // The stale entry that was read was refreshed with the reader's callback, which is none: whoever came while that waited for a slot joined it.
    'nobody joins the refresh of who only reads',
    {
      config: { ttl: 1, staleWhileRevalidate: 50, maxConcurrency: 1 },
      steps: [
        { do: 'call', call: { how: 'values', requests: [request(0, NOW)], options: {} }, wait: 0 },
        { do: 'call', call: { how: 'values', requests: [request(3, LATER)], options: {} }, wait: 0 },
        { do: 'read', kind: 'mget', keys: [0], wait: 2 },
        { do: 'call', call: { how: 'values', requests: [request(0, NOW)], options: { staleWhileRevalidate: 0 } }, wait: 1 },
      ],
    },
  ],
  [
    // The refresh began after callbacks that its batch had set off: one deleted the key, whose load in flight the refresh then did not join.
    'a refresh begins before anybody is called',
    {
      steps: [
        { do: 'set', where: 'memory', entries: [{ key: 0, value: 'value', ttl: 1 }], wait: 0 },
        {
          do: 'call',
          call: {
            how: 'values',
            requests: [
              request(0, {
                ...NOW,
                nested: {
                  call: { how: 'values', requests: [request(1, NOW), request(0, NOW)], options: { staleWhileRevalidate: 50 } },
                  through: 'processor',
                  after: 'now',
                  isAwaited: true,
                },
              }),
              request(1, { ...NOW, first: { do: 'delete', where: 'memory', keys: [0] } }),
            ],
            options: { maxConcurrency: 1 },
          },
          wait: 1,
        },
      ],
      order: 1058879247,
    },
  ],
]

for (const [what, program] of CASES) {
  test(what, async () => {
    const { violations } = await run({ config: {}, tiers: [], order: 1, ...program })
    assert.deepEqual(violations, [])
  })
}

function request(key: number, ...tries: Behaviour[]): RequestSpec {
  return { key, tries }
}
