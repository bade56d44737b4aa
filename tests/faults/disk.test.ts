/** A disk that is full, read-only, forbidden, gone or failing, and what may lie at a path: it costs misses, counted, and never a read. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { BatchProcessor } from '../../js/index.js'
import { sqliteStorage } from '../../js/sqlite/index.js'
import { contentsOf, ROOT, rowsOf, runProgram, scratch, setUpStorage, valuesOf, within } from '../support/sqlite.js'

const isRoot = process.geteuid?.() === 0
const NOBODY = 65_534
const noRoot = isRoot ? false : 'only root may do that'
const noStrace = spawnSync('strace', ['-V']).status === 0 ? false : 'there is no strace'
const noMounts = canMount() ? false : 'nothing can be mounted here'

/**
 * For programs in processes of their own: a processor over the file that is their first argument. `ask` answers whether a key was fetched, `write` keeps
 * so many bytes and waits for that, and `errors` counts those of the tier so far.
 */
const SET_UP = `
  import { BatchProcessor } from 'sluice'
  import { sqliteStorage } from 'sluice/sqlite'
  const [, file, ...args] = process.argv
  const storage = sqliteStorage({ path: file, maxBytes: 64 * 2 ** 20, busyTimeoutMs: 200 })
  const ask = async (...keys) => {
    const processor = new BatchProcessor({ storage })
    let calls = 0
    const values = await processor.getCachedDataBatch(keys.map((key) => ({ key, fetchFunction: () => (calls++, 'value of ' + key) })))
    if (values.some((value, at) => typeof value !== 'string' || !value.startsWith('value of ' + keys[at]))) throw new Error('wrong: ' + values)
    await processor.close()
    errors += (await processor.metrics()).tiers[0].errors
    return calls
  }
  let errors = 0
  const write = (key, bytes) => storage.mset([{ key, value: 'value of ' + key + ' '.repeat(bytes) }]).then(() => 'ok', (error) => error.code)
  const say = (...what) => console.log(JSON.stringify(what))
`

interface Ran {
  readonly said: unknown[][]
}

/** What the program said, having ended well. */
async function runWithFile(file: string, program: string, options: Parameters<typeof runProgram>[1] = {}): Promise<Ran> {
  const { stdout, stderr, code, signal } = await runProgram(SET_UP + program, {
    ...options,
    args: [file, ...(options.args ?? [])],
  })
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr)
  return {
    said: stdout
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  }
}

/** Injects into system calls on the file and its log. `-f`, as Node has threads; what SQLite does, it does in the first one. */
function strace(file: string, ...injections: string[]): string[] {
  const paths = ['', '-wal', '-shm'].flatMap((suffix) => ['-P', file + suffix])
  return [
    'strace',
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    ...paths,
    ...injections.flatMap((what) => ['-e', `inject=${what}`]),
    process.execPath,
  ]
}

