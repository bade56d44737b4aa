/**
 * The runs side by side, as a table. Calls and calls in flight are what the server saw; hits (answered from memory) and shared
 * (answered by an earlier request of the same list) are what sluice recorded.
 */

import Table from 'cli-table3'
import type { Run } from './measure.js'

export function tableOf(runs: readonly Run[], baseline: Run): string {
  const table = new Table({
    head: ['way', 'files', 'calls', 'most in flight', 'hits', 'shared', 'time', 'speed-up'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const run of runs) {
    table.push([
      run.way,
      whole(run.asked),
      whole(run.calls),
      whole(run.mostInFlight),
      run.batch ? whole(run.batch.cachedRequests) : '-',
      run.batch ? whole(run.batch.deduplicatedRequests) : '-',
      milliseconds(run.ms),
      `${significant(baseline.ms / run.ms)} x`,
    ])
  }
  return table.toString()
}

/** Tenths below ten, where they are most of what there is to see. */
export function milliseconds(ms: number): string {
  return `${significant(ms)} ms`
}

function significant(value: number): string {
  const digits = value < 10 ? 1 : 0
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

function whole(value: number): string {
  return value.toLocaleString('en')
}
