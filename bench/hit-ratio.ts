/**
 * What of a trace is hit, by policy and capacity: LRU, the default, and the optimum (Belady).
 *
 *     node --import tsx hit-ratio.ts [folder]      or: bun hit-ratio.ts [folder]
 *
 * The folder has traces as `*.txt.gz`, one key a line, in the order of the requests; without one, four are generated. Each request is a
 * `get`, and a `set` where that misses; all weigh the same. Capacities are shares of a trace's distinct keys; those of under 100 entries
 * are left out. What runs is the shipped engine, through `processor.memory`.
 */

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Heap } from './heap.ts'
import { BatchProcessor } from './sluice.ts'
import { table } from './table.ts'

const SHARES = [0.001, 0.01, 0.05, 0.1, 0.2, 0.4]
const ENTRIES_MIN = 100
/** Points of hit ratio below LRU that count as a loss. */
const LOSS = -0.5

interface Trace {
  readonly name: string
  /** Distinct keys, and the requests as indices of them. */
  readonly keys: readonly string[]
  readonly requests: Uint32Array
}

/** Hit ratios in percent. */
interface Cell {
  readonly lru: number
  readonly adaptive: number
  readonly optimal: number
}

const folder = process.argv[2]
const cells: Cell[] = []
const lines: string[][] = []
for (const trace of folder === undefined ? generated() : recorded(folder)) {
  for (const share of SHARES) {
    const capacity = Math.round(trace.keys.length * share)
    if (capacity < ENTRIES_MIN) continue
    const percent = (hits: number) => (100 * hits) / trace.requests.length
    const [lru, adaptive] = [percent(replay(trace, capacity, 'lru')), percent(replay(trace, capacity, 'adaptive'))]
    const cell = { lru, adaptive, optimal: percent(optimum(trace, capacity)) }
    cells.push(cell)
    const ratios = [cell.lru, cell.adaptive, cell.optimal].map((ratio) => ratio.toFixed(2))
    lines.push([trace.name, `${share * 100} %`, capacity.toLocaleString('en'), ...ratios, signed(gain(cell))])
  }
}
console.log(table(['trace', 'of keys', 'entries', 'lru', 'adaptive', 'optimal', 'over lru'], lines))
const gains = cells.map(gain)
const total = sum(gains)
console.log(
  `\n${cells.length} cells, in points of hit ratio over LRU: mean ${signed(total / cells.length)}, worst ${signed(Math.min(...gains))},`,
)
console.log(
  `${gains.filter((points) => points < LOSS).length} below ${LOSS}; ${((100 * total) / sum(cells.map((cell) => cell.optimal - cell.lru))).toFixed(1)} % of the way from LRU to the optimum`,
)

function gain({ lru, adaptive }: Cell): number {
  return adaptive - lru
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

/** Belady's: who is wanted again last leaves. */
function optimum({ keys, requests }: Trace, capacity: number): number {
  const never = requests.length
  const next = new Uint32Array(requests.length)
  const upcoming = new Uint32Array(keys.length).fill(never)
  for (let at = requests.length - 1; at >= 0; at--) {
    const key = requests[at] as number
    next[at] = upcoming[key] as number
    upcoming[key] = at
  }
  // A heap of when residents are wanted, latest first; what a hit has made obsolete is skipped when it comes up.
  const wantedAt = new Uint32Array(keys.length)
  const isResident = new Uint8Array(keys.length)
  const heap = new Heap()
  let [hits, residents] = [0, 0]
  for (const [at, key] of requests.entries()) {
    if (isResident[key] === 1) hits++
    else if (residents < capacity) residents++
    else {
      for (;;) {
        const { time, key: victim } = heap.pop()
        if (isResident[victim] === 0 || wantedAt[victim] !== time) continue
        isResident[victim] = 0
        break
      }
    }
    isResident[key] = 1
    wantedAt[key] = next[at] as number
    heap.push(next[at] as number, key)
  }
  return hits
}

function* recorded(folder: string): Generator<Trace> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt.gz'))
  if (files.length === 0) throw new Error(`${folder} has no *.txt.gz`)
  for (const file of files.sort()) {
    const text = gunzipSync(readFileSync(path.join(folder, file))).toString()
    yield trace(path.basename(file, '.txt.gz'), text.trimEnd().split('\n'))
  }
}

/** What policies are told apart by: the common and the rare, a loop, a scan now and then, and a working set that changes. */
function* generated(): Generator<Trace> {
  const [requests, keys] = [300_000, 20_000]
  const random = seeded(1)
  const zipf = () => Math.floor(Math.exp(random() * Math.log(keys)))
  const each = (key: (at: number) => unknown) => Array.from({ length: requests }, (_, at) => String(key(at)))
  yield trace('zipf', each(zipf))
  yield trace(
    'loop',
    each((at) => at % 3000),
  )
  yield trace(
    'scan',
    each((at) => (at % 20_000 < 5000 ? `scan ${at}` : zipf())),
  )
  yield trace(
    'shift',
    each((at) => zipf() + 5000 * Math.floor(at / 50_000)),
  )
}

function trace(name: string, lines: readonly string[]): Trace {
  const places = new Map<string, number>()
  const requests = Uint32Array.from(lines, (key) => {
    const place = places.get(key) ?? places.size
    places.set(key, place)
    return place
  })
  return { name, keys: [...places.keys()], requests }
}

/** The same for everybody: Lehmer's generator. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 0x7fff_ffff
    return state / 0x7fff_ffff
  }
}

function signed(points: number): string {
  return `${points < 0 ? '' : '+'}${points.toFixed(2)}`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
