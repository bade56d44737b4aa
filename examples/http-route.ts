/**
 * A route (of Fastify's) whose work stops when nobody wants it any longer: a client that disconnects drops its interest. A report that somebody else
 * waits for goes on; one that nobody waits for is aborted at its source.
 */

import { EventEmitter, once } from 'node:events'
import fastify from 'fastify'
import { BatchProcessor } from 'sluice'

// The source: slow, as it answers when this program says so. It passes its signal on, as `fetch(url, { signal })` does.
const source = new EventEmitter()
function makeReport(name: string, signal: AbortSignal): Promise<string> {
  console.log(`  source: ${name} begun`)
  return new Promise((resolve, reject) => {
    source.once(`finish ${name}`, () => resolve(`the report on ${name}`))
    signal.addEventListener('abort', () => {
      console.log(`  source: ${name} aborted`)
      reject(signal.reason)
      source.emit(`aborted ${name}`)
    })
    source.emit(`begun ${name}`)
  })
}

const processor = new BatchProcessor({ maxConcurrency: 10, ttl: 60_000 })
const connections = new EventEmitter()

const app = fastify()
app.get<{ Params: { name: string }; Querystring: { by: string } }>('/reports/:name', async (request, reply) => {
  const { name } = request.params
  const { by } = request.query
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (reply.raw.writableFinished) return
    console.log(`  route: ${by} has gone`)
    gone.abort()
    connections.emit(`${by} gone`)
  })
  const report = processor.getCachedData(name, ({ signal }) => makeReport(name, signal), { signal: gone.signal })
  connections.emit(`${by} waits`)
  return report
})
const address = await app.listen({ host: '127.0.0.1', port: 0 })

/** A client that has asked and waits, and can pull the plug. */
async function client(by: string, name: string) {
  const plug = new AbortController()
  const waits = once(connections, `${by} waits`)
  const url = `${address}/reports/${name}?by=${by}`
  const answer = fetch(url, { signal: plug.signal }).then(async (response) => `${by} got ${await response.text()}`)
  await waits
  const unplug = () => {
    console.log(`${by} disconnects`)
    plug.abort()
    return answer.catch(() => undefined)
  }
  return { answer, unplug }
}

console.log('Ada and Grace want the same, and Ada disconnects')
const begun = once(source, 'begun spring')
const ada = await client('Ada', 'spring')
const grace = await client('Grace', 'spring')
await begun
const adaGone = once(connections, 'Ada gone')
await Promise.all([ada.unplug(), adaGone])
source.emit('finish spring')
console.log(await grace.answer)

console.log('Joan alone wants another, and disconnects')
const joanBegun = once(source, 'begun autumn')
const joan = await client('Joan', 'autumn')
await joanBegun
const aborted = once(source, 'aborted autumn')
await Promise.all([joan.unplug(), aborted])
await app.close()

/* It prints:

Ada and Grace want the same, and Ada disconnects
  source: spring begun
Ada disconnects
  route: Ada has gone
Grace got the report on spring
Joan alone wants another, and disconnects
  source: autumn begun
Joan disconnects
  route: Joan has gone
  source: autumn aborted
*/
