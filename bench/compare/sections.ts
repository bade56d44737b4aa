/** All sections, by name, in the order in which they run. Loaded by name: a section pays for its own peers alone. */

import type { Extent, Report } from './section.ts'

type Section = (extent: Extent) => Promise<Report>

export const SECTIONS: Readonly<Record<string, () => Promise<Section>>> = {
  warm: async () => (await import('./warm.ts')).warm,
  sizes: async () => (await import('./sizes.ts')).sizes,
  single: async () => (await import('./single.ts')).single,
  cold: async () => (await import('./cold.ts')).cold,
  duplicates: async () => (await import('./cold.ts')).duplicates,
  bulk: async () => (await import('./bulk.ts')).bulk,
  floors: async () => (await import('./floors.ts')).floors,
  hits: async () => (await import('./hits.ts')).hits,
  directory: async () => (await import('./directory.ts')).directory,
  memory: async () => (await import('./memory.ts')).memory,
  gc: async () => (await import('./memory.ts')).gc,
  startup: async () => (await import('./startup.ts')).startup,
  size: async () => (await import('./size.ts')).size,
}
