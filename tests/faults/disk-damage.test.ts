/**
 * A database that was damaged where SQLite does not look, or does: no value that was not written, no crash, no error that goes on.
 *
 * `SLUICE_FLIPS` says how many bits are flipped, from which on `SLUICE_FLIPS_FROM`; by default one of each byte.
 */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sqliteStorage } from '../../js/sqlite/index.js'
import { valuesOf, within } from '../support/sqlite.js'
import { randomFrom, SEED } from './support.js'

const FLIPS = process.env.SLUICE_FLIPS === undefined ? undefined : Number(process.env.SLUICE_FLIPS)
const FLIPS_FROM = Number(process.env.SLUICE_FLIPS_FROM ?? 0)

const KEYS = Array.from({ length: 24 }, (_, at) => `key ${at}`)
/** What each key had at first, and what a few have in the log. */
const OLD = new Map<string, unknown>(KEYS.map((key, at) => [key, { key, at, text: 'x'.repeat(at * 9) }]))
const NEW = new Map<string, unknown>([0, 5, 23].map((at) => [`key ${at}`, `new ${at}`]))

let folder = ''
/** The file after a close; the file and its log after a kill. */
let whole: Buffer
let withLog: { readonly file: Buffer; readonly log: Buffer }
/** The file when the log has been copied to it. */
let checkpointed: Buffer
const fileOf = () => path.join(folder, 'damaged.db')

before(async () => {
  // In memory, where the system has that: some of these write the file tens of thousands of times.
  folder = mkdtempSync(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'sluice-damage-'))
  const file = path.join(folder, 'whole.db')
  // Pages as small as can be, so that there are many of them in few bytes.
  writeFileSync(file, '', { mode: 0o600 })
  await within(file, (connection) => connection.exec('PRAGMA page_size = 512; PRAGMA auto_vacuum = INCREMENTAL; VACUUM'))
  const storage = sqliteStorage({ path: file })
  await storage.mset([...OLD].map(([key, value]) => ({ key, value })))
  await storage.close()
  whole = readFileSync(file)
  await storage.mset([...NEW].map(([key, value]) => ({ key, value })))
  withLog = { file: readFileSync(file), log: readFileSync(`${file}-wal`) }
  await storage.close()
  checkpointed = readFileSync(file)
})
after(() => rmSync(folder, { recursive: true, force: true }))

