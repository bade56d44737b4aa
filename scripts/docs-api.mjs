/**
 * `npm run docs:api`: the API documentation, docs/api/, by TypeDoc from the sources: one module for each entry of the package. Any warning fails.
 *
 * TypeDoc reads with TypeScript 6, as TypeScript 7 has no API for it yet: both are installed in docs/typedoc alone.
 */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { ensureInstalled } from './setup.mjs'
import { CommandFailed, root, runNode } from './steps.mjs'

const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const entries = Object.keys(exports)
  .filter((name) => /^\.(\/[\w-]+)?$/.test(name))
  .map((name) => path.join('js', name, 'index.ts'))

try {
  await ensureInstalled()
  await ensureInstalled('docs/typedoc')
  await runNode('docs/typedoc/node_modules/typedoc/bin/typedoc', '--options', 'docs/typedoc/typedoc.json', ...entries)
} catch (error) {
  if (!(error instanceof CommandFailed)) throw error
  process.exitCode = error.code ?? 1
}
