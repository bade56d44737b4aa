/** What a storage layer that fails does to a read that could be answered by the source. */

import type { BrokenStore } from '../peers/peer.ts'
import { behaviour } from './behaviour.ts'
import { describe, judge, look } from './verdict.ts'

const TIMEOUT_MS = 100

const throwing: BrokenStore = { operation: async () => Promise.reject(new Error('store down')), timeoutMs: TIMEOUT_MS }
const hanging: BrokenStore = { operation: () => new Promise(() => {}), timeoutMs: TIMEOUT_MS }

export const stores = [
  throughStore('A store that throws costs a miss', throwing),
  throughStore('A store that hangs costs a miss', hanging),
]

function throughStore(name: string, store: BrokenStore) {
  return behaviour({
    name,
    methods: ['getOrLoad'],
    features: ['store'],
    setup: () => ({ store }),
    async check(cache) {
      const sight = await look(() => cache.getOrLoad('key', async () => 'value'))
      return judge([sight], [!(sight.state === 'fulfilled' && sight.value === 'value') && describe(sight)])
    },
  })
}
