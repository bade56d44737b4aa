//! The façade: a state machine that is told what happened and answers what is to be done.
//!
//! It holds no clock, no randomness of its own and no promises, and never calls out. Every method that can change something takes `now`
//! and appends [`Effect`]s, which the caller carries out in order and then drops with [`Engine::begin_turn`].
//!
//! The path of a batch: [`Engine::lookup`] answers what is resident and remembers what is missing; if anything is,
//! [`Engine::open`], [`Engine::admit`] (join what is in flight, lead the rest), [`Engine::seal`], and for flights that no tier answered
//! ([`Engine::supply`]) [`Engine::queue`]. Then [`Effect::StartOne`] and [`Effect::StartGroup`] say what to call, and [`Engine::settle`] is
//! told how it went. [`Engine::leave`] drops a batch's interest; [`Engine::advance`] is called when [`Engine::next_deadline`] has come.
//!
//! `flight` and `store` meet only here, so "invalidated while loading" is decided in one place: whatever makes a newer truth about a key
//! fences its flights, and [`Engine::land`] stores nothing of a fenced flight.

use alloc::boxed::Box;
use alloc::vec::Vec;
mod adaptation;
mod admission;
mod effect;
mod invalidation;
mod landing;
mod memory;

pub use admission::{Admission, EARLY, FAILURE, Grouping, How, MISS, STALE, Terms, Wishes};
pub use effect::Effect;
pub use invalidation::Target;
pub use landing::Outcome;
pub use memory::Foresight;

use crate::adaptive::batch_size::BatchSize;
use crate::adaptive::concurrency::Concurrency;
use crate::config::Config;
use crate::deadlines::Deadlines;
use crate::error::{Validity, check};
use crate::flight::{Flight, Flights, Stage};
use crate::hash::{Hasher, KeyHash, Seed};
use crate::ids::{BatchId, CallId, FlightId, Slot, TimerId};
use crate::index::Index;
use crate::policy::Policy;
use crate::random::Random;
use crate::rate::Rate;
use crate::retry::RetryBudget;
use crate::schedule::{Left, Schedule, State, Turn};
use crate::stats::Stats;
use crate::store::{Bounds, Freshness, Store, Vacated};
use crate::time::{Instant, Millis};

/// In [`Effect::Refuse`]: as many wait as may.
pub const OVERLOADED: u32 = u32::MAX;

#[derive(Debug)]
pub struct Engine {
    config: Config,
    hasher: Hasher,
    store: Store,
    flights: Flights,
    schedule: Schedule,
    deadlines: Deadlines<Due>,
    batches: Vec<Option<Batch>>,
    /// Open batches that a running callback waits for, with the call it runs as.
    nested: Vec<(BatchId, CallId)>,
    budget: RetryBudget,
    concurrency: Box<Concurrency>,
    batch_size: Box<BatchSize>,
    random: Random,
    stats: Stats,
    effects: Vec<Effect>,
    /// What the last look-up missed, for the admission that follows in the same turn.
    misses: Vec<Miss>,
    admissions: Vec<Admission>,
    /// Reused by what needs a key's bytes, or groups, for the length of a call.
    key: Vec<u8>,
    groups: Index,
    /// Entries are labelled with their group, for invalidation by prefix; from the first such invalidation on.
    labels_groups: bool,
}

/// What the engine keeps of a batch until its requests are answered and the flights it leads have ended.
#[derive(Debug)]
struct Batch {
    terms: Terms,
    deadline: Option<TimerId>,
    /// No further requests will be admitted.
    sealed: bool,
    /// Its last request has been answered, or its interest was dropped.
    answered: bool,
    /// The caller has been told so.
    announced: bool,
    /// Flights that run under its limits.
    led: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Miss {
    index: u32,
    hash: KeyHash,
    start: usize,
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Call(CallId),
    Batch(BatchId),
    Retry(FlightId),
}

impl Engine {
    #[must_use]
    pub fn new(config: Config, seed: Seed) -> Self {
        let bounds = Bounds { entries_max: config.entries_max(), weight_max: config.weight_max() };
        let freshness = Freshness { sliding: config.sliding, early: config.early_refresh };
        let policy = Policy::new(config.dueling, bounds.entries_max, seed[1]);
        Self {
            config,
            hasher: Hasher::new(seed),
            store: Store::new(bounds, freshness, policy),
            flights: Flights::EMPTY,
            schedule: Schedule::new(config.max_concurrency as u32),
            deadlines: Deadlines::EMPTY,
            batches: Vec::new(),
            nested: Vec::new(),
            budget: RetryBudget::new(config.retry_budget),
            concurrency: Box::new(Concurrency::new(config.adaptive)),
            batch_size: Box::new(BatchSize::new(config.adaptive_keys)),
            random: Random::new(seed[0] ^ seed[2]),
            stats: Stats::default(),
            effects: Vec::new(),
            misses: Vec::new(),
            admissions: Vec::new(),
            key: Vec::new(),
            groups: Index::EMPTY,
            labels_groups: false,
        }
    }

