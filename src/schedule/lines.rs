//! The lines of those who wait: where each stream waits, and who comes next.
//!
//! A stream waits in one line: at the first gate that is closed to it, else in its lane, else, with its lane's best call, at the processor. At
//! rest nobody in any line could start. What frees a slot has that line looked through, best first: who cannot go on waits in the next line.
//! Where the processor has a limit, at most one stream of each lane, and one of each gate that has opened, wait there for all that are behind
//! them. In lines that lanes share, the rank is the number of calls the processor had started when the stream, or at the processor its lane, last
//! got a turn, less the same for priority as within a lane: so lanes take turns, however many calls each has (a round robin; Nagle: "On Packet
//! Switches with Infinite Storage", RFC 970, 1985).

use super::{AGEING, Schedule, Turn, UNLIMITED, lane_mut};
use crate::error::{Validity, check};
use crate::heap::{Heap, Item};
use crate::ids::{BatchId, NONE};
use crate::time::Instant;

/// A line that streams wait in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Lane(BatchId),
    Gate(u32),
    Processor,
}

impl Schedule {
    /// The batch's line is to be looked through.
    pub fn look(&mut self, batch: BatchId) {
        let line = Line::Lane(batch);
        if self.opened.last() != Some(&line) {
            self.opened.push(line);
        }
    }

    /// The lines of buckets that have a token again are to be looked through.
    pub fn ring(&mut self, now: Instant) {
        while let Some(gate) = self.gates.ring(now) {
            self.opened.push(Line::Gate(gate));
        }
    }

    /// Who comes next, of all lines that are to be looked through.
    pub fn next(&mut self, now: Instant) -> Option<Turn> {
        loop {
            let line = self.opened.pop().or_else(|| self.opens().then_some(Line::Processor))?;
            let Some(id) = self.draw(line, now) else { continue };
            self.leave_line(id);
            let turn = self.place(id, line, now);
            match line {
                Line::Gate(gate) if self.waits_at(id, Line::Processor) => self.streams[id].envoy_of = gate,
                Line::Processor => {}
                _ => self.opened.push(line),
            }
            if turn.is_some() {
                return turn;
            }
        }
    }

    /// Whether the first at the processor may go on.
    pub(super) fn opens(&self) -> bool {
        let resumes = |first: Item| self.pause_ends.is_none() || self.streams[first.id].resumes.is_some();
        self.running < self.limit && self.line.first().is_some_and(resumes)
    }

    /// The stream of the line that is to be tried next, if any is: nobody behind it may be sooner.
    fn draw(&mut self, line: Line, now: Instant) -> Option<u32> {
        match line {
            Line::Processor => Some(self.line.first()?.id),
            Line::Gate(gate) => {
                let first = self.gates.get(gate)?.line.first()?.id;
                let lane = self.lane(self.streams[first].batch);
                if self.gates.is_closed(gate, lane.limit_per_group, now) {
                    self.gates.set_alarm(gate, true);
                    return None;
                }
                Some(first)
            }
            Line::Lane(batch) => {
                let lane = self.lanes[batch.at()].as_ref()?;
                let first = lane.line.first()?;
                if lane.running >= lane.limit {
                    return None;
                }
                let (envoy, resumes) = (lane.envoy, self.streams[first.id].resumes.is_some());
                if envoy != NONE && !resumes {
                    if self.streams[envoy].calls.first().is_some_and(|other| other.is_before(&first)) {
                        return None;
                    }
                    // It has been overtaken.
                    self.leave_line(envoy);
                    self.wait_in(envoy, Line::Lane(batch));
                }
                Some(first.id)
            }
        }
    }

    /// Lets a stream that is in no line go as far as it can, from `line` on.
    fn place(&mut self, id: u32, line: Line, now: Instant) -> Option<Turn> {
        let stream = &self.streams[id];
        let (batch, resumes) = (stream.batch, stream.resumes.is_some());
        let lane = self.lane(batch);
        let closed = stream.gates.iter().find(|&&gate| self.gates.is_closed(gate, lane.limit_per_group, now));
        let next = if let Some(&gate) = closed {
            Line::Gate(gate)
        } else if lane.running >= lane.limit || line != Line::Processor && !resumes && lane.envoy != NONE {
            Line::Lane(batch)
        } else if line != Line::Processor && self.limit < UNLIMITED {
            if !resumes {
                lane_mut(&mut self.lanes, batch).envoy = id;
            }
            Line::Processor
        } else {
            if !matches!(line, Line::Lane(_)) {
                // Where its next call will be found.
                self.look(batch);
            }
            return Some(self.go(id, now));
        };
        self.wait_in(id, next);
        if next == Line::Lane(batch) && line != next {
            self.opened.push(next);
        }
        None
    }

