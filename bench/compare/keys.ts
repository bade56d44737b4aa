/** Keys, and how callers come by them. */

/** What keys are made of; the second part differs from key to key. */
const ALPHABETS = {
  /** 24 to 27 bytes. */
  short: 'component:react:',
  /** 267 bytes and more. */
  long: `https://registry.example.org/${'packages/of/many/folders/'.repeat(9)}component:react:`,
  /** Two bytes to a letter in UTF-8, and two to a unit in memory. */
  nonAscii: 'компонент:реакт:',
} as const
export type Alphabet = keyof typeof ALPHABETS

/**
 * `fresh`: a template string built for the call, which the runtime has neither flattened nor hashed yet, and a `Map` must do both.
 * `flat`: new, but in one piece, as out of a decoder. `reused`: the very string under which the entry was stored, flattened and hashed
 * long ago.
 */
export type Kind = 'fresh' | 'flat' | 'reused'

export class Keys {
  readonly count: number
  readonly #prefix: string
  readonly #names: readonly string[]
  readonly #stored: readonly string[]

  constructor(count: number, alphabet: Alphabet = 'short') {
    this.count = count
    this.#prefix = ALPHABETS[alphabet]
    this.#names = Array.from({ length: count }, (_, id) => `item-${id}`)
    this.#stored = this.#names.map((name) => `${this.#prefix}${name}`)
  }

  make(id: number, kind: Kind): string {
    if (kind === 'reused') return this.#stored[id] as string
    const name = this.#names[id] as string
    // Joining writes the pieces one behind the other at once; concatenation only notes them.
    return kind === 'flat' ? [this.#prefix, name].join('') : `${this.#prefix}${name}`
  }
}
