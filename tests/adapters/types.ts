/** What goes in, where TypeScript looks: Keyv of both majors, and unstorage. */

import { Keyv } from 'keyv'
import { Keyv as Keyv6 } from 'keyv6'
import { createStorage, type Driver } from 'unstorage'
import { byteTier } from '../../dist/bytes/index.js'
import { BatchProcessor } from '../../dist/index.js'
import { KeyvSluice, keyvStore } from '../../dist/keyv/index.js'
import { sluiceDriver, unstorageStore } from '../../dist/unstorage/index.js'

const processor = new BatchProcessor()
new Keyv({ store: new KeyvSluice(processor) })
new Keyv6({ store: new KeyvSluice(processor) })
byteTier(keyvStore(new Keyv()))
byteTier(keyvStore(new Keyv6()))
byteTier(keyvStore(new Map<string, string>()))
byteTier(keyvStore(new KeyvSluice(processor)))
const driver: Driver = sluiceDriver(processor)
byteTier(unstorageStore(createStorage({ driver })))
