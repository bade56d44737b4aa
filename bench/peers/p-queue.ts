import PQueue from 'p-queue'
import type { Peer } from './peer.ts'

export const peer: Peer = {
  features: [],
  open({ concurrency = 5 }) {
    const queue = new PQueue({ concurrency })
    return { run: (_name, task) => queue.add(async () => task()) }
  },
}
