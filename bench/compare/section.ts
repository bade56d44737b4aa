/** What a section of the suite measures, says and must clear; and how that is printed. */

import { LOW_QUANTILE, type Timing } from '../harness.ts'
import { table as markdown } from '../table.ts'

/** How much of it: `isQuick` is for trying the suite, not for figures. */
export interface Extent {
  readonly isQuick: boolean
  /** A folder of recorded traces, for the hit ratios. */
  readonly traces: string | undefined
}

/** What a row must clear: our figure against another column's. */
export interface Bar {
  readonly against: string
  /** Ours ÷ theirs, at most. */
  readonly atMost?: number
  /** Theirs ÷ ours, at least. */
  readonly timesAsFast?: number
  /** Aimed at, and no failure where it is missed. */
  readonly isGoal?: boolean
  /** The column that is ours, where it is not the first. */
  readonly ours?: string
}

export interface Row {
  readonly title: string
  /** By column. Where a column is missing, it takes no part in this row. */
  readonly figures: Readonly<Record<string, number>>
  readonly medians?: Readonly<Record<string, number>>
  /** What plots go by. */
  readonly at?: Readonly<Record<string, number>>
  readonly bars?: readonly Bar[]
}

export interface Table {
  readonly id: string
  readonly title: string
  readonly unit: string
  readonly digits: number
  /** Printed with a row per column: for many contenders and few rows. */
  readonly isTurned?: boolean
  readonly rows: readonly Row[]
  readonly notes?: readonly string[]
}

/** A bar, and how it was met. */
export interface Verdict {
  readonly work: string
  readonly measured: number
  readonly bar: number
  readonly isAtMost: boolean
  readonly unit: string
  readonly holds: boolean
  readonly isGoal: boolean
}

export interface Report {
  readonly tables: readonly Table[]
  /** Of bars that are not between two columns of a row. */
  readonly verdicts?: readonly Verdict[]
}

/** Rounds of a race: a tenth of them, and no fewer than twenty, where it is quick. */
export function rounds({ isQuick }: Extent, count: number): number {
  return isQuick ? Math.max(20, Math.round(count / 10)) : count
}

/** The row of a race whose samples are `per` units each. */
export function rowOf(title: string, timings: readonly Timing[], per: number, more: Omit<Row, 'title' | 'figures'> = {}): Row {
  const by = (figure: (timing: Timing) => number) =>
    Object.fromEntries(timings.map((timing) => [timing.name, round(figure(timing) / per)]))
  return { title, figures: by(({ lowNs }) => lowNs), medians: by(({ medianNs }) => medianNs), ...more }
}

/** Four digits are more than any of it is good for. */
export function round(figure: number): number {
  return Number(figure.toPrecision(4))
}

export function atMost(work: string, measured: number, bar: number, unit: string): Verdict {
  return { work, measured: round(measured), bar, isAtMost: true, unit, holds: measured <= bar, isGoal: false }
}

export function atLeast(work: string, measured: number, bar: number, unit: string): Verdict {
  return { work, measured: round(measured), bar, isAtMost: false, unit, holds: measured >= bar, isGoal: false }
}

/** All bars of a report: those of rows, then those of their own. */
export function verdictsOf({ tables, verdicts = [] }: Report): readonly Verdict[] {
  const ofRows = tables.flatMap((table) => table.rows.flatMap((row) => (row.bars ?? []).map((bar) => judge(table, row, bar))))
  return [...ofRows, ...verdicts]
}

function judge(table: Table, row: Row, bar: Bar): Verdict {
  const ours = bar.ours ?? oursOf(row)
  const mine = row.figures[ours] ?? Number.NaN
  const theirs = row.figures[bar.against] ?? Number.NaN
  const work = `${table.title}: ${row.title}: ${ours} ${bar.timesAsFast === undefined ? '÷' : 'as fast as'} ${bar.against}`
  const verdict =
    bar.timesAsFast === undefined
      ? atMost(work, mine / theirs, bar.atMost ?? Number.NaN, '')
      : atLeast(work, theirs / mine, bar.timesAsFast, '×')
  return { ...verdict, isGoal: bar.isGoal ?? false }
}

/** Ours is the first column of each row. */
function oursOf({ figures }: Row): string {
  return Object.keys(figures)[0] ?? ''
}

/** As Markdown. Beside a figure, how many times as much as ours it is. */
export function print(table: Table): string {
  const columns = [...new Set(table.rows.flatMap(({ figures }) => Object.keys(figures)))]
  const rows = table.rows.map((row) => ({ title: row.title, cells: columns.map((column) => cell(table, row, column)) }))
  const head = `${table.title}, ${table.unit}`
  const lines = table.isTurned
    ? markdown(
        [head, ...rows.map(({ title }) => title)],
        columns.map((column, index) => [column, ...rows.map(({ cells }) => cells[index] ?? '')]),
      )
    : markdown(
        [head, ...columns],
        rows.map(({ title, cells }) => [title, ...cells]),
      )
  return [lines, ...(table.notes ?? [])].join('\n\n')
}

function cell({ digits }: Table, row: Row, column: string): string {
  const figure = row.figures[column]
  if (figure === undefined) return '—'
  const shown = figure.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  const ours = oursOf(row)
  const ratio = figure / (row.figures[ours] ?? Number.NaN)
  if (column === ours || !Number.isFinite(ratio)) return shown
  return `${shown} (${ratio.toFixed(ratio < 10 ? 2 : 0)} ×)`
}

export function printVerdicts(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map(({ work, measured, bar, isAtMost, unit, holds, isGoal }) => [
    work,
    figure(measured, unit),
    `${isAtMost ? '≤' : '≥'} ${figure(bar, unit)}`,
    holds ? 'holds' : isGoal ? 'goal missed' : '**does not hold**',
  ])
  return markdown(['bar', 'measured', 'asked', ''], lines)
}

function figure(value: number, unit: string): string {
  return `${value.toFixed(Math.abs(value) < 10 ? 2 : 1)}${unit === '' ? '' : ` ${unit}`}`
}

export const HOW = `The ${LOW_QUANTILE * 100} % quantile of interleaved rounds; in brackets, how many times ours.`
