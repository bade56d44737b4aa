import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BatchOptions, BatchProcessor, GroupBreakerError, SluiceError } from '../js/index.js'
import { type Bench, setUp, thrownBy } from './support/set-up.js'
import { ready } from './support/source.js'
import { drained } from './support/virtual-clock.js'

const down = new Error('the source is down')

/** A group fetch that fails while it is to, and counts its calls. */
class Group {
  calls = 0
  fails = true
  #serial = 0
  readonly bench: Bench

  constructor(bench: Bench) {
    this.bench = bench
  }

  /** Asks for two new keys of group `name`. */
  ask(name = 'g:a', options: BatchOptions<string> = {}) {
    const keys = [1, 2].map(() => `${name}:${++this.#serial}`)
    const groupFetch: BatchOptions<string>['groupFetch'] = ({ keys }) => {
      this.calls++
      if (this.fails) throw down
      return keys.map(() => 'group')
    }
    return this.bench.processor.getCachedDataBatchSettled(
      keys.map((key) => ready(key, 'own')),
      { groupFetch, ...options },
    )
  }

  async askTimes(times: number): Promise<void> {
    for (let n = 0; n < times; n++) await this.ask()
  }
}

const sources = (outcomes: Awaited<ReturnType<Group['ask']>>) => outcomes.map(({ source, attempts }) => [source, attempts])

