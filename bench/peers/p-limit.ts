import pLimit from 'p-limit'
import type { Peer } from './peer.ts'

export const peer: Peer = {
  features: [],
  open({ concurrency = 5 }) {
    const limit = pLimit(concurrency)
    return { run: (_name, task) => limit(async () => task()) }
  },
}
