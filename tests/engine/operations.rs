//! What may be done to the engine, as data: a kind and a die, of which all else follows, so that a sequence can be drawn at random, replayed,
//! and shrunk.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use sluice::ids::NONE;

use crate::harness::{Checked, Groups, Harness, Met, Wish, check};
use crate::model::{Answer, Doing, Key, Number, Setup, State, Target, Terms};

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        if choices.is_empty() { None } else { Some(self.of(choices)) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Batch,
    /// A look-up that is not followed by a load.
    OnlyCached,
    Settle,
    SettleLate,
    FallBack,
    /// The tiers have answered for flights that are not queued yet.
    Tiers,
    Ended,
    Leave,
    Advance,
    /// Time goes on, and nobody looks at the deadlines.
    Tick,
    Set,
    Delete,
    Get,
    Peek,
    Purge,
    Clear,
    Foresee,
    Invalidate,
    Tag,
}

#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub kind: Kind,
    pub die: u64,
}

/// How often each kind is drawn, in sum 100.
const WEIGHTS: [(Kind, usize); 19] = [
    (Kind::Batch, 24),
    (Kind::OnlyCached, 2),
    (Kind::Settle, 24),
    (Kind::SettleLate, 2),
    (Kind::FallBack, 3),
    (Kind::Tiers, 6),
    (Kind::Ended, 4),
    (Kind::Leave, 6),
    (Kind::Advance, 8),
    (Kind::Tick, 4),
    (Kind::Set, 4),
    (Kind::Delete, 3),
    (Kind::Get, 2),
    (Kind::Peek, 2),
    (Kind::Purge, 1),
    (Kind::Clear, 1),
    (Kind::Foresee, 1),
    (Kind::Invalidate, 1),
    (Kind::Tag, 2),
];

/// Keys that are easily taken for another, and some that share a group.
pub const KEYS: [&[u8]; 12] = [
    b"a:b:1",
    b"a:b:2",
    b"",
    b"\0",
    b"a:b",
    b"a:c:1",
    b"a",
    b"\0\0",
    b"a:c:12345678901234567890",
    b"\xed\xa0\x80",
    b"a:b:12345678",
    b":",
];

/// The loads and batches there may be at once; beyond, batches are not opened.
const BATCHES_MAX: usize = 7;
const LOADS_MAX: usize = 24;
/// Steps after which a run that is being ended must have come to rest.
const DRAIN_MAX: usize = 2000;

static SILENCE: Once = Once::new();

thread_local! {
    /// Whether a script runs on this thread.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// One run: a setup, and what is done.
#[derive(Clone, Debug)]
pub struct Script {
    pub seed: u64,
    pub operations: Vec<Operation>,
}

/// What a run has done.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub operations: u64,
    pub calls: u64,
    pub met: Met,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.calls += other.calls;
        other.met.0.into_iter().for_each(|(what, times)| self.met.count(what, times));
    }
}

