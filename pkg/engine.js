/* @ts-self-types="./engine.d.ts" */

export function __wbg_reset_state () {
    __wbg_instance_id++;
    cachedFloat64ArrayMemory0 = null;
    if (typeof WASM_VECTOR_LEN !== 'undefined') WASM_VECTOR_LEN = 0;
    __wbg_reinit_scheduled = false;
    wasmInstance = new WebAssembly.Instance(wasmModule, __wbg_get_imports());
    wasm = wasmInstance.exports;
    wasm.__wbindgen_start();
}

/**
 * With `each`, `floats` has a TTL, and `words` a priority, for each request that missed. `words`: a flight and what became of the
 * request out, for each.
 * @param {number} core
 * @param {number} batch
 * @param {number} base
 * @param {boolean} each
 * @param {boolean} share
 * @param {number} missed
 */
export function admit(core, batch, base, each, share, missed) {
    __wbg_call_guard();
    wasm.admit(core, batch, base, each, share, missed);
}

/**
 * @param {number} core
 * @param {number} now
 */
export function advance(core, now) {
    __wbg_call_guard();
    wasm.advance(core, now);
}

/**
 * @param {number} core
 */
export function clear(core) {
    __wbg_call_guard();
    wasm.clear(core);
}

/**
 * `config`: the fields of [`Config`] in the order they are declared, `negative_ttl` below zero for none, the last four zero for none; then the six words of a seed; then for
 * each rate: requests, milliseconds, burst, and whether it refuses.
 * @param {Float64Array} config
 * @returns {number}
 */
export function create(config) {
    const ptr0 = passArrayF64ToWasm0(config, wasm.__wbindgen_malloc);
    const len0 = WASM_VECTOR_LEN;
    let ret;
    __wbg_call_guard();
    ret = wasm.create(ptr0, len0);
    return ret >>> 0;
}

/**
 * @returns {number}
 */
export function createQueue() {
    let ret;
    __wbg_call_guard();
    ret = wasm.createQueue();
    return ret >>> 0;
}

/**
 * Ends an engine; its handle is not to be used again.
 * @param {number} core
 */
export function destroy(core) {
    __wbg_call_guard();
    wasm.destroy(core);
}

/**
 * Its handle is not to be used again.
 * @param {number} queue
 */
export function destroyQueue(queue) {
    __wbg_call_guard();
    wasm.destroyQueue(queue);
}

/**
 * @param {number} core
 * @param {number} place
 * @param {number} generation
 * @param {number} now
 */
export function ended(core, place, generation, now) {
    __wbg_call_guard();
    wasm.ended(core, place, generation, now);
}

/**
 * @param {number} core
 * @param {number} place
 * @param {number} generation
 * @param {number} flight
 * @param {number} now
 */
export function fallBack(core, place, generation, flight, now) {
    __wbg_call_guard();
    wasm.fallBack(core, place, generation, flight, now);
}

/**
 * `words`: lengths in; out, for each key: 0 it is in memory, 1 it is there but stale, 2 it is in flight, 3 it would be loaded.
 * @param {number} core
 * @param {number} count
 * @param {number} stale
 * @param {number} now
 */
export function foresee(core, count, stale, now) {
    __wbg_call_guard();
    wasm.foresee(core, count, stale, now);
}

/**
 * `bytes`: the name of a gate of the rate of that number, or with [`NONE`] of a group.
 * @param {number} core
 * @param {number} rate
 * @param {number} len
 * @param {number} now
 * @returns {number}
 */
export function gate(core, rate, len, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.gate(core, rate, len, now);
    return ret >>> 0;
}

/**
 * The slot of one key, read as a reader does; [`MISS`] if there is none.
 * @param {number} core
 * @param {number} len
 * @param {number} now
 * @returns {number}
 */
export function get(core, len, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.get(core, len, now);
    return ret >>> 0;
}

/**
 * `bytes`: a prefix (`kind` 0), a pattern (1) or a tag (2). The keys removed come out as with [`keys`], their number before the
 * lengths. Answers how many valid entries there were.
 * @param {number} core
 * @param {number} kind
 * @param {number} len
 * @param {number} now
 * @returns {number}
 */
export function invalidate(core, kind, len, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.invalidate(core, kind, len, now);
    return ret >>> 0;
}

