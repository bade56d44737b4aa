//! The boundary: converts, delegates, converts. The only room that knows wasm-bindgen.
//!
//! What crosses is numbers and four regions of linear memory, each at a place that moves only when [`reserve`] or the engine makes it grow:
//! `bytes` (keys, one after another), `words` and `floats` (lists in, lists out), and `mail`, which after every call says where the effects
//! are, how many, and when the next deadline is. The caller takes its views anew when memory has grown.

#[cfg(feature = "test-hooks")]
mod hooks;
mod queue;
mod runtime;

use alloc::boxed::Box;
use alloc::vec::Vec;

use wasm_bindgen::prelude::*;

use crate::adaptive::concurrency::Range;
use crate::config::Config;
use crate::engine::{Effect, Engine, Grouping, MISS, Outcome, Target, Terms, Wishes};
use crate::hash::Seed;
use crate::ids::{BatchId, CallId, FlightId, NONE, Slot};
use crate::rate::Rate;
use crate::retry::{BudgetConfig, RetryTerms};
use crate::time::{Instant, Millis};

/// In `mset`'s list of key lengths: the value is `null`.
const NULL: u32 = 1 << 31;
/// The same: a key that is being loaded is left to its load.
const EXTRA: u32 = 1 << 30;

/// Bytes of keys, but for the last, that [`keys`] answers at once: all of them together would make the memory grow by as much for good.
const KEYS_BYTES: usize = 1 << 16;

/// Where the effects are, after each call; where the regions are, after [`mail`].
#[repr(C)]
struct Mail {
    effects: *const Effect,
    effect_count: u32,
    next_deadline: f64,
    bytes: *const u8,
    bytes_len: usize,
    words: *const u32,
    floats: *const f64,
    /// Of `words` and `floats` alike.
    words_len: usize,
}

pub struct Inner {
    engine: Engine,
    bytes: Vec<u8>,
    words: Vec<u32>,
    floats: Vec<f64>,
    mail: Box<Mail>,
}

/// What JavaScript calls an engine.
type Handle = *mut Inner;

/// `config`: the fields of [`Config`] in the order they are declared, `negative_ttl` below zero for none, the last four zero for none; then the six words of a seed; then for
/// each rate: requests, milliseconds, burst, and whether it refuses.
#[wasm_bindgen]
pub fn create(config: &[f64]) -> Handle {
    let (config, seed) = config.split_first_chunk().expect("a config, then a seed");
    let &[
        max_entries,
        max_weight,
        ttl,
        negative_ttl,
        error_ttl,
        ttl_jitter,
        sliding,
        early_refresh,
        ratio,
        burst,
        limit,
        queue,
        min,
        max,
        initial,
        keys,
        dueling,
    ] = config;
    let config = Config {
        max_entries,
        max_weight,
        ttl,
        negative_ttl: (negative_ttl >= 0.0).then_some(negative_ttl),
        error_ttl,
        ttl_jitter,
        sliding: sliding != 0.0,
        early_refresh,
        retry_budget: BudgetConfig { ratio, burst },
        max_concurrency: limit,
        max_queue: queue,
        adaptive: Range { min, max, initial },
        adaptive_keys: keys,
        dueling: dueling != 0.0,
    };
    let mail = Box::new(Mail {
        effects: core::ptr::null(),
        effect_count: 0,
        next_deadline: f64::INFINITY,
        bytes: core::ptr::null(),
        bytes_len: 0,
        words: core::ptr::null(),
        floats: core::ptr::null(),
        words_len: 0,
    });
    let (seed, rates) = seed.split_at(6);
    let mut engine = Engine::new(config, seed_of(seed));
    for rate in rates.chunks_exact(4) {
        engine.add_rate(Rate::new(rate[0], Millis(rate[1]), rate[2], rate[3] != 0.0));
    }
    Box::into_raw(Box::new(Inner { engine, bytes: Vec::new(), words: Vec::new(), floats: Vec::new(), mail }))
}

