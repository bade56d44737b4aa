//! From a batch's keys to flights: look up, join or lead, group, queue.

use super::{Batch, Due, Effect, Engine, Miss, OVERLOADED};
use crate::flight::{Stage, Wish};
use crate::hash::KeyHash;
use crate::ids::{BatchId, CallId, FlightId, NONE, Slot};
use crate::retry::RetryTerms;
use crate::schedule::{Members, State};
use crate::store::Lookup;
use crate::time::{Instant, Millis};
use alloc::vec::Vec;

/// In a look-up's answer: not resident.
pub const MISS: u32 = u32::MAX;
/// Set beside the slot in a look-up's answer: expired, but within what the caller takes stale.
pub const STALE: u32 = 1 << 31;
/// Set beside the slot: valid, and the caller is to refresh it.
pub const EARLY: u32 = 1 << 30;
/// Set beside the slot: what is there is a failure.
pub const FAILURE: u32 = 1 << 29;
/// The slot in a look-up's answer.
const SLOT: u32 = FAILURE - 1;

/// Keys that are looked up together: what finding them reads is read first, as then none has to wait for what another reads.
const TOGETHER: usize = 32;

/// How the loads that a batch leads are carried out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Most callbacks at once.
    pub limit: u32,
    /// Most callbacks of one group at once, those of other batches counted that have such a limit.
    pub limit_per_group: u32,
    /// Deadline of one call.
    pub fetch_timeout: Millis,
    /// Deadline of the batch.
    pub timeout: Millis,
    pub retry: RetryTerms,
    /// The running call that waits for this batch.
    pub parent: Option<CallId>,
    /// How long ago an entry may have expired to be served when its load fails.
    pub stale_if_error: Millis,
    /// Longest that a call may wait for its slot.
    pub queue_timeout: Millis,
    /// Running loads that nobody waits for any longer are finished and stored, not aborted.
    pub finish_orphans: bool,
}

/// What the missed requests ask for, by their position among the misses.
#[derive(Clone, Copy, Debug)]
pub enum Wishes<'a> {
    /// Default TTL and priority 0, all of them.
    Default,
    /// A TTL each (`NaN`: the default), and a priority each.
    Each { ttls: &'a [f64], priorities: &'a [i32] },
}

/// What became of a missed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    pub flight: FlightId,
    pub how: How,
}

#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It leads a new flight.
    Led = 0,
    /// It waits for a flight that another batch began.
    Joined = 1,
    /// It waits for a flight that an earlier request of its own batch waits for.
    Deduplicated = 2,
    /// It would wait for itself; [`Effect::Cycle`] says by way of whom.
    Circular = 3,
}

/// How flights are put into groups.
#[derive(Clone, Copy, Debug)]
pub enum Grouping<'a> {
    None,
    /// By the key's first two `:`-parts.
    Prefix,
    /// As the caller says, by position, numbered from 0 without gaps; [`NONE`] for none.
    Given(&'a [u32]),
}

impl Engine {
    /// Looks all keys up. `keys` holds them one after another; `words` has the length of each in bytes and gets the answers: a slot, a slot
    /// with [`STALE`], [`EARLY`] or [`FAILURE`] set, or [`MISS`]. Answers how many missed; those are remembered until [`Engine::admit`] or the next look-up.
    pub fn lookup(&mut self, keys: &[u8], words: &mut [u32], stale: Millis, now: Instant) -> usize {
        self.store.keep_stale(stale);
        self.forget_misses();
        let count = words.len();
        let (mut index, mut hashed, mut start) = (0, 0, 0);
        for words in words.chunks_mut(TOGETHER) {
            let mut hashes = [KeyHash(0); TOGETHER];
            for (hash, &len) in hashes.iter_mut().zip(&*words) {
                *hash = self.hasher.hash(&keys[hashed..hashed + len as usize]);
                hashed += len as usize;
            }
            let touched = hashes[..words.len()].iter().fold(0, |touched, &hash| touched ^ self.store.touch(hash));
            core::hint::black_box(touched);
            for (word, &hash) in words.iter_mut().zip(&hashes) {
                let len = *word as usize;
                let key = &keys[start..start + len];
                *word = match self.store.lookup(hash, key, now, stale, &mut self.random) {
                    Lookup::Hit(slot) => slot.0,
                    Lookup::Early(slot) => slot.0 | EARLY,
                    Lookup::Failure(slot) => slot.0 | FAILURE,
                    Lookup::Stale(slot) => slot.0 | STALE,
                    Lookup::Miss => {
                        self.misses.push(Miss { index, hash, start, len });
                        MISS
                    }
                };
                index += 1;
                start += len;
            }
            for (&word, hash) in words.iter().zip(hashes) {
                if word != MISS {
                    self.store.used(Slot(word & SLOT), hash);
                }
            }
        }
        self.stats.requested += count as u64;
        self.stats.hits += (count - self.misses.len()) as u64;
        self.misses.len()
    }

