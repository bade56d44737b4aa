//! The engine and the model side by side: each call is made on both, and all that can be seen is compared.
//!
//! The harness stands where the wrapper stands. It keeps the values by slot and carries the effects out in order, so what an effect says too
//! late, twice, or of something that is gone is noticed, whatever the model thinks.

use std::collections::{BTreeMap, HashMap};

use sluice::config::Config;
use sluice::engine::{self, Admission, Effect, Engine, Grouping, How, MISS, Outcome, STALE, Wishes};
use sluice::ids::{BatchId, CallId, FlightId, NONE, Slot};
use sluice::retry::{BudgetConfig, RetryTerms};
use sluice::stats::Stats;
use sluice::time::{Instant, Millis};

use crate::model::{Answer, Fate, Happening, Key, Look, Model, Number, Setup, State, Terms};

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

/// Occurrences by name.
#[derive(Clone, Debug, Default)]
pub struct Met(pub BTreeMap<&'static str, u64>);

impl Met {
    pub fn count(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }
}

impl Harness {
    pub fn new(setup: Setup, keys: Vec<Vec<u8>>, seed: u64) -> Self {
        let config = Config {
            max_entries: setup.entries_max as f64,
            max_weight: if setup.weight_max == u64::MAX { f64::INFINITY } else { setup.weight_max as f64 },
            ttl: setup.ttl,
            negative_ttl: setup.negative_ttl,
            retry_budget: BudgetConfig { ratio: setup.budget_ratio, burst: setup.budget_burst },
        };
        Self {
            engine: Engine::new(config, [seed, seed.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15, !seed]),
            model: Model::new(setup),
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
                let slot = Slot(word & !STALE);
                let value = self.value_at(slot, key)?;
                if word & STALE == 0 { Look::Hit(value) } else { Look::Stale(value) }
            };
            let expected = self.model.look_up(key, stale);
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
        };
        let id = self.engine.open(engine_terms, now).map_err(|error| error.to_string())?;
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
        let admissions = self.engine.admit(id, &bytes, base, engine_wishes, share).map_err(|error| error.to_string())?;
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
        let (mut grouped, mut named): (Vec<Vec<Number>>, Vec<(Vec<u8>, usize)>) = (Vec::new(), Vec::new());
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
        let count = self.engine.queue(id, &flights, grouping, group_size_max, now).map_err(|error| error.to_string())?;
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
        let useful = self.engine.settle(id, flight, outcome, now).map_err(|error| error.to_string())?;
        self.take_sweep();
        let expected = self.model.settle(call, load, answer, value);
        check(useful == expected, || format!("the answer was of use: {useful}, expected {expected}"))?;
        self.compare(Some(Source { key, value, from: flight.0 }))
    }

    /// An answer for what was started long ago, and may be over.
    pub fn settle_late(&mut self, call: CallId, flight: FlightId) -> Checked {
        let (Ok(number), Ok(load)) = (self.calls.number(call), self.flights.number(flight)) else {
            let now = self.now();
            let outcome = Outcome::Value { weight: 1 };
            let useful = self.engine.settle(call, flight, outcome, now).map_err(|error| error.to_string())?;
            check(!useful, || "a late answer was of use".into())?;
            self.model.stats.late += 1;
            return self.compare(None);
        };
        self.settle(number, load, Answer::Value { weight: 1 })
    }

    pub fn supply(&mut self, load: Number, ttl: f64, weight: u32) -> Checked {
        let (value, flight, key) = (self.value(), self.flights.id(load), self.model.loads[&load].key);
        self.engine.supply(flight, Millis(ttl), weight, self.now());
        self.take_sweep();
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
        self.engine.fall_back(id, flight, now).map_err(|error| error.to_string())?;
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
        self.take_sweep();
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

    /// Tells the model what the engine's sweep removed in the call just made.
    fn take_sweep(&mut self) {
        let swept = (self.engine.stats().expired - self.model.stats.expired) as usize;
        let cleared = self.engine.effects()[self.effects_seen..].iter().filter_map(|effect| match effect {
            Effect::Clear { slot } => self.key_at(*slot).ok(),
            _ => None,
        });
        self.model.swept = cleared.take(swept).collect();
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

    fn compare(&mut self, source: Option<Source>) -> Checked {
        self.calls_made += 1;
        let expected = std::mem::take(&mut self.model.happenings);
        let effects: Vec<Effect> = self.engine.effects()[self.effects_seen..].to_vec();
        self.effects_seen += effects.len();
        let actual = self.carry_out(&effects, &expected, source)?;
        for happening in &expected {
            self.met.count(happening_name(happening), 1);
        }
        compare_happenings(actual, expected).map_err(|message| format!("{message}\neffects: {effects:?}"))?;
        self.model.forget();
        if self.model.calls.values().any(|call| matches!(call.state, State::Resuming(_))) {
            self.met.count("waiting for a slot to go on", 1);
        }
        self.engine.validate()?;
        self.compare_memory()?;
        let stats = Stats { engine_bytes: 0, ..self.engine.stats() };
        let expected = self.model.stats();
        check(stats == expected, || format!("counted {stats:?}\nexpected {expected:?}"))?;
        let (next, expected) = (self.engine.next_deadline().0, self.model.next_deadline());
        check(next.total_cmp(&expected).is_eq(), || format!("next deadline {next}, expected {expected}"))
    }

    fn compare_memory(&self) -> Checked {
        let now = self.now();
        let held = self.values.iter().flatten().count();
        check(held == self.model.entries.len(), || format!("{held} values held for {:?}", self.model.entries))?;
        let mut valid = self.model.entries.iter().filter(|entry| now.0 < entry.expires_at);
        for slot in self.engine.recent(now) {
            let Some(entry) = valid.next() else { return Err(format!("slot {} is listed beyond the last", slot.0)) };
            let value = self.value_at(slot, entry.key)?;
            check(value == entry.value, || format!("slot {} holds {value}, expected {entry:?}", slot.0))?;
            let (left, expected) = (self.engine.remaining(slot, now).0, entry.expires_at - now.0);
            check(left.total_cmp(&expected).is_eq(), || format!("{left} ms are left of {entry:?}"))?;
        }
        check(valid.next().is_none(), || "an entry is not listed".into())
    }

    /// Does what the wrapper would do, and says what it was.
    fn carry_out(&mut self, effects: &[Effect], expected: &[Happening], source: Option<Source>) -> Checked<Vec<Happening>> {
        let mut happenings = Vec::new();
        let mut done = Vec::new();
        let mut rest = effects.iter();
        while let Some(&effect) = rest.next() {
            let mut members = |count: u32| -> Checked<Vec<FlightId>> {
                let next = |_| match rest.next() {
                    Some(&Effect::Member { flight }) => Ok(FlightId(flight)),
                    other => Err(format!("{other:?} in place of a member")),
                };
                (0..count).map(next).collect()
            };
            happenings.push(match effect {
                Effect::StartOne { place, generation, flight } => {
                    self.start(CallId { place, generation }, false, &[FlightId(flight)], expected)?
                }
                Effect::StartGroup { place, generation, members: count } => {
                    self.start(CallId { place, generation }, true, &members(count)?, expected)?
                }
                Effect::Member { .. } => return Err("a member of nothing".into()),
                Effect::DeliverLed { batch, index, flight } | Effect::DeliverJoined { batch, index, flight } => {
                    check(source.is_some_and(|source| source.from == flight), || format!("flight {flight} has no answer"))?;
                    let load = self.flights.number(FlightId(flight))?;
                    let batch = self.batches.number(BatchId(batch))?;
                    check(!done.contains(&batch), || format!("batch {batch} hears more after it is done"))?;
                    Happening::Deliver { batch, index, load, led: matches!(effect, Effect::DeliverLed { .. }) }
                }
                Effect::DeliverStale { batch, index, slot } => {
                    let key = self.key_at(slot)?;
                    let value = self.value_at(Slot(slot), key)?;
                    Happening::DeliverStale { batch: self.batches.number(BatchId(batch))?, index, key, value }
                }
                Effect::Done { batch, busy_us } => {
                    let batch = self.batches.number(BatchId(batch))?;
                    check(!done.contains(&batch), || format!("batch {batch} is done twice"))?;
                    done.push(batch);
                    Happening::Done { batch, busy_us }
                }
                Effect::Store { slot, from, ttl } => {
                    let Some(Source { key, value, .. }) = source.filter(|source| source.from == from) else {
                        return Err(format!("a value of {from} is stored, and there is none"));
                    };
                    self.store(slot, key, value)?;
                    Happening::Store { key, value, ttl: f32::from_bits(ttl) }
                }
                Effect::Clear { slot } => {
                    let key = self.key_at(slot)?;
                    self.values[slot as usize] = None;
                    Happening::Clear { key }
                }
                Effect::Abort { place, generation } => {
                    Happening::Abort { call: self.calls.number(CallId { place, generation })? }
                }
                Effect::TimeOut { place, generation } => {
                    let call = self.calls.number(CallId { place, generation })?;
                    self.timed_out.push(call);
                    Happening::TimeOut { call }
                }
                Effect::TimeOutBatch { batch } => {
                    let batch = self.batches.number(BatchId(batch))?;
                    self.timed_out_batches.push(batch);
                    Happening::TimeOutBatch { batch }
                }
                Effect::Release { flight } => {
                    let load = self.flights.number(FlightId(flight))?;
                    self.flights.unbind(FlightId(flight));
                    Happening::Release { load }
                }
                Effect::Cycle { batch, index, members: count } => {
                    let circle = members(count)?;
                    let batch = self.batches.number(BatchId(batch))?;
                    self.check_circle(batch, &circle)?;
                    Happening::Cycle { batch, index }
                }
            });
        }
        Ok(happenings)
    }

    fn start(&mut self, id: CallId, group: bool, flights: &[FlightId], expected: &[Happening]) -> Checked<Happening> {
        let members = flights.iter().map(|&flight| self.flights.number(flight)).collect::<Checked<Vec<_>>>()?;
        let is_it = |happening: &&Happening| matches!(happening, Happening::Start { members: of, .. } if *of == members);
        let Some(&Happening::Start { call, .. }) = expected.iter().find(is_it) else {
            return Err(format!("a call for {members:?} starts, expected {expected:?}"));
        };
        self.calls.bind(call, id);
        self.history.extend(flights.iter().map(|&flight| (id, flight)));
        let excess = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..excess);
        Ok(Happening::Start { call, group, members })
    }

    fn store(&mut self, slot: u32, key: Key, value: u64) -> Checked {
        let place = slot as usize;
        if self.values.len() <= place {
            self.values.resize(place + 1, None);
        }
        match self.values[place] {
            Some((owner, _)) if owner != key => Err(format!("slot {slot} of {owner} is given to {key}")),
            _ => {
                self.values[place] = Some((key, value));
                Ok(())
            }
        }
    }

    /// Each flight of `circle` waits for the next one, the last is the first, and the new request is one of the steps.
    fn check_circle(&self, batch: Number, circle: &[FlightId]) -> Checked {
        let circle = circle.iter().map(|&flight| self.flights.number(flight)).collect::<Checked<Vec<_>>>()?;
        check(circle.len() > 1 && circle.first() == circle.last(), || format!("{circle:?} is no circle"))?;
        let call_of = |load: Number| self.model.calls.iter().find(|(_, call)| call.members.contains(&load));
        let mut new_steps = 0;
        for step in circle.windows(2) {
            let Some((&call, _)) = call_of(step[0]) else { return Err(format!("load {} waits for nothing", step[0])) };
            if self.model.nested_of(call).any(|nested| nested != batch && self.model.awaits(nested, step[1])) {
                continue;
            }
            let is_new = self.model.nested_of(call).any(|nested| nested == batch) && !self.model.awaits(batch, step[1]);
            check(is_new, || format!("load {} does not wait for {} in {circle:?}", step[0], step[1]))?;
            new_steps += 1;
        }
        check(new_steps > 0, || format!("{circle:?} was there before"))
    }
}

fn compare_happenings(mut actual: Vec<Happening>, mut expected: Vec<Happening>) -> Checked {
    // What happens to different things may be told in any order; of one kind, the order is that of the model. Where nothing is stored, it
    // does not matter in which order slots are vacated.
    let stores = expected.iter().any(|happening| matches!(happening, Happening::Store { .. }));
    let order = |happening: &Happening| match happening {
        Happening::Clear { key } if !stores => (kind(happening), *key),
        _ => (kind(happening), 0),
    };
    actual.sort_by_key(order);
    expected.sort_by_key(order);
    check(actual == expected, || format!("happened {actual:?}\nexpected {expected:?}"))
}

fn kind(happening: &Happening) -> u8 {
    match happening {
        Happening::Start { .. } => 0,
        Happening::Deliver { .. } | Happening::DeliverStale { .. } => 1,
        Happening::Done { .. } => 2,
        Happening::Store { .. } | Happening::Clear { .. } => 3,
        Happening::Abort { .. } => 4,
        Happening::TimeOut { .. } | Happening::TimeOutBatch { .. } => 5,
        Happening::Release { .. } => 6,
        Happening::Cycle { .. } => 7,
    }
}

fn look_name(look: Look) -> &'static str {
    match look {
        Look::Hit(_) => "hit",
        Look::Stale(_) => "stale hit",
        Look::Miss => "miss",
    }
}

fn fate_name(fate: Fate) -> &'static str {
    match fate {
        Fate::Led(_) => "led",
        Fate::Joined(_) => "joined",
        Fate::Deduplicated(_) => "deduplicated",
        Fate::Circular(_) => "circular",
    }
}

fn happening_name(happening: &Happening) -> &'static str {
    match happening {
        Happening::Start { group: false, .. } => "start",
        Happening::Start { group: true, .. } => "start of a group",
        Happening::Deliver { led: true, .. } => "delivered to the leader",
        Happening::Deliver { led: false, .. } => "delivered to others",
        Happening::DeliverStale { .. } => "delivered stale",
        Happening::Done { .. } => "done",
        Happening::Store { .. } => "store",
        Happening::Clear { .. } => "clear",
        Happening::Abort { .. } => "abort",
        Happening::TimeOut { .. } => "time-out",
        Happening::TimeOutBatch { .. } => "time-out of a batch",
        Happening::Release { .. } => "release",
        Happening::Cycle { .. } => "cycle",
    }
}
