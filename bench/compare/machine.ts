/** What a run was taken on, and with which versions: figures of another are not to be compared with these. */

import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

export interface Setting {
  readonly date: string
  readonly runtime: string
  readonly platform: string
  readonly processor: string
  readonly cores: number
  readonly memoryGb: number
  /** Before and after: how much else went on. */
  readonly load: readonly [number, number]
  readonly versions: Readonly<Record<string, string>>
}

/** Asked at the start; what it answers is asked at the end. */
export function setting(): () => Setting {
  const date = new Date().toISOString()
  const load = () => Math.round((loadavg()[0] ?? 0) * 10) / 10
  const before = load()
  return () => ({
    date,
    runtime: process.versions.bun === undefined ? `Node ${process.versions.node}` : `Bun ${process.versions.bun}`,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    load: [before, load()],
    versions: { sluice: json('../../package.json').version as string, ...(json('../package.json').devDependencies as object) },
  })
}

function json(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'))
}
