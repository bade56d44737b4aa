/** One way of doing the job, run once and measured: on this side the clock, on the server's side the traffic. */

import { createHash } from 'node:crypto'
import type { BatchPerformanceMetrics, BatchProcessor } from 'sluice'
import type { ContentsFile, ContentsServer } from './contents-server.js'

export interface Run {
  readonly way: string
  readonly asked: number
  readonly calls: number
  readonly mostInFlight: number
  /** What sluice recorded of it, where it had a part. */
  readonly batch: BatchPerformanceMetrics | undefined
  readonly ms: number
  readonly files: readonly ContentsFile[]
}

/** Runs `work` once. What it needs is to be built beforehand: the clock is around this call alone. */
export async function measure(
  way: string,
  asked: number,
  work: () => Promise<ContentsFile[]>,
  server: ContentsServer,
  processor?: BatchProcessor,
): Promise<Run> {
  server.takeTraffic()
  const start = performance.now()
  const files = await work()
  const ms = performance.now() - start
  const batch = processor?.monitor.getHistory().at(-1)
  return { way, asked, ...server.takeTraffic(), batch, ms, files }
}

/** SHA-256 over path and content of each file, in order, each preceded by its length so that neither can pass for the other. */
export function digestOf(files: Iterable<{ readonly path: string; readonly bytes: Buffer }>): string {
  const hash = createHash('sha256')
  for (const { path, bytes } of files) {
    for (const part of [Buffer.from(path), bytes]) hash.update(`${part.length}:`).update(part)
  }
  return hash.digest('hex')
}

/** What the caller gets out of an answer. */
export function decoded(file: ContentsFile): { path: string; bytes: Buffer } {
  return { path: file.path, bytes: Buffer.from(file.content, file.encoding) }
}
