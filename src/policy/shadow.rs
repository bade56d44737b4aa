//! What a cache would hold if another [`Arm`] had always been in charge: keys' hashes without entries, a sample of them.
//!
//! All of its memory is there from the beginning on. Keys of equal hashes are one.

use alloc::vec::Vec;

use super::lists::grow;
use super::segments::{Arm, Rank, Segments};
use super::sketch::Sketch;
use crate::error::{OutOfMemory, Validity, check};
use crate::hash::KeyHash;
use crate::random::Random;

#[derive(Debug)]
pub struct Shadow {
    /// Chains of nodes whose hashes end alike: the first of each, then, by node, the next. As `node + 1`; 0 ends a chain.
    chains: Vec<u32>,
    /// How many chains there are, a power of two.
    firsts: usize,
    /// By node.
    hashes: Vec<u32>,
    segments: Segments,
}

impl Shadow {
    pub const EMPTY: Self = Self { chains: Vec::new(), firsts: 0, hashes: Vec::new(), segments: Segments::EMPTY };

    /// Makes an empty one ready for `capacity` keys.
    ///
    /// # Errors
    /// When there is no memory for it.
    #[inline(never)]
    pub fn begin(&mut self, arm: Arm, capacity: u32) -> Result<(), OutOfMemory> {
        self.segments.lists.reserve(capacity)?;
        grow(&mut self.hashes, capacity)?;
        self.act_as(arm);
        self.firsts = capacity.next_power_of_two() as usize;
        grow(&mut self.chains, self.firsts as u32 + capacity)
    }

    /// From now on it does as this arm.
    pub fn act_as(&mut self, arm: Arm) {
        self.segments.limit(arm, self.hashes.len() as u32);
    }

    /// Whether the key would have been there; it is now.
    #[inline(never)]
    pub fn access(&mut self, KeyHash(hash): KeyHash, sketch: &mut Sketch, random: &mut Random) -> bool {
        if let Some(node) = self.chains[self.find(hash)].checked_sub(1) {
            self.segments.used(node);
            return true;
        }
        let mut node = self.segments.lists.total();
        if node as usize == self.hashes.len() {
            let Some(contest) = self.segments.contest(1) else { return false };
            let rank = |node: u32| Rank { count: sketch.counted(self.hashes[node as usize], 0), weight: 1 };
            node = self.segments.loser(contest, rank, random);
            self.segments.lists.unlink(node);
            let place = self.find(self.hashes[node as usize]);
            self.chains[place] = self.chains[self.firsts + node as usize];
        }
        let place = self.find(hash);
        self.chains[place] = node + 1;
        self.chains[self.firsts + node as usize] = 0;
        self.hashes[node as usize] = hash;
        self.segments.insert(node);
        false
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        (self.chains.capacity() + self.hashes.capacity()) * size_of::<u32>() + self.segments.lists.capacity_bytes()
    }

    /// # Errors
    /// When keys and lists disagree.
    pub fn validate(&self) -> Validity {
        self.segments.lists.validate()?;
        let total = self.segments.lists.total();
        let chained = self.chains.iter().filter(|&&next| next != 0).count();
        check(chained == total as usize, || format!("shadow: {chained} of {total} keys in chains"))?;
        for node in 0..total {
            let found = self.chains[self.find(self.hashes[node as usize])];
            check(found == node + 1, || format!("shadow: node {node} is not found"))?;
        }
        Ok(())
    }

    /// The place of a key in its chain, or the end.
    #[inline(never)]
    fn find(&self, hash: u32) -> usize {
        let mut at = hash as usize & (self.firsts - 1);
        while let Some(node) = self.chains[at].checked_sub(1) {
            if self.hashes[node as usize] == hash {
                break;
            }
            at = self.firsts + node as usize;
        }
        at
    }
}
