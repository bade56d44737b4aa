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

const everyEntry = (load) => `const entries = ${JSON.stringify(ENTRIES)}
for (const entry of entries) if (Object.keys(${load}).length === 0) throw new Error(entry)
console.log('smoke: ' + entries.join(', '))
`

const node = (major) => versionBy(nodes[major], 'Node ')

export const rows = [
  ...Object.keys(nodes).flatMap((major) => forms(`Node ${major}`, node(major), FLAGS, nodes[major])),
  ...forms('Bun', versionBy(bun, 'Bun '), [], bun),
  ...forms('Deno', versionBy(deno), ['run', '--quiet', '--allow-read', '--allow-env', '--node-modules-dir=manual'], deno),
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
