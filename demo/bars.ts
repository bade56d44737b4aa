/** What the demo promises to show. A demo that merely prints figures would go on printing them when they are bad. */

import { decoded, digestOf, type Run } from './measure.js'
import type { ProjectFile } from './project-files.js'
import { milliseconds } from './report.js'

const TIMES_FASTER_MIN = 5
const TIMES_FEWER_CALLS_MIN = 5
const WARM_MS_MAX = 5

export interface Runs {
  readonly single: Run
  readonly all: Run
  readonly grouped: Run
  readonly warm: Run
  readonly thrice: Run
}

/** The bars that were missed, each in a sentence; none when all hold. */
export function missedBars({ single, grouped, warm, thrice }: Runs, maxConcurrency: number): string[] {
  const bars: [holds: boolean, missed: string][] = [
    [
      single.ms >= TIMES_FASTER_MIN * grouped.ms,
      `grouped is not ${TIMES_FASTER_MIN} times as fast: ${milliseconds(grouped.ms)} against ${milliseconds(single.ms)}`,
    ],
    [
      single.calls >= TIMES_FEWER_CALLS_MIN * grouped.calls,
      `grouped does not make ${TIMES_FEWER_CALLS_MIN} times fewer calls: ${grouped.calls} against ${single.calls}`,
    ],
    [
      grouped.mostInFlight <= maxConcurrency,
      `grouped had ${grouped.mostInFlight} calls in flight, its limit is ${maxConcurrency}`,
    ],
    [warm.calls === 0, `the warm run made ${warm.calls} calls, not 0`],
    [warm.ms <= WARM_MS_MAX, `the warm run took ${milliseconds(warm.ms)}, more than ${WARM_MS_MAX} ms`],
    [thrice.calls === grouped.calls, `naming every file three times made ${thrice.calls} calls, naming it once ${grouped.calls}`],
  ]
  return bars.filter(([holds]) => !holds).map(([, missed]) => missed)
}

/** The ways that did not give the bytes on disk, in order, as many times over as the list named them. */
export function differingWays(runs: readonly Run[], files: readonly ProjectFile[]): string[] {
  return runs
    .filter((run) => {
      const times = run.asked / files.length
      const expected = Array.from({ length: times }, () => files).flat()
      return digestOf(run.files.map(decoded)) !== digestOf(expected)
    })
    .map((run) => run.way)
}
