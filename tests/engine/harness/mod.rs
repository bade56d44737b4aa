//! The engine and the model side by side: each call is made on both, and all that can be seen is compared.
//!
//! The harness stands where the wrapper stands. It keeps the values by slot and carries the effects out in order, so what an effect says too
//! late, twice, or of something that is gone is noticed, whatever the model thinks.

mod effects;
mod met;

use std::collections::HashMap;

use sluice::config::Config;
use sluice::engine::{self, Admission, EARLY, Effect, Engine, FAILURE, Foresight, Grouping, How, MISS, Outcome, STALE, Wishes};
use sluice::ids::{BatchId, CallId, FlightId, NONE, Slot};
use sluice::retry::{BudgetConfig, RetryTerms};
use sluice::time::{Instant, Millis};

use crate::driver::CONFIG;
use crate::model::{Answer, Fate, Key, Look, Model, Number, Setup, Target, Terms};

pub use met::Met;
use met::{fate_name, look_name};

pub type Checked<T = ()> = Result<T, String>;

/// `Err` with the message unless `holds`.
pub fn check(holds: bool, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(message()) }
}

/// What one request that missed asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub ttl: Option<f64>,
    pub priority: i32,
}

/// How flights are put into groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups<'a> {
    None,
    Prefix,
    Given(&'a [u32]),
}

/// A number of the model and what the engine calls it.
#[derive(Debug)]
pub struct Names<Id> {
    ids: HashMap<Number, Id>,
    numbers: HashMap<Id, Number>,
}

impl<Id: Copy + Eq + std::hash::Hash + std::fmt::Debug> Names<Id> {
    fn new() -> Self {
        Self { ids: HashMap::new(), numbers: HashMap::new() }
    }

    fn bind(&mut self, number: Number, id: Id) {
        self.unbind(id);
        self.ids.insert(number, id);
        self.numbers.insert(id, number);
    }

    pub fn number(&self, id: Id) -> Checked<Number> {
        self.numbers.get(&id).copied().ok_or_else(|| format!("{id:?} is of nothing there is"))
    }

    fn unbind(&mut self, id: Id) {
        if let Some(number) = self.numbers.remove(&id) {
            self.ids.remove(&number);
        }
    }

    pub fn id(&self, number: Number) -> Id {
        self.ids[&number]
    }
}

/// The value that a call brings, if it brings one.
#[derive(Clone, Copy, Debug)]
struct Source {
    key: Key,
    value: u64,
    /// What the effects call it: a flight, or a position.
    from: u32,
}

/// Where `set` says its value is.
const POSITION: u32 = 7;

pub struct Harness {
    pub engine: Engine,
    pub model: Model,
    pub keys: Vec<Vec<u8>>,
    /// By slot, as the wrapper keeps them.
    values: Vec<Option<(Key, u64)>>,
    pub flights: Names<FlightId>,
    pub calls: Names<CallId>,
    pub batches: Names<BatchId>,
    /// Calls and flights as they were started: some of them are long gone.
    pub history: Vec<(CallId, FlightId)>,
    /// What to do about, since it was last asked.
    pub timed_out: Vec<Number>,
    pub timed_out_batches: Vec<Number>,
    /// Calls made so far.
    pub calls_made: u64,
    /// How often what happened: a run that never meets a cycle says nothing about cycles.
    pub met: Met,
    last_value: u64,
    effects_seen: usize,
}

const HISTORY_MAX: usize = 32;

impl Harness {
    pub fn new(setup: Setup, keys: Vec<Vec<u8>>, seed: u64) -> Self {
        let config = Config {
            max_entries: setup.entries_max as f64,
            max_weight: if setup.weight_max == u64::MAX { f64::INFINITY } else { setup.weight_max as f64 },
            ttl: setup.ttl,
            negative_ttl: setup.negative_ttl,
            error_ttl: setup.error_ttl,
            ttl_jitter: setup.ttl_jitter,
            sliding: setup.sliding,
            early_refresh: setup.early,
            retry_budget: BudgetConfig { ratio: setup.budget_ratio, burst: setup.budget_burst },
            max_concurrency: f64::INFINITY,
            max_queue: f64::INFINITY,
            ..CONFIG
        };
        Self {
            engine: Engine::new(config, [seed, seed.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15, !seed]),
            model: Model::new(setup, keys.clone()),
            keys,
            values: Vec::new(),
            flights: Names::new(),
            calls: Names::new(),
            batches: Names::new(),
            history: Vec::new(),
            timed_out: Vec::new(),
            timed_out_batches: Vec::new(),
            calls_made: 0,
            met: Met::default(),
            last_value: 0,
            effects_seen: 0,
        }
    }

