//! Carrying out what the engine says, and comparing it with what the model says.

use sluice::engine::Effect;
use sluice::ids::{BatchId, CallId, FlightId, Slot};
use sluice::stats::Stats;

use super::met::happening_name;
use super::{Checked, HISTORY_MAX, Harness, Source, check};
use crate::model::{Happening, Key, Number, State};

impl Harness {
    pub(super) fn compare(&mut self, source: Option<Source>) -> Checked {
        self.calls_made += 1;
        let expected = std::mem::take(&mut self.model.happenings);
        let effects: Vec<Effect> = self.engine.effects()[self.effects_seen..].to_vec();
        self.effects_seen += effects.len();
        let actual = self.carry_out(&effects, &expected, source)?;
        for happening in &expected {
            self.met.count(happening_name(happening), 1);
        }
        compare_happenings(actual, expected).map_err(|message| format!("{message}\neffects: {effects:?}"))?;
        self.model.forget();
        if self.model.calls.values().any(|call| matches!(call.state, State::Resuming(_))) {
            self.met.count("waiting for a slot to go on", 1);
        }
        self.engine.validate(self.now())?;
        let (quiescent, expected) = (self.engine.is_quiescent(), self.model.is_quiescent());
        check(quiescent == expected, || format!("quiescent: {quiescent}, expected {expected}"))?;
        self.compare_memory()?;
        let stats = Stats { engine_bytes: 0, ..self.engine.stats() };
        let expected = self.model.stats();
        check(stats == expected, || format!("counted {stats:?}\nexpected {expected:?}"))?;
        let (next, expected) = (self.engine.next_deadline().0, self.model.next_deadline());
        check(next.total_cmp(&expected).is_eq(), || format!("next deadline {next}, expected {expected}"))
    }

    fn compare_memory(&self) -> Checked {
        let now = self.now();
        let held = self.values.iter().flatten().count();
        check(self.engine.len() == held && self.engine.is_empty() == (held == 0), || format!("{} entries", self.engine.len()))?;
        check(held == self.model.entries.len(), || format!("{held} values held for {:?}", self.model.entries))?;
        let jittered = self.model.setup.ttl_jitter > 0.0;
        let mut valid = self.model.entries.iter().filter(|entry| now.0 < entry.expires_at && !entry.failure);
        for slot in self.engine.recent(None, now) {
            let Some(entry) = valid.next() else { return Err(format!("slot {} is listed beyond the last", slot.0)) };
            let value = self.value_at(slot, entry.key)?;
            check(value == entry.value, || format!("slot {} holds {value}, expected {entry:?}", slot.0))?;
            let (left, expected) = (self.engine.remaining(slot, now).0, entry.expires_at - now.0);
            // What chance left of it is known as far as it can be seen.
            let same = left.total_cmp(&expected).is_eq() || jittered && (left - expected).abs() < 1e-3;
            check(same, || format!("{left} ms are left of {entry:?}"))?;
        }
        check(valid.next().is_none(), || "an entry is not listed".into())
    }

