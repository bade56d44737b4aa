//! The boundary: converts, delegates, converts. The only room that knows wasm-bindgen.
//!
//! What crosses is numbers and four regions of linear memory, each at a place that moves only when [`Core::reserve`] or the engine makes it grow:
//! `bytes` (keys, one after another), `words` and `floats` (lists in, lists out), and `mail`, which after every call says where the effects
//! are, how many, and when the next deadline is. The caller takes its views anew when memory has grown.

mod panic;

use alloc::boxed::Box;
#[cfg(feature = "test-hooks")]
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{RefCell, RefMut};

use wasm_bindgen::prelude::*;

use crate::config::Config;
use crate::engine::{Effect, Engine, Grouping, MISS, Outcome, Target, Terms, Wishes};
use crate::hash::Seed;
use crate::ids::{BatchId, CallId, FlightId, NONE, Slot};
use crate::retry::{BudgetConfig, RetryTerms};
use crate::time::{Instant, Millis};

/// In `mset`'s list of key lengths: the value is `null`.
const NULL: u32 = 1 << 31;

/// Where the effects are, after each call.
#[repr(C)]
struct Mail {
    effects: *const Effect,
    effect_count: u32,
    next_deadline: f64,
}

struct Inner {
    engine: Engine,
    bytes: Vec<u8>,
    words: Vec<u32>,
    floats: Vec<f64>,
    mail: Box<Mail>,
}

/// One engine.
#[wasm_bindgen]
pub struct Core(RefCell<Inner>);

