/** Makes the requests and options of a call: callbacks that behave as the program says, and tell the history what they do. */

import type { BatchOptions, BatchRequest, FetchContext, GroupFetchContext, GroupResult } from '../../js/index.js'
import { type Asked, type History, type Run, Thrown, type Value } from './history.js'
import {
  type Behaviour,
  type CallSpec,
  customGroupOf,
  type GroupSpec,
  keyAt,
  type Member,
  type Nested,
  type OnAbort,
  type RequestSpec,
  TAGS,
  type Touch,
  type When,
} from './program.js'
import type { Scheduler } from './scheduler.js'

/** The processor's calls: its own, or those of a callback's context. */
export type Caller = Pick<FetchContext, 'getCachedData' | 'getCachedDataBatch'>

/** What callbacks do besides answering. */
export interface World {
  readonly history: History
  readonly scheduler: Scheduler
  /** Settles with the call, well or not; rejects if it failed. */
  call(spec: CallSpec, through: Caller | undefined): Promise<unknown>
  touch(touch: Touch): void
}

/** Given to the options of one call. */
export interface Extras {
  readonly signal: AbortSignal | undefined
  readonly onProgress: BatchOptions['onProgress']
}

type Context = FetchContext | GroupFetchContext<unknown>

export class Callbacks {
  readonly #world: World
  readonly #asked: Asked
  readonly #requests: readonly RequestSpec[]
  readonly requests: BatchRequest<unknown>[]

  constructor(world: World, asked: Asked, requests: readonly RequestSpec[]) {
    this.#world = world
    this.#asked = asked
    this.#requests = requests
    this.requests = requests.map((spec) => this.#request(spec))
  }

  options({ options }: CallSpec, { signal, onProgress }: Extras): BatchOptions<unknown> {
    const { group, attempts, progress: _, signal: __, ungroupable, ...same } = options
    return {
      ...same,
      ...(same.groupingStrategy === 'custom' && { customGrouper: (key) => groupOf(key, ungroupable) }),
      ...(group && { groupFetch: (context) => this.#fetchGroup(group, options.onMissing, context) }),
      ...(attempts && { retry: { attempts, backoffMs: 4, maxBackoffMs: 20 } }),
      ...(signal && { signal }),
      ...(onProgress && { onProgress }),
    }
  }

  #request({ key, tries, tags, ...rest }: RequestSpec): BatchRequest<unknown> {
    const named = tags?.map((tag) => TAGS[tag] as string)
    return {
      ...rest,
      key: keyAt(key),
      ...(named && { tags: named }),
      fetchFunction: (context) =>
        this.#fetch(keyAt(key), named ?? [], tries[Math.min(context.attempt, tries.length) - 1] as Behaviour, context),
    }
  }

  #fetch(key: string, tags: readonly string[], behaviour: Behaviour, context: FetchContext): unknown {
    const { history } = this.#world
    if (context.key !== key)
      history.violate('alien', `the callback of ${JSON.stringify(key)} was called for ${JSON.stringify(context.key)}`)
    const run = history.begin(this.#asked, [key], () => context.signal)
    if (behaviour.first !== undefined) this.#world.touch(behaviour.first)
    const answer = (cause?: unknown): unknown => {
      const { truth, load } = history.truth(key, run.begun, tags, run.asked.begun)
      truth.landed = history.stamp()
      history.answered(run, key)
      if (cause !== undefined) throw new Thrown(key, load, cause)
      switch (behaviour.answer) {
        case 'value':
          return { key, load } satisfies Value
        case 'error':
          throw new Thrown(key, load)
        case 'hinted':
          throw Object.assign(new Thrown(key, load), { retryAfterMs: 3 })
        case 'falsy':
          history.nothing(key, undefined)
          throw undefined
        case 'null':
        case 'undefined': {
          const nothing = behaviour.answer === 'null' ? null : undefined
          history.nothing(key, nothing)
          return nothing
        }
      }
    }
    if (behaviour.when === 'now' && behaviour.nested === undefined) return answer()
    return this.#obeying(run, behaviour.onAbort, context, async () => {
      const cause = await this.#nest(run, behaviour.nested, context)
      await this.#pass(behaviour.when)
      return answer(cause)
    })
  }