impl Script {
    pub fn draw(seed: u64, length: usize) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let operations = (0..length).map(|_| Operation { kind: draw_kind(&mut dice), die: dice.roll() }).collect();
        Self { seed, operations }
    }

    /// Runs it; a panic is a failure like any other, and not worth a report of its own: shrinking would print hundreds.
    pub fn run(&self) -> Checked<Tally> {
        SILENCE.call_once(|| {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if !RUNNING.get() {
                    report(panic);
                }
            }));
        });
        RUNNING.set(true);
        let ran = catch_unwind(AssertUnwindSafe(|| self.run_or_panic()));
        RUNNING.set(false);
        ran.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        })
    }

    fn run_or_panic(&self) -> Checked<Tally> {
        let mut dice = Dice::new(self.seed);
        let mut harness = Harness::new(draw_setup(&mut dice), draw_keys(&mut dice), self.seed);
        let mut tally = Tally::default();
        for (place, operation) in self.operations.iter().enumerate() {
            let applied = harness.apply(*operation).map_err(|message| format!("{operation:?} at {place}: {message}"))?;
            tally.operations += u64::from(applied);
        }
        harness.drain(&mut dice).map_err(|message| format!("at the end: {message}"))?;
        tally.calls = harness.calls_made;
        let stats = harness.engine.stats();
        tally.met = harness.met;
        for (what, times) in [
            ("dropped", stats.dropped),
            ("retried", stats.retried),
            ("late", stats.late),
            ("evicted", stats.evicted),
            ("expired", stats.expired),
            ("too heavy", stats.too_heavy),
            ("fenced", stats.fenced),
        ] {
            tally.met.count(what, times);
        }
        Ok(tally)
    }

    /// The same failure with fewer operations, as far as leaving some out goes.
    #[must_use]
    pub fn shrink(mut self) -> Self {
        let mut chunk = self.operations.len().div_ceil(2);
        while chunk > 0 {
            let mut start = 0;
            while start < self.operations.len() {
                let mut shorter = self.clone();
                let end = (start + chunk).min(shorter.operations.len());
                shorter.operations.drain(start..end);
                if shorter.run().is_err() {
                    self = shorter;
                } else {
                    start += chunk;
                }
            }
            chunk /= 2;
        }
        self
    }
}

fn draw_kind(dice: &mut Dice) -> Kind {
    let mut rest = dice.below(100);
    for (kind, weight) in WEIGHTS {
        if rest < weight {
            return kind;
        }
        rest -= weight;
    }
    unreachable!("the weights' sum is 100")
}

fn draw_setup(dice: &mut Dice) -> Setup {
    Setup {
        entries_max: 1 + dice.below(6),
        weight_max: dice.of(&[u64::MAX, u64::MAX, 3, 10]),
        ttl: dice.of(&[10.0, 40.0, 1000.0, f64::INFINITY, f64::INFINITY, 0.0]),
        negative_ttl: dice.of(&[None, Some(5.0), Some(0.0)]),
        error_ttl: dice.of(&[0.0, 0.0, 15.0]),
        ttl_jitter: dice.of(&[0.0, 0.0, 0.0, 0.5]),
        sliding: dice.percent(30),
        early: dice.of(&[0.0, 0.0, 1.5]),
        budget_ratio: dice.of(&[0.0, 0.25, 0.5]),
        budget_burst: dice.of(&[0.0, 2.0, 10.0]),
    }
}

fn draw_keys(dice: &mut Dice) -> Vec<Vec<u8>> {
    KEYS[..1 + dice.below(KEYS.len())].iter().map(|key| key.to_vec()).collect()
}

impl Harness {
    /// Carries the operation out, and answers whether there was anything it could be done to.
    pub fn apply(&mut self, operation: Operation) -> Checked<bool> {
        let dice = &mut Dice::new(operation.die);
        self.begin_turn();
        if dice.percent(30) {
            self.tick(dice.of(&[0.5, 1.0, 3.0]));
        }
        match operation.kind {
            Kind::Batch => return self.draw_batch(dice),
            Kind::OnlyCached => {
                let keys = self.draw_requests(dice);
                self.look_up(&keys, dice.of(&[0.0, 8.0]))?;
            }
            Kind::Settle => return self.draw_settle(dice),
            Kind::SettleLate => {
                let Some((call, flight)) = dice.one_of(&self.history) else { return Ok(false) };
                self.settle_late(call, flight)?;
            }
            Kind::FallBack => {
                let Some((call, load)) = self.draw_member(dice) else { return Ok(false) };
                self.fall_back(call, load)?;
            }
            Kind::Tiers => return self.draw_tiers(dice),
            Kind::Ended => return self.draw_ended(dice),
            Kind::Leave => {
                let Some(batch) = dice.one_of(&self.open_batches()) else { return Ok(false) };
                self.leave(batch)?;
            }
            Kind::Advance => {
                let next = self.model.next_deadline();
                if next.is_finite() && dice.percent(60) {
                    self.tick((next - self.model.now).max(0.0));
                } else {
                    self.tick(dice.of(&[0.0, 5.0, 12.0, 60.0, 2000.0]));
                }
                self.advance()?;
                self.react(dice)?;
            }
            Kind::Tick => self.tick(dice.of(&[2.0, 9.0, 45.0])),
            Kind::Set => {
                let (key, ttl, null) = (self.draw_key(dice), draw_ttl(dice), dice.percent(20));
                self.set(key, ttl, null, draw_weight(dice))?;
            }
            Kind::Delete => {
                let key = self.draw_key(dice);
                self.delete(key)?;
            }
            Kind::Get => {
                let key = self.draw_key(dice);
                self.get(key)?;
            }
            Kind::Peek => {
                let key = self.draw_key(dice);
                self.peek(key)?;
            }
            Kind::Purge => self.purge()?,
            Kind::Clear => self.clear()?,
            Kind::Foresee => {
                let key = self.draw_key(dice);
                self.foresee(key, dice.of(&[0.0, 8.0]))?;
            }
            Kind::Invalidate => self.invalidate(draw_target(dice))?,
            Kind::Tag => {
                let loads: Vec<Number> = self.model.loads.keys().copied().collect();
                match dice.one_of(&loads) {
                    Some(load) if dice.percent(70) => self.tag_load(load, draw_tag(dice))?,
                    _ => {
                        let key = self.draw_key(dice);
                        self.tag_key(key, draw_tag(dice))?;
                    }
                }
            }
        }
        Ok(true)
    }

