//! What calls of different batches share: slots of a group, and tokens of a rate. Each is a gate with a name, and a line of those that wait
//! at it.
//!
//! A gate is there as long as a batch has use for it, a bucket until it is full again: then a new one is no different. A bucket that
//! somebody waits for has an alarm for its next token; until it rings the bucket is closed, so that nobody who comes later is served sooner.

use alloc::vec::Vec;

use crate::error::{Validity, check};
use crate::hash::KeyHash;
use crate::heap::{Heap, Item, Places};
use crate::ids::{NONE, Slot};
use crate::index::Index;
use crate::rate::{Bucket, Rate};
use crate::slab::Slab;
use crate::time::Instant;

/// Gates looked at, to be dropped, for each that is made.
const SWEPT: usize = 2;

#[derive(Debug)]
pub struct Gate {
    what: What,
    /// Those that wait at it.
    pub line: Heap,
    /// Streams of calls that pass it.
    users: u32,
    name: Slot,
}

#[derive(Debug)]
enum What {
    Group { running: u32 },
    Bucket { bucket: Bucket, rate: u32, alarmed: bool },
}

#[derive(Debug)]
pub struct Gates {
    names: Index,
    gates: Slab<Gate>,
    rates: Vec<Rate>,
    alarms: Heap,
    alarm_places: Places,
    swept: u32,
}

impl Gates {
    pub const EMPTY: Self = Self {
        names: Index::EMPTY,
        gates: Slab::EMPTY,
        rates: Vec::new(),
        alarms: Heap::EMPTY,
        alarm_places: Places::EMPTY,
        swept: 0,
    };

    /// One more rate; they are numbered in this order.
    pub fn add_rate(&mut self, rate: Rate) {
        self.rates.push(rate);
    }

    /// The gate called `name` for one more user: of the rate, or with [`NONE`] of a group. Names of one kind must differ from those of the others.
    pub fn enter(&mut self, hash: KeyHash, name: &[u8], rate: u32, now: Instant) -> u32 {
        if let Some(slot) = self.names.find(hash, name) {
            let gate = self.names.payload(slot) as u32;
            self.gates[gate].users += 1;
            return gate;
        }
        for _ in 0..SWEPT {
            self.swept = if self.swept >= self.gates.places() { 0 } else { self.swept + 1 };
            self.sweep(self.swept, now);
        }
        let what = match rate {
            NONE => What::Group { running: 0 },
            rate => What::Bucket { bucket: Bucket::FULL, rate, alarmed: false },
        };
        let gate = self.gates.insert(Gate { what, line: Heap::EMPTY, users: 1, name: Slot(0) });
        self.gates[gate].name = self.names.insert(hash, name, gate.into()).expect("memory for a limit's name");
        gate
    }

    /// One user less.
    pub fn exit(&mut self, id: u32) {
        let gate = &mut self.gates[id];
        gate.users -= 1;
        if gate.users == 0 && matches!(gate.what, What::Group { .. }) {
            self.remove(id);
        }
    }

    #[must_use]
    pub fn get(&self, gate: u32) -> Option<&Gate> {
        self.gates.get(gate)
    }

    pub fn line_mut(&mut self, gate: u32) -> &mut Heap {
        &mut self.gates[gate].line
    }

    #[must_use]
    pub fn is_group(&self, gate: u32) -> bool {
        matches!(self.gates[gate].what, What::Group { .. })
    }

    /// Whether a call has to wait at it whose batch takes `limit` callbacks of a group.
    #[must_use]
    pub fn is_closed(&self, gate: u32, limit: u32, now: Instant) -> bool {
        match self.gates[gate].what {
            What::Group { running } => running >= limit,
            What::Bucket { bucket, rate, alarmed } => {
                let rate = self.rates[rate as usize];
                !rate.refuses && (alarmed || now < bucket.opens_at(rate))
            }
        }
    }

    /// From when on a call will not be refused that is refused now.
    #[must_use]
    pub fn refuses_until(&self, gate: u32, now: Instant) -> Option<Instant> {
        let What::Bucket { bucket, rate, .. } = self.gates[gate].what else { return None };
        let rate = self.rates[rate as usize];
        let until = bucket.opens_at(rate);
        (rate.refuses && now < until).then_some(until)
    }

    /// Takes a slot or a token.
    pub fn take(&mut self, gate: u32, now: Instant) {
        match &mut self.gates[gate].what {
            What::Group { running } => *running += 1,
            What::Bucket { bucket, rate, .. } => bucket.take(self.rates[*rate as usize], now),
        }
    }

    /// Gives a slot back; a token is gone.
    pub fn give_back(&mut self, gate: u32) {
        if let What::Group { running } = &mut self.gates[gate].what {
            *running -= 1;
        }
    }

    /// Whether a bucket is to tell of its next token; a group never does.
    pub fn set_alarm(&mut self, id: u32, wanted: bool) {
        let What::Bucket { bucket, rate, alarmed } = &mut self.gates[id].what else { return };
        if *alarmed == wanted {
            return;
        }
        *alarmed = wanted;
        if wanted {
            let rank = bucket.opens_at(self.rates[*rate as usize]).0;
            self.alarms.push(&mut self.alarm_places, Item { rank, order: u64::from(id), id });
        } else {
            self.alarms.remove(&mut self.alarm_places, id);
        }
    }

    /// When the next bucket with a line has a token.
    #[must_use]
    pub fn next_alarm(&self) -> Instant {
        self.alarms.first().map_or(Instant::NEVER, |alarm| Instant(alarm.rank))
    }

    /// A bucket that has a token again.
    pub fn ring(&mut self, now: Instant) -> Option<u32> {
        let alarm = self.alarms.first().filter(|alarm| alarm.rank <= now.0)?;
        self.alarms.remove(&mut self.alarm_places, alarm.id);
        if let What::Bucket { alarmed, .. } = &mut self.gates[alarm.id].what {
            *alarmed = false;
        }
        Some(alarm.id)
    }

    /// Drops a bucket that is full and not in use.
    fn sweep(&mut self, id: u32, now: Instant) {
        if let Some(&Gate { what: What::Bucket { bucket, .. }, users: 0, .. }) = self.gates.get(id)
            && bucket.is_full(now)
        {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: u32) {
        let gate = self.gates.remove(id);
        self.names.remove(gate.name);
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &Gate)> {
        self.gates.iter()
    }

    /// # Errors
    /// When names, alarms and gates disagree; `users` and `running` say how many there are of a gate.
    pub fn validate(&self, users: impl Fn(u32) -> usize, running: impl Fn(u32) -> usize) -> Validity {
        self.names.validate()?;
        self.gates.validate()?;
        self.alarms.validate(&self.alarm_places)?;
        check(self.names.len() == self.gates.len(), || {
            format!("gates: {} of {} have names", self.names.len(), self.gates.len())
        })?;
        let mut alarms = 0;
        for (id, gate) in self.gates.iter() {
            check(users(id) == gate.users as usize, || format!("gates: {id} has {} users", users(id)))?;
            match gate.what {
                What::Group { running: counted } => {
                    check(running(id) == counted as usize, || format!("gates: {} run of {id}, {counted} counted", running(id)))?;
                    check(gate.users > 0, || format!("gates: nobody uses {id}"))?;
                }
                What::Bucket { alarmed, .. } => {
                    alarms += usize::from(alarmed);
                    check(!alarmed || !gate.line.is_empty(), || format!("gates: {id} has an alarm for nobody"))?;
                }
            }
        }
        check(alarms == self.alarms.len(), || format!("gates: {} alarms, {alarms} known", self.alarms.len()))
    }
}
