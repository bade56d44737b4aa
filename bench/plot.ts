/**
 * Renders what a run left in results/ to SVG, for the README: what a key costs by the size of the batch and by the entries, and what is hit
 * by capacity.
 *
 *     node --import tsx plot.ts [results.json]
 *
 * Without a file, the latest of results/. Each plot has its own background and both themes within, by the reader's `prefers-color-scheme`.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import type { Table } from './compare/section.ts'
import { LOW_QUANTILE } from './harness.ts'
import { latest, read } from './results.ts'

const PLOTS = new URL('../docs/plots/', import.meta.url)

/** Light, and what it becomes in the dark. */
const INK = ['#1f2328', '#e6edf3'] as const
const FAINT = ['#d0d7de', '#373e47'] as const
const PAPER = ['#ffffff', '#0d1117'] as const
/** Told apart by those who see few colours as well (after Okabe and Ito), and light enough for dark paper. */
const COLOURS = {
  blue: ['#0060b0', '#58a6ff'],
  orange: ['#bc4c00', '#f0883e'],
  green: ['#00795a', '#3fb950'],
  pink: ['#b0407f', '#db61a2'],
  grey: ['#6e7781', '#8b949e'],
} as const
type Colour = keyof typeof COLOURS

const HEIGHT = 300
const PANEL = 185
const LABEL = 12
const LOG = { type: 'log', nice: false, padding: 6 } as const
/** What the axes say: a grid of all nine parts of each decade would hide the lines. */
const NS = [1, 10, 100, 1_000].flatMap((decade) => [50 * decade, 100 * decade, 200 * decade])
const TRACES = ['zipf', 'shift', 'scan', 'loop']
const SHARES = [1, 5, 10, 20, 40]

interface Line {
  readonly column: string
  readonly label: string
  readonly colour: Colour
}

const COSTS: readonly Line[] = [
  { column: 'DataLoader', label: 'DataLoader', colour: 'pink' },
  { column: 'Promise.all over lru-cache', label: 'Promise.all over lru-cache', colour: 'green' },
  { column: 'Map loop', label: 'loop over a Map', colour: 'orange' },
  { column: 'sluice', label: 'sluice', colour: 'blue' },
]

const HITS: readonly Line[] = [
  { column: 'optimal', label: 'optimum (Belady)', colour: 'grey' },
  { column: 'adaptive', label: 'sluice', colour: 'blue' },
  { column: 'lru', label: 'LRU', colour: 'orange' },
]

const results = read(process.argv[2] ?? latest())
const taken = `${results.runtime}, ${results.platform}, ${results.cores} shared cores, ${results.date.slice(0, 10)}`
mkdirSync(PLOTS, { recursive: true })
for (const [name, id, draw] of [
  ['ns-by-batch-size', 'by-size', (table: Table) => cost(table, 'size', 'keys of a batch')],
  ['ns-by-entries', 'by-population', (table: Table) => cost(table, 'entries', 'entries in memory')],
  ['hit-ratio', 'hits', hits],
] as const) {
  const table = tables().find((one) => one.id === id)
  if (table === undefined) console.log(`${name}: not in this run`)
  else await render(name, draw(table))
}

function tables(): readonly Table[] {
  return Object.values(results.sections).flatMap((section) => section.tables)
}

/** Both axes logarithmic: ratios are what is compared. */
function cost({ title: heading, rows }: Table, x: string, title: string): TopLevelSpec {
  const values = rows.flatMap(({ at, figures }) =>
    COSTS.map(({ column, label }) => ({ x: at?.[x] as number, y: figures[column], label })),
  )
  const xs = rows.map(({ at }) => at?.[x] as number)
  const ys = values.map(({ y }) => y as number)
  const atEnd = values.filter((value) => value.x === Math.max(...xs)) as readonly Label[]
  const labels = apart(atEnd, (Math.max(...ys) / Math.min(...ys)) ** ((LABEL + 2) / HEIGHT))
  const encoding = {
    x: { field: 'x', type: 'quantitative', title, scale: LOG, axis: { values: xs, format: '~s' } },
    y: { field: 'y', type: 'quantitative', title: null, scale: LOG, axis: { values: NS, format: ',d' } },
    color: colour(COSTS),
  }
  return {
    ...frame(
      `${heading}: ns per key`,
      `Keys built for the call, ${LOW_QUANTILE * 100} % quantile of interleaved rounds. ${taken}`,
    ),
    // Widths of texts are guesses where there is no canvas: room for labels is said, and not measured.
    autosize: { type: 'none' },
    padding: { left: 58, top: 64, right: 180, bottom: 46 },
    width: 420,
    height: HEIGHT,
    data: { values },
    layer: [
      { mark: { type: 'line', point: { size: 35 }, clip: false }, encoding },
      {
        data: { values: labels },
        mark: { type: 'text', align: 'left', dx: 9, fontSize: LABEL },
        encoding: { ...encoding, text: { field: 'label' } },
      },
    ],
  } as TopLevelSpec
}

