/** Where time comes from. One value of this is handed down from the processor, so that tests run in virtual time. */

/** Whatever `setTimeout` answers on the platform. */
export type TimerHandle = unknown

export interface Clock {
  /** Milliseconds from any fixed point, never decreasing. */
  now(): number
  /** Epoch milliseconds, for what storage keeps. */
  wallNow(): number
  /** Calls `callback` once, `ms` from now; keeps the process alive until then. */
  setTimer(callback: () => void, ms: number): TimerHandle
  clearTimer(handle: TimerHandle): void
}

/** Timers of the platform overflow beyond this. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** Calls `due` once, `ms` from now; never if that is infinite. Answers how to stop that. */
export function startTimer(clock: Clock, ms: number, due: () => void): () => void {
  if (ms === Number.POSITIVE_INFINITY) return () => {}
  const handle = clock.setTimer(due, Math.min(ms, TIMER_MS_MAX))
  return () => clock.clearTimer(handle)
}

/** The runtime's own clocks and timers, looked up when used: a sandbox may replace or lack them. */
export const systemClock: Clock = {
  now: () => (typeof performance === 'object' ? performance.now() : Date.now()),
  wallNow: () => Date.now(),
  setTimer: (callback, ms) => setTimeout(callback, ms),
  clearTimer: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
}
