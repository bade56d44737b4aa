/** Failures of every kind that nobody hears of in time, or at all: nothing may go unhandled. Runs with `--unhandled-rejections=strict`. */

import { BatchProcessor } from '../../../js/index.js'

const turn = () => new Promise((resolve) => setImmediate(resolve))
const fail = () => {
  throw new Error('fail')
}
const failLater = async () => {
  await turn()
  fail()
}
const storage = { name: 'bad', mget: failLater, mset: failLater, mdelete: failLater, close: failLater } as never
const processor = new BatchProcessor({ storage, fetchTimeoutMs: 4 })
for (const event of ['stall', 'crash', 'refreshError', 'callbackError'] as const) processor.on(event, failLater)
const onProgress = failLater as never
const quiet = () => {}

// Late rejections, after a deadline and after an abort.
const late = async () => {
  await new Promise((resolve) => setTimeout(resolve, 8))
  fail()
}
await processor.getCachedData('late', late).catch(quiet)
const controller = new AbortController()
const aborted = processor.getCachedData('aborted', late, { signal: controller.signal }).catch(quiet)
controller.abort()
await aborted
// Nobody listens to what is dropped.
const stream = processor.streamCachedDataBatch([
  { key: 'streamed', fetchFunction: failLater },
  { key: 'more', fetchFunction: late },
])
await stream.next()
await stream.return?.()
await processor.prefetch([{ key: 'prefetched', fetchFunction: failLater }])
// Refreshes in the background.
await processor.getCachedData('stale', () => 1, { ttl: 1 })
await new Promise((resolve) => setTimeout(resolve, 5))
console.log(await processor.getCachedData('stale', failLater as never, { staleWhileRevalidate: 1000 }))
// Callbacks that promise what nobody asked for.
await processor.getCachedDataBatch([{ key: 'p', fetchFunction: () => 1 }], { onProgress })
await processor.getCachedData('r', fail, { retry: { attempts: 2, retryable: failLater as never } }).catch(quiet)
await processor
  .getCachedDataBatch(
    [
      { key: 'g:g:1', fetchFunction: fail },
      { key: 'g:g:2', fetchFunction: fail },
    ],
    { groupFetch: failLater as never },
  )
  .catch(quiet)
await processor
  .getCachedDataBatch(
    [
      { key: 'c1', fetchFunction: fail },
      { key: 'c2', fetchFunction: fail },
    ],
    { groupingStrategy: 'custom', customGrouper: failLater as never },
  )
  .catch(quiet)
await processor.set('s', 1)
await processor.delete('s')
await new Promise((resolve) => setTimeout(resolve, 9))
await processor.close()
console.log('nothing unhandled')