describe('a disk that has no room', () => {
  test('F6 a file that may not grow (EFBIG): writes fail and are counted, reads go on, what is there stays', async (t) => {
    const file = path.join(scratch(t), 'full.db')
    const program = `
      say(await ask('before'), await write('kept', 1000))
      let failed = 0
      for (let nth = 0; nth < 40; nth++) if ((await write('big ' + nth, 100_000)) !== 'ok') failed++
      say(failed > 0, await ask('kept', 'not kept'))`
    // In blocks of 512 or 1,024 bytes, as the shell likes.
    const { said } = await runWithFile(file, program, {
      command: ['sh', '-c', 'ulimit -f 1500 && exec "$@"', 'sh', process.execPath],
    })
    assert.deepEqual(said, [
      [1, 'ok'],
      [true, 1],
    ])
    assert.deepEqual(await valuesOf(setUpStorage(t, { path: file }), 'before'), ['value of before'])
  })

  test('F6 a full file system (ENOSPC): reads go on, and with room again writes do', { skip: noMounts }, async (t) => {
    const folder = mount(t, '-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'tmpfs')
    const program = `
      import { rmSync, writeFileSync } from 'node:fs'
      say(await ask('before'), await write('kept', 1000))
      const ballast = args[0] + '/ballast'
      try { writeFileSync(ballast, Buffer.alloc(4 * 2 ** 20)) } catch (error) { say(error.code) }
      const outcomes = []
      for (let nth = 0; nth < 20; nth++) outcomes.push(await write('big ' + nth, 100_000))
      say(outcomes.includes('ok') && outcomes.every((each) => each === 'ok'), await ask('before', 'kept'), await ask('new'), await ask('new'))
      rmSync(ballast)
      say(await write('after', 1000), await ask('before', 'kept', 'after'))`
    const { said } = await runWithFile(path.join(folder, 'full.db'), program, { args: [folder] })
    const [, , [allWritten, known, first, second] = [], after] = said
    assert.deepEqual([said[0], said[1], allWritten, known, first], [[1, 'ok'], ['ENOSPC'], false, 0, 1])
    assert.ok(second === 0 || second === 1)
    assert.deepEqual(after, ['ok', 0])
  })

  test('F6 what does not fit under the limit makes room, over and over, and is there', async (t) => {
    const storage = setUpStorage(t, { maxBytes: 2 ** 20 })
    for (let nth = 0; nth < 50; nth++) {
      await storage.mset([{ key: `key ${nth}`, value: 'x'.repeat(100_000) }])
      assert.equal((await valuesOf(storage, `key ${nth}`))[0]?.toString().length, 100_000)
    }
  })
})

describe('a disk that fails', () => {
  const READS = "say(await ask('a', 'b', 'c') >= 0, await ask('a', 'new') >= 0, errors > 0)"
  const FAULTS: [ids: string, what: string, injections: string[]][] = [
    ['F7', 'no read succeeds (EIO)', ['pread64:error=EIO']],
    ['F7', 'a few reads fail (EIO)', ['pread64:error=EIO:when=7..40+3']],
    ['F7', 'no write succeeds (EIO)', ['pwrite64:error=EIO']],
    ['F7', 'no sync succeeds (EIO)', ['fdatasync,fsync:error=EIO']],
    ['F7', 'the file cannot be locked (EIO)', ['fcntl:error=EIO']],
    ['F6', 'no write succeeds (ENOSPC)', ['pwrite64:error=ENOSPC']],
    ['F6', 'the quota is used up (EDQUOT)', ['pwrite64,fallocate,ftruncate:error=EDQUOT']],
    ['F10', 'every call is interrupted once (EINTR)', ['pread64:error=EINTR:when=1+2', 'pwrite64:error=EINTR:when=1+2']],
    ['F9', 'nothing can be opened (EMFILE)', ['openat,open:error=EMFILE']],
  ]
  for (const [ids, what, injections] of FAULTS) {
    test(`${ids} ${what}: reads go on, right`, { skip: noStrace }, async (t) => {
      const file = path.join(scratch(t), 'failing.db')
      await runWithFile(file, "say(await ask('a', 'b', 'c'))")
      const { said } = await runWithFile(file, READS, { command: strace(file, ...injections) })
      assert.deepEqual(said[0]?.slice(0, 2), [true, true])
      // Afterwards the disk is well: it opens, and what is read is right.
      const { said: after } = await runWithFile(
        file,
        "say(await ask('a', 'b', 'c', 'new') <= 4, await ask('a', 'b', 'c', 'new'), errors)",
      )
      assert.deepEqual(after, [[true, 0, 0]])
    })
  }

  const LIES: [what: string, injection: string][] = [
    ['writes that are said to be done, and are not', 'pwrite64:retval=4096:when=5+4'],
    ['writes that are cut short, and the rest lost', 'pwrite64:retval=100:when=3+5'],
    ['a file that is said to have been made shorter', 'ftruncate:retval=0'],
  ]
  for (const [what, injection] of LIES) {
    test(`F10 F11 ${what}: misses, and no wrong value`, { skip: noStrace }, async (t) => {
      const file = path.join(scratch(t), 'lying.db')
      const program = `
        for (let nth = 0; nth < 30; nth++) await ask('a', 'b', 'key ' + nth)
        for (let nth = 0; nth < 10; nth++) await write('key ' + nth, nth * 1000)
        say(await ask('a', 'b') <= 2)`
      await runWithFile(file, program, { command: strace(file, injection) })
      const { said } = await runWithFile(file, `${program}\nsay(await ask('a', 'b'), errors)`)
      assert.deepEqual(said, [[true], [0, 0]])
    })
  }
})

describe('a place that is not to be used', () => {
  test('F8 a file that may not be written, a directory that may not be entered (EACCES): reads go on', {
    skip: noRoot,
  }, async (t) => {
    const directory = scratch(t)
    const file = path.join(directory, 'cache', 'theirs.db')
    chmodSync(directory, 0o755)
    mkdirSync(path.dirname(file), { mode: 0o700 })
    chownSync(path.dirname(file), NOBODY, NOBODY)
    const asNobody = 'process.setgid(65534); process.setuid(65534);'
    const program = `${asNobody} say(await ask('a'), await ask('a'), errors > 0)`
    assert.deepEqual((await runWithFile(file, program)).said, [[1, 0, false]])
    for (const [where, mode, calls] of [
      [file, 0o400, 0],
      [path.dirname(file), 0o500, 0],
      [path.dirname(file), 0o000, 1],
    ] as const) {
      chmodSync(where, mode)
      const { said } = await runWithFile(
        file,
        `${asNobody} say(await ask('a') <= ${calls}, await ask('b') === 1, await write('c', 10) !== 'never')`,
      )
      assert.deepEqual(said, [[true, true, true]], `${where} ${mode.toString(8)}`)
      chmodSync(path.dirname(file), 0o700)
      chmodSync(file, 0o600)
    }
    assert.deepEqual((await runWithFile(file, `${asNobody} say(await ask('a'))`)).said, [[0]])
  })

  test('F8 a file system that is read-only (EROFS): reads go on, and nothing is moved', { skip: noMounts }, async (t) => {
    const folder = mount(t, '-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs')
    const file = path.join(folder, 'cache.db')
    assert.deepEqual((await runWithFile(file, "say(await ask('a'))")).said, [[1]])
    assert.equal(spawnSync('mount', ['-o', 'remount,ro', folder]).status, 0)
    const { said } = await runWithFile(
      file,
      "say(await ask('a') <= 1, await ask('b'), await write('c', 10) === 'ok', errors > 0)",
    )
    assert.deepEqual(said, [[true, 1, false, true]])
    assert.equal(spawnSync('mount', ['-o', 'remount,rw', folder]).status, 0)
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes('corrupt')),
      [],
    )
    assert.deepEqual((await runWithFile(file, "say(await ask('a'))")).said, [[0]])
  })

  test('F8 a file that becomes immutable while it is open: reads go on, with what is there', { skip: noRoot }, async (t) => {
    const program = `
      import { spawnSync } from 'node:child_process'
      say(await ask('a'))
      const isImmutable = spawnSync('chattr', ['+i', file]).status === 0
      await write('b', 10)
      say(await ask('a'))
      if (isImmutable) spawnSync('chattr', ['-i', file])
      say(await write('c', 10), await ask('a'))`
    assert.deepEqual((await runWithFile(path.join(scratch(t), 'cache.db'), program)).said, [[1], [0], ['ok', 0]])
  })

  test('F8 a directory that is a file, or below one (ENOTDIR): reads go on', async (t) => {
    const directory = scratch(t)
    writeFileSync(path.join(directory, 'file'), 'not a directory')
    for (const where of ['file', 'file/below']) {
      const storage = sqliteStorage({ directory: path.join(directory, where) })
      await assert.rejects(storage.open())
      const processor = new BatchProcessor({ storage })
      assert.equal(await processor.getCachedData('a', () => 'fetched'), 'fetched')
      await processor.close()
    }
    assert.equal(readFileSync(path.join(directory, 'file'), 'utf8'), 'not a directory')
  })

  test('F8 a directory that is deleted, or replaced by a file, while it is used: reads go on, and so does the cache when it can', async (t) => {
    const directory = path.join(scratch(t), 'cache')
    const storage = setUpStorage(t, { directory })
    const processor = () => new BatchProcessor({ storage })
    const ask = (key: string) => processor().getCachedData(key, () => 'fetched')
    assert.equal(await ask('a'), 'fetched')
    await storage.mset([{ key: 'a', value: 'kept' }])
    rmSync(directory, { recursive: true })
    writeFileSync(directory, '')
    await assert.rejects(storage.mset([{ key: 'b', value: 1 }]))
    assert.equal(await ask('a'), 'fetched')
    rmSync(directory)
    // A failure to open is not tried again for a second.
    await delay(1100)
    await storage.mset([{ key: 'b', value: 'kept' }])
    assert.equal(await ask('b'), 'kept')
  })

  test('F9 no descriptor is left (EMFILE): reads go on, and with some again the cache does', async (t) => {
    const file = path.join(scratch(t), 'cache.db')
    const program = `
      import { closeSync, openSync } from 'node:fs'
      say(await ask('warm up without a file'))
      await storage.close()
      const taken = []
      for (;;) try { taken.push(openSync('/dev/null')) } catch { break }
      say(await ask('a'), await ask('a'), errors > 0)
      for (const descriptor of taken) closeSync(descriptor)
      await new Promise((resolve) => setTimeout(resolve, 1100))
      say(await ask('a'), await ask('a'))`
    const { said } = await runWithFile(file, program, {
      command: ['sh', '-c', 'ulimit -n 64 && exec "$@"', 'sh', process.execPath],
    })
    assert.deepEqual(said, [[1], [1, 1, true], [1, 0]])
  })
})

