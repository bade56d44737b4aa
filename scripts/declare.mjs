/**
 * Writes the declarations: for each `.d.ts` a `.d.cts` twin, because to TypeScript a `.d.ts` of this package describes an ES module
 * only.
 *
 * Only those that the entries' lead to are shipped, and none may import what is not: generated glue, Node's types, a dependency.
 */

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runNode } from './steps.mjs'

/** `from './x.js'`, `import './x.js'`, `import('./x.js')`. */
const SPECIFIER = /(?<=\b(?:from|import)\s*\(?\s*)(['"])([^'"]+)\1/g

/** Writes into the folder `dist` what `entries` lead to, the twin of the first of them last. None may declare a property called as one of `internal`. */
export async function declare(dist, entries, internal) {
  const emitted = mkdtempSync(path.join(tmpdir(), 'sluice-declarations-'))
  try {
    for (const project of ['tsconfig.build.json', 'tsconfig.build.node.json']) {
      await runNode('node_modules/typescript/bin/tsc', '--project', project, '--outDir', emitted)
    }
    const declared = new RegExp(`^\\s+(?:readonly |get |static )*(${internal.join('|')})\\b\\??[:(<]`, 'm')
    for (const [file, text] of [...reachable(emitted, entries)].reverse()) {
      const [, name] = declared.exec(text) ?? []
      if (name !== undefined) throw new Error(`${file} declares ${name}, which has another name in the bundle`)
      mkdirSync(path.dirname(path.join(dist, file)), { recursive: true })
      writeFileSync(path.join(dist, file), text)
      writeFileSync(
        path.join(dist, file.replace(/ts$/, 'cts')),
        text.replace(SPECIFIER, (quoted) => quoted.replace(/js(?=.$)/, 'cjs')),
      )
    }
  } finally {
    rmSync(emitted, { recursive: true })
  }
}

/** The text of each declaration file that `entries` lead to, by its path in `folder`. */
function reachable(folder, entries) {
  const found = new Map()
  const add = (file) => {
    if (found.has(file)) return
    const text = readFileSync(path.join(folder, file), 'utf8')
    found.set(file, text)
    // Without the lines of comments: examples import, too.
    for (const [, , specifier] of text.replaceAll(/^\s*\*.*$/gm, '').matchAll(SPECIFIER)) {
      const next = path.join(path.dirname(file), specifier.replace(/js$/, 'd.ts'))
      if (!specifier.startsWith('.') || !existsSync(path.join(folder, next))) {
        throw new Error(`js/${file.replace('.d.ts', '.ts')} declares by ${specifier}, which is not shipped`)
      }
      add(next)
    }
  }
  entries.forEach(add)
  return found
}
