//! Which slot leaves when the store is full.
//!
//! The store tells its policy of every entry that comes, is used, and goes, and asks it for a victim; nothing else knows how victims are
//! chosen. A policy keeps slots and hashes, never keys or values. It begins as exactly LRU; where a [`Duel`]
//! may decide, it comes to do what would have hit most (docs/decisions.md has the figures).

mod duel;
mod lists;
mod segments;
mod shadow;
mod sketch;

pub use segments::Rank;

use alloc::boxed::Box;

use self::duel::Duel;
use self::lists::List;
use self::segments::{Arm, Segments};
use crate::error::{OutOfMemory, Validity, check};
use crate::hash::KeyHash;
use crate::ids::Slot;
use crate::random::Random;

/// The duel begins when this part of the entries is there: it has to know who is frequent when somebody must leave, and a cache that will
/// never be full should not pay for it.
const DUEL_FROM: u32 = 8;
/// Uses per entry from then on, until it rests although nobody has left.
const FIRST_PRESSED: u32 = 4;

#[derive(Debug)]
pub struct Policy {
    segments: Segments,
    /// Of nobody, before it begins.
    duel: Box<Duel>,
    /// Uses until the duel is told of none: while nobody leaves, for as many uses as there are entries, there is nothing to decide.
    pressed: u32,
    adaptive: bool,
    entries_max: u32,
    random: Random,
}

impl Policy {
    #[must_use]
    pub fn new(adaptive: bool, entries_max: usize, seed: u64) -> Self {
        Self {
            segments: Segments::EMPTY,
            duel: nobodys(),
            pressed: 0,
            adaptive,
            entries_max: entries_max as u32,
            random: Random::new(seed),
        }
    }

    /// Makes room for slots below `slots`.
    ///
    /// # Errors
    /// When there is no memory for them; nothing has changed then.
    pub fn reserve(&mut self, slots: u32) -> Result<(), OutOfMemory> {
        self.segments.lists.reserve(slots)
    }

    pub fn inserted(&mut self, slot: Slot, hash: KeyHash) {
        self.segments.insert(slot.0);
        if self.duel.capacity == 0 && self.segments.lists.total() > self.entries_max / DUEL_FROM {
            self.begin(self.entries_max);
            self.pressed = self.duel.capacity * FIRST_PRESSED;
        }
        if self.duel.capacity > 0 {
            self.duel.access(hash, &mut self.random);
        }
    }

    #[inline]
    pub fn used(&mut self, slot: Slot, hash: KeyHash) {
        self.segments.used(slot.0);
        if self.pressed > 0 {
            self.pressed -= 1;
            self.duel.access(hash, &mut self.random);
        }
    }

    /// `slot` is the last to be a victim, until another is used.
    pub fn spare(&mut self, slot: Slot) {
        self.segments.lists.move_to(List::Window, slot.0);
    }

    pub fn removed(&mut self, slot: Slot) {
        self.segments.lists.unlink(slot.0);
    }

    /// Who leaves, so that `coming` entries can come.
    pub fn victim(&mut self, coming: u32, entry: impl Fn(Slot) -> (KeyHash, u32)) -> Option<Slot> {
        let entries = self.segments.lists.total();
        // Where weights are the bound, how many entries there can be is what there are now.
        if entries / 2 > self.duel.capacity || entries < self.duel.capacity / 2 {
            self.begin(entries);
        }
        self.pressed = self.duel.capacity;
        let Self { segments, duel, random, .. } = self;
        segments.limit(duel.arm, entries);
        let contest = segments.contest(coming)?;
        let rank = |node| {
            let (hash, weight) = entry(Slot(node));
            Rank { count: duel.sketch.counted(hash.0, 0), weight }
        };
        Some(Slot(segments.loser(contest, rank, random)))
    }

    pub fn clear(&mut self) {
        self.segments = Segments::EMPTY;
        self.duel = nobodys();
        self.pressed = 0;
    }

    /// From the last to the first that would leave if all did, newcomers not considered; most recent first where that is LRU. Those behind `after`, if there is
    /// one.
    pub fn iter(&self, after: Option<Slot>) -> impl Iterator<Item = Slot> {
        self.segments.iter(after.map(|slot| slot.0)).map(Slot)
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.segments.lists.capacity_bytes() + self.duel.capacity_bytes()
    }

    /// # Errors
    /// When a part is not valid, or the lists do not have `live` slots.
    pub fn validate(&self, live: usize) -> Validity {
        self.segments.lists.validate()?;
        let total = self.segments.lists.total() as usize;
        check(total == live, || format!("policy: {total} slots in lists, {live} live"))?;
        self.duel.validate()
    }

    /// A duel for this many entries, in which who is in charge remains so. Where there is no memory for it, it stays as it is.
    #[inline(never)]
    fn begin(&mut self, entries: u32) {
        if self.adaptive {
            match Duel::new(entries, self.duel.arm) {
                Ok(duel) => self.duel = duel,
                Err(OutOfMemory) => self.adaptive = false,
            }
        }
    }
}

fn nobodys() -> Box<Duel> {
    Duel::new(0, Arm::Recency).expect("memory for next to nothing")
}

#[cfg(test)]
mod tests;
