/**
 * Every call of the wasm, from one place: what calls it can be made to happen, in its stead or around it. Stands between the wrapper and each
 * instance that is made once this module is loaded, for the whole process.
 */

type Export = (...args: number[]) => unknown

/** What the wrapper calls an engine: its handle, and the exports of its instance, as functions of an engine. */
export interface Core {
  readonly handle: number
  call(method: string, ...args: number[]): unknown
}

/** What is done to an engine, and not by it; and what wasm-bindgen has for itself. */
const APART = /^(?:(?:create|destroy)(?:Queue)?|__.*)$/
/** The exports of the instance that was made last. */
let latest: WebAssembly.Exports | undefined
/** Calls go through all of these. */
const all = new Set<Crossings>()

export class Crossings {
  /** Calls so far. */
  count = 0
  /** The method of the last one. */
  last = ''
  /** Happens before each; what it throws is what the call throws. */
  before: ((core: Core, method: string) => void) | undefined
  /** Happens after each that did not throw. */
  after: ((core: Core, method: string) => void) | undefined

  constructor() {
    all.add(this)
  }

  /** Starts counting anew. */
  reset(): void {
    this.count = 0
    this.last = ''
    this.before = undefined
    this.after = undefined
  }

  /** The call number `number`, counted from 0, is `trap` instead. */
  trapAt(number: number, trap: (core: Core) => void): void {
    this.reset()
    this.before = (core) => {
      if (this.count - 1 === number) trap(core)
    }
  }
}

/** The memory of the instance that lives; there is one once the package was used. */
export function wasmMemory(): WebAssembly.Memory {
  if (latest === undefined) throw new Error('no instance yet')
  return latest.memory as WebAssembly.Memory
}

let isAround = false

/** What happens around a call calls the core, too, and that is no crossing. */
function around(work: (crossings: Crossings) => void): void {
  if (isAround) return
  isAround = true
  try {
    all.forEach(work)
  } finally {
    isAround = false
  }
}

function wrap(exports: WebAssembly.Exports): WebAssembly.Exports {
  const cross = (method: string, original: Export): Export => {
    return (handle, ...args) => {
      const core: Core = {
        handle: handle as number,
        call: (other, ...given) => (exports[other] as Export)(handle as number, ...given),
      }
      around((crossings) => {
        crossings.count++
        crossings.last = method
        crossings.before?.(core, method)
      })
      const answer = original(handle as number, ...args)
      around((crossings) => crossings.after?.(core, method))
      return answer
    }
  }
  return Object.fromEntries(
    Object.entries(exports).map(([name, value]) => {
      const isCrossing = typeof value === 'function' && !APART.test(name)
      return [name, isCrossing ? (cross(name, value as Export) as typeof value) : value]
    }),
  )
}

WebAssembly.Instance = class extends WebAssembly.Instance {
  #exports: WebAssembly.Exports | undefined

  override get exports(): WebAssembly.Exports {
    this.#exports ??= wrap(super.exports)
    latest = this.#exports
    return this.#exports
  }
}
