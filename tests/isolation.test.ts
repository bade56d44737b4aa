import './support/strict.js'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { reasonOf, setUp } from './support/set-up.js'
import { ready, unwanted } from './support/source.js'

const make = () => ({ list: [1, 2], nested: { deep: [{}] } })

describe("isolation: 'shared'", () => {
  test('hands the value itself to everybody', async (t) => {
    const { processor } = setUp(t)
    const value = make()
    const [one, two] = await processor.getCachedDataBatch([ready('a', value), ready('a', value)])
    assert.equal(one, value)
    assert.equal(two, value)
    assert.equal((await processor.getCachedDataBatch([unwanted('a')]))[0], value)
    assert.equal(Object.isFrozen(value), false)
  })
})

describe("isolation: 'freeze'", () => {
  test('hands the value itself to everybody, frozen in its depth', async (t) => {
    const { processor } = setUp(t)
    const value = make()
    const [one] = await processor.getCachedDataBatch([ready('a', value)], { isolation: 'freeze' })
    assert.equal(one, value)
    assert.throws(() => one?.list.push(3), TypeError)
    assert.ok(Object.isFrozen(one?.nested.deep[0]))
  })

  test('freezes what was in memory', async (t) => {
    const { processor } = setUp(t, { isolation: 'freeze' })
    processor.memory.set('a', make())
    const [one] = await processor.getCachedDataBatch<ReturnType<typeof make>>([unwanted('a')])
    assert.ok(Object.isFrozen(one))
  })

  test('leaves alone what has a type of its own, cycles and all', async (t) => {
    const { processor } = setUp(t, { isolation: 'freeze' })
    const value: Record<string, unknown> = { map: new Map(), date: new Date(0), bytes: new Uint8Array(2) }
    value.self = value
    const [one] = await processor.getCachedDataBatch([ready('a', value)])
    assert.equal(one, value)
    ;(value.map as Map<string, number>).set('x', 1)
    ;(value.bytes as Uint8Array)[0] = 7
    assert.ok(Object.isFrozen(value))
  })
})

describe("isolation: 'clone'", () => {
  test('hands everybody a copy: nobody changes what another has', async (t) => {
    const { processor } = setUp(t)
    const value = make()
    const [one, two] = await processor.getCachedDataBatch([ready('a', value), ready('a', value)], { isolation: 'clone' })
    assert.deepEqual(one, value)
    assert.notEqual(one, two)
    one?.list.push(3)
    value.list.push(4)
    assert.deepEqual(two, make())
    assert.deepEqual(await processor.getCachedDataBatch([unwanted('a')], { isolation: 'clone' }), [make()])
  })

  test('keeps what structuredClone keeps: Map, Set, Date, BigInt, cycles', async (t) => {
    const { processor } = setUp(t, { isolation: 'clone' })
    const value: Record<string, unknown> = { map: new Map([[1, new Set([2n])]]), date: new Date(5) }
    value.self = value
    const [one] = await processor.getCachedDataBatch([ready('a', value)])
    assert.deepEqual(one, value)
    assert.notEqual(one, value)
    assert.equal((one as { self: unknown }).self, one)
  })

  test('of what cannot be cloned is a failure of that key alone', async (t) => {
    const { processor } = setUp(t)
    const outcomes = await processor.getCachedDataBatchSettled<unknown>(
      [ready('bad', { method: () => 1 }), ready('good', { a: 1 })],
      {
        isolation: 'clone',
      },
    )
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'fulfilled'],
    )
    assert.equal(outcomes[0]?.status === 'rejected' && (outcomes[0].reason as Error).name, 'DataCloneError')
    processor.memory.set('a', { method: () => 1 })
    assert.equal(
      ((await reasonOf(processor.getCachedData('a', () => 1, { isolation: 'clone' }))) as Error).name,
      'DataCloneError',
    )
  })
})
