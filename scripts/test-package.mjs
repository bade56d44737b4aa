/** `npm run test:package`: installs what tests/platforms needs, then runs its matrix; the arguments are words that rows are chosen by. */

import { ensureInstalled, setUp } from './setup.mjs'
import { CommandFailed, runNode } from './steps.mjs'

try {
  await setUp()
  await ensureInstalled('tests/platforms')
  await runNode('tests/platforms/main.mjs', ...process.argv.slice(2))
} catch (error) {
  if (!(error instanceof CommandFailed)) throw error
  process.exitCode = error.code ?? 1
}
