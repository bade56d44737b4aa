/** One line of the contract's "What peers get wrong" as a check that any library can be put to. */

import type { Cache, Feature, Method, Peer, Setup } from '../peers/peer.ts'
import { look, type Verdict } from './verdict.ts'

export interface Behaviour {
  /** The right behaviour, in a few words. */
  readonly name: string
  /** Opens a cache of `peer`, tries it, closes it. */
  run(peer: Peer): Promise<Verdict>
}

type With<M extends Method> = Cache & Required<Pick<Cache, M>>

interface Check<M extends Method> {
  name: string
  /** Calls without which the question does not arise. */
  methods: readonly M[]
  features?: readonly Feature[]
  setup?: () => Setup
  /** The check can only be passed in earnest by a cache that keeps what it may keep, so that is seen to first. */
  keeps?: boolean
  check(cache: With<M>): Promise<Verdict>
}

const CLOSE_MS = 200
const CONTROL_TTL_MS = 60_000

export function behaviour<M extends Method>({ name, methods, features = [], setup, keeps = false, check }: Check<M>): Behaviour {
  return {
    name,
    async run(peer) {
      if (!features.every((feature) => peer.features.includes(feature))) return { kind: 'not applicable' }
      const cache = peer.open(setup?.() ?? {})
      try {
        if (!hasAll(cache, methods)) return { kind: 'not applicable' }
        if (keeps && !(await keepsWhatItMay(cache, peer))) return { kind: 'wrong', saw: 'kept nothing to begin with' }
        return await check(cache)
      } finally {
        await closeInTime(cache)
      }
    },
  }
}

function hasAll<M extends Method>(cache: Cache, methods: readonly M[]): cache is With<M> {
  return methods.every((method) => cache[method] !== undefined)
}

async function keepsWhatItMay(cache: Cache, peer: Peer): Promise<boolean> {
  const options = peer.features.includes('ttl') ? { ttl: CONTROL_TTL_MS } : {}
  await look(async () => cache.getOrLoad?.('control', async () => 'first', options))
  const again = await look(async () => cache.getOrLoad?.('control', async () => 'second', options))
  return again.state === 'fulfilled' && again.value === 'first'
}

/** Closing may wait for a load that hangs, and is not what is being judged. */
async function closeInTime(cache: Cache): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, CLOSE_MS)
  })
  await Promise.race([cache.close?.().catch(() => {}), limit])
  clearTimeout(timer)
}