/// Ends an engine; its handle is not to be used again.
#[wasm_bindgen]
pub fn destroy(core: Handle) {
    // SAFETY: as in `inner`.
    #[expect(unsafe_code, reason = "the counterpart of `create`")]
    drop(unsafe { Box::from_raw(core) });
}

/// Makes room for `bytes` bytes of keys and lists of `words` numbers.
#[wasm_bindgen]
pub fn reserve(core: Handle, bytes: usize, words: usize) {
    let inner = inner(core);
    grow(&mut inner.bytes, bytes);
    grow(&mut inner.words, words);
    grow(&mut inner.floats, words);
}

/// Where the mail is, which never moves; says in it where the regions are.
#[wasm_bindgen]
pub fn mail(core: Handle) -> *const u32 {
    let Inner { bytes, words, floats, mail, .. } = inner(core);
    mail.bytes = bytes.as_ptr();
    mail.bytes_len = bytes.len();
    mail.words = words.as_ptr();
    mail.floats = floats.as_ptr();
    mail.words_len = words.len();
    core::ptr::from_ref::<Mail>(mail).cast()
}

/// `words`: lengths in, slots out. Answers how many missed.
#[wasm_bindgen]
pub fn lookup(core: Handle, count: usize, stale: f64, now: f64) -> u32 {
    let inner = inner(core);
    inner.engine.lookup(&inner.bytes, &mut inner.words[..count], Millis(stale), Instant(now)) as u32
}

/// `words`: lengths in.
#[wasm_bindgen(js_name = missAll)]
pub fn miss_all(core: Handle, count: usize) -> u32 {
    let inner = inner(core);
    inner.engine.miss_all(&inner.bytes, &inner.words[..count]) as u32
}

/// `floats`: the limit, then the fields of [`Terms`] that are numbers, in the order below.
#[wasm_bindgen]
pub fn open(core: Handle, parent_place: u32, parent_generation: u32, now: f64) -> u32 {
    let mut turn = turn(core);
    let &[limit, fetch, queue, whole, attempts, backoff, backoff_max, jitter, stale_if_error, finish_orphans, group] =
        turn.floats.first_chunk().expect("room for a batch's terms");
    let parent = CallId { place: parent_place, generation: parent_generation };
    let terms = Terms {
        limit: limit as u32,
        limit_per_group: group as u32,
        fetch_timeout: Millis(fetch),
        queue_timeout: Millis(queue),
        timeout: Millis(whole),
        retry: RetryTerms { attempts: attempts as u32, backoff: Millis(backoff), backoff_max: Millis(backoff_max), jitter },
        parent: (parent_place != NONE).then_some(parent),
        stale_if_error: Millis(stale_if_error),
        finish_orphans: finish_orphans != 0.0,
    };
    turn.engine.open(terms, Instant(now)).0
}

/// With `each`, `floats` has a TTL, and `words` a priority, for each request that missed. `words`: a flight and what became of the
/// request out, for each.
#[wasm_bindgen]
pub fn admit(core: Handle, batch: u32, base: u32, each: bool, share: bool, missed: usize) {
    let mut turn = turn(core);
    let Inner { engine, bytes, words, floats, .. } = &mut *turn;
    let priorities: Vec<i32> = words[..if each { missed } else { 0 }].iter().map(|word| word.cast_signed()).collect();
    let wishes = if each { Wishes::Each { ttls: &floats[..missed], priorities: &priorities } } else { Wishes::Default };
    let admissions = engine.admit(BatchId(batch), bytes, base, wishes, share);
    for (out, admission) in words.chunks_exact_mut(2).zip(admissions) {
        out[0] = admission.flight.0;
        out[1] = admission.how as u32;
    }
}

#[wasm_bindgen]
pub fn seal(core: Handle, batch: u32, now: f64) {
    turn(core).engine.seal(BatchId(batch), Instant(now));
}

