/** A callback that throws where nobody can catch it, or ends the process: what tiers were told before is whole. */

import { readFileSync, writeFileSync } from 'node:fs'
import { BatchProcessor } from '../../../js/index.js'

const [how, file = ''] = process.argv.slice(2)
const storage = {
  mget: (keys: readonly string[]) => keys.map(() => undefined),
  mset: (entries: readonly { key: string; value: unknown }[]) => {
    writeFileSync(file, JSON.stringify([...JSON.parse(readFileSync(file, 'utf8')), ...entries.map(({ key }) => key)]))
  },
  mdelete: () => {},
}
writeFileSync(file, '[]')
process.on('uncaughtException', (error) => {
  console.log(`uncaught: ${error.message}`)
  process.exit(0)
})
const processor = new BatchProcessor({ storage })
await processor.getCachedData('before', () => 1)
await new Promise((resolve) => setImmediate(resolve))
await processor.getCachedDataBatch([
  { key: 'good', fetchFunction: () => 1 },
  {
    key: 'bad',
    fetchFunction: () => {
      if (how === 'exit') process.exit(0)
      queueMicrotask(() => {
        throw new Error('out of reach')
      })
      return new Promise<never>(() => {})
    },
  },
])
