/** A build of the wasm with `test-hooks`, and the package over it. Needs Rust; made when it is missing, or older than what it is made of. */

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type Core, wasmMemory } from '../support/crossings.js'
import type { Library } from './library.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const PKG = 'target/pkg-test-hooks'
const BUNDLE = 'target/faults-library.mjs'
const execute = promisify(execFile)

/** Answers why there is none, where there is none. */
export async function loadHooked(): Promise<Library | string> {
  const hasCargo = await execute('cargo', ['--version'], { cwd: root }).then(
    () => true,
    () => false,
  )
  if (!hasCargo) return 'no cargo on the PATH'
  const wasm = path.join(root, PKG, 'engine_bg.wasm')
  const newest = Math.max(
    ...['src', 'Cargo.toml', 'Cargo.lock', 'scripts/build-wasm.mjs'].map((source) => newestOf(path.join(root, source))),
  )
  if (!existsSync(wasm) || statSync(wasm).mtimeMs < newest) {
    await execute(process.execPath, ['scripts/build-wasm.mjs', '--features', 'test-hooks', '--out', PKG], { cwd: root })
  }
  mkdirSync(path.join(root, 'target'), { recursive: true })
  const { bundle } = await import(new URL('../../scripts/bundle.mjs', import.meta.url).href)
  await bundle({ entry: 'tests/faults/library.ts', outfile: BUNDLE, wasm: 'inline-wasm', pkg: PKG })
  const { library } = await import(pathToFileURL(path.join(root, BUNDLE)).href)
  return library as Library
}

function newestOf(file: string): number {
  const stats = statSync(file)
  const within = stats.isDirectory() ? readdirSync(file).map((name) => newestOf(path.join(file, name))) : []
  return Math.max(stats.mtimeMs, ...within)
}

/** What a hook that answers with a text says: it puts it where keys cross, and answers its length. */
export function textOf(core: Core, hook: string): string {
  const length = core.call(hook) as number
  const { buffer } = wasmMemory()
  // As `Mail` in src/bindings/mod.rs.
  const [bytes] = new Uint32Array(buffer, (core.call('mail') as number) + 16, 1)
  return new TextDecoder().decode(new Uint8Array(buffer, bytes, length))
}
