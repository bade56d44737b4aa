/**
 * The checks that options and requests share, and the one grammar of their messages: what was expected, what came, its type.
 *
 * A check answers `undefined` for what is right, else the expectation in words and whether the type was wrong or the value. What is made by a call
 * says that it is pure, so that an entry has only those in it that it uses.
 */

import { type InvalidCode, InvalidRangeError, InvalidTypeError } from '../errors.js'

export interface Complaint {
  readonly expected: string
  /** The type is right, the value is not. */
  readonly outOfRange: boolean
}

export type Check = (value: unknown) => Complaint | undefined

/** The highest priority; the lowest is its negative. */
export const PRIORITY_MAX = 1_000_000

export const anInteger = (min: number, max: number = 2 ** 31 - 1): Check => {
  const expected = `an integer from ${group(min)} to ${group(max)}`
  return (value) => {
    if (typeof value !== 'number') return { expected, outOfRange: false }
    return Number.isInteger(value) && value >= min && value <= max ? undefined : { expected, outOfRange: true }
  }
}

/** An integer of at least `min`, or `Infinity`. */
export const anIntegerOrInfinity = (min: number): Check => {
  const expected = `an integer of at least ${group(min)}, or Infinity`
  return (value) => {
    if (typeof value !== 'number') return { expected, outOfRange: false }
    const right = value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && value >= min)
    return right ? undefined : { expected, outOfRange: true }
  }
}

/** Milliseconds greater than zero, `Infinity` included. */
export const aDuration: Check = (value) => {
  const expected = 'milliseconds greater than 0, or Infinity'
  if (typeof value !== 'number') return { expected, outOfRange: false }
  return value > 0 ? undefined : { expected, outOfRange: true }
}

/** Milliseconds, zero and `Infinity` included. */
export const aTtl: Check = (value) => {
  const expected = 'milliseconds of at least 0, or Infinity'
  if (typeof value !== 'number') return { expected, outOfRange: false }
  return value >= 0 ? undefined : { expected, outOfRange: true }
}

export const aShare: Check = (value) => {
  const expected = 'a number from 0 to 1'
  if (typeof value !== 'number') return { expected, outOfRange: false }
  return value >= 0 && value <= 1 ? undefined : { expected, outOfRange: true }
}

export const aCount: Check = (value) => {
  const expected = 'a finite number of at least 0'
  if (typeof value !== 'number') return { expected, outOfRange: false }
  return value >= 0 && value < Number.POSITIVE_INFINITY ? undefined : { expected, outOfRange: true }
}

/** Whether a value is of a type. */
export const typed = (expected: string, isRight: (value: unknown) => boolean): Check => {
  return (value) => (isRight(value) ? undefined : { expected, outOfRange: false })
}

export const aBoolean: Check = /* @__PURE__ */ typed('a boolean', (value) => typeof value === 'boolean')

export const aFunction: Check = /* @__PURE__ */ typed('a function', (value) => typeof value === 'function')

const isString = (value: unknown): boolean => typeof value === 'string'

export const aKey: Check = /* @__PURE__ */ typed('a string', isString)

/** What a key is kept under, where keys need not be strings. */
export const aName: Check = /* @__PURE__ */ typed('a string, or a cacheKey to make one', isString)

export const anArray: Check = /* @__PURE__ */ typed('an array', Array.isArray)

/** 0 is allowed: such entries count for `maxEntries` only. */
export const aWeight: Check = /* @__PURE__ */ anInteger(0, 2 ** 32 - 1)

export const oneOf = (...names: readonly string[]): Check => {
  const expected = `one of ${names.map((name) => `'${name}'`).join(', ')}`
  return (value) => {
    if (typeof value === 'string' && names.includes(value)) return undefined
    return { expected, outOfRange: typeof value === 'string' }
  }
}

export const aPriority: Check = (value) => {
  if (value === 'high' || value === 'normal' || value === 'low') return undefined
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= PRIORITY_MAX) return undefined
  const expected = `'high', 'normal', 'low', or an integer from -${group(PRIORITY_MAX)} to ${group(PRIORITY_MAX)}`
  return { expected, outOfRange: typeof value === 'number' || typeof value === 'string' }
}

export const tagList: Check = /* @__PURE__ */ typed(
  'an array of strings',
  (value) => Array.isArray(value) && value.every(isString),
)

/** An object of these fields, each of them optional but for those that are `required`. */
export const fields = (checks: Readonly<Record<string, Check>>, ...required: readonly string[]): Check => {
  const names = Object.keys(checks)
  return (value): Complaint | undefined => {
    if (!isObject(value) || typeof value === 'function') {
      return { expected: `an object of ${names.join(', ')}`, outOfRange: false }
    }
    for (const name of Object.keys(value)) {
      if (!names.includes(name)) return { expected: `an object of ${names.join(', ')} (not ${name})`, outOfRange: false }
    }
    for (const name of names) {
      const field = isOwnOrInherited(value, name) ? value[name] : undefined
      const complaint = field === undefined && !required.includes(name) ? undefined : checks[name]?.(field)
      if (complaint !== undefined) return { ...complaint, expected: `${name} to be ${complaint.expected}` }
    }
    return undefined
  }
}

/** An object with these methods. */
export const withMethods = (what: string, ...methods: readonly string[]): Check => {
  return typed(what, (value) => isObject(value) && methods.every((name) => typeof value[name] === 'function'))
}

/** Anything with the shape of an `AbortSignal`, polyfills included. */
export const aSignal: Check = /* @__PURE__ */ typed(
  'an AbortSignal',
  (value) => isObject(value) && typeof value.aborted === 'boolean' && typeof value.addEventListener === 'function',
)

/** Throws what is wrong with `value`, if anything is; `where` names it, as in `requests[3].ttl`. */
export function verify(where: string, value: unknown, check: Check, code: InvalidCode = 'ERR_INVALID_OPTION'): void {
  const complaint = check(value)
  if (complaint !== undefined) throw misuse(where, complaint, value, code)
}

/** The error for `value` not being what was expected. */
export function misuse(where: string, complaint: Complaint, value: unknown, code: InvalidCode): Error {
  const message = `${where}: expected ${complaint.expected}, received ${show(value)}`
  return complaint.outOfRange ? new InvalidRangeError(message, code) : new InvalidTypeError(message, code)
}

/** A value in a few words with its type; never throws, never calls what it shows. */
export function show(value: unknown): string {
  if (value === null) return 'null'
  switch (typeof value) {
    case 'undefined':
      return 'undefined'
    case 'string':
      return `${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)} (string)`
    case 'number':
      return `${Object.is(value, -0) ? '-0' : value} (number)`
    case 'bigint':
      return `${value}n (bigint)`
    case 'boolean':
      return `${value} (boolean)`
    case 'symbol':
      return 'a symbol'
    case 'function':
      return 'a function'
    default:
      return Array.isArray(value) ? 'an array' : 'an object'
  }
}

/** Whether `input` or its class has `name`; what somebody put on `Object.prototype` does not count. */
export function isOwnOrInherited(input: object, name: string): boolean {
  for (let at: object | null = input; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, name)) return true
  }
  return false
}

/** Whether `value` is of no class, so that what it has is its own. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function group(integer: number): string {
  return integer.toString().replace(/\B(?=(\d{3})+$)/g, ',')
}
