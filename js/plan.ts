/** What a batch would do, put together from what the engine foresees. */

import { customGroupOf, prefixOf } from './grouping.js'
import type { ResolvedBatchOptions } from './options/resolve.js'
import type { BatchPlan, BatchRequest, PlannedRequest } from './types.js'

/** The engine's words for what a request would meet. */
export const ACTIONS: readonly PlannedRequest['action'][] = ['memory', 'stale', 'join', 'fetch']

/** `actions[i]` is what `requests[i]` would do by itself. */
export function planOf(
  requests: readonly BatchRequest<unknown>[],
  actions: readonly PlannedRequest['action'][],
  options: ResolvedBatchOptions<never>,
): BatchPlan {
  const begun = new Set<string>()
  const planned = requests.map(({ key }, index): PlannedRequest => {
    const action = actions[index] ?? 'fetch'
    if (action !== 'fetch' || !options.deduplication) return { index, key, action }
    // A second request for a key joins what the first begins.
    const isFirst = !begun.has(key)
    begun.add(key)
    return { index, key, action: isFirst ? 'fetch' : 'join' }
  })
  const fetched = planned.filter(({ action }) => action === 'fetch' && options.cache !== 'only-if-cached').map(({ key }) => key)
  if (options.groupFetch === undefined || options.groupingStrategy === 'none') {
    return { requests: planned, calls: fetched.length, groups: [] }
  }
  const byGroup = new Map<string, string[]>()
  for (const key of fetched) {
    const group =
      options.groupingStrategy === 'custom' ? customGroupOf(key, options.customGrouper ?? (() => null)) : prefixOf(key)
    if (group === undefined) continue
    const keys = byGroup.get(group)
    if (keys === undefined) byGroup.set(group, [key])
    else keys.push(key)
  }
  // What is left alone in its group, or its chunk of one, has its own callback.
  const groups = [...byGroup].flatMap(([groupKey, keys]) =>
    chunksOf(keys, options.maxBatchSize).map((chunk) => ({ groupKey, keys: chunk })),
  )
  const shared = groups.filter(({ keys }) => keys.length > 1)
  const alone = fetched.length - shared.reduce((sum, { keys }) => sum + keys.length, 0)
  return { requests: planned, calls: shared.length + alone, groups: shared }
}

function chunksOf(keys: readonly string[], size: number): string[][] {
  return Array.from({ length: Math.ceil(keys.length / size) }, (_, at) => keys.slice(at * size, (at + 1) * size))
}
