/** One listener per signal, however many batches watch it, removed with the last of them. */

interface Watched {
  readonly watchers: Set<() => void>
  readonly listener: () => void
}

const watched = new WeakMap<AbortSignal, Watched>()

/** Calls `onAbort` when `signal` is aborted, once. Answers how to stop watching. */
export function watch(signal: AbortSignal, onAbort: () => void): () => void {
  let entry = watched.get(signal)
  if (entry === undefined) {
    const watchers = new Set<() => void>()
    const listener = () => {
      watched.delete(signal)
      for (const watcher of [...watchers]) watcher()
    }
    entry = { watchers, listener }
    watched.set(signal, entry)
    signal.addEventListener('abort', listener, { once: true })
  }
  const { watchers, listener } = entry
  watchers.add(onAbort)
  return () => {
    watchers.delete(onAbort)
    if (watchers.size === 0 && watched.get(signal)?.watchers === watchers) {
      watched.delete(signal)
      signal.removeEventListener('abort', listener)
    }
  }
}
