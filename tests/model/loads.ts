/** What the model's parts say to each other. */

import type { ModelRequest, OptionsSpec } from './operations.js'

/** One load in flight. */
export interface Load {
  readonly key: string
  readonly request: ModelRequest
  readonly batch: ModelBatch
  readonly tags: Set<string>
  ttl: number | undefined
  fenced: boolean
  isLive: boolean
  waiters: Waiter[]
  /** The call that is to answer it; none between tries, or before it is queued. */
  call: ModelCall | undefined
  retryAt: Deadline | undefined
  group: string | undefined
  source: string
  attempts: number
  /** How many of these the breaker of its group kept from being made. */
  refusals: number
  settledAt: number
}

export interface Waiter {
  readonly batch: ModelBatch
  readonly index: number
  readonly priority: number
  readonly leads: boolean
}

/** One run of a callback. */
export interface ModelCall {
  readonly lane: ModelBatch
  readonly isGroup: boolean
  /** The loads it still has to answer. */
  members: Load[]
  /** All it was started for. */
  loads: Load[]
  state: 'queued' | 'running' | 'ended'
  readonly queuedAt: number
  deadline: Deadline | undefined
  /** Its place in the log; 0 before it was called. */
  number: number
  /** Nobody waits for it any longer. */
  isAbandoned: boolean
  /** Its signal is aborted. */
  isAborted: boolean
  /** That it has ended without anybody waiting was counted. */
  hasEnded: boolean
  /** It has said all it has to say. */
  isForgotten: boolean
  watches: boolean
  /** Of a group: the loads it has not answered yet, by key. */
  missing: Map<string, Load[]>
}

export interface ModelBatch {
  readonly number: number
  readonly how: 'values' | 'settled' | 'single'
  readonly keys: readonly string[]
  readonly options: OptionsSpec
  readonly startedAt: number
  readonly signal: AbortSignal | undefined
  readonly isRefresh: boolean
  readonly outcomes: (Outcome | undefined)[]
  readonly reasons: string[]
  deadline: Deadline | undefined
  /** Requests without an answer. */
  waiting: number
  isSealed: boolean
  /** All that waited has been answered, or was dropped. */
  isDone: boolean
  /** It has settled. */
  isOver: boolean
  running: number
  /** Calls started. */
  clock: number
  queue: ModelCall[]
}

export interface Outcome {
  readonly source: string
  readonly load: Load | undefined
  readonly answer: { readonly value: unknown } | { readonly reason: string }
}

export interface Deadline {
  readonly at: number
  readonly order: number
  readonly due: () => void
}

export const show = (value: unknown): string => (value === undefined ? 'undefined' : JSON.stringify(value))
