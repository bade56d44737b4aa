/** What failures say of their source: that it has had too much, and for how long it is to be left alone. */

import { FetchTimeoutError, SluiceError } from './errors.js'
import { isInstance } from './values.js'

/** As `status`, `statusCode` or `code`. */
const SIGNS: readonly unknown[] = [429, 503, 'EMFILE', 'ENFILE']

/** Whether a callback failed with `reason` because too much was asked at once, or did not answer in time. */
export function isOverload(reason: unknown): boolean {
  // Of ours, only this one is of a source that was asked.
  if (isInstance(reason, SluiceError)) return isInstance(reason, FetchTimeoutError)
  return readRetryAfter(reason, 0) !== undefined
}

/**
 * How many milliseconds the source of a failure wants to be left alone, 0 if it has had too much but did not say; `undefined` where it says
 * neither. It can say so by the error, by the response that the error has, or by its cause: what `fetch` throws has `EMFILE` there.
 */
export function readRetryAfter(reason: unknown, wallNow: number): number | undefined {
  let ms: number | undefined
  try {
    for (const part of [reason, Object(reason).response, Object(reason).cause]) {
      const { status, statusCode, code, retryAfterMs, headers } = Object(part)
      if ([status, statusCode, code].some((sign) => SIGNS.includes(sign))) ms ??= 0
      const said = headers?.get?.('retry-after') ?? headers?.['retry-after'] ?? headers?.['Retry-After']
      // Seconds, or a date.
      const after = retryAfterMs ?? (said && (said >= 0 ? said * 1000 : Date.parse(said) - wallNow))
      if (typeof after === 'number' && after > 0 && after < Number.POSITIVE_INFINITY) ms = Math.max(ms ?? 0, after)
    }
  } catch {
    // What cannot be read says nothing.
  }
  return ms
}
