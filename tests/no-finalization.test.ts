/** Some runtimes have no `FinalizationRegistry`: the cache and the queue work there as well. In a process of its own, as it is asked for once. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'

test('without FinalizationRegistry, processors and queues work, and close', async () => {
  Reflect.deleteProperty(globalThis, 'FinalizationRegistry')
  const { BatchProcessor, PriorityQueue } = await import('../js/index.js')
  const crashes: unknown[] = []
  const processor = new BatchProcessor()
  processor.on('crash', (event) => crashes.push(event))
  assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
  assert.equal(processor.memory.get('a'), 'A')
  await processor.close()
  const queue = new PriorityQueue<number>({ prefetch: 1 })
  queue.enqueueMany([1, 2, 3], ['low', 'normal', 'high'])
  assert.deepEqual(queue.dequeueMany(3), [3, 2, 1])
  assert.deepEqual(crashes, [])
})