describe('a group that fails', () => {
  test('five times in a row is left alone for ten seconds; its keys fall back', async (t) => {
    const group = new Group(setUp(t))
    await group.askTimes(5)
    assert.equal(group.calls, 5)
    assert.deepEqual(sources(await group.ask()), [
      ['fetch', 1],
      ['fetch', 1],
    ])
    await group.bench.clock.advance(9_999)
    await group.askTimes(3)
    assert.equal(group.calls, 5)
    await group.bench.clock.advance(1)
    await group.ask()
    assert.equal(group.calls, 6)
  })

  test('is tried by one call after that: if it fails, it is left alone again', async (t) => {
    const group = new Group(setUp(t))
    await group.askTimes(5)
    await group.bench.clock.advance(10_000)
    await group.askTimes(3)
    assert.equal(group.calls, 6)
    await group.bench.clock.advance(10_000)
    await group.askTimes(3)
    assert.equal(group.calls, 7)
  })

  test('and then succeeds is called again', async (t) => {
    const group = new Group(setUp(t))
    await group.askTimes(5)
    await group.bench.clock.advance(10_000)
    group.fails = false
    assert.deepEqual(sources(await group.ask()), [
      ['group', 1],
      ['group', 1],
    ])
    await group.ask()
    assert.equal(group.calls, 7)
    group.fails = true
    await group.askTimes(5)
    await group.ask()
    assert.equal(group.calls, 12)
  })

  test('is tried by one call alone while that is under way', async (t) => {
    const bench = setUp(t)
    const group = new Group(bench)
    await group.askTimes(5)
    await bench.clock.advance(10_000)
    const probing = group.ask('g:a', { groupFetch: bench.source.groupFetch as never })
    assert.equal(bench.source.groupCalls.length, 1)
    await group.ask()
    assert.equal(group.calls, 5)
    bench.source.groupCall(0).resolve(['one', 'two'])
    await probing
    await group.ask()
    assert.equal(group.calls, 6)
  })

  test('is tried again after another cool-down, if nobody waited for the call that tried', async (t) => {
    const bench = setUp(t)
    const group = new Group(bench)
    await group.askTimes(5)
    await bench.clock.advance(10_000)
    const controller = new AbortController()
    const probing = group.ask('g:a', { groupFetch: bench.source.groupFetch as never, signal: controller.signal })
    probing.catch(() => {})
    controller.abort()
    await drained()
    bench.source.groupCall(0).reject(down)
    await group.ask()
    assert.equal(group.calls, 5)
    await bench.clock.advance(10_000)
    await group.ask()
    assert.equal(group.calls, 6)
  })

  test('four times, succeeds, and fails four times is not left alone', async (t) => {
    const group = new Group(setUp(t))
    await group.askTimes(4)
    group.fails = false
    await group.ask()
    group.fails = true
    await group.askTimes(4)
    assert.equal(group.calls, 9)
    await group.ask()
    assert.equal(group.calls, 10)
  })

  test('by answering errors, in no shape, or not for all keys has answered', async (t) => {
    const group = new Group(setUp(t))
    for (const answer of [[new Error('one'), new Error('two')], 7, new Map()]) {
      for (let n = 0; n < 6; n++) {
        let called = false
        await group.ask('g:a', {
          groupFetch: () => {
            called = true
            return answer as never
          },
        })
        assert.ok(called)
      }
    }
  })

  test('by not answering in time is left alone, too', async (t) => {
    const bench = setUp(t)
    const group = new Group(bench)
    for (let n = 0; n < 5; n++) {
      const asked = group.ask('g:a', { groupFetch: bench.source.groupFetch as never, fetchTimeoutMs: 100 })
      await bench.clock.advance(100)
      await asked
    }
    await group.ask()
    assert.equal(group.calls, 0)
  })

  test('says nothing of other groups', async (t) => {
    const group = new Group(setUp(t))
    await group.askTimes(6)
    await group.ask('g:b')
    assert.equal(group.calls, 6)
  })

  test('of a processor counts under its name', async (t) => {
    let calls = 0
    const groupFetch = () => {
      calls++
      throw down
    }
    const { processor } = setUp(t, { groups: { g: groupFetch } })
    for (let n = 0; n < 6; n++) await processor.getCachedDataBatch([ready(`g:${n}:1`, 1), ready(`g:${n}:2`, 2)])
    assert.equal(calls, 5)
  })

  test('rejects the keys over groupFallbackLimit, the last failure as cause', async (t) => {
    const group = new Group(setUp(t))
    await group.askTimes(5)
    const [one, two] = await group.ask('g:a', { groupFallbackLimit: 1 })
    assert.equal(one?.status, 'fulfilled')
    const error = two?.status === 'rejected' ? two.reason : undefined
    assert.ok(error instanceof GroupBreakerError && error instanceof SluiceError)
    const { code, family, key, groupKey, message, cause } = error
    assert.deepEqual(
      { code, family, key, groupKey, message, cause },
      {
        code: 'ERR_GROUP_BREAKER_OPEN',
        family: 'fetch',
        key: 'g:a:12',
        groupKey: 'g:a',
        message: 'the group fetch of "g:a" failed too often to be called for "g:a:12"',
        cause: down,
      },
    )
    assert.deepEqual(sources([two as never]), [['group', 0]])
  })

  test('is reported once, and counted', async (t) => {
    const bench = setUp(t)
    const group = new Group(bench)
    const events: unknown[] = []
    bench.processor.on('groupBreakerOpen', (event) => void events.push(event))
    await group.askTimes(7)
    assert.deepEqual(events, [{ groupKey: 'g:a', error: down }])
    assert.equal((await bench.processor.metrics()).groupBreakersOpened, 1)
  })

  test('is left alone after as many failures, and for as long, as the config says', async (t) => {
    const group = new Group(setUp(t, { groupBreaker: { failures: 2, coolDownMs: 50 } }))
    await group.askTimes(3)
    assert.equal(group.calls, 2)
    await group.bench.clock.advance(50)
    await group.ask()
    assert.equal(group.calls, 3)
  })

  test('is called again and again where groupBreaker is false', async (t) => {
    const group = new Group(setUp(t, { groupBreaker: false }))
    await group.askTimes(20)
    assert.equal(group.calls, 20)
  })

  test('is forgotten when a thousand others have failed since', async (t) => {
    const group = new Group(setUp(t))
    await group.askTimes(5)
    for (let n = 0; n < 1000; n++) await group.ask(`g:${n}`)
    await group.ask()
    assert.equal(group.calls, 1006)
  })
})

describe('groupBreaker is refused', () => {
  const wrong: [unknown, string, string][] = [
    [true, 'an object of failures, coolDownMs, or false', 'true (boolean)'],
    [null, 'an object of failures, coolDownMs, or false', 'null'],
    [{ failures: 0 }, 'failures to be an integer from 1 to 2,147,483,647, or false', 'an object'],
    [{ coolDownMs: 0 }, 'coolDownMs to be milliseconds greater than 0, or Infinity, or false', 'an object'],
    [{ cooldownMs: 5 }, 'an object of failures, coolDownMs (not cooldownMs), or false', 'an object'],
  ]
  for (const [groupBreaker, expected, received] of wrong) {
    test(`where it is ${received}, not ${expected}`, () => {
      const error = thrownBy(() => new BatchProcessor({ groupBreaker: groupBreaker as never })) as Error & { code: string }
      assert.equal(error.message, `config.groupBreaker: expected ${expected}, received ${received}`)
      assert.equal(error.code, 'ERR_INVALID_OPTION')
    })
  }
})