  #fetchGroup(
    spec: GroupSpec,
    onMissing: string | undefined,
    context: GroupFetchContext<unknown>,
  ): Promise<GroupResult<unknown>> | GroupResult<unknown> {
    const { history } = this.#world
    const { keys, requests } = context
    keys.forEach((key, at) => {
      const isOurs = this.requests.some(({ fetchFunction }) => fetchFunction === requests[at]?.fetchFunction)
      if (requests[at]?.key !== key || !isOurs)
        history.violate('alien', `a group's request ${at} is not that of ${JSON.stringify(key)}`)
    })
    const run = history.begin(this.#asked, keys, () => context.signal)
    if (onMissing === 'null') for (const key of keys) history.nothing(key, null)
    if (onMissing === 'undefined') for (const key of keys) history.nothing(key, undefined)
    const answer = (cause?: unknown): GroupResult<unknown> => {
      if (cause !== undefined || (spec.fails && spec.shape !== 'stream')) {
        history.end(run)
        throw cause ?? new Error('the group fails')
      }
      return this.#groupResult(spec, run, keys)
    }
    if (spec.when === 'now' && spec.nested === undefined) return answer()
    return this.#obeying(run, spec.onAbort, context, async () => {
      const cause = await this.#nest(run, spec.nested, context)
      await this.#pass(spec.when)
      return answer(cause)
    })
  }

  #groupResult(spec: GroupSpec, run: Run, keys: readonly string[]): GroupResult<unknown> {
    const { history } = this.#world
    const member = (at: number): Member => spec.members[at % spec.members.length] as Member
    const extra: [string, unknown][] =
      spec.extra === undefined ? [] : [[keyAt(spec.extra), this.#member(run, keyAt(spec.extra), 'value')]]
    if (spec.shape === 'stream') {
      const { isUnslotted } = run
      // What nobody waits for is not begun, and never ends.
      run.isUnslotted = true
      return this.#stream(spec, run, keys, extra, isUnslotted)
    }
    const pairs = keys.flatMap((key, at): [string, unknown][] =>
      member(at) === 'missing' ? [] : [[key, this.#member(run, key, member(at))]],
    )
    history.end(run)
    switch (spec.shape) {
      case 'map':
        return new Map([...extra, ...pairs])
      case 'object':
        return Object.fromEntries([...extra, ...pairs]) as Record<string, unknown>
      case 'pairs':
        return [...pairs, ...extra].values()
      case 'garbage':
        return 7 as never
      case 'array':
      case 'short': {
        const list: unknown[] = new Array(keys.length)
        for (const [key, value] of pairs) list[keys.indexOf(key)] = value
        // Of the same key twice, both have an answer of their own.
        keys.forEach((key, at) => {
          if (!(at in list) && member(at) !== 'missing') list[at] = this.#member(run, key, member(at))
        })
        return spec.shape === 'array' ? list : list.slice(1)
      }
    }
  }

  async *#stream(
    spec: GroupSpec,
    run: Run,
    keys: readonly string[],
    extra: [string, unknown][],
    isUnslotted: boolean,
  ): AsyncGenerator<[string, unknown]> {
    const { history } = this.#world
    history.streams++
    run.isUnslotted = isUnslotted
    try {
      for (const pair of extra) {
        history.answered(run, pair[0])
        yield pair
      }
      let given = 0
      for (const [at, key] of keys.entries()) {
        const member = spec.members[at % spec.members.length] as Member
        if (given > 0 || spec.gap !== 'never') await this.#pass(spec.gap)
        if (spec.fails && given > 0) throw new Error('the stream fails')
        if (member === 'missing') continue
        given++
        const value = this.#member(run, key, member)
        history.answered(run, key)
        yield [key, value]
      }
    } finally {
      history.streams--
      if (!run.isOver) history.end(run)
    }
  }

  #member(run: Run, key: string, member: Member): unknown {
    const { history } = this.#world
    if (member === 'null' || member === 'undefined') {
      const nothing = member === 'null' ? null : undefined
      history.nothing(key, nothing)
      return nothing
    }
    const tags = this.#requests.filter((spec) => keyAt(spec.key) === key).flatMap((spec) => spec.tags ?? [])
    const shared = [...new Set(tags)].filter((tag) =>
      this.#requests.every((spec) => keyAt(spec.key) !== key || spec.tags?.includes(tag)),
    )
    const { truth, load } = history.truth(
      key,
      run.begun,
      shared.map((tag) => TAGS[tag] as string),
      run.asked.begun,
    )
    truth.landed = history.stamp()
    return member === 'error' ? new Thrown(key, load) : ({ key, load } satisfies Value)
  }

  /** Makes the nested call, if there is one; answers what it failed with, if it is waited for. */
  async #nest(run: Run, nested: Nested | undefined, context: Context): Promise<unknown> {
    if (nested === undefined) return undefined
    const { history } = this.#world
    await this.#pass(nested.after)
    if (nested.isAwaited && run.asked.limit === 1) history.meet('nested: in the only slot')
    if (nested.isAwaited && history.isFullFor(run)) history.meet("nested: in the processor's last slot")
    run.nested++
    const settled = this.#world.call(nested.call, nested.through === 'context' ? context : undefined).then(
      () => undefined,
      (reason: unknown) => ({ reason }),
    )
    const back = settled.then((failure) => {
      run.nested--
      // What is cut short, is due, or comes piece by piece, does not wait for a slot first.
      const { how, options } = nested.call
      const { signal, timeoutMs, failFast, ungroupable } = options
      const isClosed = (failure?.reason as { code?: string } | undefined)?.code === 'ERR_CLOSED'
      const canBeCut = signal !== undefined || failFast || ungroupable !== undefined || isClosed
      if ((failure !== undefined && canBeCut) || timeoutMs !== undefined || how === 'stream') run.isUnslotted = true
      if (!run.isOver && !run.isUnslotted) history.checkLimits(run, `a callback of call ${run.asked.number} went on`)
      return failure
    })
    return nested.isAwaited ? back : undefined
  }

  /** Runs a callback's body, cut short when its signal is aborted. */
  #obeying<R>(run: Run, onAbort: OnAbort, context: Context, body: () => Promise<R>): Promise<R> {
    if (onAbort === 'ignore') return body()
    return new Promise((resolve, reject) => {
      const { signal } = context
      // A stream that was answered goes on by itself.
      let hasAnswered = false
      const stop = (): void => {
        if (hasAnswered) return
        if (!run.isOver) this.#world.history.end(run)
        reject(signal.reason)
      }
      const onSignal = (): void => {
        this.#world.history.meet('abort: of a callback')
        if (onAbort === 'obey') stop()
        else this.#world.scheduler.in(onAbort as number, stop)
      }
      signal.addEventListener('abort', onSignal, { once: true })
      body()
        .finally(() => {
          hasAnswered = true
        })
        .then(resolve, reject)
    })
  }

  #pass(when: When): Promise<void> {
    const { scheduler } = this.#world
    if (when === 'now') return Promise.resolve()
    if (when === 'soon') return scheduler.soon()
    if (when === 'never') return new Promise(() => {})
    return new Promise((resolve) => scheduler.in(when, resolve))
  }
}

function groupOf(key: string, ungroupable: number | undefined): string | null {
  if (ungroupable !== undefined && keyAt(ungroupable) === key) throw new RangeError('this key has no group')
  return customGroupOf(key)
}
