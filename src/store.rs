//! The resident entries: which keys have a value, until when, at what weight.
//!
//! Values themselves live with the caller, by slot: every slot that is vacated here is reported, to be cleared there in the same turn.
//! An expired entry is kept as long as somebody may still want it stale, and removed by the sweep: each insertion looks at two slots in
//! turn, so that what expired unread is gone after as many insertions as half the slots, and no entry needs a timer.

use crate::error::{OutOfMemory, Validity, check};
use crate::hash::KeyHash;
use crate::ids::Slot;
use crate::index::Index;
use crate::policy::Lru;
use crate::time::{Instant, Millis};

/// Slots the sweep looks at per insertion; two outrun one insertion a turn.
const SWEPT_PER_INSERTION: u32 = 2;

/// What may be held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub entries_max: usize,
    pub weight_max: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    expires_at: Instant,
    weight: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Valid.
    Hit(Slot),
    /// Expired, but not longer ago than asked for.
    Stale(Slot),
    Miss,
}

/// What became of an entry that was to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    At(Slot),
    /// Heavier than all that may be held; if the key had an entry, that is gone.
    TooHeavy,
}

#[derive(Debug)]
pub struct Store {
    index: Index<Entry>,
    policy: Lru,
    bounds: Bounds,
    weight: u64,
    /// Where the sweep goes on.
    hand: u32,
    /// How long expired entries are kept for those who take them stale: the longest anybody has asked for.
    grace: Millis,
}