/**
 * The next keys of valid entries, from who would leave last to who would leave first, behind the one at the slot `after` ([`NONE`]: the first ones): `bytes`
 * and, as lengths, `words` out; behind the lengths, the slot of the last. Answers how many; 0 when there are no more.
 * @param {number} core
 * @param {number} after
 * @param {number} now
 * @returns {number}
 */
export function keys(core, after, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.keys(core, after, now);
    return ret >>> 0;
}

/**
 * @param {number} core
 * @param {number} batch
 * @param {number} now
 */
export function leave(core, batch, now) {
    __wbg_call_guard();
    wasm.leave(core, batch, now);
}

/**
 * `words`: `gates` gates, then the flights whose calls pass them.
 * @param {number} core
 * @param {number} batch
 * @param {number} gates
 * @param {number} flights
 */
export function limit(core, batch, gates, flights) {
    __wbg_call_guard();
    wasm.limit(core, batch, gates, flights);
}

/**
 * `words`: lengths in, slots out. Answers how many missed.
 * @param {number} core
 * @param {number} count
 * @param {number} stale
 * @param {number} now
 * @returns {number}
 */
export function lookup(core, count, stale, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.lookup(core, count, stale, now);
    return ret >>> 0;
}

/**
 * Where the mail is, which never moves; says in it where the regions are.
 * @param {number} core
 * @returns {number}
 */
export function mail(core) {
    let ret;
    __wbg_call_guard();
    ret = wasm.mail(core);
    return ret >>> 0;
}

/**
 * `words`: lengths. Answers how many had a valid entry.
 * @param {number} core
 * @param {number} count
 * @param {number} now
 * @returns {number}
 */
export function mdelete(core, count, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.mdelete(core, count, now);
    return ret >>> 0;
}

/**
 * `words`: lengths in.
 * @param {number} core
 * @param {number} count
 * @returns {number}
 */
export function missAll(core, count) {
    let ret;
    __wbg_call_guard();
    ret = wasm.missAll(core, count);
    return ret >>> 0;
}

/**
 * `words`: lengths (with [`NULL`] and [`EXTRA`]), then a weight each; `floats`: a TTL each. The effects' `from` is the position.
 * @param {number} core
 * @param {number} count
 * @param {number} now
 */
export function mset(core, count, now) {
    __wbg_call_guard();
    wasm.mset(core, count, now);
}

/**
 * `floats`: the limit, then the fields of [`Terms`] that are numbers, in the order below.
 * @param {number} core
 * @param {number} parent_place
 * @param {number} parent_generation
 * @param {number} now
 * @returns {number}
 */
export function open(core, parent_place, parent_generation, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.open(core, parent_place, parent_generation, now);
    return ret >>> 0;
}

/**
 * @param {number} core
 * @param {number} len
 * @param {number} now
 * @returns {number}
 */
export function peek(core, len, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.peek(core, len, now);
    return ret >>> 0;
}

/**
 * @param {number} core
 * @param {number} now
 */
export function purge(core, now) {
    __wbg_call_guard();
    wasm.purge(core, now);
}

/**
 * @param {number} queue
 * @param {number} count
 * @param {boolean} before
 */
export function pushQueue(queue, count, before) {
    __wbg_call_guard();
    wasm.pushQueue(queue, count, before);
}

/**
 * `words`: `count` flights, then with `grouping` 2 the number of each one's group. Answers how many groups there are.
 * @param {number} core
 * @param {number} batch
 * @param {number} count
 * @param {number} grouping
 * @param {number} group_size_max
 * @param {number} now
 * @returns {number}
 */
export function queue(core, batch, count, grouping, group_size_max, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.queue(core, batch, count, grouping, group_size_max, now);
    return ret >>> 0;
}

/**
 * @param {number} core
 * @param {number} flight
 * @param {number} now
 */
export function refuse(core, flight, now) {
    __wbg_call_guard();
    wasm.refuse(core, flight, now);
}

/**
 * Milliseconds the entry at `slot` stays valid.
 * @param {number} core
 * @param {number} slot
 * @param {number} now
 * @returns {number}
 */
export function remaining(core, slot, now) {
    let ret;
    __wbg_call_guard();
    ret = wasm.remaining(core, slot, now);
    return ret;
}

/**
 * Makes room for `bytes` bytes of keys and lists of `words` numbers.
 * @param {number} core
 * @param {number} bytes
 * @param {number} words
 */
