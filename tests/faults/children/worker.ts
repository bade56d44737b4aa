/** The package in a worker: a processor of its own, whatever other threads do. Runs the built package, as its users do. */

import { parentPort, workerData } from 'node:worker_threads'

const { url, count } = workerData as { url: string; count: number }
const { BatchProcessor } = (await import(url)) as typeof import('../../../js/index.js')
const processor = new BatchProcessor({ maxEntries: count })
const requests = Array.from({ length: count }, (_, at) => ({ key: `key:${at}`, fetchFunction: async () => at }))
const cold = await processor.getCachedDataBatch(requests)
const warm = await processor.getCachedDataBatch(requests)
const isRight = [cold, warm].every((results) => results.every((result, at) => result === at))
const { led, hits } = await processor.metrics()
parentPort?.postMessage({ isRight, led, hits })
