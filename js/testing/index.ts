/** `sluice/testing`: tiers and stores for tests, ours and yours: plain ones, and ones that fail as real ones do. */

export { type Chaos, type ChaosOptions, chaosStore, chaosTier, type Fault } from './chaos.js'
export { type MapStore, type MapTier, mapStore, mapTier } from './maps.js'
