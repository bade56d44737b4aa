//! The engine as it is shipped, asked for ever more keys.

use std::collections::VecDeque;

use sluice::adaptive::concurrency::Range;
use sluice::config::Config;
use sluice::engine::{Effect, Engine, Grouping, Outcome, Terms, Wishes};
use sluice::ids::{BatchId, CallId, FlightId};
use sluice::retry::{BudgetConfig, RetryTerms};
use sluice::time::{Instant, Millis};

/// As a processor has it that says `adaptiveConcurrency: true`.
const RANGE: Range = Range { min: 1.0, max: 200.0, initial: 10.0 };

const CONFIG: Config = Config {
    max_entries: 1.0,
    max_weight: f64::INFINITY,
    ttl: 0.0,
    negative_ttl: None,
    error_ttl: 0.0,
    ttl_jitter: 0.0,
    sliding: false,
    early_refresh: 0.0,
    retry_budget: BudgetConfig { ratio: 0.0, burst: 0.0 },
    max_concurrency: f64::INFINITY,
    max_queue: f64::INFINITY,
    adaptive: RANGE,
    adaptive_keys: 0.0,
    dueling: false,
};

const TERMS: Terms = Terms {
    limit: RANGE.max as u32,
    limit_per_group: u32::MAX,
    fetch_timeout: Millis::FOREVER,
    timeout: Millis::FOREVER,
    retry: RetryTerms::NEVER,
    parent: None,
    stale_if_error: Millis::ZERO,
    queue_timeout: Millis::FOREVER,
    finish_orphans: false,
};

/// A call that the engine has started: place, generation, flight.
pub type Started = (u32, u32, u32);

pub struct Sluice {
    engine: Engine,
    /// One whose requests never end.
    batch: BatchId,
    keys: u32,
    started: VecDeque<Started>,
}

impl Sluice {
    pub fn new() -> Self {
        let mut engine = Engine::new(CONFIG, [1, 2, 3]);
        let batch = engine.open(TERMS, Instant(0.0));
        let mut sluice = Self { engine, batch, keys: 0, started: VecDeque::new() };
        // As many wait as may ever run, and one.
        (0..=RANGE.max as u32).for_each(|_| sluice.ask(0.0));
        sluice
    }

    pub fn limit(&self) -> u32 {
        self.engine.adaptive().0.limit()
    }

    pub fn start(&mut self) -> Option<Started> {
        self.started.pop_front()
    }

    pub fn ended(&mut self, (place, generation, flight): Started, answered: bool, now: f64) {
        let (call, flight, at) = (CallId { place, generation }, FlightId(flight), Instant(now));
        self.engine.begin_turn();
        // In this order, as the exports have it.
        if !answered {
            self.engine.overloaded(call, Millis::ZERO, at);
        }
        let failed = Outcome::Failed { retryable: false, hint: None };
        self.engine.settle(call, flight, if answered { Outcome::Value { weight: 0 } } else { failed }, at);
        self.note();
        self.ask(now);
    }

    fn ask(&mut self, now: f64) {
        let key = self.keys.to_le_bytes();
        self.keys += 1;
        self.engine.begin_turn();
        self.engine.miss_all(&key, &[key.len() as u32]);
        let flight = self.engine.admit(self.batch, &key, 0, Wishes::Default, true)[0].flight;
        self.engine.queue(self.batch, &[flight], Grouping::None, 0, Instant(now));
        self.note();
    }

    fn note(&mut self) {
        for effect in self.engine.effects() {
            if let Effect::StartOne { place, generation, flight } = *effect {
                self.started.push_back((place, generation, flight));
            }
        }
    }
}
