/** The packed package itself: what is in it, and whether its types are found. */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { here, run, versionOf } from '../tools.mjs'

/** The most that the tarball may come to. */
const TARBALL_BYTES_MAX = 440 * 1024
const ALLOWED = [/^dist\//, /^package\.json$/, /^README\.md$/, /^LICENSE$/, /^CHANGELOG\.md$/, /^THIRD-PARTY/, /^SECURITY\.md$/]

export const rows = [
  {
    name: 'what is packed',
    version: async () => 'npm pack',
    run: async ({ files, size, unpackedSize, project }) => {
      const strangers = files.map(({ path }) => path).filter((file) => !ALLOWED.some((allowed) => allowed.test(file)))
      if (strangers.length > 0) throw new Error(`expected nothing but dist/ and texts, received ${strangers.join(', ')}`)
      if (size > TARBALL_BYTES_MAX) throw new Error(`expected at most ${TARBALL_BYTES_MAX} bytes, received ${size}`)
      const { dependencies = {}, scripts = {} } = JSON.parse(
        readFileSync(path.join(project, 'node_modules/sluice/package.json'), 'utf8'),
      )
      const installed = Object.keys(scripts).filter((name) => /^(?:pre|post)?install$/.test(name))
      if (Object.keys(dependencies).length + installed.length > 0) throw new Error('expected no dependency and no install script')
      return `${files.length} files, ${size} bytes, ${unpackedSize} unpacked, 0 dependencies`
    },
  },
  {
    name: 'publint --strict',
    version: versionOf('publint'),
    run: async ({ project }) => {
      const output = await run(
        path.join(here, 'node_modules/.bin/publint'),
        ['--strict', '--level', 'suggestion', 'node_modules/sluice'],
        { cwd: project, allowed: /./ },
      )
      if (!/All good!/.test(output)) throw new Error(output)
      return '0 findings'
    },
  },
  {
    name: 'are the types wrong?',
    version: versionOf('@arethetypeswrong/cli'),
    run: async ({ tarball, project }) => {
      // Node 10 knew no `exports`, and so no entry but the main one; ours is from Node 20 on.
      const args = [tarball, '--format', 'ascii', '--profile', 'node16', '--exclude-entrypoints', './engine.wasm']
      await run(path.join(here, 'node_modules/.bin/attw'), args, { cwd: project, allowed: /./ })
      return '0 findings'
    },
  },
]
