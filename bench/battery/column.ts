/**
 * One library put to every behaviour, in a process of its own: what it breaks, it breaks for itself.
 *
 * Arguments: the library's name and the number of the behaviour to begin with. Tells its parent before and after each.
 */

import { loadPeer } from '../peers/index.ts'
import { BEHAVIOURS } from './behaviours.ts'
import { show, sleep, type Verdict } from './verdict.ts'

export type Message =
  | { readonly type: 'begin'; readonly row: number }
  | { readonly type: 'end'; readonly row: number; readonly verdict: Verdict }

/** Rejections that nobody handles are reported a turn later. */
const AFTERMATH_MS = 10

const [name = '', from = '0'] = process.argv.slice(2)
const peer = await loadPeer(name)

let escaped: string[] = []
process.on('unhandledRejection', (reason) => escaped.push(`unhandled rejection of ${show(reason)}`))
process.on('uncaughtException', (error) => escaped.push(`uncaught ${show(error)}`))

for (const [row, behaviour] of BEHAVIOURS.entries()) {
  if (row < Number(from)) continue
  escaped = []
  await tell({ type: 'begin', row })
  const verdict = await behaviour.run(peer).catch((error: unknown): Verdict => ({ kind: 'wrong', saw: `threw ${show(error)}` }))
  await sleep(AFTERMATH_MS)
  await tell({ type: 'end', row, verdict: withEscaped(verdict) })
}
process.exit(0)

function withEscaped(verdict: Verdict): Verdict {
  if (escaped.length === 0 || verdict.kind === 'not applicable') return verdict
  const saw = [verdict.kind === 'right' ? '' : verdict.saw, ...new Set(escaped)].filter((part) => part !== '').join('; ')
  return { kind: verdict.kind === 'hangs' ? 'hangs' : 'wrong', saw }
}

function tell(message: Message): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error === null ? resolve() : reject(error)))
  })
}
