/** `sluice/keyv`: what Keyv keeps things in as a store of bytes, and sluice as something that Keyv keeps things in. */

export { type KeyvEntry, type KeyvProcessor, KeyvSluice } from './adapter.js'
export { type KeyvAdapter, type KeyvLike, keyvStore } from './store.js'
