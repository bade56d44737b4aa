/**
 * A stand-in for GitHub's contents API on this machine: slow, narrow and counted, as the real one is, and it keeps a record of
 * how it was used.
 *
 *     GET /repos/sluice/sluice/contents/<file>        one ContentsFile
 *     GET /repos/sluice/sluice/contents/<directory>   an array of ContentsFile
 *
 * Every answer takes `answerMs`, at most `maxServed` requests are served at once, and the rest wait their turn here.
 * Two things differ from GitHub: a directory's listing carries its files' contents, and it leaves subdirectories out.
 */

import { createHash } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { ProjectFile } from './project-files.js'

/** One file, as the API describes it. */
export interface ContentsFile {
  readonly type: 'file'
  readonly name: string
  readonly path: string
  readonly size: number
  /** The SHA-1 of the file as a git blob. */
  readonly sha: string
  readonly encoding: 'base64'
  readonly content: string
}

export interface ContentsServerOptions {
  readonly answerMs: number
  readonly maxServed: number
  /** Calls before the server refuses with a 403. */
  readonly quota: number
}

/** What the server saw in a stretch of time. */
export interface Traffic {
  readonly calls: number
  /** Requests that had arrived and had no answer yet, waiting ones included. */
  readonly mostInFlight: number
}

export interface ContentsServer {
  readonly url: string
  /** What was seen since the last time this was called. */
  takeTraffic(): Traffic
  close(): Promise<void>
}

const ROUTE = '/repos/sluice/sluice/contents'
const HOUR_MS = 3_600_000

export async function startContentsServer(
  files: readonly ProjectFile[],
  { answerMs, maxServed, quota }: ContentsServerOptions,
): Promise<ContentsServer> {
  const contents = describe(files)
  const turns = new Turns(maxServed)
  const resetSeconds = Math.ceil((Date.now() + HOUR_MS) / 1000)
  let used = 0
  let calls = 0
  let inFlight = 0
  let mostInFlight = 0

  const server = createServer(async (request, response) => {
    calls += 1
    inFlight += 1
    mostInFlight = Math.max(mostInFlight, inFlight)

    await turns.take()
    await delay(answerMs)
    const refused = used >= quota
    if (!refused) used += 1
    response.setHeader('x-ratelimit-limit', quota)
    response.setHeader('x-ratelimit-remaining', quota - used)
    response.setHeader('x-ratelimit-used', used)
    response.setHeader('x-ratelimit-reset', resetSeconds)
    if (refused) answer(response, 403, { message: 'API rate limit exceeded' })
    else if (request.method !== 'GET') answer(response, 405, { message: 'Method Not Allowed' })
    else answerFrom(contents, request.url ?? '', response)

    turns.give()
    inFlight -= 1
  })
  // A connection the server drops for idleness while a request is on its way would fail that request.
  server.keepAliveTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${ROUTE}`,
    takeTraffic() {
      const traffic = { calls, mostInFlight }
      calls = 0
      mostInFlight = inFlight
      return traffic
    },
    close() {
      return new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()))
        server.closeAllConnections()
      })
    },
  }
}

/** The answer for each path: a file's description, or those of a directory's files. */
type Contents = ReadonlyMap<string, ContentsFile | readonly ContentsFile[]>

function describe(files: readonly ProjectFile[]): Contents {
  const contents = new Map<string, ContentsFile | ContentsFile[]>([['', []]])
  for (const { path, bytes } of files) {
    const parts = path.split('/')
    const name = parts.pop() as string
    const sha = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
    const content = bytes.toString('base64')
    const file: ContentsFile = { type: 'file', name, path, size: bytes.length, sha, encoding: 'base64', content }
    contents.set(path, file)
    // Directories above are made as well: one that holds nothing but directories still exists.
    for (let depth = 0; depth <= parts.length; depth += 1) {
      const directory = parts.slice(0, depth).join('/')
      if (!contents.has(directory)) contents.set(directory, [])
    }
    ;(contents.get(parts.join('/')) as ContentsFile[]).push(file)
  }
  return contents
}

function answerFrom(contents: Contents, url: string, response: ServerResponse): void {
  const path = pathIn(url)
  const found = path === undefined ? undefined : contents.get(path)
  if (found === undefined) answer(response, 404, { message: 'Not Found' })
  else answer(response, 200, found)
}

/** The path a URL asks for; `undefined` where it is off the route or its percent-encoding is no UTF-8. */
function pathIn(url: string): string | undefined {
  const pathname = url.split('?', 1)[0] as string
  if (pathname !== ROUTE && !pathname.startsWith(`${ROUTE}/`)) return undefined
  try {
    return decodeURIComponent(pathname.slice(ROUTE.length + 1)).replace(/\/$/, '')
  } catch {
    return undefined
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
}

/** A fixed number of turns; who finds none left waits, first come first served. */
class Turns {
  #left: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#left = count
  }

  take(): Promise<void> {
    if (this.#left === 0) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#left -= 1
    return Promise.resolve()
  }

  give(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#left += 1
  }
}
