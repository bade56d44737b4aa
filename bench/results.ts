/** What a run of the suite leaves in results/: plots and README.md are made of it. */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Setting } from './compare/machine.ts'
import type { Report, Verdict } from './compare/section.ts'

export interface Section extends Report {
  readonly taken: string
  readonly bars: readonly Verdict[]
}

export interface Results extends Setting {
  readonly command: string
  readonly isQuick: boolean
  readonly sections: Readonly<Record<string, Section>>
}

const FOLDER = new URL('results/', import.meta.url)

/** Where a full run goes: the last of a day with a runtime. */
export function fileOf({ date, runtime }: Setting): string {
  return fileURLToPath(new URL(`${date.slice(0, 10)}-${runtime.toLowerCase().replace(' ', '-')}.json`, FOLDER))
}

/** The latest on Node. */
export function latest(): string {
  const files = readdirSync(FOLDER).filter((name) => /-node-.*\.json$/.test(name))
  const last = files.sort().at(-1)
  if (last === undefined) throw new Error('results/ has no run on Node: run compare.ts first')
  return fileURLToPath(new URL(last, FOLDER))
}

export function read(file: string): Results {
  return JSON.parse(readFileSync(file, 'utf8')) as Results
}
