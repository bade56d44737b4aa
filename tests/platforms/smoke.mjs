/**
 * The program that passes wherever the package runs: a batch, a group, an abort, a trap and the recovery from it, a tier.
 *
 * No module of the platform, and no syntax younger than the package's own: it is bundled, and run in browsers and workers.
 */

/** Runs it against `sluice`, all that the package exports; answers what it did, and throws for what is not as it should be. */
export async function smoke(sluice) {
  const trap = armTrap()
  const steps = { batch, group, abort, tier, trap: (given) => recover(given, trap) }
  const done = []
  for (const [name, step] of Object.entries(steps)) {
    if (name === 'trap' && trap === undefined) continue
    await step(sluice)
    done.push(name)
  }
  return `smoke: ${done.join(', ')}`
}

async function batch({ BatchProcessor, BatchError }) {
  const processor = new BatchProcessor()
  let running = 0
  let most = 0
  const request = (key) => ({
    key,
    fetchFunction: async () => {
      most = Math.max(most, ++running)
      await undefined
      running--
      return `value of ${key}`
    },
  })
  const keys = ['a', 'b', 'ä', '\u{1f600}', 'a', '\ud800', 'b:c:d']
  const values = await processor.getCachedDataBatch(keys.map(request), { maxConcurrency: 2 })
  equal(
    values,
    keys.map((key) => `value of ${key}`),
  )
  equal(most, 2)
  if (typeof WebAssembly === 'object') equal(processor.memory.get('\ud800'), 'value of \ud800')
  const failed = await processor
    .getCachedDataBatch([request('a'), { key: 'x', fetchFunction: () => Promise.reject(new Error('no')) }])
    .catch((error) => error)
  equal(failed instanceof BatchError, true)
  equal(
    failed.results.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  await processor.close()
}

async function group({ BatchProcessor }) {
  const processor = new BatchProcessor()
  const asked = []
  const answers = await processor.getCachedDataBatch(
    [1, 2, 3].map((id) => ({ key: `user:${id}`, fetchFunction: () => 'alone' })),
    {
      groupingStrategy: 'custom',
      customGrouper: () => 'users',
      groupFetch: ({ keys }) => {
        asked.push(keys)
        return new Map(keys.map((key) => [key, `${key} of the group`]))
      },
    },
  )
  if (typeof WebAssembly !== 'object') return equal(answers, ['alone', 'alone', 'alone'])
  equal(answers, ['user:1 of the group', 'user:2 of the group', 'user:3 of the group'])
  equal(asked, [['user:1', 'user:2', 'user:3']])
  equal(await processor.loadMany(['user:1', 'user:4'], (keys) => keys.map((key) => `${key} in bulk`)), [
    'user:1 of the group',
    'user:4 in bulk',
  ])
  await processor.close()
}

async function abort({ BatchProcessor }) {
  if (typeof AbortController !== 'function') return
  const processor = new BatchProcessor()
  const controller = new AbortController()
  const reason = new Error('not any more')
  let signal
  const waiting = processor
    .getCachedDataBatch(
      [
        {
          key: 'slow',
          fetchFunction: (context) => {
            signal = context.signal
            return new Promise(() => {})
          },
        },
      ],
      { signal: controller.signal },
    )
    .catch((error) => error)
  await undefined
  controller.abort(reason)
  equal(await waiting, reason)
  equal(signal.aborted, true)
  await processor.close()
}

async function tier({ BatchProcessor, valueTier }) {
  // Without an engine, keys are fetched and nothing else.
  if (typeof WebAssembly !== 'object') return
  const storage = new Map([['kept', 1]])
  const processor = new BatchProcessor({ storage: valueTier(storage, { name: 'map' }), ttl: Number.POSITIVE_INFINITY })
  const outcomes = await processor.getCachedDataBatchSettled([
    { key: 'kept', fetchFunction: () => 2 },
    { key: 'new', fetchFunction: () => 3 },
  ])
  equal(
    outcomes.map(({ source, value }) => [source, value]),
    [
      ['map', 1],
      ['fetch', 3],
    ],
  )
  await processor.close()
  equal(storage.get('new'), 3)
}

/** A call of the engine traps: who waits is told, and the next call has a new engine. */
async function recover({ BatchProcessor, EngineCrashError }, trap) {
  const processor = new BatchProcessor()
  const load = (key) => processor.getCachedData(key, async () => key)
  equal(await load('before'), 'before')
  trap.isArmed = true
  const crash = await load('before').catch((error) => error)
  equal(crash instanceof EngineCrashError, true)
  equal(await load('after'), 'after')
  equal(processor.memory.get('after'), 'after')
  await processor.close()
}

/** From now on, instances of wasm have a look-up that traps when it is told to. `undefined` where instances cannot be had. */
function armTrap() {
  const trap = { isArmed: false }
  if (typeof WebAssembly !== 'object') return undefined
  const { Instance } = WebAssembly
  WebAssembly.Instance = Trapped
  function Trapped(module, imports) {
    const { exports } = new Instance(module, imports)
    const spring =
      (of) =>
      (...args) => {
        if (!trap.isArmed) return of(...args)
        trap.isArmed = false
        throw new WebAssembly.RuntimeError('unreachable')
      }
    return { exports: { ...exports, lookup: spring(exports.lookup), get: spring(exports.get) } }
  }
  return trap
}

function equal(actual, expected) {
  const [got, wanted] = [actual, expected].map((value) => (typeof value === 'object' ? JSON.stringify(value) : value))
  if (got !== wanted && actual !== expected) throw new Error(`smoke: expected ${String(wanted)}, received ${String(got)}`)
}
