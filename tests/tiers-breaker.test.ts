/** A tier that fails again and again is left alone: it costs its deadline a few times, and then nothing. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { BatchProcessor, StorageError } from '../js/index.js'
import { type Bench, setUp, watch } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'
import { type Fault, MapTier } from './support/tiers.js'
import { drained } from './support/virtual-clock.js'

const FAULTS: readonly Exclude<Fault, undefined>[] = ['throws', 'rejects', 'hangs']

/** How long a read of a key that nobody has takes, in virtual time. */
async function timeOf({ processor, clock }: Bench, key: string): Promise<number> {
  const start = clock.now()
  let end = Number.NaN
  const asked = processor.getCachedDataBatchSettled([ready(key, key)]).then((outcomes) => {
    end = clock.now()
    return outcomes
  })
  await clock.advance(5000)
  assert.deepEqual(
    (await asked).map(({ source }) => source),
    ['fetch'],
  )
  return end - start
}

const tierOf = async (processor: BatchProcessor) => (await processor.metrics()).tiers[0]

for (const fault of FAULTS) {
  describe(`a tier that always ${fault}`, () => {
    test('costs a batch its deadline at most, and after a few operations nothing, however often it is tried', async (t) => {
      const disk = new MapTier()
      disk.fault = fault
      const bench = setUp(t, { storage: disk })
      const costs: number[] = []
      for (let round = 0; round < 20; round++) costs.push(await timeOf(bench, `${round}`))
      const most = fault === 'hangs' ? 1000 : 0
      assert.ok(
        costs.every((cost) => cost <= most),
        `${costs}`,
      )
      assert.deepEqual(costs.slice(5), Array(15).fill(0))
      const { errors = 0, skipped = 0, hits } = (await tierOf(bench.processor)) ?? {}
      // 20 reads and 20 writes; after each cool-down one of each is a trial.
      assert.equal(errors + skipped, 40)
      assert.ok(skipped >= 10, `${skipped} were skipped`)
      assert.equal(hits, 0)
    })

    test('is told of, by each failure and when it is left alone', async (t) => {
      const disk = new MapTier()
      disk.fault = fault
      const bench = setUp(t, { storage: disk, storageBreaker: { failures: 3 } })
      const failures: { tier: string; error: StorageError }[] = []
      const opened: unknown[] = []
      bench.processor.on('tierError', (event) => failures.push(event))
      bench.processor.on('tierBreakerOpen', (event) => opened.push(event))
      for (let round = 0; round < 4; round++) {
        const asked = bench.processor.get(`${round}`)
        await bench.clock.advance(1000)
        assert.equal(await asked, undefined)
      }
      assert.equal(failures.length, 3)
      assert.deepEqual(opened, [{ tier: 'disk', operations: 'reads', error: failures[2]?.error }])
      for (const { tier, error } of failures) {
        assert.equal(tier, 'disk')
        assert.equal(error.code, 'ERR_STORAGE')
        assert.equal(error.tier, 'disk')
        assert.equal(
          error.message,
          fault === 'hangs' ? 'the tier "disk" did not answer within 1000 ms' : 'the tier "disk" failed',
        )
        assert.equal((error.cause as Error | undefined)?.message, fault === 'hangs' ? undefined : `disk ${fault}`)
      }
    })

    test('takes no read along while it is tried again, and is used as soon as it answers', async (t) => {
      const disk = new MapTier('disk', [['kept', 'K']])
      disk.fault = fault
      const bench = setUp(t, { storage: disk, storageBreaker: { failures: 1, coolDownMs: 10_000 } })
      const { processor, clock } = bench
      await timeOf(bench, 'a')
      const before = disk.log.length
      await timeOf(bench, 'b')
      assert.equal(disk.log.length, before, 'left alone')
      await clock.advance(10_000)
      assert.equal(await timeOf(bench, 'c'), 0)
      assert.equal(disk.log.length, before + 2, 'one trial of each')
      disk.fault = undefined
      await clock.advance(10_000)
      // The trial is nobody's to wait for.
      assert.equal(await processor.get('kept'), undefined)
      await drained()
      assert.equal(await processor.get('kept'), 'K')
      await processor.set('d', 'D')
      assert.equal(disk.kept.get('d')?.value, 'D')
    })

    test('forgets no delete that it missed', async (t) => {
      const disk = new MapTier('disk', [
        ['a', 'old'],
        ['b', 'B'],
      ])
      disk.fault = fault
      const bench = setUp(t, { storage: disk, storageBreaker: { failures: 1, coolDownMs: 10_000 } })
      const { processor, clock } = bench
      await timeOf(bench, 'x')
      const asked = watch(processor.delete('a'))
      await clock.advance(0)
      assert.equal(asked.is, 'fulfilled', 'at once')
      disk.fault = undefined
      await clock.advance(20_000)
      assert.deepEqual(await processor.mget(['a', 'b']), [undefined, undefined], 'the trial')
      await drained()
      assert.deepEqual(await processor.mget(['a', 'b']), [undefined, 'B'])
      await processor.set('c', 'C')
      await drained()
      assert.equal(disk.kept.has('a'), false, 'removed with the next write')
    })
  })
}

