//! What the limits that find themselves are told of calls, and what they say.
//!
//! A call tells something of its source from its start to its end, if its callback did nothing else meanwhile: one that waited for a nested
//! batch tells nothing.

use super::Engine;
use crate::adaptive::batch_size::BatchSize;
use crate::adaptive::concurrency::{Concurrency, Ending};
use crate::ids::CallId;
use crate::schedule::Ended;
use crate::time::{Instant, Millis};

impl Engine {
    /// The source of a call that is not settled yet has had too much, and may have said how long it wants to be left alone.
    pub fn overloaded(&mut self, id: CallId, retry_after: Millis, now: Instant) {
        self.note_ending(id, Ending::Dropped);
        self.concurrency.pause(retry_after, now);
    }

    /// What has been found: 0 where nothing finds itself.
    #[must_use]
    pub fn adaptive(&self) -> (&Concurrency, &BatchSize) {
        (&self.concurrency, &self.batch_size)
    }

    /// That one of its keys was answered does not make a call one that was not dropped.
    #[inline(never)]
    pub(super) fn note_ending(&mut self, id: CallId, ending: Ending) {
        if let Some(call) = self.schedule.get_mut(id)
            && let Some(before) = &mut call.ending
            && *before != Ending::Dropped
        {
            *before = ending;
        }
    }

    /// A call has ended, and holds no slot any longer.
    pub(super) fn observe(&mut self, call: &Ended, now: Instant) {
        let Some(ending) = call.ending else { return };
        let took = now.since(call.started);
        if self.concurrency.limit() > 0 {
            let [_, others] = self.schedule.counts();
            self.concurrency.ended(took, ending, others as u32 + 1, now);
        }
        match ending {
            Ending::Answered if call.group => self.batch_size.answered(call.keys as usize, took),
            Ending::Dropped if call.group => self.batch_size.dropped(),
            _ => {}
        }
    }

    /// What the processor takes at once from now on.
    #[inline(never)]
    pub(super) fn adapt(&mut self, now: Instant) {
        let found = &self.concurrency;
        if found.limit() == 0 {
            return;
        }
        let pause_ends = (now < found.paused_until()).then_some(found.paused_until());
        self.schedule.adapt(found.limit().min(self.config.max_concurrency as u32), pause_ends);
    }
}
