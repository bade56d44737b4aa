/**
 * `npm run gauntlet`: the random tests of `npm test` at a size for a night, over all cores, from seeds that no run had before.
 *
 * `--only name`, as often as wanted: those parts alone. `--scale 0.1`: a tenth of everything. `--seed 7`: from that seed on. `--out file`: where the report
 * goes, `target/gauntlet.json` unless it is said. Each part is many processes, so that none has to hold what a million schedules leave to the collector.
 */

import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import path from 'node:path'
import { parseArgs, stripVTControlCharacters } from 'node:util'
import { ensureSqlite, setUp } from './setup.mjs'
import { hasCargo, root, run, Skipped, steps } from './steps.mjs'

/**
 * `amount` of `unit`, at most `perProcess` in one. `command` is what runs so many from a seed, and `counts` the lines that say what was run; where a line
 * comes more than once, its numbers are added up. `threads`: cores that one process keeps busy.
 */
const PARTS = {
  schedules: {
    amount: 1_000_000,
    unit: 'schedules',
    perProcess: 25_000,
    command: (seed, amount) => node(['tests/schedules/schedules.test.ts'], { SLUICE_SEED: seed, SLUICE_SCHEDULES: amount }),
    counts: /(?<schedules>\d+) schedules, (?<calls>\d+) calls, (?<callbacks>\d+) callbacks, (?<events>\d+) events/g,
  },
  engine: {
    amount: 100_000_000,
    unit: 'operations',
    perProcess: 10_000_000,
    threads: 2,
    isRust: true,
    command: (seed, amount) => cargo(['random::'], { SLUICE_MODEL_SEED: seed, SLUICE_MODEL_OPS: amount }),
    counts: /runs: (?<operations>\d+) operations, (?<calls>\d+) calls/g,
  },
  api: {
    amount: 2_000_000,
    unit: 'operations',
    perProcess: 200_000,
    command: (seed, amount) => node(['tests/model/model.test.ts'], { SLUICE_SEED: seed, SLUICE_API_OPS: amount }),
    counts: /(?<operations>\d+) operations, \d+\/s/g,
  },
  kills: {
    amount: 10_000,
    unit: 'kills',
    perProcess: 2500,
    threads: availableParallelism(),
    command: (seed, amount) =>
      node(['--test-name-pattern=F2 ', 'tests/faults/disk-kill.test.ts'], { SLUICE_SEED: seed, SLUICE_KILLS: amount }),
    counts: /(?<kills>\d+) kills, (?<writes>\d+) writes, (?<cut>\d+) cut off, (?<values>\d+) values read/g,
  },
  flips: {
    // As many as the file has bits, and a few twice.
    amount: 100_000,
    unit: 'flips',
    perProcess: 25_000,
    command: (seed, amount, nth) =>
      node(['--test-name-pattern=F12 any one bit', 'tests/faults/disk-damage.test.ts'], {
        SLUICE_SEED: seed,
        SLUICE_FLIPS: amount,
        SLUICE_FLIPS_FROM: nth * amount,
      }),
    counts: /(?<flips>\d+) flips of \d+ bits, (?<values>\d+) values read/g,
  },
  faults: {
    // Times the soaks of `npm test`.
    amount: 10,
    unit: 'rounds',
    perProcess: 10,
    threads: availableParallelism(),
    command: (seed, amount) => node(faultTests(), { SLUICE_SEED: seed, SLUICE_SOAK: amount }),
    counts: /^ℹ pass (?<tests>\d+)/gm,
  },
}
/** Seeds of one process may run on into its neighbour's; so far apart they do not. */
const SEEDS_APART = 1_000_000
const OUTPUT_MAX = 2 ** 28

const { values: args } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: Object.keys(PARTS) },
    scale: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 30) },
    out: { type: 'string', default: path.join(root, 'target/gauntlet.json') },
  },
})
const scale = Number(args.scale)
const firstSeed = Number(args.seed)
const unknown = args.only.filter((name) => !Object.hasOwn(PARTS, name))
if (unknown.length > 0) throw new Error(`there is no part ${unknown}; there are ${Object.keys(PARTS)}`)
if (!(scale > 0)) throw new Error(`expected --scale to be a number above 0, got ${args.scale}`)
if (!Number.isInteger(firstSeed)) throw new Error(`expected --seed to be an integer, got ${args.seed}`)

