/** `sluice/unstorage`: an unstorage storage as a store of bytes, and sluice as a driver of unstorage. */

export { type DriverItemOptions, type DriverProcessor, type SluiceDriver, sluiceDriver } from './driver.js'
export { type UnstorageLike, unstorageStore } from './store.js'
