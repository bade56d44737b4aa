/** `npm run check`: formatting and lint of everything. `npm run format` (`--fix`) mends what can be mended by itself. */

import { checkLicenses } from './licenses.mjs'
import { hasCargo, run, runNode, Skipped, steps } from './steps.mjs'

const LINT = ['--locked', '--quiet', '--all-features', '--', '--deny', 'warnings']

// Left to itself it colours even what goes to a file.
const colours = process.stdout.isTTY ? [] : ['--colors=off']
const biome = (...args) => runNode('node_modules/@biomejs/biome/bin/biome', ...args, ...colours)
const cargo = (...args) => (hasCargo() ? run('cargo', args) : new Skipped('no cargo on the PATH'))

await steps(
  process.argv.includes('--fix')
    ? [
        ['format', () => biome('check', '--write')],
        ['format Rust', () => cargo('fmt', '--all')],
      ]
    : [
        ['format and lint', () => biome('ci', '--error-on-warnings')],
        ['format of Rust', () => cargo('fmt', '--all', '--check')],
        ['lint of Rust', () => cargo('clippy', '--workspace', '--all-targets', ...LINT)],
        // What is compiled for wasm alone, the bindings above all; dev-dependencies need not compile there.
        ['lint of Rust for wasm', () => cargo('clippy', '--lib', '--target', 'wasm32-unknown-unknown', ...LINT)],
        ['licences of what is compiled in', () => (hasCargo() ? checkLicenses() : new Skipped('no cargo on the PATH'))],
      ],
)
