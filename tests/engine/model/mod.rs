//! The engine as it would be without any cleverness: lists, searched from end to end. Written from the contract, not from the code.
//!
//! Keys are numbers, and loads, calls and batches get numbers that are never used again, so a late or mistaken reference cannot pass for
//! another. What it leaves open is when the sweep meets an expired entry: the caller says which were swept, and the model checks that
//! they might be.

mod answers;
mod batches;
mod calls;
mod memory;

use std::collections::BTreeMap;

use sluice::stats::Stats;

pub type Key = usize;
/// Of a load, a call, or a batch.
pub type Number = u64;

#[derive(Clone, Debug)]
pub struct Setup {
    pub entries_max: usize,
    pub weight_max: u64,
    pub ttl: f64,
    pub negative_ttl: Option<f64>,
    pub error_ttl: f64,
    pub ttl_jitter: f64,
    pub sliding: bool,
    pub early: f64,
    pub budget_ratio: f64,
    pub budget_burst: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    Start {
        call: Number,
        group: bool,
        members: Vec<Number>,
    },
    Deliver {
        batch: Number,
        index: u32,
        load: Number,
        led: bool,
    },
    DeliverStale {
        batch: Number,
        index: u32,
        key: Key,
        value: u64,
    },
    Done {
        batch: Number,
        busy_us: u32,
    },
    Store {
        key: Key,
        value: u64,
        ttl: f32,
    },
    StoreFailure {
        key: Key,
        value: u64,
    },
    Clear {
        key: Key,
    },
    Abort {
        call: Number,
    },
    TimeOut {
        call: Number,
    },
    TimeOutQueued {
        call: Number,
        members: Vec<Number>,
    },
    TimeOutBatch {
        batch: Number,
    },
    Release {
        load: Number,
    },
    /// By way of whom is not said here: any true circle will do.
    Cycle {
        batch: Number,
        index: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Look {
    Hit(u64),
    /// Valid, and the reader shall refresh it.
    Early(u64),
    Failure(u64),
    Stale(u64),
    Miss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Led(Number),
    Joined(Number),
    Deduplicated(Number),
    Circular(Number),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    Value { weight: u32 },
    Null { weight: u32 },
    Unstored,
    Failed { retryable: bool, hint: Option<f64> },
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Key,
    pub value: u64,
    pub weight: u32,
    pub expires_at: f64,
    pub failure: bool,
    ttl: f32,
    tags: Vec<u8>,
}

/// What is to be invalidated.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    Prefix(&'a [u8]),
    Pattern(&'a [u8]),
    Tag(u8),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doing {
    Admitted,
    Called(Number),
    BackingOff,
}

#[derive(Clone, Debug)]
pub struct Load {
    pub key: Key,
    pub batch: Number,
    pub doing: Doing,
    shared: bool,
    fenced: bool,
    ttl: Option<f64>,
    tags: Vec<u8>,
    attempts: u32,
}

#[derive(Clone, Debug)]
struct Waiter {
    load: Number,
    batch: Number,
    index: u32,
    priority: i32,
    led: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    Queued,
    Running,
    Suspended,
    /// Since which moment, in steps of the model.
    Resuming(u64),
}

#[derive(Clone, Debug)]
pub struct Call {
    pub batch: Number,
    pub members: Vec<Number>,
    pub group: bool,
    pub state: State,
    queued_at: i64,
    running_since: f64,
    /// The batch whose answer it will hear when it has a slot again.
    held: Option<Number>,
}

#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub limit: usize,
    pub fetch_timeout: f64,
    pub timeout: f64,
    pub attempts: u32,
    pub backoff: f64,
    pub backoff_max: f64,
    pub stale_if_error: f64,
    pub queue_timeout: f64,
    pub finish_orphans: bool,
    pub parent: Option<Number>,
}

#[derive(Clone, Debug)]
pub struct Batch {
    terms: Terms,
    sealed: bool,
    pub answered: bool,
    pub done: bool,
    /// The call that waits for it, until it is answered or the call has ended.
    waited_by: Option<Number>,
    calls_started: i64,
    busy: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Call(Number),
    Batch(Number),
    Retry(Number),
}

#[derive(Debug)]
pub struct Model {
    pub setup: Setup,
    /// The keys' bytes, for what is invalidated by them.
    keys: Vec<Vec<u8>>,
    pub now: f64,
    /// Most recently used first.
    pub entries: Vec<Entry>,
    pub loads: BTreeMap<Number, Load>,
    /// In the order they began to wait.
    waiters: Vec<Waiter>,
    pub calls: BTreeMap<Number, Call>,
    pub batches: BTreeMap<Number, Batch>,
    /// In the order they were set.
    deadlines: Vec<(f64, Due)>,
    tokens: f64,
    grace: f64,
    last_number: Number,
    /// What the engine's sweep removed, to be checked and followed.
    pub swept: Vec<Key>,
    /// What chance left of the TTL of the entry just stored, to be checked and followed.
    pub jittered: Option<f64>,
    pub stats: Stats,
    pub happenings: Vec<Happening>,
}

impl Model {
    pub fn new(setup: Setup, keys: Vec<Vec<u8>>) -> Self {
        let tokens = setup.budget_burst;
        Self {
            setup,
            keys,
            now: 0.0,
            entries: Vec::new(),
            loads: BTreeMap::new(),
            waiters: Vec::new(),
            calls: BTreeMap::new(),
            batches: BTreeMap::new(),
            deadlines: Vec::new(),
            tokens,
            grace: 0.0,
            last_number: 0,
            swept: Vec::new(),
            jittered: None,
            stats: Stats::default(),
            happenings: Vec::new(),
        }
    }

    /// Forgets batches that nothing can happen to any more.
    pub fn forget(&mut self) {
        let Self { batches, loads, calls, .. } = self;
        batches.retain(|number, batch| {
            !batch.done || loads.values().any(|load| load.batch == *number) || calls.values().any(|call| call.batch == *number)
        });
    }

    pub fn is_quiescent(&self) -> bool {
        self.loads.is_empty()
            && self.waiters.is_empty()
            && self.calls.is_empty()
            && self.batches.is_empty()
            && self.deadlines.is_empty()
    }

    /// Counters, and gauges of now.
    pub fn stats(&self) -> Stats {
        let running = self.calls.values().filter(|call| call.state == State::Running).count();
        Stats {
            entries: self.entries.len() as u64,
            weight: self.weight(),
            in_flight: self.loads.len() as u64,
            waiting: self.waiters.len() as u64,
            running: running as u64,
            ..self.stats
        }
    }

    pub(super) fn number(&mut self) -> Number {
        self.last_number += 1;
        self.last_number
    }
}