    /// Time goes on, by `by` milliseconds.
    pub fn tick(&mut self, by: f64) {
        self.model.now += by;
    }

    pub fn now(&self) -> Instant {
        Instant(self.model.now)
    }

    pub fn begin_turn(&mut self) {
        self.engine.begin_turn();
        self.effects_seen = 0;
    }

    // Batches.

    /// Looks `keys` up. Answers the positions of those that missed.
    pub fn look_up(&mut self, keys: &[Key], stale: f64) -> Checked<Vec<usize>> {
        let (bytes, mut words) = self.joined(keys);
        let now = self.now();
        let missed = self.engine.lookup(&bytes, &mut words, Millis(stale), now);
        let mut missing = Vec::new();
        for (position, (&key, &word)) in keys.iter().zip(&words).enumerate() {
            let look = if word == MISS {
                missing.push(position);
                Look::Miss
            } else {
                let value = self.value_at(Slot(word & !(STALE | EARLY | FAILURE)), key)?;
                match word & (STALE | EARLY | FAILURE) {
                    STALE => Look::Stale(value),
                    EARLY => Look::Early(value),
                    FAILURE => Look::Failure(value),
                    _ => Look::Hit(value),
                }
            };
            let expected = self.model.look_up(key, stale, matches!(look, Look::Early(_)));
            self.met.count(look_name(look), 1);
            check(look == expected, || format!("look-up {position} of {keys:?}: {look:?}, expected {expected:?}"))?;
        }
        check(missed == missing.len(), || format!("{missed} missed, {} did", missing.len()))?;
        self.compare(None)?;
        Ok(missing)
    }

    /// Takes `keys` as missed.
    pub fn miss_all(&mut self, keys: &[Key]) -> Checked<Vec<usize>> {
        let (bytes, words) = self.joined(keys);
        let missed = self.engine.miss_all(&bytes, &words);
        keys.iter().for_each(|_| self.model.miss());
        check(missed == keys.len(), || format!("{missed} missed of {}", keys.len()))?;
        self.compare(None)?;
        Ok((0..keys.len()).collect())
    }

    pub fn open(&mut self, terms: Terms) -> Checked<Number> {
        let now = self.now();
        let engine_terms = engine::Terms {
            limit: terms.limit as u32,
            limit_per_group: u32::MAX,
            fetch_timeout: Millis(terms.fetch_timeout),
            timeout: Millis(terms.timeout),
            retry: RetryTerms {
                attempts: terms.attempts,
                backoff: Millis(terms.backoff),
                backoff_max: Millis(terms.backoff_max),
                jitter: 0.0,
            },
            parent: terms.parent.map(|parent| self.calls.id(parent)),
            stale_if_error: Millis(terms.stale_if_error),
            queue_timeout: Millis(terms.queue_timeout),
            finish_orphans: terms.finish_orphans,
        };
        let id = self.engine.open(engine_terms, now);
        let number = self.model.open(terms);
        self.batches.bind(number, id);
        self.compare(None)?;
        Ok(number)
    }

    /// Admits those of `keys` that were `missing` in the look-up just done. Answers the loads that `batch` leads now.
    pub fn admit(
        &mut self,
        batch: Number,
        keys: &[Key],
        missing: &[usize],
        base: u32,
        wishes: Option<&[Wish]>,
        share: bool,
    ) -> Checked<Vec<Number>> {
        let (bytes, _) = self.joined(keys);
        let (mut ttls, mut priorities) = (Vec::new(), Vec::new());
        for wish in wishes.unwrap_or_default() {
            ttls.push(wish.ttl.unwrap_or(f64::NAN));
            priorities.push(wish.priority);
        }
        let engine_wishes = match wishes {
            Some(_) => Wishes::Each { ttls: &ttls, priorities: &priorities },
            None => Wishes::Default,
        };
        let id = self.batches.id(batch);
        let admissions = self.engine.admit(id, &bytes, base, engine_wishes, share);
        let admissions = admissions.to_vec();
        check(admissions.len() == missing.len(), || format!("{} admitted of {}", admissions.len(), missing.len()))?;
        let mut led = Vec::new();
        for (place, (&position, &admission)) in missing.iter().zip(&admissions).enumerate() {
            let wish = wishes.map_or(Wish { ttl: None, priority: 0 }, |wishes| wishes[place]);
            let index = base + position as u32;
            let fate = self.model.admit(batch, keys[position], index, wish.ttl, wish.priority, share);
            if let (Fate::Led(load), How::Led) = (fate, admission.how) {
                self.flights.bind(load, admission.flight);
                led.push(load);
            }
            self.met.count(fate_name(fate), 1);
            self.check_admission(admission, fate)?;
        }
        self.compare(None)?;
        Ok(led)
    }

