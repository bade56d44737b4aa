/** Uses a processor in every way, and then does nothing more: the process is to end by itself. */

import { BatchProcessor, configure, getCachedDataBatch } from '../../../js/index.js'

const request = (key: string) => ({ key, fetchFunction: async () => key })
const processor = new BatchProcessor({ ttl: 3_600_000, staleWhileRevalidate: 3_600_000, storage: new Map() })
await processor.getCachedDataBatch([request('a'), request('b')], { timeoutMs: 3_600_000, fetchTimeoutMs: 3_600_000 })
await processor.getCachedDataBatch([request('a')], { signal: AbortSignal.timeout(3_600_000) })
await processor
  .getCachedData('failing', () => Promise.reject(new Error('no')), { retry: { attempts: 2, backoffMs: 1 } })
  .catch(() => {})
for await (const _ of processor.streamCachedDataBatch([request('c'), request('d')])) break
await processor.invalidate({ prefix: 'a' })
processor.on('crash', () => {})
configure({ ttl: 3_600_000 })
await getCachedDataBatch([request('a')])
console.log('idle')
