/** SQLite tiers for tests: in directories of their own, looked into from outside, and in processes of their own. */

import { spawn } from 'node:child_process'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Connection, loadDriver, type Row } from '../../js/sqlite/drivers.js'
import { type SqliteStorage, type SqliteStorageOptions, sqliteStorage } from '../../js/sqlite/index.js'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A directory that is gone after the test. */
export function scratch(t: Pick<TestContext, 'after'>): string {
  const directory = mkdtempSync(path.join(realpathSync(tmpdir()), 'sluice-sqlite-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A tier in a directory of its own, unless `options` say where; closed after the test. */
export function setUpStorage(t: TestContext, options: SqliteStorageOptions = {}): SqliteStorage & { path: string } {
  const where = options.path === undefined && options.directory === undefined ? { directory: scratch(t) } : {}
  const storage = sqliteStorage({ ...where, ...options })
  t.after(() => storage.close())
  return storage as SqliteStorage & { path: string }
}

/** The values of `keys`, `undefined` where there is none. */
export async function valuesOf(storage: SqliteStorage, ...keys: string[]): Promise<unknown[]> {
  return (await storage.mget(keys)).map((entry) => entry?.value)
}

/** Everything in the storage. */
export async function contentsOf(storage: SqliteStorage): Promise<Map<string, unknown>> {
  const keys: string[] = []
  for await (const key of storage.keys()) keys.push(key)
  const values = await valuesOf(storage, ...keys)
  return new Map(keys.map((key, index) => [key, values[index]]))
}

/** Does `work` with the file, past the tier. */
export async function within<T>(file: string, work: (connection: Connection) => T | Promise<T>): Promise<T> {
  const connection = (await loadDriver(undefined))(file)
  try {
    connection.exec('PRAGMA busy_timeout = 5000')
    return await work(connection)
  } finally {
    connection.close()
  }
}

export function rowsOf(file: string, sql: string): Promise<readonly Row[]> {
  return within(file, (connection) => connection.prepare(sql).all())
}

export interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
  readonly signal: string | null
}

/** Runs `program`, an ES module's text, in the project's folder, where `sluice/sqlite` is what was built. */
export function runProgram(
  program: string,
  {
    env = {},
    args = [],
    command = [process.execPath],
  }: { env?: NodeJS.ProcessEnv; args?: readonly string[]; command?: readonly string[] } = {},
): Promise<Ended> {
  const flags = [
    '--unhandled-rejections=strict',
    '--disable-warning=ExperimentalWarning',
    '--input-type=module',
    '--eval',
    program,
    '--',
  ]
  return run([...command, ...flags, ...args], env)
}

/** Runs a command to its end. */
export async function run([file = '', ...args]: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(file, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      output[stream] += text
    })
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ ...output, code, signal }))
  })
}
