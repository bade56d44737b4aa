/** The public priority queue: against a sorted list at random, and what becomes of it when the engine is lost, or there is none. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { PriorityQueue, QueueFullError, SluiceError } from '../js/index.js'
import type { Priority } from '../js/types.js'
import { Crossings } from './support/crossings.js'

const crossings = new Crossings()
const trap = () => {
  throw new WebAssembly.RuntimeError('unreachable')
}
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

/** What the queue promises, by sorting. */
class Model {
  readonly entries: { value: number; rank: number }[] = []

  add(values: readonly number[], ranks: readonly number[]): void {
    values.forEach((value, index) => {
      this.entries.push({ value, rank: ranks[index] as number })
    })
    this.entries.sort((a, b) => b.rank - a.rank)
  }

  take(count: number): number[] {
    return this.entries.splice(0, count).map(({ value }) => value)
  }
}

type Step =
  | { do: 'enqueue'; ranks: number[] }
  | { do: 'enqueueMany'; ranks: number[] }
  | { do: 'dequeue' | 'dequeueMany'; count: number }
  | { do: 'clear' | 'crash' }

/** Runs `steps` on a queue and on the model; compares all that can be seen. */
function runBoth(prefetch: number, steps: readonly Step[]): void {
  const queue = new PriorityQueue<number>({ prefetch, maxSize: Number.POSITIVE_INFINITY })
  const model = new Model()
  let made = 0
  for (const step of steps) {
    if (step.do === 'enqueue' || step.do === 'enqueueMany') {
      const values = step.ranks.map(() => made++)
      if (step.do === 'enqueueMany') queue.enqueueMany(values, step.ranks)
      else for (const [index, value] of values.entries()) queue.enqueue(value, step.ranks[index] as number)
      model.add(values, step.ranks)
    } else if (step.do === 'dequeueMany') {
      assert.deepEqual(queue.dequeueMany(step.count), model.take(step.count))
    } else if (step.do === 'dequeue') {
      for (let left = step.count; left > 0; left--) assert.equal(queue.dequeue(), model.take(1)[0])
    } else if (step.do === 'crash') {
      crossings.trapAt(0, trap)
    } else {
      queue.clear()
      model.take(Number.POSITIVE_INFINITY)
    }
    assert.equal(queue.size, model.entries.length)
    assert.deepEqual(
      queue.toArray(),
      model.entries.map(({ value }) => value),
    )
    assert.equal(queue.peek(), model.entries[0]?.value)
  }
  crossings.reset()
  assert.deepEqual(queue.dequeueMany(Number.POSITIVE_INFINITY), model.take(Number.POSITIVE_INFINITY))
}

const ranks = fc.oneof(
  fc.array(fc.integer({ min: -1, max: 1 }), { maxLength: 60 }),
  fc.array(fc.integer({ min: -1_000_000, max: 1_000_000 }), { maxLength: 60 }),
)
const count = fc.integer({ min: 0, max: 40 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constantFrom('enqueue', 'enqueueMany'), ranks }) as fc.Arbitrary<Step>,
  fc.record({ do: fc.constantFrom('dequeue', 'dequeueMany'), count }) as fc.Arbitrary<Step>,
  { arbitrary: fc.constant<Step>({ do: 'clear' }), weight: 1 },
)
const steps = fc.array(step, { maxLength: 30, size: 'max' })
const prefetch = fc.constantFrom(1, 2, 7, 128)

