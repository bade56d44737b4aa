//! Every way for three keys to need each other, under every cap: callbacks ask for keys whose callbacks ask for keys, with one or two slots in each
//! lane, at the processor, in each group, and few tokens. None of these worlds may come to a standstill, exceed a cap, load a key twice, call a
//! circle what is none, or leave anything behind.

use std::collections::HashMap;

use sluice::adaptive::concurrency::Range;
use sluice::config::Config;
use sluice::engine::{Effect, Engine, Grouping, How, MISS, Terms, Wishes};
use sluice::ids::{BatchId, CallId, FlightId, NONE};
use sluice::rate::Rate;
use sluice::time::{Instant, Millis};

use crate::driver::{CONFIG, TERMS, VALUE, joined};

const NAMES: [&str; 3] = ["a", "b", "c"];
const KEYS: usize = NAMES.len();
/// Milliseconds from one token to the next.
const TOKEN: f64 = 10.0;

#[derive(Clone, Copy, Debug)]
struct Caps {
    lane: u32,
    processor: Processor,
    group: u32,
    rate: bool,
}

#[derive(Clone, Copy, Debug)]
enum Processor {
    Unlimited,
    Limited(u32),
    /// One that finds itself, and finds no more than one.
    Adaptive,
}

/// What is asked, and in which order things happen.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// By key, the keys that its callback asks for: a bit for each.
    needs: [usize; KEYS],
    /// In one batch, or each in one of its own.
    together: bool,
    /// What is asked from outside, batch by batch.
    tops: &'static [&'static [usize]],
    newest_first: bool,
}

struct Call {
    id: CallId,
    key: usize,
    flight: FlightId,
    lane: BatchId,
    has_asked: bool,
    /// Nested batches it waits for.
    pending: usize,
}

struct World {
    engine: Engine,
    caps: Caps,
    plan: Plan,
    now: f64,
    tops_left: usize,
    /// In the order they started.
    calls: Vec<Call>,
    flights: HashMap<FlightId, (usize, BatchId)>,
    nested: HashMap<BatchId, CallId>,
    /// Requests without an answer.
    open: HashMap<BatchId, u32>,
    starts: Vec<(f64, usize)>,
    circles: usize,
}

impl World {
    fn new(caps: Caps, plan: Plan) -> Self {
        let config = match caps.processor {
            Processor::Unlimited => CONFIG,
            Processor::Limited(limit) => Config { max_concurrency: f64::from(limit), ..CONFIG },
            Processor::Adaptive => Config { adaptive: Range { min: 1.0, max: 1.0, initial: 1.0 }, ..CONFIG },
        };
        let mut engine = Engine::new(config, [1, 2, 3]);
        if caps.rate {
            engine.add_rate(Rate::new(1.0, Millis(TOKEN), 1.0, false));
        }
        let (flights, nested, open) = (HashMap::new(), HashMap::new(), HashMap::new());
        let tops_left = plan.tops.len();
        Self { engine, caps, plan, now: 0.0, tops_left, calls: Vec::new(), flights, nested, open, starts: Vec::new(), circles: 0 }
    }

