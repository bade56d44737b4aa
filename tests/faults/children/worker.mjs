/** The package in a worker: a processor of its own, whatever other threads do. Plain JavaScript, as loaders do not reach workers in Node 20. */

import { parentPort, workerData } from 'node:worker_threads'

const { url, count } = workerData
const { BatchProcessor } = await import(url)
const processor = new BatchProcessor({ maxEntries: count })
const requests = Array.from({ length: count }, (_, at) => ({ key: `key:${at}`, fetchFunction: async () => at }))
const cold = await processor.getCachedDataBatch(requests)
const warm = await processor.getCachedDataBatch(requests)
const isRight = [cold, warm].every((results) => results.every((result, at) => result === at))
const { led, hits } = await processor.metrics()
parentPort?.postMessage({ isRight, led, hits })
