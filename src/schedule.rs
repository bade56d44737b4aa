//! What may start now: each batch has a lane with a limit, and calls wait in it by priority.
//!
//! A call's rank is the number of calls its lane had started when it was queued, less [`AGEING`] for each step of priority; the lowest
//! rank starts first, first come first among equals. So calls queued together start strictly by priority, and a low one is overtaken
//! only by those that come while the next `AGEING` × (difference in priority) calls start: none waits for ever.
//!
//! A call whose callback waits for the processor itself (a nested batch) is *suspended*: its slot serves others meanwhile, and before
//! it hears its answer it takes a slot again, ahead of all that is queued. So nested calls never deadlock on a limit, and no more callbacks
//! than the limit are running and not waiting.

use alloc::collections::{BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::error::{Validity, check};
use crate::ids::{BatchId, CallId, FlightId, TimerId};
use crate::slab::Slab;
use crate::time::{Instant, Millis};

/// Calls that may start before one waiting gains a step of priority.
pub const AGEING: i64 = 100;
/// Stale entries a queue may carry beside as many valid ones.
const STALE_MIN: usize = 64;

/// The flights that one callback answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    One(FlightId),
    Group(Vec<FlightId>),
}

impl Members {
    #[must_use]
    pub fn as_slice(&self) -> &[FlightId] {
        match self {
            Self::One(flight) => core::slice::from_ref(flight),
            Self::Group(flights) => flights,
        }
    }

