//! A long life under faults: callbacks that answer, fail, are slow, ask for more, and never come back. Nobody forces anything to an end
//! here; the deadlines alone must.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use sluice::config::Config;
use sluice::engine::{Effect, Engine, Grouping, How, Outcome, Terms, Wishes};
use sluice::ids::{BatchId, CallId, FlightId};
use sluice::retry::RetryTerms;
use sluice::time::{Instant, Millis};

use crate::driver::{CONFIG, TERMS, joined};
use crate::operations::Dice;

const BATCHES: usize = 150_000;
const KEYS: usize = 400;
const FETCH_TIMEOUT: u64 = 100;
const TIMEOUT: u64 = 300;
/// Virtual milliseconds after which all must be over that began before: calls are tried three times, and wait for others that are.
const PATIENCE: u64 = 3000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// Somebody asks for something.
    Ask,
    /// A callback answers for one of its flights, if it is still asked to.
    Answer { call: CallId, flight: FlightId, fails: bool },
    /// A callback whose signal was aborted gives up.
    End { call: CallId },
    /// A callback asks for more itself.
    Nest { call: CallId },
}

#[derive(Clone, Copy, Debug)]
struct Open {
    began: u64,
    /// Requests that wait.
    waiting: u32,
    left: bool,
}

struct Soak {
    engine: Engine,
    dice: Dice,
    now: u64,
    order: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    open: HashMap<BatchId, Open>,
    asked: usize,
    done: usize,
    slowest: u64,
}

impl Soak {
    fn at(&mut self, after: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((self.now + after, self.order, event)));
    }

    fn ask(&mut self, parent: Option<CallId>) {
        let count = 1 + self.dice.below(6);
        let keys: Vec<String> = (0..count).map(|_| format!("part:{}:{}", self.dice.below(8), self.dice.below(KEYS))).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (bytes, mut words) = joined(&keys);
        let now = Instant(self.now as f64);
        self.asked += 1;
        self.engine.begin_turn();
        if self.engine.lookup(&bytes, &mut words, Millis::ZERO, now) == 0 {
            self.done += 1;
            return;
        }
        let retry = RetryTerms { attempts: 3, backoff: Millis(5.0), backoff_max: Millis(20.0), jitter: 1.0 };
        let terms = Terms {
            limit: 1 + self.dice.below(4) as u32,
            retry,
            fetch_timeout: Millis(FETCH_TIMEOUT as f64),
            timeout: Millis(TIMEOUT as f64),
            queue_timeout: if self.dice.percent(20) { Millis(60.0) } else { Millis::FOREVER },
            finish_orphans: self.dice.percent(20),
            parent,
            ..TERMS
        };
        let batch = self.engine.open(terms, now);
        let admissions = self.engine.admit(batch, &bytes, 0, Wishes::Default, true);
        let led: Vec<FlightId> =
            admissions.iter().filter(|admission| admission.how == How::Led).map(|admission| admission.flight).collect();
        let waiting = admissions.iter().filter(|admission| admission.how != How::Circular).count() as u32;
        let before = self.open.insert(batch, Open { began: self.now, waiting, left: false });
        assert!(before.is_none(), "{batch:?} is given out twice");
        self.engine.seal(batch, now);
        let size = if self.dice.percent(50) { 4 } else { 0 };
        self.engine.queue(batch, &led, Grouping::Prefix, size, now);
        self.carry_out();
    }

    fn turn(&mut self, call: impl FnOnce(&mut Engine, Instant)) {
        self.engine.begin_turn();
        call(&mut self.engine, Instant(self.now as f64));
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let effects = self.engine.effects().to_vec();
        // What comes of an effect is done when all have been read: it is another turn.
        let mut failed = Vec::new();
        let mut left = Vec::new();
        let mut rest = effects.iter();
        while let Some(&effect) = rest.next() {
            let mut members = |count: u32| -> Vec<FlightId> {
                let of = |effect: &Effect| match *effect {
                    Effect::Member { flight } => FlightId(flight),
                    other => panic!("{other:?} in place of a member"),
                };
                rest.by_ref().take(count as usize).map(of).collect()
            };
            match effect {
                Effect::StartOne { place, generation, flight } => {
                    self.start(CallId { place, generation }, &[FlightId(flight)]);
                }
                Effect::StartGroup { place, generation, members: count } => {
                    let members = members(count);
                    self.start(CallId { place, generation }, &members);
                }
                Effect::DeliverLed { batch, .. } | Effect::DeliverJoined { batch, .. } => {
                    self.open.get_mut(&BatchId(batch)).expect("it is open").waiting -= 1;
                }
                Effect::Done { batch, .. } => {
                    let Open { began, waiting, left } = self.open.remove(&BatchId(batch)).expect("it was not done before");
                    assert!(waiting == 0 || left, "{waiting} requests were not answered");
                    self.done += 1;
                    self.slowest = self.slowest.max(self.now - began);
                }
                Effect::Abort { place, generation } => {
                    let call = CallId { place, generation };
                    if self.dice.percent(70) {
                        let after = self.dice.below(10) as u64;
                        self.at(after, Event::End { call });
                    }
                }
                Effect::TimeOut { place, generation } => failed.push((CallId { place, generation }, None)),
                Effect::TimeOutQueued { place, generation, members: count } => {
                    failed.push((CallId { place, generation }, Some(members(count))));
                }
                Effect::TimeOutBatch { batch } => left.push((BatchId(batch), self.open[&BatchId(batch)].began)),
                Effect::Cycle { members: count, .. } => drop(members(count)),
                _ => {}
            }
        }
        for (call, members) in failed {
            let started = || {
                self.events.iter().filter_map(|Reverse((_, _, event))| match *event {
                    Event::Answer { call: of, flight, .. } if of == call => Some(flight),
                    _ => None,
                })
            };
            let members = members.unwrap_or_else(|| started().collect());
            for flight in members {
                self.turn(|engine, now| {
                    let outcome = Outcome::Failed { retryable: true, hint: None };
                    engine.settle(call, flight, outcome, now);
                });
            }
        }
        for (batch, began) in left {
            // By now it may be done, and its number that of another.
            if let Some(open) = self.open.get_mut(&batch).filter(|open| open.began == began) {
                open.left = true;
                self.turn(|engine, now| engine.leave(batch, now));
            }
        }
    }

    fn start(&mut self, call: CallId, flights: &[FlightId]) {
        for &flight in flights {
            // One in ten never comes back, which a moment beyond the end says; one in ten is slow, one in ten fails.
            let after = match self.dice.below(10) {
                0 => u64::MAX / 2,
                1 => 50 + self.dice.below(200) as u64,
                _ => self.dice.below(8) as u64,
            };
            let fails = self.dice.percent(10);
            self.at(after, Event::Answer { call, flight, fails });
        }
        if self.dice.percent(15) {
            self.at(1, Event::Nest { call });
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask => {
                self.ask(None);
                if self.asked < BATCHES {
                    let after = self.dice.below(3) as u64;
                    self.at(after, Event::Ask);
                }
            }
            Event::Answer { call, flight, fails } => {
                let outcome = match fails {
                    true => Outcome::Failed { retryable: true, hint: None },
                    false => Outcome::Value { weight: 1 },
                };
                self.turn(|engine, now| {
                    engine.settle(call, flight, outcome, now);
                });
            }
            Event::End { call } => self.turn(|engine, now| engine.ended(call, now)),
            Event::Nest { call } => self.ask(Some(call)),
        }
    }
}

