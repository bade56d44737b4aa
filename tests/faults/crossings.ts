/**
 * Every call of the core, from one place: what calls it can be made to happen, in its stead or around it. Patches the class that wasm-bindgen made,
 * for the whole process.
 */

import type { Core } from '../../pkg/engine.js'
import type { Library } from './library.js'

const APART = ['constructor', 'free', '__destroy_into_raw']

export class Crossings {
  /** Calls so far. */
  count = 0
  /** The method of the last one. */
  last = ''
  /** Happens before each; what it throws is what the call throws. */
  before: ((core: Core, method: string) => void) | undefined
  /** Happens after each that did not throw. */
  after: ((core: Core, method: string) => void) | undefined
  #isAround = false

  constructor({ Core }: Library) {
    const prototype = Core.prototype as unknown as Record<string, (...args: unknown[]) => unknown>
    const crossings = this
    for (const method of Object.getOwnPropertyNames(prototype).filter((name) => !APART.includes(name))) {
      const original = prototype[method] as (...args: unknown[]) => unknown
      prototype[method] = function (this: Core, ...args: unknown[]): unknown {
        // What happens around a call calls the core, too.
        if (crossings.#isAround) return original.apply(this, args)
        crossings.count++
        crossings.last = method
        crossings.#around(() => crossings.before?.(this, method))
        const answer = original.apply(this, args)
        crossings.#around(() => crossings.after?.(this, method))
        return answer
      }
    }
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

  #around(work: () => void): void {
    this.#isAround = true
    try {
      work()
    } finally {
      this.#isAround = false
    }
  }
}
