/**
 * Writes until it is killed, and says on stdout, in lines that are there when it is dead: `> 7 a b` when it begins to write number 7 to `a` and `b`,
 * `< 7` when that is done. Every fifth number removes.
 *
 *     node victim.mjs <file> <number to begin with> <maxBytes>
 */

import { writeSync } from 'node:fs'
import { sqliteStorage } from 'sluice/sqlite'

const [file, first, maxBytes] = process.argv.slice(2)
const storage = sqliteStorage({ path: file, maxBytes: Number(maxBytes) })
const random = (bound) => Math.floor(Math.random() * bound)

writeSync(1, 'ready\n')
for (let nth = Number(first); ; nth++) {
  const keys = [...new Set(Array.from({ length: 1 + random(12) }, () => `key-${random(100)}`))]
  writeSync(1, `> ${nth} ${keys.join(' ')}\n`)
  if (nth % 5 === 0) await storage.mdelete(keys)
  else
    await storage.mset(
      keys.map((key) => ({ key, value: { key, nth, text: `${key} ${nth} `.repeat(random(random(10) === 0 ? 3000 : 100)) } })),
    )
  writeSync(1, `< ${nth}\n`)
  // Opening, and closing with all it does to the log, are to be met as well.
  if (random(20) === 0) await storage.close()
  // What nobody waits for any more: the next turn.
  if (random(5) === 0) await new Promise((resolve) => setImmediate(resolve))
}
