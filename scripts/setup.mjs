/**
 * What a fresh clone needs before the demo, the tests or the benchmarks run: the development dependencies and dist/. No Rust:
 * pkg/ is committed. Does nothing, in milliseconds, where all is there.
 */

import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
} from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { root, runNode, runNpm } from './steps.mjs'

export const dist = path.join(root, 'dist')

/** All that dist/ depends on. */
const SOURCES = [
  'js',
  'pkg',
  'scripts',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsconfig.build.node.json',
]

export async function setUp() {
  await ensureInstalled()
  await ensureBuilt()
}

/** Installs what the package-lock.json of `folder` names, unless that was done since it last changed. */
export async function ensureInstalled(folder = '.') {
  const cwd = path.join(root, folder)
  const installed = path.join(cwd, 'node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(path.join(cwd, 'package-lock.json')).mtimeMs) return
  // npm ci would empty the folder that the link leads to, in which others may be working.
  if (lstatSync(path.join(cwd, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new Error(
      `${path.join(folder, 'node_modules')} is a link to an installation that is not up to date: run npm ci where it leads to`,
    )
  }
  console.log(`Installing what ${path.join(folder, 'package-lock.json')} names`)
  // Of all install scripts, better-sqlite3's alone is needed, for which there is ensureSqlite; our own `prepare` is ensureBuilt.
  await runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd })
}

/**
 * Compiles better-sqlite3, on which `sluice/sqlite` is tested where Node has no SQLite of its own. That takes a minute, so the result is kept for the next
 * installation of the same version. The headers are those beside this Node, if there are any, so that none are fetched.
 */
export async function ensureSqlite() {
  if (process.getBuiltinModule?.('node:sqlite') !== undefined || isCompiled()) return
  const folder = path.join(root, 'node_modules/better-sqlite3')
  const addon = path.join(folder, 'build/Release/better_sqlite3.node')
  const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
  const name = ['better-sqlite3', version, process.versions.modules, process.platform, process.arch].join('-')
  const kept = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'sluice-development', `${name}.node`)
  if (existsSync(kept)) {
    mkdirSync(path.dirname(addon), { recursive: true })
    copyFileSync(kept, addon)
    if (isCompiled()) return
  }
  console.log('Compiling better-sqlite3')
  const prefix = path.dirname(path.dirname(realpathSync(process.execPath)))
  if (existsSync(path.join(prefix, 'include/node/node_api.h'))) process.env.npm_config_nodedir ??= prefix
  await runNpm(['rebuild', 'better-sqlite3', '--loglevel=error'])
  mkdirSync(path.dirname(kept), { recursive: true })
  copyFileSync(addon, `${kept}.${process.pid}`)
  renameSync(`${kept}.${process.pid}`, kept)
}

/** Asked of another process: an addon that could not be loaded cannot be loaded again in the same one. */
function isCompiled() {
  const program = "new (require('better-sqlite3'))(':memory:')"
  return spawnSync(process.execPath, ['--eval', program], { cwd: root, stdio: 'ignore' }).status === 0
}

/** Builds dist/ unless it is newer than its sources. */
export async function ensureBuilt() {
  if (isStale()) await runNode('scripts/build.mjs')
}

/** Whether a source is newer than the file that a build writes last. */
export function isStale() {
  const built = path.join(dist, 'index.d.cts')
  if (!existsSync(built)) return true
  const builtMs = statSync(built).mtimeMs
  return SOURCES.some((source) => isNewer(path.join(root, source), builtMs))
}

/** Folders count too: their times tell of files that are gone. */
function isNewer(file, thanMs) {
  const stats = statSync(file)
  return (
    stats.mtimeMs > thanMs || (stats.isDirectory() && readdirSync(file).some((name) => isNewer(path.join(file, name), thanMs)))
  )
}