/// `words`: `count` flights, then with `grouping` 2 the number of each one's group. Answers how many groups there are.
#[wasm_bindgen]
pub fn queue(core: Handle, batch: u32, count: usize, grouping: u32, group_size_max: usize, now: f64) -> u32 {
    let mut turn = turn(core);
    let Inner { engine, words, .. } = &mut *turn;
    let flights: Vec<FlightId> = words[..count].iter().map(|&flight| FlightId(flight)).collect();
    let grouping = match grouping {
        0 => Grouping::None,
        1 => Grouping::Prefix,
        _ => Grouping::Given(&words[count..2 * count]),
    };
    engine.queue(BatchId(batch), &flights, grouping, group_size_max, Instant(now))
}

/// `bytes`: the name of a gate of the rate of that number, or with [`NONE`] of a group.
#[wasm_bindgen]
pub fn gate(core: Handle, rate: u32, len: usize, now: f64) -> u32 {
    let inner = inner(core);
    inner.engine.gate(rate, &inner.bytes[..len], Instant(now))
}

/// `words`: `gates` gates, then the flights whose calls pass them.
#[wasm_bindgen]
pub fn limit(core: Handle, batch: u32, gates: usize, flights: usize) {
    let inner = inner(core);
    let (gates, rest) = inner.words.split_at(gates);
    inner.engine.limit(BatchId(batch), gates, &rest[..flights]);
}

/// `words`: the place and generation of a call, a flight and an outcome (0 value, 1 null, 2 value not to store, 3 failed, 4 failed but worth another
/// try; 5 and 6 as 3 and 4, as the source has had too much), `floats`: a value's weight, or of a failure, in how many milliseconds at the soonest, for each.
/// For the flight [`NONE`], the call is only told that the source has had too much.
#[wasm_bindgen]
pub fn settle(core: Handle, count: usize, now: f64) {
    let mut turn = turn(core);
    let Inner { engine, words, floats, .. } = &mut *turn;
    let now = Instant(now);
    for (answer, &number) in words.as_chunks::<4>().0.iter().zip(floats.iter()).take(count) {
        let &[place, generation, flight, outcome] = answer;
        let call = CallId { place, generation };
        if outcome > 4 {
            engine.overloaded(call, Millis(number), now);
        }
        if flight != NONE {
            engine.answer(call, FlightId(flight), outcome_of(outcome, number), now);
        }
    }
    engine.start_next(now);
}

#[wasm_bindgen(js_name = fallBack)]
pub fn fall_back(core: Handle, place: u32, generation: u32, flight: u32, now: f64) {
    let call = CallId { place, generation };
    turn(core).engine.fall_back(call, FlightId(flight), Instant(now));
}

#[wasm_bindgen]
pub fn supply(core: Handle, flight: u32, ttl: f64, weight: u32, now: f64) {
    turn(core).engine.supply(FlightId(flight), Millis(ttl), weight, Instant(now));
}

#[wasm_bindgen]
pub fn refuse(core: Handle, flight: u32, now: f64) {
    turn(core).engine.refuse(FlightId(flight), Instant(now));
}

#[wasm_bindgen]
pub fn ended(core: Handle, place: u32, generation: u32, now: f64) {
    turn(core).engine.ended(CallId { place, generation }, Instant(now));
}

#[wasm_bindgen]
pub fn leave(core: Handle, batch: u32, now: f64) {
    turn(core).engine.leave(BatchId(batch), Instant(now));
}

#[wasm_bindgen]
pub fn advance(core: Handle, now: f64) {
    turn(core).engine.advance(Instant(now));
}

/// The slot of one key, read as a reader does; [`MISS`] if there is none.
#[wasm_bindgen]
pub fn get(core: Handle, len: usize, now: f64) -> u32 {
    let inner = inner(core);
    inner.engine.get(&inner.bytes[..len], Instant(now)).map_or(MISS, |slot| slot.0)
}

#[wasm_bindgen]
pub fn peek(core: Handle, len: usize, now: f64) -> u32 {
    let inner = inner(core);
    inner.engine.peek(&inner.bytes[..len], Instant(now)).map_or(MISS, |slot| slot.0)
}

