/** Makes a program smaller as long as it fails in the same way, so that what is left is what it takes. */

import type { Program } from './program.js'

/** Fields without which a program still is one. */
const OPTIONAL = new Set(
  [
    'maxEntries maxWeight negativeTtl errorTtl ttlJitter slidingTtl earlyRefresh retryBurst ttl priority',
    'tags weight nested first extra take maxConcurrency groupingStrategy ungroupable deduplication',
    'maxBatchSize group onMissing groupFallbackLimit signal timeoutMs fetchTimeoutMs queueTimeoutMs',
    'failFast onOrphan progress isolation attempts cache staleWhileRevalidate staleIfError',
    'maxConcurrencyPerGroup maxQueue rateLimit burst onLimit isByHead adaptiveConcurrency adaptiveBatchSize',
  ].flatMap((line) => line.split(' ')),
)
/** Lists that may be empty. */
const SHORTENED_TO_NOTHING = new Set(['steps', 'tiers'])
/** What is simpler than anything else in these fields. */
const SIMPLE: Readonly<Record<string, readonly unknown[]>> = {
  wait: [0],
  when: ['now', 0],
  gap: ['now', 0],
  after: ['now', 0],
  answer: ['value'],
  onAbort: ['ignore'],
  fails: ['no', false],
  effect: ['begin'],
  how: ['values'],
  where: ['memory'],
  value: ['value'],
  isAwaited: [true],
  through: ['processor'],
  key: [0],
  shape: ['map'],
}
/** Orders tried for each smaller program: what is left out moves what comes after it. */
const ORDERS = 4

type Node = Record<string, unknown> | unknown[]

export async function shrink(program: Program, fails: (smaller: Program) => Promise<boolean>, triesMax = 4000): Promise<Program> {
  let tries = 0
  let best = program
  for (let again = true; again; ) {
    again = false
    for (const smaller of smallerOf(best as never, '')) {
      for (let order = 0; order < ORDERS && !again; order++) {
        if (tries++ > triesMax) return best
        const candidate = { ...(smaller as unknown as Program), order: order === 0 ? best.order : order }
        if (!(await fails(candidate))) continue
        best = candidate
        again = true
      }
      if (again) break
    }
  }
  return best
}

/** All programs that are a little smaller, those that are much smaller first. */
function* smallerOf(node: Node, name: string): Generator<Node> {
  if (Array.isArray(node)) {
    yield* shorterOf(node, SHORTENED_TO_NOTHING.has(name) ? 0 : 1)
    for (const [at, member] of node.entries()) {
      for (const smaller of smallerOfValue(member, name)) yield node.with(at, smaller)
    }
    return
  }
  for (const [field, value] of Object.entries(node)) {
    // Of an act, all fields are needed.
    if (OPTIONAL.has(field) && !('do' in node)) {
      const { [field]: _, ...rest } = node
      yield rest
    }
    for (const smaller of smallerOfValue(value, field)) yield { ...node, [field]: smaller }
  }
}

function* smallerOfValue(value: unknown, name: string): Generator<unknown> {
  if (typeof value === 'object' && value !== null) {
    yield* smallerOf(value as Node, name)
    return
  }
  for (const simple of SIMPLE[name] ?? []) {
    // As it stands, or simpler already.
    if (value === simple) return
    if (typeof simple === typeof value || typeof simple !== 'boolean') yield simple
  }
}

function* shorterOf(list: unknown[], least: number): Generator<unknown[]> {
  for (let size = list.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at + size <= list.length; at += size) {
      if (list.length - size >= least) yield [...list.slice(0, at), ...list.slice(at + size)]
    }
  }
}

/** A program as it is written in a regression test. */
export function show(program: Program): string {
  return JSON.stringify(program, (_, value: unknown) => (value === Number.POSITIVE_INFINITY ? 'Infinity' : value), 1)
    .replaceAll(/"([a-zA-Z]+)":/g, '$1:')
    .replaceAll('"Infinity"', 'Infinity')
    .replaceAll('"', "'")
    .replaceAll(/\n\s*/g, ' ')
}
