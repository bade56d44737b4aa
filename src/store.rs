//! The resident entries: which keys have a value, until when, at what weight.
//!
//! Values themselves live with the caller, by slot: every slot that is vacated here is reported, to be cleared there in the same turn.
//! An entry may hold a failure instead of a value: it is served, and counted, as such. An expired entry is kept as long as somebody may still want it stale, and removed by the sweep: each insertion looks at two slots in
//! turn, so that what expired unread is gone after as many insertions as half the slots, and no entry needs a timer.

use alloc::vec::Vec;

use crate::column::Column;
use crate::error::{OutOfMemory, Validity, check};
use crate::hash::KeyHash;
use crate::ids::Slot;
use crate::index::Index;
use crate::labels::Labels;
use crate::policy::Policy;
use crate::random::Random;
use crate::time::{Instant, Millis};

/// Slots the sweep looks at per insertion; two outrun one insertion a turn.
const SWEPT_PER_INSERTION: u32 = 2;

/// Bytes that entries leave for what waits.
const ROOM_LEFT: usize = 1 << 16;
/// Bytes of a key that are looked for room for by themselves.
const LARGE_KEY: usize = 256;
/// New slots for other keys from one look for room to the next: together, they take less than is left.
const INSERTIONS_PER_LOOK: u32 = 64;

/// What may be held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub entries_max: usize,
    pub weight_max: u64,
}

/// What is kept about one key.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub expires_at: Instant,
    pub weight: u32,
    /// What it lived when it was stored, in milliseconds: what a use prolongs it by where TTLs slide.
    pub ttl_ms: f32,
    /// How long its load took, in milliseconds.
    pub load_ms: f32,
    pub holds: Holds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Value,
    Failure,
}

/// When an entry expires; negative, as no moment is, where it holds a failure.
#[derive(Clone, Copy, Debug)]
struct Expiry(f64);

impl Expiry {
    fn new(at: Instant, holds: Holds) -> Self {
        Self(if holds == Holds::Failure { -at.0 } else { at.0 })
    }

    #[inline]
    fn at(self) -> Instant {
        Instant(self.0.abs())
    }

    #[inline]
    fn is_value(self) -> bool {
        self.0.is_sign_positive()
    }

    /// Whether a reader gets a value.
    fn is_readable(self, now: Instant) -> bool {
        now < self.at() && self.is_value()
    }
}

/// What else is kept about a key, where it is asked for.
#[derive(Clone, Copy, Debug)]
struct Details {
    weight: u32,
    /// As in [`Entry`].
    ttl_ms: f32,
    load_ms: f32,
}

impl Details {
    fn of(details: &Column, slot: Slot) -> Self {
        let [weight, times] = [0, 1].map(|word| details.get(2 * slot.at() + word).unwrap_or_default());
        Self { weight: weight as u32, ttl_ms: f32::from_bits(times as u32), load_ms: f32::from_bits((times >> 32) as u32) }
    }

    fn put(self, details: &mut Column, slot: Slot) {
        details[2 * slot.at()] = self.weight.into();
        details[2 * slot.at() + 1] = u64::from(self.load_ms.to_bits()) << 32 | u64::from(self.ttl_ms.to_bits());
    }
}

/// How reading affects entries, and the reader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Freshness {
    /// A use makes the entry live its TTL from then on.
    pub sliding: bool,
    /// How eagerly entries are refreshed before they expire: the β of [`Store::is_due_early`]; 0 never.
    pub early: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Valid.
    Hit(Slot),
    /// Valid, and this reader is to refresh it.
    Early(Slot),
    /// A failure, valid.
    Failure(Slot),
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
    /// Of each, its [`Expiry`].
    index: Index,
    /// By slot, two words each; of nobody until somebody has a weight, or TTLs slide, or entries are refreshed early.
    details: Column,
    policy: Policy,
    /// Tags, and once they are asked for, groups.
    labels: Labels,
    bounds: Bounds,
    freshness: Freshness,
    weight: u64,
    /// Where the sweep goes on.
    hand: u32,
    /// How long expired entries are kept for those who take them stale: the longest anybody has asked for.
    grace: Millis,
}

impl Store {
    #[must_use]
    pub fn new(bounds: Bounds, freshness: Freshness, policy: Policy) -> Self {
        Self {
            index: Index::EMPTY,
            details: Column::EMPTY,
            policy,
            labels: Labels::EMPTY,
            bounds,
            freshness,
            weight: 0,
            hand: 0,
            grace: Millis::ZERO,
        }
    }