    /// Does what the wrapper would do, and says what it was.
    fn carry_out(&mut self, effects: &[Effect], expected: &[Happening], source: Option<Source>) -> Checked<Vec<Happening>> {
        let mut happenings = Vec::new();
        let mut done = Vec::new();
        let mut rest = effects.iter();
        while let Some(&effect) = rest.next() {
            let mut members = |count: u32| -> Checked<Vec<FlightId>> {
                let next = |_| match rest.next() {
                    Some(&Effect::Member { flight }) => Ok(FlightId(flight)),
                    other => Err(format!("{other:?} in place of a member")),
                };
                (0..count).map(next).collect()
            };
            happenings.push(match effect {
                Effect::StartOne { place, generation, flight } => {
                    self.start(CallId { place, generation }, false, &[FlightId(flight)], expected)?
                }
                Effect::StartGroup { place, generation, members: count } => {
                    self.start(CallId { place, generation }, true, &members(count)?, expected)?
                }
                Effect::Member { .. } | Effect::Refuse { .. } => return Err("a member of nothing".into()),
                Effect::DeliverLed { batch, index, flight } | Effect::DeliverJoined { batch, index, flight } => {
                    check(source.is_some_and(|source| source.from == flight), || format!("flight {flight} has no answer"))?;
                    let load = self.flights.number(FlightId(flight))?;
                    let batch = self.batches.number(BatchId(batch))?;
                    check(!done.contains(&batch), || format!("batch {batch} hears more after it is done"))?;
                    Happening::Deliver { batch, index, load, led: matches!(effect, Effect::DeliverLed { .. }) }
                }
                Effect::DeliverStale { batch, index, slot } => {
                    let key = self.key_at(slot)?;
                    let value = self.value_at(Slot(slot), key)?;
                    Happening::DeliverStale { batch: self.batches.number(BatchId(batch))?, index, key, value }
                }
                Effect::Done { batch, busy_us } => {
                    let batch = self.batches.number(BatchId(batch))?;
                    check(!done.contains(&batch), || format!("batch {batch} is done twice"))?;
                    done.push(batch);
                    Happening::Done { batch, busy_us }
                }
                Effect::Store { slot, from, ttl } => {
                    let Some(Source { key, value, .. }) = source.filter(|source| source.from == from) else {
                        return Err(format!("a value of {from} is stored, and there is none"));
                    };
                    self.store(slot, key, value)?;
                    let ttl = f32::from_bits(ttl);
                    let left = self.engine.remaining(Slot(slot), self.now()).0 as f32;
                    check((ttl - left).abs() < 1e-3 || ttl.is_infinite(), || format!("{left} ms are left of {ttl}"))?;
                    // What chance left is known as far as it can be seen.
                    let ttl = if self.model.setup.ttl_jitter > 0.0 && ttl.is_finite() { left } else { ttl };
                    Happening::Store { key, value, ttl }
                }
                Effect::StoreFailure { slot, from } => {
                    let Some(Source { key, value, .. }) = source.filter(|source| source.from == from) else {
                        return Err(format!("a failure of {from} is stored, and there is none"));
                    };
                    self.store(slot, key, value)?;
                    Happening::StoreFailure { key, value }
                }
                Effect::Clear { slot } => {
                    let key = self.key_at(slot)?;
                    self.values[slot as usize] = None;
                    Happening::Clear { key }
                }
                Effect::Abort { place, generation } => {
                    Happening::Abort { call: self.calls.number(CallId { place, generation })? }
                }
                Effect::TimeOut { place, generation } => {
                    let call = self.calls.number(CallId { place, generation })?;
                    self.timed_out.push(call);
                    Happening::TimeOut { call }
                }
                Effect::TimeOutQueued { place, generation, members: count } => {
                    let members = self.loads(&members(count)?)?;
                    let is_it = |happening: &&Happening| matches!(happening, Happening::TimeOutQueued { members: of, .. } if *of == members);
                    let Some(&Happening::TimeOutQueued { call, .. }) = expected.iter().find(is_it) else {
                        return Err(format!("a queued call for {members:?} times out, expected {expected:?}"));
                    };
                    self.calls.bind(call, CallId { place, generation });
                    self.timed_out.push(call);
                    Happening::TimeOutQueued { call, members }
                }
                Effect::TimeOutBatch { batch } => {
                    let batch = self.batches.number(BatchId(batch))?;
                    self.timed_out_batches.push(batch);
                    Happening::TimeOutBatch { batch }
                }
                Effect::Release { flight } => {
                    let load = self.flights.number(FlightId(flight))?;
                    self.flights.unbind(FlightId(flight));
                    Happening::Release { load }
                }
                Effect::Cycle { batch, index, members: count } => {
                    let circle = members(count)?;
                    let batch = self.batches.number(BatchId(batch))?;
                    self.check_circle(batch, &circle)?;
                    Happening::Cycle { batch, index }
                }
            });
        }
        Ok(happenings)
    }

