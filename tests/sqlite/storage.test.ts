/** `sqliteStorage` as a tier: what it keeps, for how long, and what has to leave. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { BatchProcessor } from '../../js/index.js'
import { SqliteError, sqliteStorage } from '../../js/sqlite/index.js'
import { contentsOf, rowsOf, scratch, setUpStorage, valuesOf, within } from '../support/sqlite.js'

const KIB = 1024
const MIB = 2 ** 20
/** Of so many bytes as JSON, and no two the same. */
const textOf = (nth: number, bytes = KIB): string => `${nth}:`.padEnd(bytes - 2, 'v')
const entriesOf = (from: number, to: number, bytes = KIB) =>
  Array.from({ length: to - from }, (_, at) => ({ key: `key ${from + at}`, value: textOf(from + at, bytes) }))

describe('what is kept', () => {
  test('is there for the next process, which begins with nothing but the file', async (t) => {
    const storage = setUpStorage(t)
    await storage.mset([
      { key: 'a', value: { list: [1, null, 'x'] } },
      { key: 'b', value: null },
      { key: 'bytes', value: Uint8Array.of(0, 255) },
    ])
    await storage.close()
    const next = setUpStorage(t, { path: storage.path })
    const [a, none, b, bytes] = await valuesOf(next, 'a', 'none', 'b', 'bytes')
    assert.deepEqual([a, none, b], [{ list: [1, null, 'x'] }, undefined, null])
    assert.deepEqual([...(bytes as Uint8Array)], [0, 255])
  })

  test('is kept by its whole key: lone surrogates, NULs, forms and case are told apart, and listed as they are', async (t) => {
    const keys = [
      '',
      'a',
      'A',
      'a\0',
      'a\0b',
      '\0',
      '\ud800',
      '\udfff',
      '\ufffd',
      '\ud800\udc00',
      'é',
      'e\u0301',
      '\ufeffa',
      '__proto__',
      '\ud800a',
      'x'.repeat(5000),
    ]
    const storage = setUpStorage(t)
    await storage.mset(keys.map((key, at) => ({ key, value: at })))
    assert.deepEqual(await valuesOf(storage, ...keys), [...keys.keys()])
    assert.deepEqual(new Set((await contentsOf(storage)).keys()), new Set(keys))
    await storage.mdelete(['\ud800', 'a\0'])
    assert.deepEqual(await valuesOf(storage, '\ud800', '\udfff', 'a\0', 'a'), [undefined, 7, undefined, 1])
  })

  test('is replaced, removed, and cleared', async (t) => {
    const storage = setUpStorage(t)
    await storage.mset(entriesOf(0, 3))
    await storage.mset([{ key: 'key 1', value: 'new' }])
    await storage.mdelete(['key 0', 'no such key'])
    assert.deepEqual(
      await contentsOf(storage),
      new Map([
        ['key 1', 'new'],
        ['key 2', textOf(2)],
      ]),
    )
    await storage.clear()
    assert.deepEqual(await contentsOf(storage), new Map())
    assert.deepEqual(await rowsOf(storage.path, 'SELECT * FROM times'), [])
  })

  test('is read and written in any number, each key in its place', async (t) => {
    const storage = setUpStorage(t)
    const entries = entriesOf(0, 5000, 20)
    await storage.mset(entries)
    const asked = entries.flatMap(({ key }) => [key, `no ${key}`, key])
    const found = await valuesOf(storage, ...asked)
    assert.deepEqual(
      found,
      entries.flatMap(({ value }) => [value, undefined, value]),
    )
    assert.equal((await contentsOf(storage)).size, 5000)
  })

  test('is what a processor answers with, from its tier, without a call', async (t) => {
    const storage = setUpStorage(t)
    const first = new BatchProcessor({ storage: sqliteStorage({ path: storage.path }) })
    await first.getCachedDataBatch([1, 2].map((id) => ({ key: `user:${id}`, fetchFunction: () => ({ id }) })))
    await first.close()
    const second = new BatchProcessor({ storage })
    const fetchFunction = () => assert.fail('it was fetched')
    const outcomes = await second.getCachedDataBatchSettled([1, 2].map((id) => ({ key: `user:${id}`, fetchFunction })))
    assert.deepEqual(
      outcomes.map(({ source }) => source),
      ['sqlite', 'sqlite'],
    )
    assert.deepEqual(await second.mget(['user:1', 'user:2']), [{ id: 1 }, { id: 2 }])
    await second.close()
  })
})