    /// Takes all keys as missed, for batches that must not be answered from memory.
    pub fn miss_all(&mut self, keys: &[u8], lens: &[u32]) -> usize {
        self.forget_misses();
        let mut start = 0;
        for (index, &len) in lens.iter().enumerate() {
            let len = len as usize;
            let hash = self.hasher.hash(&keys[start..start + len]);
            self.misses.push(Miss { index: index as u32, hash, start, len });
            start += len;
        }
        self.stats.requested += lens.len() as u64;
        self.misses.len()
    }

    /// What a look-up missed and no admission followed up was all that was wanted of it.
    fn forget_misses(&mut self) {
        self.stats.missed += self.misses.len() as u64;
        self.misses.clear();
    }

    /// Opens a batch for requests that missed.
    pub fn open(&mut self, terms: Terms, now: Instant) -> BatchId {
        self.store.keep_stale(terms.stale_if_error);
        let batch = self.flights.open();
        self.schedule.open(batch, terms.limit, terms.limit_per_group);
        let deadline = if terms.timeout < Millis::FOREVER {
            Some(self.deadlines.set(now.plus(terms.timeout), Due::Batch(batch)))
        } else {
            None
        };
        if self.batches.len() <= batch.at() {
            self.batches.resize_with(batch.at() + 1, || None);
        }
        self.batches[batch.at()] = Some(Batch { terms, deadline, sealed: false, answered: false, announced: false, led: 0 });
        if let Some(parent) = terms.parent
            && self.schedule.get(parent).is_some()
        {
            self.nested.push((batch, parent));
            self.suspend(parent, now);
        }
        batch
    }

    /// Lets the requests that missed in the look-up just done wait in `batch`, their positions counted from `base`. With `share`, they join
    /// flights that can be joined, and theirs can be. Answers what became of each.
    pub fn admit(&mut self, batch: BatchId, keys: &[u8], base: u32, wishes: Wishes, share: bool) -> &[Admission] {
        self.admissions.clear();
        let misses = core::mem::take(&mut self.misses);
        let parent = self.batch(batch).terms.parent;
        let inherited = parent.map_or(i32::MIN, |parent| self.priority_of(parent));
        for (position, miss) in misses.iter().enumerate() {
            let key = &keys[miss.start..miss.start + miss.len];
            let (ttl, priority) = match wishes {
                Wishes::Default => (None, 0),
                Wishes::Each { ttls, priorities } => {
                    let ttl = ttls[position];
                    ((!ttl.is_nan()).then_some(Millis(ttl)), priorities[position])
                }
            };
            let wish = Wish { index: base + miss.index, ttl, priority: priority.max(inherited) };
            let place = self.flights.find(miss.hash, key);
            let joinable = place.filter(|_| share).and_then(|place| self.flights.joinable(place));
            let admission = match joinable {
                Some(flight) if self.reject_cycle(flight, parent, batch, wish.index) => {
                    self.stats.joined += 1;
                    Admission { flight, how: How::Circular }
                }
                Some(flight) => self.join(flight, batch, wish),
                None => {
                    let flight = self.flights.begin(miss.hash, key, place, batch, share);
                    self.flights.wait(flight, batch, wish);
                    self.batch_mut(batch).led += 1;
                    self.stats.led += 1;
                    Admission { flight, how: How::Led }
                }
            };
            self.admissions.push(admission);
        }
        self.misses = misses;
        self.misses.clear();
        &self.admissions
    }

    fn join(&mut self, flight: FlightId, batch: BatchId, wish: Wish) -> Admission {
        let before = self.flights.get(flight).expect("a joinable flight is there");
        let (priority, stage) = (before.priority, before.stage);
        let how = if self.flights.last_waiter_is_of(flight, batch) { How::Deduplicated } else { How::Joined };
        self.flights.wait(flight, batch, wish);
        if wish.priority > priority
            && let Stage::Called(call) = stage
        {
            self.reprioritize(call);
        }
        match how {
            How::Deduplicated => self.stats.deduplicated += 1,
            _ => self.stats.joined += 1,
        }
        Admission { flight, how }
    }

