//! A cache's order of eviction: a window in order of use, and behind it a segmented LRU (Karedla, Love, Wherry: "Caching Strategies to
//! Improve Disk System Performance", 1994) of a probation for what leaves the window and a protected part for what was used in it.
//!
//! How large the window is, and what may leave it for the main part, is up to the [`Arm`]. Changing it moves nothing: entries go where
//! they belong with those that come, a few at each.

use super::lists::List::{Probation, Protected, Window};
use super::lists::Lists;
use crate::random::Random;

/// Entries that leave the window when one comes, at most.
const LEAVING_MAX: u32 = 4;
/// Entries that go back from the protected part at one use, at most.
const DEMOTED_MAX: u32 = 2;
/// The share of the protected part in the main one.
const PROTECTED: f64 = 0.8;
/// Candidates this frequent are let in now and then although they lose: who knows the victims could keep all others out.
const SUSPICIOUS: u32 = 5;
const SUSPICIOUS_CHANCE: f64 = 1.0 / 128.0;

/// A behaviour: how large the window is, and what is admitted from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arm {
    /// All is window: exactly the least recently used leave.
    #[default]
    Recency = 0,
    /// Thirty percent; admitted if used twice of late.
    Twice = 1,
    /// One percent; admitted if used more often of late than who would have to leave.
    Frequency = 2,
}

/// The window's share of the entries; for LRU, all that ever come.
const WINDOW: [f64; ARMS.len()] = [f64::INFINITY, 0.3, 0.01];

pub const ARMS: [Arm; 3] = [Arm::Recency, Arm::Twice, Arm::Frequency];

/// What an entry brings, and costs.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    pub count: u32,
    pub weight: u32,
}

#[derive(Debug)]
pub struct Segments {
    pub lists: Lists,
    arm: Arm,
    window_max: u32,
    protected_max: u32,
}

impl Segments {
    /// Without entries; exactly LRU.
    pub const EMPTY: Self = Self { lists: Lists::EMPTY, arm: Arm::Recency, window_max: u32::MAX, protected_max: 0 };

    /// From now on it does as this arm, with `capacity` entries.
    pub fn limit(&mut self, arm: Arm, capacity: u32) {
        self.arm = arm;
        self.window_max = share(WINDOW[arm as usize], capacity).max(1);
        self.protected_max = share(PROTECTED, capacity.saturating_sub(self.window_max));
    }

    /// Puts in a node that was not there.
    pub fn insert(&mut self, node: u32) {
        // Also while nobody leaves, so that what is used meanwhile gets protected.
        self.shrink_window(1);
        self.lists.push(Window, node);
    }

    #[inline(never)]
    pub fn used(&mut self, node: u32) {
        // For LRU, also from the main part: what was not used since it took over leaves first, oldest first.
        if self.arm == Arm::Recency || self.lists.is_in(Window, node) {
            return self.lists.move_to(Window, node);
        }
        self.lists.move_to(Protected, node);
        for _ in 0..DEMOTED_MAX {
            if self.lists.len(Protected) > self.protected_max {
                self.demote(Protected);
            }
        }
    }

    /// Who has left the window, and who would leave for it, so that `coming` entries can come (none: one has become heavier); the same where
    /// there is no choice.
    #[inline(never)]
    pub fn contest(&mut self, coming: u32) -> Option<(u32, u32)> {
        let candidate = self.shrink_window(coming);
        let victim = [Probation, Protected, Window].into_iter().find_map(|list| self.lists.oldest(list))?;
        Some((candidate.unwrap_or(victim), victim))
    }

    /// Who of a contest leaves. Asks for ranks only where they decide.
    pub fn loser(&self, (candidate, victim): (u32, u32), mut rank: impl FnMut(u32) -> Rank, random: &mut Random) -> u32 {
        let admits = match self.arm {
            Arm::Recency => true,
            Arm::Twice => rank(candidate).count >= 2,
            Arm::Frequency => {
                let (one, other) = (rank(candidate), rank(victim));
                // Uses per weight: what is light may be used less.
                let per_weight = |one: Rank, other: Rank| u64::from(one.count) * u64::from(other.weight.max(1));
                per_weight(one, other) > per_weight(other, one) || one.count > SUSPICIOUS && random.unit() < SUSPICIOUS_CHANCE
            }
        };
        if admits { victim } else { candidate }
    }

    /// From the last to the first that would leave if all were evicted now, newcomers not considered.
    pub fn iter(&self, after: Option<u32>) -> impl Iterator<Item = u32> {
        self.lists.iter_all([Window, Protected, Probation], after)
    }

    /// Makes room in the window; answers who has left it last.
    #[inline(never)]
    fn shrink_window(&mut self, coming: u32) -> Option<u32> {
        let mut left = None;
        for _ in 0..LEAVING_MAX {
            if self.lists.len(Window) + coming > self.window_max {
                left = self.demote(Window).or(left);
            }
        }
        left
    }

    /// The oldest of a list goes to the probation.
    #[inline(never)]
    fn demote(&mut self, from: super::lists::List) -> Option<u32> {
        let node = self.lists.oldest(from)?;
        self.lists.move_to(Probation, node);
        Some(node)
    }
}

fn share(share: f64, of: u32) -> u32 {
    (share * f64::from(of)) as u32
}
