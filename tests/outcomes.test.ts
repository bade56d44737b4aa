import './support/strict.js'
import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type BatchError, type BatchRequest, type FetchContext, SluiceError } from '../js/index.js'
import { reasonOf, reasonsOf, setUp } from './support/set-up.js'
import { Deferred, ready, unwanted } from './support/source.js'

describe('what a fetchFunction answers', () => {
  test('a plain value is the result', async (t) => {
    const { processor } = setUp(t)
    assert.equal(await processor.getCachedData('a', () => 42), 42)
    assert.equal(processor.memory.get('a'), 42)
  })

  for (const value of [
    0,
    '',
    false,
    Number.NaN,
    -0,
    10n,
    Symbol('s'),
    () => 1,
    new Map(),
    new Date(0),
    Buffer.from('x'),
    new Error('a value'),
  ]) {
    test(`${String(value) || 'the empty string'} (${typeof value}) is a value like any other, kept by identity`, async (t) => {
      const { processor } = setUp(t)
      assert.ok(Object.is(await processor.getCachedData<unknown>('a', async () => value), value))
      assert.ok(Object.is(await processor.getCachedData('a', unwanted('a').fetchFunction), value))
    })
  }

  test('a promise of another realm, or a thenable, is waited for', async (t) => {
    const { processor } = setUp(t)
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    const thenable = { then: (resolve: (value: string) => void) => resolve('A') } as unknown as Promise<string>
    assert.equal(await processor.getCachedData('a', () => thenable), 'A')
  })

  test('an object whose `then` throws when it is read is a failure', async (t) => {
    const { processor } = setUp(t)
    const reason = new Error('no then')
    const trap = Object.defineProperty({}, 'then', {
      get() {
        throw reason
      },
    })
    assert.equal(await reasonOf(processor.getCachedData('a', () => trap)), reason)
  })

  test('undefined is delivered to all who wait, and not stored', async (t) => {
    const { processor, source } = setUp(t)
    const asked = processor.getCachedDataBatch(source.requests('a', 'a'))
    source.call(0).resolve(undefined)
    assert.deepEqual(await asked, [undefined, undefined])
    assert.equal(processor.memory.has('a'), false)
    assert.equal(await processor.getCachedData('a', () => 'again'), 'again')
  })

  test('null is a value, stored for the ttl where there is no negativeTtl', async (t) => {
    const { processor } = setUp(t, { ttl: 100 })
    assert.equal(await processor.getCachedData('a', () => null), null)
    assert.equal(processor.memory.get('a'), null)
    assert.equal(processor.memory.remainingTtl('a'), 100)
    assert.deepEqual(await processor.getCachedDataBatch([unwanted('a')]), [null])
  })

  test('null is stored for negativeTtl, whatever the request says', async (t) => {
    const { processor, clock } = setUp(t, { ttl: 1000, negativeTtl: 10 })
    await processor.getCachedDataBatch([ready('a', null), ready('b', null, { ttl: 500 }), ready('c', 'c')])
    assert.deepEqual([...processor.memory.keys()].sort(), ['a', 'b', 'c'])
    await clock.advance(10)
    assert.deepEqual([...processor.memory.keys()], ['c'])
  })

  test('negativeTtl 0 keeps no null', async (t) => {
    const { processor } = setUp(t, { negativeTtl: 0 })
    assert.equal(await processor.getCachedData('a', () => null), null)
    assert.equal(processor.memory.size, 0)
  })
})