describe('the breaker of a tier', () => {
  test('does not open while one operation in a few goes well', async (t) => {
    const disk = new MapTier()
    const bench = setUp(t, { storage: disk, storageBreaker: { failures: 3 } })
    for (let round = 0; round < 12; round++) {
      disk.fault = round % 3 === 2 ? undefined : 'throws'
      await bench.processor.get(`${round}`)
    }
    assert.deepEqual([(await tierOf(bench.processor))?.errors, (await tierOf(bench.processor))?.skipped], [8, 0])
  })

  test('false: a tier is always asked', async (t) => {
    const disk = new MapTier()
    disk.fault = 'throws'
    const { processor } = setUp(t, { storage: disk, storageBreaker: false })
    for (let round = 0; round < 50; round++) await processor.get(`${round}`)
    assert.deepEqual([(await tierOf(processor))?.errors, (await tierOf(processor))?.skipped], [50, 0])
  })

  test('of reads is not that of writes: what cannot be read hears of deletes', async (t) => {
    const disk = new MapTier('disk', [['a', 'A']])
    const { processor } = setUp(t, { storage: Object.assign(disk, { mget: () => Promise.reject(new Error('no')) }) })
    for (let round = 0; round < 10; round++) await processor.get('a')
    await processor.delete('a')
    assert.equal(disk.kept.size, 0)
  })

  test('is of one tier: the next one answers', async (t) => {
    const near = new MapTier('near')
    near.fault = 'throws'
    const far = new MapTier(
      'far',
      Array.from({ length: 20 }, (_, index) => [`${index}`, index] as const),
    )
    const { processor } = setUp(t, { storage: [near, far] })
    for (let index = 0; index < 20; index++)
      assert.equal(await processor.getCachedData(`${index}`, unwanted('a').fetchFunction as never), index)
    const { tiers } = await processor.metrics()
    assert.deepEqual(
      tiers.map(({ hits, errors }) => [hits, errors]),
      [
        // Reads, and what was copied up.
        [0, 10],
        [20, 0],
      ],
    )
  })

  test('does not keep a tier from being closed', async (t) => {
    const disk = Object.assign(new MapTier(), { closed: 0, close: () => void disk.closed++ })
    disk.fault = 'throws'
    const bench = setUp(t, { storage: disk, storageBreaker: { failures: 1 } })
    await timeOf(bench, 'a')
    await bench.processor.close()
    assert.equal(disk.closed, 1)
  })

  test('is checked like any option', (t) => {
    for (const storageBreaker of [{ failures: 0 }, { coolDownMs: 0 }, true, { failure: 1 }]) {
      assert.throws(() => setUp(t, { storageBreaker: storageBreaker as never }), { code: 'ERR_INVALID_OPTION' })
    }
    assert.throws(() => setUp(t, { writes: 'later' as never }), { code: 'ERR_INVALID_OPTION' })
  })
})

describe('writes', () => {
  test("'background': no batch waits, set and delete do, and nothing fails", async (t) => {
    const disk = new MapTier()
    const { processor, clock } = setUp(t, { storage: disk })
    disk.fault = 'hangs'
    const batch = watch(processor.getCachedData('a', () => 'A', { cache: 'reload' }))
    const set = watch(processor.set('b', 'B'))
    await drained()
    assert.deepEqual([batch.is, set.is], ['fulfilled', 'pending'])
    await clock.advance(2000)
    assert.equal(set.is, 'fulfilled')
  })

  test("'await': batches settle when what they loaded is in the tiers, whatever these do", async (t) => {
    for (const fault of [undefined, ...FAULTS]) {
      const disk = new MapTier()
      const { processor, clock } = setUp(t, { storage: disk, writes: 'await' })
      await processor.get('warm')
      disk.fault = fault
      const asked = [
        watch(processor.getCachedData('a', () => 'A', { cache: 'reload' })),
        watch(processor.getCachedDataBatch([ready('b', 'B')], { cache: 'reload' })),
        watch(processor.getCachedDataBatchSettled([ready('c', 'C')], { cache: 'reload' })),
        watch(processor.loadMany(['d'], () => ['D'], { cache: 'reload' })),
        watch(processor.set('e', 'E')),
      ]
      if (fault === 'hangs') {
        await clock.advance(999)
        assert.deepEqual(
          asked.map(({ is }) => is),
          Array(5).fill('pending'),
        )
      }
      await clock.advance(5000)
      assert.deepEqual(
        asked.map(({ is }) => is),
        Array(5).fill('fulfilled'),
      )
      assert.deepEqual([...disk.kept.keys()].sort(), fault === undefined ? ['a', 'b', 'c', 'd', 'e'] : [])
    }
  })

  test("'strict': what a tier did not take rejects set and delete, never a load", async (t) => {
    const near = new MapTier('near')
    const far = new MapTier('far')
    const { processor } = setUp(t, { storage: [near, far], writes: 'strict' })
    await processor.set('a', 1)
    far.fault = 'throws'
    assert.equal(await processor.getCachedData('b', () => 'B', { cache: 'reload' }), 'B')
    for (const write of [
      () => processor.set('a', 2),
      () =>
        processor.mset([
          { key: 'c', value: 1 },
          { key: 'd', value: undefined },
        ]),
      () => processor.set('d', undefined),
      () => processor.delete('a'),
      () => processor.invalidate({ prefix: 'a' }),
      () => processor.clear(),
    ]) {
      await assert.rejects(write, { name: 'StorageError', code: 'ERR_STORAGE', tier: 'far' })
    }
    assert.deepEqual([processor.memory.size, near.kept.size], [0, 0])
    far.fault = undefined
    await processor.close()
  })

  test("'strict': a write that goes well does not fail by another one", async (t) => {
    const disk = new MapTier()
    const { processor } = setUp(t, { storage: disk, writes: 'strict' })
    disk.fault = 'rejects'
    const bad = watch(processor.set('a', 1))
    await drained()
    disk.fault = undefined
    await processor.set('b', 2)
    assert.equal(bad.is, 'rejected')
    assert.equal(disk.kept.get('b')?.value, 2)
  })
})
