/** Belady's: who is wanted again last leaves. No policy that does not know what comes can hit more. */

import type { Trace } from './traces.ts'

export function optimum({ keys, requests }: Trace, capacity: number): number {
  const never = requests.length
  const next = new Uint32Array(requests.length)
  const upcoming = new Uint32Array(keys.length).fill(never)
  for (let at = requests.length - 1; at >= 0; at--) {
    const key = requests[at] as number
    next[at] = upcoming[key] as number
    upcoming[key] = at
  }
  // A heap of when residents are wanted, latest first; what a hit has made obsolete is skipped when it comes up.
  const wantedAt = new Uint32Array(keys.length)
  const isResident = new Uint8Array(keys.length)
  const heap = new Heap()
  let [hits, residents] = [0, 0]
  for (const [at, key] of requests.entries()) {
    if (isResident[key] === 1) hits++
    else if (residents < capacity) residents++
    else {
      for (;;) {
        const { time, key: victim } = heap.pop()
        if (isResident[victim] === 0 || wantedAt[victim] !== time) continue
        isResident[victim] = 0
        break
      }
    }
    isResident[key] = 1
    wantedAt[key] = next[at] as number
    heap.push(next[at] as number, key)
  }
  return hits
}

/** Times with a key each, the latest first. */
class Heap {
  readonly #times: number[] = []
  readonly #keys: number[] = []

  push(time: number, key: number): void {
    let at = this.#times.length
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((this.#times[parent] as number) >= time) break
      this.#put(at, parent)
      at = parent
    }
    this.#times[at] = time
    this.#keys[at] = key
  }

  pop(): { time: number; key: number } {
    const top = { time: this.#times[0] as number, key: this.#keys[0] as number }
    const time = this.#times.pop() as number
    const key = this.#keys.pop() as number
    const { length } = this.#times
    let at = 0
    while (length > 0) {
      let child = 2 * at + 1
      if (child + 1 < length && (this.#times[child + 1] as number) > (this.#times[child] as number)) child++
      if (child >= length || (this.#times[child] as number) <= time) {
        this.#times[at] = time
        this.#keys[at] = key
        break
      }
      this.#put(at, child)
      at = child
    }
    return top
  }

  #put(to: number, from: number): void {
    this.#times[to] = this.#times[from] as number
    this.#keys[to] = this.#keys[from] as number
  }
}
