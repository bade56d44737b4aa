/** The order of a priority queue's slots, kept in the engine (`src/queue.rs`). Whatever a method throws, nothing of it is to be used again. */

import { PRIORITY_MAX } from '../options/checks.js'
import { type Core, createQueue, currentGeneration, lastCause, retireInstance } from './instance.js'

/** Most entries that cross at once: the memory for them is kept. */
const PIECE = 65_536

export class Ranking {
  readonly #core: Core = createQueue(this)
  readonly #generation = currentGeneration()

  /** Adds slots, whose priorities are in `priorities` by slot: behind those of their priority, or ahead of them if `before`. */
  push(slots: readonly number[], priorities: readonly number[], before: boolean): void {
    for (let start = 0; start < slots.length; start += PIECE) {
      this.#call(Math.min(PIECE, slots.length - start), ({ exports, handle }, count, words) => {
        // The latest first.
        for (let at = 2 * count, index = start; at > 0; index++) {
          const slot = slots[index] as number
          words[--at] = (priorities[slot] as number) + PRIORITY_MAX
          words[--at] = slot
        }
        exports.pushQueue(handle, count, before ? 1 : 0)
      })
    }
  }

  /** Removes the next slots, at most `count` and 65,536 of them, and answers them. */
  take(count: number): number[] {
    return this.#call(Math.min(count, PIECE), ({ exports, handle }, most, words) => {
      const taken = exports.takeQueue(handle, most)
      const slots: number[] = []
      for (let index = 0; index < taken; index++) slots.push(words[2 * index] as number)
      return slots
    })
  }

  clear(): void {
    while (this.take(PIECE).length > 0);
  }

  /** `words` has twice the `count`: slots and priorities. */
  #call<R>(count: number, run: (core: Core, count: number, words: Uint32Array) => R): R {
    if (this.#generation !== currentGeneration()) throw lastCause()
    const { exports, handle } = this.#core
    try {
      const at = exports.reserveQueue(handle, count)
      return run(this.#core, count, new Uint32Array(exports.memory.buffer, at, 2 * count))
    } catch (error) {
      retireInstance(error)
      throw error
    }
  }
}
