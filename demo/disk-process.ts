/**
 * One process of `npm run demo:disk`: gets every file through sluice, with SQLite beneath memory, and says on stdout how that went.
 *
 *     disk-process.ts <url of the server> <directory of the cache>
 */

import { fileURLToPath } from 'node:url'
import { BatchProcessor } from 'sluice'
import { sqliteStorage } from 'sluice/sqlite'
import { ContentsClient } from './contents-client.js'
import { decoded, digestOf } from './measure.js'
import { readProjectFiles } from './project-files.js'
import { requestsFor, throughSluice } from './ways.js'

/** What a process says, as JSON. */
export interface Said {
  readonly files: number
  /** Of all files, answers of the tier on disk. */
  readonly hits: number
  /** Getting the files, opening the database included. */
  readonly ms: number
  readonly digest: string
}

const [url = '', directory = ''] = process.argv.slice(2)
const paths = (await readProjectFiles(fileURLToPath(new URL('..', import.meta.url)))).map((file) => file.path)
const client = new ContentsClient(url)
const start = performance.now()
const processor = new BatchProcessor({ storage: sqliteStorage({ directory }) })
const files = await throughSluice(processor, client, requestsFor(client, paths))
const ms = performance.now() - start
await processor.close()
client.close()
const hits = (await processor.metrics()).tiers[0]?.hits ?? 0
const said: Said = { files: files.length, hits, ms, digest: digestOf(files.map(decoded)) }
console.log(JSON.stringify(said))
