/** What `@keyv/test-suite` takes from vitest, over node:test. */

import assert from 'node:assert/strict'
import { afterEach, beforeEach, it } from 'node:test'

function expect(actual) {
  return {
    toBe: (expected) => assert.equal(actual, expected),
    toEqual: (expected) => assert.deepEqual(actual, expected),
    toBeTruthy: () => assert.ok(actual),
    toBeFalsy: () => assert.ok(!actual),
    toBeNull: () => assert.equal(actual, null),
    toBeUndefined: () => assert.equal(actual, undefined),
    toBeDefined: () => assert.notEqual(actual, undefined),
  }
}

/** For as long as one test runs: how many of its expectations are to be met. */
function counting() {
  let met = 0
  let wanted
  const counted = (actual) => {
    met++
    return expect(actual)
  }
  counted.assertions = (count) => {
    wanted = count
  }
  return { counted, check: () => wanted !== undefined && assert.equal(met, wanted) }
}

/** `except`: by the name of a test of the suite, our own in its place. */
export const vitest = (except = {}) => ({
  beforeEach,
  afterEach,
  it: (name, run) =>
    it(name, async () => {
      const { counted, check } = counting()
      await (except[name] ?? run)({ expect: counted })
      check()
    }),
})
