/**
 * One of several processes on one file: reads, writes, removes, and now and then clears, at random, and checks all that it reads. Of its own keys it
 * knows which value is the last; those that all share have a value that says whose it is.
 *
 *     node worker.mjs <file> <seed> <operations> <number of this process>
 */

import { sqliteStorage } from 'sluice/sqlite'

const [file, seed, operations, number] = process.argv.slice(2)
const storage = sqliteStorage({ path: file, maxBytes: 4 * 2 ** 20 })
const random = randomFrom(Number(seed))
const told = { operations: 0, reads: 0, hits: 0, wrong: [], errors: [] }
/** Of each key of our own, the number of its last value; 0 where it was removed. */
const last = new Map()

for (let nth = 1; nth <= Number(operations); nth++) {
  const keys = Array.from({ length: 1 + random(8) }, () => (random(2) ? `own ${number} ${random(200)}` : `shared ${random(200)}`))
  const distinct = [...new Set(keys)]
  const dice = random(1000)
  try {
    if (dice < 550) await read(keys)
    else if (dice < 950) await write(distinct, nth)
    else if (dice < 999) await remove(distinct)
    else await storage.clear()
    told.operations++
  } catch (error) {
    told.errors.push(String(error))
  }
}
await storage.close()
console.log(JSON.stringify(told))

async function read(keys) {
  const entries = await storage.mget(keys)
  told.reads += keys.length
  for (const [index, entry] of entries.entries()) {
    if (entry === undefined) continue
    told.hits++
    const key = keys[index]
    const { of, nth, text } = entry.value
    const isRight = of === key && text === textOf(key, nth) && (!last.has(key) || last.get(key) === nth)
    if (!isRight) told.wrong.push({ key, got: [of, nth, text.length], last: last.get(key) })
  }
}

async function write(keys, nth) {
  for (const key of keys) if (key.startsWith('own')) last.set(key, nth)
  await storage.mset(keys.map((key) => ({ key, value: { of: key, nth, text: textOf(key, nth) } })))
}

async function remove(keys) {
  for (const key of keys) if (key.startsWith('own')) last.set(key, 0)
  await storage.mdelete(keys)
}

/** Of all lengths, so that rows move between pages. */
function textOf(key, nth) {
  return `${key} ${nth} `.repeat(1 + ((nth * 7919) % 97))
}

function randomFrom(seed) {
  let state = seed >>> 0
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}
