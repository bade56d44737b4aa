/** The rows of the battery: "What peers get wrong" of the contract, said the right way round. */

import type { Behaviour } from './behaviour.ts'
import { bulk } from './bulk.ts'
import { keys } from './keys.ts'
import { nesting } from './nesting.ts'
import { sharing } from './sharing.ts'
import { staleness } from './staleness.ts'
import { stores } from './stores.ts'

export const BEHAVIOURS: readonly Behaviour[] = [...sharing, ...staleness, ...stores, ...nesting, ...keys, ...bulk]
