/** What callbacks answer, the same for the model and for the processor, and how it is written down. */

import { type Load, type ModelBatch, type ModelCall, type Outcome, show } from './loads.js'
import type { Answer, Behaviour, ErrorKind, MemberAnswer, OptionsSpec } from './operations.js'

/** What a callback answers at its `attempt`-th try. */
export function answerAt({ failures, value, error }: Behaviour, attempt: number): Pick<Answer, 'fails' | 'value' | 'error'> {
  return { fails: attempt <= failures, value, error }
}

/** The value that the call of this number has for `key`. */
export function valueFor(kind: Behaviour['value'], key: string, number: number): unknown {
  if (kind === 'text') return `${key}#${number}`
  return kind === 'null' ? null : undefined
}

/** The same for what it fails with, in words. */
export function reasonOf(kind: ErrorKind, what: string, number: number): string {
  if (kind === 'falsy') return 'undefined'
  const name = { plain: 'Error', final: 'Final', hinted: 'Hinted' }[kind]
  return `${name}: ${what}!${number}`
}

/** What a group's callback answers for one key: of the load at `place`, or of all loads of the key. */
export interface Member {
  readonly key: string
  readonly place: number | undefined
  readonly kind: Exclude<MemberAnswer, 'missing'>
}

/** What a group's callback answers for each of its keys, in order. */
export function membersOf(keys: readonly string[], { members, shape }: Answer): Member[] {
  const all = keys.map((key, at) => ({ key, kind: members[at % members.length], place: shape === 'array' ? at : undefined }))
  const given = all.filter((member): member is Member => member.kind !== 'missing')
  // By key, the last one counts; in an order, all are said, and the first is heard.
  const byKey = new Map(given.map((member) => [member.key, member]))
  // A Map is asked key by key.
  if (shape === 'map') return keys.flatMap((key, place) => (byKey.has(key) ? [{ ...(byKey.get(key) as Member), place }] : []))
  return shape === 'object' ? [...byKey.values()] : given
}

/** The `customGrouper`: throws for one of the keys, leaves another alone. */
export function customGroup(key: string): string | undefined {
  if (!isGroupable(key)) throw new Error('no group')
  return key === '' ? undefined : key.length % 2 === 0 ? 'even' : 'odd'
}

export function isGroupable(key: string): boolean {
  return key !== '__proto__'
}

export function groupOf(key: string, strategy: OptionsSpec['groupingStrategy']): string | undefined {
  if (strategy === 'none') return undefined
  return strategy === 'custom' ? customGroup(key) : key.split(':').slice(0, 2).join(':')
}

/** What a value weighs whose request does not say: the estimate for texts and `null`. */
export function estimateOf(value: unknown): number {
  return typeof value === 'string' ? 16 + value.length * 2 : 8
}

/** How a batch that is complete settles, in words. */
export function verdictOf({ how, keys, options, outcomes, reasons, startedAt }: ModelBatch): string {
  if (reasons.length > 0 && (options.failFast || how === 'single')) return `rejected ${reasons[0]}`
  if (how === 'settled' || reasons.length > 0) {
    const lines = keys.map((key, index) => lineOf(index, key, outcomes[index] as Outcome, startedAt))
    return `${how === 'settled' ? 'fulfilled' : 'rejected ERR_BATCH_FAILED'} ${lines.join('; ')}`
  }
  const values = outcomes.map((outcome) => show((outcome as { answer: { value: unknown } }).answer.value))
  return `fulfilled ${how === 'single' ? values[0] : values.join('; ')}`
}

function lineOf(index: number, key: string, { source, load, answer }: Outcome, startedAt: number): string {
  const ms = load === undefined ? 0 : Math.max(0, load.settledAt - startedAt)
  return outcomeLine(
    index,
    key,
    source,
    ms,
    load === undefined ? 0 : load.attempts - load.refusals,
    'reason' in answer ? answer.reason : show(answer.value),
  )
}

export function outcomeLine(index: number, key: string, source: string, ms: number, attempts: number, answer: string): string {
  return `${index} ${show(key)} ${source} ${ms} ms ${attempts} attempts: ${answer}`
}

export function groupKeyOf(call: ModelCall): string | undefined {
  const [first] = call.loads
  return first === undefined ? undefined : (first.group ?? groupOf(first.key, 'prefix'))
}

/** Takes the loads that `member` answers, of those that still miss an answer of their group. */
export function take(call: ModelCall, { key, place }: Member): Load[] {
  const loads = call.missing.get(key) ?? []
  const meant = loads.filter((load) => place === undefined || load === call.loads[place])
  for (const load of meant) remove(loads, load)
  return meant
}

export function takeAll(call: ModelCall): Load[] {
  const left = new Set([...call.missing.values()].flat())
  const loads = call.loads.filter((load) => left.has(load))
  call.missing.clear()
  return loads
}

export function remove<T>(list: T[], item: T): void {
  const at = list.indexOf(item)
  if (at >= 0) list.splice(at, 1)
}
