/** What makes an error one of ours, to every copy of the package and every entry of it. */

/** Which of the three families an error belongs to. */
export type ErrorFamily = 'misuse' | 'fetch' | 'internal'

export interface Details {
  key?: string | undefined
  cause?: unknown
}

export const BRAND: unique symbol = Symbol.for('sluice.error')

/** Puts the fields that all of ours share onto an error of whatever base class. */
export function brand(error: Error, name: string, code: string, family: ErrorFamily, details: Details = {}): void {
  const hidden = (value: unknown) => ({ value, enumerable: false, configurable: true, writable: true })
  Object.defineProperties(error, { [BRAND]: hidden(true), name: hidden(name) })
  Object.assign(error, { code, family })
  if (details.key !== undefined) Object.assign(error, { key: details.key })
  if ('cause' in details) Object.defineProperty(error, 'cause', hidden(details.cause))
}
