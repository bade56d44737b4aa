//! The engine as it would be without any cleverness: lists, searched from end to end. Written from the contract, not from the code.
//!
//! Keys are numbers, and loads, calls and batches get numbers that are never used again, so a late or mistaken reference cannot pass for
//! another. What it leaves open is when the sweep meets an expired entry: the caller says which were swept, and the model checks that
//! they might be.

use std::collections::BTreeMap;

use sluice::stats::Stats;

pub type Key = usize;
/// Of a load, a call, or a batch.
pub type Number = u64;

/// How many calls may start before one that waits gains a step of priority.
const AGEING: i64 = 100;
/// How many slots an insertion sweeps.
const SWEPT_PER_INSERTION: usize = 2;

#[derive(Clone, Debug)]
pub struct Setup {
    pub entries_max: usize,
    pub weight_max: u64,
    pub ttl: f64,
    pub negative_ttl: Option<f64>,
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
    Clear {
        key: Key,
    },
    Abort {
        call: Number,
    },
    TimeOut {
        call: Number,
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
    setup: Setup,
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
    pub stats: Stats,
    pub happenings: Vec<Happening>,
}

impl Model {
    pub fn new(setup: Setup) -> Self {
        let tokens = setup.budget_burst;
        Self {
            setup,
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
            stats: Stats::default(),
            happenings: Vec::new(),
        }
    }

    // Memory.

    pub fn look_up(&mut self, key: Key, stale: f64) -> Look {
        self.grace = self.grace.max(stale);
        let look = self.read(key, stale);
        self.stats.requested += 1;
        match look {
            // Until somebody asks for it to be loaded.
            Look::Miss => self.stats.missed += 1,
            Look::Hit(_) | Look::Stale(_) => self.stats.hits += 1,
        }
        look
    }

    pub fn miss(&mut self) {
        self.stats.requested += 1;
        self.stats.missed += 1;
    }

    pub fn get(&mut self, key: Key) -> Option<u64> {
        let Look::Hit(value) = self.read(key, 0.0) else { return None };
        self.stats.requested += 1;
        self.stats.hits += 1;
        Some(value)
    }

    pub fn peek(&self, key: Key) -> Option<u64> {
        self.entries.iter().find(|entry| entry.key == key && self.now < entry.expires_at).map(|entry| entry.value)
    }

    pub fn set(&mut self, key: Key, ttl: Option<f64>, null: bool, weight: u32, value: u64) {
        self.fence(key);
        let ttl = self.ttl_of(ttl, null);
        if ttl > 0.0 {
            self.insert(key, ttl, weight, value);
        } else {
            self.remove(key);
        }
    }

    pub fn delete(&mut self, key: Key) -> bool {
        self.fence(key);
        let valid = self.peek(key).is_some();
        self.remove(key);
        valid
    }

    pub fn clear(&mut self) {
        self.loads.values_mut().for_each(|load| load.fenced = true);
        self.entries.clear();
    }

    pub fn purge(&mut self) {
        let (now, grace) = (self.now, self.grace);
        let expired: Vec<Key> =
            self.entries.iter().filter(|entry| now >= entry.expires_at + grace).map(|entry| entry.key).collect();
        self.stats.expired += expired.len() as u64;
        expired.into_iter().for_each(|key| self.remove(key));
    }

    fn read(&mut self, key: Key, stale: f64) -> Look {
        let Some(place) = self.entries.iter().position(|entry| entry.key == key) else { return Look::Miss };
        let Entry { value, expires_at, .. } = self.entries[place];
        if self.now >= expires_at + stale {
            return Look::Miss;
        }
        let entry = self.entries.remove(place);
        self.entries.insert(0, entry);
        if self.now < expires_at { Look::Hit(value) } else { Look::Stale(value) }
    }

    fn remove(&mut self, key: Key) {
        if let Some(place) = self.entries.iter().position(|entry| entry.key == key) {
            self.entries.remove(place);
            self.happenings.push(Happening::Clear { key });
        }
    }

