/** Headless Chromium, without and with a bundler, under a content security policy; and workerd, in which no wasm can be compiled. */

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { chromium } from 'playwright-core'
import { here, NotHere, nodes, run, smoked, versionOf } from '../tools.mjs'

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' }
const policy = (connections) =>
  `default-src 'none'; img-src data:; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src ${connections}`
const TIMEOUT_MS = 60_000

const SCRIPT = `import * as sluice from '/node_modules/sluice/dist/index.js'
import { smoke } from './smoke.mjs'
const say = globalThis.document ? (text) => { document.title = text } : postMessage
smoke(sluice).then(say, (error) => say('FAILED ' + error.stack))
`
const WORKER = `const worker = new Worker('./page.mjs', { type: 'module' })
worker.onmessage = ({ data }) => { document.title = data }
worker.onerror = ({ message }) => { document.title = 'FAILED ' + message }
`
const SLIM = `import * as sluice from '/node_modules/sluice/dist/slim.js'
import { smoke } from './smoke.mjs'
const done = sluice.initialize(fetch('/node_modules/sluice/dist/engine.wasm')).then(() => smoke(sluice))
done.then((text) => { document.title = text }, (error) => { document.title = 'FAILED ' + error.stack })
`
const VITE_SLIM = SLIM.replace('/node_modules/sluice/dist/slim.js', 'sluice/slim')
  .replace(`'/node_modules/sluice/dist/engine.wasm'`, 'wasm')
  .replace('import', `import wasm from 'sluice/engine.wasm?url'\nimport`)
const BARE = SCRIPT.replace('/node_modules/sluice/dist/index.js', 'sluice')

/** The browser on this machine: as CHROMIUM says, or by one of its names. */
function findChromium() {
  for (const name of [process.env.CHROMIUM, 'chromium', 'chromium-browser', 'google-chrome']) {
    try {
      if (name) return execFileSync('which', [name], { encoding: 'utf8' }).trim()
    } catch {
      // The next.
    }
  }
  throw new NotHere('no Chromium')
}

/** What the page at `url` makes its title. */
export async function titleOf(url) {
  const browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage()
    const complaints = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
    await page.goto(url)
    await page
      .waitForFunction(() => document.title !== '', undefined, { timeout: TIMEOUT_MS })
      .catch((error) => complaints.push(error.message))
    const title = await page.title()
    if (complaints.length > 0) throw new Error([title, ...complaints].join('\n'))
    return title
  } finally {
    await browser.close()
  }
}

/** Serves the project, as any web server would. */
export async function served(project, use, connections = "'none'") {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    try {
      const body = readFileSync(path.join(project, path.normalize(pathname)))
      response.writeHead(200, {
        'content-type': TYPES[path.extname(pathname)] ?? 'application/octet-stream',
        'content-security-policy': policy(connections),
      })
      response.end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await use(`http://127.0.0.1:${server.address().port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

export const chromiumVersion = async () => (await run(findChromium(), ['--version'], { allowed: /./ })).split(' built')[0]

/** Without an icon: browsers would ask for one. */
export const html = (script) => `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`

export const rows = [
  {
    name: 'Chromium, <script type="module">',
    version: chromiumVersion,
    run: ({ project }) => {
      writeFileSync(path.join(project, 'page.mjs'), SCRIPT)
      writeFileSync(path.join(project, 'page.html'), html('./page.mjs'))
      return served(project, async (url) => smoked(await titleOf(`${url}/page.html`)))
    },
  },
  {
    name: 'Chromium, module worker',
    version: chromiumVersion,
    run: ({ project }) => {
      writeFileSync(path.join(project, 'page.mjs'), SCRIPT)
      writeFileSync(path.join(project, 'starter.mjs'), WORKER)
      writeFileSync(path.join(project, 'worker.html'), html('./starter.mjs'))
      return served(project, async (url) => smoked(await titleOf(`${url}/worker.html`)))
    },
  },
  ...Object.entries({ 'Chromium, vite dev': BARE, 'Chromium, vite dev, sluice/slim': VITE_SLIM }).map(([name, script]) => ({
    name,
    version: versionOf('vite'),
    run: async ({ project }) => {
      findChromium()
      const { createServer: createVite } = await import('vite')
      writeFileSync(path.join(project, 'bare.mjs'), script)
      writeFileSync(path.join(project, 'index.html'), html('./bare.mjs'))
      const vite = await createVite({
        root: project,
        configFile: false,
        logLevel: 'error',
        server: { port: 0, host: '127.0.0.1' },
      })
      try {
        await vite.listen()
        return smoked(await titleOf(vite.resolvedUrls.local[0]))
      } finally {
        await vite.close()
      }
    },
  })),
  {
    name: 'Chromium, sluice/slim, the wasm fetched',
    version: chromiumVersion,
    run: ({ project }) => {
      writeFileSync(path.join(project, 'slim-page.mjs'), SLIM)
      writeFileSync(path.join(project, 'slim.html'), html('./slim-page.mjs'))
      return served(project, async (url) => smoked(await titleOf(`${url}/slim.html`)), "'self'")
    },
  },
  ...[[], ['slim']].map((args) => ({
    name: args.length === 0 ? 'workerd' : 'workerd, sluice/slim',
    version: versionOf('miniflare'),
    run: async ({ project }) => {
      // Its newest wants a newer Node than ours.
      return smoked(await run(nodes[24], [path.join(here, 'workerd.mjs'), project, ...args]))
    },
  })),
]
