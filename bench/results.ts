/** What a run of the suite leaves in results/, and the plots are made of. */

import type { Setting } from './compare/machine.ts'
import type { Report, Verdict } from './compare/section.ts'

export interface Results extends Setting {
  readonly command: string
  readonly isQuick: boolean
  readonly sections: Readonly<Record<string, Report & { readonly bars: readonly Verdict[] }>>
}