describe('a priority queue', () => {
  test('gives the highest first, and first in, first out among equals', () => {
    const queue = new PriorityQueue<string>()
    queue.enqueueMany(['b', 'c'])
    queue.enqueue('d', 'low')
    queue.enqueue('a', 'high')
    queue.enqueueMany(['e', 'f'], [-2, undefined])
    assert.equal(queue.size, 6)
    assert.equal(queue.maxSize, 10_000)
    assert.equal(queue.peek(), 'a')
    assert.deepEqual([...queue], ['a', 'b', 'c', 'f', 'd', 'e'])
    assert.equal(queue.dequeue(), 'a')
    assert.deepEqual(queue.dequeueMany(2), ['b', 'c'])
    assert.deepEqual(queue.dequeueMany(0), [])
    assert.deepEqual(queue.dequeueMany(Number.POSITIVE_INFINITY), ['f', 'd', 'e'])
    assert.deepEqual([queue.size, queue.dequeue(), queue.peek(), queue.dequeueMany(3)], [0, undefined, undefined, []])
  })

  test('keeps any value by identity, and tells an undefined one by its size', () => {
    const values = [undefined, null, Number.NaN, {}, () => 1]
    const queue = new PriorityQueue()
    for (const value of values) queue.enqueue(value)
    assert.equal(queue.dequeue(), undefined)
    assert.equal(queue.size, 4)
    assert.deepEqual(queue.dequeueMany(4), values.slice(1))
  })

  test('is empty after clear, and goes on', () => {
    const queue = new PriorityQueue<number>()
    queue.enqueueMany(upTo(1_000))
    queue.dequeue()
    queue.clear()
    assert.deepEqual([queue.size, queue.dequeue()], [0, undefined])
    queue.enqueue(7)
    assert.deepEqual(queue.toArray(), [7])
  })

  test('crosses once for many, in and out, and not at all for a few', () => {
    const queue = new PriorityQueue<number>()
    crossings.reset()
    for (const value of upTo(100)) queue.enqueue(value, value)
    while (queue.size > 0) queue.dequeue()
    assert.equal(crossings.count, 0)
    queue.enqueueMany(upTo(10_000), 'low')
    queue.dequeueMany(10_000)
    // Each after asking for room.
    assert.equal(crossings.count, 4)
  })

  test('crosses in pieces when there are more than 65,536', () => {
    const queue = new PriorityQueue<number>({ maxSize: Number.POSITIVE_INFINITY })
    const values = upTo(200_000)
    queue.enqueueMany(values)
    assert.deepEqual(queue.dequeueMany(200_000), values)
  })

  test('does as a sorted list does', () => {
    fc.assert(fc.property(prefetch, steps, runBoth), { numRuns: 300 })
  })

  test('does so whatever overtakes whatever, entry by entry', () => {
    const queue = new PriorityQueue<number>({ prefetch: 4 })
    const model = new Model()
    for (let value = 0; value < 6_000; value++) {
      const rank = [value, -value, (value * 7919) % 1000][value % 3] as number
      queue.enqueue(value, rank)
      model.add([value], [rank])
      if (value % 5 > 2) assert.equal(queue.dequeue(), model.take(1)[0])
    }
    assert.deepEqual(queue.dequeueMany(10_000), model.take(10_000))
  })
})

describe('a full queue', () => {
  test('refuses what has no room, all or nothing', () => {
    const queue = new PriorityQueue<number>({ maxSize: 3 })
    queue.enqueueMany([1, 2])
    const error = {
      name: 'QueueFullError',
      code: 'ERR_QUEUE_FULL',
      family: 'misuse',
      maxSize: 3,
      message: 'the queue has 2 of at most 3 entries, and no room for 2 more',
    }
    assert.throws(() => queue.enqueueMany([3, 4], 'high'), error)
    assert.deepEqual(queue.toArray(), [1, 2])
    queue.enqueue(3)
    assert.throws(
      () => queue.enqueue(4),
      (reason) => reason instanceof QueueFullError && reason instanceof SluiceError,
    )
    queue.dequeue()
    queue.enqueue(4)
    assert.deepEqual(queue.toArray(), [2, 3, 4])
  })
})