    pub fn seal(&mut self, batch: Number) -> Checked {
        self.engine.seal(self.batches.id(batch), self.now());
        self.model.seal(batch);
        self.compare(None)
    }

    pub fn queue(&mut self, batch: Number, loads: &[Number], groups: Groups, group_size_max: usize) -> Checked {
        let names: Vec<Option<Vec<u8>>> = loads
            .iter()
            .enumerate()
            .map(|(position, load)| match groups {
                Groups::None => None,
                Groups::Given(given) => (given[position] != NONE).then(|| given[position].to_le_bytes().to_vec()),
                Groups::Prefix => {
                    let key = &self.keys[self.model.loads[load].key];
                    Some(key.split(|&byte| byte == b':').take(2).collect::<Vec<_>>().join(&b':'))
                }
            })
            .collect();
        // Groups in the order of each one's first member.
        let mut grouped: Vec<Vec<Number>> = Vec::new();
        let mut named: Vec<(Vec<u8>, usize)> = Vec::new();
        for (&load, name) in loads.iter().zip(names) {
            let known = name.as_ref().and_then(|name| named.iter().find(|(other, _)| other == name));
            if let Some(&(_, place)) = known {
                grouped[place].push(load);
            } else {
                named.extend(name.map(|name| (name, grouped.len())));
                grouped.push(vec![load]);
            }
        }
        let calls = if group_size_max == 0 {
            loads.iter().map(|&load| vec![load]).collect()
        } else {
            grouped.iter().flat_map(|group| group.chunks(group_size_max).map(<[Number]>::to_vec)).collect()
        };
        let grouping = match groups {
            Groups::None => Grouping::None,
            Groups::Prefix => Grouping::Prefix,
            Groups::Given(given) => Grouping::Given(given),
        };
        let flights: Vec<FlightId> = loads.iter().map(|&load| self.flights.id(load)).collect();
        let (id, now) = (self.batches.id(batch), self.now());
        let count = self.engine.queue(id, &flights, grouping, group_size_max, now);
        check(count as usize == named.len(), || format!("{count} groups, expected {}", named.len()))?;
        self.model.queue(batch, calls);
        self.compare(None)
    }

    pub fn leave(&mut self, batch: Number) -> Checked {
        self.engine.leave(self.batches.id(batch), self.now());
        self.model.leave(batch);
        self.compare(None)
    }

    // Answers.

    pub fn settle(&mut self, call: Number, load: Number, answer: Answer) -> Checked {
        let value = self.value();
        let outcome = match answer {
            Answer::Value { weight } => Outcome::Value { weight },
            Answer::Null { weight } => Outcome::Null { weight },
            Answer::Unstored => Outcome::Unstored,
            Answer::Failed { retryable, hint } => Outcome::Failed { retryable, hint: hint.map(Millis) },
        };
        let (id, flight, now) = (self.calls.id(call), self.flights.id(load), self.now());
        let key = self.model.loads.get(&load).map_or(Key::MAX, |load| load.key);
        let useful = self.engine.settle(id, flight, outcome, now);
        self.take_chances();
        let expected = self.model.settle(call, load, answer, value);
        check(useful == expected, || format!("the answer was of use: {useful}, expected {expected}"))?;
        self.compare(Some(Source { key, value, from: flight.0 }))
    }

