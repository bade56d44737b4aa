/** The consumer's own tests, as jest and vitest run them. */

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { here, run, versionOf } from '../tools.mjs'

const bin = (name) => path.join(here, 'node_modules/.bin', name)

export const rows = [
  {
    name: 'jest, CommonJS',
    version: versionOf('jest'),
    run: async ({ project }) => {
      writeFileSync(
        path.join(project, 'consumer.test.cjs'),
        `const sluice = require('sluice')
const { smoke } = require('./smoke.cjs')
test('smoke', async () => expect(await smoke(sluice)).toMatch(/^smoke: .*trap/))
`,
      )
      const config = JSON.stringify({ testMatch: ['**/consumer.test.cjs'], rootDir: project })
      await run(bin('jest'), ['--config', config, '--no-cache'], { cwd: project, allowed: /./ })
      return '1 test'
    },
  },
  {
    name: 'vitest',
    version: versionOf('vitest'),
    run: async ({ project }) => {
      writeFileSync(
        path.join(project, 'consumer.vitest.mjs'),
        `import * as sluice from 'sluice'
import { smoke } from './smoke.mjs'
const { expect, test } = await import(${JSON.stringify(path.join(here, 'node_modules/vitest/dist/index.js'))})
test('smoke', async () => expect(await smoke(sluice)).toMatch(/^smoke: .*trap/))
`,
      )
      writeFileSync(path.join(project, 'vitest.config.mjs'), `export default { test: { include: ['consumer.vitest.mjs'] } }\n`)
      const output = await run(bin('vitest'), ['run', '--root', project], { cwd: here, allowed: /./ })
      if (!/1 passed/.test(output)) throw new Error(output)
      return '1 test'
    },
  },
]
