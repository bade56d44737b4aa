/**
 * The stamp by which `sluice/slim` knows that a wasm is the engine it was built with: a custom section, which a compiled module tells as well
 * (the core specification 2.0, chapter 5.5.3).
 */

import { createHash } from 'node:crypto'

const SECTION = 'sluice'
const CUSTOM = 0

/** What the stamp of this wasm says: as short as can be told from any other. */
export function stampOf(wasm) {
  return createHash('sha256').update(wasm).digest('hex').slice(0, 12)
}

/** The wasm with its stamp. */
export function stamped(wasm) {
  const text = Buffer.from(stampOf(wasm))
  const name = Buffer.from(SECTION)
  const content = Buffer.concat([Buffer.of(name.length), name, text])
  return Buffer.concat([wasm, Buffer.of(CUSTOM, content.length), content])
}