    /// Ends the run: everybody leaves, or every load is answered. Nothing may be left then.
    pub fn drain(&mut self, dice: &mut Dice) -> Checked {
        let leave = dice.percent(50);
        for _ in 0..DRAIN_MAX {
            self.begin_turn();
            if leave {
                for batch in self.open_batches() {
                    self.leave(batch)?;
                }
            }
            let aborted: Vec<Number> = self.running(|members| members.is_empty()).collect();
            for call in aborted {
                let id = self.calls.id(call);
                self.ended(id)?;
            }
            while let Some((call, load)) = self.draw_member(dice) {
                self.settle(call, load, Answer::Value { weight: 1 })?;
            }
            while self.draw_tiers(dice)? {}
            if self.model.is_quiescent() {
                return self.check_quiescent();
            }
            let next = self.model.next_deadline();
            if next.is_finite() {
                self.tick((next - self.model.now).max(0.0));
                self.advance()?;
            }
        }
        self.check_quiescent()
    }

    fn draw_batch(&mut self, dice: &mut Dice) -> Checked<bool> {
        if self.model.batches.len() >= BATCHES_MAX || self.model.loads.len() >= LOADS_MAX {
            return Ok(false);
        }
        let keys = self.draw_requests(dice);
        let (reload, share, stale) = (dice.percent(20), dice.percent(85), dice.of(&[0.0, 0.0, 6.0]));
        let chunk = if dice.percent(20) { 2 } else { keys.len() };
        let mut batch = None;
        let mut led = Vec::new();
        for (at, keys) in keys.chunks(chunk).enumerate() {
            let missing = if reload { self.miss_all(keys)? } else { self.look_up(keys, stale)? };
            // Mostly a batch that has all it wants is not opened.
            if missing.is_empty() && dice.percent(90) {
                continue;
            }
            let number = if let Some(number) = batch {
                number
            } else {
                let terms = self.draw_terms(dice);
                self.open(terms)?
            };
            batch = Some(number);
            let wishes: Option<Vec<Wish>> = dice.percent(60).then(|| missing.iter().map(|_| draw_wish(dice)).collect());
            led.extend(self.admit(number, keys, &missing, (at * chunk) as u32, wishes.as_deref(), share)?);
        }
        let Some(batch) = batch else { return Ok(true) };
        self.seal(batch)?;
        if !led.is_empty() && dice.percent(75) {
            self.draw_queue(batch, &led, dice)?;
        }
        Ok(true)
    }