describe('how a fetchFunction fails', () => {
  test('a synchronous throw is a rejection with the very same error', async (t) => {
    const { processor } = setUp(t)
    const reason = new Error('at once')
    const throwing = () => {
      throw reason
    }
    assert.equal(await reasonOf(processor.getCachedData('a', throwing)), reason)
    assert.equal(processor.memory.size, 0)
  })

  test('it is in flight before it is called: a call of itself for its own key does not begin a second load', async (t) => {
    const { processor } = setUp(t)
    const other = new Deferred<unknown>()
    const outside = new Deferred<void>()
    const asked = processor.getCachedData('a', () => {
      outside.resolve()
      return other.promise
    })
    await outside.promise
    const joined = processor.getCachedData('a', unwanted('a').fetchFunction)
    other.resolve('A')
    assert.deepEqual([await asked, await joined], ['A', 'A'])
  })

  for (const reason of [undefined, null, 0, '', false, 'text', Object.freeze(new Error('frozen')), Symbol('reason')]) {
    test(`a rejection with ${String(reason) || 'the empty string'} counts, for all who wait`, async (t) => {
      const { processor, source } = setUp(t)
      const single = processor.getCachedData('a', source.fetch)
      const batch = processor.getCachedDataBatch(source.requests('a', 'a'))
      const settled = processor.getCachedDataBatchSettled(source.requests('a'))
      source.call(0).reject(reason)
      const [own, error] = (await reasonsOf(single, batch)) as [unknown, BatchError]
      assert.equal(own, reason)
      assert.equal(error.code, 'ERR_BATCH_FAILED')
      assert.deepEqual(error.errors, [reason, reason])
      assert.deepEqual(await settled, [{ index: 0, key: 'a', status: 'rejected', reason, source: 'joined', ms: 0, attempts: 1 }])
      assert.equal(processor.memory.size, 0)
    })
  }

  test('a reason that cannot be shown does not get in the way', async (t) => {
    const { processor } = setUp(t)
    const hostile = Object.defineProperty(new Error(), 'message', {
      get() {
        throw new Error('no message')
      },
    })
    const hollow = Object.create(null) as object
    const error = (await reasonOf(
      processor.getCachedDataBatch([
        { key: 'a', fetchFunction: () => Promise.reject(hostile) },
        { key: 'b', fetchFunction: () => Promise.reject(hollow) },
      ]),
    )) as BatchError
    assert.equal(error.message, '2 of 2 requests failed, first "a": a reason that cannot be shown')
    assert.equal(error.errors[0], hostile)
    assert.equal(error.errors[1], hollow)
  })

  test('a failure is not kept: who comes later fetches anew', async (t) => {
    const { processor } = setUp(t)
    await reasonOf(processor.getCachedData('a', () => Promise.reject(new Error('once'))))
    assert.equal(await processor.getCachedData('a', () => 'A'), 'A')
  })

  test('a thousand who wait for a load that fails get its error, and it was called once', async (t) => {
    const { processor, source } = setUp(t)
    const reason = new Error('no')
    const asked = Array.from({ length: 1000 }, () => processor.getCachedData('a', source.fetch))
    source.call(0).reject(reason)
    assert.deepEqual([...new Set(await reasonsOf(...asked))], [reason])
    assert.equal(source.calls.length, 1)
  })
})

describe('a value that can be read only once', () => {
  for (const [name, make] of [
    ['Response', () => new Response('body')],
    ['ReadableStream', () => new ReadableStream()],
    ['readable stream', () => Readable.from(['body'])],
  ] as const) {
    test(`${name}: one request gets it, and it is not stored`, async (t) => {
      const { processor } = setUp(t)
      const value = make()
      assert.equal(await processor.getCachedData<unknown>('a', async () => value), value)
      assert.equal(processor.memory.size, 0)
    })

    test(`${name}: of several who wait the first gets it, the others a TypeError that says so`, async (t) => {
      const { processor, source } = setUp(t)
      const asked = processor.getCachedDataBatchSettled(source.requests('a', 'a'))
      const value = make()
      source.call(0).resolve(value)
      const [first, second] = await asked
      assert.equal(first?.status === 'fulfilled' && first.value, value)
      const reason = second?.status === 'rejected' && (second.reason as SluiceError)
      assert.ok(reason instanceof TypeError && reason instanceof SluiceError)
      assert.equal(reason.code, 'ERR_UNSHAREABLE_VALUE')
      assert.equal(
        reason.message,
        `"a" was fetched as a ${name}, which only one of the requests waiting for it can read; fetch its content instead`,
      )
    })
  }
})