    /// One more limit of calls in time, to be set before the first batch; they are numbered in this order.
    pub fn add_rate(&mut self, rate: Rate) {
        self.schedule.gates.add_rate(rate);
    }

    /// From now on, at most `limit` callbacks of all batches at once (`u32::MAX`: as many as the batches allow).
    pub fn set_max_concurrency(&mut self, limit: u32, now: Instant) {
        self.config.max_concurrency = f64::from(limit);
        self.schedule.set_limit(limit);
        self.start_next(now);
    }

    /// Drops the effects of the turn before.
    pub fn begin_turn(&mut self) {
        self.effects.clear();
    }

    /// What is to be done, in order.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// When [`Engine::advance`] is to be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        let (due, alarm) = (self.deadlines.next(), self.schedule.gates.next_alarm());
        Instant(due.0.min(alarm.0).min(self.schedule.next_start().0))
    }

    /// Reports the deadlines that `now` has reached.
    pub fn advance(&mut self, now: Instant) {
        // First the tokens: who gets one has not waited too long.
        self.schedule.ring(now);
        self.start_next(now);
        while let Some(due) = self.deadlines.due(now) {
            match due {
                Due::Batch(batch) => self.time_out_batch(batch, now),
                Due::Retry(flight) => self.try_again(flight, now),
                Due::Call(id) => {
                    let Some(call) = self.schedule.get_mut(id) else { continue };
                    call.deadline = None;
                    self.stats.timed_out += 1;
                    if call.members.as_slice().is_empty() {
                        // Abandoned: nobody is to be told, only its slot is due.
                        self.end_call(id, now);
                    } else if call.state == State::Queued {
                        let count = call.members.as_slice().len() as u32;
                        self.report_unstarted(
                            id,
                            Effect::TimeOutQueued { place: id.place, generation: id.generation, members: count },
                        );
                    } else {
                        self.effects.push(Effect::TimeOut { place: id.place, generation: id.generation });
                    }
                }
            }
        }
    }

    /// Drops the batch's interest in all it waits for. Loads that nobody else waits for are given up.
    pub fn leave(&mut self, batch: BatchId, now: Instant) {
        if self.batch(batch).answered {
            return;
        }
        while let Some(waiter) = self.flights.withdraw(batch) {
            self.release_interest(waiter.flight, now);
        }
        let open = self.batch_mut(batch);
        open.sealed = true;
        open.answered = true;
        self.after_answer(batch, now);
        // Others may be first now.
        self.start_next(now);
    }

    /// The callback of a call that was aborted has ended, so its slot is free.
    pub fn ended(&mut self, id: CallId, now: Instant) {
        self.stats.late += 1;
        if self.schedule.get(id).is_some() {
            self.end_call(id, now);
        }
    }

