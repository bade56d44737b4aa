/** How options are read, whatever they are made of, and the schema of a config. */

import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BatchOptions, BatchProcessor, batchConfigSchema } from '../js/index.js'
import { setUp, thrownBy } from './support/set-up.js'
import { drained } from './support/virtual-clock.js'

const FOREVER = Number.POSITIVE_INFINITY

describe('options of every make', () => {
  /** Of two requests one is called at a time if `maxConcurrency: 1` was taken. */
  const isTaken = async (t: Parameters<typeof setUp>[0], options: BatchOptions<unknown>): Promise<boolean> => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('a', 'b'), options)
    const taken = source.calls.length === 1
    source.call(0).resolve(1)
    await drained()
    source.finish()
    await asked
    return taken
  }

  test('frozen, without a prototype, a proxy, of a class with getters', async (t) => {
    class Options {
      get maxConcurrency() {
        return 1
      }
    }
    const bare = Object.assign(Object.create(null), { maxConcurrency: 1 })
    for (const options of [Object.freeze({ maxConcurrency: 1 }), bare, new Proxy({ maxConcurrency: 1 }, {}), new Options()]) {
      assert.equal(await isTaken(t, options), true)
    }
  })

  test('each is read once', async (t) => {
    const reads: string[] = []
    const counting = new Proxy({ maxConcurrency: 1, fetchTimeoutMs: 5 } as BatchOptions<unknown>, {
      get: (target, name) => {
        reads.push(String(name))
        return Reflect.get(target, name)
      },
    })
    assert.equal(await isTaken(t, counting), true)
    assert.deepEqual(reads.sort(), ['fetchTimeoutMs', 'maxConcurrency'])
  })

  test('from call to call: what was said the last time says nothing for this one', async (t) => {
    const { processor, source } = setUp(t)
    const retry = { attempts: 1, backoffMs: 0, jitter: 0 }
    const options: BatchOptions<unknown> = { maxConcurrency: 2 }
    let batch = 0
    const started = async (given: BatchOptions<unknown> | undefined): Promise<number> => {
      const before = source.calls.length
      batch++
      const asked = processor.getCachedDataBatch(
        source.requests(...['a', 'b', 'c', 'd', 'e', 'f'].map((key) => `${key}${batch}`)),
        given,
      )
      const taken = source.calls.length - before
      while (source.calls.some(({ isAnswered }) => !isAnswered)) {
        source.finish()
        await drained()
      }
      await asked
      return taken
    }
    assert.equal(await started(options), 2)
    assert.equal(await started({ maxConcurrency: 2 }), 2)
    assert.equal(await started(Object.assign(options, { maxConcurrency: 3 })), 3)
    assert.equal(await started({}), 5)
    assert.equal(await started({ maxConcurrency: 3 }), 3)
    assert.equal(await started(undefined), 5)
    assert.equal(await started({ maxConcurrency: 3, retry }), 3)
    // In place, where it cannot be seen.
    retry.attempts = -1
    await assert.rejects(started({ maxConcurrency: 3, retry }), /options\.retry: expected attempts to be an integer/)
    await assert.rejects(started({ maxConcurency: 3 } as never), /expected no option of this name/)
    await assert.rejects(started({ maxConcurency: 3 } as never), /expected no option of this name/)
    assert.equal(await started({ maxConcurrency: 3 }), 3)
  })

  test('what somebody put on Object.prototype is no option', async (t) => {
    const polluted = Object.prototype as Record<string, unknown>
    try {
      polluted.maxConcurrency = 1
      polluted.groupingStrategy = 'nonsense'
      polluted.maxEntries = 'many'
      assert.equal(await isTaken(t, {}), false)
      assert.equal(await isTaken(t, { deduplication: true }), false)
    } finally {
      for (const name of ['maxConcurrency', 'groupingStrategy', 'maxEntries']) delete polluted[name]
    }
  })

  test('of getCachedData, of a class with getters too', async (t) => {
    class Options {
      get ttl() {
        return 50
      }
      get cache() {
        return 'reload' as const
      }
    }
    const { processor } = setUp(t)
    processor.memory.set('a', 'cached')
    assert.equal(await processor.getCachedData('a', () => 'fetched', new Options()), 'fetched')
    assert.equal(processor.memory.remainingTtl('a'), 50)
  })

  test("are the caller's own: what happens to them afterwards is nothing to us", async (t) => {
    const { processor, source } = setUp(t)
    const options: BatchOptions<unknown> = { maxConcurrency: 1, retry: { attempts: 1 } }
    const requests = source.requests('a', 'b')
    const asked = processor.getCachedDataBatch(requests, options)
    Object.assign(options, { maxConcurrency: 'x', fetchTimeoutMs: -1 })
    requests.length = 0
    source.call(0).resolve('A')
    await drained()
    source.call(1).resolve('B')
    assert.deepEqual(await asked, ['A', 'B'])
  })

  test('a config that changes after the processor is made is nothing to it', async (t) => {
    const retry = { attempts: 1 }
    const config = { ttl: 50, maxEntries: 2, retry }
    const { processor } = setUp(t, config)
    Object.assign(config, { ttl: 1, maxEntries: 1 })
    retry.attempts = 9
    processor.memory.set('a', 1).set('b', 2)
    assert.equal(processor.memory.size, 2)
    assert.equal(processor.memory.remainingTtl('a'), 50)
  })

  test('requests that change while they are fetched do not', async (t) => {
    const { processor, source } = setUp(t)
    const requests = [source.request('a', { ttl: 50 }), source.request('b')]
    const asked = processor.getCachedDataBatchSettled(requests, { maxConcurrency: 1 })
    for (const request of requests) Object.assign(request, { key: 'changed', ttl: 1, fetchFunction: () => 'changed' })
    source.call(0).resolve('A')
    await drained()
    source.call(1).resolve('B')
    assert.deepEqual(
      (await asked).map((outcome) => [outcome.key, outcome.status === 'fulfilled' && outcome.value]),
      [
        ['a', 'A'],
        ['b', 'B'],
      ],
    )
    assert.deepEqual([...processor.memory.keys()].sort(), ['a', 'b'])
    assert.equal(processor.memory.remainingTtl('a'), 50)
  })
})

