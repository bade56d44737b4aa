/** Many schedules, one after another, and what was met in them; the first that goes wrong ends it, made as small as it gets. */

import { generate } from './generate.js'
import type { Violation } from './history.js'
import type { Program } from './program.js'
import { run } from './run.js'
import { show, shrink } from './shrink.js'

export interface Soak {
  schedules: number
  /** Calls of the processor, calls of callbacks, and things that happened in virtual time. */
  asked: number
  calls: number
  events: number
  /** How often what was met. */
  readonly met: Map<string, number>
}

/** The schedules of `count` seeds from `first` on. Rejects with the first one that has a violation. */
export async function soak(first: number, count: number): Promise<Soak> {
  const sum: Soak = { schedules: 0, asked: 0, calls: 0, events: 0, met: new Map() }
  for (let seed = first; seed < first + count; seed++) {
    const program = generate(seed)
    const { violations, asked, calls, events, met } = await run(program)
    if (violations.length > 0) throw new Error(await describe(seed, program, violations))
    sum.schedules++
    sum.asked += asked
    sum.calls += calls
    sum.events += events
    for (const [what, times] of met) sum.met.set(what, (sum.met.get(what) ?? 0) + times)
  }
  return sum
}

async function describe(seed: number, program: Program, violations: readonly Violation[]): Promise<string> {
  const [{ rule } = { rule: '' }] = violations
  const small = await shrink(program, async (smaller) => (await run(smaller)).violations.some((other) => other.rule === rule))
  const after = await run(small)
  return [
    `SLUICE_SEED=${seed} SLUICE_SCHEDULES=1 violates:`,
    ...violations.map(textOf),
    'The smallest program found that does so too (a case for tests/schedules/regressions.test.ts):',
    show(small),
    ...after.violations.map(textOf),
  ].join('\n')
}

function textOf({ rule, text }: Violation): string {
  return `  ${rule}: ${text}`
}
