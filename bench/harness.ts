/**
 * Contenders timed in interleaved rounds, in one process, and compared by a low quantile.
 *
 * Our own, because what we ask is a ratio, and on a shared machine the speed drifts by more between two blocks of rounds than the
 * contenders differ. tinybench and mitata, the well-kept ones, finish one contender before they begin the next, so the drift goes
 * into the ratio; and below the quartile neither reports more than the minimum, though noise only ever adds time. Here every round
 * times each contender once, in an order drawn anew, so that all see the same machine.
 *
 * Before each sample comes as much work again that is not timed. A program has one library in use and not seven in turn: without it, each
 * pays for the caches that the others have emptied, and one that takes 100 ns a key pays as much as one that takes 1,000.
 */

/** One way of doing the work. `Input` is made anew for every call, outside of the timing. */
export interface Contender<Input> {
  readonly name: string
  /** May answer at once or by a promise; only a promise is awaited, so that synchronous rivals pay for none. */
  run(input: Input): unknown
}

export interface Plan<Input> {
  /**
   * The same for every contender of a round, down to how its strings come about; never the same object. Calls are counted on from those
   * before the sample.
   */
  prepare(round: number, call: number): Input
  /** Throws where an answer is not the right one. Outside of the timing. */
  verify(answer: unknown, input: Input): void
  readonly rounds: number
  /** Calls timed together as one sample, for work too short for the clock. */
  readonly callsPerRound: number
}

/** Nanoseconds per call. */
export interface Timing {
  readonly name: string
  readonly lowNs: number
  readonly medianNs: number
}

export const LOW_QUANTILE = 0.1
/** Rounds before the first that counts, as a share of those that do: optimising compilers want to have seen the work. */
const WARM_UP = 0.25

export async function interleave<Input>(contenders: readonly Contender<Input>[], plan: Plan<Input>): Promise<readonly Timing[]> {
  const samples = contenders.map((): number[] => [])
  const warmUp = Math.ceil(plan.rounds * WARM_UP)
  for (let round = 0; round < warmUp + plan.rounds; round += 1) {
    for (const index of shuffled(contenders.length)) {
      const ns = await sample(contenders[index] as Contender<Input>, plan, round)
      if (round >= warmUp) samples[index]?.push(ns)
    }
  }
  return contenders.map(({ name }, index) => {
    const sorted = (samples[index] ?? []).sort((a, b) => a - b)
    return { name, lowNs: quantile(sorted, LOW_QUANTILE), medianNs: quantile(sorted, 0.5) }
  })
}

async function sample<Input>(contender: Contender<Input>, plan: Plan<Input>, round: number): Promise<number> {
  await work(contender, plan, round, 0)
  return work(contender, plan, round, plan.callsPerRound)
}

async function work<Input>(
  contender: Contender<Input>,
  { callsPerRound, prepare, verify }: Plan<Input>,
  round: number,
  firstCall: number,
): Promise<number> {
  const inputs = Array.from({ length: callsPerRound }, (_, call) => prepare(round, firstCall + call))
  const answers = new Array<unknown>(inputs.length)
  const startMs = performance.now()
  for (let call = 0; call < inputs.length; call += 1) {
    const answer = contender.run(inputs[call] as Input)
    answers[call] = answer instanceof Promise ? await answer : answer
  }
  const ns = ((performance.now() - startMs) * 1e6) / inputs.length
  for (const [call, answer] of answers.entries()) verify(answer, inputs[call] as Input)
  return ns
}

/** The numbers below `count` in random order. */
function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  for (let i = count - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1))
    const swapped = order[i] as number
    order[i] = order[j] as number
    order[j] = swapped
  }
  return order
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN
}

/** The machine and the runtime, as a line under a table. */
export function machine(): string {
  const runtime = process.versions.bun === undefined ? `Node ${process.version}` : `Bun ${process.versions.bun}`
  return `${runtime}, ${process.platform} ${process.arch}, ${new Date().toISOString().slice(0, 10)}`
}
