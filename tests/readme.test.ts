/**
 * The documents are true: their option tables are those of the declarations, their examples run and print what they say, and what they name
 * (error codes, files, tests, headings) is there.
 *
 * An example is a block of `ts` or `js`. It runs in a process of its own, against dist/, as an importer of the package would. What it
 * prints is what its comments that begin with an arrow say, one line each, in their order: `console.log(1 + 1) // → 2`.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { transform } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const execute = promisify(execFile)

/** Long enough for any example, none of which waits for anything. */
const EXAMPLE_MS_MAX = 30_000

interface Doc {
  readonly file: string
  readonly text: string
  /** The text without its blocks of code. */
  readonly prose: string
}

interface Example {
  /** `README.md:12`. */
  readonly where: string
  readonly code: string
  readonly prints: readonly string[]
}

const docs = ['.', 'docs', 'bench'].flatMap((folder) =>
  readdirSync(path.join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => readDoc(path.join(folder, name))),
)
const examples = docs.flatMap(examplesOf)

test('README.md has the option tables of the declarations', async () => {
  await execute(process.execPath, ['scripts/docs.mjs', '--check'], { cwd: root })
})

test('README.md is short, and has code by line 15', () => {
  const { text } = docOf('README.md')
  const lines = text.split('\n')
  const byHand = text.replaceAll(/<!-- \w+: written by npm run docs -->[\s\S]*?<!-- end/g, '').split('\n')
  assert.ok(byHand.length <= 255, `it has ${byHand.length} lines beside its generated tables`)
  assert.ok(lines.slice(0, 15).some((line) => line.startsWith('```ts')))
})

describe('examples', () => {
  let folder = ''
  const fileOf = (index: number, extension: string) => path.join(folder, `${index}.${extension}`)

  before(async () => {
    // Within the project, so that `sluice` means the package itself, and in no commit.
    mkdirSync(path.join(root, 'target'), { recursive: true })
    folder = mkdtempSync(path.join(root, 'target/examples-'))
    for (const [index, { code }] of examples.entries()) {
      writeFileSync(fileOf(index, 'ts'), code)
      const { code: script } = await transform(code, { loader: 'ts', format: 'esm', target: 'es2022' })
      writeFileSync(fileOf(index, 'mjs'), script)
    }
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('are right by the declarations of the package', async () => {
    const config = { extends: '../../tsconfig.json', compilerOptions: { moduleDetection: 'force' }, include: ['*.ts'] }
    writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config))
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
    const said = await execute(process.execPath, [tsc, '--project', folder, '--pretty', 'false'], { cwd: folder }).then(
      () => '',
      (error: { stdout: string }) => error.stdout.replaceAll(/^(\d+)\.ts/gm, (_, index) => examples[index]?.where ?? index),
    )
    assert.equal(said, '')
  })

  for (const [index, { where, prints }] of examples.entries()) {
    test(where, async () => {
      const args = ['--unhandled-rejections=strict', fileOf(index, 'mjs')]
      const { stdout, stderr } = await execute(process.execPath, args, { cwd: folder, timeout: EXAMPLE_MS_MAX })
      assert.equal(stderr, '')
      assert.deepEqual(stdout.split('\n').slice(0, -1), prints)
    })
  }
})

test('README.md explains every error code, and no other', () => {
  const inSources = readdirSync(path.join(root, 'js'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => codesIn(read(path.join('js', file))))
  assert.deepEqual(sorted(codesIn(docOf('README.md').text)), sorted(inSources))
})

test('README.md links each promise to tests/promises.test.ts, which has a test of that name', () => {
  const proofs = read('tests/promises.test.ts')
  for (let promise = 1; promise <= 10; promise++) {
    assert.ok(docOf('README.md').text.includes(`[promise ${promise}](tests/promises.test.ts)`), `README.md on promise ${promise}`)
    assert.match(proofs, new RegExp(`\\bpromise ${promise}:`))
  }
})

test('ARCHITECTURE.md has every module in its code map', () => {
  const { text } = docOf('ARCHITECTURE.md')
  for (const [folder, extension] of [
    ['src', 'rs'],
    ['js', 'ts'],
  ] as const) {
    for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = entry.name.replace(`.${extension}`, '')
      assert.match(text, new RegExp(`\\b${name}\\b`), `ARCHITECTURE.md does not name ${folder}/${entry.name}`)
    }
  }
})

for (const { file, text, prose } of docs) {
  test(`${file} names files, tests and headings that are there`, () => {
    const near = path.dirname(file)
    for (const [, target = '', heading] of prose.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
      assert.ok(existsSync(path.join(root, near, target)), `${target} is not there`)
      if (heading === undefined) continue
      const headings = headingsOf(target === '' ? text : read(path.join(near, target)))
      assert.ok(headings.includes(heading), `${target} has no heading #${heading}`)
    }
    // `src/engine/mod.rs`, and `name_of_a_test` in `src/engine/mod.rs`.
    for (const [, name, named = ''] of prose.matchAll(
      /(?:`([^`\n]+)` in )?`((?:js|src|tests|scripts|bench|demo|xtask|pkg|docs)\/[\w./-]*)`/g,
    )) {
      assert.ok(existsSync(path.join(root, named)), `${named} is not there`)
      if (name !== undefined) assert.ok(read(named).includes(name), `${named} has no ${name}`)
    }
  })
}

function readDoc(file: string): Doc {
  const text = read(file)
  return { file: path.normalize(file), text, prose: text.replaceAll(/^```[\s\S]*?^```$/gm, '') }
}

function docOf(file: string): Doc {
  const doc = docs.find((candidate) => candidate.file === file)
  assert.ok(doc, `${file} is not there`)
  return doc
}

function examplesOf({ file, text }: Doc): Example[] {
  return [...text.matchAll(/^```(?:ts|js)\n([\s\S]*?)^```$/gm)].map(({ index, 1: code = '' }) => ({
    where: `${file}:${text.slice(0, index).split('\n').length}`,
    code,
    prints: [...code.matchAll(/\/\/ → ?(.*)$/gm)].map(([, line = '']) => line),
  }))
}

function codesIn(text: string): string[] {
  return text.match(/\bERR_[A-Z_]+\b/g) ?? []
}

/** As GitHub names them. */
function headingsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8')
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}
