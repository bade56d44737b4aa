/**
 * `npm run test:package`: the packed package, installed into an empty project, on every runtime, through every bundler, and in every test runner that
 * its users have. Prints what was run with which version; anything red is a failure.
 *
 *     node tests/platforms/main.mjs [words…]      only the rows that have one of the words in their names
 *
 * A row whose program is not on this machine (Chromium) is not run, and says so; with CI set, that is a failure, too.
 */

import { rmSync } from 'node:fs'
import Table from 'cli-table3'
import { makeConsumer } from './consumer.mjs'
import { rows as browsers } from './rows/browsers.mjs'
import { rows as bundlers } from './rows/bundlers.mjs'
import { rows as checks } from './rows/checks.mjs'
import { rows as runners } from './rows/runners.mjs'
import { rows as runtimes } from './rows/runtimes.mjs'
import { rows as startup } from './rows/startup.mjs'
import { NotHere } from './tools.mjs'

const words = process.argv.slice(2)
const rows = [...checks, ...runtimes, ...bundlers, ...browsers, ...runners, ...startup]
const wanted = rows.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
const consumer = await makeConsumer()
const table = new Table({
  head: ['', 'with', 'result', 's'],
  style: { head: [], border: [] },
  colAligns: ['left', 'left', 'left', 'right'],
})
let passed = 0
let failed = 0
let skipped = 0
try {
  for (const { name, version, run } of wanted) {
    const start = performance.now()
    const result = await attempt(() => run(consumer))
    table.push([name, await version().catch(() => '?'), result, ((performance.now() - start) / 1000).toFixed(1)])
    console.log(`${name}: ${result}`)
  }
} finally {
  rmSync(consumer.folder, { recursive: true, force: true })
}
console.log(`\n${table}\n\n${passed} passed, ${failed} failed, ${skipped} skipped`)
if (failed > 0 || (skipped > 0 && process.env.CI)) process.exitCode = 1

async function attempt(run) {
  try {
    const answer = await run()
    passed++
    return answer
  } catch (error) {
    if (error instanceof NotHere) {
      skipped++
      return `not run: ${error.message}`
    }
    failed++
    console.error(error)
    return 'FAILED'
  }
}
