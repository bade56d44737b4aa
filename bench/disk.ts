/**
 * 1,000 values of about 1 KB from disk, by those who keep them there: sluice's tier, Keyv with @keyv/sqlite, cacache and flat-cache.
 *
 *     node --import tsx disk.ts [--check]
 *
 * `again`: by what is open already. `anew`: opened, read and closed in each call, as a process that has just begun does. flat-cache reads its whole
 * file when it is opened, and answers from memory afterwards, so that its `again` has nothing to do with a disk, and no bar. `--check` exits with 1
 * where a bar does not hold. `npm run bench:disk` in the project's root compiles what it needs.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { KeyvSqlite } from '@keyv/sqlite'
import cacache from 'cacache'
import { FlatCache } from 'flat-cache'
import Keyv from 'keyv'
import { type Contender, interleave, type Timing } from './harness.ts'
import { table } from './table.ts'

// Its declarations are not beside it.
const { sqliteStorage } = (await import(
  new URL('../dist/sqlite.js', import.meta.url).href
)) as typeof import('../dist/sqlite/index.js')

const ASKED = 1000
const KEPT = [1000, 10_000]
const ROUNDS = 20
/** cacache makes two files of each entry, which takes long one by one. */
const PUTS_AT_ONCE = 20
/** How often faster ours is to be. */
const BARS = { 'Keyv, @keyv/sqlite': 5, cacache: 3, 'flat-cache': 3 }

interface Value {
  readonly id: number
  readonly text: string
}
type Read = (keys: string[]) => Promise<(Value | undefined)[]>

/** One way to keep values: filled once, then read by what is open, or by a new one. */
interface Kept {
  readonly name: keyof typeof BARS | 'sluice/sqlite'
  fill(entries: ReadonlyMap<string, Value>): Promise<void>
  open(): Promise<{ read: Read; close(): Promise<void> }>
}

const keyOf = (id: number): string => `repo:file:${String(id).padStart(6, '0')}`
const textOf = (id: number): Value => ({ id, text: `${id} `.padEnd(1000, 'text of a file, ') })

const missed: string[] = []
for (const kept of KEPT) {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
  try {
    await compare(directory, kept)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
for (const sentence of missed) console.error(`missed: ${sentence}`)
if (missed.length > 0 && process.argv.includes('--check')) process.exitCode = 1

async function compare(directory: string, count: number): Promise<void> {
  const stores = storesIn(directory)
  const entries = new Map(Array.from({ length: count }, (_, id) => [keyOf(id), textOf(id)]))
  for (const store of stores) await store.fill(entries)

  const opened = await Promise.all(stores.map((store) => store.open()))
  const again = await time(
    stores.map(({ name }, index) => ({ name, run: (keys: string[]) => opened[index]?.read(keys) })),
    count,
  )
  for (const { close } of opened) await close()
  const anew = await time(
    stores.map(({ name, open }) => ({
      name,
      async run(keys: string[]) {
        const { read, close } = await open()
        const values = await read(keys)
        await close()
        return values
      },
    })),
    count,
  )

  const rows = stores.map(({ name }, index) => {
    const cells = [again, anew].flatMap((timings) => {
      const { lowNs } = timings[index] as Timing
      return [milliseconds(lowNs), `${(lowNs / (timings[0] as Timing).lowNs).toFixed(1)} x`]
    })
    return [name, ...cells]
  })
  const title = `${ASKED} of ${count.toLocaleString('en')} values of 1 KB`
  console.log(`${table([title, 'again, ms', '', 'anew, ms', ''], rows)}\n`)

  for (const [name, bar] of Object.entries(BARS)) {
    for (const [how, timings] of Object.entries({ again, anew })) {
      if (name === 'flat-cache' && how === 'again') continue
      const [ours, theirs] = ['sluice/sqlite', name].map(
        (wanted) => timings.find((timing) => timing.name === wanted)?.lowNs ?? Number.NaN,
      )
      const ratio = (theirs as number) / (ours as number)
      if (!(ratio >= bar)) missed.push(`${name}, ${how}, ${title}: ${ratio.toFixed(1)} times, not ${bar}`)
    }
  }
}

function time(contenders: Contender<string[]>[], count: number): Promise<readonly Timing[]> {
  return interleave(contenders, {
    // A key is built anew, as most are, and any one is as likely.
    prepare: (round, call) => Array.from({ length: ASKED }, (_, at) => keyOf((at * 7919 + round * 31 + call) % count)),
    verify(answer, keys) {
      const values = answer as (Value | undefined)[]
      for (const [index, key] of keys.entries()) {
        if (keyOf(values[index]?.id ?? -1) !== key || values[index]?.text.length !== 1000) throw new Error(`wrong for ${key}`)
      }
    },
    rounds: ROUNDS,
    callsPerRound: 1,
  })
}

function storesIn(directory: string): Kept[] {
  const at = (name: string): string => path.join(directory, name)
  const ours = () => sqliteStorage({ path: at('sluice.db') })
  const keyv = () => {
    const store = new KeyvSqlite({ uri: `sqlite://${at('keyv.sqlite')}` })
    return { store, keyv: new Keyv({ store }) }
  }
  const flat = () => new FlatCache({ cacheDir: at('flat'), cacheId: 'flat', ttl: 0 })
  return [
    {
      name: 'sluice/sqlite',
      async fill(entries) {
        const storage = ours()
        await storage.mset([...entries].map(([key, value]) => ({ key, value })))
        await storage.close()
      },
      async open() {
        const storage = ours()
        return {
          read: async (keys) => (await storage.mget(keys)).map((entry) => entry?.value as Value | undefined),
          close: () => storage.close(),
        }
      },
    },
    {
      name: 'Keyv, @keyv/sqlite',
      async fill(entries) {
        const { keyv: cache, store } = keyv()
        await store.query('BEGIN')
        for (const [key, value] of entries) await cache.set(key, value)
        await store.query('COMMIT')
        await store.disconnect()
      },
      async open() {
        const { keyv: cache, store } = keyv()
        return { read: (keys) => cache.getMany<Value>(keys), close: () => store.disconnect() }
      },
    },
    {
      name: 'cacache',
      async fill(entries) {
        const left = [...entries]
        const put = async () => {
          for (let next = left.pop(); next !== undefined; next = left.pop())
            await cacache.put(at('cacache'), next[0], JSON.stringify(next[1]))
        }
        await Promise.all(Array.from({ length: PUTS_AT_ONCE }, put))
      },
      async open() {
        // It remembers contents in this process for a while, unless it is told not to.
        const read: Read = (keys) =>
          Promise.all(
            keys.map(async (key) => JSON.parse((await cacache.get(at('cacache'), key, { memoize: false })).data.toString())),
          )
        return { read, close: async () => {} }
      },
    },
    {
      name: 'flat-cache',
      async fill(entries) {
        const cache = flat()
        for (const [key, value] of entries) cache.set(key, value)
        cache.save()
      },
      async open() {
        const cache = flat()
        cache.load()
        return { read: async (keys) => keys.map((key) => cache.get<Value>(key)), close: async () => {} }
      },
    },
  ]
}

function milliseconds(ns: number): string {
  return (ns / 1e6).toFixed(1)
}
