//! The loads in flight: who leads each, who waits for it, and whether its result may still be stored.
//!
//! A key has at most one *joinable* flight: the shared one begun last, unless it is fenced. Flights of one key are chained from the
//! newest to the oldest, for those that do not share (`deduplication: false`) and those that were fenced and replaced. What begins a
//! newer truth about a key (an invalidation, a `set`, a newer load's result) fences the flights there are: their waiters are answered,
//! their results are not stored.
//!
//! In-flight keys have an index of their own: eviction never meets a waiter.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::error::{Validity, check};
use crate::hash::KeyHash;
use crate::ids::{BatchId, CallId, FlightId, NONE, Slot, TimerId, WaiterId};
use crate::index::Index;
use crate::slab::Slab;
use crate::time::{Instant, Millis};

/// What a key in flight points to.
#[derive(Clone, Copy, Debug)]
struct Chain {
    newest: FlightId,
    /// The flight that new requests join, or [`NONE`].
    joinable: u32,
}

impl Chain {
    fn of(word: u64) -> Self {
        Self { newest: FlightId((word >> 32) as u32), joinable: word as u32 }
    }

    fn to_word(self) -> u64 {
        u64::from(self.newest.0) << 32 | u64::from(self.joinable)
    }
}

/// What a flight is doing while it has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Led, and not yet handed to the scheduler: the tiers are being asked.
    Admitted,
    /// Waiting for a slot or running, as part of this call.
    Called(CallId),
    /// Between two tries.
    BackingOff(TimerId),
}

#[derive(Debug)]
pub struct Flight {
    pub stage: Stage,
    /// The batch whose request leads, and under whose limits the flight runs.
    pub batch: BatchId,
    /// The shortest TTL a waiter gave, if one did.
    pub ttl: Option<Millis>,
    /// The highest priority among the waiters there are.
    pub priority: i32,
    /// How often its callback was called.
    pub attempts: u32,
    /// When its callback was first called.
    pub started: Option<Instant>,
    /// Where its calls are queued: see `schedule`.
    pub stream: u32,
    /// Names for its entry, each once.
    pub tags: Vec<Box<[u8]>>,
    key: Slot,
    shared: bool,
    fenced: bool,
    first: u32,
    last: u32,
    newer: u32,
    older: u32,
}

impl Flight {
    /// Whether its result must not be stored.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    #[must_use]
    pub fn has_waiters(&self) -> bool {
        self.first != NONE
    }
}

/// One request that waits.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    pub flight: FlightId,
    pub batch: BatchId,
    /// The request's position in its batch.
    pub index: u32,
    /// Whether this request began the flight.
    pub leads: bool,
    priority: i32,
    in_flight: Links,
    in_batch: Links,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    before: u32,
    after: u32,
}

const UNLINKED: Links = Links { before: NONE, after: NONE };

/// What one request asks of the flight it waits for.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub index: u32,
    pub ttl: Option<Millis>,
    pub priority: i32,
}

/// The waiters of one batch.
#[derive(Debug)]
struct Party {
    first: u32,
    last: u32,
    waiting: u32,
}

#[derive(Debug)]
pub struct Flights {
    /// Of each, its [`Chain`].
    keys: Index,
    flights: Slab<Flight>,
    waiters: Slab<Waiter>,
    parties: Slab<Party>,
}

impl Flights {
    pub const EMPTY: Self = Self { keys: Index::EMPTY, flights: Slab::EMPTY, waiters: Slab::EMPTY, parties: Slab::EMPTY };

    pub fn open(&mut self) -> BatchId {
        BatchId(self.parties.insert(Party { first: NONE, last: NONE, waiting: 0 }))
    }

    /// Forgets a batch that nothing waits for any longer.
    pub fn close(&mut self, batch: BatchId) {
        let party = self.parties.remove(batch.0);
        debug_assert_eq!(party.waiting, 0, "a batch was closed while requests of it wait");
    }

    /// Requests of the batch that wait.
    #[must_use]
    pub fn waiting(&self, batch: BatchId) -> u32 {
        self.parties[batch.0].waiting
    }

