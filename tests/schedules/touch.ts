/** What changes the cache without a load: done to the processor, and noted in the history. */

import type { BatchProcessor, SetEntry } from '../../js/index.js'
import type { History } from './history.js'
import { type EntrySpec, KEYS, keyAt, PATTERNS, PREFIXES, TAGS, type Touch } from './program.js'

/** Does it; answers what to wait for, if it is of all tiers. A closed processor refuses that, and nothing has happened. */
export function touch(processor: BatchProcessor, history: History, what: Touch, isClosed: boolean): Promise<unknown> | undefined {
  const isOfAll = what.do === 'invalidate' || what.where === 'all'
  if (!isClosed || !isOfAll) note(history, what)
  switch (what.do) {
    case 'set':
      return set(
        processor,
        what.where,
        what.entries.map((entry) => entryOf(history, entry)),
      )
    case 'delete': {
      const keys = what.keys.map(keyAt)
      if (isOfAll) return processor.delete(keys)
      processor.memory.mdelete(keys)
      return undefined
    }
    case 'clear':
      if (isOfAll) return processor.clear()
      processor.memory.clear()
      return undefined
    case 'invalidate':
      return processor.invalidate(targetOf(what))
  }
}

function set(processor: BatchProcessor, where: 'memory' | 'all', entries: readonly SetEntry[]): Promise<unknown> | undefined {
  const [only] = entries
  if (where === 'memory') processor.memory.mset(entries)
  if (where === 'memory') return undefined
  if (entries.length > 1 || only === undefined) return processor.mset(entries)
  const { key, value, ...options } = only
  return processor.set(key, value, options)
}

/** Notes what `what` makes obsolete. */
function note(history: History, what: Touch): void {
  switch (what.do) {
    case 'set':
      return history.obsolete(
        what.entries.map(({ key }) => keyAt(key)),
        { beneath: what.where === 'all' },
      )
    case 'delete':
      return history.obsolete(what.keys.map(keyAt), { beneath: what.where === 'all' })
    case 'clear':
      return history.obsolete(KEYS, { beneath: what.where === 'all' })
    case 'invalidate': {
      const { kind, pick } = what
      // Tags are known in memory alone.
      if (kind === 'tag') return history.obsolete(KEYS, { beneath: false, tag: TAGS[pick] })
      const keys = KEYS.filter((key, place) => (kind === 'keys' ? place === pick : matches(kind, pick, key)))
      return history.obsolete(keys, { beneath: true })
    }
  }
}

function entryOf(history: History, { key: place, value: kind, tags, ...rest }: EntrySpec): SetEntry {
  const key = keyAt(place)
  const named = tags?.map((tag) => TAGS[tag] as string)
  const begun = history.stamp()
  const { truth, load } = history.truth(key, begun, named ?? [])
  truth.landed = begun
  if (kind !== 'value') history.nothing(key, kind === 'null' ? null : undefined)
  const value = kind === 'value' ? { key, load } : kind === 'null' ? null : undefined
  return { ...rest, key, value, ...(named && { tags: named }) }
}

function targetOf({ kind, pick }: Touch & { do: 'invalidate' }): Parameters<BatchProcessor['invalidate']>[0] {
  switch (kind) {
    case 'keys':
      return { keys: [keyAt(pick)] }
    case 'prefix':
      return { prefix: PREFIXES[pick] as string }
    case 'pattern':
      return { pattern: PATTERNS[pick] as string }
    case 'tag':
      return { tag: TAGS[pick] as string }
  }
}

function matches(kind: 'prefix' | 'pattern', pick: number, key: string): boolean {
  if (kind === 'prefix') return key.startsWith(PREFIXES[pick] as string)
  const pattern = PATTERNS[pick] as string
  return new RegExp(`^${pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`, 'u').test(key)
}