    /// Reads what looking a key of this hash up will most likely read first, so that it is at hand then; answers something of it.
    #[inline]
    #[must_use]
    pub fn touch(&self, hash: KeyHash) -> u32 {
        self.index.touch(hash)
    }

    /// Looks `key` up for a reader, who is to tell of its use. `stale` is how long ago an entry may have expired to be served.
    #[inline]
    pub fn lookup(&mut self, hash: KeyHash, key: &[u8], now: Instant, stale: Millis, random: &mut Random) -> Lookup {
        let Some(slot) = self.index.find(hash, key) else { return Lookup::Miss };
        let expiry = self.expiry(slot);
        if now < expiry.at() {
            if !expiry.is_value() {
                return Lookup::Failure(slot);
            }
            let early = self.freshness.early > 0.0 && self.is_due_early(slot, now, random);
            if self.freshness.sliding {
                let ttl = Millis(f64::from(Details::of(&self.details, slot).ttl_ms));
                self.index.set_payload(slot, Expiry::new(now.plus(ttl), Holds::Value).0.to_bits());
            }
            return if early { Lookup::Early(slot) } else { Lookup::Hit(slot) };
        }
        if expiry.is_value() && now < expiry.at().plus(stale) { Lookup::Stale(slot) } else { Lookup::Miss }
    }

    /// What was found at `slot` is used.
    #[inline]
    pub fn used(&mut self, slot: Slot, hash: KeyHash) {
        self.policy.used(slot, hash);
    }

    /// Looks `key` up without a trace.
    #[must_use]
    pub fn peek(&self, hash: KeyHash, key: &[u8], now: Instant) -> Option<Slot> {
        self.index.find(hash, key).filter(|&slot| self.expiry(slot).is_readable(now))
    }

    /// The entry of `key` if it is valid or expired no longer ago than `stale`, without a trace.
    #[must_use]
    pub fn find_stale(&self, hash: KeyHash, key: &[u8], now: Instant, stale: Millis) -> Option<Slot> {
        self.index.find(hash, key).filter(|&slot| {
            let expiry = self.expiry(slot);
            expiry.is_value() && now < expiry.at().plus(stale)
        })
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
        entry: Entry,
        now: Instant,
        mut vacated: impl FnMut(Slot, Vacated),
    ) -> Result<Stored, OutOfMemory> {
        self.sweep(now, &mut vacated);
        let found = self.index.find(hash, key);
        let weight = entry.weight;
        if u64::from(weight) > self.bounds.weight_max {
            if let Some(slot) = found {
                self.remove(slot);
                vacated(slot, Vacated::Replaced);
            }
            return Ok(Stored::TooHeavy);
        }
        let Entry { expires_at, ttl_ms, load_ms, holds, .. } = entry;
        let expiry = Expiry::new(expires_at, holds).0.to_bits();
        let Freshness { sliding, early } = self.freshness;
        let is_detailed = weight > 0 || sliding || early > 0.0 || self.details.len() > 0;
        if is_detailed {
            self.details.extend_to(2 * self.index.slots() as usize + 2)?;
        }
        let details = Details { weight, ttl_ms, load_ms };
        if let Some(slot) = found {
            self.policy.used(slot, hash);
            self.labels.remove(slot);
            self.index.set_payload(slot, expiry);
            self.weight = self.weight - u64::from(Details::of(&self.details, slot).weight) + u64::from(weight);
            if is_detailed {
                details.put(&mut self.details, slot);
            }
            if self.weight > self.bounds.weight_max {
                // It must not be asked to leave itself: alone it fits.
                self.policy.spare(slot);
                self.evict(0, 0, &mut vacated);
            }
            return Ok(Stored::At(slot));
        }
        self.evict(1, u64::from(weight), &mut vacated);
        self.leave_room(key)?;
        self.policy.reserve(self.index.slots() + 1)?;
        let slot = self.index.insert(hash, key, expiry)?;
        if is_detailed {
            details.put(&mut self.details, slot);
        }
        self.policy.inserted(slot, hash);
        self.weight += u64::from(weight);
        Ok(Stored::At(slot))
    }

    /// Removes what `key` has, valid or not.
    pub fn delete(&mut self, hash: KeyHash, key: &[u8], now: Instant) -> Option<(Slot, bool)> {
        let slot = self.index.find(hash, key)?;
        let valid = self.expiry(slot).is_readable(now);
        self.remove(slot);
        Some((slot, valid))
    }

