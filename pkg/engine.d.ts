/* tslint:disable */
/* eslint-disable */

/**
 * One engine.
 */
export class Core {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * With `each`, `floats` has a TTL, and `words` a priority, for each request that missed. `words`: a flight and what became of the
     * request out, for each.
     */
    admit(batch: number, base: number, each: boolean, share: boolean, missed: number): void;
    advance(now: number): void;
    bytesLength(): number;
    bytes(): number;
    clear(): void;
    ended(place: number, generation: number, now: number): void;
    fallBack(place: number, generation: number, flight: number, now: number): void;
    floats(): number;
    /**
     * `words`: lengths in; out, for each key: 0 it is in memory, 1 it is there but stale, 2 it is in flight, 3 it would be loaded.
     */
    foresee(count: number, stale: number, now: number): void;
    /**
     * The slot of one key, read as a reader does; [`MISS`] if there is none.
     */
    get(len: number, now: number): number;
    /**
     * `bytes`: a prefix (`kind` 0), a pattern (1) or a tag (2). The keys removed come out as with [`Core::keys`], their number before the
     * lengths. Answers how many valid entries there were.
     */
    invalidate(kind: number, len: number, now: number): number;
    /**
     * The keys of valid entries, most recently used first: `bytes` and, as lengths, `words` out. Answers how many.
     */
    keys(now: number): number;
    leave(batch: number, now: number): void;
    /**
     * `words`: lengths in, slots out. Answers how many missed.
     */
    lookup(count: number, stale: number, now: number): number;
    /**
     * Where the mail is; it never moves.
     */
    mail(): number;
    /**
     * `words`: lengths. Answers how many had a valid entry.
     */
    mdelete(count: number, now: number): number;
    /**
     * `words`: lengths in.
     */
    missAll(count: number): number;
    /**
     * `words`: lengths (with [`NULL`] for null values), then a weight each; `floats`: a TTL each. The effects' `from` is the position.
     */
    mset(count: number, now: number): void;
    /**
     * `config`: the fields of [`Config`] in the order they are declared, `negative_ttl` below zero for none; then the six words of a seed.
     */
    constructor(config: Float64Array);
    /**
     * `floats`: the limit, then the fields of [`Terms`] that are numbers, in the order below.
     */
    open(parent_place: number, parent_generation: number, now: number): number;
    peek(len: number, now: number): number;
    purge(now: number): void;
    /**
     * `words`: `count` flights, then with `grouping` 2 the number of each one's group. Answers how many groups there are.
     */
    queue(batch: number, count: number, grouping: number, group_size_max: number, now: number): number;
    refuse(flight: number, now: number): void;
    /**
     * Milliseconds the entry at `slot` stays valid.
     */
    remaining(slot: number, now: number): number;
    /**
     * Makes room for `bytes` bytes of keys and lists of `words` numbers.
     */
    reserve(bytes: number, words: number): void;
    seal(batch: number, now: number): void;
    /**
     * `outcome`: 0 value, 1 null, 2 value not to store, 3 failed, 4 failed but worth another try, not before `hint` milliseconds.
     */
    settle(place: number, generation: number, flight: number, outcome: number, weight: number, hint: number, now: number): boolean;
    size(): number;
    /**
     * `floats` out: the values of [`crate::stats::Stats`], in the order of its names. Answers how many.
     */
    stats(): number;
    supply(flight: number, ttl: number, weight: number, now: number): void;
    /**
     * `bytes`: a tag of `len` bytes for the flight's entry.
     */
    tagFlight(flight: number, len: number): void;
    /**
     * `bytes`: a key, then a tag for its entry.
     */
    tagKey(key_len: number, tag_len: number): void;
    weight(): number;
    /**
     * Of `words` and `floats` alike.
     */
    wordsLength(): number;
    words(): number;
}

export function __wbg_reset_state(): void;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_core_free: (a: number, b: number) => void;
    readonly core_admit: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly core_advance: (a: number, b: number) => void;
    readonly core_bytes: (a: number) => number;
    readonly core_bytesLength: (a: number) => number;
    readonly core_clear: (a: number) => void;
    readonly core_ended: (a: number, b: number, c: number, d: number) => void;
    readonly core_fallBack: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly core_floats: (a: number) => number;
    readonly core_foresee: (a: number, b: number, c: number, d: number) => void;
    readonly core_get: (a: number, b: number, c: number) => number;
    readonly core_invalidate: (a: number, b: number, c: number, d: number) => number;
    readonly core_keys: (a: number, b: number) => number;
    readonly core_leave: (a: number, b: number, c: number) => void;
    readonly core_lookup: (a: number, b: number, c: number, d: number) => number;
    readonly core_mail: (a: number) => number;
    readonly core_mdelete: (a: number, b: number, c: number) => number;
    readonly core_missAll: (a: number, b: number) => number;
    readonly core_mset: (a: number, b: number, c: number) => void;
    readonly core_new: (a: number, b: number) => number;
    readonly core_open: (a: number, b: number, c: number, d: number) => number;
    readonly core_peek: (a: number, b: number, c: number) => number;
    readonly core_purge: (a: number, b: number) => void;
    readonly core_queue: (a: number, b: number, c: number, d: number, e: number, f: number) => number;
    readonly core_refuse: (a: number, b: number, c: number) => void;
    readonly core_remaining: (a: number, b: number, c: number) => number;
    readonly core_reserve: (a: number, b: number, c: number) => void;
    readonly core_seal: (a: number, b: number, c: number) => void;
    readonly core_settle: (a: number, b: number, c: number, d: number, e: number, f: number, g: number, h: number) => number;
    readonly core_size: (a: number) => number;
    readonly core_stats: (a: number) => number;
    readonly core_supply: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly core_tagFlight: (a: number, b: number, c: number) => void;
    readonly core_tagKey: (a: number, b: number, c: number) => void;
    readonly core_weight: (a: number) => number;
    readonly core_words: (a: number) => number;
    readonly core_wordsLength: (a: number) => number;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_malloc: (a: number, b: number) => number;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
