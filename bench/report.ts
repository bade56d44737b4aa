/**
 * Writes the latest run on Node into README.md: where, with what, the tables, the bars, and all rows in which somebody is better. And the
 * shortest of it into the README.md of the project.
 *
 *     node --import tsx report.ts [results.json]
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { print, printVerdicts, type Table } from './compare/section.ts'
import { latest, read } from './results.ts'

const README = new URL('README.md', import.meta.url)
/** Columns that are ours, too. */
const OURS = /^(?:sluice|memory\.get|getCachedData)/
const SECTION = /(<!-- results: written by npm --prefix bench run report -->\n)[\s\S]*?(<!-- end of results -->)/

const { runtime, platform, processor, cores, memoryGb, load, date, command, versions, sections } = read(
  process.argv[2] ?? latest(),
)
const tables = Object.values(sections).flatMap((section) => section.tables)
const bars = Object.values(sections).flatMap((section) => section.bars)
const text = [
  `\`${command}\`, ${date.slice(0, 10)}: ${runtime}, ${platform}, ${processor}, ${cores} cores and ${memoryGb} GB shared with others (load`,
  `${load.join(' to ')}). ${Object.entries(versions)
    .filter(([name]) => tables.some((table) => mentions(table, name)))
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}.`,
  '',
  tables.map(print).join('\n\n'),
  '',
  '### The bars',
  '',
  printVerdicts(bars),
  '',
  '### Where others are better',
  '',
  tables.flatMap(lost).join('\n'),
  '',
]
const readme = readFileSync(README, 'utf8')
if (!SECTION.test(readme)) throw new Error('README.md has no place for results')
// A function: what tables say may look like the `$1` of a replacement.
writeFileSync(
  README,
  readme.replace(SECTION, (_, head: string, tail: string) => `${head}\n${text.join('\n')}\n${tail}`),
)

const ROOT = new URL('../README.md', import.meta.url)
/** What is measured, the row of which table it is, and what in it was by hand, with lru-cache, and DataLoader. */
const SHORT = [
  ['1,000 fresh keys, of 10,000 in memory', 'warm', '1,000 fresh of 10 k', 'Map loop', 'Promise.all over lru-cache'],
  ['1,000 fresh keys, of 1,000,000 in memory', 'warm', '1,000 fresh of 1 M', 'Map loop', 'Promise.all over lru-cache'],
  ['1,000 reused keys, of 10,000 in memory', 'warm', '1,000 reused of 10 k', 'Map loop', 'Promise.all over lru-cache'],
  ['10 fresh keys, of 1,000 in memory', 'warm', '10 fresh of 1 k', 'Map loop', 'Promise.all over lru-cache'],
  ['1 fresh key, of 100,000 in memory', 'by-size', '1 of 100,000', 'Map loop', 'Promise.all over lru-cache'],
  ['1,000 keys fetched, 10 at a time, answered at once', 'cold', 'those of the bars', 'bare Promise.all', 'p-map + lru-cache'],
] as const
const lines = SHORT.map(([what, id, title, byHand, withLru]) => {
  const row = tables.find((table) => table.id === id)?.rows.find((one) => one.title === title)
  const [ours, ...theirs] = ['sluice', byHand, withLru, 'DataLoader'].map((column) => row?.figures[column] ?? Number.NaN)
  const least = Math.min(ours as number, ...theirs)
  const show = (figure: number) =>
    `${figure === least ? '**' : ''}${Math.round(figure).toLocaleString('en')}${figure === least ? '**' : ''}`
  const note = (figure: string, by: string) =>
    `${figure} (${by
      .replace(/ (?:over|\+) lru-cache$/, '')
      .replace('Map', '`Map`')
      .replace('Promise.all', '`Promise.all`')})`
  const [hand = Number.NaN, lru = Number.NaN, loader = Number.NaN] = theirs
  return `| ${what} | ${show(ours as number)} | ${note(show(hand), byHand)} | ${note(show(lru), withLru)} | ${show(loader)} |`
})
const root = readFileSync(ROOT, 'utf8')
const PLACE =
  /(<!-- measured: npm run bench; the table is written by npm --prefix bench run report -->\n[\s\S]*?\| --: \|\n)(?:\|.*\n)*/
if (!PLACE.test(root)) throw new Error('../README.md has no place for the measurements')
writeFileSync(
  ROOT,
  root.replace(PLACE, (_, head: string) => `${head}${lines.join('\n')}\n`),
)

/** By the name of a package or of a column, which are not always the same. */
function mentions({ rows }: Table, name: string): boolean {
  const plain = name.replace(/^@.*\//, '')
  return rows.some(({ figures }) => Object.keys(figures).some((column) => column.toLowerCase().includes(plain.toLowerCase())))
}

/** All figures but hit ratios are better when they are less; to have nothing of a kind is no merit. */
function lost({ id, title, digits, rows }: Table): string[] {
  return rows.flatMap(({ title: row, figures }) => {
    const [[ours, mine], ...theirs] = Object.entries(figures) as [[string, number], ...[string, number][]]
    const isBetter = (figure: number) => (id === 'hits' ? figure > mine : figure < mine && figure > 0)
    const better = theirs.filter(([name, figure]) => !OURS.test(name) && isBetter(figure))
    const show = ([name, figure]: readonly [string, number]) =>
      `${name} ${figure.toLocaleString('en', { maximumFractionDigits: digits })}`
    return better.length === 0 ? [] : [`- ${title}: ${row}: ${show([ours, mine])}; ${better.map(show).join(', ')}.`]
  })
}
