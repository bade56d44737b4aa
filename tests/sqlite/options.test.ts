/** The options of `sqliteStorage`: bad ones are typed errors before anything is done; where the file is by default. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { SluiceError } from '../../js/index.js'
import { sqliteStorage } from '../../js/sqlite/index.js'
import { defaultDirectory } from '../../js/sqlite/location.js'
import { scratch } from '../support/sqlite.js'

const BAD: readonly [options: unknown, type: typeof TypeError | typeof RangeError, message: string, code?: string][] = [
  [null, TypeError, 'sqliteStorage(options): expected an object, received null'],
  ['file.db', TypeError, 'sqliteStorage(options): expected an object, received "file.db" (string)'],
  [
    { maxByte: 1 },
    TypeError,
    "sqliteStorage(options): expected no option 'maxByte'; did you mean 'maxBytes'?, received 1 (number)",
    'ERR_UNKNOWN_OPTION',
  ],
  [{ path: '' }, TypeError, 'sqliteStorage.path: expected a path, received "" (string)'],
  [{ path: 'a\0b' }, TypeError, 'sqliteStorage.path: expected a path, received "a\\u0000b" (string)'],
  [{ path: new URL('file:///tmp/x') }, TypeError, 'sqliteStorage.path: expected a path, received an object'],
  [{ directory: 7 }, TypeError, 'sqliteStorage.directory: expected a path, received 7 (number)'],
  [
    { path: 'a', directory: 'b' },
    TypeError,
    'sqliteStorage.directory: expected no directory beside a path, received "b" (string)',
  ],
  [
    { name: '../up' },
    TypeError,
    'sqliteStorage.name: expected a name of at most 100 letters, digits, and . - _ within, received "../up" (string)',
  ],
  [
    { name: '' },
    TypeError,
    'sqliteStorage.name: expected a name of at most 100 letters, digits, and . - _ within, received "" (string)',
  ],
  [
    { maxBytes: 1000 },
    RangeError,
    'sqliteStorage.maxBytes: expected bytes of at least 1,048,576, or Infinity, received 1000 (number)',
  ],
  [
    { maxBytes: '1 GiB' },
    TypeError,
    'sqliteStorage.maxBytes: expected bytes of at least 1,048,576, or Infinity, received "1 GiB" (string)',
  ],
  [
    { maxBytes: Number.NaN },
    RangeError,
    'sqliteStorage.maxBytes: expected bytes of at least 1,048,576, or Infinity, received NaN (number)',
  ],
  [{ cleanUpAt: 0 }, RangeError, 'sqliteStorage.cleanUpAt: expected a number from 0.1 to 0.95, received 0 (number)'],
  [{ cleanUpAt: 85 }, RangeError, 'sqliteStorage.cleanUpAt: expected a number from 0.1 to 0.95, received 85 (number)'],
  [{ ttl: 0 }, RangeError, 'sqliteStorage.ttl: expected milliseconds greater than 0, or Infinity, received 0 (number)'],
  [{ ttl: null }, TypeError, 'sqliteStorage.ttl: expected milliseconds greater than 0, or Infinity, received null'],
  [
    { busyTimeoutMs: -1 },
    RangeError,
    'sqliteStorage.busyTimeoutMs: expected milliseconds of at least 0, or Infinity, received -1 (number)',
  ],
  [
    { driver: 'sqlite3' },
    RangeError,
    "sqliteStorage.driver: expected one of 'node:sqlite', 'bun:sqlite', 'better-sqlite3', received \"sqlite3\" (string)",
  ],
]

for (const [options, type, message, code = 'ERR_INVALID_OPTION'] of BAD) {
  test(message, () => {
    assert.throws(
      () => sqliteStorage(options as never),
      (error) => error instanceof type && error instanceof SluiceError && error.message === message && error.code === code,
    )
  })
}

test('an option that is undefined is one that was not given', () => {
  const { path: file } = sqliteStorage({ path: undefined, directory: '/d', name: undefined, maxBytes: undefined, ttl: undefined })
  assert.equal(file, path.resolve('/d/sqlite.db'))
})

test('options do nothing by being right', (t) => {
  const directory = path.join(scratch(t), 'none')
  sqliteStorage({
    directory,
    maxBytes: 2 ** 20,
    cleanUpAt: 0.5,
    ttl: 1,
    busyTimeoutMs: 0,
    driver: 'bun:sqlite',
    name: 'my-app.v2',
  })
  assert.ok(!existsSync(directory))
})

describe('the directory by default', () => {
  const home = () => '/home/u'

  test('is SLUICE_CACHE_DIR, on every platform', () => {
    for (const platform of ['linux', 'darwin', 'win32']) {
      assert.equal(defaultDirectory({ SLUICE_CACHE_DIR: '/own', XDG_CACHE_HOME: '/xdg' }, platform, home), '/own')
    }
  })

  test('is by the XDG convention, where a path that is not absolute does not count', () => {
    assert.equal(defaultDirectory({}, 'linux', home), '/home/u/.cache/sluice')
    assert.equal(defaultDirectory({ XDG_CACHE_HOME: '/xdg' }, 'freebsd', home), '/xdg/sluice')
    assert.equal(defaultDirectory({ XDG_CACHE_HOME: 'relative' }, 'linux', home), '/home/u/.cache/sluice')
    assert.equal(defaultDirectory({ XDG_CACHE_HOME: '', SLUICE_CACHE_DIR: '' }, 'linux', home), '/home/u/.cache/sluice')
  })

  test('is that of macOS, and of Windows', () => {
    assert.equal(defaultDirectory({ XDG_CACHE_HOME: '/xdg' }, 'darwin', home), '/home/u/Library/Caches/sluice')
    assert.equal(defaultDirectory({ LOCALAPPDATA: '/local' }, 'win32', home), '/local/sluice/Cache')
    assert.equal(defaultDirectory({}, 'win32', home), '/home/u/AppData/Local/sluice/Cache')
  })
})
