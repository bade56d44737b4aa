//! The resident entries as a cache by itself: set, look without a trace, delete, invalidate, list.

use super::landing::entry;
use super::{Effect, Engine};
use crate::ids::Slot;
use crate::store::{Holds, Lookup};
use crate::time::{Instant, Millis};
use alloc::vec::Vec;

/// What a request for a key would meet.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foresight {
    Hit = 0,
    Stale = 1,
    Join = 2,
    Load = 3,
}

impl Engine {
    /// What a request for `key` would meet now, without a trace.
    #[must_use]
    pub fn foresee(&self, key: &[u8], stale: Millis, now: Instant) -> Foresight {
        let hash = self.hasher.hash(key);
        if self.store.peek(hash, key, now).is_some() {
            Foresight::Hit
        } else if self.store.find_stale(hash, key, now, stale).is_some() {
            Foresight::Stale
        } else if self.flights.find(hash, key).is_some_and(|place| self.flights.joinable(place).is_some()) {
            Foresight::Join
        } else {
            Foresight::Load
        }
    }

    /// Stores a value that did not come from a load, and fences the loads there are. `ttl` 0 only removes what is there.
    pub fn set(&mut self, key: &[u8], ttl: Option<Millis>, null: bool, weight: u32, from: u32, now: Instant) {
        let hash = self.hasher.hash(key);
        self.flights.fence(hash, key);
        let ttl = self.config.ttl_of(ttl, null);
        let ttl = self.jittered(ttl);
        if ttl > Millis::ZERO {
            let entry = entry(ttl, weight, Millis::ZERO, Holds::Value, now);
            if let Some(slot) = self.store_entry(hash, key, entry, now) {
                self.effects.push(Effect::Store { slot: slot.0, from, ttl: ttl.to_f32().to_bits() });
            }
        } else if let Some((slot, _)) = self.store.delete(hash, key, now) {
            self.effects.push(Effect::Clear { slot: slot.0 });
        }
    }

    /// Whether `key` is being loaded.
    #[must_use]
    pub fn is_loading(&self, key: &[u8]) -> bool {
        self.flights.find(self.hasher.hash(key), key).is_some()
    }

    /// Looks a key up without counting it as a use.
    #[must_use]
    pub fn peek(&self, key: &[u8], now: Instant) -> Option<Slot> {
        self.store.peek(self.hasher.hash(key), key, now)
    }

    /// Looks one key up as a reader does, outside of any batch. Only a hit is counted: who misses asks again, as a batch.
    pub fn get(&mut self, key: &[u8], now: Instant) -> Option<Slot> {
        let hash = self.hasher.hash(key);
        let found = self.store.lookup(hash, key, now, Millis::ZERO, &mut self.random);
        let (Lookup::Hit(slot) | Lookup::Early(slot) | Lookup::Failure(slot)) = found else { return None };
        self.store.used(slot, hash);
        // Who only reads has nothing to refresh with, and nobody to tell of a failure.
        if found == Lookup::Failure(slot) {
            return None;
        }
        self.stats.requested += 1;
        self.stats.hits += 1;
        Some(slot)
    }

    /// Removes a key's entry and fences its loads. Answers whether there was a valid entry.
    pub fn delete(&mut self, key: &[u8], now: Instant) -> bool {
        let hash = self.hasher.hash(key);
        self.flights.fence(hash, key);
        let Some((slot, valid)) = self.store.delete(hash, key, now) else { return false };
        self.effects.push(Effect::Clear { slot: slot.0 });
        valid
    }

    /// Removes all entries and fences all loads. The caller forgets all values.
    pub fn clear(&mut self) {
        self.flights.fence_where(&|_, _| true);
        self.store.clear();
    }

    /// Removes the entries that have expired.
    pub fn purge(&mut self, now: Instant) {
        let Self { store, effects, stats, .. } = self;
        store.purge(now, |slot, why| Self::vacate(effects, stats, slot, why));
    }

    /// The slots of valid entries, from who would leave last to who would leave first; those behind `after`, if there is one.
    pub fn recent(&self, after: Option<Slot>, now: Instant) -> impl Iterator<Item = Slot> {
        self.store.recent(after, now)
    }

    /// Milliseconds the entry at `slot` stays valid.
    #[must_use]
    pub fn remaining(&self, slot: Slot, now: Instant) -> Millis {
        self.store.remaining(slot, now)
    }

    /// Appends the bytes of the key at `slot` to `out`.
    pub fn copy_key(&self, slot: Slot, out: &mut Vec<u8>) {
        self.store.copy_key(slot, out);
    }

    /// Entries held, expired ones perhaps among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    #[must_use]
    pub fn weight(&self) -> u64 {
        self.store.weight()
    }
}
