/** Many keys in one call. */

import { behaviour } from './behaviour.ts'
import { describe, judge, look } from './verdict.ts'

export const bulk = [
  behaviour({
    name: 'An `Error` among bulk results rejects its key and is not cached',
    methods: ['getMany'],
    features: ['bulkLoader'],
    async check(cache) {
      const failure = Object.assign(new Error('bad key'), { id: 'bad' })
      const broken = new Map<string, unknown>([
        ['good', { id: 'good' }],
        ['bad', failure],
      ])
      const first = await look(() => cache.getMany(['good', 'bad'], () => broken))
      const mended = new Map<string, unknown>([['bad', { id: 'bad' }]])
      const second = await look(() => cache.getMany(['bad'], () => mended))
      const delivered = first.state === 'fulfilled' && valuesOf(first.value).includes(failure)
      const cached = second.state === 'fulfilled' && valuesOf(second.value).includes(failure)
      return judge([first, second], [delivered && 'resolved to the Error', cached && 'cached it as a value'])
    },
  }),

  behaviour({
    name: 'Bulk results keep their order when one is missing',
    methods: ['getMany'],
    async check(cache) {
      const found = new Map(['a', 'c'].map((id) => [id, { id }] as const))
      const sight = await look(() => cache.getMany(['a', 'b', 'c'], () => found))
      if (sight.state !== 'fulfilled') return judge([sight], [describe(sight)])
      const ids = valuesOf(sight.value).map((value) => (value as { id: string } | undefined | null)?.id ?? 'nothing')
      const seen = ids.join(', ')
      return judge([sight], [seen !== 'a, nothing, c' && `asked for a, b, c; got ${seen}`])
    },
  }),
]

function valuesOf(results: unknown): unknown[] {
  return (results as PromiseSettledResult<unknown>[]).map((result) => (result.status === 'fulfilled' ? result.value : undefined))
}
