/**
 * What sluice promises and its peers get wrong, tried on each of them: behaviour × library → what this run saw.
 *
 *     node --import tsx battery.ts [library …]      all of them by default
 *
 * Exits with 1 where sluice is not right. Nothing said about a peer is written down anywhere: it is what the peer just did, in its
 * own defaults. Each library runs in its own process, one after the other, so that none slows another past a deadline.
 */

import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { BEHAVIOURS } from './battery/behaviours.ts'
import type { Message } from './battery/column.ts'
import type { Verdict } from './battery/verdict.ts'
import { machine } from './harness.ts'
import { PEER_NAMES, packageOf } from './peers/index.ts'
import { table } from './table.ts'

const OURS = 'sluice'
/** A process that says nothing for so long has its event loop blocked: every wait in it is shorter. */
const SILENCE_MS = 10_000

const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !PEER_NAMES.includes(name))
if (unknown.length > 0) {
  console.error(`Expected libraries of ${PEER_NAMES.join(', ')}; got ${unknown.join(', ')}`)
  process.exit(2)
}
const names = asked.length > 0 ? PEER_NAMES.filter((name) => asked.includes(name)) : PEER_NAMES

const columns = new Map<string, readonly Verdict[]>()
for (const name of names) columns.set(name, await runColumn(name))

console.log(matrix(columns))
console.log(`\nWhat was seen\n\n${details(columns)}`)
console.log(`\n${[...versions(names), machine()].join(', ')}`)

// A behaviour of which nothing was seen counts as wrong: ours has them all.
const faults = names.includes(OURS) ? BEHAVIOURS.filter((_, row) => columns.get(OURS)?.[row]?.kind !== 'right').length : 0
if (faults > 0) console.error(`\n${OURS} is not right in ${faults} of ${BEHAVIOURS.length} behaviours`)
process.exitCode = faults > 0 ? 1 : 0

/** All verdicts on one library. A process that dies or falls silent is replaced by one that begins with the next behaviour. */
async function runColumn(name: string): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = []
  while (verdicts.length < BEHAVIOURS.length) {
    const { loaded, verdict } = await runProcess(name, verdicts)
    if (!loaded) return BEHAVIOURS.map(() => verdict)
    if (verdicts.length < BEHAVIOURS.length) verdicts.push(verdict)
  }
  return verdicts
}

/** How a process ended; `verdict` is on the behaviour it ended in, if it did not get through. */
interface End {
  readonly loaded: boolean
  readonly verdict: Verdict
}

/** Puts the library to what `verdicts` lacks, and adds to them. */
function runProcess(name: string, verdicts: Verdict[]): Promise<End> {
  // What a library prints while it breaks is not part of the table; its first error is, where nothing else is known.
  const child = fork(new URL('./battery/column.ts', import.meta.url), [name, String(verdicts.length)], { silent: true })
  let loaded = false
  let printed = ''
  child.stderr?.on('data', (chunk) => {
    printed = (printed + chunk).slice(0, 10_000)
  })
  return new Promise((resolve) => {
    const silence = setTimeout(() => {
      resolve({ loaded, verdict: { kind: 'hangs', saw: 'blocks the event loop' } })
      child.kill('SIGKILL')
    }, SILENCE_MS)
    child.on('message', (message: Message) => {
      silence.refresh()
      loaded = true
      if (message.type === 'end') verdicts.push(message.verdict)
    })
    child.on('close', (code, signal) => {
      clearTimeout(silence)
      const error = /^\S*Error.*$/m.exec(printed)?.[0] ?? signal ?? `exit code ${code}`
      const saw = loaded ? `ends the process: ${error}` : `does not load: ${error}`
      resolve({ loaded, verdict: { kind: 'wrong', saw } })
    })
  })
}

function matrix(verdicts: ReadonlyMap<string, readonly Verdict[]>): string {
  const rows = BEHAVIOURS.map(({ name }, row) => [name, ...[...verdicts.values()].map((column) => word(column[row]))])
  return table(['', ...verdicts.keys()], rows)
}

function word(verdict: Verdict | undefined): string {
  return verdict === undefined || verdict.kind === 'not applicable' ? '—' : verdict.kind
}

/** Everything that was not simply right, row by row. */
function details(verdicts: ReadonlyMap<string, readonly Verdict[]>): string {
  return BEHAVIOURS.flatMap(({ name }, row) => {
    const lines = [...verdicts].flatMap(([library, column]) => {
      const verdict = column[row]
      if (verdict === undefined || verdict.kind === 'not applicable') return []
      if (verdict.kind === 'right' && verdict.saw === '') return []
      return [`  - ${library}: ${verdict.kind}${verdict.saw === '' ? '' : `: ${verdict.saw}`}`]
    })
    return lines.length === 0 ? [] : [`- ${name}`, ...lines]
  }).join('\n')
}

function versions(libraries: readonly string[]): readonly string[] {
  return libraries.filter((name) => name !== OURS).map((name) => `${name} ${versionOf(name)}`)
}

/** Read as a file: not every package exports its package.json. */
function versionOf(name: string): string {
  const file = new URL(`./node_modules/${packageOf(name)}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
