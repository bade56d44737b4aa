/** What a processor reports: to its own listeners, and to `diagnostics_channel` where the runtime has it. */

import type { ProcessorEvents } from './types.js'

type Listener<Name extends keyof ProcessorEvents> = (event: ProcessorEvents[Name]) => void

interface Channel {
  readonly hasSubscribers: boolean
  publish(message: unknown): void
}

interface ChannelModule {
  channel(name: string): Channel
}

export class Events {
  readonly #listeners = new Map<keyof ProcessorEvents, Set<Listener<never>>>()

  /** Calls `listener` at each event of this name. Answers how to stop that. */
  on<Name extends keyof ProcessorEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    listeners.add(listener)
    this.#listeners.set(name, listeners)
    return () => {
      listeners.delete(listener)
    }
  }

  /** Calls `listen`, of whose throw, or rejection, others hear; nobody if it is `last`. */
  tell<E>(listen: (event: E) => void, event: E, last = false): void {
    const onError = (error: unknown): void => {
      if (!last) this.emit('callbackError', { error })
    }
    try {
      ignore(listen(event), onError)
    } catch (error) {
      onError(error)
    }
  }

  /** Tells all who listen; what a listener throws is reported in turn, what a listener of that throws is dropped. */
  emit<Name extends keyof ProcessorEvents>(name: Name, event: ProcessorEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      this.tell(listener as Listener<Name>, event, name === 'callbackError')
    }
    const channel = diagnostics()?.channel(`sluice:${name}`)
    if (channel?.hasSubscribers) channel.publish(event)
  }
}

/** What is not wanted of a callback is not left to go unhandled either. */
export function ignore(answer: unknown, onError: (error: unknown) => void = () => {}): void {
  if (answer instanceof Promise) answer.catch(onError)
}

function diagnostics(): ChannelModule | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => ChannelModule | undefined } }
  return process?.getBuiltinModule?.('node:diagnostics_channel')
}
