/** Where the database is by convention of the platform, and whether what is there may be trusted. */

import { accessSync, chmodSync, closeSync, constants, fchmodSync, lstatSync, mkdirSync, openSync, type Stats } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { SqliteError } from './errors.js'

type Environment = Readonly<Record<string, string | undefined>>

const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600
/** Whoever may write in a directory may put another file in our place. */
const WRITABLE_BY_OTHERS = 0o022
const STICKY = 0o1000

/** The directory for caches: `SLUICE_CACHE_DIR`, or `sluice` where the platform keeps those of a user. */
export function defaultDirectory(env: Environment, platform: string, home: () => string): string {
  const { SLUICE_CACHE_DIR: own, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = env
  if (own) return own
  if (platform === 'darwin') return join(home(), 'Library', 'Caches', 'sluice')
  if (platform === 'win32') return join(local || join(home(), 'AppData', 'Local'), 'sluice', 'Cache')
  // By the XDG Base Directory Specification, one that is not absolute does not count.
  return join(xdg && isAbsolute(xdg) ? xdg : join(home(), '.cache'), 'sluice')
}

export function directoryOfThisUser(): string {
  return defaultDirectory(process.env, process.platform, homedir)
}

/** Whether `SLUICE_NO_CACHE` says to keep nothing on disk. */
export function isSwitchedOff({ SLUICE_NO_CACHE: said = '' }: Environment): boolean {
  return said !== '' && said !== '0' && said !== 'false'
}

/** Makes `directory`, for its user alone; one that is there must be that already, as far as writing is concerned. */
export function secureDirectory(directory: string): void {
  if (mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE }) !== undefined) {
    // Whatever the umask left of it.
    chmodSync(directory, DIRECTORY_MODE)
  }
  const stats = lstatSync(directory)
  if (!stats.isDirectory()) throw unsafe(directory, 'a directory (no link to one)')
  assertOwn(directory, stats)
  const isOpen = process.platform !== 'win32' && (stats.mode & WRITABLE_BY_OTHERS) !== 0 && (stats.mode & STICKY) === 0
  if (isOpen) throw unsafe(directory, 'a directory that nobody but its owner can write')
}

/** Makes `file`, for its user alone, or checks that it is a plain one of theirs, as those are that SQLite keeps beside it. */
export function secureFile(file: string): void {
  for (const beside of [`${file}-wal`, `${file}-shm`, `${file}-journal`]) {
    const stats = lstatSync(beside, { throwIfNoEntry: false })
    if (stats !== undefined) assertPlain(beside, stats)
  }
  const stats = lstatSync(file, { throwIfNoEntry: false })
  if (stats === undefined) return create(file)
  assertPlain(file, stats)
  if ((stats.mode & 0o077) !== 0 && process.platform !== 'win32') chmodSync(file, FILE_MODE)
}

/** Whether `file` could be written, and the files beside it: then it is not for want of that if it cannot. */
export function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK)
    accessSync(dirname(file), constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Which file is at this path, or nothing where there is none. */
export function identityOf(file: string): string | undefined {
  const stats = lstatSync(file, { throwIfNoEntry: false, bigint: true })
  return stats && `${stats.dev}:${stats.ino}`
}

function create(file: string): void {
  const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW = 0 } = constants
  try {
    const descriptor = openSync(file, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, FILE_MODE)
    try {
      fchmodSync(descriptor, FILE_MODE)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    // Another process was faster, and has made it as we would have.
    if ((error as { code?: string }).code !== 'EEXIST') throw error
  }
}

function assertPlain(file: string, stats: Stats): void {
  if (!stats.isFile() || stats.nlink > 1) throw unsafe(file, 'a plain file with one name (no link, pipe or device)')
  assertOwn(file, stats)
}

function assertOwn(file: string, { uid }: Stats): void {
  const own = process.geteuid?.()
  if (own !== undefined && uid !== own) throw unsafe(file, `owner ${own}, received ${uid}`)
}

function unsafe(file: string, expected: string): SqliteError {
  return new SqliteError('ERR_UNSAFE_PATH', `${file} is not safe: expected ${expected}`)
}
