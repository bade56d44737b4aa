/** What `sluice/slim` throws besides what `sluice` does. */

import { brand } from '../brand.js'
import type { SluiceErrorFields } from '../errors.js'

/** `sluice/slim` was asked for something before it had its wasm. Nothing was done. */
export class NotInitializedError extends Error implements SluiceErrorFields {
  declare readonly code: 'ERR_NOT_INITIALIZED'
  declare readonly family: 'misuse'

  constructor() {
    super('sluice/slim has not been given its wasm: await initialize(fetch(…)), or call initializeSync(…), before anything else')
    brand(this, 'NotInitializedError', 'ERR_NOT_INITIALIZED', 'misuse')
  }
}