    /// What became of each miss in the last [`Engine::admit`].
    #[must_use]
    pub fn admissions(&self) -> &[Admission] {
        &self.admissions
    }

    /// All requests of the batch are admitted: with the last answer it is done.
    pub fn seal(&mut self, batch: BatchId, now: Instant) {
        self.batch_mut(batch).sealed = true;
        if self.flights.waiting(batch) == 0 && !self.batch(batch).answered {
            self.after_answer(batch, now);
        }
        // Those that were joined may be first now.
        self.start_next(now);
    }

    /// The gate of this name: of the rate of that number, or with [`NONE`] of a group. One that was asked for is to be given to
    /// [`Engine::limit`].
    pub fn gate(&mut self, rate: u32, name: &[u8], now: Instant) -> u32 {
        self.key.clear();
        self.key.extend_from_slice(&rate.to_le_bytes());
        self.key.extend_from_slice(name);
        self.schedule.gates.enter(self.hasher.hash(&self.key), &self.key, rate, now)
    }

    /// What is called for these flights of the batch passes these gates.
    pub fn limit(&mut self, batch: BatchId, gates: &[u32], flights: &[u32]) {
        let stream = self.schedule.open_stream(batch, gates.to_vec());
        for &flight in flights {
            if let Some(flight) = self.flights.get_mut(FlightId(flight)) {
                flight.stream = stream;
            }
        }
    }

    /// Hands flights that the batch leads to its lane, and starts what may start. Flights of one group share a call, up to
    /// `group_size_max` of them; 0 says that there is no group callback. Answers how many groups there were.
    pub fn queue(
        &mut self,
        batch: BatchId,
        flights: &[FlightId],
        grouping: Grouping,
        group_size_max: usize,
        now: Instant,
    ) -> u32 {
        let (numbers, count) = self.number_groups(flights, grouping);
        let mut groups: Vec<Vec<FlightId>> = vec![Vec::new(); if group_size_max == 0 { 0 } else { count as usize }];
        // In the order in which each group, or what stands alone, comes first.
        let mut order = Vec::new();
        for (&flight, &number) in flights.iter().zip(&numbers) {
            match groups.get_mut(number as usize) {
                Some(group) => {
                    if group.is_empty() {
                        order.push(Err(number as usize));
                    }
                    group.push(flight);
                }
                None => order.push(Ok(flight)),
            }
        }
        for next in order {
            let group = match next {
                Ok(flight) => {
                    self.enqueue(batch, Members::One(flight), false, now);
                    continue;
                }
                Err(number) => &groups[number],
            };
            for chunk in group.chunks(self.batch_size.of(group_size_max)) {
                match *chunk {
                    // A group of one is fetched by its own callback.
                    [flight] => self.enqueue(batch, Members::One(flight), false, now),
                    _ => self.enqueue(batch, Members::group(chunk), true, now),
                }
            }
        }
        self.start(batch, now);
        for &flight in flights.iter().rev() {
            if self.schedule.queued() as f64 <= self.config.max_queue {
                break;
            }
            self.overload(flight);
        }
        self.start_next(now);
        count
    }

    /// Too many wait: unless the flight's call has been started, it is not to wait.
    fn overload(&mut self, flight: FlightId) {
        if let Some(Stage::Called(call)) = self.flights.get(flight).map(|flight| flight.stage)
            && self.schedule.get(call).is_some_and(|call| call.state == State::Queued)
        {
            self.schedule.refuse(call);
            self.report_refusal(call, OVERLOADED);
        }
    }

    /// Hands a flight that its group's callback left out to its own callback.
    pub fn fall_back(&mut self, call: CallId, flight: FlightId, now: Instant) {
        if !self.is_member(call, flight) {
            return;
        }
        let batch = self.flights.get(flight).expect("a member is there").batch;
        if self.flights.get(flight).is_some_and(crate::flight::Flight::has_waiters) {
            self.enqueue(batch, Members::One(flight), false, now);
            self.leave_call(call, flight, now);
        } else {
            self.leave_call(call, flight, now);
            self.drop_flight(flight);
        }
        self.start(batch, now);
    }

