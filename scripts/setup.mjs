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
  symlinkSync,
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
 * What the examples use, and a link by which they find the package, as they would installed. Not `"sluice": "file:.."` in their package.json, which would
 * write the root's dependencies into their lock.
 */
export async function ensureExamples() {
  await ensureInstalled('examples')
  const link = path.join(root, 'examples/node_modules/sluice')
  if (!existsSync(link)) symlinkSync('../..', link, 'junction')
}

/** What `sluice/sqlite` is tested on: Node's own SQLite, or where it has none, better-sqlite3. */
export async function ensureSqlite() {
  if (process.getBuiltinModule?.('node:sqlite') === undefined) {
    await ensureAddon('.', 'better-sqlite3', 'better_sqlite3.node', "new (require('better-sqlite3'))(':memory:')")
  }
}

/** What `bench/disk.ts` compares it with needs this one. */
export const ensureSqliteOfPeers = () => ensureAddon('bench', 'sqlite3', 'node_sqlite3.node', "require('sqlite3')")

/**
 * Compiles a package's addon, unless `program` runs, which uses it. That takes a minute, so the result is kept for the next installation of the same version. The headers are those beside this
 * Node, if there are any, so that none are fetched.
 */
async function ensureAddon(folder, name, file, program) {
  const cwd = path.join(root, folder)
  // Another process: an addon that could not be loaded cannot be loaded again in the same one.
  const works = () => spawnSync(process.execPath, ['--eval', program], { cwd, stdio: 'ignore' }).status === 0
  if (works()) return
  const installed = path.join(cwd, 'node_modules', name)
  const addon = path.join(installed, 'build/Release', file)
  const { version } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'))
  const cache = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'sluice-development')
  const kept = path.join(cache, `${[name, version, process.versions.modules, process.platform, process.arch].join('-')}.node`)
  if (existsSync(kept)) {
    mkdirSync(path.dirname(addon), { recursive: true })
    copyFileSync(kept, addon)
    if (works()) return
  }
  console.log(`Compiling ${name}`)
  const prefix = path.dirname(path.dirname(realpathSync(process.execPath)))
  if (existsSync(path.join(prefix, 'include/node/node_api.h'))) process.env.npm_config_nodedir ??= prefix
  await runNpm(['rebuild', name, '--loglevel=error'], { cwd })
  mkdirSync(cache, { recursive: true })
  copyFileSync(addon, `${kept}.${process.pid}`)
  renameSync(`${kept}.${process.pid}`, kept)
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
