//! What becomes of an answer, and of none.

use super::{Answer, Call, Doing, Due, Entry, Happening, Load, Model, Number, State, Terms, Waiter};

impl Model {
    pub fn settle(&mut self, call: Number, load: Number, answer: Answer, value: u64) -> bool {
        if !self.is_member(call, load) {
            self.stats.late += 1;
            return false;
        }
        let batch = self.loads[&load].batch;
        if let Answer::Failed { retryable: true, hint } = answer
            && let Some(delay) = self.retry_delay(load, hint)
        {
            self.deadlines.push((self.now + delay, Due::Retry(load)));
            self.loads.get_mut(&load).expect("it is there").doing = Doing::BackingOff;
            self.stats.retried += 1;
            self.leave_call(call, load);
            self.fill(batch);
            return true;
        }
        self.leave_call(call, load);
        self.land(load, answer, value);
        self.fill(batch);
        true
    }

    pub fn supply(&mut self, load: Number, ttl: f64, weight: u32, value: u64) {
        let Some(state) = self.loads.get_mut(&load).filter(|state| state.doing == Doing::Admitted) else { return };
        state.ttl = Some(state.ttl.map_or(ttl, |asked| asked.min(ttl)));
        self.land(load, Answer::Value { weight }, value);
    }

    pub fn refuse(&mut self, load: Number) {
        if self.loads[&load].doing == Doing::Admitted {
            self.land(load, Answer::Failed { retryable: false, hint: None }, 0);
        }
    }

    pub fn fall_back(&mut self, call: Number, load: Number) {
        if !self.is_member(call, load) {
            return;
        }
        let batch = self.loads[&load].batch;
        if self.has_waiters(load) {
            self.enqueue(batch, vec![load], false);
            self.leave_call(call, load);
        } else {
            self.leave_call(call, load);
            self.drop_load(load);
        }
        self.fill(batch);
    }

    /// The callback of an aborted call has ended.
    pub fn ended(&mut self, call: Number) {
        self.stats.late += 1;
        if let Some(batch) = self.calls.get(&call).map(|call| call.batch) {
            self.end_call(call);
            self.fill(batch);
        }
    }

    pub fn next_deadline(&self) -> f64 {
        self.deadlines.iter().map(|&(at, _)| at).fold(f64::INFINITY, f64::min)
    }

    pub fn advance(&mut self) {
        loop {
            let at = self.next_deadline();
            if at > self.now {
                return;
            }
            let place = self.deadlines.iter().position(|&(other, _)| other == at).expect("there is a next deadline");
            match self.deadlines.remove(place).1 {
                Due::Batch(batch) => match self.calls.values_mut().find(|call| call.held == Some(batch)) {
                    Some(call) => {
                        call.held = None;
                        self.done(batch);
                    }
                    None => self.happenings.push(Happening::TimeOutBatch { batch }),
                },
                Due::Retry(load) => {
                    let batch = self.loads[&load].batch;
                    self.enqueue(batch, vec![load], false);
                    self.fill(batch);
                }
                Due::Call(call) => {
                    self.stats.timed_out += 1;
                    let Call { batch, members, state, .. } = self.calls[&call].clone();
                    if members.is_empty() {
                        self.end_call(call);
                        self.fill(batch);
                    } else if state == State::Queued {
                        self.happenings.push(Happening::TimeOutQueued { call, members });
                    } else {
                        self.happenings.push(Happening::TimeOut { call });
                    }
                }
            }
        }
    }

    pub(super) fn retry_delay(&mut self, load: Number, hint: Option<f64>) -> Option<f64> {
        let Load { batch, attempts, .. } = self.loads[&load];
        let Terms { attempts: attempts_max, backoff, backoff_max, .. } = self.batches[&batch].terms;
        if attempts >= attempts_max || !self.has_waiters(load) || self.tokens < 1.0 {
            return None;
        }
        self.tokens -= 1.0;
        let delay = (1..attempts).fold(backoff, |delay, _| delay * 2.0).min(backoff_max);
        Some(delay.max(hint.unwrap_or(0.0)))
    }

    pub(super) fn land(&mut self, load: Number, answer: Answer, value: u64) {
        match answer {
            Answer::Value { weight } => self.store_result(load, weight, false, value),
            Answer::Null { weight } => self.store_result(load, weight, true, value),
            Answer::Failed { .. } => self.store_failure(load, value),
            Answer::Unstored => {}
        }
        let failed = matches!(answer, Answer::Failed { .. });
        *(if failed { &mut self.stats.failed } else { &mut self.stats.succeeded }) += 1;
        let key = self.loads[&load].key;
        let mut answered = Vec::new();
        while let Some(place) = self.waiters.iter().position(|waiter| waiter.load == load) {
            let Waiter { batch, index, led, .. } = self.waiters.remove(place);
            let grace = self.batches[&batch].terms.stale_if_error;
            self.happenings.push(match self.value_of(key, grace) {
                Some(value) if failed && grace > 0.0 => Happening::DeliverStale { batch, index, key, value },

                _ => Happening::Deliver { batch, index, load, led },
            });
            if self.waiting(batch) == 0 {
                answered.push(batch);
            }
        }
        self.end_load(load);
        answered.into_iter().for_each(|batch| self.answered(batch));
    }

    pub(super) fn store_result(&mut self, load: Number, weight: u32, null: bool, value: u64) {
        let Load { key, ttl, fenced, tags, attempts, .. } = self.loads[&load].clone();
        if fenced {
            self.stats.fenced += 1;
            return;
        }
        let ttl = self.ttl_of(ttl, null);
        if ttl > 0.0 {
            // The loads that began before this one know less, unless this one only asked a tier.
            let older = self.loads.range_mut(..load).filter(|(_, older)| older.key == key && attempts > 0);
            older.for_each(|(_, older)| older.fenced = true);
            let ttl = self.jitter(ttl);
            self.insert(Entry { tags, ..self.entry(key, value, weight, ttl) });
        }
    }

    pub(super) fn store_failure(&mut self, load: Number, value: u64) {
        let Load { key, fenced, attempts, tags, .. } = self.loads[&load].clone();
        if self.setup.error_ttl > 0.0 && !fenced && attempts > 0 && self.value_of(key, f64::INFINITY).is_none() {
            self.insert(Entry { failure: true, tags, ..self.entry(key, value, 0, self.setup.error_ttl) });
        }
    }
}
