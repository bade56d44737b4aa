//! Limits that batches share: of the processor, of groups, of rates. At random, with all that can happen to a call, and every step checked: nothing is
//! over a limit, nobody waits who could start (`validate`), nothing is lost, and in the end nothing is left.

use std::collections::HashMap;

use sluice::adaptive::concurrency::Range;
use sluice::config::Config;
use sluice::engine::{Effect, Engine, Grouping, How, OVERLOADED, Terms, Wishes};
use sluice::ids::{BatchId, CallId, FlightId, NONE};
use sluice::rate::Rate;
use sluice::time::{Instant, Millis};

use crate::driver::{CONFIG, FAILURE, RETRY, TERMS, VALUE, joined};
use crate::operations::Dice;

const GROUPS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    Running,
    Aborted,
}

struct World {
    engine: Engine,
    dice: Dice,
    now: f64,
    limit: usize,
    per_group: u32,
    /// Its limit finds itself, and until then its source wants no calls.
    adapts: bool,
    paused_until: f64,
    rates: Vec<(f64, f64, f64, bool)>,
    /// Started and not ended: its flights without an answer, and its group.
    calls: HashMap<CallId, (Is, Vec<FlightId>, usize)>,
    /// Suspended, or waiting to hear of a nested batch.
    nested: HashMap<BatchId, CallId>,
    group_of: HashMap<FlightId, usize>,
    /// Open, with the requests that wait.
    open: HashMap<BatchId, u32>,
    starts: Vec<(f64, usize)>,
    keys: usize,
    waiting: Vec<CallId>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let limit = dice.of(&[1, 2, 3, usize::MAX]);
        let queue = dice.of(&[f64::INFINITY, f64::INFINITY, 5.0, 0.0]);
        let max_concurrency = if limit == usize::MAX { f64::INFINITY } else { limit as f64 };
        // It may find more or less than that, and pauses.
        let adapts = dice.percent(30);
        let adaptive = if adapts { Range { min: 1.0, max: 3.0, initial: 2.0 } } else { CONFIG.adaptive };
        let limit = if adapts { limit.min(3) } else { limit };
        let config = Config { max_concurrency, max_queue: queue, max_entries: 1.0, ttl: 0.0, adaptive, ..CONFIG };
        let mut engine = Engine::new(config, [seed, 1, 2]);
        let rates: Vec<(f64, f64, f64, bool)> = (0..dice.below(3))
            .map(|_| (dice.of(&[1.0, 3.0]), dice.of(&[10.0, 25.0]), dice.of(&[1.0, 4.0]), dice.percent(20)))
            .collect();
        for &(requests, per, burst, refuses) in &rates {
            engine.add_rate(Rate::new(requests, Millis(per), burst, refuses));
        }
        let per_group = dice.of(&[1, 2, u32::MAX]);
        let (calls, nested, group_of, open) = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        let (starts, waiting) = (Vec::new(), Vec::new());
        Self {
            engine,
            dice,
            now: 0.0,
            limit,
            per_group,
            adapts,
            paused_until: 0.0,
            rates,
            calls,
            nested,
            group_of,
            open,
            starts,
            keys: 0,
            waiting,
        }
    }

    fn turn(&mut self, call: impl FnOnce(&mut Engine, Instant)) {
        self.engine.begin_turn();
        call(&mut self.engine, Instant(self.now));
        self.carry_out();
    }

    fn ask(&mut self, parent: Option<CallId>) {
        let count = 1 + self.dice.below(4);
        let keys: Vec<String> = (0..count)
            .map(|_| {
                self.keys += usize::from(self.dice.percent(90));
                format!("{}", self.keys)
            })
            .collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (bytes, lens) = joined(&keys);
        let now = Instant(self.now);
        let priorities: Vec<i32> = keys.iter().map(|_| self.dice.of(&[-1, 0, 0, 2])).collect();
        self.engine.begin_turn();
        self.engine.miss_all(&bytes, &lens);
        let retry = sluice::retry::RetryTerms { attempts: 2, backoff: Millis(3.0), backoff_max: Millis(3.0), jitter: 0.0 };
        let queue_timeout = Millis(self.dice.of(&[20.0, f64::INFINITY, f64::INFINITY]));
        let fetch_timeout = Millis(self.dice.of(&[50.0, f64::INFINITY]));
        let limit = 1 + self.dice.below(3) as u32;
        let terms = Terms { limit, limit_per_group: self.per_group, retry, parent, queue_timeout, fetch_timeout, ..TERMS };
        let batch = self.engine.open(terms, now);
        if let Some(parent) = parent {
            self.nested.insert(batch, parent);
            self.waiting.push(parent);
        }
        let wishes = Wishes::Each { ttls: &vec![f64::NAN; count], priorities: &priorities };
        let admissions = self.engine.admit(batch, &bytes, 0, wishes, true).to_vec();
        self.open.insert(batch, admissions.iter().filter(|one| one.how != How::Circular).count() as u32);
        self.engine.seal(batch, now);
        let led: Vec<FlightId> = admissions.iter().filter(|one| one.how == How::Led).map(|one| one.flight).collect();
        for &flight in &led {
            let group = self.dice.below(GROUPS);
            self.group_of.insert(flight, group);
            let mut gates = Vec::new();
            if self.per_group < u32::MAX {
                gates.push(self.engine.gate(NONE, &[group as u8], now));
            }
            for rate in 0..self.rates.len() {
                // The first counts all, the second by group.
                let name: &[u8] = if rate == 0 { b"" } else { &[group as u8] };
                gates.push(self.engine.gate(rate as u32, name, now));
            }
            self.engine.limit(batch, &gates, &[flight.0]);
        }
        if !led.is_empty() {
            self.engine.queue(batch, &led, Grouping::None, self.dice.of(&[0, 3]), now);
        }
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let effects = self.engine.effects().to_vec();
        let mut refused = Vec::new();
        let mut rest = effects.iter().peekable();
        while let Some(&effect) = rest.next() {
            let mut members = Vec::new();
            while let Some(&&Effect::Member { flight }) = rest.peek() {
                members.push(FlightId(flight));
                rest.next();
            }
            match effect {
                Effect::StartOne { place, generation, flight } => {
                    let group = self.group_of[&FlightId(flight)];
                    self.starts.push((self.now, group));
                    assert!(self.now >= self.paused_until, "a call starts in a pause");
                    let before = self.calls.insert(CallId { place, generation }, (Is::Running, vec![FlightId(flight)], group));
                    assert!(before.is_none(), "a call starts twice");
                }
                Effect::DeliverLed { batch, .. } | Effect::DeliverJoined { batch, .. } => {
                    *self.open.get_mut(&BatchId(batch)).expect("it is open") -= 1;
                }
                Effect::Done { batch, .. } => {
                    self.open.remove(&BatchId(batch)).expect("it was not done before");
                    if let Some(parent) = self.nested.remove(&BatchId(batch))
                        && !self.nested.values().any(|&other| other == parent)
                    {
                        self.waiting.retain(|&call| call != parent);
                    }
                }
                Effect::Abort { place, generation } => {
                    if let Some(call) = self.calls.get_mut(&CallId { place, generation }) {
                        call.0 = Is::Aborted;
                        call.1.clear();
                    }
                }
                Effect::TimeOut { place, generation } => {
                    let call = CallId { place, generation };
                    let members = self.calls.get(&call).map_or(Vec::new(), |call| call.1.clone());
                    refused.push((call, members));
                }
                Effect::Refuse { place, generation, retry_ms } => {
                    assert!(retry_ms > 0 && (retry_ms == OVERLOADED || f64::from(retry_ms) <= 26.0 * 4.0));
                    assert!(!members.is_empty());
                    refused.push((CallId { place, generation }, members));
                }
                Effect::TimeOutQueued { place, generation, .. } => refused.push((CallId { place, generation }, members)),
                _ => {}
            }
        }
        for (call, members) in refused {
            self.calls.remove(&call);
            for flight in members {
                self.turn(|engine, now| {
                    engine.settle(call, flight, FAILURE, now);
                });
            }
        }
        self.check();
    }

    fn check(&mut self) {
        self.engine.validate(Instant(self.now)).expect("a valid engine");
        let running = self.engine.stats().running as usize;
        assert!(running <= self.limit, "{running} run of {}", self.limit);
        // Of a group: those that do not wait for nested batches; of aborted ones nobody is told when their deadline frees their slots.
        for group in 0..GROUPS {
            let of = self
                .calls
                .iter()
                .filter(|(call, (is, _, of))| *is == Is::Running && *of == group && !self.waiting.contains(call))
                .count();
            assert!(of <= self.per_group as usize, "{of} run of group {group}");
        }
        for (rate, &(requests, per, burst, _)) in self.rates.iter().enumerate() {
            let (now, group) = self.starts.last().copied().unwrap_or_default();
            let counted = self.starts.iter().filter(|(_, of)| rate == 0 || *of == group);
            for (back, &(then, _)) in counted.rev().take(20).enumerate() {
                assert!((back + 1) as f64 <= burst + (now - then) * requests / per + 0.01, "rate {rate}");
            }
        }
    }

    fn step(&mut self) {
        let mut calls: Vec<CallId> = self.calls.keys().copied().collect();
        calls.sort_unstable();
        let free: Vec<CallId> = calls.iter().copied().filter(|call| !self.waiting.contains(call)).collect();
        match self.dice.below(12) {
            0..4 if self.open.len() < 12 => {
                let parent = self.dice.one_of(&free).filter(|_| self.dice.percent(40));
                self.ask(parent.filter(|call| self.calls[call].0 == Is::Running));
            }
            4..8 => self.end_one(&free),
            8 => {
                let mut open: Vec<BatchId> = self.open.keys().copied().collect();
                open.sort_unstable();
                if let Some(batch) = self.dice.one_of(&open) {
                    self.turn(|engine, now| engine.leave(batch, now));
                }
            }
            9 if self.limit < usize::MAX => {
                // Not fewer than run: those go on.
                self.limit = (1 + self.dice.below(4)).max(self.engine.stats().running as usize);
                let limit = self.limit as u32;
                self.turn(|engine, now| engine.set_max_concurrency(limit, now));
            }
            _ => self.wait(),
        }
    }

    fn end_one(&mut self, calls: &[CallId]) {
        let Some(call) = self.dice.one_of(calls) else { return };
        let (is, members, _) = self.calls.remove(&call).expect("it is there");
        if is == Is::Aborted {
            return self.turn(|engine, now| engine.ended(call, now));
        }
        let outcome = self.dice.of(&[VALUE, VALUE, FAILURE, RETRY]);
        if outcome == FAILURE && self.dice.percent(50) {
            let pause = self.dice.of(&[0.0, 7.0]);
            if self.adapts {
                self.paused_until = self.paused_until.max(self.now + pause);
            }
            self.turn(|engine, now| engine.overloaded(call, Millis(pause), now));
        }
        for flight in members {
            self.turn(|engine, now| {
                engine.settle(call, flight, outcome, now);
            });
        }
    }

    fn wait(&mut self) {
        let next = self.engine.next_deadline().0;
        self.now = if next.is_finite() && self.dice.percent(70) {
            next.max(self.now)
        } else {
            self.now + self.dice.of(&[0.5, 4.0, 30.0])
        };
        self.turn(Engine::advance);
    }

    /// Callbacks end, time goes on, and nobody asks for more: all must come to its end.
    fn drain(&mut self) {
        for _ in 0..5000 {
            if self.engine.is_quiescent() {
                assert!(self.open.is_empty(), "{:?}", self.open);
                return;
            }
            let mut calls: Vec<CallId> = self.calls.keys().copied().filter(|call| !self.waiting.contains(call)).collect();
            calls.sort_unstable();
            if calls.is_empty() {
                self.wait();
            } else {
                self.end_one(&calls);
            }
        }
        panic!("it does not come to its end: {:?}", self.engine.stats());
    }
}

#[test]
fn shared_limits_hold_and_everything_ends_whatever_happens() {
    for seed in 0..1500 {
        let ran = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..200).for_each(|_| world.step());
            world.drain();
        });
        assert!(ran.is_ok(), "seed {seed}");
    }
}
