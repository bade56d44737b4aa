/** Which limits that batches share a load counts for: the slots of its group, and the tokens of each rate. */

import { type Gate, NONE } from './engine/engine.js'
import { nameBy, prefixOf } from './grouping.js'
import type { Load } from './load.js'
import type { ResolvedBatchOptions, ResolvedConfig } from './options/resolve.js'

/** Sets `gates` of each load, whose `groupKey` is known; throws what a limit's `by` throws. */
export function assignGates(
  loads: readonly Load[],
  options: ResolvedBatchOptions<never>,
  { rateLimit: rates, groups }: ResolvedConfig,
): void {
  const countsGroups = options.maxConcurrencyPerGroup < Number.POSITIVE_INFINITY && options.groupingStrategy !== 'none'
  if (!countsGroups && rates.length === 0) return
  for (const load of loads) {
    const { key } = load
    const names = rates.map(({ by }, rate) => ({ rate, name: by === undefined ? '' : nameBy(`rateLimit[${rate}].by`, key, by) }))
    const own = options.groupingStrategy === 'custom' ? load.groupKey : prefixOf(key)
    const group = (options.groupFetch === undefined ? groups.of(key)?.name : undefined) ?? own
    const gates = [...(countsGroups ? [{ rate: NONE, name: group }] : []), ...names]
    load.gates = gates.filter((gate): gate is Gate => gate.name !== undefined)
  }
}

/** The loads that count for something, those together that count for the same. */
export function byGates(loads: readonly Load[]): { gates: readonly Gate[]; loads: Load[] }[] {
  const found = new Map<string, { gates: readonly Gate[]; loads: Load[] }>()
  for (const load of loads) {
    const { gates } = load
    if (gates.length === 0) continue
    const id = JSON.stringify(gates)
    const same = found.get(id)
    if (same === undefined) found.set(id, { gates, loads: [load] })
    else same.loads.push(load)
  }
  return [...found.values()]
}
