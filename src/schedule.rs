//! What may start now: calls wait by priority for a slot of their batch, of their group and of the processor, and for tokens.
//!
//! The calls of a batch that have the same limits are a *stream*, and wait in it by rank: the number of calls the batch's lane had started when
//! the call was queued, less [`AGEING`] for each step of priority; the lowest rank starts first, first come first among equals. So calls
//! queued together start strictly by priority, and a low one is overtaken only by those that come while the next `AGEING` × (difference
//! in priority) calls start: none waits for ever.
//!
//! A stream waits in a *line* of those that wait for the same: see `lines`.
//!
//! A call whose callback waits for the processor itself (a nested batch) is *suspended*: its slots serve others meanwhile, and before
//! it hears its answer it takes them again, ahead of all that is queued. So nested calls never deadlock on a limit, and no more callbacks
//! than the limit are running and not waiting.

use alloc::vec::Vec;

mod lines;

use self::lines::{Line, rank};
use crate::adaptive::concurrency::Ending;
use crate::error::{Validity, check};
use crate::gates::Gates;
use crate::heap::{Heap, Item, Places};
use crate::ids::{BatchId, CallId, FlightId, NONE, TimerId};
use crate::slab::Slab;
use crate::time::{Instant, Millis};

/// Calls that may start before one waiting gains a step of priority.
pub const AGEING: f64 = 100.0;
/// As a limit: none.
pub const UNLIMITED: u32 = u32::MAX;

/// The flights that one callback answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    One(FlightId),
    /// The last first: most are answered in their order, and so taken off the end.
    Group(Vec<FlightId>),
}

impl Members {
    #[must_use]
    pub fn group(flights: &[FlightId]) -> Self {
        Self::Group(flights.iter().rev().copied().collect())
    }

    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = FlightId> {
        self.as_slice().iter().rev().copied()
    }

    /// The last first.
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
                if let Some(at) = flights.iter().rposition(|&member| member == flight) {
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
    /// Its nested batches are answered; waits for its slots to hear of it, as this stream.
    Resuming {
        stream: u32,
    },
    /// It will not be started.
    Refused,
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
    /// How it has ended for its source, as far as is known; nothing, if it has waited for other calls.
    pub ending: Option<Ending>,
    /// Members it was made with.
    pub keys: u32,
    /// When it had its slots last.
    pub started: Instant,
    pub priority: i32,
    stream: u32,
    /// The lane's clock when it was queued.
    queued_at: f64,
    order: u64,
}

/// What is left of a call.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub batch: BatchId,
    pub group: bool,
    pub deadline: Option<TimerId>,
    pub held: Option<BatchId>,
    /// As in [`Call`]; nothing for one that was not started.
    pub ending: Option<Ending>,
    pub keys: u32,
    pub started: Instant,
}

impl Call {
    /// Whether its callback was, or is to be, called.
    #[must_use]
    pub fn has_started(&self) -> bool {
        !matches!(self.state, State::Queued | State::Refused)
    }
}

/// Calls of one batch that have the same limits; or one call alone that resumes.
#[derive(Debug)]
struct Stream {
    batch: BatchId,
    gates: Vec<u32>,
    /// By rank.
    calls: Heap,
    resumes: Option<CallId>,
    /// Starts of the processor when it had its last turn, or had calls again.
    turn: f64,
    /// Where it waits, if it has a call.
    line: Option<Line>,
    /// The gate for whose line it waits at the processor, or [`NONE`].
    envoy_of: u32,
}

#[derive(Debug)]
struct Lane {
    limit: u32,
    limit_per_group: u32,
    /// Slots in use.
    running: u32,
    line: Heap,
    /// Calls that are still to start.
    queued: usize,
    /// Calls of this lane there are, in whatever state.
    calls: usize,
    /// Calls started so far.
    clock: f64,
    /// Starts of the processor when it had its last turn, or had calls again.
    turn: f64,
    /// Slot time spent so far, of calls that have ended.
    busy: Millis,
    /// The stream of calls without further limits, and all others.
    plain: u32,
    streams: Vec<u32>,
    /// The stream that waits at the processor, or [`NONE`].
    envoy: u32,
}

#[derive(Debug)]
pub struct Schedule {
    pub gates: Gates,
    calls: Slab<Call>,
    call_places: Places,
    streams: Slab<Stream>,
    stream_places: Places,
    lanes: Vec<Option<Lane>>,
    /// Most callbacks at once.
    limit: u32,
    /// Until then, nothing is started.
    pause_ends: Option<Instant>,
    running: u32,
    line: Heap,
    queued: usize,
    starts: f64,
    order: u64,
    /// Lines to be looked through.
    opened: Vec<Line>,
}