    /// Counters, and gauges of now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let [in_flight, waiting, _] = self.flights.counts();
        let [_, running] = self.schedule.counts();
        Stats {
            entries: self.store.len() as u64,
            weight: self.store.weight(),
            in_flight: in_flight as u64,
            waiting: waiting as u64,
            running: running as u64,
            engine_bytes: self.store.capacity_bytes() as u64,
            missed: self.stats.missed + self.misses.len() as u64,
            ..self.stats
        }
    }

    /// Whether nothing is in flight, open, or due.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        self.flights.counts() == [0; 3]
            && self.schedule.counts() == [0; 2]
            && self.deadlines.is_empty()
            && self.nested.is_empty()
            && self.batches.iter().all(Option::is_none)
    }

    /// Recounts every structure, and what must hold between them.
    ///
    /// # Errors
    /// With what disagrees.
    pub fn validate(&self, now: Instant) -> Validity {
        self.store.validate()?;
        self.flights.validate()?;
        self.schedule.validate(now)?;
        self.deadlines.validate()?;
        let open = self.batches.iter().flatten().count();
        let [in_flight, _, parties] = self.flights.counts();
        check(open == parties, || format!("engine: {open} batches, {parties} parties"))?;
        let led = self.batches.iter().flatten().map(|batch| batch.led as usize).sum::<usize>();
        check(led == in_flight, || format!("engine: {led} flights led of {in_flight}"))?;
        let stats = self.stats();
        let requested = stats.hits + stats.joined + stats.deduplicated + stats.led + stats.missed;
        check(requested == stats.requested, || format!("engine: {requested} of {} requests counted", stats.requested))?;
        let loads = stats.succeeded + stats.failed + stats.dropped + stats.in_flight;
        check(loads == stats.led, || format!("engine: {loads} of {} loads counted", stats.led))
    }

    fn batch(&self, batch: BatchId) -> &Batch {
        self.batches[batch.at()].as_ref().expect("the batch is open")
    }

    fn batch_mut(&mut self, batch: BatchId) -> &mut Batch {
        self.batches[batch.at()].as_mut().expect("the batch is open")
    }

    /// Lets those start who may: of the batch, and where else a slot or a token has become free.
    fn start(&mut self, batch: BatchId, now: Instant) {
        self.schedule.look(batch);
        self.start_next(now);
    }

    /// Lets those start who may.
    pub fn start_next(&mut self, now: Instant) {
        self.adapt(now);
        while let Some(turn) = self.schedule.next(now) {
            match turn {
                Turn::Start(id) => self.start_call(id, now),
                Turn::Resume(id) => {
                    let held = self.schedule.get_mut(id).and_then(|call| call.held.take());
                    if let Some(nested) = held {
                        self.announce(nested, now);
                    }
                }
                Turn::Refuse(id, after) => self.report_refusal(id, libm::ceil(after.0) as u32),
            }
        }
    }

    /// The call is not started: what it was to answer is refused.
    fn report_refusal(&mut self, id: CallId, retry_ms: u32) {
        self.report_unstarted(id, Effect::Refuse { place: id.place, generation: id.generation, retry_ms });
    }

    fn report_unstarted(&mut self, id: CallId, how: Effect) {
        let Some(call) = self.schedule.get_mut(id) else { return };
        if let Some(queueing) = call.deadline.take() {
            self.deadlines.cancel(queueing);
        }
        self.effects.push(how);
        self.effects.extend(call.members.iter().map(|flight| Effect::Member { flight: flight.0 }));
    }

    fn start_call(&mut self, id: CallId, now: Instant) {
        let Self { schedule, flights, effects, deadlines, batches, budget, stats, .. } = self;
        let call = schedule.get_mut(id).expect("a call that starts is there");
        if let Some(queueing) = call.deadline.take() {
            deadlines.cancel(queueing);
        }
        let timeout = batches[call.batch.at()].as_ref().map_or(Millis::FOREVER, |batch| batch.terms.fetch_timeout);
        if timeout < Millis::FOREVER {
            call.deadline = Some(deadlines.set(now.plus(timeout), Due::Call(id)));
        }
        stats.calls += 1;
        let members = call.members.as_slice();
        match (call.group, members) {
            (false, &[flight]) => {
                effects.push(Effect::StartOne { place: id.place, generation: id.generation, flight: flight.0 });
            }
            _ => {
                let (place, generation) = (id.place, id.generation);
                effects.push(Effect::StartGroup { place, generation, members: members.len() as u32 });
                effects.extend(call.members.iter().map(|flight| Effect::Member { flight: flight.0 }));
            }
        }
        for &member in members {
            if let Some(flight) = flights.get_mut(member) {
                if flight.attempts == 0 {
                    budget.deposit();
                    flight.started = Some(now);
                }
                flight.attempts += 1;
            }
        }
    }

    /// Ends a call, and lets others have its slot.
    fn end_call(&mut self, id: CallId, now: Instant) {
        let batch = self.detach_call(id, now);
        self.start(batch, now);
        self.retire_if_over(batch);
    }

    /// Ends a call; whose slot is free then, [`Engine::start`] is to be told.
    fn detach_call(&mut self, id: CallId, now: Instant) -> BatchId {
        let ended = self.schedule.end(id, now);
        self.observe(&ended, now);
        if let Some(deadline) = ended.deadline {
            self.deadlines.cancel(deadline);
        }
        if let Some(nested) = ended.held {
            self.announce(nested, now);
        }
        self.nested.retain(|&(_, parent)| parent != id);
        ended.batch
    }

    /// If that was the batch's last answer, tells so: at once, or when the call that waits for it has a slot again.
    fn after_answer(&mut self, batch: BatchId, now: Instant) {
        let open = self.batch_mut(batch);
        if !open.sealed {
            return;
        }
        open.answered = true;
        let Some(place) = self.nested.iter().position(|&(nested, _)| nested == batch) else {
            return self.announce(batch, now);
        };
        let (_, parent) = self.nested.swap_remove(place);
        self.schedule.resume(parent);
        let call = self.schedule.get_mut(parent).expect("a call ends its nested batches when it ends");
        let lane = call.batch;
        if matches!(call.state, State::Resuming { .. }) && call.held.is_none() {
            call.held = Some(batch);
            self.start(lane, now);
        } else {
            self.announce(batch, now);
        }
    }

    /// The batch is to wait no longer: not for answers, nor with them for its caller's slot.
    fn time_out_batch(&mut self, batch: BatchId, now: Instant) {
        let open = self.batch_mut(batch);
        open.deadline = None;
        let holder = open.terms.parent.and_then(|parent| self.schedule.get_mut(parent));
        match holder.filter(|call| call.held == Some(batch)) {
            Some(call) => {
                call.held = None;
                self.announce(batch, now);
            }
            None => self.effects.push(Effect::TimeOutBatch { batch: batch.0 }),
        }
    }

    fn announce(&mut self, batch: BatchId, now: Instant) {
        if let Some(deadline) = self.batch_mut(batch).deadline.take() {
            self.deadlines.cancel(deadline);
        }
        let busy_us = (self.schedule.busy(batch, now).0 * 1000.0) as u32;
        self.effects.push(Effect::Done { batch: batch.0, busy_us });
        self.batch_mut(batch).announced = true;
        self.retire_if_over(batch);
    }

    fn retire_if_over(&mut self, batch: BatchId) {
        let over =
            self.batches[batch.at()].as_ref().is_some_and(|open| open.announced && open.led == 0 && self.schedule.is_idle(batch));
        if over {
            self.flights.close(batch);
            self.schedule.close(batch);
            self.batches[batch.at()] = None;
        }
    }

    /// Reports a vacated slot, and why in the counters.
    fn vacate(effects: &mut Vec<Effect>, stats: &mut Stats, slot: Slot, why: Vacated) {
        match why {
            Vacated::Evicted => stats.evicted += 1,
            Vacated::Expired => stats.expired += 1,
            Vacated::Replaced => {}
        }
        effects.push(Effect::Clear { slot: slot.0 });
    }

    /// A flight's last waiter may have left: gives the load up if so.
    fn release_interest(&mut self, flight: FlightId, now: Instant) {
        let state = self.flights.get(flight).expect("a flight that was waited for is there");
        let stage = state.stage;
        if state.has_waiters() {
            if let Stage::Called(call) = stage {
                self.reprioritize(call);
            }
            return;
        }
        let id = match stage {
            Stage::Called(id) => id,
            Stage::BackingOff(timer) => {
                self.deadlines.cancel(timer);
                return self.drop_flight(flight);
            }
            Stage::Admitted => return self.drop_flight(flight),
        };
        let call = self.schedule.get(id).expect("a flight's call is there");
        if !call.has_started() {
            if self.schedule.leave(id, flight) == Left::Nobody {
                let batch = self.detach_call(id, now);
                self.drop_flight(flight);
                self.retire_if_over(batch);
            } else {
                self.drop_flight(flight);
                self.reprioritize(id);
            }
            return;
        }
        let members: Vec<FlightId> = call.members.iter().collect();
        if self.batch(call.batch).terms.finish_orphans {
            // The callback goes on, for those who come later.
            return;
        }
        if members.iter().any(|&member| self.flights.get(member).is_some_and(Flight::has_waiters)) {
            // The callback goes on for the other members; this one's result will be stored for those who come later.
            return;
        }
        self.effects.push(Effect::Abort { place: id.place, generation: id.generation });
        for member in members {
            self.schedule.leave(id, member);
            self.drop_flight(member);
        }
    }

    /// The call's priority is the highest of its members'; what it waits for has at least the same.
    fn reprioritize(&mut self, id: CallId) {
        let priority = self.priority_of(id);
        self.schedule.reprioritize(id, priority);
        for at in 0..self.nested.len() {
            let (nested, parent) = self.nested[at];
            if parent != id {
                continue;
            }
            for flight in self.flights.raise(nested, priority) {
                if let Some(Stage::Called(call)) = self.flights.get(flight).map(|flight| flight.stage) {
                    self.reprioritize(call);
                }
            }
        }
    }

    /// The highest of those who wait for what the call answers.
    fn priority_of(&self, id: CallId) -> i32 {
        let members = self.schedule.get(id).map_or(&[][..], |call| call.members.as_slice());
        let priorities = members.iter().filter_map(|&member| self.flights.get(member)).map(|flight| flight.priority);
        priorities.max().unwrap_or(i32::MIN)
    }

    fn drop_flight(&mut self, flight: FlightId) {
        self.stats.dropped += 1;
        self.end_flight(flight);
    }

    fn end_flight(&mut self, flight: FlightId) {
        let batch = self.flights.get(flight).expect("a flight that ends is there").batch;
        self.flights.end(flight);
        self.effects.push(Effect::Release { flight: flight.0 });
        self.batch_mut(batch).led -= 1;
        self.retire_if_over(batch);
    }
}
