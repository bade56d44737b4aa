/** Work that needs more of the same: a task within a task, and a load that asks for itself. */

import { behaviour } from './behaviour.ts'
import { describe, judge, look, show } from './verdict.ts'

/** A load that calls itself more often than this is on its way to the end of the stack, or of time. */
const MAX_DEPTH = 50_000

export const nesting = [
  behaviour({
    name: 'A task within a task progresses at concurrency 1',
    methods: ['run'],
    setup: () => ({ concurrency: 1 }),
    async check(cache) {
      const sight = await look(() => cache.run('outer', () => cache.run('inner', () => 'value')))
      return judge([sight], [!(sight.state === 'fulfilled' && sight.value === 'value') && describe(sight)])
    },
  }),

  behaviour({
    name: 'A load that asks for itself is told so',
    methods: ['getOrLoad'],
    async check(cache) {
      let depth = 0
      let overflows = false
      const itself = async (): Promise<unknown> => {
        depth += 1
        if (depth > MAX_DEPTH) return 'gave up'
        try {
          return await cache.getOrLoad('key', itself)
        } catch (error) {
          overflows ||= error instanceof RangeError
          throw error
        }
      }
      const sight = await look(() => cache.getOrLoad('key', itself))
      return judge(
        [sight],
        [
          depth > 1 && `calls itself ${depth} times`,
          overflows && 'overflows the stack',
          sight.state !== 'pending' && (depth > 1 || sight.state === 'fulfilled') && describe(sight),
        ],
        sight.state === 'rejected' ? show(sight.reason) : '',
      )
    },
  }),
]