export function reserve(core, bytes, words) {
    __wbg_call_guard();
    wasm.reserve(core, bytes, words);
}

/**
 * Where the entries are that cross, which are at least `count` from now on.
 * @param {number} queue
 * @param {number} count
 * @returns {number}
 */
export function reserveQueue(queue, count) {
    let ret;
    __wbg_call_guard();
    ret = wasm.reserveQueue(queue, count);
    return ret >>> 0;
}

/**
 * @param {number} core
 * @param {number} batch
 * @param {number} now
 */
export function seal(core, batch, now) {
    __wbg_call_guard();
    wasm.seal(core, batch, now);
}

/**
 * `words`: the place and generation of a call, a flight and an outcome (0 value, 1 null, 2 value not to store, 3 failed, 4 failed but worth another
 * try; 5 and 6 as 3 and 4, as the source has had too much), `floats`: a value's weight, or of a failure, in how many milliseconds at the soonest, for each.
 * For the flight [`NONE`], the call is only told that the source has had too much.
 * @param {number} core
 * @param {number} count
 * @param {number} now
 */
export function settle(core, count, now) {
    __wbg_call_guard();
    wasm.settle(core, count, now);
}

/**
 * @param {number} core
 * @returns {number}
 */
export function size(core) {
    let ret;
    __wbg_call_guard();
    ret = wasm.size(core);
    return ret >>> 0;
}

/**
 * `floats` out: the values of [`crate::stats::Stats`], in the order of its names; then those of [`FOUND`], with a limit, or a batch size, of 0 where
 * there is none.
 * @param {number} core
 */
export function stats(core) {
    __wbg_call_guard();
    wasm.stats(core);
}

/**
 * @param {number} core
 * @param {number} flight
 * @param {number} ttl
 * @param {number} weight
 * @param {number} now
 */
export function supply(core, flight, ttl, weight, now) {
    __wbg_call_guard();
    wasm.supply(core, flight, ttl, weight, now);
}

/**
 * `bytes`: a tag of `len` bytes for the flight's entry.
 * @param {number} core
 * @param {number} flight
 * @param {number} len
 */
export function tagFlight(core, flight, len) {
    __wbg_call_guard();
    wasm.tagFlight(core, flight, len);
}

/**
 * `bytes`: a key, then a tag for its entry.
 * @param {number} core
 * @param {number} key_len
 * @param {number} tag_len
 */
export function tagKey(core, key_len, tag_len) {
    __wbg_call_guard();
    wasm.tagKey(core, key_len, tag_len);
}

/**
 * Answers how many there were.
 * @param {number} queue
 * @param {number} count
 * @returns {number}
 */
export function takeQueue(queue, count) {
    let ret;
    __wbg_call_guard();
    ret = wasm.takeQueue(queue, count);
    return ret >>> 0;
}

/**
 * @param {number} core
 * @returns {number}
 */
export function weight(core) {
    let ret;
    __wbg_call_guard();
    ret = wasm.weight(core);
    return ret;
}
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            const offset = table.grow(4);
            table.set(0, undefined);
            table.set(offset + 0, undefined);
            table.set(offset + 1, null);
            table.set(offset + 2, true);
            table.set(offset + 3, false);
        },
    };
    return {
        __proto__: null,
        "./engine_bg.js": import0,
    };
}

function __wbg_call_guard() {
    if (__wbg_reinit_scheduled) {
        __wbg_reset_state();
        return;
    }
}


let __wbg_instance_id = 0;

let cachedFloat64ArrayMemory0 = null;
function getFloat64ArrayMemory0() {
    if (cachedFloat64ArrayMemory0 === null || cachedFloat64ArrayMemory0.byteLength === 0) {
        cachedFloat64ArrayMemory0 = new Float64Array(wasm.memory.buffer);
    }
    return cachedFloat64ArrayMemory0;
}

function passArrayF64ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 8, 8) >>> 0;
    getFloat64ArrayMemory0().set(arg, ptr / 8);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

let __wbg_reinit_scheduled = false;

let WASM_VECTOR_LEN = 0;

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    cachedFloat64ArrayMemory0 = null;
    wasm.__wbindgen_start();
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module) {
    if (wasm !== undefined) return wasm;


    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports();
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module);
}

async function __wbg_init(module_or_path) {
    if (wasm !== undefined) return wasm;


    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }


    const imports = __wbg_get_imports();

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module);
}

export { initSync, __wbg_init as default };
