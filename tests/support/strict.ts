/**
 * Imported first by every test file: a warning of the process (a leaked listener, a timer that overflows, a rejection handled late) is a failure.
 *
 * Unhandled rejections are failures by `--unhandled-rejections=strict`, which scripts/test.mjs sets.
 */

/** What the loader that runs TypeScript sets off on some versions of Node. Nothing of ours. */
function isOfLoader(warning: Error & { code?: string }): boolean {
  return warning.name === 'ExperimentalWarning' || warning.code === 'DEP0205'
}

process.on('warning', (warning) => {
  if (!isOfLoader(warning)) throw warning
})

export {}
