//! What a run has met, by name.

use std::collections::BTreeMap;

use crate::model::{Fate, Happening, Look};

/// Occurrences by name.
#[derive(Clone, Debug, Default)]
pub struct Met(pub BTreeMap<&'static str, u64>);

impl Met {
    pub fn count(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }
}

pub(super) fn look_name(look: Look) -> &'static str {
    match look {
        Look::Hit(_) => "hit",
        Look::Early(_) => "early hit",
        Look::Failure(_) => "failed hit",
        Look::Stale(_) => "stale hit",
        Look::Miss => "miss",
    }
}

pub(super) fn fate_name(fate: Fate) -> &'static str {
    match fate {
        Fate::Led(_) => "led",
        Fate::Joined(_) => "joined",
        Fate::Deduplicated(_) => "deduplicated",
        Fate::Circular(_) => "circular",
    }
}

pub(super) fn happening_name(happening: &Happening) -> &'static str {
    match happening {
        Happening::Start { group: false, .. } => "start",
        Happening::Start { group: true, .. } => "start of a group",
        Happening::Deliver { led: true, .. } => "delivered to the leader",
        Happening::Deliver { led: false, .. } => "delivered to others",
        Happening::DeliverStale { .. } => "delivered stale",
        Happening::Done { .. } => "done",
        Happening::Store { .. } => "store",
        Happening::StoreFailure { .. } => "store of a failure",
        Happening::Clear { .. } => "clear",
        Happening::Abort { .. } => "abort",
        Happening::TimeOut { .. } => "time-out",
        Happening::TimeOutQueued { .. } => "time-out in the queue",
        Happening::TimeOutBatch { .. } => "time-out of a batch",
        Happening::Release { .. } => "release",
        Happening::Cycle { .. } => "cycle",
    }
}
