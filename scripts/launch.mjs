/** `node scripts/launch.mjs file.ts …`: sets up a fresh clone if it is one, then runs that file of the project with the arguments. */

import { ensureInstalled, ensureSqlite, ensureSqliteOfPeers, setUp } from './setup.mjs'
import { CommandFailed, run } from './steps.mjs'

const [file, ...args] = process.argv.slice(2)
try {
  await setUp()
  if (file.endsWith('/disk.ts')) await ensureSqlite()
  if (file.startsWith('bench/')) await ensureInstalled('bench')
  if (file === 'bench/disk.ts') await ensureSqliteOfPeers()
  await run(process.execPath, ['--import=tsx', file, ...args])
} catch (error) {
  if (!(error instanceof CommandFailed)) throw error
  process.exitCode = error.code ?? 1
}
