/** docs/faults.md says which case is tested where: here, that it does so truly, and of all cases that tests name. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const HERE = new URL('.', import.meta.url)
const ROOT = new URL('../..', HERE)
const EACH_SECTION = { A: 26, B: 17, C: 16, D: 10, E: 12, F: 26 }

interface Row {
  readonly id: string
  readonly files: string[]
  readonly engineTests: string[]
}

const rows: Row[] = readFileSync(new URL('docs/faults.md', ROOT), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, id = '', where = ''] = /^\| ([A-Z]\d+) \|.*\| ([^|]*) \|$/.exec(line) ?? []
    const names = [...where.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string)
    const isFile = (name: string): boolean => name.endsWith('.ts')
    return id === '' ? [] : { id, files: names.filter(isFile), engineTests: names.filter((name) => !isFile(name)) }
  })

/** The cases that names of tests in `file` begin with, as `A9` or `B2 B3`. */
function casesIn(file: string): Set<string> {
  const source = readFileSync(new URL(file, HERE), 'utf8')
  return new Set([...source.matchAll(/['"`]((?:[A-F]\d+\b ?)+)/g)].flatMap(([, ids = '']) => ids.trim().split(' ')))
}

const suites = readdirSync(HERE).filter((file) => /\.test\.ts$|-suite\.ts$/.test(file) && file !== 'map.test.ts')
const casesOf = new Map(suites.map((file) => [file, casesIn(file)]))

test('docs/faults.md has each case once, in order', () => {
  const ids = rows.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
  const inOrder = [...ids].sort((a, b) => a.charCodeAt(0) - b.charCodeAt(0) || Number(a.slice(1)) - Number(b.slice(1)))
  assert.deepEqual(ids, inOrder)
  const counts = Object.keys(EACH_SECTION).map((section) => [section, ids.filter((id) => id.startsWith(section)).length])
  assert.deepEqual(Object.fromEntries(counts), EACH_SECTION)
})

for (const { id, files, engineTests } of rows) {
  test(`the tests that docs/faults.md names for ${id} are there`, () => {
    assert.ok(files.length > 0, 'it names none')
    for (const file of files) assert.ok(casesOf.get(file)?.has(id), `${file} has no test whose name begins with ${id}`)
    for (const name of engineTests) assert.ok(isEngineTest(name), `there is no fn ${name}`)
  })
}

test('every case that a test names is in docs/faults.md, with its file', () => {
  for (const [file, ids] of casesOf) {
    for (const id of ids) {
      const row = rows.find((each) => each.id === id)
      // What the suite of traps names is said once.
      const isSaid = row?.files.some((name) => name === file || (file === 'traps-hooks.test.ts' && name === 'trap-suite.ts'))
      assert.ok(isSaid, `${file} tests ${id}, and docs/faults.md does not say so`)
    }
  }
})

function isEngineTest(name: string): boolean {
  return ['tests/engine', 'src'].some((folder) =>
    readdirSync(new URL(folder, ROOT), { recursive: true }).some(
      (file) => String(file).endsWith('.rs') && readFileSync(new URL(`${folder}/${file}`, ROOT), 'utf8').includes(`fn ${name}()`),
    ),
  )
}
