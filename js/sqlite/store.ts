/**
 * A store of bytes in a SQLite database that other processes use, too. It is opened by its first use, begun anew where it is found corrupt or gone, and
 * waits for locks without blocking.
 */

import { dirname } from 'node:path'
import type { ByteEntry, ByteStore } from '../bytes/store.js'
import { Database, fromColumn, moveAside, toColumn } from './database.js'
import { type DriverName, loadDriver, refusalOf } from './drivers.js'
import { Keeper } from './keeper.js'
import { identityOf, isWritable, secureDirectory, secureFile } from './location.js'

export interface StoreOptions {
  readonly file: string
  readonly maxBytes: number
  readonly cleanUpAt: number
  readonly busyTimeoutMs: number
  readonly driver: DriverName | undefined
}

/** Keys that are read in one transaction; between two of them, others get a turn. */
const KEYS_PER_READ = 2000
const KEYS_PER_LISTING = 1000
/** After a failure to open the file, it is left alone for so long. */
const COOL_DOWN_MS = 1000
/** Uses are noted, and what has expired is removed, this long after a read, unless a write does so before. */
const UPKEEP_MS = 2000
/** How often a read looks whether the file is still there. A write always does. */
const LOOK_MS = 1000
const PAUSE_MS_MAX = 20

export class SqliteStore implements ByteStore {
  readonly name = 'sqlite'
  readonly #options: StoreOptions
  readonly #keeper: Keeper
  readonly #running = new Set<Promise<unknown>>()
  #database: Database | undefined
  #opening: Promise<Database> | undefined
  /** Which file is to be moved aside before one is opened. */
  #condemned: string | undefined
  #failure: { readonly error: unknown; readonly until: number } | undefined
  #lookedAt = 0
  #upkeep: ReturnType<typeof setTimeout> | undefined

  constructor(options: StoreOptions) {
    this.#options = options
    this.#keeper = new Keeper(options)
  }

  /** Opens the database, unless it is open. */
  async open(): Promise<void> {
    await this.#attempt('read', () => {})
  }

  async mget(keys: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = []
    for (let at = 0; at < keys.length; at += KEYS_PER_READ) {
      if (at > 0) await turn()
      const some = keys.slice(at, at + KEYS_PER_READ)
      found.push(...(await this.#attempt('read', (database) => this.#keeper.read(database, some))))
    }
    if (this.#keeper.isDue) this.#planUpkeep()
    return found
  }

  async mset(entries: readonly ByteEntry[]): Promise<void> {
    for (const [index, some] of this.#keeper.piecesOf(entries).entries()) {
      if (index > 0) await turn()
      await this.#attempt('write', (database) => this.#keeper.write(database, some))
    }
  }

  async mdelete(keys: readonly string[]): Promise<void> {
    await this.#attempt('write', (database) =>
      database.transact('write', ({ remove, removeTimes }) => {
        for (const key of keys) {
          // A second time only where the index has been damaged: what is removed must not be found again.
          for (let row = remove.get(toColumn(key)); row; row = remove.get(toColumn(key))) removeTimes.run(row.id as number)
        }
      }),
    )
  }

  async clear(): Promise<void> {
    await this.#attempt('write', (database) =>
      database.transact('write', ({ removeAll, removeAllTimes }) => {
        removeAll.run()
        removeAllTimes.run()
      }),
    )
  }

  async *keys(): AsyncIterable<string> {
    for (let after = Number.MIN_SAFE_INTEGER; ; ) {
      const last = after
      const rows = await this.#attempt('read', ({ statements }) => statements.keysAfter.all(last, KEYS_PER_LISTING))
      for (const { id, type, key } of rows) {
        after = id as number
        yield fromColumn(type as string, key as Uint8Array)
      }
      if (rows.length < KEYS_PER_LISTING) return
    }
  }

  /** Lets go of the file, when what is under way has ended. A later use opens it again. */
  async close(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
    clearTimeout(this.#upkeep)
    this.#upkeep = undefined
    if (this.#database !== undefined && this.#keeper.isDue) this.#keepUp()
    this.#drop()
    this.#failure = undefined
  }

  /** Does `work` with the database: again where others hold a lock, and with a new one where it is corrupt. */
  #attempt<T>(kind: 'read' | 'write', work: (database: Database) => T): Promise<T> {
    const running = this.#try(kind, work)
    this.#running.add(running)
    const end = () => this.#running.delete(running)
    running.then(end, end)
    return running
  }

  async #try<T>(kind: 'read' | 'write', work: (database: Database) => T): Promise<T> {
    const giveUpAt = performance.now() + this.#options.busyTimeoutMs
    for (let isRenewed = false; ; ) {
      try {
        return work(this.#current(kind) ?? (await this.#opened()))
      } catch (error) {
        const refusal = refusalOf(error)
        // One bit of its header says that a file is not to be written.
        const isCorrupt = refusal === 'corrupt' || (refusal === 'readonly' && isWritable(this.#options.file))
        if (refusal === 'busy' && performance.now() < giveUpAt) await pause()
        else if (isCorrupt && !isRenewed) {
          isRenewed = true
          this.#condemned ??= this.#database?.identity
          this.#drop()
        } else {
          // A connection that met a failing disk is not to be trusted: the next use opens another.
          if (refusal !== 'busy') this.#drop()
          throw error
        }
      }
    }
  }

  /** The open database, if there is one and it is still what is at its path. */
  #current(kind: 'read' | 'write'): Database | undefined {
    const now = performance.now()
    if (this.#database === undefined || (kind === 'read' && now - this.#lookedAt < LOOK_MS)) return this.#database
    this.#lookedAt = now
    if (!this.#database.isCurrent) this.#drop()
    return this.#database
  }

  /** Opens the database, once for all who ask at the same time. */
  #opened(): Promise<Database> {
    if (this.#failure !== undefined && performance.now() < this.#failure.until) return Promise.reject(this.#failure.error)
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #open(): Promise<Database> {
    const { file, driver, maxBytes } = this.#options
    let identity: string | undefined
    try {
      const open = await loadDriver(driver)
      secureDirectory(dirname(file))
      if (this.#condemned !== undefined) moveAside(file, this.#condemned)
      this.#condemned = undefined
      secureFile(file)
      identity = identityOf(file)
      this.#database = new Database(open, file, maxBytes)
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal === 'corrupt') this.#condemned = identity
      else if (refusal !== 'busy') this.#failure = { error, until: performance.now() + COOL_DOWN_MS }
      throw error
    }
    this.#failure = undefined
    this.#lookedAt = performance.now()
    return this.#database
  }

  #drop(): void {
    this.#database?.close()
    this.#database = undefined
  }

  #planUpkeep(): void {
    if (this.#upkeep !== undefined) return
    this.#upkeep = setTimeout(() => {
      this.#upkeep = undefined
      this.#keepUp()
    }, UPKEEP_MS)
    this.#upkeep.unref?.()
  }

  /** Best effort: who reads waits for nothing of it, and what is not done now is done by the next write. */
  #keepUp(): void {
    try {
      const database = this.#current('write')
      if (database !== undefined) this.#keeper.keepUp(database)
    } catch (error) {
      if (refusalOf(error) !== 'busy') this.#drop()
    }
  }
}

/** Lets others have a turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Not equally long for all who wait for the same lock. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * PAUSE_MS_MAX))
}
