/**
 * What is read and written, and what has to leave for it: what has expired, then what was used least recently.
 *
 * A use is not written when it happens: uses are gathered, and noted with the next write or upkeep, in a table of small rows. While less than half of the
 * room is taken they are not noted at all, as nothing will have to leave soon: who only reads then writes nothing.
 */

import type { ByteEntry } from '../bytes/store.js'
import { type Database, toColumn } from './database.js'

/** Uses that wait to be noted; more are noted at once, or forgotten where that fails. */
const USED_MAX = 5000
/** Rows that one transaction removes besides what it needs itself, so that none takes long. */
const EXPIRED_PER_WRITE = 200
const REMOVED_PER_STEP = 100
const STEPS_MAX = 10
/** Beside its key and bytes, a row has headers, two ids, its times, and its places in three indices. */
const ROW_BYTES = 150
/** A part of the limit that one transaction may fill, as nothing leaves in the midst of it. */
const PIECE = 0.05
const PIECE_BYTES_MAX = 8 * 2 ** 20
const PIECE_ENTRIES_MAX = 1000
const PAGES_GIVEN_BACK = 256

export interface Limits {
  readonly maxBytes: number
  readonly cleanUpAt: number
}

export class Keeper {
  /** Bytes of pages in use beyond which entries leave. */
  readonly #threshold: number
  readonly #maxBytes: number
  #used = new Set<number>()

  constructor({ maxBytes, cleanUpAt }: Limits) {
    this.#threshold = maxBytes * cleanUpAt
    this.#maxBytes = maxBytes
  }

  /** Whether uses wait to be noted. */
  get isDue(): boolean {
    return this.#used.size > 0
  }

  read(database: Database, keys: readonly string[]): (Uint8Array | undefined)[] {
    return database.transact('read', ({ find }) => {
      const isNoting = bytesInUse(database) > this.#threshold / 2
      return keys.map((key) => {
        const row = find.get(toColumn(key))
        if (!row) return undefined
        if (isNoting && this.#used.size < USED_MAX) this.#used.add(row.id as number)
        return row.bytes as Uint8Array
      })
    })
  }

  /** What is written in one transaction each. */
  piecesOf(entries: readonly ByteEntry[]): ByteEntry[][] {
    const bytesMax = Math.min(PIECE_BYTES_MAX, this.#threshold * PIECE)
    const pieces: ByteEntry[][] = []
    let bytes = Number.POSITIVE_INFINITY
    for (const entry of entries) {
      const size = sizeOf(entry)
      if (bytes + size > bytesMax || pieces.at(-1)?.length === PIECE_ENTRIES_MAX) {
        pieces.push([])
        bytes = 0
      }
      bytes += size
      pieces.at(-1)?.push(entry)
    }
    return pieces
  }

  write(database: Database, entries: readonly ByteEntry[]): void {
    database.transact('write', ({ put, putTimes, remove, removeTimes }) => {
      const now = Date.now()
      // What nothing can make room for is not kept; but what it replaces is gone.
      const fits = (entry: ByteEntry) => sizeOf(entry) <= this.#threshold / 2
      this.#maintain(
        database,
        now,
        entries.filter(fits).reduce((sum, entry) => sum + sizeOf(entry), 0),
      )
      for (const entry of entries) {
        const column = toColumn(entry.key)
        const row = fits(entry) ? put.get(column, entry.bytes) : remove.get(column)
        if (!row) continue
        if (fits(entry)) putTimes.run(row.id as number, now, expiryOf(entry), sizeOf(entry))
        else removeTimes.run(row.id as number)
      }
    })
  }

  /** Notes uses and removes what has expired, where no write has done so. */
  keepUp(database: Database): void {
    database.transact('write', () => this.#maintain(database, Date.now(), 0))
    this.#giveBack(database)
  }

  #maintain(database: Database, now: number, bytesComing: number): void {
    const { touch, expired } = database.statements
    const used = this.#used
    this.#used = new Set()
    for (const id of used) touch.run(now, id)
    for (const { id } of expired.all(now, EXPIRED_PER_WRITE)) removeRow(database, id as number)
    this.#makeRoom(database, bytesComing)
  }

  /** Removes what was used least recently, until there is room for `bytesComing` below the threshold. */
  #makeRoom(database: Database, bytesComing: number): void {
    const { leastUsed, oldest } = database.statements
    for (let step = 0; step < STEPS_MAX; step++) {
      let excess = bytesInUse(database) + bytesComing - this.#threshold
      if (excess <= 0) return
      let rows = leastUsed.all(REMOVED_PER_STEP)
      // Only where the table of times has been damaged.
      if (rows.length === 0) rows = oldest.all(REMOVED_PER_STEP)
      for (const { id, size } of rows) {
        if (excess <= 0) break
        removeRow(database, id as number)
        excess -= Number(size ?? ROW_BYTES)
      }
      if (rows.length === 0) return
    }
  }

  /** Makes the file shorter, a little at a time, if it is longer than it may be. */
  #giveBack(database: Database): void {
    const { bytes, free } = database.size
    if (bytes > this.#maxBytes && free > 0) database.exec(`PRAGMA incremental_vacuum(${PAGES_GIVEN_BACK})`)
  }
}

function removeRow({ statements: { removeAt, removeTimes } }: Database, id: number): void {
  removeAt.run(id)
  removeTimes.run(id)
}

function bytesInUse({ size: { bytes, free } }: Database): number {
  return bytes - free
}

/** What the entry takes of the file: about, and rather more than less. */
function sizeOf({ key, bytes }: ByteEntry): number {
  return Math.ceil(1.25 * (bytes.length + 2 * key.length)) + ROW_BYTES
}

/** A row that never expires has no time, and is in no index of times. */
function expiryOf({ expiresAt }: ByteEntry): number | null {
  return expiresAt === undefined || expiresAt > Number.MAX_SAFE_INTEGER ? null : Math.floor(expiresAt)
}
