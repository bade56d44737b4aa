/** What a `groupFetch` may answer, read in one way: whole, or pair by pair as they come. */

import { GroupContractError, MissingResultError } from './errors.js'
import { isObject, show } from './options/checks.js'
import type { ResolvedBatchOptions } from './options/resolve.js'

/** What hears of the answers. */
export interface GroupAnswers {
  readonly keys: readonly string[]
  /** The answer for the key at `position`. */
  answerAt(position: number, value: unknown): void
  /** An answer by its key, which perhaps nobody asked for. */
  answer(key: unknown, value: unknown): void
  /** All so far may be handed on. Answers whether there is any use in going on. */
  flush(): boolean
}

/** Reads `result` into `answers`. Answers what is wrong with its shape, if anything is; throws what reading it throws. */
export function readGroupResult(result: unknown, answers: GroupAnswers): string | undefined | Promise<string | undefined> {
  const { keys } = answers
  if (Array.isArray(result)) {
    if (result.length !== keys.length) {
      return `expected an array of ${keys.length} values, one for each key, received one of ${result.length}`
    }
    for (let position = 0; position < keys.length; position++) {
      const value: unknown = result[position]
      // A hole is a key left out; an `undefined` that is there is a value.
      if (value !== undefined || position in result) answers.answerAt(position, value)
    }
    return undefined
  }
  if (result instanceof Map) {
    let found = 0
    for (let position = 0; position < keys.length; position++) {
      const key = keys[position]
      const value: unknown = result.get(key)
      if (value === undefined && !result.has(key)) continue
      answers.answerAt(position, value)
      found++
    }
    // There are others than those that were asked for.
    if (found < result.size) for (const [key, value] of result) answers.answer(key, value)
    return undefined
  }
  if (!isObject(result) || typeof result === 'function') {
    return `expected a Map, an object, an array, or an iterable of [key, value], received ${show(result)}`
  }
  if (Symbol.asyncIterator in result || Symbol.iterator in result) {
    return readPairs(result as unknown as AsyncIterable<unknown>, answers)
  }
  for (const key of Object.keys(result)) answers.answer(key, result[key])
  return undefined
}

async function readPairs(pairs: AsyncIterable<unknown>, answers: GroupAnswers): Promise<string | undefined> {
  for await (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') {
      return `expected its iterable to yield [key, value], received ${show(pair)}`
    }
    answers.answer(pair[0], pair[1])
    if (!answers.flush()) return undefined
  }
  return undefined
}

/** What stands for a key that a group left out, if it does not fall back: of an answer that is none, or a group that may not leave any out, an error. */
export function missingAnswer(
  onMissing: ResolvedBatchOptions<never>['onMissing'],
  key: string,
  groupKey: string,
  complaint: string | undefined,
): unknown {
  if (complaint !== undefined) return new GroupContractError(key, groupKey, complaint)
  if (onMissing === 'error') return new MissingResultError(key, groupKey)
  return onMissing === 'null' ? null : undefined
}
