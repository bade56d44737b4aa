import { type BatchOutcome, BatchProcessor, type Tier, type TierEntry } from '../sluice.ts'
import type { BrokenStore, Peer } from './peer.ts'

/** Ours, by the calls of its README: a processor of its own, in its defaults but for what the setup asks. */
export const peer: Peer = {
  features: ['ttl', 'signal', 'store', 'maxEntries', 'bulkLoader'],
  open({ maxEntries, concurrency, store, durable = false }) {
    const processor = new BatchProcessor({
      maxEntries,
      defaultConcurrency: concurrency,
      storage: store !== undefined ? brokenTier(store) : durable ? mapTier() : undefined,
      storageTimeoutMs: store?.timeoutMs,
    })
    return {
      getOrLoad: (key, loader, { ttl, signal } = {}) =>
        processor.getCachedData(key, (context) => loader(context.signal), { ttl, signal }),
      delete: (key) => processor.delete(key),
      async getMany(keys, find) {
        const requests = keys.map((key) => ({ key, fetchFunction: () => unwrap(find([key]).get(key)) }))
        const outcomes = await processor.getCachedDataBatchSettled(requests, {
          groupingStrategy: 'custom',
          customGrouper: () => 'all',
          groupFetch: (group) => find(group.keys),
          onMissing: 'undefined',
        })
        return outcomes.map(settledResult)
      },
      async run(name, task) {
        const [result] = await processor.getCachedDataBatch([{ key: name, fetchFunction: task }])
        return result
      },
      close: () => processor.close(),
    }
  },
}

function brokenTier({ operation }: BrokenStore): Tier {
  return { name: 'broken', mget: operation, mset: operation, mdelete: operation }
}

/** The least of tiers. What it is handed as keys is what any other would be. */
function mapTier(): Tier {
  const kept = new Map<string, TierEntry>()
  return {
    name: 'map',
    mget: (keys) => keys.map((key) => kept.get(key)),
    mset(entries) {
      for (const { key, value, expiresAt } of entries) kept.set(key, { value, expiresAt })
    },
    mdelete(keys) {
      for (const key of keys) kept.delete(key)
    },
  }
}

/** A bulk source's `Error` is a key that failed; a `fetchFunction` says that by throwing. */
function unwrap(value: unknown): unknown {
  if (value instanceof Error) throw value
  return value
}

function settledResult(outcome: BatchOutcome<unknown>): PromiseSettledResult<unknown> {
  return outcome.status === 'fulfilled'
    ? { status: 'fulfilled', value: outcome.value }
    : { status: 'rejected', reason: outcome.reason }
}
