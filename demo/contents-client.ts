/**
 * The two calls the demo makes of the contents API: a file, or a directory with the contents of its files. Nothing is remembered
 * and nothing held back; that is left to whoever calls.
 *
 * `node:http` with an agent of its own rather than `fetch`: as fast, a little steadier, and its connections can be closed.
 */

import { Agent, get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { ContentsFile } from './contents-server.js'

export class ContentsClient {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true })
  #quotaLeft = Number.POSITIVE_INFINITY

  constructor(url: string) {
    this.#url = url
  }

  /** The least the server has said is left of the quota. */
  get quotaLeft(): number {
    return this.#quotaLeft
  }

  async file(path: string, signal?: AbortSignal): Promise<ContentsFile> {
    return (await this.#get(path, signal)) as ContentsFile
  }

  async directory(path: string, signal?: AbortSignal): Promise<ContentsFile[]> {
    return (await this.#get(path, signal)) as ContentsFile[]
  }

  close(): void {
    this.#agent.destroy()
  }

  async #get(path: string, signal?: AbortSignal): Promise<unknown> {
    // Part by part: the slashes are the path's own, whatever else is in a name is data.
    const url = `${this.#url}/${path.split('/').map(encodeURIComponent).join('/')}`
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(url, { agent: this.#agent, ...(signal && { signal }) }, resolve).on('error', reject)
    })
    const body = await text(response)
    if (response.statusCode !== 200) throw new Error(`GET ${url}: ${response.statusCode} ${body}`)
    // Answers may overtake each other; the quota only falls.
    this.#quotaLeft = Math.min(this.#quotaLeft, Number(response.headers['x-ratelimit-remaining']))
    return JSON.parse(body)
  }
}
