/**
 * `npm run example name`: runs examples/name.ts, a fresh clone set up first. Without a name, says which there are.
 */

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { ensureExamples, ensureSqlite, setUp } from './setup.mjs'
import { CommandFailed, root, run } from './steps.mjs'

const [name, ...args] = process.argv.slice(2)
const names = readdirSync(path.join(root, 'examples'))
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length))

if (names.includes(name)) await start()
else list()

async function start() {
  try {
    await setUp()
    await ensureExamples()
    if (name === 'build-tool') await ensureSqlite()
    await run(process.execPath, ['--import=tsx', `examples/${name}.ts`, ...args])
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    process.exitCode = error.code ?? 1
  }
}

/** With the first sentence that each says about itself. */
function list() {
  if (name !== undefined) {
    console.error(`There is no example ${name}.`)
    process.exitCode = 1
  }
  console.log('npm run example …')
  for (const each of names) {
    const text = readFileSync(path.join(root, `examples/${each}.ts`), 'utf8')
    const [, comment = ''] = text.match(/\/\*\*([\s\S]*?)\*\//) ?? []
    const [sentence] = comment
      .replaceAll(/\s+(?:\* )?/g, ' ')
      .trim()
      .split(/(?<=[.:])\s/)
    console.log(`  ${each.padEnd(12)}  ${sentence.replace(/[.:]$/, '')}`)
  }
}
