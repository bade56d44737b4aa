/** The config's schema for those who validate with Standard Schema (https://standardschema.dev, version 1), from the same declarations. */

import type { BatchProcessorConfig } from '../types.js'
import { resolveConfig } from './resolve.js'

/** A config with the defaults of the groups' options filled in. */
export type ResolvedBatchConfig = BatchProcessorConfig &
  Required<
    Pick<BatchProcessorConfig, 'defaultConcurrency' | 'enableOptimizations' | 'groupingStrategy' | 'maxBatchSize' | 'timeoutMs'>
  >

export interface BatchConfigIssue {
  readonly message: string
  readonly path: readonly string[]
}

export type BatchConfigResult =
  | { readonly value: ResolvedBatchConfig; readonly issues?: undefined }
  | { readonly issues: readonly BatchConfigIssue[] }

/** What `batchConfigSchema` is: a Standard Schema, and `parse` for those who want it to throw. */
export interface BatchConfigSchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: 'sluice'
    readonly validate: (value: unknown) => BatchConfigResult
    readonly types?: { readonly input: BatchProcessorConfig; readonly output: ResolvedBatchConfig }
  }
  /** The config with defaults filled in; throws what `new BatchProcessor(value)` would. */
  parse(value: unknown): ResolvedBatchConfig
}

/** Checks what `new BatchProcessor(config)` and `configure(config)` take. */
export const batchConfigSchema: BatchConfigSchema = Object.freeze({
  '~standard': Object.freeze({ version: 1 as const, vendor: 'sluice' as const, validate }),
  parse,
})

function parse(value: unknown): ResolvedBatchConfig {
  const given = (value ?? {}) as BatchProcessorConfig
  const { enableOptimizations, batchDefaults } = resolveConfig(given)
  return {
    ...given,
    defaultConcurrency: batchDefaults.maxConcurrency,
    enableOptimizations,
    groupingStrategy: given.groupingStrategy ?? 'prefix',
    maxBatchSize: batchDefaults.maxBatchSize,
    timeoutMs: batchDefaults.timeoutMs,
  }
}

function validate(value: unknown): BatchConfigResult {
  try {
    return { value: parse(value) }
  } catch (error) {
    const { message } = error as Error
    const field = /^config\.(\w+)/.exec(message)?.[1]
    return { issues: [{ message, path: field === undefined ? [] : [field] }] }
  }
}
