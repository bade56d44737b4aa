//! Which [`Arm`] is in charge: the one whose shadow has hit most of late, if that cannot be chance.
//!
//! Each arm has a [`Shadow`], fed with the keys whose hash falls into a small part of all, and as much smaller than the cache. Where the
//! shadows disagree about a key, those that had it win. The arm is changed when another has won three standard deviations more often
//! than not against it; what was long ago counts less and less. It begins with the arm that is exactly LRU: whatever cannot be told apart
//! from it stays so.

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
const SAMPLE_SHIFT_MAX: u32 = 6;
/// What an access counts: so much that fractions of it are left of what was long ago.
const ACCESS: u32 = 256;
/// The part of what is known that is forgotten when the arms have been compared.
const FORGOTTEN: u32 = 10;
/// Standard deviations that must lie between two arms.
const CERTAINTY: u64 = 3;
/// As an arm to win against: whoever lost.
const ANY: usize = ARMS.len();

#[derive(Debug)]
pub struct Duel {
    pub arm: Arm,
    pub sketch: Sketch,
    /// Entries that the cache can have.
    pub capacity: u32,
    /// One for each arm.
    shadows: [Shadow; ARMS.len()],
    /// One in two to the power of this of all keys is in the shadows.
    sample_shift: u32,
    /// How often these arms hit, a bit each, and the others did not.
    outcomes: [u32; 1 << ARMS.len()],
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
        for (shadow, arm) in duel.shadows.iter_mut().zip(ARMS) {
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
            self.outcomes[outcome] = self.outcomes[outcome].saturating_add(ACCESS);
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
        self.left = self.capacity;
        // Where all hit, or none, nobody has won.
        self.outcomes[(1 << ARMS.len()) - 1] = 0;
        let mut best = 0;
        for arm in 1..ARMS.len() {
            if self.won(arm, ANY) > self.won(best, ANY) {
                best = arm;
            }
        }
        let (won, lost) = (self.won(best, self.arm as usize), self.won(self.arm as usize, best));
        if won > lost && (won - lost).pow(2) > CERTAINTY.pow(2) * u64::from(ACCESS) * (won + lost) {
            self.arm = ARMS[best];
        }
        for count in &mut self.outcomes {
            *count -= *count / FORGOTTEN;
        }
    }

    /// How often an arm hit where the other did not.
    #[inline(never)]
    fn won(&self, arm: usize, other: usize) -> u64 {
        let is_won = |outcome: &usize| outcome >> arm & 1 > outcome >> other & 1;
        (0..self.outcomes.len()).filter(is_won).map(|outcome| u64::from(self.outcomes[outcome])).sum()
    }
}
