/**
 * What of a trace is hit, by policy and capacity: the default, LRU, and the optimum.
 *
 * Each request is a `get`, and a `set` where that misses; all weigh the same. Capacities are shares of a trace's distinct keys; those of
 * under 100 entries are left out. What runs is the shipped engine, through `processor.memory`. The bars are for recorded traces: of the
 * generated ones each makes one point, and they are no sample of anything.
 */

import { BatchProcessor } from '../sluice.ts'
import { optimum } from './optimum.ts'
import { atLeast, atMost, type Extent, type Report, type Row, round, type Verdict } from './section.ts'
import { generated, recorded, type Trace } from './traces.ts'

const SHARES = [0.001, 0.01, 0.05, 0.1, 0.2, 0.4]
const ENTRIES_MIN = 100
/** Points of hit ratio below LRU that count as a loss. */
const LOSS = -0.5

/** Hit ratios in percent. */
interface Cell {
  readonly adaptive: number
  readonly lru: number
  readonly optimal: number
}

export async function hits({ isQuick, traces }: Extent): Promise<Report> {
  const rows: Row[] = []
  const cells: Cell[] = []
  for (const trace of traces === undefined ? generated() : recorded(traces)) {
    for (const share of isQuick ? [0.1] : SHARES) {
      const capacity = Math.round(trace.keys.length * share)
      if (capacity < ENTRIES_MIN) continue
      const percent = (hits: number) => round((100 * hits) / trace.requests.length)
      const cell = {
        adaptive: percent(replay(trace, capacity, 'adaptive')),
        lru: percent(replay(trace, capacity, 'lru')),
        optimal: percent(optimum(trace, capacity)),
      }
      cells.push(cell)
      const title = `${trace.name}, ${capacity.toLocaleString('en')} (${round(100 * share)} %)`
      rows.push({ title, figures: { ...cell }, at: { share: round(100 * share), capacity } })
    }
  }
  const { mean, worst, losses, closed } = summary(cells)
  const lines = [
    `${cells.length} cells, in points over LRU: mean ${mean.toFixed(2)}, worst ${worst.toFixed(2)},`,
    `${losses} below ${LOSS}; ${closed.toFixed(1)} % of the way from LRU to the optimum.`,
  ]
  return {
    tables: [{ id: 'hits', title: 'Hit ratio', unit: '%', digits: 2, rows, notes: [lines.join('\n')] }],
    verdicts: traces === undefined ? [] : barsOf(cells),
  }
}

function replay({ keys, requests }: Trace, capacity: number, policy: 'lru' | 'adaptive'): number {
  const { memory } = new BatchProcessor({ maxEntries: capacity, ttl: Number.POSITIVE_INFINITY, policy })
  let hits = 0
  for (const request of requests) {
    const key = keys[request] as string
    if (memory.get(key) === undefined) memory.set(key, true)
    else hits++
  }
  return hits
}

function summary(cells: readonly Cell[]) {
  const gains = cells.map(({ adaptive, lru }) => adaptive - lru)
  const total = sum(gains)
  return {
    mean: total / cells.length,
    worst: Math.min(...gains),
    losses: gains.filter((points) => points < LOSS).length,
    /** In percent. */
    closed: (100 * total) / sum(cells.map(({ optimal, lru }) => optimal - lru)),
  }
}

function barsOf(cells: readonly Cell[]): Verdict[] {
  const { mean, worst, losses, closed } = summary(cells)
  return [
    atLeast('Recorded traces: mean over LRU', mean, 3.8, 'points'),
    atLeast('Recorded traces: of the way to the optimum', closed, 35, '%'),
    atLeast('Recorded traces: worst cell', worst, -3, 'points'),
    atMost(`Recorded traces: cells below ${LOSS}`, (100 * losses) / cells.length, 5, '%'),
  ]
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
