/** How long a program waits for the package, on each runtime: for the import, and for the first answer, which compiles the engine. */

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { bun, deno, nodes, run, smoked, versionBy } from '../tools.mjs'
import { chromiumVersion, html, served, titleOf } from './browsers.mjs'

/** In so many new processes; what is told is the lower quartile: noise only adds. */
const RUNS = 9
/** Far more than it takes on a busy machine: whatever takes this long is broken. */
const MS_MAX = 500

/** `entry` is what is imported; the loader, the clock and the timers are warm, as in a program that has begun. */
const program = (entry, say) => `await import('./empty.mjs')
await new Promise((resolve) => setTimeout(resolve))
performance.now()
const start = performance.now()
const { getCachedData } = await import('${entry}')
const imported = performance.now()
await getCachedData('a', async () => 'A')
const answered = performance.now()
${say}('smoke: ' + [imported - start, answered - imported].join(' '))
`

/** Runs `start` again and again, which answers both times. */
async function measured(start) {
  const times = []
  for (let nth = 0; nth < RUNS; nth++) times.push((await start()).split(' ').map(Number))
  const [imported, answered] = [0, 1].map((at) => times.map((pair) => pair[at]).sort((a, b) => a - b)[RUNS >> 2])
  if (!(imported + answered < MS_MAX)) throw new Error(`expected less than ${MS_MAX} ms, received ${imported} and ${answered}`)
  return `import ${imported.toFixed(1)} ms, first answer ${answered.toFixed(1)} ms`
}

function writePrograms(project) {
  writeFileSync(path.join(project, 'empty.mjs'), '')
  writeFileSync(path.join(project, 'start.mjs'), program('sluice', 'console.log'))
  const title = 'const say = (text) => { document.title = text }\n'
  writeFileSync(path.join(project, 'start-page.mjs'), title + program('/node_modules/sluice/dist/index.js', 'say'))
  writeFileSync(path.join(project, 'start.html'), html('./start-page.mjs'))
}

const runtime = (name, version, executable, args = []) => ({
  name: `start-up, ${name}`,
  version,
  run: ({ project }) => {
    writePrograms(project)
    return measured(async () => smoked(await run(executable, [...args, 'start.mjs'], { cwd: project })))
  },
})

export const rows = [
  ...Object.entries(nodes).map(([major, executable]) => runtime(`Node ${major}`, versionBy(executable, 'Node '), executable)),
  runtime('Bun', versionBy(bun, 'Bun '), bun),
  runtime('Deno', versionBy(deno), deno, ['run', '--quiet', '--allow-read', '--allow-env', '--node-modules-dir=manual']),
  {
    name: 'start-up, Chromium',
    version: chromiumVersion,
    run: ({ project }) => {
      writePrograms(project)
      return served(project, (url) => measured(async () => smoked(await titleOf(`${url}/start.html`))))
    },
  },
]