describe('time', () => {
  test('what has expired is a miss, and its row is removed by the next write', async (t) => {
    const storage = setUpStorage(t)
    await storage.open()
    const soon = Date.now() + 60
    await storage.mset([
      { key: 'short', value: 1, expiresAt: soon },
      { key: 'long', value: 2 },
    ])
    assert.deepEqual(await valuesOf(storage, 'short', 'long'), [1, 2])
    while (Date.now() < soon) await delay(10)
    assert.deepEqual(await valuesOf(storage, 'short', 'long'), [undefined, 2])
    await storage.mset([{ key: 'new', value: 3 }])
    assert.deepEqual(
      await rowsOf(storage.path, 'SELECT count(*) AS rows FROM entries'),
      await rowsOf(storage.path, 'SELECT 2 AS rows'),
    )
  })

  test('and by the upkeep of a process that only reads, where room is short', async (t) => {
    const storage = setUpStorage(t, { maxBytes: MIB })
    await storage.mset([...entriesOf(0, 400), { key: 'short', value: 1, expiresAt: Date.now() + 1 }])
    await delay(5)
    await storage.close()
    await storage.mget(['key 0'])
    await storage.close()
    assert.equal((await rowsOf(storage.path, 'SELECT id FROM times')).length, 400)
  })

  test('nothing is kept for longer than the ttl, nor for longer than it says itself', async (t) => {
    const storage = setUpStorage(t, { ttl: 10_000 })
    const now = Date.now()
    await storage.mset([
      { key: 'for ever', value: 1 },
      { key: 'longer', value: 2, expiresAt: now + 20_000 },
      { key: 'shorter', value: 3, expiresAt: now + 5000 },
    ])
    const left = (await storage.mget(['for ever', 'longer', 'shorter'])).map((entry) =>
      Math.round(((entry?.expiresAt ?? 0) - now) / 5000),
    )
    assert.deepEqual(left, [2, 2, 1])
  })

  test('with an infinite ttl, what has no end has none', async (t) => {
    const storage = setUpStorage(t, { ttl: Number.POSITIVE_INFINITY })
    await storage.mset([{ key: 'a', value: 1 }])
    assert.deepEqual(await storage.mget(['a']), [{ value: 1 }])
    assert.equal((await rowsOf(storage.path, 'SELECT id FROM times WHERE expires_at IS NULL')).length, 1)
  })
})

