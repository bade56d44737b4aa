//! What runs: within limits, by priority, first come first.

use super::{Call, Doing, Due, Happening, Model, Number, State, Waiter};

/// How many calls may start before one that waits gains a step of priority.
const AGEING: i64 = 100;

impl Model {
    pub(super) fn enqueue(&mut self, batch: Number, members: Vec<Number>, group: bool) {
        let call = self.number();
        for member in &members {
            self.loads.get_mut(member).expect("it is there").doing = Doing::Called(call);
        }
        let queued_at = self.batches[&batch].calls_started;
        let call_state = Call { batch, members, group, state: State::Queued, queued_at, running_since: 0.0, held: None };
        self.calls.insert(call, call_state);
        let timeout = self.batches[&batch].terms.queue_timeout;
        if timeout.is_finite() {
            self.deadlines.push((self.now + timeout, Due::Call(call)));
        }
    }

    /// Gives the batch's free slots to calls that resume, then by rank, then by order.
    pub(super) fn fill(&mut self, batch: Number) {
        let Some(limit) = self.batches.get(&batch).map(|batch| batch.terms.limit) else { return };
        loop {
            let calls = || self.calls.iter().filter(|(_, call)| call.batch == batch);
            if calls().filter(|(_, call)| call.state == State::Running).count() >= limit {
                return;
            }
            let resuming = calls().filter_map(|(&number, call)| match call.state {
                State::Resuming(since) => Some((since, number)),
                _ => None,
            });
            if let Some((_, call)) = resuming.min() {
                self.run(call);
                if let Some(held) = self.calls.get_mut(&call).expect("it is there").held.take() {
                    self.done(held);
                }
                continue;
            }
            let queued = calls().filter(|(_, call)| call.state == State::Queued);
            let Some((_, call)) = queued.map(|(&number, call)| (self.rank(call), number)).min() else { return };
            self.run(call);
            self.batches.get_mut(&batch).expect("it is open").calls_started += 1;
            self.started(call);
        }
    }

    pub(super) fn rank(&self, call: &Call) -> i64 {
        call.queued_at - AGEING * i64::from(self.priority(call).expect("a queued call has waiters"))
    }

    pub(super) fn priority(&self, call: &Call) -> Option<i32> {
        let of = |waiter: &&Waiter| call.members.contains(&waiter.load);
        self.waiters.iter().filter(of).map(|waiter| waiter.priority).max()
    }

    pub(super) fn run(&mut self, call: Number) {
        let now = self.now;
        let call = self.calls.get_mut(&call).expect("it is there");
        call.state = State::Running;
        call.running_since = now;
    }

    pub(super) fn started(&mut self, call: Number) {
        let Call { batch, group, members, .. } = self.calls[&call].clone();
        self.deadlines.retain(|&(_, due)| due != Due::Call(call));
        let timeout = self.batches[&batch].terms.fetch_timeout;
        if timeout.is_finite() {
            self.deadlines.push((self.now + timeout, Due::Call(call)));
        }
        self.stats.calls += 1;
        for member in &members {
            let load = self.loads.get_mut(member).expect("it is there");
            if load.attempts == 0 {
                self.tokens = (self.tokens + self.setup.budget_ratio).min(self.setup.budget_burst);
            }
            load.attempts += 1;
        }
        self.happenings.push(Happening::Start { call, group, members });
    }

    pub(super) fn stop(&mut self, call: Number) {
        let Call { batch, running_since, .. } = self.calls[&call];
        self.batches.get_mut(&batch).expect("it is open").busy += self.now - running_since;
    }

    pub(super) fn suspend(&mut self, call: Number) {
        if self.calls[&call].state == State::Running {
            self.stop(call);
        }
        let state = self.calls.get_mut(&call).expect("it is there");
        state.state = State::Suspended;
        let batch = state.batch;
        if let Some(held) = state.held.take() {
            self.done(held);
        }
        self.fill(batch);
    }

    pub(super) fn end_call(&mut self, call: Number) {
        if self.calls[&call].state == State::Running {
            self.stop(call);
        }
        let Call { held, .. } = self.calls.remove(&call).expect("it is there");
        self.deadlines.retain(|&(_, due)| due != Due::Call(call));
        self.batches.values_mut().filter(|batch| batch.waited_by == Some(call)).for_each(|batch| batch.waited_by = None);
        if let Some(held) = held {
            self.done(held);
        }
    }

    pub(super) fn is_member(&self, call: Number, load: Number) -> bool {
        self.calls.get(&call).is_some_and(|call| call.members.contains(&load))
    }

    /// Takes `load` out of its call. Answers whether the call has ended with that.
    pub(super) fn leave_call(&mut self, call: Number, load: Number) -> bool {
        let members = &mut self.calls.get_mut(&call).expect("it is there").members;
        members.retain(|&member| member != load);
        let over = members.is_empty();
        if over {
            self.end_call(call);
        }
        over
    }
}
