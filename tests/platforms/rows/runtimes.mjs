/** Runtimes: each as an ES module and as CommonJS, and what they can forbid. */

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { ENTRIES } from '../consumer.mjs'
import { bun, deno, nodes, run, smoked, versionBy } from '../tools.mjs'

const FLAGS = ['--unhandled-rejections=strict', '--trace-warnings']
const OF_NODE = /ExperimentalWarning|node --trace|at .*node:/

/** `main.mjs` and `main.cjs` of the project. */
const forms = (name, version, args, program) =>
  ['mjs', 'cjs'].map((form) => ({
    name: `${name} ${form === 'mjs' ? 'ESM' : 'CommonJS'}`,
    version,
    run: async ({ project }) => smoked(await run(program, [...args, `main.${form}`], { cwd: project })),
  }))

/** A program of its own, written to the project. */
const program = (name, version, file, text, executable, args, options) => ({
  name,
  version,
  run: async ({ project }) => {
    writeFileSync(path.join(project, file), text)
    return smoked(await run(executable, [...args, file], { cwd: project, ...options }))
  },
})

const WORKER_THREAD = `import { Worker } from 'node:worker_threads'
const lines = await Promise.all([1, 2].map(() => new Promise((resolve, reject) => {
  new Worker(new URL('./main.mjs', import.meta.url), { stdout: true }).on('error', reject).stdout.setEncoding('utf8').on('data', resolve)
})))
console.log(lines[0] === lines[1] ? lines[0] : 'they differ')
`

/** A sandbox as that of old test runners: nothing but what the language has, and timers. */
const SANDBOX = `import { readFileSync } from 'node:fs'
import vm from 'node:vm'
const context = vm.createContext({ WebAssembly, TextEncoder, TextDecoder, setTimeout, clearTimeout, console })
const load = (file) => {
  const module = { exports: {} }
  vm.runInContext('(function (module, exports) {' + readFileSync(file, 'utf8') + '})', context)(module, module.exports)
  return module.exports
}
console.log(await load('./smoke.cjs').smoke(load('./node_modules/sluice/dist/index.cjs')))
`

/** A tier on disk, by two storages one after the other, with keys that drivers like to change, and a file that is no database. */
const SQLITE = `import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BatchProcessor } from 'sluice'
import { sqliteStorage } from 'sluice/sqlite'
const directory = mkdtempSync(join(tmpdir(), 'sluice-platform-'))
const requests = ['a', 'a\\0b', '\\ud800', '\\udfff', 'é'].map((key) => ({ key, fetchFunction: () => ({ of: key.length }) }))
const sources = []
for (let run = 0; run < 2; run++) {
  const processor = new BatchProcessor({ storage: sqliteStorage({ directory, maxBytes: 2 ** 20 }) })
  const outcomes = await processor.getCachedDataBatchSettled(requests)
  sources.push(...new Set(outcomes.map(({ source }) => source)))
  await processor.close()
}
const storage = sqliteStorage({ directory, maxBytes: 2 ** 20 })
for (let nth = 0; nth < 30; nth++) await storage.mset([{ key: 'k' + nth, value: 'v'.repeat(100_000) }])
const [first, last] = await storage.mget(['k0', 'k29'])
await storage.close()
writeFileSync(join(directory, 'sqlite.db'), 'no database '.repeat(100))
const [gone] = await storage.mget(['k29'])
await storage.close()
const files = readdirSync(directory).sort()
rmSync(directory, { recursive: true })
console.log('smoke: ' + [...sources, first === undefined, last.value.length, gone === undefined, ...files].join(' '))
`

/** The SQLite of the runtime, or none. */
const sqlite = (name, version, executable, args = []) => ({
  name: `${name} sluice/sqlite`,
  version,
  async run({ project }) {
    writeFileSync(path.join(project, 'sqlite.mjs'), SQLITE)
    const said = smoked(await run(executable, [...args, 'sqlite.mjs'], { cwd: project, allowed: OF_NODE }))
    if (said !== 'fetch sqlite true 100000 true sqlite.db sqlite.db.corrupt') throw new Error(said)
    return said
  },
})

/** The wasm, read from the package by whoever uses it. */
const SLIM = {
  mjs: `import { readFileSync } from 'node:fs'
import * as sluice from 'sluice/slim'
import { smoke } from './smoke.mjs'
sluice.initializeSync(readFileSync(new URL(import.meta.resolve('sluice/engine.wasm'))))
console.log(await smoke(sluice))
`,
  cjs: `const { readFile } = require('node:fs/promises')
const sluice = require('sluice/slim')
const { smoke } = require('./smoke.cjs')
sluice.initialize(readFile(require.resolve('sluice/engine.wasm'))).then(() => smoke(sluice)).then(console.log)
`,
}
const slim = (name, version, executable, args) =>
  Object.entries(SLIM).map(([form, text]) =>
    program(`${name} sluice/slim ${form === 'mjs' ? 'ESM' : 'CommonJS'}`, version, `slim.${form}`, text, executable, args),
  )

const everyEntry = (load) => `const entries = ${JSON.stringify(ENTRIES)}
for (const entry of entries) if (Object.keys(${load}).length === 0) throw new Error(entry)
console.log('smoke: ' + entries.join(', '))
`

const node = (major) => versionBy(nodes[major], 'Node ')

export const rows = [
  ...Object.keys(nodes).flatMap((major) => forms(`Node ${major}`, node(major), FLAGS, nodes[major])),
  ...forms('Bun', versionBy(bun, 'Bun '), [], bun),
  ...forms('Deno', versionBy(deno), ['run', '--quiet', '--allow-read', '--allow-env', '--node-modules-dir=manual'], deno),
  ...[20, 26].flatMap((major) => slim(`Node ${major}`, node(major), nodes[major], FLAGS)),
  ...slim('Bun', versionBy(bun, 'Bun '), bun, []),
  ...slim('Deno', versionBy(deno), deno, ['run', '--quiet', '--allow-read', '--allow-env', '--node-modules-dir=manual']),
  ...[22, 24, 26].map((major) => sqlite(`Node ${major}`, node(major), nodes[major], FLAGS)),
  sqlite('Bun', versionBy(bun, 'Bun '), bun),
  sqlite('Deno', versionBy(deno), deno, ['run', '--quiet', '--allow-all', '--node-modules-dir=manual']),
  program('every entry, ESM', node(20), 'entries.mjs', everyEntry('await import(entry)'), nodes[20], FLAGS),
  program('every entry, CommonJS', node(20), 'entries.cjs', everyEntry('require(entry)'), nodes[20], FLAGS),
  program('worker_threads', node(20), 'threads.mjs', WORKER_THREAD, nodes[20], FLAGS),
  program('a sandbox without AbortController, crypto, performance', node(20), 'sandbox.mjs', SANDBOX, nodes[20], FLAGS),
  {
    name: 'Node --jitless',
    version: node(20),
    run: async ({ project }) =>
      smoked(
        await run(nodes[20], ['--jitless', 'main.mjs'], {
          cwd: project,
          allowed: /expose_wasm|SluiceWarning: sluice keeps nothing|--trace-warnings/,
        }),
      ),
  },
  ...[20, 24].map((major) => ({
    name: `Node ${major} --permission`,
    version: node(major),
    run: async ({ project, folder }) => {
      const flag = major === 20 ? '--experimental-permission' : '--permission'
      return smoked(
        await run(nodes[major], [flag, `--allow-fs-read=${folder}/*`, 'main.mjs'], { cwd: project, allowed: OF_NODE }),
      )
    },
  })),
]