    fn insert(&mut self, key: Key, ttl: f64, weight: u32, value: u64) {
        let swept = std::mem::take(&mut self.swept);
        assert!(swept.len() <= SWEPT_PER_INSERTION, "an insertion swept {swept:?}");
        for key in swept {
            let entry = self.entries.iter().find(|entry| entry.key == key).expect("what was swept was there");
            assert!(self.now >= entry.expires_at + self.grace, "{entry:?} was swept at {}", self.now);
            self.stats.expired += 1;
            self.remove(key);
        }
        if u64::from(weight) > self.setup.weight_max {
            self.stats.too_heavy += 1;
            self.remove(key);
            return;
        }
        // A key that is there keeps its place in the caller's list of values.
        self.entries.retain(|entry| entry.key != key);
        while self.entries.len() + 1 > self.setup.entries_max || self.weight() + u64::from(weight) > self.setup.weight_max {
            let victim = self.entries.pop().expect("alone it fits").key;
            self.stats.evicted += 1;
            self.happenings.push(Happening::Clear { key: victim });
        }
        self.entries.insert(0, Entry { key, value, weight, expires_at: self.now + ttl });
        self.stats.stored += 1;
        self.happenings.push(Happening::Store { key, value, ttl: ttl as f32 });
    }

    pub fn weight(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.weight)).sum()
    }

    fn ttl_of(&self, ttl: Option<f64>, null: bool) -> f64 {
        match (null, self.setup.negative_ttl) {
            (true, Some(negative)) => negative,
            _ => ttl.unwrap_or(self.setup.ttl),
        }
    }

    fn fence(&mut self, key: Key) {
        self.loads.values_mut().filter(|load| load.key == key).for_each(|load| load.fenced = true);
    }

    // Batches.

    pub fn open(&mut self, terms: Terms) -> Number {
        self.grace = self.grace.max(terms.stale_if_error);
        let batch = self.number();
        if terms.timeout.is_finite() {
            self.deadlines.push((self.now + terms.timeout, Due::Batch(batch)));
        }
        let waited_by = terms.parent.filter(|parent| self.calls.contains_key(parent));
        self.batches
            .insert(batch, Batch { terms, sealed: false, answered: false, done: false, waited_by, calls_started: 0, busy: 0.0 });
        if let Some(parent) = waited_by {
            self.suspend(parent);
        }
        batch
    }

    pub fn admit(&mut self, batch: Number, key: Key, index: u32, ttl: Option<f64>, priority: i32, share: bool) -> Fate {
        self.stats.missed -= 1;
        let joinable = if share { self.joinable(key) } else { None };
        let (load, fate) = match joinable {
            Some(load) if self.would_wait_for_itself(batch, load) => {
                self.stats.joined += 1;
                self.happenings.push(Happening::Cycle { batch, index });
                return Fate::Circular(load);
            }
            Some(load) if self.waiters.iter().any(|waiter| waiter.load == load && waiter.batch == batch) => {
                self.stats.deduplicated += 1;
                (load, Fate::Deduplicated(load))
            }
            Some(load) => {
                self.stats.joined += 1;
                (load, Fate::Joined(load))
            }
            None => {
                self.stats.led += 1;
                let load = self.number();
                let doing = Doing::Admitted;
                self.loads.insert(load, Load { key, batch, doing, shared: share, fenced: false, ttl: None, attempts: 0 });
                (load, Fate::Led(load))
            }
        };
        let state = self.loads.get_mut(&load).expect("it is there");
        state.ttl = match (state.ttl, ttl) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.waiters.push(Waiter { load, batch, index, priority, led: matches!(fate, Fate::Led(_)) });
        fate
    }

    pub fn seal(&mut self, batch: Number) {
        self.batches.get_mut(&batch).expect("it is open").sealed = true;
        if self.waiting(batch) == 0 {
            self.answered(batch);
        }
    }

    /// Each of `calls` is the loads one callback shall answer.
    pub fn queue(&mut self, batch: Number, calls: Vec<Vec<Number>>) {
        for members in calls {
            let group = members.len() > 1;
            self.enqueue(batch, members, group);
        }
        self.fill(batch);
    }

    pub fn leave(&mut self, batch: Number) {
        if self.batches[&batch].answered {
            return;
        }
        while let Some(place) = self.waiters.iter().position(|waiter| waiter.batch == batch) {
            let load = self.waiters.remove(place).load;
            if !self.has_waiters(load) {
                self.give_up(load);
            }
        }
        self.batches.get_mut(&batch).expect("it is open").sealed = true;
        self.answered(batch);
    }

    pub fn waiting(&self, batch: Number) -> usize {
        self.waiters.iter().filter(|waiter| waiter.batch == batch).count()
    }

    /// Whether `batch` waits for `load`.
    pub fn awaits(&self, batch: Number, load: Number) -> bool {
        self.waiters.iter().any(|waiter| waiter.batch == batch && waiter.load == load)
    }

    /// The batches that `call` waits for.
    pub fn nested_of(&self, call: Number) -> impl Iterator<Item = Number> {
        self.batches.iter().filter(move |(_, batch)| batch.waited_by == Some(call)).map(|(&number, _)| number)
    }

    fn has_waiters(&self, load: Number) -> bool {
        self.waiters.iter().any(|waiter| waiter.load == load)
    }

    /// The shared load of `key` that began last, unless something newer than it is known of the key.
    fn joinable(&self, key: Key) -> Option<Number> {
        let mut shared = self.loads.iter().filter(|(_, load)| load.key == key && load.shared);
        shared.next_back().filter(|(_, load)| !load.fenced).map(|(&number, _)| number)
    }

    fn would_wait_for_itself(&self, batch: Number, load: Number) -> bool {
        let Some(waiting) = self.batches[&batch].waited_by else { return false };
        let (mut reached, mut at) = (vec![load], 0);
        while let Some(&load) = reached.get(at) {
            at += 1;
            let Doing::Called(call) = self.loads[&load].doing else { continue };
            if call == waiting {
                return true;
            }
            for nested in self.nested_of(call) {
                for waiter in self.waiters.iter().filter(|waiter| waiter.batch == nested) {
                    if !reached.contains(&waiter.load) {
                        reached.push(waiter.load);
                    }
                }
            }
        }
        false
    }

    /// Nobody waits for `load` any longer.
    fn give_up(&mut self, load: Number) {
        match self.loads[&load].doing {
            Doing::Admitted => self.drop_load(load),
            Doing::BackingOff => {
                self.deadlines.retain(|&(_, due)| due != Due::Retry(load));
                self.drop_load(load);
            }
            Doing::Called(call) if self.calls[&call].state == State::Queued => {
                let members = &mut self.calls.get_mut(&call).expect("it is there").members;
                members.retain(|&member| member != load);
                if members.is_empty() {
                    self.calls.remove(&call);
                }
                self.drop_load(load);
            }
            Doing::Called(call) => {
                if self.calls[&call].members.iter().any(|&member| self.has_waiters(member)) {
                    return;
                }
                self.happenings.push(Happening::Abort { call });
                let members = std::mem::take(&mut self.calls.get_mut(&call).expect("it is there").members);
                members.into_iter().for_each(|member| self.drop_load(member));
            }
        }
    }

    fn drop_load(&mut self, load: Number) {
        self.stats.dropped += 1;
        self.end_load(load);
    }

    fn end_load(&mut self, load: Number) {
        self.loads.remove(&load);
        self.happenings.push(Happening::Release { load });
    }

    /// The batch has no request that waits.
    fn answered(&mut self, batch: Number) {
        let state = self.batches.get_mut(&batch).expect("it is open");
        if !state.sealed {
            return;
        }
        state.answered = true;
        let parent = state.waited_by.take();
        self.deadlines.retain(|&(_, due)| due != Due::Batch(batch));
        if let Some(parent) = parent
            && self.nested_of(parent).next().is_none()
        {
            self.last_number += 1;
            let call = self.calls.get_mut(&parent).expect("a call that is waited for is there");
            call.state = State::Resuming(self.last_number);
            call.held = Some(batch);
            let lane = call.batch;
            self.fill(lane);
        } else {
            self.done(batch);
        }
    }

    fn done(&mut self, batch: Number) {
        let running = self.calls.values().filter(|call| call.batch == batch && call.state == State::Running);
        let busy = self.batches[&batch].busy + running.map(|call| self.now - call.running_since).sum::<f64>();
        self.happenings.push(Happening::Done { batch, busy_us: (busy * 1000.0) as u32 });
        self.batches.get_mut(&batch).expect("it is open").done = true;
    }

    // Calls.

    fn enqueue(&mut self, batch: Number, members: Vec<Number>, group: bool) {
        let call = self.number();
        for member in &members {
            self.loads.get_mut(member).expect("it is there").doing = Doing::Called(call);
        }
        let queued_at = self.batches[&batch].calls_started;
        let call_state = Call { batch, members, group, state: State::Queued, queued_at, running_since: 0.0, held: None };
        self.calls.insert(call, call_state);
    }

    /// Gives the batch's free slots to calls that resume, then by rank, then by order.
    fn fill(&mut self, batch: Number) {
        let Some(limit) = self.batches.get(&batch).map(|batch| batch.terms.limit) else { return };
        loop {
            let calls = || self.calls.iter().filter(|(_, call)| call.batch == batch);
            if calls().filter(|(_, call)| call.state == State::Running).count() >= limit {
                return;
            }
            let resuming = calls().filter_map(|(&number, call)| match call.state {
                State::Resuming(since) => Some((since, number)),
                _ => None,
            });
            if let Some((_, call)) = resuming.min() {
                self.run(call);
                if let Some(held) = self.calls.get_mut(&call).expect("it is there").held.take() {
                    self.done(held);
                }
                continue;
            }
            let queued = calls().filter(|(_, call)| call.state == State::Queued);
            let Some((_, call)) = queued.map(|(&number, call)| (self.rank(call), number)).min() else { return };
            self.run(call);
            self.batches.get_mut(&batch).expect("it is open").calls_started += 1;
            self.started(call);
        }
    }

    fn rank(&self, call: &Call) -> i64 {
        let of = |waiter: &&Waiter| call.members.contains(&waiter.load);
        let priority = self.waiters.iter().filter(of).map(|waiter| waiter.priority).max();
        call.queued_at - AGEING * i64::from(priority.expect("a queued call has waiters"))
    }

    fn run(&mut self, call: Number) {
        let now = self.now;
        let call = self.calls.get_mut(&call).expect("it is there");
        call.state = State::Running;
        call.running_since = now;
    }

    fn started(&mut self, call: Number) {
        let Call { batch, group, members, .. } = self.calls[&call].clone();
        let timeout = self.batches[&batch].terms.fetch_timeout;
        if timeout.is_finite() {
            self.deadlines.push((self.now + timeout, Due::Call(call)));
        }
        self.stats.calls += 1;
        for member in &members {
            let load = self.loads.get_mut(member).expect("it is there");
            if load.attempts == 0 {
                self.tokens = (self.tokens + self.setup.budget_ratio).min(self.setup.budget_burst);
            }
            load.attempts += 1;
        }
        self.happenings.push(Happening::Start { call, group, members });
    }

    fn stop(&mut self, call: Number) {
        let Call { batch, running_since, .. } = self.calls[&call];
        self.batches.get_mut(&batch).expect("it is open").busy += self.now - running_since;
    }

    fn suspend(&mut self, call: Number) {
        if self.calls[&call].state == State::Running {
            self.stop(call);
        }
        let state = self.calls.get_mut(&call).expect("it is there");
        state.state = State::Suspended;
        let batch = state.batch;
        if let Some(held) = state.held.take() {
            self.done(held);
        }
        self.fill(batch);
    }

    fn end_call(&mut self, call: Number) {
        if self.calls[&call].state == State::Running {
            self.stop(call);
        }
        let Call { held, .. } = self.calls.remove(&call).expect("it is there");
        self.deadlines.retain(|&(_, due)| due != Due::Call(call));
        self.batches.values_mut().filter(|batch| batch.waited_by == Some(call)).for_each(|batch| batch.waited_by = None);
        if let Some(held) = held {
            self.done(held);
        }
    }

    fn is_member(&self, call: Number, load: Number) -> bool {
        self.calls.get(&call).is_some_and(|call| call.members.contains(&load))
    }

    /// Takes `load` out of its call. Answers whether the call has ended with that.
    fn leave_call(&mut self, call: Number, load: Number) -> bool {
        let members = &mut self.calls.get_mut(&call).expect("it is there").members;
        members.retain(|&member| member != load);
        let over = members.is_empty();
        if over {
            self.end_call(call);
        }
        over
    }

    // Answers.

    pub fn settle(&mut self, call: Number, load: Number, answer: Answer, value: u64) -> bool {
        if !self.is_member(call, load) {
            self.stats.late += 1;
            return false;
        }
        let batch = self.loads[&load].batch;
        if let Answer::Failed { retryable: true, hint } = answer
            && let Some(delay) = self.retry_delay(load, hint)
        {
            self.deadlines.push((self.now + delay, Due::Retry(load)));
            self.loads.get_mut(&load).expect("it is there").doing = Doing::BackingOff;
            self.stats.retried += 1;
            self.leave_call(call, load);
            self.fill(batch);
            return true;
        }
        self.leave_call(call, load);
        self.land(load, answer, value);
        self.fill(batch);
        true
    }

    pub fn supply(&mut self, load: Number, ttl: f64, weight: u32, value: u64) {
        let Some(state) = self.loads.get_mut(&load).filter(|state| state.doing == Doing::Admitted) else { return };
        state.ttl = Some(state.ttl.map_or(ttl, |asked| asked.min(ttl)));
        self.land(load, Answer::Value { weight }, value);
    }

    pub fn refuse(&mut self, load: Number) {
        if self.loads[&load].doing == Doing::Admitted {
            self.land(load, Answer::Failed { retryable: false, hint: None }, 0);
        }
    }

    pub fn fall_back(&mut self, call: Number, load: Number) {
        if !self.is_member(call, load) {
            return;
        }
        let batch = self.loads[&load].batch;
        if self.has_waiters(load) {
            self.enqueue(batch, vec![load], false);
            self.leave_call(call, load);
        } else {
            self.leave_call(call, load);
            self.drop_load(load);
        }
        self.fill(batch);
    }

    /// The callback of an aborted call has ended.
    pub fn ended(&mut self, call: Number) {
        self.stats.late += 1;
        if let Some(batch) = self.calls.get(&call).map(|call| call.batch) {
            self.end_call(call);
            self.fill(batch);
        }
    }

    pub fn next_deadline(&self) -> f64 {
        self.deadlines.iter().map(|&(at, _)| at).fold(f64::INFINITY, f64::min)
    }

    pub fn advance(&mut self) {
        loop {
            let at = self.next_deadline();
            if at > self.now {
                return;
            }
            let place = self.deadlines.iter().position(|&(other, _)| other == at).expect("there is a next deadline");
            match self.deadlines.remove(place).1 {
                Due::Batch(batch) => self.happenings.push(Happening::TimeOutBatch { batch }),
                Due::Retry(load) => {
                    let batch = self.loads[&load].batch;
                    self.enqueue(batch, vec![load], false);
                    self.fill(batch);
                }
                Due::Call(call) => {
                    self.stats.timed_out += 1;
                    if self.calls[&call].members.is_empty() {
                        let batch = self.calls[&call].batch;
                        self.end_call(call);
                        self.fill(batch);
                    } else {
                        self.happenings.push(Happening::TimeOut { call });
                    }
                }
            }
        }
    }

    fn retry_delay(&mut self, load: Number, hint: Option<f64>) -> Option<f64> {
        let Load { batch, attempts, .. } = self.loads[&load];
        let Terms { attempts: attempts_max, backoff, backoff_max, .. } = self.batches[&batch].terms;
        if attempts >= attempts_max || !self.has_waiters(load) || self.tokens < 1.0 {
            return None;
        }
        self.tokens -= 1.0;
        let delay = (1..attempts).fold(backoff, |delay, _| delay * 2.0).min(backoff_max);
        Some(delay.max(hint.unwrap_or(0.0)))
    }

    fn land(&mut self, load: Number, answer: Answer, value: u64) {
        match answer {
            Answer::Value { weight } => self.store_result(load, weight, false, value),
            Answer::Null { weight } => self.store_result(load, weight, true, value),
            Answer::Unstored | Answer::Failed { .. } => {}
        }
        let failed = matches!(answer, Answer::Failed { .. });
        *(if failed { &mut self.stats.failed } else { &mut self.stats.succeeded }) += 1;
        let key = self.loads[&load].key;
        let mut answered = Vec::new();
        while let Some(place) = self.waiters.iter().position(|waiter| waiter.load == load) {
            let Waiter { batch, index, led, .. } = self.waiters.remove(place);
            let grace = self.batches[&batch].terms.stale_if_error;
            let stale = self.entries.iter().find(|entry| entry.key == key && self.now < entry.expires_at + grace);
            self.happenings.push(match stale {
                Some(&Entry { key, value, .. }) if failed && grace > 0.0 => Happening::DeliverStale { batch, index, key, value },
                _ => Happening::Deliver { batch, index, load, led },
            });
            if self.waiting(batch) == 0 {
                answered.push(batch);
            }
        }
        self.end_load(load);
        answered.into_iter().for_each(|batch| self.answered(batch));
    }

    fn store_result(&mut self, load: Number, weight: u32, null: bool, value: u64) {
        let Load { key, ttl, fenced, .. } = self.loads[&load];
        if fenced {
            self.stats.fenced += 1;
            return;
        }
        let ttl = self.ttl_of(ttl, null);
        if ttl > 0.0 {
            // The loads that began before this one know less.
            self.loads.range_mut(..load).filter(|(_, older)| older.key == key).for_each(|(_, older)| older.fenced = true);
            self.insert(key, ttl, weight, value);
        }
    }

    // Looking at it all.

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

    fn number(&mut self) -> Number {
        self.last_number += 1;
        self.last_number
    }
}
