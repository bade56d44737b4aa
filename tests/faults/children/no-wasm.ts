/** Where WebAssembly is missing, or may not be compiled: what works all the same. Prints that as JSON. */

import { BatchProcessor } from '../../../js/index.js'

const [how] = process.argv.slice(2)
const scope = globalThis as { WebAssembly?: unknown }
if (how === 'missing') delete scope.WebAssembly
if (how === 'refused') {
  // As under a content security policy without 'wasm-unsafe-eval'.
  scope.WebAssembly = {
    ...WebAssembly,
    Module: class {
      constructor() {
        throw new WebAssembly.CompileError('refused by the policy')
      }
    },
  }
}
/** A function that adds two vectors: valid where there is SIMD. */
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]
const hasSimd = typeof WebAssembly === 'object' && how === undefined && WebAssembly.validate(Uint8Array.from(SIMD))

const warnings: string[] = []
process.removeAllListeners('warning')
process.on('warning', ({ name, message }) => warnings.push(`${name}: ${message}`))

const processor = new BatchProcessor()
const heard: string[] = []
processor.on('crash', ({ degraded }) => heard.push(`crash, ${degraded ? 'degraded' : 'not degraded'}`))
let running = 0
let most = 0
let loads = 0
const fetchFunction = async ({ key }: { key: string }): Promise<string> => {
  loads++
  most = Math.max(most, ++running)
  await new Promise((resolve) => setImmediate(resolve))
  running--
  if (key === 'bad') throw new Error('no')
  return key.toUpperCase()
}
const ask = (...keys: string[]) =>
  processor.getCachedDataBatchSettled(
    keys.map((key) => ({ key, fetchFunction })),
    { maxConcurrency: 2 },
  )
const [outcomes, joined] = await Promise.all([ask('a', 'b', 'a', 'c', 'bad', 'd'), processor.getCachedData('a', fetchFunction)])
const answers = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : String(outcome.reason)))
await processor.set('set', 1)
const kept = [processor.memory.get('set'), await processor.get('a')]
await processor.close()
// Others are as well off; that has been said.
const other = new BatchProcessor()
await other.getCachedData('a', fetchFunction)
await other.close()
await new Promise((resolve) => setImmediate(resolve))
console.log(JSON.stringify({ answers, joined, loads: loads - 1, most, kept, heard, warnings, hasSimd }))
