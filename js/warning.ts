/** What a process is told once, where nobody may listen to events: as a warning of Node's, or on the console. */

let hasWarned = false

export function warnOnce(message: string): void {
  if (hasWarned) return
  hasWarned = true
  const { process, console } = globalThis as {
    process?: { emitWarning?(message: string, name: string): void }
    console?: { warn?(message: string): void }
  }
  if (process?.emitWarning) process.emitWarning(message, 'SluiceWarning')
  else console?.warn?.(message)
}
