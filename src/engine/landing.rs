//! From a callback's answer to the waiters: retry, store, deliver.

use super::admission::group_prefix;
use super::invalidation::Label;
use super::{Due, Effect, Engine};
use crate::adaptive::concurrency::Ending;
use crate::error::OutOfMemory;
use crate::flight::Stage;
use crate::hash::KeyHash;
use crate::ids::{BatchId, CallId, FlightId, Slot};
use crate::schedule::{Left, Members};
use crate::store::{Entry, Holds, Stored};
use crate::time::{Instant, Millis};
use alloc::vec::Vec;

/// How a flight's callback, or a tier, answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// A value to deliver and store.
    Value { weight: u32 },
    /// `null`: as a value, with a TTL of its own.
    Null { weight: u32 },
    /// A value to deliver and not store.
    Unstored,
    /// An error; `hint` is how long the source asks to be left alone.
    Failed { retryable: bool, hint: Option<Millis> },
}

impl Engine {
    /// The callback of `call` has answered for `flight`. Answers whether that was still of use.
    pub fn settle(&mut self, call: CallId, flight: FlightId, outcome: Outcome, now: Instant) -> bool {
        let was_of_use = self.answer(call, flight, outcome, now);
        self.start_next(now);
        was_of_use
    }

    /// [`Engine::settle`] for one of several answers; after the last, [`Engine::start_next`] lets others have their slots.
    pub fn answer(&mut self, call: CallId, flight: FlightId, outcome: Outcome, now: Instant) -> bool {
        if !self.is_member(call, flight) {
            self.stats.late += 1;
            return false;
        }
        let batch = self.flights.get(flight).expect("a member is there").batch;
        if !matches!(outcome, Outcome::Failed { .. }) {
            self.note_ending(call, Ending::Answered);
        }
        let mut lands = true;
        if let Outcome::Failed { retryable: true, hint } = outcome
            && let Some(delay) = self.retry_delay(flight, hint)
        {
            let timer = self.deadlines.set(now.plus(delay), Due::Retry(flight));
            self.flights.get_mut(flight).expect("a member is there").stage = Stage::BackingOff(timer);
            self.stats.retried += 1;
            lands = false;
        }
        // The slot first: what waits for it may start before this answer is heard, but not without it.
        let is_over = self.schedule.leave(call, flight) == Left::Nobody;
        if is_over {
            self.detach_call(call, now);
        }
        if lands {
            self.land(flight, outcome, now);
        }
        if is_over {
            self.schedule.look(batch);
            self.retire_if_over(batch);
        }
        true
    }

    /// A tier has answered for a flight that is not called yet; `ttl` is what is left of the entry's life.
    pub fn supply(&mut self, flight: FlightId, ttl: Millis, weight: u32, now: Instant) {
        let Some(state) = self.flights.get_mut(flight).filter(|state| state.stage == Stage::Admitted) else { return };
        state.ttl = Some(state.ttl.map_or(ttl, |asked| asked.min(ttl)));
        self.land(flight, Outcome::Value { weight }, now);
    }

    /// No tier has an answer for a flight that is not called yet, and it is not to be called.
    pub fn refuse(&mut self, flight: FlightId, now: Instant) {
        if self.flights.get(flight).is_some_and(|state| state.stage == Stage::Admitted) {
            self.land(flight, Outcome::Failed { retryable: false, hint: None }, now);
        }
    }

    /// Whether `flight` is still to be answered by `call`.
    pub(super) fn is_member(&self, call: CallId, flight: FlightId) -> bool {
        self.schedule.get(call).is_some() && self.flights.get(flight).is_some_and(|state| state.stage == Stage::Called(call))
    }

    /// Takes the flight out of its call; a call that nobody is left in has ended.
    pub(super) fn leave_call(&mut self, call: CallId, flight: FlightId, now: Instant) {
        if self.schedule.leave(call, flight) == Left::Nobody {
            self.end_call(call, now);
        }
    }

    /// The backoff is over: the flight's callback is called again.
    pub(super) fn try_again(&mut self, flight: FlightId, now: Instant) {
        let batch = self.flights.get(flight).expect("a flight that backs off is there").batch;
        self.enqueue(batch, Members::One(flight), false, now);
        self.start(batch, now);
    }

    fn retry_delay(&mut self, flight: FlightId, hint: Option<Millis>) -> Option<Millis> {
        let state = self.flights.get(flight).expect("a member is there");
        let terms = self.batch(state.batch).terms.retry;
        let tries = state.attempts;
        if tries >= terms.attempts || !state.has_waiters() || !self.budget.withdraw() {
            return None;
        }
        Some(terms.delay(tries, hint, &mut self.random))
    }