#[wasm_bindgen]
impl Core {
    /// `config`: the fields of [`Config`] in the order they are declared, `negative_ttl` below zero for none; then the six words of a seed.
    #[wasm_bindgen(constructor)]
    pub fn new(config: &[f64]) -> Core {
        let (config, seed) = config.split_first_chunk().expect("a config, then a seed");
        let &[max_entries, max_weight, ttl, negative_ttl, error_ttl, ttl_jitter, sliding, early_refresh, ratio, burst] = config;
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
        };
        let mail = Box::new(Mail { effects: core::ptr::null(), effect_count: 0, next_deadline: f64::INFINITY });
        let engine = Engine::new(config, seed_of(seed));
        Self(RefCell::new(Inner { engine, bytes: Vec::new(), words: Vec::new(), floats: Vec::new(), mail }))
    }

    /// Makes room for `bytes` bytes of keys and lists of `words` numbers.
    pub fn reserve(&self, bytes: usize, words: usize) {
        let mut inner = self.0.borrow_mut();
        grow(&mut inner.bytes, bytes);
        grow(&mut inner.words, words);
        grow(&mut inner.floats, words);
    }

    pub fn bytes(&self) -> *const u8 {
        self.0.borrow().bytes.as_ptr()
    }

    #[wasm_bindgen(js_name = bytesLength)]
    pub fn bytes_length(&self) -> usize {
        self.0.borrow().bytes.len()
    }

    pub fn words(&self) -> *const u32 {
        self.0.borrow().words.as_ptr()
    }

    /// Of `words` and `floats` alike.
    #[wasm_bindgen(js_name = wordsLength)]
    pub fn words_length(&self) -> usize {
        self.0.borrow().words.len()
    }

    pub fn floats(&self) -> *const f64 {
        self.0.borrow().floats.as_ptr()
    }

    /// Where the mail is; it never moves.
    pub fn mail(&self) -> *const u32 {
        core::ptr::from_ref::<Mail>(&self.0.borrow().mail).cast()
    }

    /// `words`: lengths in, slots out. Answers how many missed.
    pub fn lookup(&self, count: usize, stale: f64, now: f64) -> u32 {
        let inner = &mut *self.0.borrow_mut();
        inner.engine.lookup(&inner.bytes, &mut inner.words[..count], Millis(stale), Instant(now)) as u32
    }

    /// `words`: lengths in.
    #[wasm_bindgen(js_name = missAll)]
    pub fn miss_all(&self, count: usize) -> u32 {
        let inner = &mut *self.0.borrow_mut();
        inner.engine.miss_all(&inner.bytes, &inner.words[..count]) as u32
    }

    /// `floats`: the limit, then the fields of [`Terms`] that are numbers, in the order below.
    pub fn open(&self, parent_place: u32, parent_generation: u32, now: f64) -> u32 {
        let mut turn = self.turn();
        let &[limit, fetch, queue, whole, attempts, backoff, backoff_max, jitter, stale_if_error, finish_orphans] =
            turn.floats.first_chunk().expect("room for a batch's terms");
        let parent = CallId { place: parent_place, generation: parent_generation };
        let terms = Terms {
            limit: limit as u32,
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
    pub fn admit(&self, batch: u32, base: u32, each: bool, share: bool, missed: usize) {
        let mut turn = self.turn();
        let Inner { engine, bytes, words, floats, .. } = &mut *turn;
        let priorities: Vec<i32> = words[..if each { missed } else { 0 }].iter().map(|word| word.cast_signed()).collect();
        let wishes = if each { Wishes::Each { ttls: &floats[..missed], priorities: &priorities } } else { Wishes::Default };
        let admissions = engine.admit(BatchId(batch), bytes, base, wishes, share);
        for (out, admission) in words.chunks_exact_mut(2).zip(admissions) {
            out[0] = admission.flight.0;
            out[1] = admission.how as u32;
        }
    }

    pub fn seal(&self, batch: u32, now: f64) {
        self.turn().engine.seal(BatchId(batch), Instant(now));
    }

    /// `words`: `count` flights, then with `grouping` 2 the number of each one's group. Answers how many groups there are.
    pub fn queue(&self, batch: u32, count: usize, grouping: u32, group_size_max: usize, now: f64) -> u32 {
        let mut turn = self.turn();
        let Inner { engine, words, .. } = &mut *turn;
        let flights: Vec<FlightId> = words[..count].iter().map(|&flight| FlightId(flight)).collect();
        let grouping = match grouping {
            0 => Grouping::None,
            1 => Grouping::Prefix,
            _ => Grouping::Given(&words[count..2 * count]),
        };
        engine.queue(BatchId(batch), &flights, grouping, group_size_max, Instant(now))
    }

    /// `outcome`: 0 value, 1 null, 2 value not to store, 3 failed, 4 failed but worth another try, not before `hint` milliseconds.
    #[allow(clippy::too_many_arguments)] // As above.
    pub fn settle(&self, place: u32, generation: u32, flight: u32, outcome: u32, weight: u32, hint: f64, now: f64) -> bool {
        let outcome = match outcome {
            0 => Outcome::Value { weight },
            1 => Outcome::Null { weight },
            2 => Outcome::Unstored,
            other => Outcome::Failed { retryable: other == 4, hint: (hint > 0.0).then_some(Millis(hint)) },
        };
        let call = CallId { place, generation };
        self.turn().engine.settle(call, FlightId(flight), outcome, Instant(now))
    }

    #[wasm_bindgen(js_name = fallBack)]
    pub fn fall_back(&self, place: u32, generation: u32, flight: u32, now: f64) {
        let call = CallId { place, generation };
        self.turn().engine.fall_back(call, FlightId(flight), Instant(now));
    }

    pub fn supply(&self, flight: u32, ttl: f64, weight: u32, now: f64) {
        self.turn().engine.supply(FlightId(flight), Millis(ttl), weight, Instant(now));
    }

    pub fn refuse(&self, flight: u32, now: f64) {
        self.turn().engine.refuse(FlightId(flight), Instant(now));
    }

    pub fn ended(&self, place: u32, generation: u32, now: f64) {
        self.turn().engine.ended(CallId { place, generation }, Instant(now));
    }

    pub fn leave(&self, batch: u32, now: f64) {
        self.turn().engine.leave(BatchId(batch), Instant(now));
    }

    pub fn advance(&self, now: f64) {
        self.turn().engine.advance(Instant(now));
    }

    /// The slot of one key, read as a reader does; [`MISS`] if there is none.
    pub fn get(&self, len: usize, now: f64) -> u32 {
        let inner = &mut *self.0.borrow_mut();
        inner.engine.get(&inner.bytes[..len], Instant(now)).map_or(MISS, |slot| slot.0)
    }

    pub fn peek(&self, len: usize, now: f64) -> u32 {
        let inner = self.0.borrow();
        inner.engine.peek(&inner.bytes[..len], Instant(now)).map_or(MISS, |slot| slot.0)
    }

    /// `words`: lengths (with [`NULL`] for null values), then a weight each; `floats`: a TTL each. The effects' `from` is the position.
    pub fn mset(&self, count: usize, now: f64) {
        let mut turn = self.turn();
        let Inner { engine, bytes, words, floats, .. } = &mut *turn;
        let mut start = 0;
        for position in 0..count {
            let len = (words[position] & !NULL) as usize;
            let null = words[position] & NULL != 0;
            let ttl = floats[position];
            let ttl = (!ttl.is_nan()).then_some(Millis(ttl));
            let key = &bytes[start..start + len];
            engine.set(key, ttl, null, words[count + position], position as u32, Instant(now));
            start += len;
        }
    }

    /// `words`: lengths. Answers how many had a valid entry.
    pub fn mdelete(&self, count: usize, now: f64) -> u32 {
        let mut turn = self.turn();
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
    pub fn tag_flight(&self, flight: u32, len: usize) {
        let inner = &mut *self.0.borrow_mut();
        inner.engine.tag_flight(FlightId(flight), &inner.bytes[..len]);
    }

    /// `bytes`: a key, then a tag for its entry.
    #[wasm_bindgen(js_name = tagKey)]
    pub fn tag_key(&self, key_len: usize, tag_len: usize) {
        let mut turn = self.turn();
        let Inner { engine, bytes, .. } = &mut *turn;
        let (key, tag) = bytes[..key_len + tag_len].split_at(key_len);
        engine.tag_key(key, tag);
    }

    /// `bytes`: a prefix (`kind` 0), a pattern (1) or a tag (2). The keys removed come out as with [`Core::keys`], their number before the
    /// lengths. Answers how many valid entries there were.
    pub fn invalidate(&self, kind: u32, len: usize, now: f64) -> usize {
        let mut turn = self.turn();
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
    pub fn foresee(&self, count: usize, stale: f64, now: f64) {
        let inner = &mut *self.0.borrow_mut();
        let mut start = 0;
        for word in &mut inner.words[..count] {
            let end = start + *word as usize;
            *word = inner.engine.foresee(&inner.bytes[start..end], Millis(stale), Instant(now)) as u32;
            start = end;
        }
    }

    pub fn clear(&self) {
        self.turn().engine.clear();
    }

    pub fn purge(&self, now: f64) {
        self.turn().engine.purge(Instant(now));
    }

    /// The keys of valid entries, most recently used first: `bytes` and, as lengths, `words` out. Answers how many.
    pub fn keys(&self, now: f64) -> usize {
        let mut inner = self.0.borrow_mut();
        let (mut keys, mut lens) = (Vec::new(), Vec::new());
        for slot in inner.engine.recent(Instant(now)) {
            let start = keys.len();
            inner.engine.copy_key(slot, &mut keys);
            lens.push((keys.len() - start) as u32);
        }
        put(&mut inner.bytes, &keys);
        put(&mut inner.words, &lens);
        grow(&mut inner.floats, lens.len());
        lens.len()
    }

    /// Milliseconds the entry at `slot` stays valid.
    pub fn remaining(&self, slot: u32, now: f64) -> f64 {
        self.0.borrow().engine.remaining(Slot(slot), Instant(now)).0
    }

    pub fn size(&self) -> usize {
        self.0.borrow().engine.len()
    }

    pub fn weight(&self) -> f64 {
        self.0.borrow().engine.weight() as f64
    }

    /// `floats` out: the values of [`crate::stats::Stats`], in the order of its names. Answers how many.
    pub fn stats(&self) -> usize {
        let mut inner = self.0.borrow_mut();
        let values = inner.engine.stats().values();
        grow(&mut inner.words, values.len());
        put(&mut inner.floats, &values);
        values.len()
    }

    /// One call that may have effects; when it ends, the mail says where they are.
    fn turn(&self) -> Turn<'_> {
        let mut inner = self.0.borrow_mut();
        inner.engine.begin_turn();
        Turn(inner)
    }
}

#[cfg(feature = "test-hooks")]
#[wasm_bindgen]
impl Core {
    /// JavaScript's names of the counters, joined with commas.
    #[wasm_bindgen(js_name = statNames)]
    pub fn stat_names(&self) -> String {
        crate::stats::Stats::NAMES.join(",")
    }

    /// What disagrees, or nothing.
    pub fn validate(&self) -> Option<String> {
        self.0.borrow().engine.validate().err()
    }

    #[wasm_bindgen(js_name = isQuiescent)]
    pub fn is_quiescent(&self) -> bool {
        self.0.borrow().engine.is_quiescent()
    }

    /// Panics inside of the engine's borrow, as a bug would.
    pub fn panic(&self) {
        let _turn = self.turn();
        panic!("a panic on demand");
    }

    /// Overflows the shadow stack.
    #[wasm_bindgen(js_name = overflowStack)]
    pub fn overflow_stack(&self) -> usize {
        #[allow(unconditional_recursion)] // That is the point.
        fn deeper(depth: usize) -> usize {
            let frame = [depth; 1024];
            core::hint::black_box(&frame)[depth % 1024] + deeper(depth + 1)
        }
        deeper(self.size())
    }

    /// Asks for more memory than there can be, infallibly.
    #[wasm_bindgen(js_name = exhaustMemory)]
    pub fn exhaust_memory(&self) -> usize {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            hoard.push(vec![1; 1 << 28]);
            core::hint::black_box(&hoard);
        }
    }
}

struct Turn<'a>(RefMut<'a, Inner>);

impl core::ops::Deref for Turn<'_> {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl core::ops::DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.0
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

fn seed_of(words: &[f64]) -> Seed {
    [0, 2, 4].map(|at: usize| words[at] as u64 | (words[at + 1] as u64) << 32)
}