describe('what is at the path', () => {
  const refuses = async (options: Parameters<typeof sqliteStorage>[0], expected: RegExp): Promise<void> => {
    const storage = sqliteStorage(options)
    await assert.rejects(
      storage.open(),
      (error: Error & { code?: string }) => error.code === 'ERR_UNSAFE_PATH' && expected.test(error.message),
    )
    const processor = new BatchProcessor({ storage })
    assert.equal(await processor.getCachedData('a', () => 'fetched'), 'fetched')
    await processor.close()
  }

  test('F25 a symbolic link, dangling or not, in place of the file, its log or its directory, is refused, and nothing is made behind it', async (t) => {
    const directory = scratch(t)
    const behind = path.join(directory, 'behind')
    for (const suffix of ['', '-wal', '-shm', '-journal']) {
      const file = path.join(directory, `link${suffix.length}.db`)
      symlinkSync(behind, `${file}${suffix}`)
      await refuses({ path: file }, /expected a plain file/)
      assert.ok(!existsSync(behind))
    }
    mkdirSync(path.join(directory, 'real'))
    symlinkSync(path.join(directory, 'real'), path.join(directory, 'link'))
    await refuses({ directory: path.join(directory, 'link') }, /expected a directory/)
    assert.deepEqual(readdirSync(path.join(directory, 'real')), [])
  })

  test('F25 so is a hard link, a directory, and a pipe, which does not block', async (t) => {
    const directory = scratch(t)
    const at = (name: string) => path.join(directory, name)
    writeFileSync(at('one'), 'precious')
    linkSync(at('one'), at('two'))
    mkdirSync(at('folder'))
    assert.equal(spawnSync('mkfifo', [at('pipe')]).status, 0)
    for (const name of ['two', 'folder', 'pipe']) await refuses({ path: at(name) }, /expected a plain file/)
    assert.equal(readFileSync(at('one'), 'utf8'), 'precious')
  })

  test('F26 directories and files that are made are for their user alone, whatever the umask', async (t) => {
    for (const umask of ['000', '022', '0777']) {
      const directory = path.join(scratch(t), 'made', 'here')
      const program = `process.umask(0o${umask}); say(await ask('a'), await ask('a'), errors)`
      if (umask === '0777' && !isRoot) continue
      assert.deepEqual((await runWithFile(path.join(directory, 'a.db'), `${program}; setTimeout(() => {}, 0)`)).said, [[1, 0, 0]])
      assert.equal(statSync(directory).mode & 0o777, 0o700, umask)
      assert.equal(statSync(path.join(directory, 'a.db')).mode & 0o777, 0o600, umask)
    }
  })

  test('F26 the log has the rights of the file, and a file that others could read no longer is', async (t) => {
    const storage = setUpStorage(t)
    await storage.mset([{ key: 'a', value: 1 }])
    for (const suffix of ['', '-wal', '-shm']) assert.equal(statSync(storage.path + suffix).mode & 0o777, 0o600)
    await storage.close()
    chmodSync(storage.path, 0o644)
    assert.deepEqual(await valuesOf(storage, 'a'), [1])
    assert.equal(statSync(storage.path).mode & 0o777, 0o600)
  })

  test('F26 a directory that others can write in is refused, unless only the owner of a file can remove it there', async (t) => {
    const directory = scratch(t)
    for (const mode of [0o777, 0o770, 0o702]) {
      chmodSync(directory, mode)
      await refuses({ directory }, /nobody but its owner can write/)
    }
    chmodSync(directory, 0o1777)
    await setUpStorage(t, { directory }).open()
  })

  test('F26 what belongs to another user is refused', { skip: noRoot }, async (t) => {
    const directory = scratch(t)
    const file = path.join(directory, 'a.db')
    writeFileSync(file, '')
    chownSync(file, NOBODY, NOBODY)
    await refuses({ path: file }, /expected owner 0, received 65534/)
    mkdirSync(path.join(directory, 'theirs'))
    chownSync(path.join(directory, 'theirs'), NOBODY, NOBODY)
    await refuses({ directory: path.join(directory, 'theirs') }, /expected owner 0, received 65534/)
  })

  test('F27 a relative path is resolved once', async (t) => {
    const directory = scratch(t)
    const program = `
      process.chdir(file)
      const relative = sqliteStorage({ path: 'here.db' })
      process.chdir('/')
      await relative.open()
      say(relative.path)`
    assert.deepEqual((await runWithFile(directory, program)).said, [[path.join(directory, 'here.db')]])
    assert.ok(existsSync(path.join(directory, 'here.db')))
  })

  test('F28 spaces, quotes, percents and letters of all kinds are parts of names; a path that is too long costs misses', async (t) => {
    const directory = scratch(t)
    for (const name of ['a b', "it's", 'a%20b?mode=ro', 'file:x', 'ünï © 漢字 😀', '#;--', ':memory:', 'a\nb']) {
      const storage = setUpStorage(t, { path: path.join(directory, name, `${name}.db`) })
      await storage.mset([{ key: 'a', value: name }])
      await storage.close()
      assert.deepEqual(await valuesOf(setUpStorage(t, { path: storage.path }), 'a'), [name])
      assert.ok(existsSync(storage.path))
    }
    const long = setUpStorage(t, { path: path.join(directory, ...Array.from({ length: 30 }, () => 'x'.repeat(200)), 'a.db') })
    const processor = new BatchProcessor({ storage: long })
    assert.equal(await processor.getCachedData('a', () => 'fetched'), 'fetched')
    await processor.close()
  })

  test('F15 a newer version is never written to, and the first one can be read', async (t) => {
    const storage = setUpStorage(t)
    writeFileSync(storage.path, readFileSync(path.join(ROOT, 'tests/faults/golden/sqlite-1.db')), { mode: 0o600 })
    assert.deepEqual(
      await contentsOf(storage),
      new Map<string, unknown>([
        ['plain', { list: [1, null, 'ü'] }],
        ['\ud800', 'a lone surrogate'],
        ['a\0b', true],
        ['null', null],
      ]),
    )
    await storage.close()
    await within(storage.path, (connection) => connection.exec('PRAGMA journal_mode = DELETE; PRAGMA user_version = 7'))
    const before = readFileSync(storage.path)
    await assert.rejects(storage.open(), { code: 'ERR_FOREIGN_DATABASE' })
    await assert.rejects(storage.clear(), { code: 'ERR_FOREIGN_DATABASE' })
    assert.deepEqual(readFileSync(storage.path), before)
  })
})

