/** What callers who share a load do to each other. */

import { behaviour } from './behaviour.ts'
import { describe, gate, judge, look, sleep } from './verdict.ts'

/** Long enough for a load to have been started, or a callback to have been told. */
const SETTLING_MS = 10

export const sharing = [
  behaviour({
    name: 'The first caller’s abort rejects that caller alone',
    methods: ['getOrLoad'],
    features: ['signal'],
    async check(cache) {
      const load = gate()
      const leaving = new AbortController()
      const leaver = cache.getOrLoad('key', () => load.promise, { signal: leaving.signal })
      const joiner = cache.getOrLoad('key', () => load.promise, { signal: new AbortController().signal })
      const joined = look(() => joiner)
      await sleep(SETTLING_MS)
      leaving.abort(new Error('left'))
      const left = await look(() => leaver, SETTLING_MS * 5)
      load.open('value')
      const stayed = await joined
      return judge(
        [stayed],
        [
          left.state !== 'rejected' && `the caller who left ${describe(left)}`,
          (stayed.state !== 'fulfilled' || stayed.value !== 'value') && `the one who stayed ${describe(stayed)}`,
        ],
      )
    },
  }),

  behaviour({
    name: 'A joiner’s abort rejects that joiner alone, at once',
    methods: ['getOrLoad'],
    features: ['signal'],
    async check(cache) {
      const load = gate()
      const leaving = new AbortController()
      const leader = cache.getOrLoad('key', () => load.promise, { signal: new AbortController().signal })
      const led = look(() => leader)
      const joiner = cache.getOrLoad('key', () => load.promise, { signal: leaving.signal })
      const left = look(() => joiner, SETTLING_MS * 5)
      await sleep(SETTLING_MS)
      leaving.abort(new Error('left'))
      const leaver = await left
      load.open('value')
      const stayed = await led
      return judge(
        [stayed],
        [
          leaver.state !== 'rejected' && `the joiner who left ${describe(leaver)}`,
          (stayed.state !== 'fulfilled' || stayed.value !== 'value') && `the one who stayed ${describe(stayed)}`,
        ],
      )
    },
  }),

  behaviour({
    name: 'Five waiters on a failing load run it once',
    methods: ['getOrLoad'],
    async check(cache) {
      let runs = 0
      const failing = async () => {
        runs += 1
        await sleep(SETTLING_MS)
        throw new Error('source down')
      }
      const waiters = await Promise.all(Array.from({ length: 5 }, () => look(() => cache.getOrLoad('key', failing))))
      return judge(waiters, [runs !== 1 && `ran it ${runs} times`])
    },
  }),

  behaviour({
    name: 'A rejection with `undefined` rejects every waiter',
    methods: ['getOrLoad'],
    async check(cache) {
      const rejecting = async () => {
        await sleep(SETTLING_MS)
        return Promise.reject(undefined)
      }
      const waiters = await Promise.all(Array.from({ length: 3 }, () => look(() => cache.getOrLoad('key', rejecting))))
      const resolved = waiters.filter(({ state }) => state === 'fulfilled').length
      return judge(waiters, [resolved > 0 && `resolved ${resolved} of 3 waiters`])
    },
  }),

  behaviour({
    name: 'The source’s error reaches the caller',
    methods: ['getOrLoad'],
    async check(cache) {
      const error = new Error('source down')
      const failing = async () => {
        throw error
      }
      const sight = await look(() => cache.getOrLoad('key', failing))
      return judge([sight], [!(sight.state === 'rejected' && tells(sight.reason, error)) && describe(sight)])
    },
  }),

  behaviour({
    name: 'Eviction leaves a waiting load alone',
    methods: ['getOrLoad'],
    features: ['maxEntries'],
    setup: () => ({ maxEntries: 2 }),
    async check(cache) {
      const load = gate()
      const waiting = cache.getOrLoad('waiting', () => load.promise)
      const waited = look(() => waiting)
      for (let i = 0; i < 10; i += 1) await look(() => cache.getOrLoad(`other ${i}`, async () => i))
      load.open('value')
      const sight = await waited
      return judge([sight], [sight.state === 'fulfilled' && sight.value === 'value' ? false : describe(sight)])
    },
  }),
]

/** Whether `reason` is `error`, or names it as its cause. */
function tells(reason: unknown, error: Error): boolean {
  return reason === error || (reason instanceof Error && tells(reason.cause, error))
}
