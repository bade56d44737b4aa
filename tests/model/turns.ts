/** The naive model's time: deadlines in a list, tasks that run one after another, and what comes a microtask later. */

import type { Deadline } from './loads.js'

export abstract class Turns {
  now = 1000
  protected readonly tasks: (() => void)[] = []
  protected readonly soon: (() => void)[] = []
  #deadlines: Deadline[] = []
  #isRunning = false
  #order = 0

  get nextDeadline(): number {
    return this.#deadlines.reduce((min, { at }) => Math.min(min, at), Number.POSITIVE_INFINITY)
  }

  /** Lets `ms` pass, doing what comes due in its order. */
  advance(ms: number): void {
    const end = this.now + ms
    while (this.nextDeadline <= end) {
      this.#moveTo(this.nextDeadline)
      while (this.nextDeadline <= this.now) this.#takeFirst().due()
      this.drain()
    }
    this.#moveTo(end)
  }

  /** Runs all there is to run. */
  protected drain(): void {
    this.runTasks()
    for (let next = this.soon.shift(); next !== undefined; next = this.soon.shift()) {
      next()
      this.runTasks()
    }
  }

  /** What a task adds comes after those that wait already. */
  protected runTasks(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) task()
    this.#isRunning = false
  }

  protected setDeadline(ms: number, due: () => void): Deadline {
    const deadline = { at: this.now + ms, order: this.nextOrder(), due }
    this.#deadlines.push(deadline)
    return deadline
  }

  protected cancel(deadline: Deadline | undefined): void {
    if (deadline !== undefined) this.#deadlines = this.#deadlines.filter((other) => other !== deadline)
  }

  protected nextOrder(): number {
    return ++this.#order
  }

  protected abstract onTick(): void

  #takeFirst(): Deadline {
    const first = this.#deadlines.reduce((best, next) => (next.at < best.at ? next : best))
    this.cancel(first)
    return first
  }

  #moveTo(at: number): void {
    this.now = at
    this.onTick()
  }
}