describe('batchConfigSchema', () => {
  const { version, vendor, validate } = batchConfigSchema['~standard']

  test('is a Standard Schema', () => {
    assert.equal(version, 1)
    assert.equal(vendor, 'sluice')
    assert.ok(Object.isFrozen(batchConfigSchema) && Object.isFrozen(batchConfigSchema['~standard']))
  })

  test('fills in the defaults', () => {
    const defaults = {
      defaultConcurrency: 5,
      enableOptimizations: true,
      groupingStrategy: 'prefix',
      maxBatchSize: 50,
      timeoutMs: FOREVER,
    }
    assert.deepEqual(validate({}), { value: defaults })
    assert.deepEqual(validate(undefined), { value: defaults })
    assert.deepEqual(batchConfigSchema.parse({ maxBatchSize: 7, ttl: 5 }), { ...defaults, maxBatchSize: 7, ttl: 5 })
  })

  test('names the field and what is wrong with it', () => {
    assert.deepEqual(validate({ maxBatchSize: 0 }), {
      issues: [
        {
          message: 'config.maxBatchSize: expected an integer from 1 to 2,147,483,647, received 0 (number)',
          path: ['maxBatchSize'],
        },
      ],
    })
    assert.deepEqual(validate({ maxBatchSise: 1 }), {
      issues: [
        {
          message: "config.maxBatchSise: expected no option of this name; did you mean 'maxBatchSize'?, received 1 (number)",
          path: ['maxBatchSise'],
        },
      ],
    })
    assert.deepEqual(validate('x'), { issues: [{ message: 'config: expected an object, received "x" (string)', path: [] }] })
  })

  test('parse throws what the constructor would', () => {
    const wrong = { timeoutMs: -1 }
    const [parsed, made] = [thrownBy(() => batchConfigSchema.parse(wrong)), thrownBy(() => new BatchProcessor(wrong))] as [
      Error,
      Error,
    ]
    assert.equal(parsed.message, made.message)
    assert.equal(parsed.constructor, made.constructor)
  })

  test('gives back what a processor takes', () => {
    new BatchProcessor(batchConfigSchema.parse({ groupingStrategy: 'none', enableOptimizations: false }))
    const config = batchConfigSchema.parse({ groupingStrategy: 'none', enableOptimizations: false, defaultConcurrency: 3 })
    assert.deepEqual(config, {
      defaultConcurrency: 3,
      enableOptimizations: false,
      groupingStrategy: 'none',
      maxBatchSize: 50,
      timeoutMs: FOREVER,
    })
  })

  test('takes what has a prototype of its own', () => {
    class Config {
      get maxBatchSize() {
        return 7
      }
    }
    assert.equal(batchConfigSchema.parse(new Config()).maxBatchSize, 7)
    assert.equal(batchConfigSchema.parse(Object.assign(Object.create(null), { maxBatchSize: 7 })).maxBatchSize, 7)
  })
})
