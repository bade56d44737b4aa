/** "Did you mean …?" for names that are nearly right. */

/** `; did you mean 'name'?`, or nothing where no name is near. */
export function suggest(given: string, names: readonly string[]): string {
  const near = names
    .map((name) => ({ name, edits: distance(given.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= Math.max(2, Math.floor(name.length / 3)))
    .sort((a, b) => a.edits - b.edits)
  return near[0] === undefined ? '' : `; did you mean '${near[0].name}'?`
}

/** Insertions, deletions and replacements that turn `a` into `b` (Wagner, Fischer: "The String-to-String Correction Problem", 1974). */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
