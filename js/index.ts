/** What the package exports, and nothing else. */

export type { Clock, TimerHandle } from './clock.js'
export {
  configure,
  getCachedData,
  getCachedDataBatch,
  getCachedDataBatchSettled,
  getStorage,
  initializeStorage,
  isStorageInitialized,
  loadMany,
  plan,
  prefetch,
  streamCachedDataBatch,
} from './default.js'
export * from './errors.js'
export type { Loader } from './loader.js'
export type { MemoryCache } from './memory.js'
export { BatchPerformanceMonitor } from './monitor.js'
export {
  type BatchConfigIssue,
  type BatchConfigResult,
  type BatchConfigSchema,
  batchConfigSchema,
  type ResolvedBatchConfig,
} from './options/schema.js'
export { BatchProcessor } from './processor.js'
export { PriorityQueue } from './queue.js'
export { type ValueTierOptions, valueTier } from './storage/value-tier.js'
export type * from './types.js'
