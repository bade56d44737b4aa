/** One section, in a process of its own: `run.ts <section> <extent as JSON>`. Prints its report as JSON. */

import type { Extent } from './section.ts'
import { SECTIONS } from './sections.ts'

const [name = '', extent = ''] = process.argv.slice(2)
const section = await SECTIONS[name]?.()
if (section === undefined) throw new Error(`Expected one of ${Object.keys(SECTIONS).join(', ')}, received ${name}`)
console.log(JSON.stringify(await section(JSON.parse(extent) as Extent)))
// Some peers leave timers behind.
process.exit()
