/** What a run saw, and the tools with which behaviours look without ever waiting for good. */

export type Verdict =
  | { readonly kind: 'right'; readonly saw: string }
  | { readonly kind: 'wrong'; readonly saw: string }
  | { readonly kind: 'hangs'; readonly saw: string }
  | { readonly kind: 'not applicable' }

/** How long a promise may stay unsettled before it counts as hanging. Ten times what any of the checks takes. */
const DEADLINE_MS = 500

/** A promise looked at once, after it settled or at the deadline. */
export type Sight =
  | { readonly state: 'fulfilled'; readonly value: unknown }
  | { readonly state: 'rejected'; readonly reason: unknown }
  | { readonly state: 'pending' }

/** Waits for `work` up to the deadline. A sync throw counts as a rejection; what settles later is absorbed. */
export async function look(work: () => Promise<unknown>, deadlineMs = DEADLINE_MS): Promise<Sight> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Sight>((resolve) => {
    timer = setTimeout(() => resolve({ state: 'pending' }), deadlineMs)
  })
  const sight = (async () => work())().then(
    (value): Sight => ({ state: 'fulfilled', value }),
    (reason: unknown): Sight => ({ state: 'rejected', reason }),
  )
  try {
    return await Promise.race([sight, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Hangs where any of `sights` is still pending, right where nothing was complained about. `saw` says what kind of right.
 * A complaint is a text; `false` stands for one that does not apply.
 */
export function judge(sights: readonly Sight[], complaints: readonly (string | false)[], saw = ''): Verdict {
  if (sights.some(({ state }) => state === 'pending')) return { kind: 'hangs', saw: '' }
  const wrongs = complaints.filter((complaint) => complaint !== false)
  return wrongs.length === 0 ? { kind: 'right', saw } : { kind: 'wrong', saw: wrongs.join('; ') }
}

/** A sight in a few words. */
export function describe(sight: Sight): string {
  if (sight.state === 'fulfilled') return `resolved to ${show(sight.value)}`
  return sight.state === 'rejected' ? `rejected with ${show(sight.reason)}` : 'did not settle'
}

export function show(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message.split('\n')[0]}`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** A promise that its test settles. */
export function gate(): { promise: Promise<unknown>; open(value: unknown): void } {
  let resolve: (value: unknown) => void = () => {}
  const promise = new Promise<unknown>((settle) => {
    resolve = settle
  })
  return { promise, open: (value) => resolve(value) }
}
