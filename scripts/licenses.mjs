/**
 * Writes THIRD-PARTY-LICENSES: whose code is compiled into the wasm that is shipped, and on which terms. What is listed is what Cargo.lock and Cargo's
 * resolver name for wasm32, without what runs only while compiling; and of the toolchain, what `cargo xtask pkg` compiles with it.
 *
 * `npm run build:wasm` writes it; `npm run check` compares.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { root, Skipped } from './steps.mjs'

const FILE = path.join(root, 'THIRD-PARTY-LICENSES')
/** The crates of this workspace of which there is wasm in dist/. */
const SHIPPED = ['sluice', 'sluice-bytes']
/** Needed to compile, and in nothing that is compiled. */
const isHostOnly = ({ targets }) => targets.every(({ kind }) => kind.includes('proc-macro') || kind.includes('custom-build'))
const RULE = `\n${'-'.repeat(80)}\n\n`

const capture = (command, ...args) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr}`)
  return stdout
}

export function writeLicenses() {
  writeFileSync(FILE, licenses())
}

/** Fails if the file does not say what is compiled in. */
export function checkLicenses() {
  if (!existsSync(sources())) return new Skipped('the toolchain has no rust-src')
  if (readFileSync(FILE, 'utf8') !== licenses()) throw new Error('THIRD-PARTY-LICENSES is out of date: npm run build:wasm')
}

function licenses() {
  const parts = [...crates(), ...toolchain()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const list = parts.map(({ name, version, license }) => `  ${name} ${version}: ${license}`).join('\n')
  const texts = parts.map(({ name, version, text }) => `${name} ${version}\n\n${text.trim()}\n`)
  return `sluice is licensed by LICENSE. Compiled into its wasm are, each on its own terms:\n\n${list}\n${RULE}${texts.join(RULE)}`
}

function crates() {
  const args = ['metadata', '--format-version=1', '--locked', '--filter-platform=wasm32-unknown-unknown']
  const { packages, resolve } = JSON.parse(capture('cargo', ...args))
  const packageOf = new Map(packages.map((each) => [each.id, each]))
  const dependenciesOf = new Map(resolve.nodes.map(({ id, deps }) => [id, deps]))
  const found = new Set(packages.filter(({ name, source }) => source === null && SHIPPED.includes(name)).map(({ id }) => id))
  for (const id of found) {
    for (const { pkg, dep_kinds } of dependenciesOf.get(id)) {
      if (dep_kinds.some(({ kind }) => kind === null) && !isHostOnly(packageOf.get(pkg))) found.add(pkg)
    }
  }
  return [...found]
    .map((id) => packageOf.get(id))
    .filter(({ source }) => source !== null)
    .map((crate) => ({ name: crate.name, version: crate.version, license: crate.license, text: textOf(crate) }))
}

/**
 * The licence texts in a crate's folder. Where MIT and Apache-2.0 are offered, and each has its file, we take MIT; also where neither has, as its
 * text is known.
 */
function textOf({ name, license, authors, manifest_path }) {
  const folder = path.dirname(manifest_path)
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|unlicense|notice)/i.test(file))
  if (files.length === 0 && /\bMIT\b/.test(license) && authors.length > 0) return mitOf(`Copyright (c) ${authors.join(', ')}`)
  const hasMit = files.some((file) => /mit/i.test(file))
  const chosen = files.filter((file) => !(hasMit && /apache/i.test(file))).sort()
  if (chosen.length === 0) throw new Error(`${name} comes without the text of its licence`)
  return chosen.map((file) => readFileSync(path.join(folder, file), 'utf8').trim()).join('\n\n')
}

/** MIT's text, as in our own file. */
const mitOf = (holder) => readFileSync(path.join(root, 'LICENSE'), 'utf8').replace(/^Copyright .*$/m, holder)

const sources = () => path.join(capture('rustc', '--print', 'sysroot').trim(), 'lib/rustlib/src/rust/library')

/** The parts of the standard library that are compiled in. They come without a file of MIT's text, which is that of our own. */
function toolchain() {
  const [, version] = readFileSync(path.join(root, 'rust-toolchain.toml'), 'utf8').match(/channel = "([\d.]+)"/)
  const holder = 'Copyright The Rust Project Developers (see https://thanks.rust-lang.org)'
  const mit = mitOf(holder)
  const name = 'The Rust standard library (core, alloc)'
  const builtins = readFileSync(path.join(sources(), 'compiler-builtins/LICENSE.txt'), 'utf8')
  return [
    { name, version, license: 'MIT OR Apache-2.0', text: mit },
    {
      name: 'compiler_builtins',
      version: `of Rust ${version}`,
      license: 'MIT AND Apache-2.0 WITH LLVM-exception',
      text: builtins,
    },
  ]
}