    fn start(&mut self, id: CallId, group: bool, flights: &[FlightId], expected: &[Happening]) -> Checked<Happening> {
        let members = self.loads(flights)?;
        let is_it = |happening: &&Happening| matches!(happening, Happening::Start { members: of, .. } if *of == members);
        let Some(&Happening::Start { call, .. }) = expected.iter().find(is_it) else {
            return Err(format!("a call for {members:?} starts, expected {expected:?}"));
        };
        self.calls.bind(call, id);
        self.history.extend(flights.iter().map(|&flight| (id, flight)));
        let excess = self.history.len().saturating_sub(HISTORY_MAX);
        self.history.drain(..excess);
        Ok(Happening::Start { call, group, members })
    }

    fn loads(&self, flights: &[FlightId]) -> Checked<Vec<Number>> {
        flights.iter().map(|&flight| self.flights.number(flight)).collect()
    }

    fn store(&mut self, slot: u32, key: Key, value: u64) -> Checked {
        let place = slot as usize;
        if self.values.len() <= place {
            self.values.resize(place + 1, None);
        }
        match self.values[place] {
            Some((owner, _)) if owner != key => Err(format!("slot {slot} of {owner} is given to {key}")),
            _ => {
                self.values[place] = Some((key, value));
                Ok(())
            }
        }
    }

    /// Each flight of `circle` waits for the next one, the last is the first, and the new request is one of the steps.
    fn check_circle(&self, batch: Number, circle: &[FlightId]) -> Checked {
        let circle = self.loads(circle)?;
        check(circle.len() > 1 && circle.first() == circle.last(), || format!("{circle:?} is no circle"))?;
        let call_of = |load: Number| self.model.calls.iter().find(|(_, call)| call.members.contains(&load));
        let mut new_steps = 0;
        for step in circle.windows(2) {
            let Some((&call, _)) = call_of(step[0]) else { return Err(format!("load {} waits for nothing", step[0])) };
            if self.model.nested_of(call).any(|nested| nested != batch && self.model.awaits(nested, step[1])) {
                continue;
            }
            let is_new = self.model.nested_of(call).any(|nested| nested == batch) && !self.model.awaits(batch, step[1]);
            check(is_new, || format!("load {} does not wait for {} in {circle:?}", step[0], step[1]))?;
            new_steps += 1;
        }
        check(new_steps > 0, || format!("{circle:?} was there before"))
    }
}

fn compare_happenings(mut actual: Vec<Happening>, mut expected: Vec<Happening>) -> Checked {
    // What happens to different things may be told in any order; of one kind, the order is that of the model. Where nothing is stored, it
    // does not matter in which order slots are vacated.
    let stores = expected.iter().any(|happening| matches!(happening, Happening::Store { .. } | Happening::StoreFailure { .. }));
    let order = |happening: &Happening| match happening {
        Happening::Clear { key } if !stores => (kind(happening), *key),
        _ => (kind(happening), 0),
    };
    actual.sort_by_key(order);
    expected.sort_by_key(order);
    check(actual == expected, || format!("happened {actual:?}\nexpected {expected:?}"))
}

fn kind(happening: &Happening) -> u8 {
    match happening {
        Happening::Start { .. } => 0,
        Happening::Deliver { .. } | Happening::DeliverStale { .. } => 1,
        Happening::Done { .. } => 2,
        Happening::Store { .. } | Happening::StoreFailure { .. } | Happening::Clear { .. } => 3,
        Happening::Abort { .. } => 4,
        Happening::TimeOut { .. } | Happening::TimeOutQueued { .. } | Happening::TimeOutBatch { .. } => 5,
        Happening::Release { .. } => 6,
        Happening::Cycle { .. } => 7,
    }
}