impl Schedule {
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            gates: Gates::EMPTY,
            calls: Slab::EMPTY,
            call_places: Places::EMPTY,
            streams: Slab::EMPTY,
            stream_places: Places::EMPTY,
            lanes: Vec::new(),
            limit,
            pause_ends: None,
            running: 0,
            line: Heap::EMPTY,
            queued: 0,
            starts: 0.0,
            order: 0,
            opened: Vec::new(),
        }
    }

    /// From now on, at most `limit` callbacks at once, whatever the batch; those that run go on.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// The same where the limit finds itself; with a pause, nothing is started, but what has been goes on.
    pub fn adapt(&mut self, limit: u32, pause_ends: Option<Instant>) {
        self.limit = limit;
        self.pause_ends = pause_ends;
    }

    /// When calls may start that wait for nothing but the end of a pause.
    #[must_use]
    pub fn next_start(&self) -> Instant {
        self.pause_ends.filter(|_| !self.line.is_empty()).unwrap_or(Instant::NEVER)
    }

    /// Opens the batch's lane for `limit` calls at once, and `limit_per_group` of each group.
    pub fn open(&mut self, batch: BatchId, limit: u32, limit_per_group: u32) {
        if self.lanes.len() <= batch.at() {
            self.lanes.resize_with(batch.at() + 1, || None);
        }
        let plain = self.add_stream(batch, Vec::new(), None);
        self.lanes[batch.at()] = Some(Lane {
            limit,
            limit_per_group,
            running: 0,
            line: Heap::EMPTY,
            queued: 0,
            calls: 0,
            clock: 0.0,
            turn: 0.0,
            busy: Millis::ZERO,
            plain,
            streams: Vec::new(),
            envoy: NONE,
        });
    }

    /// A stream of the batch for calls that pass these gates, which it leaves when the lane is closed.
    pub fn open_stream(&mut self, batch: BatchId, gates: Vec<u32>) -> u32 {
        let stream = self.add_stream(batch, gates, None);
        lane_mut(&mut self.lanes, batch).streams.push(stream);
        stream
    }

    /// Closes an idle lane.
    pub fn close(&mut self, batch: BatchId) {
        let Some(lane) = self.lanes[batch.at()].take() else { return };
        debug_assert!(lane.calls == 0, "a lane was closed that has calls");
        self.streams.remove(lane.plain);
        for stream in lane.streams {
            for gate in self.streams.remove(stream).gates {
                self.gates.exit(gate);
            }
        }
    }

    /// Whether the lane has no calls.
    #[must_use]
    pub fn is_idle(&self, batch: BatchId) -> bool {
        self.lane(batch).calls == 0
    }

    /// Calls that wait for their first slot.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queued
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

    /// Puts a call into a stream of the batch, [`NONE`] being the one without further limits.
    pub fn enqueue(&mut self, batch: BatchId, stream: u32, members: Members, group: bool, priority: i32) -> CallId {
        let lane = lane_mut(&mut self.lanes, batch);
        let stream = if stream == NONE { lane.plain } else { stream };
        if lane.queued == 0 {
            lane.turn = self.starts;
        }
        self.order += 1;
        let call = Call {
            batch,
            ending: Some(Ending::Other),
            keys: members.as_slice().len() as u32,
            members,
            group,
            state: State::Queued,
            deadline: None,
            held: None,
            started: Instant(0.0),
            priority,
            stream,
            queued_at: lane.clock,
            order: self.order,
        };
        let rank = rank(lane.clock, priority);
        lane.queued += 1;
        lane.calls += 1;
        self.queued += 1;
        let place = self.calls.insert(call);
        let state = &mut self.streams[stream];
        if state.line.is_none() {
            state.turn = self.starts;
        }
        state.calls.push(&mut self.call_places, Item { rank, order: self.order, id: place });
        self.rank_again(stream, place);
        CallId { place, generation: self.calls.generation(place) }
    }

    /// The priority of a call has changed to `priority`; one that has started does not mind.
    pub fn reprioritize(&mut self, id: CallId, priority: i32) {
        let call = &mut self.calls[id.place];
        call.priority = priority;
        if call.state != State::Queued {
            return;
        }
        let (stream, rank, order) = (call.stream, rank(call.queued_at, priority), call.order);
        let calls = &mut self.streams[stream].calls;
        let first = calls.first().map_or(NONE, |first| first.id);
        calls.remove(&mut self.call_places, id.place);
        calls.push(&mut self.call_places, Item { rank, order, id: id.place });
        self.rank_again(stream, if first == id.place { NONE } else { id.place });
    }

    /// Takes a queued call out: it will not be started.
    pub fn refuse(&mut self, id: CallId) {
        self.dequeue(id.place);
        self.calls[id.place].state = State::Refused;
    }

    /// The call waits for a nested batch: the slots it may hold are free for others.
    pub fn suspend(&mut self, id: CallId, now: Instant) {
        match self.calls[id.place].state {
            State::Running => {
                self.calls[id.place].ending = None;
                self.free_slots(id.place, now);
            }
            State::Resuming { stream } => self.give_up_resuming(stream),
            State::Suspended { nested } => {
                self.calls[id.place].state = State::Suspended { nested: nested + 1 };
                return;
            }
            State::Queued | State::Refused => unreachable!("a queued call cannot wait"),
        }
        self.calls[id.place].state = State::Suspended { nested: 1 };
    }

    /// One of the nested batches that the call waits for is answered.
    pub fn resume(&mut self, id: CallId) {
        let call = &mut self.calls[id.place];
        let State::Suspended { nested } = &mut call.state else { return };
        *nested -= 1;
        if *nested == 0 {
            self.order += 1;
            call.order = self.order;
            let (batch, gates) = (call.batch, &self.streams[call.stream].gates);
            // A token it has had.
            let groups = gates.iter().copied().filter(|&gate| self.gates.is_group(gate)).collect();
            let stream = self.add_stream(batch, groups, Some(id));
            self.calls[id.place].state = State::Resuming { stream };
            self.wait_in(stream, Line::Lane(batch));
        }
    }

    /// Takes `flight` out of the call.
    pub fn leave(&mut self, id: CallId, flight: FlightId) -> Left {
        self.calls[id.place].members.remove(flight)
    }

    /// Ends a call in whatever state, and frees the slots it holds.
    pub fn end(&mut self, id: CallId, now: Instant) -> Ended {
        match self.calls[id.place].state {
            State::Queued => self.dequeue(id.place),
            State::Running => self.free_slots(id.place, now),
            State::Suspended { .. } | State::Refused => {}
            State::Resuming { stream } => self.give_up_resuming(stream),
        }
        let call = &self.calls[id.place];
        let &Call { batch, group, deadline, held, ending, keys, started, .. } = call;
        let ending = ending.filter(|_| call.has_started());
        self.calls.discard(id.place);
        lane_mut(&mut self.lanes, batch).calls -= 1;
        Ended { batch, group, deadline, held, ending, keys, started }
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
        [self.calls.len(), self.running as usize]
    }

    /// # Errors
    /// When lanes, lines, gates and calls disagree, a limit is exceeded, or somebody waits who could start.
    pub fn validate(&self, now: Instant) -> Validity {
        self.calls.validate()?;
        self.streams.validate()?;
        let of = |batch: usize, state: fn(&State) -> bool| {
            self.calls.iter().filter(|(_, call)| call.batch.at() == batch && state(&call.state)).count()
        };
        let passes = |stream: &Stream, gate: u32| stream.gates.contains(&gate);
        let users = |gate: u32| self.streams.iter().filter(|(_, one)| one.resumes.is_none() && passes(one, gate)).count();
        let runs = |call: &&Call| call.state == State::Running;
        let running_of = |gate: u32| {
            let calls = self.calls.iter().map(|(_, call)| call).filter(runs);
            calls.filter(|call| passes(&self.streams[call.stream], gate)).count()
        };
        self.gates.validate(users, running_of)?;
        self.line.validate(&self.stream_places)?;
        let (mut queued, mut running, mut waiting) = (0, 0, self.line.len());
        for (batch, lane) in self.lanes.iter().enumerate() {
            let Some(lane) = lane else { continue };
            lane.line.validate(&self.stream_places)?;
            waiting += lane.line.len();
            queued += lane.queued;
            running += lane.running;
            check(lane.running <= lane.limit, || format!("schedule: {} run in lane {batch}", lane.running))?;
            let counted = of(batch, |state| *state == State::Running);
            check(counted == lane.running as usize, || format!("schedule: {counted} run in lane {batch}, not counted so"))?;
            let counted = of(batch, |state| *state == State::Queued);
            check(counted == lane.queued, || format!("schedule: {counted} queued in lane {batch}, {} counted", lane.queued))?;
            let all = of(batch, |_| true);
            check(all == lane.calls, || format!("schedule: {all} calls in lane {batch}, {} counted", lane.calls))?;
        }
        check(queued == self.queued, || format!("schedule: {queued} queued, {} counted", self.queued))?;
        check(running == self.running, || format!("schedule: {running} run, {} counted", self.running))?;
        waiting += self.gates.iter().map(|(_, gate)| gate.line.len()).sum::<usize>();
        let (mut found, mut lined) = (0, 0);
        for (id, stream) in self.streams.iter() {
            stream.calls.validate(&self.call_places)?;
            found += stream.calls.len();
            let waits = !stream.calls.is_empty() || stream.resumes.is_some();
            check(waits == stream.line.is_some(), || format!("schedule: stream {id} waits: {waits}, in {:?}", stream.line))?;
            lined += usize::from(waits);
        }
        check(found == queued, || format!("schedule: {found} of {queued} can be found"))?;
        check(lined == waiting, || format!("schedule: {lined} streams wait, {waiting} in lines"))?;
        self.validate_rest(now)
    }

    /// The stream has its turn.
    fn go(&mut self, id: u32, now: Instant) -> Turn {
        let stream = &self.streams[id];
        let batch = stream.batch;
        let place = stream.calls.first().map_or(NONE, |first| first.id);
        let call = stream.resumes.unwrap_or_else(|| CallId { place, generation: self.calls.generation(place) });
        let refuses = stream.gates.iter().filter_map(|&gate| self.gates.refuses_until(gate, now));
        let until = refuses.map(|until| until.0).fold(now.0, f64::max);
        if until > now.0 {
            self.refuse(call);
            return Turn::Refuse(call, Instant(until).since(now));
        }
        for &gate in &stream.gates {
            self.gates.take(gate, now);
        }
        let resumes = stream.resumes.is_some();
        if resumes {
            self.streams.remove(id);
        } else {
            self.starts += 1.0;
            self.streams[id].turn = self.starts;
            self.dequeue(call.place);
        }
        self.running += 1;
        let lane = lane_mut(&mut self.lanes, batch);
        lane.running += 1;
        let state = &mut self.calls[call.place];
        state.state = State::Running;
        state.started = now;
        if resumes {
            return Turn::Resume(call);
        }
        lane.clock += 1.0;
        lane.turn = self.starts;
        Turn::Start(call)
    }

    fn add_stream(&mut self, batch: BatchId, gates: Vec<u32>, resumes: Option<CallId>) -> u32 {
        let calls = Heap::EMPTY;
        self.streams.insert(Stream { batch, gates, calls, resumes, turn: 0.0, line: None, envoy_of: NONE })
    }

    /// Takes a queued call out of its stream.
    fn dequeue(&mut self, place: u32) {
        let Call { stream, batch, .. } = self.calls[place];
        let calls = &mut self.streams[stream].calls;
        let is_first = calls.first().is_some_and(|first| first.id == place);
        calls.remove(&mut self.call_places, place);
        lane_mut(&mut self.lanes, batch).queued -= 1;
        self.queued -= 1;
        if is_first {
            self.rank_again(stream, NONE);
        }
    }

    fn free_slots(&mut self, place: u32, now: Instant) {
        let call = &self.calls[place];
        let lane = lane_mut(&mut self.lanes, call.batch);
        lane.running -= 1;
        lane.busy.0 += now.since(call.started).0;
        self.running -= 1;
        for &gate in &self.streams[call.stream].gates {
            if self.gates.is_group(gate) {
                self.gates.give_back(gate);
                self.opened.push(Line::Gate(gate));
            }
        }
    }

    fn give_up_resuming(&mut self, stream: u32) {
        self.leave_line(stream);
        self.streams.remove(stream);
    }

    #[inline(never)]
    fn lane(&self, batch: BatchId) -> &Lane {
        self.lanes[batch.at()].as_ref().expect("the batch has no lane")
    }
}

/// Who has got what it waited for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    Start(CallId),
    Resume(CallId),
    /// There is no token for it, and will be none for so long.
    Refuse(CallId, Millis),
}

#[inline(never)] // What it says when there is none is a good part of the module otherwise.
fn lane_mut(lanes: &mut [Option<Lane>], batch: BatchId) -> &mut Lane {
    lanes[batch.at()].as_mut().expect("the batch has no lane")
}
