/** Whatever tiers do, the batch above them is right: with what `sluice/testing` gives everybody. */

import '../support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ByteTierOptions, byteTier, v8Codec } from '../../js/bytes/index.js'
import { SluiceError, type Tier } from '../../js/index.js'
import { type ChaosOptions, chaosStore, chaosTier, type Fault, mapStore, mapTier } from '../../js/testing/index.js'
import { setUp } from '../support/set-up.js'
import { ready } from '../support/source.js'
import { VirtualClock } from '../support/virtual-clock.js'

const FAULTS: readonly Fault[] = ['throws', 'delays', 'hangs', 'garbles']
const ROUNDS = 40 * Number(process.env.SLUICE_SOAK ?? 1)
const SEED = Number(process.env.SLUICE_SEED ?? Date.now() % 2 ** 32)

/** All tiers there are, under faults: over values, and over bytes. */
const TIERS: Record<string, (chaos: ChaosOptions, options: ByteTierOptions) => Tier> = {
  chaosTier: (chaos) => chaosTier(mapTier('chaos'), chaos),
  chaosStore: (chaos, options) => byteTier(chaosStore(mapStore('chaos'), chaos), options),
  'chaosStore, compressed': (chaos, options) =>
    byteTier(chaosStore(mapStore('chaos'), chaos), { ...options, compress: 'gzip', compressAbove: 0 }),
  'chaosStore, v8': (chaos, options) => byteTier(chaosStore(mapStore('chaos'), chaos), { ...options, codec: v8Codec }),
}

for (const [name, make] of Object.entries(TIERS)) {
  for (const fault of FAULTS) {
    test(`${name} that ${fault} on every call: results are right, and cost the deadline, and then nothing`, async (t) => {
      const { processor, clock: own } = setUp(t)
      processor.initializeStorage(make({ seed: SEED, [fault]: 1, delayMs: 50, clock: own }, { clock: own }))
      const costs: number[] = []
      for (let round = 0; round < 12; round++) {
        processor.memory.clear()
        const start = own.now()
        let end = Number.NaN
        const asked = processor
          .getCachedDataBatch(['a', 'b', `${round}`].map((key) => ready(key, `value of ${key}`)))
          .then((values) => {
            end = own.now()
            return values
          })
        await own.advance(3000)
        assert.deepEqual(await asked, ['value of a', 'value of b', `value of ${round}`])
        costs.push(end - start)
      }
      const [counts] = (await processor.metrics()).tiers
      const most = { throws: 0, delays: 50, hangs: 1000, garbles: 0 }[fault]
      assert.ok(
        costs.every((cost) => cost <= most),
        `${costs}`,
      )
      if (fault === 'hangs') assert.deepEqual(costs.slice(5), Array(7).fill(0))
      if (fault === 'hangs' || fault === 'throws') assert.ok((counts?.errors ?? 0) >= 5 && (counts?.skipped ?? 0) > 0)
    })
  }

  test(`${name} of all faults at random, while values change: never another value, and nobody waits for ever (seed ${SEED})`, async (t) => {
    const { processor, clock } = setUp(t, { storageBreaker: { failures: 8, coolDownMs: 500 } })
    const options = { seed: SEED, throws: 0.1, delays: 0.2, hangs: 0.05, garbles: 0.2, delayMs: 400, clock }
    const tier = make(options, { clock })
    processor.initializeStorage([tier, make({ ...options, seed: SEED + 1 }, { clock })])
    const keys = Array.from({ length: 12 }, (_, index) => `key ${index}`)
    // What a key was last set to, and never anything that was before a `set` or `delete` that is over.
    const versions = new Map(keys.map((key) => [key, 0]))
    let random = SEED
    const next = (below: number): number => {
      random = (Math.imul(random, 1103515245) + 12345) >>> 0
      return Math.floor((random / 2 ** 32) * below)
    }
    for (let round = 0; round < ROUNDS; round++) {
      if (next(3) === 0) processor.memory.clear()
      const key = keys[next(keys.length)] as string
      const change = next(6)
      const version = (versions.get(key) ?? 0) + 1
      const changed = change === 0 ? processor.set(key, `${key}: ${version}`) : change === 1 ? processor.delete(key) : undefined
      if (changed !== undefined) {
        versions.set(key, version)
        await clock.advance(8000)
        await changed
      }
      const asked = keys.filter(() => next(2) === 0)
      const batch = processor.getCachedDataBatch(asked.map((each) => ready(each, `${each}: ${versions.get(each)}`)))
      await clock.advance(8000)
      assert.deepEqual(
        await batch,
        asked.map((each) => `${each}: ${versions.get(each)}`),
        `round ${round}`,
      )
    }
    await processor.close()
    await clock.advance(5000)
  })
}

