/** Several processes on one file: nobody reads what is wrong, and no error reaches anybody. `SLUICE_OPERATIONS` says how many operations each does. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { ROOT, rowsOf, run, scratch } from '../support/sqlite.js'
import { SEED } from './support.js'

const PROCESSES = 8
const OPERATIONS = Number(process.env.SLUICE_OPERATIONS ?? 10_000)
const WORKER = path.join(ROOT, 'tests/sqlite/children/worker.mjs')

interface Told {
  readonly operations: number
  readonly reads: number
  readonly hits: number
  readonly wrong: unknown[]
  readonly errors: string[]
}

test(`F18 ${PROCESSES} processes, ${OPERATIONS} operations each: no wrong value, and no error`, async (t) => {
  t.diagnostic(`seed ${SEED}`)
  const file = path.join(scratch(t), 'shared.db')
  const ended = await Promise.all(
    Array.from({ length: PROCESSES }, (_, number) =>
      run([process.execPath, WORKER, file, String(SEED + number), String(OPERATIONS), String(number)]),
    ),
  )
  const told = ended.map(({ stdout, stderr, code }): Told => {
    assert.equal(code, 0, stderr)
    return JSON.parse(stdout)
  })
  const sum = (name: 'operations' | 'reads' | 'hits') => told.reduce((total, each) => total + each[name], 0)
  assert.deepEqual(
    told.flatMap(({ wrong }) => wrong),
    [],
  )
  assert.deepEqual(
    told.flatMap(({ errors }) => errors),
    [],
  )
  assert.equal(sum('operations'), PROCESSES * OPERATIONS)
  assert.ok(sum('hits') > sum('reads') / 4, `${sum('hits')} of ${sum('reads')}`)
  assert.deepEqual(await rowsOf(file, 'PRAGMA integrity_check'), await rowsOf(file, "SELECT 'ok' AS integrity_check"))
  console.log(`${sum('operations')} operations of ${PROCESSES} processes, ${sum('hits')} values read`)
})