    fn draw_queue(&mut self, batch: Number, loads: &[Number], dice: &mut Dice) -> Checked {
        let mut given: Vec<u32> = loads.iter().map(|_| dice.of(&[0, 0, 1, NONE])).collect();
        if !given.contains(&0) {
            // Without gaps.
            given.iter_mut().filter(|number| **number == 1).for_each(|number| *number = 0);
        }
        let groups = match dice.below(3) {
            0 => Groups::None,
            1 => Groups::Prefix,
            _ => Groups::Given(&given),
        };
        self.queue(batch, loads, groups, dice.of(&[0, 1, 2, 3, 3]))
    }

    /// Of one batch's loads that are not queued: some were found, the rest is queued.
    fn draw_tiers(&mut self, dice: &mut Dice) -> Checked<bool> {
        let admitted = self.model.loads.iter().filter(|(_, load)| load.doing == Doing::Admitted);
        let Some(load) = dice.one_of(&admitted.map(|(&load, _)| load).collect::<Vec<_>>()) else { return Ok(false) };
        let batch = self.model.loads[&load].batch;
        let of = self.model.loads.iter().filter(|(_, load)| load.batch == batch && load.doing == Doing::Admitted);
        let of: Vec<Number> = of.map(|(&load, _)| load).collect();
        let (found, missing): (Vec<Number>, Vec<Number>) = of.into_iter().partition(|_| dice.percent(40));
        for load in found {
            if dice.percent(80) {
                self.supply(load, dice.of(&[3.0, 30.0, f64::INFINITY]), draw_weight(dice))?;
            } else {
                self.refuse(load)?;
            }
        }
        if !missing.is_empty() {
            self.draw_queue(batch, &missing, dice)?;
        }
        Ok(true)
    }

    fn draw_settle(&mut self, dice: &mut Dice) -> Checked<bool> {
        let Some((call, load)) = self.draw_member(dice) else { return Ok(false) };
        let answer = match dice.below(20) {
            0..10 => Answer::Value { weight: draw_weight(dice) },
            10..12 => Answer::Null { weight: draw_weight(dice) },
            12 => Answer::Unstored,
            _ => draw_failure(dice),
        };
        self.settle(call, load, answer)?;
        Ok(true)
    }

    fn draw_ended(&mut self, dice: &mut Dice) -> Checked<bool> {
        let aborted: Vec<Number> = self.running(|members| members.is_empty()).collect();
        if let Some(call) = dice.one_of(&aborted) {
            let id = self.calls.id(call);
            self.ended(id)?;
            return Ok(true);
        }
        // A call that has ended by itself is no longer there to end.
        let over = self.history.iter().map(|&(call, _)| call);
        let over = over.filter(|&id| self.calls.number(id).is_ok_and(|call| !self.model.calls.contains_key(&call)));
        let Some(id) = dice.one_of(&over.collect::<Vec<_>>()) else { return Ok(false) };
        self.ended(id)?;
        Ok(true)
    }

    /// What the wrapper does at once when a deadline has come, and sometimes does not.
    fn react(&mut self, dice: &mut Dice) -> Checked {
        for call in std::mem::take(&mut self.timed_out) {
            if dice.percent(15) {
                continue;
            }
            let fall_back = self.model.calls.get(&call).is_some_and(|call| call.group) && dice.percent(50);
            while let Some(load) = self.model.calls.get(&call).and_then(|call| call.members.first().copied()) {
                if fall_back {
                    self.fall_back(call, load)?;
                } else {
                    self.settle(call, load, draw_failure(dice))?;
                }
            }
        }
        for batch in std::mem::take(&mut self.timed_out_batches) {
            if self.model.batches.get(&batch).is_some_and(|batch| !batch.done) && dice.percent(85) {
                self.leave(batch)?;
            }
        }
        Ok(())
    }

    /// A load that a started call is to answer.
    fn draw_member(&self, dice: &mut Dice) -> Option<(Number, Number)> {
        let calls: Vec<Number> = self.running(|members| !members.is_empty()).collect();
        let call = dice.one_of(&calls)?;
        Some((call, dice.of(&self.model.calls[&call].members)))
    }

