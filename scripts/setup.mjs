/**
 * What a fresh clone needs before the demo, the tests or the benchmarks run: the development dependencies and dist/. No Rust:
 * pkg/ is committed. Does nothing, in milliseconds, where all is there.
 */

import { existsSync, lstatSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { root, runNode, runNpm } from './steps.mjs'

export const dist = path.join(root, 'dist')

/** All that dist/ depends on. */
const SOURCES = ['js', 'pkg', 'scripts', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']

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
  // No package's install script is needed, and our own `prepare` is ensureBuilt.
  await runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd })
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
