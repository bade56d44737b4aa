/** What a cache keeps that it should not: results overtaken by a delete, and values of no lifetime. */

import { behaviour } from './behaviour.ts'
import { describe, gate, judge, look, show, sleep } from './verdict.ts'

const SETTLING_MS = 20

export const staleness = [
  behaviour({
    name: 'A load from before a delete does not revive the key',
    methods: ['getOrLoad', 'delete'],
    keeps: true,
    async check(cache) {
      const load = gate()
      const waiting = cache.getOrLoad('key', () => load.promise)
      const waited = look(() => waiting)
      await sleep(SETTLING_MS)
      const deleted = await look(() => cache.delete('key'))
      load.open('old')
      const before = await waited
      await sleep(SETTLING_MS)
      const after = await look(() => cache.getOrLoad('key', async () => 'new'))
      return judge(
        [deleted, before, after],
        [!(after.state === 'fulfilled' && after.value === 'new') && `the next caller’s read ${describe(after)}`],
        before.state === 'rejected' ? 'but rejects who waited for it' : '',
      )
    },
  }),

  storesNothing('TTL 0 stores nothing', 0, { mayRefuse: false }),
  storesNothing('TTL NaN is refused, or stores nothing', Number.NaN, { mayRefuse: true }),
  storesNothing('TTL -1 is refused, or stores nothing', -1, { mayRefuse: true }),
]

/** The second read comes late enough for "expires this very millisecond" to have passed. */
function storesNothing(name: string, ttl: number, { mayRefuse }: { mayRefuse: boolean }) {
  return behaviour({
    name,
    methods: ['getOrLoad'],
    features: ['ttl'],
    keeps: true,
    async check(cache) {
      const first = await look(() => cache.getOrLoad('key', async () => 'first', { ttl }))
      if (first.state === 'rejected') return judge([], [!mayRefuse && describe(first)], `refused: ${show(first.reason)}`)
      await sleep(SETTLING_MS)
      const second = await look(() => cache.getOrLoad('key', async () => 'second', { ttl }))
      const kept = second.state === 'fulfilled' && second.value === 'first'
      const odd = !kept && !(second.state === 'fulfilled' && second.value === 'second')
      return judge(
        [first, second],
        [kept && `still there after ${SETTLING_MS} ms`, odd && `a second load ${describe(second)}`],
        'not stored',
      )
    },
  })
}