    /// An answer for what was started long ago, and may be over.
    pub fn settle_late(&mut self, call: CallId, flight: FlightId) -> Checked {
        let (Ok(number), Ok(load)) = (self.calls.number(call), self.flights.number(flight)) else {
            let now = self.now();
            let outcome = Outcome::Value { weight: 1 };
            let useful = self.engine.settle(call, flight, outcome, now);
            check(!useful, || "a late answer was of use".into())?;
            self.model.stats.late += 1;
            return self.compare(None);
        };
        self.settle(number, load, Answer::Value { weight: 1 })
    }

    pub fn supply(&mut self, load: Number, ttl: f64, weight: u32) -> Checked {
        let (value, flight, key) = (self.value(), self.flights.id(load), self.model.loads[&load].key);
        self.engine.supply(flight, Millis(ttl), weight, self.now());
        self.take_chances();
        self.model.supply(load, ttl, weight, value);
        self.compare(Some(Source { key, value, from: flight.0 }))
    }

    pub fn refuse(&mut self, load: Number) -> Checked {
        let (flight, key) = (self.flights.id(load), self.model.loads[&load].key);
        self.engine.refuse(flight, self.now());
        self.model.refuse(load);
        self.compare(Some(Source { key, value: 0, from: flight.0 }))
    }

    pub fn fall_back(&mut self, call: Number, load: Number) -> Checked {
        let (id, flight, now) = (self.calls.id(call), self.flights.id(load), self.now());
        self.engine.fall_back(id, flight, now);
        self.model.fall_back(call, load);
        self.compare(None)
    }

    pub fn ended(&mut self, call: CallId) -> Checked {
        self.engine.ended(call, self.now());
        self.model.ended(self.calls.number(call)?);
        self.compare(None)
    }

    pub fn advance(&mut self) -> Checked {
        self.engine.advance(self.now());
        self.model.advance();
        self.compare(None)
    }

    // Memory.

    pub fn set(&mut self, key: Key, ttl: Option<f64>, null: bool, weight: u32) -> Checked {
        let value = self.value();
        let now = self.now();
        self.engine.set(&self.keys[key], ttl.map(Millis), null, weight, POSITION, now);
        self.take_chances();
        self.model.set(key, ttl, null, weight, value);
        self.compare(Some(Source { key, value, from: POSITION }))
    }

    pub fn delete(&mut self, key: Key) -> Checked {
        let deleted = self.engine.delete(&self.keys[key], self.now());
        let expected = self.model.delete(key);
        check(deleted == expected, || format!("deleted: {deleted}, expected {expected}"))?;
        self.compare(None)
    }

    pub fn get(&mut self, key: Key) -> Checked {
        let slot = self.engine.get(&self.keys[key], self.now());
        let value = slot.map(|slot| self.value_at(slot, key)).transpose()?;
        let expected = self.model.get(key);
        check(value == expected, || format!("got {value:?}, expected {expected:?}"))?;
        self.compare(None)
    }

    pub fn peek(&mut self, key: Key) -> Checked {
        let slot = self.engine.peek(&self.keys[key], self.now());
        let value = slot.map(|slot| self.value_at(slot, key)).transpose()?;
        let expected = self.model.peek(key);
        check(value == expected, || format!("peeked {value:?}, expected {expected:?}"))?;
        self.compare(None)
    }

    /// What a request for `key` would meet.
    pub fn foresee(&mut self, key: Key, stale: f64) -> Checked {
        let foresight = self.engine.foresee(&self.keys[key], Millis(stale), self.now());
        let expected = if self.model.peek(key).is_some() {
            Foresight::Hit
        } else if self.model.value_of(key, stale).is_some() {
            Foresight::Stale
        } else if self.model.joinable(key).is_some() {
            Foresight::Join
        } else {
            Foresight::Load
        };
        check(foresight == expected, || format!("{foresight:?} is foreseen, expected {expected:?}"))?;
        self.compare(None)
    }

