/* tslint:disable */
/* eslint-disable */

export function __wbg_reset_state(): void;

/**
 * With `each`, `floats` has a TTL, and `words` a priority, for each request that missed. `words`: a flight and what became of the
 * request out, for each.
 */
export function admit(core: number, batch: number, base: number, each: boolean, share: boolean, missed: number): void;

export function advance(core: number, now: number): void;

export function clear(core: number): void;

/**
 * `config`: the fields of [`Config`] in the order they are declared, `negative_ttl` below zero for none, the last four zero for none; then the six words of a seed; then for
 * each rate: requests, milliseconds, burst, and whether it refuses.
 */
export function create(config: Float64Array): number;

export function createQueue(): number;

/**
 * Ends an engine; its handle is not to be used again.
 */
export function destroy(core: number): void;

/**
 * Its handle is not to be used again.
 */
export function destroyQueue(queue: number): void;

export function ended(core: number, place: number, generation: number, now: number): void;

export function fallBack(core: number, place: number, generation: number, flight: number, now: number): void;

/**
 * `words`: lengths in; out, for each key: 0 it is in memory, 1 it is there but stale, 2 it is in flight, 3 it would be loaded.
 */
export function foresee(core: number, count: number, stale: number, now: number): void;

/**
 * `bytes`: the name of a gate of the rate of that number, or with [`NONE`] of a group.
 */
export function gate(core: number, rate: number, len: number, now: number): number;

/**
 * The slot of one key, read as a reader does; [`MISS`] if there is none.
 */
export function get(core: number, len: number, now: number): number;

/**
 * `bytes`: a prefix (`kind` 0), a pattern (1) or a tag (2). The keys removed come out as with [`keys`], their number before the
 * lengths. Answers how many valid entries there were.
 */
export function invalidate(core: number, kind: number, len: number, now: number): number;

/**
 * The next keys of valid entries, from who would leave last to who would leave first, behind the one at the slot `after` ([`NONE`]: the first ones): `bytes`
 * and, as lengths, `words` out; behind the lengths, the slot of the last. Answers how many; 0 when there are no more.
 */
export function keys(core: number, after: number, now: number): number;

export function leave(core: number, batch: number, now: number): void;

/**
 * `words`: `gates` gates, then the flights whose calls pass them.
 */
export function limit(core: number, batch: number, gates: number, flights: number): void;

/**
 * `words`: lengths in, slots out. Answers how many missed.
 */
export function lookup(core: number, count: number, stale: number, now: number): number;

/**
 * Where the mail is, which never moves; says in it where the regions are.
 */
export function mail(core: number): number;

/**
 * `words`: lengths. Answers how many had a valid entry.
 */
export function mdelete(core: number, count: number, now: number): number;

/**
 * `words`: lengths in.
 */
export function missAll(core: number, count: number): number;

/**
 * `words`: lengths (with [`NULL`] and [`EXTRA`]), then a weight each; `floats`: a TTL each. The effects' `from` is the position.
 */
export function mset(core: number, count: number, now: number): void;

/**
 * `floats`: the limit, then the fields of [`Terms`] that are numbers, in the order below.
 */
export function open(core: number, parent_place: number, parent_generation: number, now: number): number;

export function peek(core: number, len: number, now: number): number;

export function purge(core: number, now: number): void;

export function pushQueue(queue: number, count: number, before: boolean): void;

/**
 * `words`: `count` flights, then with `grouping` 2 the number of each one's group. Answers how many groups there are.
 */
export function queue(core: number, batch: number, count: number, grouping: number, group_size_max: number, now: number): number;

export function refuse(core: number, flight: number, now: number): void;

/**
 * Milliseconds the entry at `slot` stays valid.
 */
export function remaining(core: number, slot: number, now: number): number;

/**
 * Makes room for `bytes` bytes of keys and lists of `words` numbers.
 */
export function reserve(core: number, bytes: number, words: number): void;

/**
 * Where the entries are that cross, which are at least `count` from now on.
 */
export function reserveQueue(queue: number, count: number): number;

export function seal(core: number, batch: number, now: number): void;

/**
 * `words`: the place and generation of a call, a flight and an outcome (0 value, 1 null, 2 value not to store, 3 failed, 4 failed but worth another
 * try; 5 and 6 as 3 and 4, as the source has had too much), `floats`: a value's weight, or of a failure, in how many milliseconds at the soonest, for each.
 * For the flight [`NONE`], the call is only told that the source has had too much.
 */
export function settle(core: number, count: number, now: number): void;

export function size(core: number): number;

/**
 * `floats` out: the values of [`crate::stats::Stats`], in the order of its names; then those of [`FOUND`], with a limit, or a batch size, of 0 where
 * there is none.
 */
export function stats(core: number): void;

export function supply(core: number, flight: number, ttl: number, weight: number, now: number): void;

/**
 * `bytes`: a tag of `len` bytes for the flight's entry.
 */
export function tagFlight(core: number, flight: number, len: number): void;

/**
 * `bytes`: a key, then a tag for its entry.
 */
export function tagKey(core: number, key_len: number, tag_len: number): void;

/**
 * Answers how many there were.
 */
export function takeQueue(queue: number, count: number): number;

export function weight(core: number): number;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly admit: (a: number, b: number, c: number, d: number, e: number, f: number) => void;
    readonly advance: (a: number, b: number) => void;
    readonly clear: (a: number) => void;
    readonly create: (a: number, b: number) => number;
    readonly createQueue: () => number;
    readonly destroy: (a: number) => void;
    readonly destroyQueue: (a: number) => void;
    readonly ended: (a: number, b: number, c: number, d: number) => void;
    readonly fallBack: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly foresee: (a: number, b: number, c: number, d: number) => void;
    readonly gate: (a: number, b: number, c: number, d: number) => number;
    readonly get: (a: number, b: number, c: number) => number;
    readonly invalidate: (a: number, b: number, c: number, d: number) => number;
    readonly keys: (a: number, b: number, c: number) => number;
    readonly leave: (a: number, b: number, c: number) => void;
    readonly limit: (a: number, b: number, c: number, d: number) => void;
    readonly lookup: (a: number, b: number, c: number, d: number) => number;
    readonly mail: (a: number) => number;
    readonly mdelete: (a: number, b: number, c: number) => number;
    readonly missAll: (a: number, b: number) => number;
    readonly mset: (a: number, b: number, c: number) => void;
    readonly open: (a: number, b: number, c: number, d: number) => number;
    readonly peek: (a: number, b: number, c: number) => number;
    readonly purge: (a: number, b: number) => void;
    readonly pushQueue: (a: number, b: number, c: number) => void;
    readonly queue: (a: number, b: number, c: number, d: number, e: number, f: number) => number;
    readonly refuse: (a: number, b: number, c: number) => void;
    readonly remaining: (a: number, b: number, c: number) => number;
    readonly reserve: (a: number, b: number, c: number) => void;
    readonly reserveQueue: (a: number, b: number) => number;
    readonly seal: (a: number, b: number, c: number) => void;
    readonly settle: (a: number, b: number, c: number) => void;
    readonly size: (a: number) => number;
    readonly stats: (a: number) => void;
    readonly supply: (a: number, b: number, c: number, d: number, e: number) => void;
    readonly tagFlight: (a: number, b: number, c: number) => void;
    readonly tagKey: (a: number, b: number, c: number) => void;
    readonly takeQueue: (a: number, b: number) => number;
    readonly weight: (a: number) => number;
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