/// `words`: lengths (with [`NULL`] and [`EXTRA`]), then a weight each; `floats`: a TTL each. The effects' `from` is the position.
#[wasm_bindgen]
pub fn mset(core: Handle, count: usize, now: f64) {
    let mut turn = turn(core);
    let Inner { engine, bytes, words, floats, .. } = &mut *turn;
    let mut start = 0;
    for position in 0..count {
        let len = (words[position] & !(NULL | EXTRA)) as usize;
        let null = words[position] & NULL != 0;
        let ttl = floats[position];
        let ttl = (!ttl.is_nan()).then_some(Millis(ttl));
        let key = &bytes[start..start + len];
        if words[position] & EXTRA == 0 || !engine.is_loading(key) {
            engine.set(key, ttl, null, words[count + position], position as u32, Instant(now));
        }
        start += len;
    }
}

/// `words`: lengths. Answers how many had a valid entry.
#[wasm_bindgen]
pub fn mdelete(core: Handle, count: usize, now: f64) -> u32 {
    let mut turn = turn(core);
    let Inner { engine, bytes, words, .. } = &mut *turn;
    let (mut start, mut deleted) = (0, 0);
    for &len in &words[..count] {
        let end = start + len as usize;
        deleted += u32::from(engine.delete(&bytes[start..end], Instant(now)));
        start = end;
    }
    deleted
}

/// `bytes`: a tag of `len` bytes for the flight's entry.
#[wasm_bindgen(js_name = tagFlight)]
pub fn tag_flight(core: Handle, flight: u32, len: usize) {
    let inner = inner(core);
    inner.engine.tag_flight(FlightId(flight), &inner.bytes[..len]);
}

/// `bytes`: a key, then a tag for its entry.
#[wasm_bindgen(js_name = tagKey)]
pub fn tag_key(core: Handle, key_len: usize, tag_len: usize) {
    let mut turn = turn(core);
    let Inner { engine, bytes, .. } = &mut *turn;
    let (key, tag) = bytes[..key_len + tag_len].split_at(key_len);
    engine.tag_key(key, tag);
}

/// `bytes`: a prefix (`kind` 0), a pattern (1) or a tag (2). The keys removed come out as with [`keys`], their number before the
/// lengths. Answers how many valid entries there were.
#[wasm_bindgen]
pub fn invalidate(core: Handle, kind: u32, len: usize, now: f64) -> usize {
    let mut turn = turn(core);
    let Inner { engine, bytes, words, floats, .. } = &mut *turn;
    let text = bytes[..len].to_vec();
    let target = match kind {
        0 => Target::Prefix(&text),
        1 => Target::Pattern(&text),
        _ => Target::Tag(&text),
    };
    let (mut keys, mut lens) = (Vec::new(), vec![0]);
    let count = engine.invalidate(target, &mut keys, &mut lens, Instant(now));
    lens[0] = (lens.len() - 1) as u32;
    put(bytes, &keys);
    put(words, &lens);
    grow(floats, words.len());
    count
}

/// `words`: lengths in; out, for each key: 0 it is in memory, 1 it is there but stale, 2 it is in flight, 3 it would be loaded.
#[wasm_bindgen]
pub fn foresee(core: Handle, count: usize, stale: f64, now: f64) {
    let inner = inner(core);
    let mut start = 0;
    for word in &mut inner.words[..count] {
        let end = start + *word as usize;
        *word = inner.engine.foresee(&inner.bytes[start..end], Millis(stale), Instant(now)) as u32;
        start = end;
    }
}

#[wasm_bindgen]
pub fn clear(core: Handle) {
    turn(core).engine.clear();
}

#[wasm_bindgen]
pub fn purge(core: Handle, now: f64) {
    turn(core).engine.purge(Instant(now));
}

