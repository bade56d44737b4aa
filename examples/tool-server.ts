/**
 * A tool server as MCP has them, JSON-RPC over HTTP, with a tool that lists components out of a slow registry. Several of a framework are one call to
 * the registry, whichever agents ask for them, and what it brings besides is kept.
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { BatchProcessor, type FetchContext } from 'sluice'

// The registry: one call answers all components of a framework and their sizes in KB.
const REGISTRY: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  react: { button: 4, card: 2, dialog: 9 },
  vue: { button: 3, list: 5 },
}
const asked: string[] = []
async function fetchFramework(framework: string, signal: AbortSignal): Promise<Map<string, number>> {
  asked.push(framework)
  await delay(50, undefined, { signal })
  return new Map(Object.entries(REGISTRY[framework] ?? {}).map(([name, size]) => [`component:${framework}:${name}`, size]))
}

// Keys are `component:<framework>:<name>`: their groups are frameworks.
const processor = new BatchProcessor({ ttl: 60_000 })
const frameworkOf = (key: string) => key.split(':')[1] ?? ''
const fetchFunction = async ({ key, signal }: FetchContext) => (await fetchFramework(frameworkOf(key), signal)).get(key)

async function listComponents(names: readonly string[]): Promise<string[]> {
  const requests = names.map((name) => ({ key: `component:${name.replace('/', ':')}`, fetchFunction }))
  const sizes = await processor.getCachedDataBatch(requests, {
    groupFetch: ({ groupKey, signal }) => fetchFramework(frameworkOf(groupKey), signal),
  })
  return names.map((name, index) => (sizes[index] === undefined ? `there is no ${name}` : `${name} has ${sizes[index]} KB`))
}

interface Call {
  readonly id?: number
  readonly method: string
  readonly params?: { readonly name: string; readonly arguments: { readonly names: readonly string[] } }
}
const inputSchema = { type: 'object', properties: { names: { type: 'array', items: { type: 'string' } } }, required: ['names'] }
const tools = [{ name: 'list_components', description: 'Components, as framework/name, and their sizes', inputSchema }]
const serverInfo = { name: 'components', version: '1.0.0' }
async function answer({ method, params }: Call): Promise<object> {
  if (method === 'initialize') return { result: { protocolVersion: '2025-06-18', serverInfo, capabilities: { tools: {} } } }
  if (method === 'tools/list') return { result: { tools } }
  if (method !== 'tools/call') return { error: { code: -32601, message: `there is no method ${method}` } }
  if (params?.name !== 'list_components') return { error: { code: -32602, message: `there is no tool ${params?.name}` } }
  const lines = await listComponents(params.arguments.names)
  return { result: { content: lines.map((text) => ({ type: 'text', text })) } }
}
const server = createServer(async (request, response) => {
  // There are no streams, and notifications have no answer.
  if (request.method !== 'POST') return response.writeHead(405).end()
  const call = (await json(request)) as Call
  if (call.id === undefined) return response.writeHead(202).end()
  response.setHeader('content-type', 'application/json')
  return response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...(await answer(call)) }))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

async function ask(method: string, params?: Call['params']): Promise<string> {
  return (await fetch(url, { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })).text()
}
const list = (...names: string[]) => ask('tools/call', { name: 'list_components', arguments: { names } })

console.log(await ask('tools/list'))
console.log('Two agents at the same time')
const both = [list('react/button', 'react/card'), list('react/card', 'react/button', 'vue/list')]
for (const said of await Promise.all(both)) console.log(said)
console.log(`The registry was asked for ${asked.sort().join(', ')}`)
console.log('A third, who asks for something else of React, and twice for what is there')
console.log(await list('react/dialog', 'react/card', 'react/card'))
console.log(`The registry was asked for ${asked.join(', ')}`)
server.close()

/* It prints:

{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"list_components","description":"Components, as framework/name, and their sizes","inputSchema":{"type":"object","properties":{"names":{"type":"array","items":{"type":"string"}}},"required":["names"]}}]}}
Two agents at the same time
{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"react/button has 4 KB"},{"type":"text","text":"react/card has 2 KB"}]}}
{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"react/card has 2 KB"},{"type":"text","text":"react/button has 4 KB"},{"type":"text","text":"vue/list has 5 KB"}]}}
The registry was asked for react, vue
A third, who asks for something else of React, and twice for what is there
{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"react/dialog has 9 KB"},{"type":"text","text":"react/card has 2 KB"},{"type":"text","text":"react/card has 2 KB"}]}}
The registry was asked for react, vue
*/
