/* @ts-self-types="./engine.d.ts" */

/**
 * One engine.
 */
export class Core {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        CoreFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        __wbg_call_guard();
        wasm.__wbg_core_free(ptr, 0);

    }
    /**
     * With `each`, `floats` has a TTL, and `words` a priority, for each request that missed. `words`: a flight and what became of the
     * request out, for each.
     * @param {number} batch
     * @param {number} base
     * @param {boolean} each
     * @param {boolean} share
     * @param {number} missed
     */
    admit(batch, base, each, share, missed) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_admit(this.__wbg_ptr, batch, base, each, share, missed);
    }
    /**
     * @param {number} now
     */
    advance(now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_advance(this.__wbg_ptr, now);
    }
    /**
     * @returns {number}
     */
    bytesLength() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_bytesLength(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    bytes() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_bytes(this.__wbg_ptr);
        return ret >>> 0;
    }
    clear() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_clear(this.__wbg_ptr);
    }
    /**
     * @param {number} place
     * @param {number} generation
     * @param {number} now
     */
    ended(place, generation, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_ended(this.__wbg_ptr, place, generation, now);
    }
    /**
     * @param {number} place
     * @param {number} generation
     * @param {number} flight
     * @param {number} now
     */
    fallBack(place, generation, flight, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_fallBack(this.__wbg_ptr, place, generation, flight, now);
    }
    /**
     * @returns {number}
     */
    floats() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_floats(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * `words`: lengths in; out, for each key: 0 it is in memory, 1 it is there but stale, 2 it is in flight, 3 it would be loaded.
     * @param {number} count
     * @param {number} stale
     * @param {number} now
     */
    foresee(count, stale, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_foresee(this.__wbg_ptr, count, stale, now);
    }
    /**
     * The slot of one key, read as a reader does; [`MISS`] if there is none.
     * @param {number} len
     * @param {number} now
     * @returns {number}
     */
    get(len, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_get(this.__wbg_ptr, len, now);
        return ret >>> 0;
    }
    /**
     * `bytes`: a prefix (`kind` 0), a pattern (1) or a tag (2). The keys removed come out as with [`Core::keys`], their number before the
     * lengths. Answers how many valid entries there were.
     * @param {number} kind
     * @param {number} len
     * @param {number} now
     * @returns {number}
     */
    invalidate(kind, len, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_invalidate(this.__wbg_ptr, kind, len, now);
        return ret >>> 0;
    }
    /**
     * The keys of valid entries, most recently used first: `bytes` and, as lengths, `words` out. Answers how many.
     * @param {number} now
     * @returns {number}
     */
    keys(now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_keys(this.__wbg_ptr, now);
        return ret >>> 0;
    }
    /**
     * @param {number} batch
     * @param {number} now
     */
    leave(batch, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_leave(this.__wbg_ptr, batch, now);
    }
    /**
     * `words`: lengths in, slots out. Answers how many missed.
     * @param {number} count
     * @param {number} stale
     * @param {number} now
     * @returns {number}
     */
    lookup(count, stale, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_lookup(this.__wbg_ptr, count, stale, now);
        return ret >>> 0;
    }
    /**
     * Where the mail is; it never moves.
     * @returns {number}
     */
    mail() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_mail(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * `words`: lengths. Answers how many had a valid entry.
     * @param {number} count
     * @param {number} now
     * @returns {number}
     */
    mdelete(count, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_mdelete(this.__wbg_ptr, count, now);
        return ret >>> 0;
    }
    /**
     * `words`: lengths in.
     * @param {number} count
     * @returns {number}
     */
    missAll(count) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_missAll(this.__wbg_ptr, count);
        return ret >>> 0;
    }
    /**
     * `words`: lengths (with [`NULL`] for null values), then a weight each; `floats`: a TTL each. The effects' `from` is the position.
     * @param {number} count
     * @param {number} now
     */
    mset(count, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_mset(this.__wbg_ptr, count, now);
    }
    /**
     * `config`: the fields of [`Config`] in the order they are declared, `negative_ttl` below zero for none; then the six words of a seed.
     * @param {Float64Array} config
     */
    constructor(config) {
        const ptr0 = passArrayF64ToWasm0(config, wasm.__wbindgen_malloc);
        const len0 = WASM_VECTOR_LEN;
        let ret;
        __wbg_call_guard();
        ret = wasm.core_new(ptr0, len0);
        this.__wbg_ptr = ret;
        Object.defineProperty(this, '__wbg_inst', { value: __wbg_instance_id, writable: true });
        CoreFinalization.register(this, { ptr: ret, instance: __wbg_instance_id }, this);
        return this;
    }
    /**
     * `floats`: the limit, then the fields of [`Terms`] that are numbers, in the order below.
     * @param {number} parent_place
     * @param {number} parent_generation
     * @param {number} now
     * @returns {number}
     */
    open(parent_place, parent_generation, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_open(this.__wbg_ptr, parent_place, parent_generation, now);
        return ret >>> 0;
    }
    /**
     * @param {number} len
     * @param {number} now
     * @returns {number}
     */
    peek(len, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_peek(this.__wbg_ptr, len, now);
        return ret >>> 0;
    }
    /**
     * @param {number} now
     */
    purge(now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_purge(this.__wbg_ptr, now);
    }
    /**
     * `words`: `count` flights, then with `grouping` 2 the number of each one's group. Answers how many groups there are.
     * @param {number} batch
     * @param {number} count
     * @param {number} grouping
     * @param {number} group_size_max
     * @param {number} now
     * @returns {number}
     */
    queue(batch, count, grouping, group_size_max, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_queue(this.__wbg_ptr, batch, count, grouping, group_size_max, now);
        return ret >>> 0;
    }
    /**
     * @param {number} flight
     * @param {number} now
     */
    refuse(flight, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_refuse(this.__wbg_ptr, flight, now);
    }
    /**
     * Milliseconds the entry at `slot` stays valid.
     * @param {number} slot
     * @param {number} now
     * @returns {number}
     */
    remaining(slot, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_remaining(this.__wbg_ptr, slot, now);
        return ret;
    }
    /**
     * Makes room for `bytes` bytes of keys and lists of `words` numbers.
     * @param {number} bytes
     * @param {number} words
     */
    reserve(bytes, words) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_reserve(this.__wbg_ptr, bytes, words);
    }
    /**
     * @param {number} batch
     * @param {number} now
     */
    seal(batch, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_seal(this.__wbg_ptr, batch, now);
    }
    /**
     * `outcome`: 0 value, 1 null, 2 value not to store, 3 failed, 4 failed but worth another try, not before `hint` milliseconds.
     * @param {number} place
     * @param {number} generation
     * @param {number} flight
     * @param {number} outcome
     * @param {number} weight
     * @param {number} hint
     * @param {number} now
     * @returns {boolean}
     */
    settle(place, generation, flight, outcome, weight, hint, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_settle(this.__wbg_ptr, place, generation, flight, outcome, weight, hint, now);
        return ret !== 0;
    }
    /**
     * @returns {number}
     */
    size() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_size(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * `floats` out: the values of [`crate::stats::Stats`], in the order of its names. Answers how many.
     * @returns {number}
     */
    stats() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_stats(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @param {number} flight
     * @param {number} ttl
     * @param {number} weight
     * @param {number} now
     */
    supply(flight, ttl, weight, now) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_supply(this.__wbg_ptr, flight, ttl, weight, now);
    }
    /**
     * `bytes`: a tag of `len` bytes for the flight's entry.
     * @param {number} flight
     * @param {number} len
     */
    tagFlight(flight, len) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_tagFlight(this.__wbg_ptr, flight, len);
    }
    /**
     * `bytes`: a key, then a tag for its entry.
     * @param {number} key_len
     * @param {number} tag_len
     */
    tagKey(key_len, tag_len) {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        __wbg_call_guard();
        wasm.core_tagKey(this.__wbg_ptr, key_len, tag_len);
    }
    /**
     * @returns {number}
     */
    weight() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_weight(this.__wbg_ptr);
        return ret;
    }
    /**
     * Of `words` and `floats` alike.
     * @returns {number}
     */
    wordsLength() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_wordsLength(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    words() {
        if (this.__wbg_inst !== undefined && this.__wbg_inst !== __wbg_instance_id) {
            throw new Error('Invalid stale object from previous Wasm instance');
        }
        let ret;
        __wbg_call_guard();
        ret = wasm.core_words(this.__wbg_ptr);
        return ret >>> 0;
    }
}
if (Symbol.dispose) Core.prototype[Symbol.dispose] = Core.prototype.free;

