/**
 * What the scripts share: running a command, and a headline with its time for each step.
 *
 * Imports only what Node ships, as does setup.mjs: both run before anything is installed.
 */

import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

/** The project's folder; commands run in it. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/** A command ended with another code than 0. It has said why by itself. */
export class CommandFailed extends Error {
  constructor(command, args, code, signal) {
    super(`${[command, ...args].join(' ').slice(0, 120)}: ${signal ?? `exit code ${code}`}`)
    this.code = code
  }
}

/** Runs a command, what it prints shown as it comes; `read`, if given, gets all of its stdout at the end, also where it fails. */
export async function run(command, args, { cwd = root, read } = {}) {
  // Without a terminal of their own, runners would drop their colours.
  const env = read && process.stdout.isTTY ? { ...process.env, FORCE_COLOR: '1', CARGO_TERM_COLOR: 'always' } : process.env
  const child = spawn(command, args, { cwd, env, stdio: ['inherit', read ? 'pipe' : 'inherit', 'inherit'] })
  const chunks = []
  child.stdout?.on('data', (chunk) => {
    chunks.push(chunk)
    process.stdout.write(chunk)
  })
  const [code, signal] = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...end) => resolve(end))
  })
  read?.(stripVTControlCharacters(Buffer.concat(chunks).toString()))
  if (code !== 0) throw new CommandFailed(command, args, code, signal)
}

/** Runs a JavaScript file with this Node. */
export const runNode = (file, ...args) => run(process.execPath, [file, ...args])

/** Runs npm: the one that started us, if one did. */
export function runNpm(args, options) {
  const npm = process.env.npm_execpath
  return npm ? run(process.execPath, [npm, ...args], options) : run('npm', args, options)
}

/** Whether Rust is here. Everything but the wasm is built, run and tested without. */
export const hasCargo = () => spawnSync('cargo', ['--version'], { cwd: root }).status === 0

/** What a step answers where it cannot be done. */
export class Skipped {
  constructor(reason) {
    this.reason = reason
  }
}

/** Carries out `[title, work]` pairs in order, also after a failure, and says how each went; any failure sets the exit code. */
export async function steps(list) {
  const summary = []
  for (const [title, work] of list) {
    console.log(`\n── ${title}`)
    const start = performance.now()
    const outcome = await attempt(work)
    summary.push(`${outcome.padEnd(8)} ${seconds(start)}  ${title}`)
  }
  console.log(`\n${summary.join('\n')}`)
}

const seconds = (start) => `${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s`

async function attempt(work) {
  try {
    const result = await work()
    if (!(result instanceof Skipped)) return 'ok'
    console.log(`skipped: ${result.reason}`)
    return 'skipped'
  } catch (error) {
    console.error(error instanceof CommandFailed ? error.message : error)
    process.exitCode = 1
    return 'FAILED'
  }
}
