/**
 * sluice beside its peers: what it costs. Prints tables with ratios, and the bars; writes a full run to results/ as JSON.
 *
 *     node --import tsx compare.ts [--only warm,cold] [--quick] [--check] [--traces folder] [--out file]      or: bun compare.ts …
 *
 * `--quick` takes a tenth of the rounds and no million entries: for trying, not for figures. `--check` exits with 1 where a bar does not
 * hold. `--traces` has recorded traces, `*.txt.gz`, one key a line. `--out` says where the JSON goes, for a quick run as well; with `--only`,
 * what is in that file of other sections stays.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { inChild } from './compare/child.ts'
import { setting } from './compare/machine.ts'
import { type Extent, print, printVerdicts, type Report, verdictsOf } from './compare/section.ts'
import { SECTIONS } from './compare/sections.ts'
import { fileOf, type Results, read, type Section } from './results.ts'

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    traces: { type: 'string' },
    out: { type: 'string' },
  },
})
const names = flags.only?.split(',') ?? Object.keys(SECTIONS)
const unknown = names.find((name) => !Object.hasOwn(SECTIONS, name))
if (unknown !== undefined) throw new Error(`--only: expected some of ${Object.keys(SECTIONS).join(',')}, received ${unknown}`)
const extent: Extent = { isQuick: flags.quick, traces: flags.traces && path.resolve(flags.traces) }

const settingOf = setting()
const sections: Record<string, Section> = {}
const broken: string[] = []
for (const name of names) {
  try {
    const report = await inChild<Report>('run.ts', [name, JSON.stringify(extent)])
    sections[name] = { taken: new Date().toISOString(), ...report, bars: verdictsOf(report) }
    for (const table of report.tables) console.log(`${print(table)}\n`)
  } catch (error) {
    // The others took minutes, and are as true without it.
    console.error(`${name}: ${(error as Error).message}\n`)
    broken.push(name)
  }
}
const results: Results = {
  ...settingOf(),
  command: `compare.ts ${process.argv.slice(2).join(' ')}`.trim(),
  isQuick: extent.isQuick,
  sections,
}
if (broken.length > 0) process.exitCode = 1

const verdicts = Object.values(sections).flatMap(({ bars }) => bars)
if (verdicts.length > 0) console.log(`${printVerdicts(verdicts)}\n`)
const { runtime, platform, processor, cores, load, date } = results
console.log(`${runtime}, ${platform}, ${processor}, ${cores} cores, load ${load.join(' to ')}, ${date.slice(0, 10)}`)

const isFull = flags.only === undefined && !flags.quick
const out = flags.out ?? (isFull ? fileOf(results) : undefined)
if (out !== undefined) {
  mkdirSync(path.dirname(out), { recursive: true })
  // A part goes with what was measured before; each says when it was.
  const before = flags.only !== undefined && existsSync(out) ? read(out) : undefined
  const all = { ...before?.sections, ...sections }
  const ordered = Object.fromEntries(
    Object.keys(SECTIONS).flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]]])),
  )
  writeFileSync(out, `${JSON.stringify({ ...(before ?? results), sections: ordered }, undefined, 1)}\n`)
  console.log(`Written to ${path.relative(process.cwd(), out)}`)
}

const failed = verdicts.filter(({ holds, isGoal }) => !holds && !isGoal)
if (failed.length > 0) console.log(`${failed.length} of ${verdicts.length} bars do not hold`)
if (flags.check && failed.length > 0) process.exitCode = 1
