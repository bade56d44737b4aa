/** How long until the first answer: import, instantiate, one batch, each time in a new process. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { LOW_QUANTILE } from '../harness.ts'
import { inBareChild } from './child.ts'
import { median } from './memory.ts'
import { atMost, type Extent, type Report, round, type Table } from './section.ts'

const NULL_RIVAL = 'empty module'
const ROUNDS = 15
const INSTANTIATED = 'sluice, instantiated'
const BAR_MS = 5

export async function startup({ isQuick }: Extent): Promise<Report> {
  const all = await inBareChild<string[]>('started.mjs', [])
  // Ours first.
  const names = ['sluice', ...all.filter((name) => name !== 'sluice')]
  const times = new Map<string, number[]>(names.map((name) => [name, []]))
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-startup-'))
  try {
    const unused = path.join(folder, 'unused.mjs')
    await writeFile(unused, await asUnused(new URL('../../dist/index.node.js', import.meta.url)))
    for (let round = 0; round < (isQuick ? 5 : ROUNDS); round += 1) {
      for (const name of names) times.get(name)?.push(await inBareChild<number>('started.mjs', [name, unused]))
    }
  } finally {
    await rm(folder, { recursive: true })
  }
  const empty = median(times.get(NULL_RIVAL) ?? [])
  const table = (id: string, title: string, names: readonly string[]): Table => {
    const over = (figure: (of: readonly number[]) => number) =>
      Object.fromEntries(names.map((name) => [name, round(figure(times.get(name) ?? []) - empty)]))
    return {
      id,
      title,
      unit: `ms over an empty module (${empty.toFixed(1)})`,
      digits: 1,
      isTurned: true,
      rows: [
        { title: 'median', figures: over(median) },
        { title: `${LOW_QUANTILE * 100} % quantile`, figures: over(low) },
      ],
    }
  }
  const isStep = (name: string) => name.startsWith('sluice, ')
  return {
    tables: [
      table(
        'startup',
        'Import and first answer',
        names.filter((name) => !isStep(name)),
      ),
      table('startup-steps', 'Import, and how far', ['sluice', ...names.filter(isStep)]),
    ],
    verdicts: [
      atMost('Import and instantiate over an empty module', median(times.get(INSTANTIATED) ?? []) - empty, BAR_MS, 'ms'),
      atMost('Import and first batch over an empty module', median(times.get('sluice') ?? []) - empty, BAR_MS, 'ms'),
    ],
  }
}

function low(ms: readonly number[]): number {
  return ms.toSorted((a, b) => a - b)[Math.floor(LOW_QUANTILE * (ms.length - 1))] ?? Number.NaN
}

/** A module with all of this one's text, in a function that nobody calls. */
async function asUnused(module: URL): Promise<string> {
  const text = await readFile(module, 'utf8')
  const exported = text.lastIndexOf('export{')
  if (exported < 0) throw new Error('Expected a bundle that ends with what it exports')
  return `function unused(){${text.slice(0, exported)}}export{unused};`
}