    /// Removes the entry at `slot`, if one is there.
    pub fn delete_slot(&mut self, slot: Slot) -> bool {
        let found = self.index.has(slot);
        if found {
            self.remove(slot);
        }
        found
    }

    /// Puts a name on the entry at `slot`.
    ///
    /// # Errors
    /// When there is no memory for it; the entry does not have the name then.
    pub fn label(&mut self, slot: Slot, hash: KeyHash, name: &[u8]) -> Result<(), OutOfMemory> {
        self.labels.add(slot, hash, name)
    }

    /// The names there are.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// All slots with an entry, valid or not.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.index.iter()
    }

    /// Whether the entry at `slot` has a valid value.
    #[must_use]
    pub fn is_readable(&self, slot: Slot, now: Instant) -> bool {
        self.expiry(slot).is_readable(now)
    }

    /// The slot of `key`, valid or not.
    #[must_use]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Slot> {
        self.index.find(hash, key)
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
        self.details = Column::EMPTY;
        self.policy.clear();
        self.labels.clear();
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
        self.index.capacity_bytes() + self.details.capacity_bytes() + self.policy.capacity_bytes() + self.labels.capacity_bytes()
    }

    /// The slots of valid entries, from who would leave last to who would leave first: most recently used first, where that is LRU; those
    /// behind `after`, if there is one.
    pub fn recent(&self, after: Option<Slot>, now: Instant) -> impl Iterator<Item = Slot> {
        self.policy.iter(after).filter(move |&slot| self.expiry(slot).is_readable(now))
    }

    /// Milliseconds the entry at `slot` stays valid.
    #[must_use]
    pub fn remaining(&self, slot: Slot, now: Instant) -> Millis {
        self.expiry(slot).at().since(now)
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
        self.labels.validate()?;
        let weight = self.slots().map(|slot| u64::from(Details::of(&self.details, slot).weight)).sum::<u64>();
        check(weight == self.weight, || format!("store: weight {weight}, {} counted", self.weight))?;
        check(self.weight <= self.bounds.weight_max, || format!("store: weight {} over the bound", self.weight))?;
        check(self.len() <= self.bounds.entries_max, || format!("store: {} entries over the bound", self.len()))
    }

    /// Refuses an entry while there is memory left for what waits, which takes it for granted: looks now and then, and for each large key.
    fn leave_room(&self, key: &[u8]) -> Result<(), OutOfMemory> {
        let mut room = Vec::<u8>::new();
        let is_new_slot = self.index.len() == self.index.slots() as usize;
        if key.len() >= LARGE_KEY || is_new_slot && self.index.slots().is_multiple_of(INSERTIONS_PER_LOOK) {
            room.try_reserve_exact(ROOM_LEFT)?;
        }
        // Else it would be left out: nobody uses it.
        core::hint::black_box(&room);
        Ok(())
    }

    fn evict(&mut self, entries: usize, weight: u64, vacated: &mut impl FnMut(Slot, Vacated)) {
        while self.index.len() + entries > self.bounds.entries_max || self.weight + weight > self.bounds.weight_max {
            let Self { index, details, policy, .. } = self;
            let of = |slot| (index.hash(slot), Details::of(details, slot).weight);
            let Some(victim) = policy.victim(entries as u32, of) else { return };
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
        if self.index.has(slot) && now >= self.expiry(slot).at().plus(self.grace) {
            self.remove(slot);
            vacated(slot, Vacated::Expired);
        }
    }

    /// Whether this reader is to refresh a valid entry before it expires: the more likely the nearer its end and the longer its load took, so
    /// that of many readers one does (Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache Stampede Prevention", VLDB '15).
    fn is_due_early(&self, slot: Slot, now: Instant, random: &mut Random) -> bool {
        let ahead = f64::from(Details::of(&self.details, slot).load_ms) * self.freshness.early * -libm::log(1.0 - random.unit());
        now.plus(Millis(ahead)) >= self.expiry(slot).at()
    }

    fn remove(&mut self, slot: Slot) {
        self.policy.removed(slot);
        self.labels.remove(slot);
        self.weight -= u64::from(Details::of(&self.details, slot).weight);
        self.index.remove(slot);
    }

    #[inline]
    fn expiry(&self, slot: Slot) -> Expiry {
        Expiry(f64::from_bits(self.index.payload(slot)))
    }
}

/// Why a slot was vacated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vacated {
    Evicted,
    Expired,
    Replaced,
}
