/**
 * The demo's job in two processes, one after the other: the second finds on disk what the first one fetched, and makes no call. Fails if it does, or if
 * a byte differs.
 *
 *     npm run demo:disk
 */

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import Table from 'cli-table3'
import { startContentsServer } from './contents-server.js'
import type { Said } from './disk-process.js'
import { digestOf } from './measure.js'
import { readProjectFiles } from './project-files.js'
import { milliseconds } from './report.js'

const SERVER = { answerMs: 25, maxServed: 10, quota: 5000 }
const PROGRAM = fileURLToPath(new URL('disk-process.ts', import.meta.url))

const files = await readProjectFiles(fileURLToPath(new URL('..', import.meta.url)))
const server = await startContentsServer(files, SERVER)
const directory = mkdtempSync(join(tmpdir(), 'sluice-demo-'))
try {
  console.log(
    `${files.length} files from a server that takes ${SERVER.answerMs} ms an answer, ${SERVER.maxServed} at once; a process, then another`,
  )
  const runs = [await run('first process'), await run('second process')]
  const style = { head: [], border: [], compact: true }
  const table = new Table({
    head: ['', 'files', 'from disk', 'calls', 'time'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style,
  })
  for (const { name, said, calls } of runs) table.push([name, said.files, said.hits, calls, milliseconds(said.ms)])
  console.log(table.toString())

  const missed = []
  if (runs[1]?.calls !== 0) missed.push(`the second process made ${runs[1]?.calls} calls, not 0`)
  const digest = digestOf(files)
  for (const { name, said } of runs) if (said.digest !== digest) missed.push(`the ${name} has other bytes than are on disk`)
  if (missed.length === 0) console.log(`same bytes in both, as on disk: SHA-256 ${digest}`)
  for (const sentence of missed) console.error(`demo failed: ${sentence}`)
  if (missed.length > 0) process.exitCode = 1
} finally {
  await server.close()
  rmSync(directory, { recursive: true })
}

async function run(name: string): Promise<{ name: string; said: Said; calls: number }> {
  server.takeTraffic()
  const { stdout } = await promisify(execFile)(process.execPath, ['--import=tsx', PROGRAM, server.url, directory])
  return { name, said: JSON.parse(stdout), calls: server.takeTraffic().calls }
}