describe('room', () => {
  test('the least recently used leave, what is used stays, and the file never has more than maxBytes', async (t) => {
    const storage = setUpStorage(t, { maxBytes: 2 * MIB })
    const favourites = ['key 0', 'key 7', 'key 13']
    await storage.mset(entriesOf(0, 100))
    for (let from = 100; from < 6000; from += 100) {
      await storage.mset(entriesOf(from, from + 100))
      assert.ok(
        (await valuesOf(storage, ...favourites)).every((value) => value !== undefined),
        `before ${from}`,
      )
      assert.ok(statSync(storage.path).size <= 2 * MIB)
    }
    const kept = await contentsOf(storage)
    for (const [key, value] of kept) assert.equal(value, textOf(Number(key.slice(4))))
    assert.ok(kept.has('key 5999') && !kept.has('key 1') && !kept.has('key 1000'))
    // At least half of what there is room for, as pages are not full.
    assert.ok(kept.size * KIB > 0.5 * 0.85 * 2 * MIB, `${kept.size} are kept`)
    assert.equal((await rowsOf(storage.path, 'SELECT id FROM times')).length, kept.size)
  })

  for (const [what, maxBytes, noted] of [
    ['noted together, where room is short', MIB, 11],
    ['not noted, where there is plenty', 100 * MIB, 1],
  ] as const) {
    test(`reading writes nothing: uses are ${what}`, async (t) => {
      const storage = setUpStorage(t, { maxBytes })
      await storage.mset(entriesOf(0, 400))
      const log = `${storage.path}-wal`
      const before = readFileSync(log)
      await delay(2)
      for (let round = 0; round < 20; round++) await storage.mget(entriesOf(0, 10).map(({ key }) => key))
      assert.deepEqual(readFileSync(log), before)
      await storage.mset([{ key: 'another', value: 1 }])
      const latest = 'SELECT id FROM times WHERE used_at = (SELECT max(used_at) FROM times)'
      assert.equal((await rowsOf(storage.path, latest)).length, noted)
    })
  }

  test('what nothing can make room for is not kept, and what it was to replace is gone', async (t) => {
    const storage = setUpStorage(t, { maxBytes: MIB })
    await storage.mset([
      { key: 'big', value: 'small' },
      { key: 'other', value: 1 },
    ])
    await storage.mset([{ key: 'big', value: 'x'.repeat(900 * KIB) }])
    assert.deepEqual(await valuesOf(storage, 'big', 'other'), [undefined, 1])
  })

  test('a limit that was lowered is kept from then on, and the file becomes shorter', async (t) => {
    const storage = setUpStorage(t, { maxBytes: 16 * MIB })
    await storage.mset(entriesOf(0, 8000))
    await storage.close()
    const before = statSync(storage.path).size
    assert.ok(before > 8 * MIB)
    const less = setUpStorage(t, { path: storage.path, maxBytes: 2 * MIB })
    for (let round = 0; round < 20; round++) {
      await less.mset(entriesOf(10_000 + round, 10_001 + round))
      await less.mget(['key 10000'])
      await less.close()
    }
    assert.ok(statSync(less.path).size <= 2 * MIB, `${before} became ${statSync(less.path).size}`)
    assert.deepEqual(await valuesOf(less, 'key 10019'), [textOf(10_019)])
  })

  test('entries of all sizes find room, one after another and many at once', async (t) => {
    const storage = setUpStorage(t, { maxBytes: 4 * MIB })
    for (const bytes of [10, 500, 2100, 4000, 9000, 70_000, 300_000]) {
      const entries = entriesOf(0, Math.ceil((8 * MIB) / bytes / 10), bytes)
      await storage.mset(entries)
      await storage.mset(entries.slice(-1))
      assert.deepEqual(await valuesOf(storage, entries.at(-1)?.key ?? ''), [entries.at(-1)?.value])
      assert.ok(statSync(storage.path).size <= 4 * MIB)
    }
  })
})

