/** An empty project that the packed package is installed into. */

import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { transform } from 'esbuild'
import { here, root, run } from './tools.mjs'

const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
/** Every entry that can be imported. */
export const ENTRIES = Object.keys(exports)
  .filter((entry) => !/\.\w+$/.test(entry))
  .map((entry) => `sluice${entry.slice(1)}`)

const ESM = `import * as sluice from 'sluice'
import { smoke } from './smoke.mjs'
console.log(await smoke(sluice))
`
const CJS = `const sluice = require('sluice')
const { smoke } = require('./smoke.cjs')
smoke(sluice).then(console.log, (error) => { console.error(error); process.exitCode = 1 })
`

/** Packs the package, installs it, and puts the programs there: `main.mjs`, `main.cjs`. */
export async function makeConsumer() {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-consumer-'))
  const npm = (args, cwd) => run('npm', args, { cwd, allowed: /./ })
  const [{ filename, files, size, unpackedSize }] = JSON.parse(
    await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  )
  const tarball = path.join(folder, filename)
  const project = path.join(folder, 'project')
  mkdirSync(project)
  writeFileSync(path.join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true }))
  await npm(['install', '--no-audit', '--no-fund', '--omit=peer', tarball], project)
  cpSync(path.join(here, 'smoke.mjs'), path.join(project, 'smoke.mjs'))
  const { code } = await transform(readFileSync(path.join(here, 'smoke.mjs'), 'utf8'), { format: 'cjs' })
  writeFileSync(path.join(project, 'smoke.cjs'), code)
  writeFileSync(path.join(project, 'main.mjs'), ESM)
  writeFileSync(path.join(project, 'main.cjs'), CJS)
  return { folder, project, tarball, files, size, unpackedSize }
}