    fn ask(&mut self, keys: &[usize], parent: Option<CallId>) {
        let (bytes, mut words) = joined(&keys.iter().map(|&key| NAMES[key]).collect::<Vec<_>>());
        let now = Instant(self.now);
        self.engine.begin_turn();
        if self.engine.lookup(&bytes, &mut words, Millis::ZERO, now) == 0 {
            return;
        }
        let missing: Vec<usize> = keys.iter().zip(&words).filter(|&(_, &word)| word == MISS).map(|(&key, _)| key).collect();
        let terms = Terms { limit: self.caps.lane, limit_per_group: self.caps.group, parent, ..TERMS };
        let batch = self.engine.open(terms, now);
        if let Some(parent) = parent {
            self.nested.insert(batch, parent);
            self.call(parent).pending += 1;
        }
        let admissions = self.engine.admit(batch, &bytes, 0, Wishes::Default, true).to_vec();
        self.open.insert(batch, admissions.iter().filter(|one| one.how != How::Circular).count() as u32);
        self.circles += admissions.iter().filter(|one| one.how == How::Circular).count();
        self.engine.seal(batch, now);
        let mut led = Vec::new();
        for (admission, &key) in admissions.iter().zip(&missing).filter(|(one, _)| one.how == How::Led) {
            self.flights.insert(admission.flight, (key, batch));
            let mut gates = Vec::new();
            if self.caps.group < u32::MAX {
                gates.push(self.engine.gate(NONE, &[group_of(key) as u8], now));
            }
            if self.caps.rate {
                gates.push(self.engine.gate(0, b"", now));
            }
            if !gates.is_empty() {
                self.engine.limit(batch, &gates, &[admission.flight.0]);
            }
            led.push(admission.flight);
        }
        if !led.is_empty() {
            self.engine.queue(batch, &led, Grouping::None, 0, now);
        }
        self.carry_out();
    }

    fn call(&mut self, id: CallId) -> &mut Call {
        self.calls.iter_mut().find(|call| call.id == id).expect("it runs")
    }

    fn carry_out(&mut self) {
        for effect in self.engine.effects().to_vec() {
            match effect {
                Effect::StartOne { place, generation, flight } => {
                    let flight = FlightId(flight);
                    let (key, lane) = self.flights[&flight];
                    let id = CallId { place, generation };
                    self.calls.push(Call { id, key, flight, lane, has_asked: false, pending: 0 });
                    self.starts.push((self.now, key));
                }
                Effect::DeliverLed { batch, .. } | Effect::DeliverJoined { batch, .. } => {
                    *self.open.get_mut(&BatchId(batch)).expect("it is open") -= 1;
                }
                Effect::Done { batch, .. } => {
                    assert_eq!(self.open.remove(&BatchId(batch)), Some(0), "a batch is done once, when all is answered");
                    if let Some(parent) = self.nested.remove(&BatchId(batch)) {
                        self.call(parent).pending -= 1;
                    }
                }
                Effect::Cycle { .. } | Effect::Member { .. } | Effect::Store { .. } | Effect::Release { .. } => {}
                other => panic!("nothing else was to happen: {other:?}"),
            }
        }
        self.check();
    }

    fn check(&self) {
        self.engine.validate(Instant(self.now)).expect("a valid engine");
        let running: Vec<&Call> = self.calls.iter().filter(|call| call.pending == 0).collect();
        let processor = match self.caps.processor {
            Processor::Unlimited => usize::MAX,
            Processor::Limited(limit) => limit as usize,
            Processor::Adaptive => 1,
        };
        assert!(running.len() <= processor, "{} run at the processor", running.len());
        for call in &running {
            let in_lane = running.iter().filter(|other| other.lane == call.lane).count();
            assert!(in_lane <= self.caps.lane as usize, "{in_lane} run in a lane");
            let in_group = running.iter().filter(|other| group_of(other.key) == group_of(call.key)).count();
            assert!(in_group <= self.caps.group as usize, "{in_group} run of a group");
        }
        if self.caps.rate {
            assert!(self.starts.windows(2).all(|pair| pair[1].0 - pair[0].0 >= TOKEN), "{:?}", self.starts);
        }
        assert!(NAMES.iter().enumerate().all(|(key, _)| self.started(key) <= 1), "a key is loaded once: {:?}", self.starts);
    }

    fn started(&self, key: usize) -> usize {
        self.starts.iter().filter(|&&(_, of)| of == key).count()
    }

