/** What entries cost: bytes besides the value, and pauses of the garbage collector while they are held. A process for each library. */

import { inChild, isBun } from './child.ts'
import type { Memory, Pauses } from './held.ts'
import { HOLDER_NAMES, LARGE_NAMES } from './holders.ts'
import { type Bar, type Extent, type Report, type Row, round } from './section.ts'

const ENTRIES = 1_000_000
/** Processes per library, for pauses: noise only ever adds to the longest. */
const REPEATS = 3
const BYTES_BAR: Bar = { against: 'lru-cache', atMost: 0.5 }
const PAUSE_BAR: Bar = { against: 'lru-cache', atMost: 0.3 }

const held = <T>(name: string, entries: number, what: 'memory' | 'gc') => inChild<T>('held.ts', [name, String(entries), what])

export async function memory({ isQuick }: Extent): Promise<Report> {
  // Its counters count wasm as buffers, and those as heap.
  if (isBun) return { tables: [] }
  const entries = isQuick ? ENTRIES / 10 : ENTRIES
  const parts: Record<keyof Memory | 'total', Record<string, number>> = { total: {}, heap: {}, buffers: {}, wasm: {} }
  for (const name of isQuick ? LARGE_NAMES : HOLDER_NAMES) {
    const { heap, buffers, wasm } = await held<Memory>(name, entries, 'memory')
    for (const [part, bytes] of Object.entries({ total: heap + buffers + wasm, heap, buffers, wasm })) {
      parts[part as keyof typeof parts][name] = Math.round(bytes * 10) / 10
    }
  }
  return {
    tables: [
      {
        id: 'memory',
        title: `Memory of ${entries.toLocaleString('en')} entries, keys of 24 bytes`,
        unit: 'bytes per entry besides the value',
        digits: 0,
        isTurned: true,
        rows: [
          { title: 'in all', figures: parts.total, bars: isQuick ? [] : [BYTES_BAR] },
          { title: 'on the heap', figures: parts.heap },
          { title: 'in array buffers', figures: parts.buffers },
          { title: 'in wasm', figures: parts.wasm },
        ],
      },
    ],
  }
}

export async function gc({ isQuick }: Extent): Promise<Report> {
  // Its collector is watched by nobody.
  if (isBun) return { tables: [] }
  const entries = isQuick ? ENTRIES / 10 : ENTRIES
  const runs = new Map<string, Pauses[]>(LARGE_NAMES.map((name) => [name, []]))
  for (let repeat = 0; repeat < (isQuick ? 1 : REPEATS); repeat += 1) {
    for (const name of LARGE_NAMES) runs.get(name)?.push(await held<Pauses>(name, entries, 'gc'))
  }
  const of = (figure: (pauses: Pauses) => number) =>
    Object.fromEntries([...runs].map(([name, pauses]) => [name, round(Math.min(...pauses.map(figure)))]))
  const rows: Row[] = [
    { title: 'longest pause', figures: of(({ longest, full }) => Math.max(longest, ...full)), bars: isQuick ? [] : [PAUSE_BAR] },
    { title: 'a full collection', figures: of(({ full }) => median(full)) },
    { title: 'longest that came by itself', figures: of(({ longest }) => longest) },
    { title: 'all that came by themselves', figures: of(({ total }) => total) },
  ]
  return {
    tables: [
      {
        id: 'gc',
        title: `Garbage collection while ${entries.toLocaleString('en')} entries are held`,
        unit: 'ms',
        digits: 1,
        isTurned: true,
        rows,
        notes: [
          'Seven full collections are asked for. Others come while 12 million objects do, of which the last 100,000 are kept. The least of three processes.',
        ],
      },
    ],
  }
}

export function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN
}