/** Uses what is damaged, and afterwards what it has become. Answers how many values were there. */
async function use(bytes: Buffer, log?: Buffer, what = ''): Promise<number> {
  const file = fileOf()
  for (const suffix of ['-wal', '-shm', '.corrupt', '.corrupt-wal']) rmSync(`${file}${suffix}`, { force: true })
  writeFileSync(file, bytes, { mode: 0o600 })
  if (log !== undefined) writeFileSync(`${file}-wal`, log, { mode: 0o600 })
  const storage = sqliteStorage({ path: file })
  try {
    const found = await valuesOf(storage, ...KEYS)
    for (const [index, value] of found.entries()) {
      const key = KEYS[index] as string
      if (value === undefined || isSame(value, OLD.get(key))) continue
      assert.ok(log !== undefined && isSame(value, NEW.get(key)), `${what}: ${key} is ${JSON.stringify(value)}`)
    }
    await storage.mset([{ key: 'key 1', value: 'written since' }])
    await storage.mdelete(['key 2'])
    const [written, removed] = await valuesOf(storage, 'key 1', 'key 2')
    assert.ok(written === undefined || written === 'written since', `${what}: what was written is ${JSON.stringify(written)}`)
    assert.equal(removed, undefined, `${what}: what was removed is there`)
    return found.filter((value) => value !== undefined).length
  } catch (error) {
    // What says that it is of something else, or of another version, is left alone; it has been shown to be never read.
    if ((error as { code?: string }).code === 'ERR_FOREIGN_DATABASE') return 0
    throw new Error(what, { cause: error })
  } finally {
    await storage.close()
  }
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const flipped = (bytes: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}

describe('damage', () => {
  test('F12 a database that was not damaged is read as it is, with its log and without', async () => {
    assert.equal(await use(whole), KEYS.length)
    assert.equal(await use(withLog.file, withLog.log), KEYS.length)
  })

  test('F12 any one bit of the file flipped: no value that was not written, and no crash', async (t) => {
    t.diagnostic(`seed ${SEED}`)
    const random = randomFrom(SEED)
    const bits = whole.length * 8
    const chosen =
      FLIPS === undefined
        ? Array.from(whole, (_, at) => at * 8 + random(8))
        : Array.from({ length: FLIPS }, (_, nth) => (FLIPS_FROM + nth) % bits)
    let hits = 0
    for (const bit of chosen) hits += await use(flipped(whole, bit), undefined, `bit ${bit}`)
    // Most of them hit what is not looked at, or one value.
    assert.ok(hits > (chosen.length * KEYS.length) / 4, `${hits} values of ${chosen.length} files`)
    console.log(`${chosen.length} flips of ${bits} bits, ${hits} values read`)
  })

  test('F12 F11 a bit of the log flipped, or the log cut off: what was written, before or since', async (t) => {
    t.diagnostic(`seed ${SEED}`)
    const random = randomFrom(SEED)
    const { file, log } = withLog
    for (let at = 0; at < log.length; at += 1 + random(16)) {
      await use(file, flipped(log, at * 8 + random(8)), `byte ${at} of the log`)
      await use(file, log.subarray(0, at), `${at} bytes of the log`)
    }
  })

  test('F3 power that fails: sectors of the log lost, in any order, or pages of the file half written from it', async (t) => {
    t.diagnostic(`seed ${SEED}`)
    const random = randomFrom(SEED)
    const { file, log } = withLog
    for (let round = 0; round < 400; round++) {
      // What was not synced may be there or not, sector by sector.
      const torn = Buffer.from(log.subarray(0, random(4) === 0 ? random(log.length) : log.length))
      for (let at = 0; at < torn.length; at += 512) if (random(3) === 0) torn.fill(0, at, Math.min(at + 512, torn.length))
      await use(file, torn, `round ${round}`)
      // While the log is copied to the file it is whole, as it is synced before; the file's sectors are old or new.
      const mixed = Buffer.from(checkpointed)
      for (let at = 0; at < file.length; at += 512) if (random(2) === 0) mixed.set(file.subarray(at, at + 512), at)
      assert.equal(await use(mixed, log, `round ${round}`), KEYS.length)
    }
  })

  test('F12 truncated at any length: misses, or what was written', async (t) => {
    t.diagnostic(`seed ${SEED}`)
    const random = randomFrom(SEED)
    for (let length = 0; length < whole.length; length += 1 + random(32)) {
      await use(whole.subarray(0, length), undefined, `${length} bytes`)
    }
  })

  test('F12 pages zeroed, swapped, doubled, and garbage behind the end: misses, or what was written', async (t) => {
    t.diagnostic(`seed ${SEED}`)
    const random = randomFrom(SEED)
    const pages = whole.length / 512
    const page = (nth: number) => whole.subarray(nth * 512, nth * 512 + 512)
    for (let nth = 0; nth < pages; nth++) {
      const other = random(pages)
      const zeroed = Buffer.from(whole).fill(0, nth * 512, nth * 512 + 512)
      const swapped = Buffer.from(whole)
      swapped.set(page(nth), other * 512)
      swapped.set(page(other), nth * 512)
      const doubled = Buffer.from(whole)
      doubled.set(page(nth), other * 512)
      const garbled = Buffer.from(whole)
      for (let at = nth * 512; at < nth * 512 + 512; at++) garbled[at] = random(256)
      for (const [what, bytes] of Object.entries({ zeroed, swapped, doubled, garbled }))
        await use(bytes, undefined, `page ${nth} ${what} (${other})`)
    }
    assert.ok((await use(Buffer.concat([whole, Buffer.alloc(5000, 0xa5)]))) > 0)
  })

  test('F12 many bits flipped at once', async (t) => {
    t.diagnostic(`seed ${SEED}`)
    const random = randomFrom(SEED)
    for (let round = 0; round < 300; round++) {
      let bytes = whole
      for (let flip = 0; flip < 2 + random(100); flip++) bytes = flipped(bytes, random(whole.length * 8))
      await use(bytes, undefined, `round ${round}`)
    }
  })

  test('F12 F13 two rows whose bytes were swapped, and lengths that are lies: misses', async () => {
    const file = path.join(folder, 'swapped.db')
    writeFileSync(file, whole, { mode: 0o600 })
    await within(file, (connection) => {
      connection.exec(`
        UPDATE entries SET key = 'aside' WHERE key = 'key 5';
        UPDATE entries SET key = 'key 5' WHERE key = 'key 6';
        UPDATE entries SET key = 'key 6' WHERE key = 'aside';
        UPDATE entries SET bytes = (SELECT bytes FROM entries WHERE key = 'key 4') WHERE key = 'key 3';
        UPDATE entries SET bytes = zeroblob(100) WHERE key = 'key 7';
        UPDATE entries SET bytes = 'a text' WHERE key = 'key 8';
        UPDATE entries SET bytes = 4294967295 WHERE key = 'key 9';
        UPDATE entries SET bytes = substr(bytes, 1, 20) WHERE key = 'key 10';
        UPDATE times SET expires_at = -1, used_at = 9007199254740993, size = -5 WHERE id = 12`)
    })
    const storage = sqliteStorage({ path: file })
    const found = await valuesOf(storage, ...KEYS)
    await storage.close()
    const misses = KEYS.filter((_, index) => found[index] === undefined)
    assert.deepEqual(misses, ['key 3', 'key 5', 'key 6', 'key 7', 'key 8', 'key 9', 'key 10'])
  })
})