    /// Calls that have started and not ended, of those whose members `are` so.
    pub fn running(&self, are: fn(&[Number]) -> bool) -> impl Iterator<Item = Number> {
        let calls = self.model.calls.iter();
        calls.filter(move |(_, call)| call.state != State::Queued && are(&call.members)).map(|(&number, _)| number)
    }

    pub fn open_batches(&self) -> Vec<Number> {
        self.model.batches.iter().filter(|(_, batch)| !batch.done).map(|(&number, _)| number).collect()
    }

    fn draw_terms(&self, dice: &mut Dice) -> Terms {
        let calls: Vec<Number> = self.running(|_| true).collect();
        Terms {
            limit: 1 + dice.below(3),
            fetch_timeout: dice.of(&[20.0, 100.0, f64::INFINITY]),
            timeout: dice.of(&[30.0, f64::INFINITY, f64::INFINITY]),
            attempts: dice.of(&[1, 2, 4]),
            backoff: dice.of(&[0.0, 4.0]),
            backoff_max: 10.0,
            stale_if_error: dice.of(&[0.0, 0.0, 25.0]),
            queue_timeout: dice.of(&[15.0, f64::INFINITY, f64::INFINITY]),
            finish_orphans: dice.percent(15),
            parent: dice.one_of(&calls).filter(|_| dice.percent(40)),
        }
    }

    fn draw_key(&self, dice: &mut Dice) -> Key {
        dice.below(self.keys.len())
    }

    fn draw_requests(&self, dice: &mut Dice) -> Vec<Key> {
        let count = dice.of(&[1, 1, 2, 3, 5]);
        (0..count).map(|_| self.draw_key(dice)).collect()
    }
}

fn draw_ttl(dice: &mut Dice) -> Option<f64> {
    dice.of(&[None, None, Some(0.0), Some(7.0), Some(50.0), Some(f64::INFINITY)])
}

fn draw_wish(dice: &mut Dice) -> Wish {
    Wish { ttl: draw_ttl(dice), priority: dice.of(&[-1, 0, 0, 1, 3]) }
}

fn draw_tag(dice: &mut Dice) -> u8 {
    dice.of(b"xy")
}

fn draw_target(dice: &mut Dice) -> Target<'static> {
    const PREFIXES: [&[u8]; 9] = [b"", b"a", b"a:", b"a:b", b"a:b:", b"a:b:1", b":", b"\0", b"z"];
    const PATTERNS: [&[u8]; 9] = [b"*", b"", b"a:*", b"*:1*", b"?", b"a:?:1", b"\\a:b*", b"*\0", b"a:b"];
    match dice.below(3) {
        0 => Target::Prefix(dice.of(&PREFIXES)),
        1 => Target::Pattern(dice.of(&PATTERNS)),
        _ => Target::Tag(draw_tag(dice)),
    }
}

fn draw_weight(dice: &mut Dice) -> u32 {
    dice.of(&[0, 1, 1, 2, 5, 11])
}

fn draw_failure(dice: &mut Dice) -> Answer {
    Answer::Failed { retryable: dice.percent(60), hint: dice.percent(20).then_some(6.0) }
}

/// Runs scripts of `length` operations from `seed` on until `operations` are done. Says what was done, or how to see the failure again.
pub fn run_many(seed: u64, length: usize, operations: u64) -> Checked<Tally> {
    let mut total = Tally::default();
    for seed in seed.. {
        if total.operations >= operations {
            break;
        }
        let script = Script::draw(seed, length);
        match script.run() {
            Ok(tally) => total.add(tally),
            Err(message) => {
                let shrunk = script.shrink();
                let again = shrunk.run().err().unwrap_or_default();
                let operations: Vec<String> = shrunk.operations.iter().map(|one| format!("    {one:?},")).collect();
                return Err(format!(
                    "seed {seed}, {length} operations: {message}\n\nshrunk to\n{}\n{again}",
                    operations.join("\n")
                ));
            }
        }
    }
    check(total.operations >= operations, || "ran out of seeds".into())?;
    Ok(total)
}