    /// The place of `key`, if a flight for it has not ended.
    #[must_use]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Slot> {
        self.keys.find(hash, key)
    }

    /// The flight a new request for the key at `place` would join.
    #[must_use]
    pub fn joinable(&self, place: Slot) -> Option<FlightId> {
        let chain = self.chain(place);
        (chain.joinable != NONE).then_some(FlightId(chain.joinable))
    }

    /// Begins a flight for `key`, which is at `found` if it has a place; `shared` ones can be joined.
    pub fn begin(&mut self, hash: KeyHash, key: &[u8], found: Option<Slot>, batch: BatchId, shared: bool) -> FlightId {
        let older = found.map_or(NONE, |slot| self.chain(slot).newest.0);
        let flight = FlightId(self.flights.insert(Flight {
            stage: Stage::Admitted,
            batch,
            ttl: None,
            priority: i32::MIN,
            attempts: 0,
            started: None,
            stream: NONE,
            tags: Vec::new(),
            key: found.unwrap_or(Slot(NONE)),
            shared,
            fenced: false,
            first: NONE,
            last: NONE,
            newer: NONE,
            older,
        }));
        let joinable = if shared { flight.0 } else { NONE };
        if let Some(slot) = found {
            let before = self.chain(slot).joinable;
            self.set_chain(slot, Chain { newest: flight, joinable: if shared { flight.0 } else { before } });
            self.flights[older].newer = flight.0;
            return flight;
        }
        let chain = Chain { newest: flight, joinable };
        let key = self.keys.insert(hash, key, chain.to_word()).expect("memory for a key in flight");
        self.flights[flight.0].key = key;
        flight
    }

    /// Lets a request of `batch` wait for `flight`.
    pub fn wait(&mut self, flight: FlightId, batch: BatchId, wish: Wish) -> WaiterId {
        let Flight { first, last, .. } = self.flights[flight.0];
        let party_last = self.parties[batch.0].last;
        let waiter = self.waiters.insert(Waiter {
            flight,
            batch,
            index: wish.index,
            leads: first == NONE && self.flights[flight.0].batch == batch,
            priority: wish.priority,
            in_flight: Links { before: last, after: NONE },
            in_batch: Links { before: party_last, after: NONE },
        });
        if let Some(before) = self.waiters.get_mut(last) {
            before.in_flight.after = waiter;
        }
        if let Some(before) = self.waiters.get_mut(party_last) {
            before.in_batch.after = waiter;
        }
        let state = &mut self.flights[flight.0];
        state.last = waiter;
        if first == NONE {
            state.first = waiter;
        }
        state.priority = state.priority.max(wish.priority);
        state.ttl = match (state.ttl, wish.ttl) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let party = &mut self.parties[batch.0];
        party.last = waiter;
        if party.first == NONE {
            party.first = waiter;
        }
        party.waiting += 1;
        WaiterId(waiter)
    }

    /// Whether the request that came last to wait for the flight is one of `batch`.
    #[must_use]
    pub fn last_waiter_is_of(&self, flight: FlightId, batch: BatchId) -> bool {
        self.waiters.get(self.flights[flight.0].last).is_some_and(|waiter| waiter.batch == batch)
    }

    /// Takes the flight's first waiter off: to be answered.
    pub fn answer(&mut self, flight: FlightId) -> Option<Waiter> {
        self.take(self.flights[flight.0].first)
    }

    /// Takes the batch's first waiter off: it no longer wants to know. The flight's priority falls to that of the highest who stay.
    pub fn withdraw(&mut self, batch: BatchId) -> Option<Waiter> {
        let waiter = self.take(self.parties[batch.0].first)?;
        if waiter.priority == self.flights[waiter.flight.0].priority {
            self.flights[waiter.flight.0].priority = self.highest_priority(waiter.flight, waiter.priority);
        }
        Some(waiter)
    }

    /// What the batch waits for has at least this priority. Answers the flights that had a lower one.
    pub fn raise(&mut self, batch: BatchId, priority: i32) -> Vec<FlightId> {
        let mut raised = Vec::new();
        let mut at = self.parties[batch.0].first;
        while let Some(waiter) = self.waiters.get_mut(at) {
            waiter.priority = waiter.priority.max(priority);
            let flight = &mut self.flights[waiter.flight.0];
            if flight.priority < priority {
                flight.priority = priority;
                raised.push(waiter.flight);
            }
            at = waiter.in_batch.after;
        }
        raised
    }

    /// Ends a flight that has no waiters.
    pub fn end(&mut self, flight: FlightId) {
        let &Flight { key, newer, older, first, .. } = &self.flights[flight.0];
        self.flights.discard(flight.0);
        debug_assert_eq!(first, NONE, "a flight ended while requests wait for it");
        if let Some(neighbour) = self.flights.get_mut(newer) {
            neighbour.older = older;
        }
        if let Some(neighbour) = self.flights.get_mut(older) {
            neighbour.newer = newer;
        }
        if newer == NONE && older == NONE {
            self.keys.remove(key);
            return;
        }
        let mut chain = self.chain(key);
        if chain.newest == flight {
            chain.newest = FlightId(older);
        }
        if chain.joinable == flight.0 {
            chain.joinable = NONE;
        }
        self.set_chain(key, chain);
    }

    /// From now on no flight of `key` stores its result, and none is joined. Answers how many there were.
    pub fn fence(&mut self, hash: KeyHash, key: &[u8]) -> u32 {
        let Some(slot) = self.keys.find(hash, key) else { return 0 };
        self.join_no_longer(slot);
        self.fence_from(self.chain(slot).newest.0)
    }

    /// [`Flights::fence`] for every key in flight of which `chosen` is true, given a flight of it and its bytes.
    pub fn fence_where(&mut self, chosen: &dyn Fn(&Flight, &[u8]) -> bool) {
        let mut key = Vec::new();
        for slot in (0..self.keys.slots()).map(Slot) {
            if !self.keys.has(slot) {
                continue;
            }
            key.clear();
            self.keys.copy_key(slot, &mut key);
            let newest = self.chain(slot).newest.0;
            let mut at = newest;
            while let Some(flight) = self.flights.get(at) {
                if chosen(flight, &key) {
                    self.join_no_longer(slot);
                    self.fence_from(newest);
                    break;
                }
                at = flight.older;
            }
        }
    }

    /// A result of `flight` is about to be stored: flights that began before it must not overwrite it.
    pub fn fence_older(&mut self, flight: FlightId) {
        let Flight { older, key, .. } = self.flights[flight.0];
        self.fence_from(older);
        if self.flights.get(self.chain(key).joinable).is_some_and(Flight::is_fenced) {
            self.join_no_longer(key);
        }
    }

    #[must_use]
    pub fn get(&self, flight: FlightId) -> Option<&Flight> {
        self.flights.get(flight.0)
    }

    pub fn get_mut(&mut self, flight: FlightId) -> Option<&mut Flight> {
        self.flights.get_mut(flight.0)
    }

    #[must_use]
    pub fn hash(&self, flight: FlightId) -> KeyHash {
        self.keys.hash(self.flights[flight.0].key)
    }

    /// Appends the bytes of the flight's key to `out`.
    pub fn copy_key(&self, flight: FlightId, out: &mut Vec<u8>) {
        self.keys.copy_key(self.flights[flight.0].key, out);
    }

    /// The flights the batch waits for, in the order its requests began to wait.
    pub fn awaited_by(&self, batch: BatchId) -> impl Iterator<Item = FlightId> {
        let mut at = self.parties[batch.0].first;
        core::iter::from_fn(move || {
            let waiter = self.waiters.get(at)?;
            at = waiter.in_batch.after;
            Some(waiter.flight)
        })
    }

    /// Flights, waiters and batches there are.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        [self.flights.len(), self.waiters.len(), self.parties.len()]
    }

    /// # Errors
    /// When chains, waiters and counts disagree.
    pub fn validate(&self) -> Validity {
        self.keys.validate()?;
        self.flights.validate()?;
        self.waiters.validate()?;
        self.parties.validate()?;
        let mut chained = 0;
        for chain in self.keys.iter().map(|slot| self.chain(slot)) {
            let (mut at, mut newer) = (chain.newest.0, NONE);
            let mut joinable_seen = chain.joinable == NONE;
            while at != NONE {
                let Some(flight) = self.flights.get(at) else { return Err("flight: a chain ends nowhere".into()) };
                check(flight.newer == newer, || format!("flight: {at} has another newer neighbour"))?;
                if at == chain.joinable {
                    joinable_seen = true;
                    check(flight.shared && !flight.fenced, || format!("flight: {at} must not be joined"))?;
                }
                chained += 1;
                check(chained <= self.flights.len(), || "flight: a chain has a cycle".into())?;
                (newer, at) = (at, flight.older);
            }
            check(joinable_seen, || "flight: a joinable flight is not in its chain".into())?;
        }
        check(chained == self.flights.len(), || format!("flight: {chained} chained of {}", self.flights.len()))?;
        let mut waiting = 0;
        for (id, flight) in self.flights.iter() {
            let (mut at, mut before, mut priority) = (flight.first, NONE, i32::MIN);
            while let Some(waiter) = self.waiters.get(at) {
                check(waiter.flight.0 == id, || format!("flight: waiter {at} waits for another flight"))?;
                check(waiter.in_flight.before == before, || format!("flight: waiter {at} is linked wrongly"))?;
                priority = priority.max(waiter.priority);
                waiting += 1;
                check(waiting <= self.waiters.len(), || "flight: a list of waiters has a cycle".into())?;
                (before, at) = (at, waiter.in_flight.after);
            }
            check(flight.last == before, || format!("flight: the last waiter of {id} is not the last"))?;
            check(before == NONE || priority == flight.priority, || format!("flight: {id} has priority {priority}"))?;
        }
        check(waiting == self.waiters.len(), || format!("flight: {waiting} waiters of {}", self.waiters.len()))?;
        for (id, party) in self.parties.iter() {
            let counted = self.awaited_by(BatchId(id)).count();
            check(counted == party.waiting as usize, || format!("flight: batch {id} waits for {counted}"))?;
        }
        Ok(())
    }

    fn chain(&self, key: Slot) -> Chain {
        Chain::of(self.keys.payload(key))
    }

    fn set_chain(&mut self, key: Slot, chain: Chain) {
        self.keys.set_payload(key, chain.to_word());
    }

    fn join_no_longer(&mut self, key: Slot) {
        self.set_chain(key, Chain { joinable: NONE, ..self.chain(key) });
    }

    fn fence_from(&mut self, mut at: u32) -> u32 {
        let mut fenced = 0;
        while let Some(flight) = self.flights.get_mut(at) {
            if flight.fenced {
                // All that are older were fenced with it.
                break;
            }
            flight.fenced = true;
            at = flight.older;
            fenced += 1;
        }
        fenced
    }

    fn take(&mut self, id: u32) -> Option<Waiter> {
        let waiter = *self.waiters.get(id)?;
        self.waiters.discard(id);
        let Links { before, after } = waiter.in_flight;
        match self.waiters.get_mut(before) {
            Some(neighbour) => neighbour.in_flight.after = after,
            None => self.flights[waiter.flight.0].first = after,
        }
        match self.waiters.get_mut(after) {
            Some(neighbour) => neighbour.in_flight.before = before,
            None => self.flights[waiter.flight.0].last = before,
        }
        let Links { before, after } = waiter.in_batch;
        match self.waiters.get_mut(before) {
            Some(neighbour) => neighbour.in_batch.after = after,
            None => self.parties[waiter.batch.0].first = after,
        }
        match self.waiters.get_mut(after) {
            Some(neighbour) => neighbour.in_batch.before = before,
            None => self.parties[waiter.batch.0].last = before,
        }
        self.parties[waiter.batch.0].waiting -= 1;
        Some(Waiter { in_flight: UNLINKED, in_batch: UNLINKED, ..waiter })
    }

    /// The highest priority among the flight's waiters; stops at the first that reaches `ceiling`.
    fn highest_priority(&self, flight: FlightId, ceiling: i32) -> i32 {
        let mut highest = i32::MIN;
        let mut at = self.flights[flight.0].first;
        while let Some(waiter) = self.waiters.get(at) {
            highest = highest.max(waiter.priority);
            if highest == ceiling {
                break;
            }
            at = waiter.in_flight.after;
        }
        highest
    }
}