describe('other processes', () => {
  /** One that does what it is told, until it is killed; resolves when it has said something. */
  async function holder(t: TestContext, file: string, program: string): Promise<ReturnType<typeof spawn>> {
    const flags = ['--disable-warning=ExperimentalWarning', '--import=tsx', '--input-type=module', '--eval']
    const child = spawn(
      process.execPath,
      [...flags, `import { loadDriver } from './js/sqlite/drivers.ts'\n${program}`, '--', file],
      {
        cwd: ROOT,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    t.after(() => child.kill('SIGKILL'))
    await new Promise((resolve) => child.stdout?.once('data', resolve))
    return child
  }

  const HOLD = `
    const connection = (await loadDriver(undefined))(process.argv[1])
    connection.exec("BEGIN IMMEDIATE; UPDATE times SET size = 0; UPDATE entries SET bytes = x'00'")
    console.log('locked')
    setInterval(() => {}, 1000)`

  test('F19 a process that dies with the lock leaves it to the next, at once, and nothing of what it had not committed', async (t) => {
    const storage = setUpStorage(t)
    await storage.mset([{ key: 'a', value: 1 }])
    const child = await holder(t, storage.path, HOLD)
    const written = storage.mset([{ key: 'b', value: 2 }])
    await delay(50)
    const start = performance.now()
    child.kill('SIGKILL')
    await written
    assert.ok(performance.now() - start < 2000)
    assert.deepEqual(await valuesOf(storage, 'a', 'b'), [1, 2])
  })

  test('F20 one that is stopped with the lock: reads go on, writes give up; when it goes on, nothing is spoilt', async (t) => {
    const storage = setUpStorage(t, { busyTimeoutMs: 100 })
    await storage.mset([{ key: 'a', value: 1 }])
    const child = await holder(
      t,
      storage.path,
      `${HOLD}; setTimeout(() => { connection.exec('ROLLBACK'); console.log('done') }, 200)`,
    )
    child.kill('SIGSTOP')
    await assert.rejects(storage.mset([{ key: 'b', value: 2 }]))
    assert.deepEqual(await valuesOf(storage, 'a', 'b'), [1, undefined])
    child.kill('SIGCONT')
    await new Promise((resolve) => child.stdout?.once('data', resolve))
    await storage.mset([{ key: 'b', value: 2 }])
    assert.deepEqual(await valuesOf(storage, 'a', 'b'), [1, 2])
    assert.deepEqual(
      await rowsOf(storage.path, 'PRAGMA integrity_check'),
      await rowsOf(storage.path, "SELECT 'ok' AS integrity_check"),
    )
  })

  test('F18 one clears while another writes, in the same process or not: each call does all it does, or nothing', async (t) => {
    const one = setUpStorage(t)
    const other = setUpStorage(t, { path: one.path })
    for (let round = 0; round < 30; round++) {
      const entries = Array.from({ length: 50 }, (_, at) => ({ key: `${round} ${at}`, value: at }))
      await Promise.all([one.mset(entries), other.clear(), other.mset([{ key: 'other', value: round }]), one.mdelete(['other'])])
      const kept = [...(await contentsOf(one)).keys()].filter((key) => key.startsWith(`${round} `))
      assert.ok(kept.length === 0 || kept.length === 50, `${kept.length} of 50`)
    }
  })

  test('F21 a process that dies while it moves a corrupt file aside: the next one finds what it left, and goes on', async (t) => {
    const steps: ((file: string) => void)[] = [
      (file) => rmSync(`${file}-shm`, { force: true }),
      (file) => renameSync(`${file}-wal`, `${file}.corrupt-wal`),
      (file) => renameSync(file, `${file}.corrupt`),
    ]
    for (let done = 0; done <= steps.length; done++) {
      const storage = setUpStorage(t)
      await storage.mset([{ key: 'a', value: 'old' }])
      await storage.close()
      writeFileSync(storage.path, readFileSync(storage.path).fill(0x5a, 0, 50))
      writeFileSync(`${storage.path}-wal`, 'no log either')
      writeFileSync(`${storage.path}-shm`, Buffer.alloc(32_768, 0x77))
      for (const step of steps.slice(0, done)) step(storage.path)
      assert.deepEqual(await valuesOf(storage, 'a'), [undefined], `after ${done} steps`)
      await storage.mset([{ key: 'a', value: 'new' }])
      await storage.close()
      assert.deepEqual(await valuesOf(storage, 'a'), ['new'])
    }
  })

  test('F23 fifty short-lived processes on one file, all at once: each is served', async (t) => {
    const file = path.join(scratch(t), 'cache.db')
    const program = `
      import { sqliteStorage } from 'sluice/sqlite'
      const storage = sqliteStorage({ path: process.argv[1] })
      const start = performance.now()
      await storage.mset([{ key: process.argv[2], value: 1 }])
      const [entry] = await storage.mget([process.argv[2]])
      console.log(entry.value, Math.round(performance.now() - start))`
    const ended = await Promise.all(Array.from({ length: 50 }, (_, nth) => runProgram(program, { args: [file, `key ${nth}`] })))
    for (const { stdout, stderr, code } of ended) {
      assert.deepEqual({ stderr, code }, { stderr: '', code: 0 })
      assert.match(stdout, /^1 \d+\n$/)
    }
    assert.equal((await contentsOf(setUpStorage(t, { path: file }))).size, 50)
  })

  test('F24 a database with 300,000 entries opens as fast as any, and is read and written so', async (t) => {
    const storage = setUpStorage(t)
    await storage.mset([{ key: 'a', value: 1 }])
    await storage.close()
    await within(storage.path, (connection) =>
      connection.exec(`
        WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
        INSERT INTO entries (id, key, bytes) SELECT i, 'filler ' || i, zeroblob(20) FROM n;
        INSERT INTO times SELECT id, id, NULL, 50 FROM entries WHERE id > 1;
        PRAGMA wal_checkpoint(TRUNCATE)`),
    )
    const start = performance.now()
    assert.deepEqual(await valuesOf(storage, 'a'), [1])
    await storage.mset([{ key: 'b', value: 2 }])
    const ms = performance.now() - start
    assert.ok(ms < 500, `it took ${ms} ms`)
  })
})

function canMount(): boolean {
  if (!isRoot) return false
  const probe = path.join('/tmp', `sluice-mount-${process.pid}`)
  mkdirSync(probe, { recursive: true })
  const can = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe]).status === 0
  if (can) spawnSync('umount', [probe])
  rmSync(probe, { recursive: true })
  return can
}

/** Mounts what `args` say on a directory, until the test is over. */
function mount(t: TestContext, ...args: string[]): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-mounted-'))
  const { status, stderr } = spawnSync('mount', [...args, folder], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  t.after(() => {
    spawnSync('umount', ['-l', folder])
    rmdirSync(folder)
  })
  return folder
}
