/**
 * Writes until it is killed, and says on stdout, in lines that are there when it is dead: `> 7 a b` when it begins to write number 7 to `a` and `b`,
 * `< 7` when that is done. Every fifth number removes.
 *
 *     node victim.mjs <file> <number to begin with> <maxBytes>
 *
 * With `messages` behind that it is a thread, and says so by messages. With `steps` it does the same few things each time, and ends: writes, removes, replaces, and opens the file again after each.
 */

import { writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { sqliteStorage } from 'sluice/sqlite'

const [file, first, maxBytes, steps] = process.argv.slice(2)
const storage = sqliteStorage({ path: file, maxBytes: Number(maxBytes) })
const say = steps === 'messages' ? (line) => parentPort.postMessage(line) : (line) => writeSync(1, line)
const random = (bound) => Math.floor(Math.random() * bound)

say('ready\n')
if (steps === 'steps') {
  for (const [nth, keys, length] of [
    [1, ['key-1', 'key-2', 'key-3'], 10],
    [2, ['key-2', 'key-4'], 700],
    [5, ['key-1', 'key-9'], 0],
    [6, ['key-5'], 6000],
    [7, ['key-2', 'key-5', 'key-6'], 3],
    [10, ['key-5', 'key-2'], 0],
  ]) {
    await step(nth, keys, length)
    if (nth % 2 === 0) await storage.close()
  }
  await storage.close()
  process.exit(0)
}
for (let nth = Number(first); ; nth++) {
  const keys = [...new Set(Array.from({ length: 1 + random(12) }, () => `key-${random(100)}`))]
  await step(nth, keys, random(random(10) === 0 ? 3000 : 100))
  // Opening, and closing with all it does to the log, are to be met as well.
  if (random(20) === 0) await storage.close()
  // What nobody waits for any more: the next turn.
  if (random(5) === 0) await new Promise((resolve) => setImmediate(resolve))
}

async function step(nth, keys, length) {
  say(`> ${nth} ${keys.join(' ')}\n`)
  if (nth % 5 === 0) await storage.mdelete(keys)
  else await storage.mset(keys.map((key) => ({ key, value: { key, nth, text: `${key} ${nth} `.repeat(length) } })))
  say(`< ${nth}\n`)
}
