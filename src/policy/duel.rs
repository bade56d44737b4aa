//! Which [`Arm`] is in charge: the one whose shadow has hit most of late, if that cannot be chance.
//!
//! Each arm has a [`Shadow`], fed with the keys whose hash falls into a small part of all, and as much smaller than the cache. Where the
//! shadows disagree about a key, those that had it win. The arm is changed when another has won three standard deviations more often
//! than not against it; what was long ago counts less and less. It begins with the arm that is exactly LRU: whatever cannot be told apart
//! from it stays so.
//!
//! What did best of late need not do best from now on; where that alternates, each change comes too late, and each costs what has to be
//! fetched anew. So one shadow more does as whoever is in charge, changes included. What it hits less than LRU's is a debt, remembered for
//! longer: another arm than LRU has to win that on top, and whoever is in charge and does not, gives way to LRU.

use alloc::boxed::Box;

use super::segments::{ARMS, Arm};
use super::shadow::Shadow;
use super::sketch::{Sketch, mixed};
use crate::error::{OutOfMemory, Validity};
use crate::hash::KeyHash;
use crate::random::Random;

/// Entries that a shadow has at least, where the cache has as many.
const SHADOW_MIN: u32 = 256;
/// A shadow has no less than this part of the cache, as a power of two.
const SAMPLE_SHIFT_MAX: u32 = 7;
/// What an access counts: so much that fractions of it are left of what was long ago, and so little that what is remembered of a cache with
/// as many entries as there can be addresses stays below 2³².
const ACCESS: u32 = 256;
/// The arms are compared so often while as many accesses come as there can be entries.
const COMPARISONS: u32 = 4;
/// The part that is then forgotten of what is known about the arms, and of the debt.
const FORGOTTEN: u32 = 40;
const FORGIVEN: u32 = 500;
/// Standard deviations that must lie between two arms.
const CERTAINTY: u64 = 3;
/// A debt of fewer hits may be chance.
const PATIENCE: u64 = 16 * ACCESS as u64;
/// As an arm to win against: whoever lost. As a shadow: the one that does as who is in charge.
const ANY: usize = ARMS.len();
const ACTING: usize = ARMS.len();

#[derive(Debug)]
pub struct Duel {
    pub arm: Arm,
    pub sketch: Sketch,
    /// Entries that the cache can have.
    pub capacity: u32,
    /// One for each arm, and the acting one.
    shadows: [Shadow; ARMS.len() + 1],
    /// One in two to the power of this of all keys is in the shadows.
    sample_shift: u32,
    /// How often these arms hit, a bit each, and the others did not.
    outcomes: [u32; 1 << ARMS.len()],
    /// How often LRU's shadow hit and the acting one did not, and the other way round.
    acted: [u32; 2],
    /// Accesses until the arms are compared.
    left: u32,
}

impl Duel {
    /// As a constant, it is copied at once, and not written word by word.
    const EMPTY: Self = Self {
        arm: Arm::Recency,
        sketch: Sketch::EMPTY,
        capacity: 0,
        shadows: [Shadow::EMPTY; _],
        sample_shift: 0,
        outcomes: [0; _],
        acted: [0; _],
        left: 0,
    };

    /// For a cache that can have `capacity` entries, in which `arm` is in charge; of none, it has next to no memory.
    ///
    /// # Errors
    /// When there is no memory for it.
    #[inline(never)]
    pub fn new(capacity: u32, arm: Arm) -> Result<Box<Self>, OutOfMemory> {
        let mut duel = Box::new(Self::EMPTY);
        (duel.arm, duel.capacity, duel.left) = (arm, capacity, capacity);
        duel.sketch.begin(capacity)?;
        duel.sample_shift = ((capacity / SHADOW_MIN) | 1).ilog2().min(SAMPLE_SHIFT_MAX);
        for (at, shadow) in duel.shadows.iter_mut().enumerate() {
            let arm = if at == ACTING { arm } else { ARMS[at] };
            shadow.begin(arm, capacity >> duel.sample_shift)?;
        }
        Ok(duel)
    }

    #[inline(never)]
    pub fn access(&mut self, hash: KeyHash, random: &mut Random) {
        self.sketch.increment(hash.0);
        if mixed(hash.0).leading_zeros() >= self.sample_shift {
            let mut outcome = 0;
            for (at, shadow) in self.shadows.iter_mut().enumerate() {
                outcome |= usize::from(shadow.access(hash, &mut self.sketch, random)) << at;
            }
            let acted = outcome >> ACTING;
            self.outcomes[outcome % (1 << ARMS.len())] += ACCESS;
            self.acted[acted] += if acted == outcome & 1 { 0 } else { ACCESS };
        }
        self.left -= 1;
        if self.left == 0 {
            self.decide();
        }
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.sketch.capacity_bytes() + self.shadows.iter().map(Shadow::capacity_bytes).sum::<usize>()
    }

    /// # Errors
    /// When a shadow is not valid.
    pub fn validate(&self) -> Validity {
        self.shadows.iter().try_for_each(Shadow::validate)
    }

    #[inline(never)]
    fn decide(&mut self) {
        self.left = self.capacity / COMPARISONS + 1;
        // Where all hit, or none, nobody has won.
        self.outcomes[(1 << ARMS.len()) - 1] = 0;
        let mut best = 0;
        for arm in 1..ARMS.len() {
            if self.won(arm, ANY) > self.won(best, ANY) {
                best = arm;
            }
        }
        let [lost, gained] = self.acted.map(u64::from);
        let (debt, current) = (lost.saturating_sub(gained), self.arm as usize);
        if !self.is_better(best, current, if best > 0 { debt } else { 0 }) {
            let is_bad = debt > PATIENCE && !self.is_better(current, 0, debt);
            best = if is_bad { 0 } else { current };
        }
        self.arm = ARMS[best];
        self.shadows[ACTING].act_as(self.arm);
        forget(&mut self.outcomes, FORGOTTEN);
        forget(&mut self.acted, FORGIVEN);
    }

    /// Whether an arm does better than the other for sure, and by so much.
    #[inline(never)]
    fn is_better(&self, arm: usize, other: usize, more: u64) -> bool {
        let (won, lost) = (self.won(arm, other), self.won(other, arm));
        won.saturating_sub(lost + more).pow(2) > CERTAINTY.pow(2) * u64::from(ACCESS) * (won + lost)
    }

    /// How often an arm hit where the other did not.
    #[inline(never)]
    fn won(&self, arm: usize, other: usize) -> u64 {
        let is_won = |outcome: &usize| outcome >> arm & 1 > outcome >> other & 1;
        (0..self.outcomes.len()).filter(is_won).map(|outcome| u64::from(self.outcomes[outcome])).sum()
    }
}

#[inline(never)]
fn forget(counts: &mut [u32], part: u32) {
    for count in counts {
        *count -= *count / part;
    }
}
