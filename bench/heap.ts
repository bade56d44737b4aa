/** Times with a key each, the latest first. */
export class Heap {
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
