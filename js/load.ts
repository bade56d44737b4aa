/** The wrapper's side of a flight: the callback that answers it, and the answer. */

import type { Scope } from './context.js'
import { type Answer, type CallId, type FlightId, type Gate, NO_CALL } from './engine/engine.js'
import type { ResolvedBatchOptions } from './options/resolve.js'
import type { BatchRequest, BatchSource } from './types.js'

const NO_GATES: readonly Gate[] = []

export class Load implements Answer {
  readonly flight: FlightId
  readonly key: string
  readonly request: BatchRequest<unknown>
  /** As it was when the request came: the caller may change the request meanwhile. */
  readonly fetchFunction: BatchRequest<unknown>['fetchFunction']
  readonly weight: number | undefined
  /** Of the batch that leads: its callbacks and its rules for groups and retries; but for what its group has of its own. */
  options: ResolvedBatchOptions<never>
  /** The async context of whoever asked, for the callback. */
  readonly scope: Scope | undefined

  /** What `customGrouper` answered, or the name of its group in the config. */
  groupKey: string | undefined
  /** What it counts for, besides its batch's limit. */
  gates: readonly Gate[] = NO_GATES
  value: unknown
  /** What it is, if only one request can read it. */
  unshareable: string | undefined
  error: unknown
  failed = false
  source: BatchSource = 'fetch'
  /** How often a callback was called for it. */
  attempts = 0
  /** Which call has answered, and how: what the engine is to be told. */
  call: CallId = NO_CALL
  outcome = 0
  number = 0
  /** When it had its answer, on the processor's clock; `undefined` before. (A number there would have a box of its own.) */
  settledAt: number | undefined = undefined
  /** How many requests have had its answer. */
  delivered = 0
  /** Its flight has not ended. */
  isLive = true
  /** The answer came from this tier: tiers above it may get a copy. -1: from no tier. */
  tierIndex = -1

  constructor(
    flight: FlightId,
    request: BatchRequest<unknown>,
    key: string,
    options: ResolvedBatchOptions<never>,
    scope: Scope | undefined,
  ) {
    this.flight = flight
    this.key = key
    this.request = request
    // For a bulk load, the request is a key of the caller's, of which nothing is read.
    const { bulk } = options
    this.fetchFunction = bulk ?? request.fetchFunction
    this.weight = bulk === undefined ? request.weight : undefined
    this.options = options
    this.scope = scope
  }
}
