/**
 * The demo: get every source file of this project, metadata and content, from a slow and narrow HTTP API, in the ways one does it
 * without sluice and then with it. Fails if the ways disagree about a byte, or if sluice does not earn its keep.
 *
 *     npm run demo
 */

import { fileURLToPath } from 'node:url'
import { BatchProcessor } from 'sluice'
import { differingWays, missedBars, type Runs } from './bars.js'
import { ContentsClient } from './contents-client.js'
import { startContentsServer } from './contents-server.js'
import { digestOf, measure } from './measure.js'
import { withBar } from './progress.js'
import { readProjectFiles } from './project-files.js'
import { tableOf } from './report.js'
import { allAtOnce, MAX_CONCURRENCY, oneByOne, requestsFor, throughSluice } from './ways.js'

const WARM_RUNS = 5
const SERVER = { answerMs: 25, maxServed: 10, quota: 5000 }

const files = await readProjectFiles(fileURLToPath(new URL('..', import.meta.url)))
const server = await startContentsServer(files, SERVER)
const client = new ContentsClient(server.url)
try {
  console.log(`${files.length} files from a server that takes ${SERVER.answerMs} ms an answer, ${SERVER.maxServed} at once`)
  report(await runAll())
} finally {
  client.close()
  await server.close()
}

async function runAll(): Promise<Runs> {
  const paths = files.map((file) => file.path)
  const count = paths.length

  const single = await withBar('one by one', count, (step) =>
    measure('one by one', count, () => oneByOne(client, paths, step), server),
  )
  const all = await withBar('Promise.all', count, (step) =>
    measure('Promise.all', count, () => allAtOnce(client, paths, step), server),
  )

  const processor = new BatchProcessor()
  const requests = requestsFor(client, paths)
  const batch = () => throughSluice(processor, client, requests)
  const grouped = await measure('sluice, grouped', count, batch, server, processor)
  // Another program may have the machine for the milliseconds that one run takes: the least of a few is what it takes.
  let warm = await measure('sluice, warm', count, batch, server, processor)
  for (let left = WARM_RUNS - 1; left > 0 && warm.calls === 0; left--) {
    const again = await measure('sluice, warm', count, batch, server, processor)
    if (again.calls > 0 || again.ms < warm.ms) warm = again
  }
  await processor.close()

  // A processor that remembers nothing yet: it is deduplication alone that keeps the calls down.
  const fresh = new BatchProcessor()
  const thriceRequests = requestsFor(client, [...paths, ...paths, ...paths])
  const thriceBatch = () => throughSluice(fresh, client, thriceRequests)
  const thrice = await measure('sluice, each file 3 times', 3 * count, thriceBatch, server, fresh)
  await fresh.close()

  return { single, all, grouped, warm, thrice }
}

function report(runs: Runs): void {
  const { single, all, grouped, warm, thrice } = runs
  const inOrder = [single, all, grouped, warm, thrice]
  console.log(tableOf(inOrder, single))
  console.log(`quota left: ${client.quotaLeft.toLocaleString('en')} of ${SERVER.quota.toLocaleString('en')} calls`)

  const differing = differingWays(inOrder, files)
  const missed = missedBars(runs, MAX_CONCURRENCY)
  if (differing.length === 0) console.log(`same bytes every way, as on disk: SHA-256 ${digestOf(files)}`)
  else missed.unshift(`other bytes than on disk: ${differing.join('; ')}`)
  for (const sentence of missed) console.error(`demo failed: ${sentence}`)
  if (missed.length > 0) process.exitCode = 1
}