describe('misuse of a queue', () => {
  const aPriority = "expected 'high', 'normal', 'low', or an integer from -1,000,000 to 1,000,000"
  const queue = () => new PriorityQueue<unknown>()
  const cases: [string, () => unknown, string, string][] = [
    ['options', () => new PriorityQueue(5 as never), 'ERR_INVALID_OPTION', 'options: expected an object, received 5 (number)'],
    [
      'an unknown option',
      () => new PriorityQueue({ maxsize: 1 } as never),
      'ERR_UNKNOWN_OPTION',
      "options.maxsize: expected no option of this name; did you mean 'maxSize'?, received 1 (number)",
    ],
    [
      'maxSize',
      () => new PriorityQueue({ maxSize: 0 }),
      'ERR_INVALID_OPTION',
      'options.maxSize: expected an integer of at least 1, or Infinity, received 0 (number)',
    ],
    [
      'prefetch',
      () => new PriorityQueue({ prefetch: 1.5 }),
      'ERR_INVALID_OPTION',
      'options.prefetch: expected an integer from 1 to 10,000, received 1.5 (number)',
    ],
    [
      'a priority',
      () => queue().enqueue(1, 'urgent' as never),
      'ERR_INVALID_ENTRIES',
      `priority: ${aPriority}, received "urgent" (string)`,
    ],
    ['a null', () => queue().enqueue(1, null as never), 'ERR_INVALID_ENTRIES', `priority: ${aPriority}, received null`],
    [
      'one for all',
      () => queue().enqueueMany([1], 0.5),
      'ERR_INVALID_ENTRIES',
      `priorities: ${aPriority}, received 0.5 (number)`,
    ],
    [
      'one of many',
      () => queue().enqueueMany([1, 2], [1, 2_000_000]),
      'ERR_INVALID_ENTRIES',
      `priorities[1]: ${aPriority}, received 2000000 (number)`,
    ],
    [
      'too few',
      () => queue().enqueueMany([1, 2], [1]),
      'ERR_INVALID_ENTRIES',
      'priorities.length: expected 2, one for each value, received 1 (number)',
    ],
    [
      'no array',
      () => queue().enqueueMany('ab' as never),
      'ERR_INVALID_ENTRIES',
      'values: expected an array, received "ab" (string)',
    ],
    [
      'a count',
      () => queue().dequeueMany(-1),
      'ERR_INVALID_ENTRIES',
      'count: expected an integer of at least 0, or Infinity, received -1 (number)',
    ],
  ]
  for (const [name, run, code, message] of cases) {
    test(name, () => {
      assert.throws(run, { code, message, family: 'misuse' })
    })
  }

  test('changes nothing', () => {
    const queue = new PriorityQueue<number>()
    queue.enqueue(1)
    assert.throws(() => queue.enqueueMany([2, 3], [0, 'x' as Priority]))
    assert.deepEqual(queue.toArray(), [1])
  })
})

describe('a queue whose engine is lost', () => {
  test('loses nothing, whatever call crashes', () => {
    const crashing = fc.array(fc.oneof(step, fc.constant<Step>({ do: 'crash' })), { maxLength: 20, size: 'max' })
    fc.assert(fc.property(prefetch, crashing, runBoth), { numRuns: 150 })
  })

  test('goes on in JavaScript where each call crashes, or there is no WebAssembly, until it is empty', () => {
    const queue = new PriorityQueue<number>({ prefetch: 2 })
    const model = new Model()
    const add = (values: number[], rank: number) => {
      queue.enqueueMany(values, rank)
      model.add(
        values,
        values.map(() => rank),
      )
    }
    crossings.reset()
    crossings.before = trap
    add(upTo(100), 0)
    add([100, 101], 1)
    assert.deepEqual(queue.dequeueMany(50), model.take(50))
    const crossed = crossings.count
    add(upTo(5_000), 1)
    queue.enqueue(-1, -1)
    model.add([-1], [-1])
    assert.deepEqual(queue.dequeueMany(3), model.take(3))
    assert.equal(queue.dequeue(), model.take(1)[0])
    assert.deepEqual(
      queue.toArray(),
      model.entries.map(({ value }) => value),
    )
    assert.equal(crossings.count, crossed)
    crossings.reset()
    assert.deepEqual(queue.dequeueMany(10_000), model.take(10_000))
    add(upTo(1_000), 0)
    assert.deepEqual(queue.dequeueMany(10_000), model.take(10_000))
    assert.notEqual(crossings.count, 0)
  })
})

test('what was dequeued or cleared is let go of', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const queue = new PriorityQueue<object>()
  const fill = () => {
    const values = upTo(1_000).map(() => ({}))
    queue.enqueueMany(values)
    return values.map((value) => new WeakRef(value))
  }
  const dequeued = fill()
  const kept = fill()
  for (let left = 500; left > 0; left--) queue.dequeue()
  queue.dequeueMany(500)
  await new Promise(setImmediate)
  gc()
  assert.equal(dequeued.filter((ref) => ref.deref() !== undefined).length, 0)
  assert.equal(kept.filter((ref) => ref.deref() === undefined).length, 0)
  queue.clear()
  await new Promise(setImmediate)
  gc()
  assert.equal(kept.filter((ref) => ref.deref() !== undefined).length, 0)
})
