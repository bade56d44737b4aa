//! Who leads, who joins, who waits for whom.

use super::{Batch, Call, Doing, Due, Fate, Happening, Key, Load, Model, Number, State, Terms, Waiter};

impl Model {
    pub fn open(&mut self, terms: Terms) -> Number {
        self.grace = self.grace.max(terms.stale_if_error);
        let batch = self.number();
        if terms.timeout.is_finite() {
            self.deadlines.push((self.now + terms.timeout, Due::Batch(batch)));
        }
        let waited_by = terms.parent.filter(|parent| self.calls.contains_key(parent));
        self.batches
            .insert(batch, Batch { terms, sealed: false, answered: false, done: false, waited_by, calls_started: 0, busy: 0.0 });
        if let Some(parent) = waited_by {
            self.suspend(parent);
        }
        batch
    }

    pub fn admit(&mut self, batch: Number, key: Key, index: u32, ttl: Option<f64>, priority: i32, share: bool) -> Fate {
        self.stats.missed -= 1;
        let joinable = if share { self.joinable(key) } else { None };
        let (load, fate) = match joinable {
            Some(load) if self.would_wait_for_itself(batch, load) => {
                self.stats.joined += 1;
                self.happenings.push(Happening::Cycle { batch, index });
                return Fate::Circular(load);
            }
            Some(load) if self.waiters.iter().any(|waiter| waiter.load == load && waiter.batch == batch) => {
                self.stats.deduplicated += 1;
                (load, Fate::Deduplicated(load))
            }
            Some(load) => {
                self.stats.joined += 1;
                (load, Fate::Joined(load))
            }
            None => {
                self.stats.led += 1;
                let load = self.number();
                let doing = Doing::Admitted;
                self.loads.insert(
                    load,
                    Load { key, batch, doing, shared: share, fenced: false, ttl: None, tags: Vec::new(), attempts: 0 },
                );
                (load, Fate::Led(load))
            }
        };
        let state = self.loads.get_mut(&load).expect("it is there");
        state.ttl = match (state.ttl, ttl) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.waiters.push(Waiter { load, batch, index, priority, led: matches!(fate, Fate::Led(_)) });
        self.inherit();
        fate
    }

    /// Who waits for a nested batch is as urgent as who waits for the call that began it.
    fn inherit(&mut self) {
        loop {
            let of = |waiter: &Waiter| {
                let call = self.batches[&waiter.batch].waited_by?;
                self.priority(&self.calls[&call]).filter(|&priority| priority > waiter.priority)
            };
            let Some((place, priority)) = self.waiters.iter().enumerate().find_map(|(place, one)| Some((place, of(one)?))) else {
                return;
            };
            self.waiters[place].priority = priority;
        }
    }

    pub fn seal(&mut self, batch: Number) {
        self.batches.get_mut(&batch).expect("it is open").sealed = true;
        if self.waiting(batch) == 0 {
            self.answered(batch);
        }
    }

    /// Each of `calls` is the loads one callback shall answer.
    pub fn queue(&mut self, batch: Number, calls: Vec<Vec<Number>>) {
        for members in calls {
            let group = members.len() > 1;
            self.enqueue(batch, members, group);
        }
        self.fill(batch);
    }

    pub fn leave(&mut self, batch: Number) {
        if self.batches[&batch].answered {
            return;
        }
        while let Some(place) = self.waiters.iter().position(|waiter| waiter.batch == batch) {
            let load = self.waiters.remove(place).load;
            if !self.has_waiters(load) {
                self.give_up(load);
            }
        }
        self.batches.get_mut(&batch).expect("it is open").sealed = true;
        self.answered(batch);
    }

    pub fn waiting(&self, batch: Number) -> usize {
        self.waiters.iter().filter(|waiter| waiter.batch == batch).count()
    }

    /// Whether `batch` waits for `load`.
    pub fn awaits(&self, batch: Number, load: Number) -> bool {
        self.waiters.iter().any(|waiter| waiter.batch == batch && waiter.load == load)
    }

