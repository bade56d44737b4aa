/** A bar for the slow ways. On a terminal only: in a file or a CI log it would be noise. */

import progress from 'cli-progress'

/** Does `work`, which calls `step` after each of its `total` pieces. */
export async function withBar<T>(label: string, total: number, work: (step: () => void) => Promise<T>): Promise<T> {
  if (!process.stdout.isTTY) return work(() => {})
  const format = `${label} [{bar}] {value}/{total} files`
  const bar = new progress.SingleBar({ format, clearOnComplete: true }, progress.Presets.legacy)
  bar.start(total, 0)
  try {
    return await work(() => bar.increment())
  } finally {
    bar.stop()
  }
}