export function __wbg_reset_state () {
    __wbg_instance_id++;
    cachedFloat64ArrayMemory0 = null;
    cachedUint8ArrayMemory0 = null;
    if (typeof numBytesDecoded !== 'undefined') numBytesDecoded = 0;
    if (typeof WASM_VECTOR_LEN !== 'undefined') WASM_VECTOR_LEN = 0;
    __wbg_reinit_scheduled = false;
    wasmInstance = new WebAssembly.Instance(wasmModule, __wbg_get_imports());
    wasm = wasmInstance.exports;
    wasm.__wbindgen_start();
}
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbg___wbindgen_throw_41e9ee4f547fc59a: function(arg0, arg1) {
            throw new Error(getStringFromWasm0(arg0, arg1));
        },
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
const CoreFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(({ ptr, instance }) => {
    if (instance === __wbg_instance_id) wasm.__wbg_core_free(ptr, 1);
});

let cachedFloat64ArrayMemory0 = null;
function getFloat64ArrayMemory0() {
    if (cachedFloat64ArrayMemory0 === null || cachedFloat64ArrayMemory0.byteLength === 0) {
        cachedFloat64ArrayMemory0 = new Float64Array(wasm.memory.buffer);
    }
    return cachedFloat64ArrayMemory0;
}

function getStringFromWasm0(ptr, len) {
    return decodeText(ptr >>> 0, len);
}

let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
    if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
        cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
    }
    return cachedUint8ArrayMemory0;
}

function passArrayF64ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 8, 8) >>> 0;
    getFloat64ArrayMemory0().set(arg, ptr / 8);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

let __wbg_reinit_scheduled = false;

let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(ptr, len) {
    numBytesDecoded += len;
    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
        cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
        cachedTextDecoder.decode();
        numBytesDecoded = len;
    }
    return cachedTextDecoder.decode(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}

let WASM_VECTOR_LEN = 0;

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    cachedFloat64ArrayMemory0 = null;
    cachedUint8ArrayMemory0 = null;
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