const report = { ...machine(), startedAt: new Date().toISOString(), scale, seed: firstSeed, parts: {} }
await steps([['set-up', setUp], ['SQLite', ensureSqlite], ...args.only.map((name) => [name, () => runPart(name, PARTS[name])])])
mkdirSync(path.dirname(args.out), { recursive: true })
writeFileSync(args.out, `${JSON.stringify(report, undefined, 2)}\n`)
console.log(`\nwritten: ${path.relative(process.cwd(), args.out)}`)

async function runPart(name, part) {
  if (part.isRust && !hasCargo()) return new Skipped('no cargo on the PATH')
  // Else the first processes would wait for each other to build it.
  if (part.isRust) await run('cargo', ['test', '--locked', '--no-run', '--test', 'engine'])
  const start = performance.now()
  const jobs = jobsOf(part)
  const counts = {}
  const failed = []
  const work = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const { code, output, seconds } = await execute(part.command(job.seed, job.amount, job.nth))
      for (const { groups } of output.matchAll(part.counts)) {
        for (const [what, count] of Object.entries(groups)) counts[what] = (counts[what] ?? 0) + Number(count)
      }
      console.log(
        `${name}: ${job.amount} ${part.unit} from seed ${job.seed} in ${seconds.toFixed(0)} s${code === 0 ? '' : ', FAILED'}`,
      )
      if (code === 0) continue
      console.error(output)
      failed.push(job.seed)
    }
  }
  const seeds = jobs.map(({ seed }) => seed)
  const width = Math.max(1, Math.floor(availableParallelism() / (part.threads ?? 1)))
  await Promise.all(Array.from({ length: width }, work))
  const seconds = Math.round((performance.now() - start) / 1000)
  const asked = Math.ceil(part.amount * scale)
  report.parts[name] = { asked, unit: part.unit, counts, seconds, seeds, failed }
  console.log(
    `${name}: ${Object.entries(counts)
      .map(([what, count]) => `${count.toLocaleString('en')} ${what}`)
      .join(', ')} in ${seconds} s`,
  )
  if (failed.length > 0) throw new Error(`${name} failed from the seeds ${failed}`)
  const [main] = Object.values(counts)
  if (main === undefined || (part.unit in counts && main < asked))
    throw new Error(`${name} ran less than was asked: ${main ?? 0} of ${asked}`)
}

/** What each process is to run, and from which seed. */
function jobsOf({ amount, perProcess }) {
  const all = Math.ceil(amount * scale)
  const count = Math.ceil(all / perProcess)
  return Array.from({ length: count }, (_, nth) => ({
    nth,
    seed: (firstSeed + nth * SEEDS_APART) % 2 ** 31,
    // Even, as the engine's tests halve it.
    amount: 2 * Math.ceil(all / count / 2),
  }))
}

function node(files, env) {
  const strict = ['--import=tsx', '--unhandled-rejections=strict', '--trace-warnings']
  return { file: process.execPath, args: [...strict, '--test', '--test-reporter=spec', ...files], env }
}

/** In the profile of tests: a third slower than release, and with the checks of a debug build. */
function cargo(names, env) {
  return { file: 'cargo', args: ['test', '--locked', '--test', 'engine', '--', ...names], env }
}

function faultTests() {
  const files = readdirSync(path.join(root, 'tests/faults')).filter((file) => file.endsWith('.test.ts'))
  return files.map((file) => path.join('tests/faults', file))
}

/** Runs a command; what it prints is shown only if it fails. */
function execute({ file, args, env }) {
  const start = performance.now()
  const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]))
  const options = { cwd: root, env: { ...process.env, ...variables }, maxBuffer: OUTPUT_MAX }
  return new Promise((resolve) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      const output = stripVTControlCharacters(`${stdout}${stderr}`)
      resolve({ code: error === null ? 0 : (error.code ?? 1), output, seconds: (performance.now() - start) / 1000 })
    })
  })
}

/** What it ran on, for the report. */
function machine() {
  const tell = (command, ...args) => spawnSync(command, args, { cwd: root, encoding: 'utf8' }).stdout?.trim() || undefined
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  return {
    sluice: version,
    commit: tell('git', 'rev-parse', 'HEAD'),
    isCommitted: tell('git', 'status', '--porcelain', '--', 'js', 'src', 'pkg', 'tests') === undefined,
    node: process.version,
    rustc: tell('rustc', '--version'),
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
  }
}
