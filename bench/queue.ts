/**
 * 10,000 values into a priority queue and out of it again.
 *
 *     node --import tsx queue.ts [--check]      or: bun queue.ts [--check]
 *
 * The bars: at most 2 ms each way, and in and out together at least 3 times as fast as p-queue's own queue and as heap-js, whether the
 * priorities are three or all different. With `--check`, exits with 1 where one does not hold. The rows after those show where we lose:
 * to a list per priority where there are few, which is ours without bounds, checks or other priorities; and in queues of a few entries.
 *
 * First come, first served among equals costs heaps a second comparison; flatqueue, whose ranks are plain numbers, gets both in one.
 */

import { PriorityQueue as DatastructuresQueue } from '@datastructures-js/priority-queue'
import FlatQueue from 'flatqueue'
import { Heap } from 'heap-js'
import TinyQueue from 'tinyqueue'
import { type Contender, interleave, LOW_QUANTILE, machine } from './harness.ts'
import PQueueQueue from './node_modules/p-queue/dist/priority-queue.js'
import { PriorityQueue } from './sluice.ts'
import { table } from './table.ts'

interface Item {
  readonly priority: number
  readonly order: number
}

interface Row {
  readonly title: string
  readonly count: number
  /** How many different priorities. */
  readonly spread: number
  readonly rounds: number
}

/** A queue by its three parts, so that both ways can be timed by themselves. */
interface Rival {
  readonly name: string
  /** One for all rounds, as in a program that goes on. */
  readonly queue: unknown
  fill(queue: never, items: readonly Item[]): void
  drain(queue: never, count: number): Item[]
}

const COUNT = 10_000
const BAR_MS = 2
const BAR_RATIO = 3
const BEATEN = ['p-queue', 'heap-js']
const before = (a: Item, b: Item) => b.priority - a.priority || a.order - b.order
/** Above every order. */
const STEP = 2 ** 20

const ROWS: readonly Row[] = [
  { title: '10,000 of 3 priorities', count: COUNT, spread: 3, rounds: 60 },
  { title: '10,000 of 100 priorities', count: COUNT, spread: 100, rounds: 60 },
  { title: '10,000, all different', count: COUNT, spread: 2_000_001, rounds: 60 },
]
/** Values in a queue of a few. */
const SMALL = 4

const rivals: readonly Rival[] = [
  {
    name: 'sluice, many at a time',
    queue: new PriorityQueue<Item>(),
    fill: (queue: PriorityQueue<Item>, items) => queue.enqueueMany(items, items.map(priorityOf)),
    drain: (queue: PriorityQueue<Item>, count) => queue.dequeueMany(count),
  },
  singly(
    'sluice, singly',
    () => new PriorityQueue<Item>(),
    (queue, item) => queue.enqueue(item, item.priority),
    (queue) => queue.dequeue(),
  ),
  singly(
    'p-queue',
    () => new PQueueQueue(),
    (queue, item) => queue.enqueue(item as never, item),
    (queue) => queue.dequeue() as never,
  ),
  singly(
    'heap-js',
    () => new Heap<Item>(before),
    (queue, item) => queue.push(item),
    (queue) => queue.pop(),
  ),
  singly(
    '@datastructures-js',
    () => new DatastructuresQueue<Item>(before),
    (queue, item) => queue.enqueue(item),
    (queue) => queue.dequeue() ?? undefined,
  ),
  singly(
    'tinyqueue',
    () => new TinyQueue<Item>([], before),
    (queue, item) => queue.push(item),
    (queue) => queue.pop(),
  ),
  singly(
    'flatqueue',
    () => new FlatQueue<Item>(),
    (queue, item) => queue.push(item, item.order - item.priority * STEP),
    (queue) => queue.pop(),
  ),
  singly(
    'a list per priority',
    lists,
    (queue, item) => queue.push(item),
    (queue) => queue.pop(),
  ),
]

function singly<Q>(
  name: string,
  make: () => Q,
  push: (queue: Q, item: Item) => void,
  pop: (queue: Q) => Item | undefined,
): Rival {
  return {
    name,
    queue: make(),
    fill(queue: Q, items) {
      for (const item of items) push(queue, item)
    },
    drain(queue: Q, count) {
      const drained: Item[] = []
      for (let left = count; left > 0; left -= 1) drained.push(pop(queue) as Item)
      return drained
    },
  }
}

