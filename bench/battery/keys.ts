/** Two keys that are not the same key, wherever the library puts keys: in memory, in a hash, in a file's name. */

import { behaviour } from './behaviour.ts'
import { describe, judge, look, show } from './verdict.ts'

export const keys = [
  distinct('Keys that collide in a common hash stay two keys', 'Ab', 'BA'),
  distinct('Keys that fold to one path stay two keys', 'a:b', 'a/b'),
  distinct('Lone surrogates stay two keys', '\ud800', '\ud801'),
]

function distinct(name: string, one: string, other: string) {
  return behaviour({
    name,
    methods: ['getOrLoad'],
    setup: () => ({ durable: true }),
    keeps: true,
    async check(cache) {
      const fetch = async (key: string) => `value of ${JSON.stringify(key)}`
      const read = cache.memoize?.(fetch) ?? ((key: string) => cache.getOrLoad(key, () => fetch(key)))
      const first = await look(() => read(one))
      const second = await look(() => read(other))
      const expected = await fetch(other)
      const right = second.state === 'fulfilled' && second.value === expected
      return judge([first, second], [!right && `${show(other)} ${describe(second)}`])
    },
  })
}