    pub fn invalidate(&mut self, target: Target) -> Checked {
        let (mut bytes, mut lens, mut start) = (Vec::new(), Vec::new(), 0);
        let tag;
        let meant = match target {
            Target::Prefix(prefix) => engine::Target::Prefix(prefix),
            Target::Pattern(pattern) => engine::Target::Pattern(pattern),
            Target::Tag(number) => {
                tag = [number];
                engine::Target::Tag(&tag)
            }
        };
        let now = self.now();
        let count = self.engine.invalidate(meant, &mut bytes, &mut lens, now);
        let mut removed: Vec<&[u8]> = Vec::new();
        for len in lens {
            let end = start + len as usize;
            removed.push(&bytes[start..end]);
            start = end;
        }
        let (expected, valid) = self.model.invalidate(target);
        let mut expected: Vec<&[u8]> = expected.into_iter().map(|key| &self.keys[key][..]).collect();
        removed.sort_unstable();
        expected.sort_unstable();
        check(removed == expected, || format!("{removed:?} were removed, expected {expected:?}"))?;
        check(count == valid, || format!("{count} were valid, expected {valid}"))?;
        self.met.count("invalidated", expected.len() as u64);
        self.compare(None)
    }

    pub fn tag_load(&mut self, load: Number, tag: u8) -> Checked {
        self.engine.tag_flight(self.flights.id(load), &[tag]);
        self.model.tag_load(load, tag);
        self.compare(None)
    }

    pub fn tag_key(&mut self, key: Key, tag: u8) -> Checked {
        self.engine.tag_key(&self.keys[key], &[tag]);
        self.model.tag_key(key, tag);
        self.compare(None)
    }

    pub fn clear(&mut self) -> Checked {
        self.engine.clear();
        self.values.clear();
        self.model.clear();
        self.compare(None)
    }

    pub fn purge(&mut self) -> Checked {
        self.engine.purge(self.now());
        self.model.purge();
        self.compare(None)
    }

    /// Both are empty of all that could still happen.
    pub fn check_quiescent(&self) -> Checked {
        check(self.model.is_quiescent(), || format!("the model is not quiescent: {:?}", self.model))?;
        check(self.engine.is_quiescent(), || "the engine is not quiescent".into())
    }

    // What both say.

    fn joined(&self, keys: &[Key]) -> (Vec<u8>, Vec<u32>) {
        let bytes = keys.iter().flat_map(|&key| self.keys[key].iter().copied()).collect();
        (bytes, keys.iter().map(|&key| self.keys[key].len() as u32).collect())
    }

    fn value(&mut self) -> u64 {
        self.last_value += 1;
        self.last_value
    }

    /// The value in `slot`, which must be that of `key`.
    fn value_at(&self, slot: Slot, key: Key) -> Checked<u64> {
        let Some(&Some((owner, value))) = self.values.get(slot.at()) else {
            return Err(format!("slot {} is read, and holds no value", slot.0));
        };
        check(owner == key, || format!("slot {} is served for key {key}, and holds {owner}", slot.0))?;
        let mut bytes = Vec::new();
        self.engine.copy_key(slot, &mut bytes);
        check(bytes == self.keys[key], || format!("slot {} has another key than it was found by", slot.0))?;
        Ok(value)
    }

    fn key_at(&self, slot: u32) -> Checked<Key> {
        match self.values.get(slot as usize) {
            Some(&Some((key, _))) => Ok(key),
            _ => Err(format!("slot {slot} holds nothing")),
        }
    }

    /// Tells the model what the engine did in the call just made that might have been otherwise: what its sweep removed, and what chance left
    /// of a TTL.
    fn take_chances(&mut self) {
        let swept = (self.engine.stats().expired - self.model.stats.expired) as usize;
        let effects = &self.engine.effects()[self.effects_seen..];
        let cleared = effects.iter().filter_map(|effect| match effect {
            Effect::Clear { slot } => self.key_at(*slot).ok(),
            _ => None,
        });
        self.model.swept = cleared.take(swept).collect();
        self.model.jittered = effects.iter().find_map(|effect| match effect {
            Effect::Store { slot, .. } => Some(self.engine.remaining(Slot(*slot), self.now()).0),
            _ => None,
        });
    }

    fn check_admission(&self, admission: Admission, fate: Fate) -> Checked {
        let (how, load) = match fate {
            Fate::Led(load) => (How::Led, load),
            Fate::Joined(load) => (How::Joined, load),
            Fate::Deduplicated(load) => (How::Deduplicated, load),
            Fate::Circular(load) => (How::Circular, load),
        };
        check(admission.how == how, || format!("{admission:?}, expected {fate:?}"))?;
        let actual = self.flights.number(admission.flight)?;
        check(actual == load, || format!("{admission:?} is load {actual}, expected {fate:?}"))
    }
}