    /// Lets a stream that is in no line wait in this one.
    pub(super) fn wait_in(&mut self, id: u32, line: Line) {
        let stream = &mut self.streams[id];
        stream.line = Some(line);
        let item = match (stream.calls.first(), line) {
            (None, _) => {
                let order = stream.resumes.map_or(0, |call| self.calls[call.place].order);
                Item { rank: f64::NEG_INFINITY, order, id }
            }
            (Some(first), Line::Lane(_)) => Item { id, ..first },
            (Some(first), _) => {
                let lane = self.lanes[stream.batch.at()].as_ref();
                let turn = if line == Line::Processor { lane.map_or(0.0, |lane| lane.turn) } else { stream.turn };
                Item { rank: rank(turn, self.calls[first.id].priority), order: first.order, id }
            }
        };
        match line {
            Line::Lane(batch) => lane_mut(&mut self.lanes, batch).line.push(&mut self.stream_places, item),
            Line::Processor => self.line.push(&mut self.stream_places, item),
            Line::Gate(gate) => {
                self.gates.line_mut(gate).push(&mut self.stream_places, item);
                self.gates.set_alarm(gate, true);
            }
        }
    }

    /// Takes a stream out of the line it is in; for whom it waited there, others are to be found.
    pub(super) fn leave_line(&mut self, id: u32) {
        let stream = &mut self.streams[id];
        let envoy_of = core::mem::replace(&mut stream.envoy_of, NONE);
        let batch = stream.batch;
        match stream.line.take() {
            None => {}
            Some(Line::Lane(batch)) => lane_mut(&mut self.lanes, batch).line.remove(&mut self.stream_places, id),
            Some(Line::Gate(gate)) => {
                let line = self.gates.line_mut(gate);
                line.remove(&mut self.stream_places, id);
                if line.is_empty() {
                    self.gates.set_alarm(gate, false);
                }
            }
            Some(Line::Processor) => {
                self.line.remove(&mut self.stream_places, id);
                let lane = lane_mut(&mut self.lanes, batch);
                if lane.envoy == id {
                    lane.envoy = NONE;
                }
                self.look(batch);
                if envoy_of != NONE {
                    self.opened.push(Line::Gate(envoy_of));
                }
            }
        }
    }

    fn waits_at(&self, id: u32, line: Line) -> bool {
        self.streams.get(id).is_some_and(|stream| stream.line == Some(line))
    }

    /// The first call of a stream may be another, or of another priority: `changed` if it is first now.
    pub(super) fn rank_again(&mut self, id: u32, changed: u32) {
        let stream = &self.streams[id];
        let Some(first) = stream.calls.first() else { return self.leave_line(id) };
        match stream.line {
            None => self.wait_in(id, Line::Lane(stream.batch)),
            // As far as it has come it stays, unless it is now ahead of those who wait for it further on.
            Some(_) if changed == NONE || first.id == changed => {
                let batch = stream.batch;
                self.leave_line(id);
                self.wait_in(id, Line::Lane(batch));
                self.look(batch);
            }
            Some(_) => {}
        }
    }

    /// With nothing left to be looked through, whoever waits waits for something.
    pub(super) fn validate_rest(&self, now: Instant) -> Validity {
        if !self.opened.is_empty() {
            return Ok(());
        }
        for (id, stream) in self.streams.iter() {
            let lane = self.lane(stream.batch);
            let is_right = match stream.line {
                None => true,
                Some(Line::Processor) => !self.opens(),
                Some(Line::Lane(_)) => lane.running >= lane.limit || lane.envoy != NONE && stream.resumes.is_none(),
                Some(Line::Gate(gate)) => {
                    let line = self.gates.get(gate).map(|gate| &gate.line);
                    let first = line.and_then(Heap::first).map_or(id, |first| first.id);
                    let limit = self.lane(self.streams[first].batch).limit_per_group;
                    let has_envoy = self.streams.iter().any(|(_, other)| other.envoy_of == gate);
                    has_envoy || self.gates.is_closed(gate, limit, now)
                }
            };
            check(is_right, || format!("schedule: stream {id} waits in {:?} for nothing", stream.line))?;
        }
        Ok(())
    }
}

pub fn rank(turn: f64, priority: i32) -> f64 {
    turn - f64::from(priority) * AGEING
}