    /// Does the next thing. Answers whether there was one.
    fn step(&mut self) -> bool {
        let mut free = self.calls.iter().enumerate().filter(|(_, call)| call.pending == 0).map(|(at, _)| at);
        let at = if self.plan.newest_first { free.next_back() } else { free.next() };
        if self.tops_left > 0 && (at.is_none() || !self.plan.newest_first) {
            let keys = self.plan.tops[self.plan.tops.len() - self.tops_left];
            self.tops_left -= 1;
            self.ask(keys, None);
            return true;
        }
        let Some(at) = at else {
            let next = self.engine.next_deadline().0;
            if next == f64::INFINITY {
                return false;
            }
            self.now = next;
            self.engine.begin_turn();
            self.engine.advance(Instant(self.now));
            self.carry_out();
            return true;
        };
        let &Call { id, key, flight, has_asked, .. } = &self.calls[at];
        if has_asked {
            self.calls.remove(at);
            self.engine.begin_turn();
            self.engine.settle(id, flight, VALUE, Instant(self.now));
            self.carry_out();
            return true;
        }
        self.calls[at].has_asked = true;
        let needed: Vec<usize> = (0..KEYS).filter(|bit| self.plan.needs[key] >> bit & 1 == 1).collect();
        if self.plan.together && !needed.is_empty() {
            self.ask(&needed, Some(id));
        } else {
            for key in needed {
                self.ask(&[key], Some(id));
            }
        }
        true
    }

    fn run(&mut self) {
        let mut steps = 0;
        while self.step() {
            steps += 1;
            assert!(steps < 100, "it does not come to its end");
        }
        assert!(self.open.is_empty() && self.calls.is_empty(), "a standstill: {:?}", self.engine.stats());
        assert!(self.engine.is_quiescent(), "something is left: {:?}", self.engine.stats());
        let reached = reached(self.plan.needs, self.plan.tops.concat());
        assert!((0..KEYS).all(|key| self.started(key) == usize::from(reached.contains(&key))), "{:?}", self.starts);
        let tokens = if self.caps.rate { self.starts.len() - 1 } else { 0 };
        assert_eq!(self.now, TOKEN * tokens as f64, "who waited for a nested batch needs no second token");
        assert!(self.circles == 0 || has_circle(self.plan.needs), "there is no circle");
    }
}

fn group_of(key: usize) -> usize {
    key % 2
}

/// The keys, and those that their callbacks ask for.
fn reached(needs: [usize; KEYS], mut keys: Vec<usize>) -> Vec<usize> {
    let mut at = 0;
    while let Some(&key) = keys.get(at) {
        let needed = (0..KEYS).filter(|bit| needs[key] >> bit & 1 == 1);
        let new: Vec<usize> = needed.filter(|other| !keys.contains(other)).collect();
        keys.extend(new);
        at += 1;
    }
    keys
}

fn has_circle(needs: [usize; KEYS]) -> bool {
    (0..KEYS).any(|key| {
        let needed: Vec<usize> = (0..KEYS).filter(|bit| needs[key] >> bit & 1 == 1).collect();
        reached(needs, needed).contains(&key)
    })
}

#[test]
#[allow(clippy::print_stdout)] // How much was walked through is the point.
fn every_way_to_need_each_other_ends_under_every_cap() {
    const TOPS: [&[&[usize]]; 3] = [&[&[0, 1, 2]], &[&[0], &[1], &[2]], &[&[0, 2], &[2, 1]]];
    let mut worlds = 0;
    for lane in [1, 2] {
        for processor in [Processor::Unlimited, Processor::Limited(1), Processor::Limited(2), Processor::Adaptive] {
            for group in [1, 2, u32::MAX] {
                for rate in [false, true] {
                    let caps = Caps { lane, processor, group, rate };
                    for graph in 0..1 << (KEYS * KEYS) {
                        let needs = [0, 1, 2].map(|key| graph >> (key * KEYS) & ((1 << KEYS) - 1));
                        for (way, tops) in TOPS.iter().flat_map(|tops| (0..4).map(move |way| (way, tops))) {
                            let plan = Plan { needs, together: way & 1 == 0, tops, newest_first: way & 2 == 0 };
                            let ran = std::panic::catch_unwind(|| World::new(caps, plan).run());
                            assert!(ran.is_ok(), "{caps:?} {plan:?}");
                            worlds += 1;
                        }
                    }
                }
            }
        }
    }
    println!("{worlds} worlds");
}