    pub(super) fn enqueue(&mut self, batch: BatchId, members: Members, group: bool, now: Instant) {
        let of = |flight: &FlightId| self.flights.get(*flight).map(|flight| flight.priority);
        let priority = members.as_slice().iter().filter_map(of).max().unwrap_or_default();
        let waiting = members.clone();
        // What a group's call waits for is what its first key waits for.
        let stream = waiting.iter().next().and_then(|first| self.flights.get(first)).map_or(NONE, |first| first.stream);
        let call = self.schedule.enqueue(batch, stream, members, group, priority);
        let queue_timeout = self.batch(batch).terms.queue_timeout;
        if queue_timeout < Millis::FOREVER {
            let deadline = self.deadlines.set(now.plus(queue_timeout), Due::Call(call));
            self.schedule.get_mut(call).expect("just queued").deadline = Some(deadline);
        }
        for &flight in waiting.as_slice() {
            if let Some(flight) = self.flights.get_mut(flight) {
                flight.stage = Stage::Called(call);
            }
        }
    }

    /// The number of each flight's group, [`NONE`] for none, and how many groups there are.
    fn number_groups(&mut self, flights: &[FlightId], grouping: Grouping) -> (Vec<u32>, u32) {
        match grouping {
            Grouping::None => (vec![NONE; flights.len()], 0),
            Grouping::Given(numbers) => {
                let count = numbers.iter().filter(|&&number| number != NONE).max().map_or(0, |last| last + 1);
                (numbers.to_vec(), count)
            }
            Grouping::Prefix => {
                let numbers = flights.iter().map(|&flight| self.number_by_prefix(flight)).collect();
                let count = self.groups.len() as u32;
                self.groups.clear();
                (numbers, count)
            }
        }
    }

    /// The number of the flight's prefix among those of its batch.
    fn number_by_prefix(&mut self, flight: FlightId) -> u32 {
        self.key.clear();
        self.flights.copy_key(flight, &mut self.key);
        let prefix = group_prefix(&self.key);
        let hash = self.hasher.hash(prefix);
        if let Some(slot) = self.groups.find(hash, prefix) {
            return self.groups.payload(slot) as u32;
        }
        let number = self.groups.len() as u32;
        // Without memory for the name, the flight stands alone.
        self.groups.insert(hash, prefix, number.into()).map_or(NONE, |_| number)
    }

    fn suspend(&mut self, call: CallId, now: Instant) {
        self.schedule.suspend(call, now);
        let state = self.schedule.get_mut(call).expect("the parent is there");
        let (lane, held) = (state.batch, state.held.take());
        if let Some(nested) = held {
            // It asks for more while an earlier answer waits for a slot: it cannot be left waiting for both.
            self.announce(nested, now);
        }
        self.start(lane, now);
    }

    /// Whether a request of a batch that `parent` waits for would, by waiting for `flight`, wait for itself. If so, says by way of whom.
    fn reject_cycle(&mut self, flight: FlightId, parent: Option<CallId>, batch: BatchId, index: u32) -> bool {
        let Some(parent) = parent else { return false };
        let mut path = vec![flight];
        if !self.leads_to(parent, &mut path, &mut vec![flight]) {
            return false;
        }
        // The whole circle: the last on the path is a flight that `parent` answers, so it waits for the first.
        let circle = path.iter().chain(path.first());
        self.effects.push(Effect::Cycle { batch: batch.0, index, members: path.len() as u32 + 1 });
        self.effects.extend(circle.map(|flight| Effect::Member { flight: flight.0 }));
        true
    }

    /// Follows what the last flight of `path` waits for until one is met that `call` answers.
    fn leads_to(&self, call: CallId, path: &mut Vec<FlightId>, seen: &mut Vec<FlightId>) -> bool {
        let flight = *path.last().expect("a path begins somewhere");
        let Some(Stage::Called(by)) = self.flights.get(flight).map(|flight| flight.stage) else { return false };
        if by == call {
            return true;
        }
        for &(nested, _) in self.nested.iter().filter(|&&(_, parent)| parent == by) {
            for awaited in self.flights.awaited_by(nested) {
                if seen.contains(&awaited) {
                    continue;
                }
                seen.push(awaited);
                path.push(awaited);
                if self.leads_to(call, path, seen) {
                    return true;
                }
                path.pop();
            }
        }
        false
    }
}

/// The key's first two `:`-parts, or all of it if it has no more.
pub(super) fn group_prefix(key: &[u8]) -> &[u8] {
    let mut colons = key.iter().enumerate().filter(|&(_, &byte)| byte == b':');
    match colons.nth(1) {
        Some((second, _)) => &key[..second],
        None => key,
    }
}