#[test]
fn every_batch_is_done_and_nothing_is_left_whatever_callbacks_do() {
    let config = Config { max_entries: 50.0, ttl: 20.0, error_ttl: 3.0, sliding: true, ..CONFIG };
    let mut soak = Soak {
        engine: Engine::new(config, [3, 1, 4]),
        dice: Dice::new(5),
        now: 0,
        order: 0,
        events: BinaryHeap::new(),
        open: HashMap::new(),
        asked: 0,
        done: 0,
        slowest: 0,
    };
    soak.at(0, Event::Ask);
    let mut steps = 0_u64;
    loop {
        let due = soak.engine.next_deadline().0;
        let next = soak.events.peek().map_or(u64::MAX, |Reverse((at, _, _))| *at);
        if due.is_finite() && due <= next as f64 {
            soak.now = soak.now.max(due.ceil() as u64);
            soak.turn(Engine::advance);
        } else if next < u64::MAX / 2 {
            let Some(Reverse((at, _, event))) = soak.events.pop() else { break };
            soak.now = soak.now.max(at);
            soak.happen(event);
        } else {
            break;
        }
        steps += 1;
        if steps.is_multiple_of(1000) {
            soak.engine.validate(Instant(soak.now as f64)).expect("a valid engine");
        }
    }
    soak.engine.validate(Instant(soak.now as f64)).expect("a valid engine");
    assert!(soak.engine.is_quiescent(), "{:?}", soak.engine.stats());
    assert_eq!((soak.open.len(), soak.done), (0, soak.asked));
    assert!(soak.slowest <= PATIENCE, "{} ms", soak.slowest);
}
