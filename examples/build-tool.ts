/**
 * A build tool that compiles each content once, also over processes: results are kept on disk (`sluice/sqlite`), under keys made of all that they
 * depend on (`sluice/content-key`). So nothing ever has to be invalidated, and files that are the same share one result.
 *
 * On Node 20, which has no SQLite of its own, `better-sqlite3` has to be installed beside sluice.
 */

import { createReadStream } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { BatchProcessor } from 'sluice'
import { contentKey } from 'sluice/content-key'
import { sqliteStorage } from 'sluice/sqlite'

const COMPILER = { name: 'strip-comments', version: '1.0.0' }
const OPTIONS = { keepLicences: true }

const compile = (source: string) => source.replaceAll(/\/\/(?! SPDX).*\n/g, '')

/** What each process of the tool does. A processor of its own begins with nothing in memory. */
async function build(folder: string): Promise<void> {
  const processor = new BatchProcessor({ storage: sqliteStorage({ directory: path.join(folder, 'cache') }) })
  const names = (await readdir(folder)).filter((name) => name.endsWith('.js')).sort()
  let compiled = 0
  const requests = await Promise.all(
    names.map(async (name) => {
      const file = path.join(folder, name)
      return {
        key: await contentKey.stream(COMPILER, OPTIONS, createReadStream(file)),
        fetchFunction: async () => {
          compiled += 1
          return compile(await readFile(file, 'utf8'))
        },
        ttl: Number.POSITIVE_INFINITY,
      }
    }),
  )
  const outcomes = await processor.getCachedDataBatchSettled(requests)
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'rejected') throw outcome.reason
    console.log(`  ${names[index]?.padEnd(12)}  ${outcome.source.padEnd(6)}  ${JSON.stringify(outcome.value)}`)
  }
  console.log(`  ${names.length} files, ${compiled} compiled`)
  await processor.close()
}

const folder = await mkdtemp(path.join(tmpdir(), 'sluice-build-'))
try {
  await writeFile(path.join(folder, 'a.js'), '// SPDX-License-Identifier: MIT\n// Why.\nexport const a = 1\n')
  await writeFile(path.join(folder, 'b.js'), '// How.\nexport const b = 2\n')
  await writeFile(path.join(folder, 'copy-of-b.js'), '// How.\nexport const b = 2\n')
  console.log('A first run')
  await build(folder)
  console.log('A second one')
  await build(folder)
  console.log('After a change')
  await writeFile(path.join(folder, 'a.js'), 'export const a = 3\n')
  await build(folder)
} finally {
  await rm(folder, { recursive: true })
}

/* It prints:

A first run
  a.js          fetch   "// SPDX-License-Identifier: MIT\nexport const a = 1\n"
  b.js          fetch   "export const b = 2\n"
  copy-of-b.js  joined  "export const b = 2\n"
  3 files, 2 compiled
A second one
  a.js          sqlite  "// SPDX-License-Identifier: MIT\nexport const a = 1\n"
  b.js          sqlite  "export const b = 2\n"
  copy-of-b.js  joined  "export const b = 2\n"
  3 files, 0 compiled
After a change
  a.js          fetch   "export const a = 3\n"
  b.js          sqlite  "export const b = 2\n"
  copy-of-b.js  joined  "export const b = 2\n"
  3 files, 1 compiled
*/
