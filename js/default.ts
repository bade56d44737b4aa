/** The module-level functions: one processor, made on first use. */

import { BatchProcessor } from './processor.js'
import type {
  BatchOptions,
  BatchOutcome,
  BatchOutcomes,
  BatchPlan,
  BatchProcessorConfig,
  BatchRequest,
  BatchRequests,
  BatchValues,
  BulkLoader,
  CacheKeyOption,
  LoadManyOptions,
  SingleOptions,
  StorageInput,
  ValueTypes,
} from './types.js'

let processor: BatchProcessor | undefined
/** Given before the processor was needed. */
let storage: StorageInput | undefined

function current(): BatchProcessor {
  if (processor === undefined) configure({})
  return processor as BatchProcessor
}

/**
 * Sets up the processor that the module-level functions use. Loads that the one before it has in flight are finished by that; what it had in
 * memory is not carried over, the storage is, unless `config` names one.
 *
 * @throws `TypeError` or `RangeError` for what is wrong with `config`; the processor before it stays then.
 */
export function configure(config: BatchProcessorConfig): BatchProcessor {
  const next = new BatchProcessor(config)
  if (next.getStorage() === undefined && storage !== undefined) next.initializeStorage(storage)
  storage = next.getStorage()
  processor = next
  return next
}

/** `BatchProcessor.getCachedDataBatch` of the default processor. */
export function getCachedDataBatch<T extends ValueTypes>(
  requests: BatchRequests<T>,
  options?: BatchOptions<T[number]>,
): Promise<BatchValues<T>>
export function getCachedDataBatch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<T[]>
export function getCachedDataBatch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<T[]> {
  return current().getCachedDataBatch(requests, options)
}

/** `BatchProcessor.getCachedDataBatchSettled` of the default processor. */
export function getCachedDataBatchSettled<T extends ValueTypes>(
  requests: BatchRequests<T>,
  options?: BatchOptions<T[number]>,
): Promise<BatchOutcomes<T>>
export function getCachedDataBatchSettled<T>(
  requests: readonly BatchRequest<T>[],
  options?: BatchOptions<T>,
): Promise<BatchOutcome<T>[]>
export function getCachedDataBatchSettled<T>(
  requests: readonly BatchRequest<T>[],
  options?: BatchOptions<T>,
): Promise<BatchOutcome<T>[]> {
  return current().getCachedDataBatchSettled(requests, options)
}

/** `BatchProcessor.streamCachedDataBatch` of the default processor. */
export function streamCachedDataBatch<T extends ValueTypes>(
  requests: BatchRequests<T>,
  options?: BatchOptions<T[number]>,
): AsyncIterableIterator<BatchOutcome<T[number]>>
export function streamCachedDataBatch<T>(
  requests: readonly BatchRequest<T>[],
  options?: BatchOptions<T>,
): AsyncIterableIterator<BatchOutcome<T>>
export function streamCachedDataBatch<T>(
  requests: readonly BatchRequest<T>[],
  options?: BatchOptions<T>,
): AsyncIterableIterator<BatchOutcome<T>> {
  return current().streamCachedDataBatch(requests, options)
}

/** `BatchProcessor.loadMany` of the default processor. */
export function loadMany<K extends string = string, V = unknown>(
  keys: readonly K[],
  bulkLoader: BulkLoader<K, V>,
  options?: LoadManyOptions<K>,
): Promise<V[]>
export function loadMany<K, V>(
  keys: readonly K[],
  bulkLoader: BulkLoader<K, V>,
  options: LoadManyOptions<K> & CacheKeyOption<K>,
): Promise<V[]>
export function loadMany<V>(keys: readonly string[], bulkLoader: BulkLoader<string, V>, options?: LoadManyOptions): Promise<V[]> {
  return current().loadMany(keys, bulkLoader, options)
}

/** `BatchProcessor.prefetch` of the default processor. */
export function prefetch<T extends ValueTypes>(requests: BatchRequests<T>, options?: BatchOptions<T[number]>): Promise<void>
export function prefetch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<void>
export function prefetch<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<void> {
  return current().prefetch(requests, options)
}

/** `BatchProcessor.plan` of the default processor. */
export function plan<T extends ValueTypes>(requests: BatchRequests<T>, options?: BatchOptions<T[number]>): Promise<BatchPlan>
export function plan<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<BatchPlan>
export function plan<T>(requests: readonly BatchRequest<T>[], options?: BatchOptions<T>): Promise<BatchPlan> {
  return current().plan(requests, options)
}

/** `BatchProcessor.getCachedData` of the default processor. */
export function getCachedData<T>(
  key: string,
  fetchFunction: BatchRequest<T>['fetchFunction'],
  ttlOrOptions?: number | SingleOptions<T>,
): Promise<T> {
  return current().getCachedData(key, fetchFunction, ttlOrOptions)
}

/** Puts storage beneath the default processor's memory: a tier, tiers in the order they are asked, or a storage of plain values. */
export function initializeStorage(next: StorageInput): void {
  current().initializeStorage(next)
  storage = next
}

/** Whether the default processor has storage. */
export function isStorageInitialized(): boolean {
  return storage !== undefined
}

/** The default processor's storage, as it was given. */
export function getStorage(): StorageInput | undefined {
  return storage
}
