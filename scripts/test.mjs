/**
 * `npm test`: all that can be tested on this machine; a fresh clone is set up first.
 *
 * `npm test -- name …` runs the test files whose path holds one of the names, and nothing else.
 */

import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { ensureExamples, ensureSqlite, setUp } from './setup.mjs'
import { hasCargo, root, run, runNode, Skipped, steps } from './steps.mjs'

const names = process.argv.slice(2)
const counts = { passed: 0, failed: 0, skipped: 0 }

const all = [
  ['set-up', setUpForTests],
  ['types', checkTypes],
  ['tests', testNode],
  ['engine tests', testEngine],
]
await steps(names.length === 0 ? all : all.filter(([, work]) => work === setUpForTests || work === testNode))
console.log(`\ntests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)

async function setUpForTests() {
  await setUp()
  await ensureSqlite()
  await ensureExamples()
}

/** Those of everything as it runs from sources, then those of dist/, as a strict user has them. */
async function checkTypes() {
  await runNode('node_modules/typescript/bin/tsc')
  await runNode('node_modules/typescript/bin/tsc', '--project', 'tests/types')
}

async function testNode() {
  // One by one: Node 20 does not know patterns.
  const files = readdirSync(path.join(root, 'tests'), { recursive: true })
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
    .map((file) => path.join('tests', file))
    .sort()
  if (files.length === 0) throw new Error('there is no such test file')
  const strict = ['--import=tsx', '--unhandled-rejections=strict', '--trace-warnings']
  const runner = ['--test', '--test-reporter=spec', `--test-concurrency=${availableParallelism()}`]
  const closing = /^ℹ (?:pass (?<passed>\d+)|(?:fail|cancelled) (?<failed>\d+)|skipped (?<skipped>\d+))$/gm
  await run(process.execPath, [...strict, ...runner, ...files], { read: (output) => count(output, closing) })
}

async function testEngine() {
  if (!hasCargo()) return new Skipped('no cargo on the PATH')
  const closing = /^test result: .* (?<passed>\d+) passed; (?<failed>\d+) failed; (?<skipped>\d+) ignored/gm
  await run('cargo', ['test', '--locked', '--no-fail-fast'], { read: (output) => count(output, closing) })
}

/** Adds up the lines with which a runner closes. */
function count(output, closing) {
  for (const { groups } of output.matchAll(closing)) {
    for (const what of Object.keys(counts)) counts[what] += Number(groups[what] ?? 0)
  }
}