/** The null rival: what one would write for a few priorities. Each time a list runs out, it looks for the highest that is left. */
function lists(): { push(item: Item): void; pop(): Item | undefined } {
  const byPriority = new Map<number, { items: Item[]; head: number }>()
  return {
    push(item) {
      const list = byPriority.get(item.priority)
      if (list === undefined) byPriority.set(item.priority, { items: [item], head: 0 })
      else list.items.push(item)
    },
    pop() {
      let highest = Number.NEGATIVE_INFINITY
      for (const priority of byPriority.keys()) if (priority > highest) highest = priority
      const list = byPriority.get(highest)
      const item = list?.items[list.head]
      if (list !== undefined && ++list.head === list.items.length) byPriority.delete(highest)
      return item
    },
  }
}

function priorityOf({ priority }: Item): number {
  return priority
}

function itemsOf({ count, spread }: Row): readonly Item[] {
  return Array.from({ length: count }, (_, order) => ({ priority: Math.floor(Math.random() * spread) - (spread >> 1), order }))
}

type Items = readonly Item[]
type Drained = { readonly rival: Rival; readonly items?: Item[] }

/** Nanoseconds, by rival: in, out, both. */
async function measure(row: Row, taking: readonly Rival[]): Promise<Map<string, readonly number[]>> {
  const plan = {
    rounds: row.rounds,
    callsPerRound: 1,
    prepare: () => itemsOf(row),
    // What was not drained within the timing is now, for the next round.
    verify(answer: unknown, items: Items) {
      const { rival, items: drained = drain(rival, items) } = answer as Drained
      const sorted = [...items].sort(before)
      if (drained.some((item, index) => item !== sorted[index])) throw new Error(`${rival.name}: out of order`)
    },
  }
  const timed = (run: (rival: Rival, items: Items) => Drained) =>
    taking.map((rival): Contender<Items> => ({ name: rival.name, run: (items) => run(rival, items) }))
  const fill = (rival: Rival, items: Items) => {
    rival.fill(rival.queue as never, items)
    return { rival }
  }
  const drain = (rival: Rival, items: Items) => rival.drain(rival.queue as never, items.length)
  const ins = await interleave(timed(fill), plan)
  const both = await interleave(
    timed((rival, items) => ({ ...fill(rival, items), items: drain(rival, items) })),
    plan,
  )
  return new Map(
    both.map(({ name, lowNs }, index) => {
      const inNs = ins[index]?.lowNs ?? Number.NaN
      return [name, [inNs, Math.max(0, lowNs - inNs), lowNs]]
    }),
  )
}

let holds = true
for (const row of ROWS) {
  // A list for each of thousands of priorities is not what one would write.
  const taking = rivals.filter(({ name }) => name !== 'a list per priority' || row.spread <= 100)
  const ns = await measure(row, taking)
  const [ours] = [...ns.values()] as [readonly number[]]
  const lines = [...ns].map(([name, times]) => [
    name,
    ...times.map((time) => (time / 1e6).toFixed(3)),
    ((times[2] as number) / (ours[2] as number)).toFixed(1),
  ])
  console.log(`${table([`ms, ${row.title}`, 'in', 'out', 'both', '÷ ours'], lines)}\n`)
  const isFast = ours.slice(0, 2).every((time) => time / 1e6 <= BAR_MS)
  const isFaster = BEATEN.every((name) => (ns.get(name)?.[2] ?? Number.NaN) >= BAR_RATIO * (ours[2] as number))
  holds &&= isFast && isFaster
}

const taking = rivals.slice(1)
const small = await interleave(
  taking.map(
    (rival): Contender<Items> => ({
      name: rival.name,
      run(items) {
        const drained: Item[] = []
        for (let at = 0; at < items.length; at += SMALL) {
          rival.fill(rival.queue as never, items.slice(at, at + SMALL))
          drained.push(...rival.drain(rival.queue as never, SMALL))
        }
        return drained
      },
    }),
  ),
  {
    rounds: 200,
    callsPerRound: 1,
    prepare: () => itemsOf(ROWS[0] as Row),
    verify(answer) {
      if (!(answer as Items).every(({ order }, index) => Math.floor(order / SMALL) === Math.floor(index / SMALL)))
        throw new Error('Wrong')
    },
  },
)
console.log(
  table(
    [`ns per value, ${SMALL} at a time`, 'in and out'],
    small.map(({ name, lowNs }) => [name, (lowNs / COUNT).toFixed(0)]),
  ),
)
console.log(`\nThe ${LOW_QUANTILE * 100} % quantile of interleaved rounds; "out" is the difference of two. ${machine()}`)
console.log(
  `Bars: at most ${BAR_MS} ms each way, ${BAR_RATIO} × as fast as ${BEATEN.join(' and ')}: ${holds ? 'hold' : 'do not hold'}`,
)
if (process.argv.includes('--check') && !holds) process.exitCode = 1
