/**
 * Each program of examples/ ends by itself with exit code 0, and prints what the comment at its end says. It imports the package from dist/, as a stranger
 * would. The one for Bun runs on Bun, too, where there is one.
 */

import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Each takes a second or three, of which starting is most. */
const EXAMPLE_MS_MAX = 60_000
const LINES_MAX = 80

const files = readdirSync(path.join(root, 'examples')).filter((name) => name.endsWith('.ts'))

/** Node's own warning about its SQLite is no concern of ours; where there is no such option, there is no such warning. */
const QUIET = process.allowedNodeEnvironmentFlags.has('--disable-warning') ? ['--disable-warning=ExperimentalWarning'] : []

async function assertPrints(file: string, command: string, args: readonly string[]): Promise<void> {
  const [, expected] = read(file).match(/\n\/\* It prints:\n\n([\s\S]*)\*\/\n$/) ?? []
  assert.ok(expected, `${file} does not end with a comment that says what it prints`)
  const { stdout, stderr } = await promisify(execFile)(command, [...args, `examples/${file}`], {
    cwd: root,
    timeout: EXAMPLE_MS_MAX,
  })
  assert.equal(stderr, '')
  assert.equal(stdout, expected)
}

describe('examples', () => {
  for (const file of files) {
    test(file, () => assertPrints(file, process.execPath, [...QUIET, '--unhandled-rejections=strict', '--import=tsx']))
  }

  const bun = ['bun', path.join(root, 'tests/platforms/node_modules/@oven/bun-linux-x64/bin/bun')].find(
    (command) => spawnSync(command, ['--version']).status === 0,
  )
  test('bun-script.ts on Bun', { skip: bun === undefined && 'there is no Bun here' }, () =>
    assertPrints('bun-script.ts', bun as string, []),
  )

  test(`are there, and have at most ${LINES_MAX} lines before what they print`, () => {
    assert.equal(files.length, 5)
    for (const file of files) {
      const [program = ''] = read(file).split('\n/* It prints:\n')
      assert.ok(program.split('\n').length <= LINES_MAX, file)
    }
  })
})

function read(file: string): string {
  return readFileSync(path.join(root, 'examples', file), 'utf8')
}
