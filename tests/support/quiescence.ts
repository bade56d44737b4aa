/** What must hold of a processor with nothing to do, after whatever it did before. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import type { BatchProcessor, ProcessorMetrics } from '../../js/index.js'
import type { VirtualClock } from './virtual-clock.js'

/** Every key asked for is counted once, and every load begun has ended once. */
export function assertIdentities(metrics: ProcessorMetrics): void {
  const { requested, hits, joined, deduplicated, led, succeeded, failed, dropped, inFlight } = metrics
  assert.equal(requested, hits + joined + deduplicated + led, 'each key asked for is one of hits, joined, deduplicated, led')
  assert.equal(led, succeeded + failed + dropped + inFlight, 'each load begun succeeded, failed, was dropped, or is in flight')
}

/** Nothing is in flight, nothing waits or runs, no timer is set, no signal is listened to, and the counters add up. */
export async function assertQuiescent(
  processor: BatchProcessor,
  clock?: VirtualClock,
  signals: readonly AbortSignal[] = [],
): Promise<void> {
  const metrics = await processor.metrics()
  const { inFlight, waiting, running } = metrics
  assert.deepEqual({ inFlight, waiting, running }, { inFlight: 0, waiting: 0, running: 0 })
  assertIdentities(metrics)
  if (clock !== undefined) assert.equal(clock.timers, 0, 'no timer is set')
  for (const signal of signals) assert.equal(getEventListeners(signal, 'abort').length, 0, 'no listener is left on a signal')
}
