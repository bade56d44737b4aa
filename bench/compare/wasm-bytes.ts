/** The linear memory of every instance made after this module was loaded, which no counter of the runtime shows by itself. */

interface Memory {
  readonly buffer: ArrayBuffer
}
interface Instance {
  readonly exports: Readonly<Record<string, unknown>>
}
/** Neither the runtime's types nor the language's have it. */
interface Api {
  Memory: new (...args: unknown[]) => Memory
  Instance: new (...args: unknown[]) => Instance
}

const { WebAssembly: api } = globalThis as unknown as { WebAssembly: Api }
const memories: Memory[] = []

api.Instance = new Proxy(api.Instance, {
  construct(target, args) {
    const instance = new target(...args)
    memories.push(...Object.values(instance.exports).filter((value) => value instanceof api.Memory))
    return instance
  },
})

export function wasmBytes(): number {
  return memories.reduce((total, { buffer }) => total + buffer.byteLength, 0)
}
