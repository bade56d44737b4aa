//! The engine alone, for what is told case by case: each call is a turn, and answers its effects.

use sluice::adaptive::concurrency::Range;
use sluice::config::Config;
use sluice::engine::{Admission, Effect, Engine, Grouping, How, Outcome, Terms, Wishes};
use sluice::ids::{BatchId, CallId, FlightId, Slot};
use sluice::retry::{BudgetConfig, RetryTerms};
use sluice::time::{Instant, Millis};

pub const VALUE: Outcome = Outcome::Value { weight: 1 };
pub const FAILURE: Outcome = Outcome::Failed { retryable: false, hint: None };
pub const RETRY: Outcome = Outcome::Failed { retryable: true, hint: None };

pub const CONFIG: Config = Config {
    max_entries: 10_000.0,
    max_weight: f64::INFINITY,
    ttl: 1000.0,
    negative_ttl: None,
    error_ttl: 0.0,
    ttl_jitter: 0.0,
    sliding: false,
    early_refresh: 0.0,
    retry_budget: BudgetConfig { ratio: 0.0, burst: 1000.0 },
    max_concurrency: f64::INFINITY,
    max_queue: f64::INFINITY,
    adaptive: Range { min: 0.0, max: 0.0, initial: 0.0 },
    adaptive_keys: 0.0,
    dueling: false,
};

pub const TERMS: Terms = Terms {
    limit: 1,
    limit_per_group: u32::MAX,
    fetch_timeout: Millis::FOREVER,
    timeout: Millis::FOREVER,
    retry: RetryTerms::NEVER,
    parent: None,
    stale_if_error: Millis::ZERO,
    queue_timeout: Millis::FOREVER,
    finish_orphans: false,
};

pub struct Driver {
    pub engine: Engine,
    pub now: f64,
}

/// A batch that was opened, and what became of its requests that missed.
#[derive(Clone, Debug)]
pub struct Opened {
    pub batch: BatchId,
    pub admissions: Vec<Admission>,
    /// What happened until it was sealed, and as it was queued.
    pub effects: Vec<Effect>,
}

impl Opened {
    /// The flight that the request at `index` waits for.
    pub fn flight(&self, index: usize) -> FlightId {
        self.admissions[index].flight
    }
}

impl Driver {
    pub fn new(config: Config) -> Self {
        Self { engine: Engine::new(config, [1, 0x9e37_79b9_7f4a_7c15, 3]), now: 0.0 }
    }

    pub fn now(&self) -> Instant {
        Instant(self.now)
    }

    /// Opens a batch for `keys`, each as the default wishes, and queues what it leads, each by itself.
    pub fn load(&mut self, keys: &[&str], terms: Terms) -> Opened {
        self.load_with(keys, &vec![0; keys.len()], true, terms)
    }

    pub fn load_with(&mut self, keys: &[&str], priorities: &[i32], share: bool, terms: Terms) -> Opened {
        let mut opened = self.admit(keys, priorities, share, terms);
        let led: Vec<FlightId> =
            opened.admissions.iter().filter(|admission| admission.how == How::Led).map(|admission| admission.flight).collect();
        let now = self.now();
        self.engine.queue(opened.batch, &led, Grouping::None, 0, now);
        opened.effects = self.engine.effects().to_vec();
        opened
    }

    /// Opens a batch for `keys` and admits all of them, as if none were resident. What it leads is not queued.
    pub fn admit(&mut self, keys: &[&str], priorities: &[i32], share: bool, terms: Terms) -> Opened {
        let (bytes, lens) = joined(keys);
        let ttls = vec![f64::NAN; keys.len()];
        let now = self.now();
        self.engine.begin_turn();
        self.engine.miss_all(&bytes, &lens);
        let batch = self.engine.open(terms, now);
        let wishes = Wishes::Each { ttls: &ttls, priorities };
        let admissions = self.engine.admit(batch, &bytes, 0, wishes, share).to_vec();
        self.engine.seal(batch, now);
        self.engine.validate(Instant(self.now)).expect("a valid engine");
        Opened { batch, admissions, effects: self.engine.effects().to_vec() }
    }

    pub fn settle(&mut self, call: CallId, flight: FlightId, outcome: Outcome) -> Vec<Effect> {
        self.turn(|engine, now| {
            engine.settle(call, flight, outcome, now);
        })
    }

    pub fn leave(&mut self, batch: BatchId) -> Vec<Effect> {
        self.turn(|engine, now| engine.leave(batch, now))
    }

    pub fn advance(&mut self, to: f64) -> Vec<Effect> {
        self.now = to;
        self.turn(Engine::advance)
    }

    /// Stores `key`, as the value at position 0.
    pub fn set(&mut self, key: &[u8], ttl: Option<f64>, weight: u32) -> Vec<Effect> {
        self.turn(|engine, now| engine.set(key, ttl.map(Millis), false, weight, 0, now))
    }

    pub fn get(&mut self, key: &[u8]) -> Option<Slot> {
        self.engine.get(key, Instant(self.now))
    }

    pub fn turn(&mut self, call: impl FnOnce(&mut Engine, Instant)) -> Vec<Effect> {
        self.engine.begin_turn();
        call(&mut self.engine, Instant(self.now));
        self.engine.validate(Instant(self.now)).expect("a valid engine");
        self.engine.effects().to_vec()
    }
}

pub fn joined(keys: &[&str]) -> (Vec<u8>, Vec<u32>) {
    (keys.concat().into_bytes(), keys.iter().map(|key| key.len() as u32).collect())
}

/// The calls that start in `effects`, each with the flight it is of.
pub fn started(effects: &[Effect]) -> Vec<(CallId, FlightId)> {
    let of = |effect: &Effect| match *effect {
        Effect::StartOne { place, generation, flight } => Some((CallId { place, generation }, FlightId(flight))),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

/// The first call that starts in `effects`.
pub fn call(effects: &[Effect]) -> CallId {
    started(effects).first().expect("a call starts").0
}

/// The batches that are done in `effects`.
pub fn done(effects: &[Effect]) -> Vec<BatchId> {
    let of = |effect: &Effect| match *effect {
        Effect::Done { batch, .. } => Some(BatchId(batch)),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

/// Where a value is stored in `effects`.
pub fn stored(effects: &[Effect]) -> Option<Slot> {
    effects.iter().find_map(|effect| match *effect {
        Effect::Store { slot, .. } => Some(Slot(slot)),
        _ => None,
    })
}
