/** What a `groupFetch` may answer, read in one way: key by key. */

import { isObject, show } from './options/checks.js'

/**
 * Reads `result`, telling `answer` of each key and value (keys that nobody asked for included), and of its place if it is one in an array, until it
 * says no. Answers what is wrong with the shape, if anything is; throws what an iterator throws.
 */
export async function readGroupResult(
  result: unknown,
  keys: readonly string[],
  answer: (key: string, value: unknown, place?: number) => boolean,
): Promise<string | undefined> {
  if (Array.isArray(result)) {
    if (result.length !== keys.length) {
      return `expected an array of ${keys.length} values, one for each key, received one of ${result.length}`
    }
    // A hole is a key left out; an `undefined` that is there is a value.
    for (const [position, key] of keys.entries()) {
      if (position in result && !answer(key, result[position], position)) return undefined
    }
    return undefined
  }
  if (result instanceof Map) {
    for (const [key, value] of result) if (!answer(key, value)) return undefined
    return undefined
  }
  if (!isObject(result) || typeof result === 'function') {
    return `expected a Map, an object, an array, or an iterable of [key, value], received ${show(result)}`
  }
  if (Symbol.asyncIterator in result || Symbol.iterator in result) {
    for await (const pair of result as unknown as AsyncIterable<unknown>) {
      if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') {
        return `expected its iterable to yield [key, value], received ${show(pair)}`
      }
      if (!answer(pair[0], pair[1])) return undefined
    }
    return undefined
  }
  for (const key of Object.keys(result)) if (!answer(key, result[key])) return undefined
  return undefined
}