describe('chaos', () => {
  /** What happens in a row of calls. */
  const course = async (seed: number): Promise<string> => {
    const clock = new VirtualClock()
    const tier = chaosTier(mapTier(), { seed, throws: 0.2, delays: 0.2, garbles: 0.2, hangs: 0.1, clock })
    let text = ''
    for (let call = 0; call < 60; call++) {
      const done = (async () => JSON.stringify(await tier.mget(['a', 'b'])))().then(
        (answer) => `${answer} `,
        () => 'x ',
      )
      const late = clock.advance(100).then(() => '… ')
      text += await Promise.race([done, late])
    }
    return `${text}${JSON.stringify(tier.chaos.counts)}`
  }

  test('is repeated by its seed, and is another one by another', async () => {
    assert.equal(await course(7), await course(7))
    assert.notEqual(await course(7), await course(8))
  })

  test('has a seed of its own where none is given', () => {
    const seeds = [1, 2, 3].map(() => chaosTier(mapTier()).chaos.seed)
    assert.equal(new Set(seeds).size, 3)
  })

  test('happens as often as it is said to, and not while it is off', async () => {
    const tier = chaosTier(mapTier(), { seed: 1, throws: 0.5 })
    const calls = async () => {
      for (let call = 0; call < 1000; call++) await (async () => tier.mget(['a']))().catch(() => {})
    }
    await calls()
    assert.ok(Math.abs(tier.chaos.counts.throws - 500) < 80, `${tier.chaos.counts.throws}`)
    const before = tier.chaos.counts.throws
    tier.chaos.isOn = false
    await calls()
    assert.equal(tier.chaos.counts.throws, before)
  })

  test('happens to the operations that are named', async () => {
    const tier = chaosTier(mapTier('mine'), { throws: 1, operations: ['mset'] })
    assert.deepEqual([tier.name, await tier.mget(['a'])], ['mine', [undefined]])
    await assert.rejects(async () => tier.mset([{ key: 'a', value: 1 }]), { message: 'chaos' })
    await tier.mdelete(['a'])
    await tier.clear()
    assert.deepEqual([...tier.keys()], [])
  })

  test('goes with classes, private fields and all', async () => {
    class Own implements Tier {
      readonly name = 'own'
      readonly #kept = new Map<string, unknown>([['a', 1]])
      mget(keys: readonly string[]) {
        return keys.map((key) => (this.#kept.has(key) ? { value: this.#kept.get(key) } : undefined))
      }
      mset() {}
      mdelete(keys: readonly string[]) {
        for (const key of keys) this.#kept.delete(key)
      }
    }
    const tier = chaosTier(new Own())
    assert.deepEqual(await tier.mget(['a', 'b']), [{ value: 1 }, undefined])
    await tier.mdelete(['a'])
    assert.deepEqual(await tier.mget(['a']), [undefined])
  })

  for (const [options, message] of [
    [{ throws: 2 }, 'chaosTier.throws: expected a number from 0 to 1, received 2 (number)'],
    [{ hangs: '1' }, 'chaosTier.hangs: expected a number from 0 to 1, received "1" (string)'],
    [
      { throws: 0.75, hangs: 0.5 },
      /^chaosTier: throws, delays, hangs and garbles together: expected a number from 0 to 1, received 1\.2/,
    ],
    [{ operations: ['get'] }, 'chaosTier.operations: expected names among mget, mset, mdelete, clear, received "get" (string)'],
  ] as const) {
    test(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => chaosTier(mapTier(), options as never),
        (error: Error) =>
          error instanceof SluiceError && (typeof message === 'string' ? error.message === message : message.test(error.message)),
      )
    })
  }

  test('refuses what is no tier', () => {
    assert.throws(() => chaosStore({} as never), {
      code: 'ERR_INVALID_OPTION',
      message: /^chaosStore\(inner\): expected something with mget, mset, mdelete/,
    })
  })
})