/// The next keys of valid entries, from who would leave last to who would leave first, behind the one at the slot `after` ([`NONE`]: the first ones): `bytes`
/// and, as lengths, `words` out; behind the lengths, the slot of the last. Answers how many; 0 when there are no more.
#[wasm_bindgen]
pub fn keys(core: Handle, after: u32, now: f64) -> usize {
    let inner = inner(core);
    let (mut keys, mut lens, mut last) = (Vec::new(), Vec::new(), after);
    for slot in inner.engine.recent((after != NONE).then_some(Slot(after)), Instant(now)) {
        let start = keys.len();
        inner.engine.copy_key(slot, &mut keys);
        lens.push((keys.len() - start) as u32);
        last = slot.0;
        if keys.len() > KEYS_BYTES {
            break;
        }
    }
    let count = lens.len();
    lens.push(last);
    put(&mut inner.bytes, &keys);
    put(&mut inner.words, &lens);
    grow(&mut inner.floats, lens.len());
    count
}

/// Milliseconds the entry at `slot` stays valid.
#[wasm_bindgen]
pub fn remaining(core: Handle, slot: u32, now: f64) -> f64 {
    inner(core).engine.remaining(Slot(slot), Instant(now)).0
}

#[wasm_bindgen]
pub fn size(core: Handle) -> usize {
    inner(core).engine.len()
}

#[wasm_bindgen]
pub fn weight(core: Handle) -> f64 {
    inner(core).engine.weight() as f64
}

/// JavaScript's names of what the limits that find themselves have found.
pub const FOUND: [&str; 5] = ["limit", "latency", "baseLatency", "reason", "batchSize"];

/// `floats` out: the values of [`crate::stats::Stats`], in the order of its names; then those of [`FOUND`], with a limit, or a batch size, of 0 where
/// there is none.
#[wasm_bindgen]
pub fn stats(core: Handle) {
    let inner = inner(core);
    let (found, keys) = inner.engine.adaptive();
    let [latency, base] = found.latencies();
    let found: [f64; FOUND.len()] =
        [f64::from(found.limit()), latency, base, f64::from(found.reason() as u32), keys.size() as f64];
    let stats = inner.engine.stats().values();
    // There is room for so many since the first `reserve`.
    inner.floats[..stats.len()].copy_from_slice(&stats);
    inner.floats[stats.len()..][..found.len()].copy_from_slice(&found);
}

fn inner<'a>(core: Handle) -> &'a mut Inner {
    // SAFETY: a handle comes from `create`, and the wrapper uses it until it hands it to `destroy`. No two borrows meet: wasm has one
    // thread, each export borrows once, and nothing that an export calls calls back.
    #[expect(unsafe_code, reason = "JavaScript can hold a pointer, and no borrow")]
    unsafe {
        &mut *core
    }
}

/// One call that may have effects; when it ends, the mail says where they are.
struct Turn<'a>(&'a mut Inner);

fn turn<'a>(core: Handle) -> Turn<'a> {
    let inner = inner(core);
    inner.engine.begin_turn();
    Turn(inner)
}

impl core::ops::Deref for Turn<'_> {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        self.0
    }
}

impl core::ops::DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        self.0
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Inner { engine, mail, .. } = &mut *self.0;
        let effects = engine.effects();
        mail.effects = effects.as_ptr();
        mail.effect_count = effects.len() as u32;
        mail.next_deadline = engine.next_deadline().0;
    }
}

fn grow<T: Clone + Default>(region: &mut Vec<T>, len: usize) {
    if region.len() < len {
        region.resize(len.next_power_of_two(), T::default());
    }
}

/// Puts a list at the beginning of a region.
fn put<T: Clone + Copy + Default>(region: &mut Vec<T>, list: &[T]) {
    grow(region, list.len());
    region[..list.len()].copy_from_slice(list);
}

fn outcome_of(outcome: u32, number: f64) -> Outcome {
    match outcome {
        0 => Outcome::Value { weight: number as u32 },
        1 => Outcome::Null { weight: number as u32 },
        2 => Outcome::Unstored,
        other => Outcome::Failed { retryable: other % 2 == 0, hint: (number > 0.0).then_some(Millis(number)) },
    }
}

fn seed_of(words: &[f64]) -> Seed {
    [0, 2, 4].map(|at: usize| words[at] as u64 | (words[at + 1] as u64) << 32)
}