    /// Whether a member was there and others are left.
    fn remove(&mut self, flight: FlightId) -> Left {
        match self {
            Self::One(only) if *only == flight => {
                *self = Self::Group(Vec::new());
                Left::Nobody
            }
            Self::One(_) => Left::Others,
            Self::Group(flights) => {
                // Most are answered in their order, so it is one of the first.
                if let Some(at) = flights.iter().position(|&member| member == flight) {
                    flights.remove(at);
                }
                if flights.is_empty() { Left::Nobody } else { Left::Others }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Others,
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    /// In a slot. Without members it is abandoned: nobody wants its answer, it holds its slot until it ends or its deadline passes.
    Running,
    /// Waiting for `nested` batches of its own; holds no slot.
    Suspended {
        nested: u32,
    },
    /// Its nested batches are answered; waits for a slot to hear of it.
    Resuming,
}

#[derive(Debug)]
pub struct Call {
    pub batch: BatchId,
    pub members: Members,
    /// Whether it was made as a group fetch; with one member left it still is.
    pub group: bool,
    pub state: State,
    pub deadline: Option<TimerId>,
    /// The nested batch whose answer waits until this call has a slot again.
    pub held: Option<BatchId>,
    started: Instant,
    /// The lane's clock when it was queued.
    queued_at: i64,
    order: u64,
    /// Which of its entries in the queue is valid: the last one made.
    entry: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Queued {
    rank: i64,
    order: u64,
    call: CallId,
    entry: u32,
}

#[derive(Debug)]
struct Lane {
    limit: u32,
    /// Slots in use.
    running: u32,
    queue: BinaryHeap<Reverse<Queued>>,
    /// Calls in `queue` that are still to start; the rest of its entries are stale.
    queued: usize,
    resuming: VecDeque<CallId>,
    /// Calls of this lane there are, in whatever state.
    calls: usize,
    /// Calls started so far.
    clock: i64,
    /// Slot time spent so far, of calls that have ended.
    busy: Millis,
}

#[derive(Debug, Default)]
pub struct Schedule {
    calls: Slab<Call>,
    lanes: Vec<Option<Lane>>,
    order: u64,
}

impl Schedule {
    /// Opens the batch's lane for `limit` calls at once.
    pub fn open(&mut self, batch: BatchId, limit: u32) {
        if self.lanes.len() <= batch.at() {
            self.lanes.resize_with(batch.at() + 1, || None);
        }
        self.lanes[batch.at()] = Some(Lane {
            limit,
            running: 0,
            queue: BinaryHeap::new(),
            queued: 0,
            resuming: VecDeque::new(),
            calls: 0,
            clock: 0,
            busy: Millis::ZERO,
        });
    }

    /// Closes an idle lane.
    pub fn close(&mut self, batch: BatchId) {
        let lane = self.lanes[batch.at()].take();
        debug_assert!(lane.is_some_and(|lane| lane.calls == 0), "a lane was closed that has calls");
    }

    /// Whether the lane has no calls.
    #[must_use]
    pub fn is_idle(&self, batch: BatchId) -> bool {
        self.lane(batch).calls == 0
    }

    /// Slot time of the lane's calls, those that run counted up to `now`.
    #[must_use]
    pub fn busy(&self, batch: BatchId, now: Instant) -> Millis {
        let lane = self.lane(batch);
        if lane.running == 0 {
            return lane.busy;
        }
        let running = self.calls.iter().filter(|(_, call)| call.batch == batch && call.state == State::Running);
        Millis(lane.busy.0 + running.map(|(_, call)| now.since(call.started).0).sum::<f64>())
    }

    pub fn enqueue(&mut self, batch: BatchId, members: Members, group: bool, priority: i32) -> CallId {
        let lane = lane_mut(&mut self.lanes, batch);
        self.order += 1;
        let call = Call {
            batch,
            members,
            group,
            state: State::Queued,
            deadline: None,
            held: None,
            started: Instant(0.0),
            queued_at: lane.clock,
            order: self.order,
            entry: 0,
        };
        let rank = rank(lane.clock, priority);
        let place = self.calls.insert(call);
        let id = CallId { place, generation: self.calls.generation(place) };
        lane.queue.push(Reverse(Queued { rank, order: self.order, call: id, entry: 0 }));
        lane.queued += 1;
        lane.calls += 1;
        id
    }

    /// The priority of a call has changed to `priority`; one that has started does not mind.
    pub fn reprioritize(&mut self, id: CallId, priority: i32) {
        let call = &mut self.calls[id.place];
        if call.state != State::Queued {
            return;
        }
        call.entry += 1;
        let (batch, rank, order, entry) = (call.batch, rank(call.queued_at, priority), call.order, call.entry);
        lane_mut(&mut self.lanes, batch).queue.push(Reverse(Queued { rank, order, call: id, entry }));
        self.drop_stale(batch);
    }

    /// Gives the lane's next free slot away: to a call that resumes, else to the first in the queue.
    pub fn next(&mut self, batch: BatchId, now: Instant) -> Option<Turn> {
        let lane = lane_mut(&mut self.lanes, batch);
        if lane.running >= lane.limit {
            return None;
        }
        if let Some(id) = lane.resuming.pop_front() {
            lane.running += 1;
            let call = &mut self.calls[id.place];
            call.state = State::Running;
            call.started = now;
            return Some(Turn::Resume(id));
        }
        while let Some(Reverse(entry)) = lane.queue.pop() {
            let id = entry.call;
            if self.calls.generation(id.place) != id.generation {
                continue;
            }
            let Some(call) = self.calls.get_mut(id.place) else { continue };
            if call.state != State::Queued || call.entry != entry.entry {
                continue;
            }
            call.state = State::Running;
            call.started = now;
            lane.running += 1;
            lane.queued -= 1;
            lane.clock += 1;
            self.drop_stale(batch);
            return Some(Turn::Start(id));
        }
        None
    }

    /// The call waits for a nested batch: the slot it may hold is free for others.
    pub fn suspend(&mut self, id: CallId, now: Instant) {
        let call = &mut self.calls[id.place];
        match &mut call.state {
            State::Running => {
                call.state = State::Suspended { nested: 1 };
                let lane = lane_mut(&mut self.lanes, call.batch);
                lane.running -= 1;
                lane.busy.0 += now.since(call.started).0;
            }
            State::Suspended { nested } => *nested += 1,
            State::Resuming => {
                call.state = State::Suspended { nested: 1 };
                lane_mut(&mut self.lanes, call.batch).resuming.retain(|&other| other != id);
            }
            State::Queued => unreachable!("a queued call cannot wait"),
        }
    }

    /// One of the nested batches that the call waits for is answered.
    pub fn resume(&mut self, id: CallId) {
        let call = &mut self.calls[id.place];
        if let State::Suspended { nested } = &mut call.state {
            *nested -= 1;
            if *nested == 0 {
                call.state = State::Resuming;
                lane_mut(&mut self.lanes, call.batch).resuming.push_back(id);
            }
        }
    }

    /// Takes `flight` out of the call.
    pub fn leave(&mut self, id: CallId, flight: FlightId) -> Left {
        self.calls[id.place].members.remove(flight)
    }

    /// Ends a call in whatever state, and frees the slot it holds.
    pub fn end(&mut self, id: CallId, now: Instant) -> Call {
        let call = self.calls.remove(id.place);
        let lane = lane_mut(&mut self.lanes, call.batch);
        lane.calls -= 1;
        match call.state {
            State::Queued => {
                lane.queued -= 1;
                self.drop_stale(call.batch);
            }
            State::Running => {
                lane.running -= 1;
                lane.busy.0 += now.since(call.started).0;
            }
            State::Suspended { .. } => {}
            State::Resuming => lane.resuming.retain(|&other| other != id),
        }
        call
    }

    /// The call, unless it has ended.
    #[must_use]
    pub fn get(&self, id: CallId) -> Option<&Call> {
        if self.calls.generation(id.place) == id.generation { self.calls.get(id.place) } else { None }
    }

    pub fn get_mut(&mut self, id: CallId) -> Option<&mut Call> {
        if self.calls.generation(id.place) == id.generation { self.calls.get_mut(id.place) } else { None }
    }

    /// Calls there are, and those of them in a slot.
    #[must_use]
    pub fn counts(&self) -> [usize; 2] {
        [self.calls.len(), self.lanes.iter().flatten().map(|lane| lane.running as usize).sum()]
    }

    /// # Errors
    /// When lanes, queues and calls disagree, or a limit is exceeded.
    pub fn validate(&self) -> Validity {
        self.calls.validate()?;
        for (batch, lane) in self.lanes.iter().enumerate() {
            let Some(lane) = lane else { continue };
            let of = |state: fn(&State) -> bool| {
                self.calls.iter().filter(|(_, call)| call.batch.at() == batch && state(&call.state)).count()
            };
            check(lane.running <= lane.limit, || format!("schedule: {} run in lane {batch}", lane.running))?;
            let running = of(|state| *state == State::Running);
            check(running == lane.running as usize, || format!("schedule: {running} run in lane {batch}, not counted so"))?;
            let queued = of(|state| *state == State::Queued);
            check(queued == lane.queued, || format!("schedule: {queued} queued in lane {batch}, {} counted", lane.queued))?;
            let resuming = of(|state| *state == State::Resuming);
            check(resuming == lane.resuming.len(), || format!("schedule: {resuming} resume in lane {batch}"))?;
            let all = of(|_| true);
            check(all == lane.calls, || format!("schedule: {all} calls in lane {batch}, {} counted", lane.calls))?;
            let findable = lane.queue.iter().filter(|Reverse(entry)| self.is_valid(entry)).count();
            check(findable == queued, || format!("schedule: {findable} of {queued} can be found in lane {batch}"))?;
            let bound = queued * 2 + STALE_MIN;
            check(lane.queue.len() <= bound, || format!("schedule: lane {batch} carries {} entries", lane.queue.len()))?;
        }
        Ok(())
    }

    fn is_valid(&self, entry: &Queued) -> bool {
        self.get(entry.call).is_some_and(|call| call.state == State::Queued && call.entry == entry.entry)
    }

    /// Rebuilds the lane's queue when most of it is stale.
    fn drop_stale(&mut self, batch: BatchId) {
        let lane = lane_mut(&mut self.lanes, batch);
        if lane.queue.len() > lane.queued * 2 + STALE_MIN {
            let mut queue = core::mem::take(&mut lane.queue);
            queue.retain(|Reverse(entry)| self.is_valid(entry));
            lane_mut(&mut self.lanes, batch).queue = queue;
        }
    }

    fn lane(&self, batch: BatchId) -> &Lane {
        self.lanes[batch.at()].as_ref().expect("the batch has no lane")
    }
}

/// Who got a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Start(CallId),
    Resume(CallId),
}

fn rank(queued_at: i64, priority: i32) -> i64 {
    queued_at - i64::from(priority) * AGEING
}

fn lane_mut(lanes: &mut [Option<Lane>], batch: BatchId) -> &mut Lane {
    lanes[batch.at()].as_mut().expect("the batch has no lane")
}
