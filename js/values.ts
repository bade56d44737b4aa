/** What can be told about a value without knowing its type. */

/** What a value of an unknown shape is taken to weigh. */
const DEFAULT_WEIGHT = 64
/** How deep, and how many members per level, the estimate looks. */
const DEPTH_MAX = 4
const MEMBERS_MAX = 32

/** `value instanceof Class`, of a proxy whatever its traps do. */
export function isInstance<C>(value: unknown, Class: abstract new (...args: never[]) => C): value is C {
  try {
    return value instanceof Class
  } catch {
    return false
  }
}

/** The name of a thing that can be read only once, if `value` is one. May call what is behind a proxy, never throws what that throws. */
export function nameUnshareable(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  try {
    return nameOf(value)
  } catch {
    return undefined
  }
}

function nameOf(value: object): string | undefined {
  // By what they have: of whatever library, version and platform. Naming their classes would make Node load them (docs/decisions.md).
  const { bodyUsed, status, text, getReader, tee, pipe, read } = value as Readonly<Record<string, unknown>>
  if (typeof bodyUsed === 'boolean' && typeof status === 'number' && typeof text === 'function') return 'Response'
  if (typeof getReader === 'function' && typeof tee === 'function') return 'ReadableStream'
  // A Node stream: readable, and with the method that only streams have.
  return typeof pipe === 'function' && typeof read === 'function' ? 'readable stream' : undefined
}

/**
 * About how many bytes `value` takes: exact for strings and buffers, sampled for what has members. Getters are not called, and what
 * throws weighs as little as a number.
 */
export function estimateWeight(value: unknown): number {
  try {
    const weight = Math.ceil(estimate(value, 0))
    // What says that it has -5 members, or NaN, is not believed.
    return weight >= 0 ? Math.min(weight, 2 ** 32 - 1) : DEFAULT_WEIGHT
  } catch {
    return DEFAULT_WEIGHT
  }
}

function estimate(value: unknown, depth: number): number {
  if (typeof value === 'string') return 16 + value.length * 2
  if (typeof value === 'bigint') return 24
  if (typeof value !== 'object' || value === null) return 8
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return 64 + value.byteLength
  if (typeof SharedArrayBuffer === 'function' && value instanceof SharedArrayBuffer) return 64 + value.byteLength
  if (depth >= DEPTH_MAX) return DEFAULT_WEIGHT
  if (Array.isArray(value)) return 16 + sample(value, value.length, (member) => 8 + estimate(member, depth + 1))
  if (value instanceof Map) {
    return 64 + sample(value, value.size, ([key, member]) => 16 + estimate(key, depth + 1) + estimate(member, depth + 1))
  }
  if (value instanceof Set) return 64 + sample(value, value.size, (member) => 8 + estimate(member, depth + 1))
  const names = Object.keys(value)
  return (
    24 +
    sample(names, names.length, (name) => {
      const own = Object.getOwnPropertyDescriptor(value, name)
      return 8 + (own !== undefined && 'value' in own ? estimate(own.value, depth + 1) : 8)
    })
  )
}

/** The sum over `members`, extrapolated from the first few. */
function sample<M>(members: Iterable<M>, count: number, weigh: (member: M) => number): number {
  let sum = 0
  let seen = 0
  for (const member of members) {
    if (seen === MEMBERS_MAX) break
    sum += weigh(member)
    seen++
  }
  return seen === 0 ? 0 : (sum / seen) * count
}