/** A panel per trace: who is hit how often, by capacity. */
function hits({ rows }: Table): TopLevelSpec {
  const values = rows.flatMap(({ title, at, figures }) =>
    // Its title is the trace's name and the capacity.
    HITS.map(({ column, label }) => ({ trace: title.split(',')[0], x: at?.share, y: figures[column], label })),
  )
  return {
    ...frame('Hit ratio by capacity', `Generated traces; capacity in percent of their keys. ${taken}`),
    data: { values },
    facet: { field: 'trace', type: 'nominal', title: null, sort: TRACES },
    columns: 4,
    spec: {
      width: PANEL,
      height: HEIGHT / 2,
      mark: { type: 'line', point: { size: 25 } },
      encoding: {
        x: { field: 'x', type: 'quantitative', title: '% of keys', scale: LOG, axis: { values: SHARES } },
        y: { field: 'y', type: 'quantitative', title: '% hit', axis: { tickCount: 5 } },
        color: { ...colour(HITS), legend: { title: null, orient: 'bottom', labelFontSize: 12 } },
      },
    },
  } as TopLevelSpec
}

interface Label {
  readonly x: number
  readonly y: number
  readonly label: string
}

/** Moved up where the one below is nearer than by `factor`. */
function apart(labels: readonly Label[], factor: number): Label[] {
  let least = 0
  return labels
    .toSorted((a, b) => a.y - b.y)
    .map((label) => {
      const y = Math.max(label.y, least)
      least = y * factor
      return { ...label, y }
    })
}

function colour(lines: readonly Line[]) {
  return {
    field: 'label',
    type: 'nominal',
    legend: null,
    scale: { domain: lines.map(({ label }) => label), range: lines.map(({ colour }) => COLOURS[colour][0]) },
  }
}

function frame(title: string, subtitle: string) {
  return {
    background: PAPER[0],
    padding: 14,
    title: { text: title, subtitle, anchor: 'start', offset: 16 },
    config: {
      font: 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif',
      title: { color: INK[0], subtitleColor: INK[0], fontSize: 15, subtitleFontSize: 11, subtitlePadding: 6 },
      axis: {
        labelColor: INK[0],
        titleColor: INK[0],
        gridColor: FAINT[0],
        domainColor: FAINT[0],
        tickColor: FAINT[0],
        titleFontWeight: 'normal',
        labelFontSize: 11,
        titleFontSize: 12,
      },
      header: { labelColor: INK[0], labelFontSize: 12 },
      legend: { labelColor: INK[0] },
      view: { stroke: null },
    },
  }
}

async function render(name: string, spec: TopLevelSpec): Promise<void> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  const svg = await view.toSVG()
  view.finalize()
  const to = new URL(`${name}.svg`, PLOTS)
  writeFileSync(to, `${themed(svg)}\n`)
  console.log(path.relative(process.cwd(), fileURLToPath(to)))
}

/** Colours are attributes, which any rule of a style sheet goes before. */
function themed(svg: string): string {
  const pairs = [INK, FAINT, PAPER, ...Object.values(COLOURS)]
  const rules = pairs.flatMap(([light, dark]) =>
    ['fill', 'stroke'].filter((of) => svg.includes(`${of}="${light}"`)).map((of) => `[${of}="${light}"]{${of}:${dark}}`),
  )
  return svg.replace(/(<svg[^>]*>)/, `$1<style>@media (prefers-color-scheme:dark){${rules.join('')}}</style>`)
}