    /// The batches that `call` waits for.
    pub fn nested_of(&self, call: Number) -> impl Iterator<Item = Number> {
        self.batches.iter().filter(move |(_, batch)| batch.waited_by == Some(call)).map(|(&number, _)| number)
    }

    pub(super) fn has_waiters(&self, load: Number) -> bool {
        self.waiters.iter().any(|waiter| waiter.load == load)
    }

    /// The shared load of `key` that began last, unless something newer than it is known of the key.
    pub fn joinable(&self, key: Key) -> Option<Number> {
        let mut shared = self.loads.iter().filter(|(_, load)| load.key == key && load.shared);
        shared.next_back().filter(|(_, load)| !load.fenced).map(|(&number, _)| number)
    }

    pub(super) fn would_wait_for_itself(&self, batch: Number, load: Number) -> bool {
        let Some(waiting) = self.batches[&batch].waited_by else { return false };
        let (mut reached, mut at) = (vec![load], 0);
        while let Some(&load) = reached.get(at) {
            at += 1;
            let Doing::Called(call) = self.loads[&load].doing else { continue };
            if call == waiting {
                return true;
            }
            for nested in self.nested_of(call) {
                for waiter in self.waiters.iter().filter(|waiter| waiter.batch == nested) {
                    if !reached.contains(&waiter.load) {
                        reached.push(waiter.load);
                    }
                }
            }
        }
        false
    }

    /// Nobody waits for `load` any longer.
    pub(super) fn give_up(&mut self, load: Number) {
        match self.loads[&load].doing {
            Doing::Admitted => self.drop_load(load),
            Doing::BackingOff => {
                self.deadlines.retain(|&(_, due)| due != Due::Retry(load));
                self.drop_load(load);
            }
            Doing::Called(call) if self.calls[&call].state == State::Queued => {
                let members = &mut self.calls.get_mut(&call).expect("it is there").members;
                members.retain(|&member| member != load);
                if members.is_empty() {
                    self.end_call(call);
                }
                self.drop_load(load);
            }
            Doing::Called(call) => {
                let Call { batch, members, .. } = &self.calls[&call];
                if self.batches[batch].terms.finish_orphans || members.iter().any(|&member| self.has_waiters(member)) {
                    return;
                }
                self.happenings.push(Happening::Abort { call });
                let members = std::mem::take(&mut self.calls.get_mut(&call).expect("it is there").members);
                members.into_iter().for_each(|member| self.drop_load(member));
            }
        }
    }

    pub(super) fn drop_load(&mut self, load: Number) {
        self.stats.dropped += 1;
        self.end_load(load);
    }

    pub(super) fn end_load(&mut self, load: Number) {
        self.loads.remove(&load);
        self.happenings.push(Happening::Release { load });
    }

    /// The batch has no request that waits.
    pub(super) fn answered(&mut self, batch: Number) {
        let state = self.batches.get_mut(&batch).expect("it is open");
        if !state.sealed {
            return;
        }
        state.answered = true;
        let parent = state.waited_by.take();
        if let Some(parent) = parent
            && self.nested_of(parent).next().is_none()
        {
            self.last_number += 1;
            let call = self.calls.get_mut(&parent).expect("a call that is waited for is there");
            call.state = State::Resuming(self.last_number);
            call.held = Some(batch);
            let lane = call.batch;
            self.fill(lane);
        } else {
            self.done(batch);
        }
    }

    pub(super) fn done(&mut self, batch: Number) {
        self.deadlines.retain(|&(_, due)| due != Due::Batch(batch));
        let running = self.calls.values().filter(|call| call.batch == batch && call.state == State::Running);
        let busy = self.batches[&batch].busy + running.map(|call| self.now - call.running_since).sum::<f64>();
        self.happenings.push(Happening::Done { batch, busy_us: (busy * 1000.0) as u32 });
        self.batches.get_mut(&batch).expect("it is open").done = true;
    }
}
