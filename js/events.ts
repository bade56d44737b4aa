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

  /** Tells all who listen; what a listener throws is reported in turn, what a listener of that throws is dropped. */
  emit<Name extends keyof ProcessorEvents>(name: Name, event: ProcessorEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        ;(listener as Listener<Name>)(event)
      } catch (error) {
        if (name !== 'callbackError') this.emit('callbackError', { error })
      }
    }
    const channel = diagnostics()?.channel(`sluice:${name}`)
    if (channel?.hasSubscribers) channel.publish(event)
  }
}

function diagnostics(): ChannelModule | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => ChannelModule | undefined } }
  return process?.getBuiltinModule?.('node:diagnostics_channel')
}
