/** `npm run test:adapters`: sluice/keyv and sluice/unstorage against Keyv of both majors, its test suite, and unstorage. These are installed first. */

import { readdirSync } from 'node:fs'
import path from 'node:path'
import { ensureInstalled, setUp } from './setup.mjs'
import { root, run, runNode, steps } from './steps.mjs'

const folder = 'tests/adapters'

await steps([
  ['set-up', setUp],
  ['install', () => ensureInstalled(folder)],
  ['types', () => runNode('node_modules/typescript/bin/tsc', '--project', folder)],
  ['tests', testAdapters],
])

async function testAdapters() {
  const suites = readdirSync(path.join(root, folder)).filter((file) => file.endsWith('.suite.mjs'))
  const strict = ['--unhandled-rejections=strict', '--trace-warnings']
  await run(process.execPath, [...strict, '--test', ...suites.map((file) => path.join(folder, file))])
}
