/** What a processor's callbacks answer, and what comes of it, in the model's words. */

import { type BatchOutcome, SluiceError, type SluiceErrorFields } from '../../js/index.js'
import { show } from './loads.js'
import { type Answer, RETRY_AFTER_MS } from './operations.js'
import { membersOf, outcomeLine, reasonOf, valueFor } from './rules.js'

/** What a callback answers that does so at once. */
export function answered(
  { fails, value, error }: Pick<Answer, 'fails' | 'value' | 'error'>,
  key: string,
  number: number,
): unknown {
  if (fails) throw errorOf(reasonOf(error, key, number))
  return valueFor(value, key, number)
}

/** The error that is described as `reason`. */
export function errorOf(reason: string): unknown {
  if (reason === 'undefined') return undefined
  const [name, message] = reason.split(/: (.*)/s) as [string, string]
  return Object.assign(new Error(message), { name }, name === 'Hinted' && { retryAfterMs: RETRY_AFTER_MS })
}

/** What a group's callback answers, in the shape it is to have. */
export function groupResultOf(keys: readonly string[], answer: Answer, number: number): unknown {
  const { shape } = answer
  if (shape === 'number') return 42
  if (shape === 'short array') return keys.slice(1)
  const answers = membersOf(keys, answer).map(({ key, place, kind }) => ({
    key,
    place,
    value: kind === 'plain' || kind === 'final' ? errorOf(reasonOf(kind, key, number)) : valueFor(kind, key, number),
  }))
  if (shape === 'array') {
    const array = new Array<unknown>(keys.length)
    for (const { place = 0, value } of answers) array[place] = value
    return array
  }
  const pairs = answers.map(({ key, value }) => [key, value] as const)
  if (shape === 'map') return new Map(pairs)
  if (shape === 'object') return Object.fromEntries(pairs)
  if (shape === 'iterable') return pairs.values()
  return (async function* () {
    yield* pairs
  })()
}

export function describeOutcomes(outcomes: readonly BatchOutcome<unknown>[]): string {
  const lines = outcomes.map((outcome) => {
    const answer = outcome.status === 'fulfilled' ? show(outcome.value) : describe(outcome.reason)
    return outcomeLine(outcome.index, outcome.key, outcome.source, outcome.ms, outcome.attempts, answer)
  })
  return lines.join('; ')
}

/** A reason as the model has it. */
export function describe(reason: unknown): string {
  if (!(reason instanceof SluiceError)) return reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason)
  const { code, key, cause, groupKey, results, timeoutMs } = reason as unknown as SluiceErrorFields & Record<string, never>
  if (results !== undefined) return `${code} ${describeOutcomes(results)}`
  if (code === 'ERR_BATCH_TIMEOUT') return `${code} ${timeoutMs}`
  const parts = [code, show(key), ...(groupKey === undefined ? [] : [show(groupKey)])]
  return [...parts, ...(code === 'ERR_GROUP_FETCH' || code === 'ERR_GROUP_BREAKER_OPEN' ? [describe(cause)] : [])].join(' ')
}

/** What a signal was aborted for. */
export function nameOf(reason: unknown): string {
  return reason instanceof SluiceError ? reason.code : (reason as Error).name
}