describe('what is of another library, or an old platform, and names itself otherwise', () => {
  class Reply {
    readonly bodyUsed = false
    readonly status = 200
    text(): string {
      return 'body'
    }
  }
  class Flow {
    getReader(): void {}
    tee(): void {}
  }
  class Tagged {
    get [Symbol.toStringTag](): string {
      return 'Response'
    }
  }
  for (const [what, make, isShared] of [
    ['a response can be read once', () => new Reply(), false],
    ['a stream can be read once', () => new Flow(), false],
    ['what was a response once, and is plain data, can be shared', () => ({ bodyUsed: true, status: 200, text: 'body' }), true],
    ['what is called Response, and is none, can be shared', () => new Tagged(), true],
  ] as const) {
    test(what, async (t) => {
      const { processor, source } = setUp(t)
      const asked = processor.getCachedDataBatchSettled(source.requests('a', 'a'))
      source.call(0).resolve(make())
      assert.deepEqual(
        (await asked).map(({ status }) => status),
        ['fulfilled', isShared ? 'fulfilled' : 'rejected'],
      )
      assert.equal(processor.memory.has('a'), isShared)
    })
  }
})

test('telling what can be read only once names no class that the runtime loads when it is named', async (t) => {
  const { processor } = setUp(t)
  const named: string[] = []
  const classes = ['Response', 'ReadableStream'].map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const)
  t.after(() => {
    for (const [name, given] of classes) if (given !== undefined) Object.defineProperty(globalThis, name, given)
  })
  for (const [name] of classes) {
    Object.defineProperty(globalThis, name, { configurable: true, get: () => void named.push(name) })
  }
  assert.deepEqual(await processor.getCachedData('a', async () => ({ id: 1 })), { id: 1 })
  assert.deepEqual(named, [])
})

test('what can be written only, or has no more than a method called pipe, is a value like any other', async (t) => {
  const { processor } = setUp(t)
  for (const [key, value] of [
    ['writable', new Writable()],
    ['pipe', { pipe: () => {} }],
    ['read', { read: () => {} }],
  ] as const) {
    assert.deepEqual(await processor.getCachedDataBatch<unknown>([ready(key, value), ready(key, value)]), [value, value])
    assert.equal(processor.memory.get(key), value)
  }
})

test('a callback that has answered is let go of, while its batch goes on', async (t) => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const { processor } = setUp(t)
  const signals: WeakRef<AbortSignal>[] = []
  let release = (): void => {}
  const slow = new Promise<void>((resolve) => {
    release = resolve
  })
  const keys = Array.from({ length: 100 }, (_, at) => `key ${at}`)
  const requests: BatchRequest<unknown>[] = keys.map((key) => ({
    key,
    fetchFunction: async ({ signal }) => void signals.push(new WeakRef(signal)),
  }))
  const asked = processor.getCachedDataBatch([...requests, { key: 'slow', fetchFunction: () => slow }], { maxConcurrency: 10 })
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  gc()
  assert.equal(signals.length, 100)
  // Of the last one, a register may hold something.
  assert.ok(signals.filter((signal) => signal.deref() !== undefined).length <= 1)
  release()
  await asked
})

describe('the context of a fetchFunction', () => {
  test('says the key and the attempt, and offers a signal that is not aborted', async (t) => {
    const { processor } = setUp(t)
    let seen: FetchContext | undefined
    await processor.getCachedData('a', (context) => {
      seen = context
      return 1
    })
    assert.equal(seen?.key, 'a')
    assert.equal(seen?.attempt, 1)
    assert.equal(seen?.signal.aborted, false)
    assert.equal(seen?.signal, seen?.signal)
  })

  test('the fetchFunction is called as a method of its request', async (t) => {
    const { processor } = setUp(t)
    class Request {
      readonly key = 'a'
      readonly #secret = 'A'
      fetchFunction() {
        return this.#secret
      }
    }
    assert.deepEqual(await processor.getCachedDataBatch([new Request()]), ['A'])
  })
})
