/** What the rows share: programs, and how they are run. */

import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** The folder that has the tools. */
export const here = fileURLToPath(new URL('.', import.meta.url))
export const root = path.join(here, '../..')

const require = createRequire(import.meta.url)
const TIMEOUT_MS = 120_000

/** The program that a row needs is not on this machine. */
export class NotHere extends Error {}

/** Runtimes, of Linux on x64 where they come with npm; rows whose runtime is not there are not run. */
export const nodes = {
  20: process.versions.node.startsWith('20.') ? process.execPath : undefined,
  22: path.join(here, 'node_modules/node22/bin/node'),
  24: path.join(here, 'node_modules/node24/bin/node'),
  26: path.join(here, 'node_modules/node26/bin/node'),
}
export const bun = path.join(here, 'node_modules/@oven/bun-linux-x64/bin/bun')
export const deno = path.join(here, 'node_modules/@deno/linux-x64-glibc/deno')

/** Runs a program in `cwd`; answers what it prints. Fails for another exit code, and for anything on stderr that `allowed` does not match. */
export async function run(program, args, { cwd, env = {}, allowed } = {}) {
  if (program === undefined) throw new NotHere('this Node is another one')
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, {
      cwd,
      timeout: TIMEOUT_MS,
      env: { ...process.env, ...env },
    })
    const complaints = stderr.split('\n').filter((line) => line.trim() !== '' && !allowed?.test(line))
    if (complaints.length > 0) throw new Error(`on stderr: ${complaints.join('\n')}`)
    return stdout.trim()
  } catch (error) {
    if (error.code === 'ENOENT') throw new NotHere(`no ${path.basename(program)}`)
    // Of a bundle that fails, not the whole line.
    throw new Error(`${error.message}\n${error.stdout ?? ''}`.replaceAll(/^.{300,}$/gm, (line) => `${line.slice(0, 300)}…`))
  }
}

/** What the smoke program printed; anything else is a failure. */
export function smoked(output) {
  const line = output.split('\n').find((line) => line.startsWith('smoke: '))
  if (line === undefined) throw new Error(`no smoke: ${output}`)
  return line.slice('smoke: '.length)
}

/** The version of an installed package. */
export const versionOf = (name) => async () => `${name} ${require(path.join(here, 'node_modules', name, 'package.json')).version}`

/** What a program says when it is asked for its version. */
export const versionBy =
  (program, label = '') =>
  async () =>
    `${label}${(await run(program, ['--version'], { allowed: /./ })).split('\n')[0]}`