describe('the file', () => {
  test('is opened by the first use, once for all who ask, and let go by close', async (t) => {
    const directory = path.join(scratch(t), 'made', 'for us')
    const storage = setUpStorage(t, { directory })
    assert.ok(!existsSync(directory))
    await Promise.all([storage.mget(['a']), storage.mset([{ key: 'a', value: 1 }]), storage.open()])
    assert.deepEqual(readdirSync(directory).sort(), ['sqlite.db', 'sqlite.db-shm', 'sqlite.db-wal'])
    await storage.close()
    assert.deepEqual(readdirSync(directory), ['sqlite.db'])
    assert.deepEqual(await valuesOf(storage, 'a'), [1])
  })

  test('that is garbage is moved aside, and a new one begun: the read is a miss', async (t) => {
    const directory = scratch(t)
    writeFileSync(path.join(directory, 'sqlite.db'), 'no database, and longer than the header of one would be '.repeat(100))
    const storage = setUpStorage(t, { directory })
    assert.deepEqual(await valuesOf(storage, 'a'), [undefined])
    await storage.mset([{ key: 'a', value: 1 }])
    assert.deepEqual(await valuesOf(storage, 'a'), [1])
    await storage.close()
    assert.deepEqual(readdirSync(directory).sort(), ['sqlite.db', 'sqlite.db.corrupt'])
    assert.match(readFileSync(path.join(directory, 'sqlite.db.corrupt'), 'utf8'), /^no database/)
  })

  test('that becomes corrupt while it is open is, too, without an error of a read or a write', async (t) => {
    const storage = setUpStorage(t)
    await storage.mset(entriesOf(0, 500))
    await storage.close()
    await storage.mget(['key 1'])
    const bytes = readFileSync(storage.path)
    writeFileSync(storage.path, bytes.fill(0x55, 100))
    const keys = entriesOf(0, 500).map(({ key }) => key)
    for (const [index, value] of (await valuesOf(storage, ...keys)).entries())
      assert.ok(value === undefined || value === textOf(index))
    await storage.mset([{ key: 'a', value: 1 }])
    await storage.close()
    assert.deepEqual(await valuesOf(storage, 'a'), [1])
    assert.ok(existsSync(`${storage.path}.corrupt`))
  })

  test('of a newer version is left alone, down to the byte, and costs misses', async (t) => {
    const storage = setUpStorage(t)
    await storage.mset([{ key: 'a', value: 1 }])
    await storage.close()
    await within(storage.path, (connection) => connection.exec('PRAGMA journal_mode = DELETE; PRAGMA user_version = 2'))
    const before = readFileSync(storage.path)
    await assert.rejects(storage.open(), (error) => {
      assert.ok(error instanceof SqliteError)
      assert.deepEqual([error.code, error.family, error.name], ['ERR_FOREIGN_DATABASE', 'internal', 'SqliteError'])
      return /newer version.*schema 2, expected 1/.test(error.message)
    })
    const processor = new BatchProcessor({ storage })
    assert.equal(await processor.getCachedData('a', () => 'fetched'), 'fetched')
    await processor.close()
    assert.deepEqual(readFileSync(storage.path), before)
  })

  test('of something else is left alone, too', async (t) => {
    const file = path.join(scratch(t), 'theirs.db')
    writeFileSync(file, '')
    await within(file, (connection) => connection.exec('CREATE TABLE theirs (a)'))
    const before = readFileSync(file)
    await assert.rejects(setUpStorage(t, { path: file }).open(), { code: 'ERR_FOREIGN_DATABASE' })
    assert.deepEqual(readFileSync(file), before)
  })

  test('that was deleted is begun anew by the next write, and a process that begins then finds that', async (t) => {
    const storage = setUpStorage(t)
    await storage.mset([{ key: 'a', value: 1 }])
    rmSync(path.dirname(storage.path), { recursive: true })
    assert.deepEqual(await valuesOf(storage, 'a'), [1])
    await storage.mset([{ key: 'b', value: 2 }])
    assert.deepEqual(await valuesOf(setUpStorage(t, { path: storage.path }), 'a', 'b'), [undefined, 2])
  })
})

describe('locks of others', () => {
  test('are waited for without blocking: the write is done when they are gone', async (t) => {
    const storage = setUpStorage(t)
    await storage.open()
    await within(storage.path, async (connection) => {
      connection.exec('BEGIN IMMEDIATE')
      let isWritten = false
      const written = storage.mset([{ key: 'a', value: 1 }]).then(() => {
        isWritten = true
      })
      let longest = 0
      for (let turn = 0, before = performance.now(); turn < 60; turn++) {
        await delay(5)
        longest = Math.max(longest, performance.now() - before)
        before = performance.now()
      }
      assert.equal(isWritten, false)
      assert.ok(longest < 200, `a turn of 5 ms took ${longest} ms`)
      assert.deepEqual(await valuesOf(storage, 'a'), [undefined], 'reads wait for no writer')
      connection.exec('COMMIT')
      await written
    })
    assert.deepEqual(await valuesOf(storage, 'a'), [1])
  })

  test('are waited for no longer than busyTimeoutMs; close waits for what is under way', async (t) => {
    const storage = setUpStorage(t, { busyTimeoutMs: 30 })
    await storage.open()
    await within(storage.path, async (connection) => {
      connection.exec('BEGIN IMMEDIATE')
      const refused = assert.rejects(async () => storage.mset([{ key: 'a', value: 1 }]), /locked|busy/)
      await storage.close()
      await refused
      connection.exec('COMMIT')
    })
    assert.deepEqual(await valuesOf(storage, 'a'), [undefined])
  })
})
