/** Work in a process of its own: its heap and its warmed-up code are nobody else's. What it prints last is its answer, as JSON. */

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

export const isBun = process.versions.bun !== undefined

/** `file` beside this one. With this process's own flags, so that whatever runs this TypeScript runs that. */
export function inChild<T>(file: string, args: readonly string[]): Promise<T> {
  const flags = isBun ? [] : [...process.execArgv, '--expose-gc']
  return answerOf(process.execPath, [...flags, beside(file), ...args])
}

/** JavaScript, without any flags. */
export function inBareChild<T>(file: string, args: readonly string[]): Promise<T> {
  return answerOf(process.execPath, [beside(file), ...args])
}

function beside(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url))
}

async function answerOf<T>(command: string, args: readonly string[]): Promise<T> {
  const { stdout } = await execute(command, args, { maxBuffer: OUTPUT_BYTES_MAX }).catch(({ stderr, message }) => {
    // What it was run with is of no use to anybody; what it said is.
    throw new Error(/^\w*Error: .*$/m.exec(stderr)?.[0] ?? message)
  })
  return JSON.parse(stdout.slice(stdout.trimEnd().lastIndexOf('\n') + 1)) as T
}