impl Store {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { index: Index::default(), policy: Lru::default(), bounds, weight: 0, hand: 0, grace: Millis::ZERO }
    }

    /// Looks `key` up as a reader does: a hit counts as a use. `stale` is how long ago an entry may have expired to be served.
    #[inline]
    pub fn lookup(&mut self, hash: KeyHash, key: &[u8], now: Instant, stale: Millis) -> Lookup {
        let Some(slot) = self.index.find(hash, key) else { return Lookup::Miss };
        let expires_at = self.index.payload(slot).expires_at;
        if now < expires_at {
            self.policy.hit(slot);
            return Lookup::Hit(slot);
        }
        if now < expires_at.plus(stale) {
            self.policy.hit(slot);
            return Lookup::Stale(slot);
        }
        Lookup::Miss
    }

    /// Looks `key` up without a trace.
    #[must_use]
    pub fn peek(&self, hash: KeyHash, key: &[u8], now: Instant) -> Option<Slot> {
        self.index.find(hash, key).filter(|&slot| now < self.index.payload(slot).expires_at)
    }

    /// The entry of `key` if it is valid or expired no longer ago than `stale`, without a trace.
    #[must_use]
    pub fn find_stale(&self, hash: KeyHash, key: &[u8], now: Instant, stale: Millis) -> Option<Slot> {
        self.index.find(hash, key).filter(|&slot| now < self.index.payload(slot).expires_at.plus(stale))
    }

    /// Keep expired entries for `grace` at least.
    pub fn keep_stale(&mut self, grace: Millis) {
        if grace > self.grace {
            self.grace = grace;
        }
    }

    /// Stores `key`, in its own slot if it has one, else in a free one; `vacated` gets the slots of those that had to leave.
    ///
    /// # Errors
    /// When the store cannot grow; what was evicted by then stays evicted.
    pub fn insert(
        &mut self,
        hash: KeyHash,
        key: &[u8],
        expires_at: Instant,
        weight: u32,
        now: Instant,
        mut vacated: impl FnMut(Slot, Vacated),
    ) -> Result<Stored, OutOfMemory> {
        self.sweep(now, &mut vacated);
        let found = self.index.find(hash, key);
        if u64::from(weight) > self.bounds.weight_max {
            if let Some(slot) = found {
                self.remove(slot);
                vacated(slot, Vacated::Replaced);
            }
            return Ok(Stored::TooHeavy);
        }
        if let Some(slot) = found {
            // As the most recent it is the last to be asked to leave, and alone it fits.
            self.policy.hit(slot);
            let entry = self.index.payload_mut(slot);
            self.weight = self.weight - u64::from(entry.weight) + u64::from(weight);
            *entry = Entry { expires_at, weight };
            self.evict(0, 0, &mut vacated);
            return Ok(Stored::At(slot));
        }
        self.evict(1, u64::from(weight), &mut vacated);
        self.policy.reserve(self.index.slots() + 1)?;
        let slot = self.index.insert(hash, key, Entry { expires_at, weight })?;
        self.policy.inserted(slot);
        self.weight += u64::from(weight);
        Ok(Stored::At(slot))
    }

    /// Removes what `key` has, valid or not.
    pub fn delete(&mut self, hash: KeyHash, key: &[u8], now: Instant) -> Option<(Slot, bool)> {
        let slot = self.index.find(hash, key)?;
        let valid = now < self.index.payload(slot).expires_at;
        self.remove(slot);
        Some((slot, valid))
    }

    /// Removes all that is past its deadline and its grace.
    pub fn purge(&mut self, now: Instant, mut vacated: impl FnMut(Slot, Vacated)) {
        for slot in 0..self.index.slots() {
            self.remove_if_expired(Slot(slot), now, &mut vacated);
        }
    }

    /// Forgets everything, and gives the memory back to the allocator.
    pub fn clear(&mut self) {
        self.index.clear();
        self.policy.clear();
        self.weight = 0;
        self.hand = 0;
    }

    /// Entries held, some of them perhaps expired and not yet swept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.index.capacity_bytes() + self.policy.capacity_bytes()
    }

    /// The slots of valid entries, most recently used first.
    pub fn recent(&self, now: Instant) -> impl Iterator<Item = Slot> {
        self.policy.iter().filter(move |&slot| now < self.index.payload(slot).expires_at)
    }

    /// Milliseconds the entry at `slot` stays valid.
    #[must_use]
    pub fn remaining(&self, slot: Slot, now: Instant) -> Millis {
        self.index.payload(slot).expires_at.since(now)
    }

    /// Appends the key's bytes to `out`.
    pub fn copy_key(&self, slot: Slot, out: &mut Vec<u8>) {
        self.index.copy_key(slot, out);
    }

    /// # Errors
    /// When the parts disagree, or a bound is exceeded.
    pub fn validate(&self) -> Validity {
        self.index.validate()?;
        self.policy.validate(self.index.len())?;
        let weight = self.index.iter().map(|(_, entry)| u64::from(entry.weight)).sum::<u64>();
        check(weight == self.weight, || format!("store: weight {weight}, {} counted", self.weight))?;
        check(self.weight <= self.bounds.weight_max, || format!("store: weight {} over the bound", self.weight))?;
        check(self.len() <= self.bounds.entries_max, || format!("store: {} entries over the bound", self.len()))
    }

    fn evict(&mut self, entries: usize, weight: u64, vacated: &mut impl FnMut(Slot, Vacated)) {
        while self.index.len() + entries > self.bounds.entries_max || self.weight + weight > self.bounds.weight_max {
            let Some(victim) = self.policy.victim() else { return };
            self.remove(victim);
            vacated(victim, Vacated::Evicted);
        }
    }

    fn sweep(&mut self, now: Instant, vacated: &mut impl FnMut(Slot, Vacated)) {
        for _ in 0..SWEPT_PER_INSERTION {
            self.hand = if self.hand + 1 < self.index.slots() { self.hand + 1 } else { 0 };
            self.remove_if_expired(Slot(self.hand), now, vacated);
        }
    }

    fn remove_if_expired(&mut self, slot: Slot, now: Instant, vacated: &mut impl FnMut(Slot, Vacated)) {
        if self.index.get(slot).is_some_and(|entry| now >= entry.expires_at.plus(self.grace)) {
            self.remove(slot);
            vacated(slot, Vacated::Expired);
        }
    }

    fn remove(&mut self, slot: Slot) {
        self.policy.removed(slot);
        self.weight -= u64::from(self.index.remove(slot).weight);
    }
}

/// Why a slot was vacated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vacated {
    Evicted,
    Expired,
    Replaced,
}
