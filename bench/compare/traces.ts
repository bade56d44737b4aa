/** Requests to replay: generated ones, and recorded ones of a folder. */

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'

export interface Trace {
  readonly name: string
  /** Distinct keys, and the requests as indices of them. */
  readonly keys: readonly string[]
  readonly requests: Uint32Array
}

/** Files `*.txt.gz`, one key a line, in the order of the requests. */
export function* recorded(folder: string): Generator<Trace> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt.gz'))
  if (files.length === 0) throw new Error(`${folder} has no *.txt.gz`)
  for (const file of files.sort()) {
    const text = gunzipSync(readFileSync(path.join(folder, file))).toString()
    yield trace(path.basename(file, '.txt.gz'), text.trimEnd().split('\n'))
  }
}

/** What policies are told apart by: the common and the rare, a loop, a scan now and then, and a working set that changes. */
export function* generated(): Generator<Trace> {
  const [requests, keys] = [300_000, 20_000]
  const random = seeded(1)
  const zipf = () => Math.floor(Math.exp(random() * Math.log(keys)))
  const each = (key: (at: number) => unknown) => Array.from({ length: requests }, (_, at) => String(key(at)))
  yield trace('zipf', each(zipf))
  yield trace(
    'loop',
    each((at) => at % 3000),
  )
  yield trace(
    'scan',
    each((at) => (at % 20_000 < 5000 ? `scan ${at}` : zipf())),
  )
  yield trace(
    'shift',
    each((at) => zipf() + 5000 * Math.floor(at / 50_000)),
  )
}

function trace(name: string, lines: readonly string[]): Trace {
  const places = new Map<string, number>()
  const requests = Uint32Array.from(lines, (key) => {
    const place = places.get(key) ?? places.size
    places.set(key, place)
    return place
  })
  return { name, keys: [...places.keys()], requests }
}

/** The same for everybody: Lehmer's generator. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 0x7fff_ffff
    return state / 0x7fff_ffff
  }
}
