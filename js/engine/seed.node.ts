/**
 * `#seed` of index.node.js. What loads `crypto` into Node takes 2 to 5 ms, a good part of the start of a program that needs it for nothing else; the
 * device that its words come from is read in 0.1.
 */

import { seed as platformSeed } from './seed.js'

interface Process {
  readonly platform: string
  readonly versions: Readonly<Record<string, string | undefined>>
  getBuiltinModule?(name: 'node:fs'): {
    openSync(path: string, flags: 'r'): number
    readSync(file: number, into: Uint32Array): number
    closeSync(file: number): void
  }
}

export function seed(): Uint32Array {
  return deviceSeed() ?? platformSeed()
}

/** Nothing where there is no such device, or Node may not read it. Bun and Deno have `crypto` at hand, and Deno would ask its user for a permission. */
function deviceSeed(): Uint32Array | undefined {
  const { process } = globalThis as { process?: Process }
  try {
    if (process === undefined || process.platform === 'win32' || process.versions.bun || process.versions.deno) return undefined
    const fs = process.getBuiltinModule?.('node:fs')
    if (fs === undefined) return undefined
    const words = new Uint32Array(6)
    const device = fs.openSync('/dev/urandom', 'r')
    try {
      return fs.readSync(device, words) === words.byteLength ? words : undefined
    } finally {
      fs.closeSync(device)
    }
  } catch {
    return undefined
  }
}
