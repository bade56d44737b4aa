/** What a batch would do, put together from what the engine foresees. */

import { nameBy, prefixOf } from './grouping.js'
import type { GroupTable } from './options/groups.js'
import type { ResolvedBatchOptions } from './options/resolve.js'
import type { BatchPlan, BatchRequest, PlannedRequest } from './types.js'

/** The engine's words for what a request would meet. */
export const ACTIONS: readonly PlannedRequest['action'][] = ['memory', 'stale', 'join', 'fetch']

/** `actions[i]` is what `requests[i]` would do by itself. No group gets more keys at once than `sizeMax`. */
export function planOf(
  requests: readonly BatchRequest<unknown>[],
  actions: readonly PlannedRequest['action'][],
  options: ResolvedBatchOptions<never>,
  table: GroupTable,
  sizeMax: number,
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
  const byGroup = new Map<string, { readonly keys: string[]; readonly sizeMax: number }>()
  for (const key of fetched) {
    const group = groupOf(key, options, table)
    if (group === undefined) continue
    const same = byGroup.get(group.name)
    if (same === undefined) byGroup.set(group.name, { keys: [key], sizeMax: Math.min(group.sizeMax, sizeMax) })
    else same.keys.push(key)
  }
  // What is left alone in its group, or its chunk of one, has its own callback.
  const groups = [...byGroup].flatMap(([groupKey, { keys, sizeMax }]) =>
    chunksOf(keys, sizeMax).map((chunk) => ({ groupKey, keys: chunk })),
  )
  const shared = groups.filter(({ keys }) => keys.length > 1)
  const alone = fetched.length - shared.reduce((sum, { keys }) => sum + keys.length, 0)
  return { requests: planned, calls: shared.length + alone, groups: shared }
}

/** The group that would fetch `key`, and how many keys at once. */
function groupOf(
  key: string,
  { groupFetch, groupingStrategy, customGrouper, maxBatchSize }: ResolvedBatchOptions<never>,
  table: GroupTable,
): { name: string; sizeMax: number } | undefined {
  const custom = groupingStrategy === 'custom' ? nameBy('customGrouper', key, customGrouper ?? (() => null)) : undefined
  if (groupFetch === undefined) {
    const group = table.of(key)
    return group && { name: group.name, sizeMax: group.options.maxBatchSize ?? maxBatchSize }
  }
  const name = groupingStrategy === 'prefix' ? prefixOf(key) : custom
  return name === undefined ? undefined : { name, sizeMax: maxBatchSize }
}

function chunksOf(keys: readonly string[], size: number): string[][] {
  return Array.from({ length: Math.ceil(keys.length / size) }, (_, at) => keys.slice(at * size, (at + 1) * size))
}
