/**
 * The life of a processor's engine: made when it is first needed, anew when its instance was lost, and given back when the processor is closed. After
 * some crashes in a row it is left alone for a while.
 */

import { Engine, type EngineStats, NO_STATS } from './engine/engine.js'
import { lastCause, onRetire } from './engine/instance.js'
import { EngineCrashError, WasmUnavailableError } from './errors.js'
import type { Events } from './events.js'
import type { ResolvedConfig } from './options/resolve.js'
import type { ProcessorEvents } from './types.js'
import { warnOnce } from './warning.js'

/** So many crashes within so many milliseconds, and the engine is left alone for a while. */
const CRASHES_MAX = 3
const CRASHES_WITHIN_MS = 1000
const DEGRADED_MS = 10_000

export class Lifetime {
  readonly engine: Engine
  /** Its processor is closed. */
  isClosed = false
  readonly #now: () => number
  readonly #events: Events
  readonly #onLoss: (error: EngineCrashError, event: ProcessorEvents['crash']) => void
  /** When the instance was lost lately. */
  #crashes: number[] = []
  /** Until then, keys are fetched without an engine. */
  #degradedUntil = Number.NEGATIVE_INFINITY
  #hasEnded = false
  #lastStats: EngineStats = NO_STATS
  #forgetRetire: (() => void) | undefined

  /** `onLoss` is called when all that was in the engine is lost: with what whoever waits is told, and with the event there is to be. */
  constructor(
    config: ResolvedConfig,
    events: Events,
    now: () => number,
    onLoss: (error: EngineCrashError, event: ProcessorEvents['crash']) => void,
  ) {
    this.#events = events
    this.#now = now
    this.#onLoss = onLoss
    this.engine = new Engine(config, config.maxKeyBytes, (cause) => this.#onCrash(cause))
  }

  /** The engine's counters; zeros while there is none, the last ones when there is none any more. */
  stats(): EngineStats {
    return this.ensureAlive() ? this.engine.stats() : this.#lastStats
  }

  /** Whether there is an engine to ask, made anew if its instance was lost. Before anything is asked of it. */
  ensureAlive(): boolean {
    if (!this.engine.isLost) return true
    if (this.#hasEnded) return false
    // An idle processor hears of a crash that another one had when it is used next.
    if (this.engine.isStranded) this.#onCrash(lastCause())
    while (this.#now() >= this.#degradedUntil) {
      try {
        this.engine.revive()
        return true
      } catch (error) {
        // That was counted, and sooner or later they are too many.
        if (error instanceof EngineCrashError) continue
        if (!(error instanceof WasmUnavailableError)) {
          // It has not been given its wasm, and nothing that would be in it.
          if (this.isClosed) return false
          throw error
        }
        this.#degradedUntil = this.#now() + DEGRADED_MS
        this.#events.emit('crash', { error, degraded: true })
        warnOnce(`sluice keeps nothing: ${(error as Error).message}`)
      }
    }
    return false
  }

  /** Hears of a crash at once as long as there is something to lose. */
  watch(somethingToLose: boolean): void {
    if (somethingToLose) this.#forgetRetire ??= onRetire((cause) => this.#onCrash(cause))
    else {
      this.#forgetRetire?.()
      this.#forgetRetire = undefined
    }
  }

  /** There will be no engine any more: its memory is given back, at once and not when garbage is collected. */
  end(): void {
    this.#hasEnded = true
    if (this.engine.isLost) return
    const stats = this.engine.stats()
    const dropped = stats.dropped + stats.inFlight
    this.#lastStats = { ...stats, dropped, inFlight: 0, running: 0, entries: 0, weight: 0, engineBytes: 0 }
    this.engine.end()
  }

  /** The instance is gone, and with it every flight. */
  #onCrash(cause: unknown): void {
    if (!this.engine.isStranded) return
    this.engine.forsake()
    const now = this.#now()
    this.#crashes = [...this.#crashes.filter((at) => now - at < CRASHES_WITHIN_MS), now]
    const degraded = this.#crashes.length >= CRASHES_MAX
    if (degraded) this.#degradedUntil = now + DEGRADED_MS
    this.#onLoss(new EngineCrashError(cause), { error: cause, degraded })
  }
}