    /// Stores what may be stored, and answers all waiters.
    fn land(&mut self, flight: FlightId, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Value { weight } => self.store_result(flight, weight, false, now),
            Outcome::Null { weight } => self.store_result(flight, weight, true, now),
            Outcome::Failed { .. } => self.store_failure(flight, now),
            Outcome::Unstored => {}
        }
        let failed = matches!(outcome, Outcome::Failed { .. });
        if failed {
            self.stats.failed += 1;
        } else {
            self.stats.succeeded += 1;
        }
        let mut answered = Vec::new();
        while let Some(waiter) = self.flights.answer(flight) {
            let (batch, index) = (waiter.batch.0, waiter.index);
            self.effects.push(match self.stale_for(failed, flight, waiter.batch, now) {
                Some(slot) => Effect::DeliverStale { batch, index, slot: slot.0 },
                None if waiter.leads => Effect::DeliverLed { batch, index, flight: flight.0 },
                None => Effect::DeliverJoined { batch, index, flight: flight.0 },
            });
            if self.flights.waiting(waiter.batch) == 0 {
                answered.push(waiter.batch);
            }
        }
        self.end_flight(flight);
        for batch in answered {
            self.after_answer(batch, now);
        }
    }

    /// What the waiters of `batch` take instead of a failure: the entry there is, if it did not expire too long ago for them.
    fn stale_for(&self, failed: bool, flight: FlightId, batch: BatchId, now: Instant) -> Option<Slot> {
        let grace = self.batch(batch).terms.stale_if_error;
        if !failed || grace <= Millis::ZERO {
            return None;
        }
        let mut key = Vec::new();
        self.flights.copy_key(flight, &mut key);
        self.store.find_stale(self.flights.hash(flight), &key, now, grace)
    }

    fn store_result(&mut self, flight: FlightId, weight: u32, null: bool, now: Instant) {
        let state = self.flights.get(flight).expect("a flight that lands is there");
        if state.is_fenced() {
            self.stats.fenced += 1;
            return;
        }
        let ttl = self.jittered(self.config.ttl_of(state.ttl, null));
        if ttl <= Millis::ZERO {
            return;
        }
        let state = self.flights.get_mut(flight).expect("a flight that lands is there");
        let is_answer_of_callback = state.started.is_some();
        let load = state.started.map_or(Millis::ZERO, |started| now.since(started));
        let tags = core::mem::take(&mut state.tags);
        let hash = self.flights.hash(flight);
        let mut key = core::mem::take(&mut self.key);
        key.clear();
        self.flights.copy_key(flight, &mut key);
        if is_answer_of_callback {
            // What a tier has is older than any callback's answer, whoever asked it when.
            self.flights.fence_older(flight);
        }
        let entry = entry(ttl, weight, load, Holds::Value, now);
        let stored = self.store_entry(hash, &key, entry, now);
        self.key = key;
        let Some(slot) = stored else { return };
        self.effects.push(Effect::Store { slot: slot.0, from: flight.0, ttl: ttl.to_f32().to_bits() });
        for tag in tags {
            self.label(slot, Label::Tag, &tag);
        }
    }

    /// Keeps a failure, where failures are kept: that of a callback, not of a load that was never called. What has a value, however old,
    /// keeps that.
    fn store_failure(&mut self, flight: FlightId, now: Instant) {
        let state = self.flights.get(flight).expect("a flight that lands is there");
        if self.config.error_ttl <= 0.0 || state.is_fenced() || state.started.is_none() {
            return;
        }
        let hash = self.flights.hash(flight);
        let mut key = Vec::new();
        self.flights.copy_key(flight, &mut key);
        if self.store.find_stale(hash, &key, now, Millis::FOREVER).is_some() {
            return;
        }
        let entry = entry(Millis(self.config.error_ttl), 0, Millis::ZERO, Holds::Failure, now);
        let tags = self.flights.get_mut(flight).map_or_else(Vec::new, |state| core::mem::take(&mut state.tags));
        let Some(slot) = self.store_entry(hash, &key, entry, now) else { return };
        self.effects.push(Effect::StoreFailure { slot: slot.0, from: flight.0 });
        for tag in tags {
            self.label(slot, Label::Tag, &tag);
        }
    }

    /// A TTL less what chance takes off it, so that what was stored together does not expire together.
    pub(super) fn jittered(&mut self, ttl: Millis) -> Millis {
        if self.config.ttl_jitter > 0.0 && ttl < Millis::FOREVER {
            Millis(ttl.0 * (1.0 - self.config.ttl_jitter * self.random.unit()))
        } else {
            ttl
        }
    }

    /// Stores an entry, telling whose values had to leave for it.
    pub(super) fn store_entry(&mut self, hash: KeyHash, key: &[u8], entry: Entry, now: Instant) -> Option<Slot> {
        let Self { store, effects, stats, .. } = self;
        let stored = store.insert(hash, key, entry, now, |slot, why| Self::vacate(effects, stats, slot, why));
        match stored {
            Ok(Stored::At(slot)) => {
                self.stats.stored += 1;
                if self.labels_groups {
                    self.label(slot, Label::Group, group_prefix(key));
                }
                return Some(slot);
            }
            Ok(Stored::TooHeavy) => self.stats.too_heavy += 1,
            Err(OutOfMemory) => self.stats.refused += 1,
        }
        None
    }
}

/// An entry that begins to live now.
pub(super) fn entry(ttl: Millis, weight: u32, load: Millis, holds: Holds, now: Instant) -> Entry {
    Entry { expires_at: now.plus(ttl), weight, ttl_ms: ttl.to_f32(), load_ms: load.0 as f32, holds }
}
