/** The naive model's time: deadlines in a list, tasks that run one after another, and what comes a microtask later. */

import type { Deadline } from './loads.js'

export abstract class Turns {
  now = 1000
  protected readonly tasks: (() => void)[] = []
  protected readonly soon: (() => void)[] = []
  /** Answers of callbacks that are to be heard together, when the turn is over. */
  protected readonly noted: (() => void)[] = []
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
    while (this.soon.length > 0) {
      for (const next of this.soon.splice(0)) next()
      this.runTasks()
    }
  }

  /** Hears what has been noted, and runs the tasks. What a task adds, and what it notes, comes after those that wait already. */
  protected runTasks(): void {
    this.hear()
    if (this.#isRunning) return
    this.#isRunning = true
    while (this.tasks.length > 0) {
      for (const task of this.tasks.splice(0)) task()
      this.hear()
    }
    this.#isRunning = false
  }

  protected hear(): void {
    for (const next of this.noted.splice(0)) next()
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
