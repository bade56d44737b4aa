//! How often keys were used of late, estimated: a count-min sketch (Cormode and Muthukrishnan: "An Improved Data Stream Summary", 2005) of
//! four-bit counters, all halved from time to time (TinyLFU: Einziger, Friedman, Manes, 2017).
//!
//! The four counters of a key are in one block, which is one line of a processor's cache. Blocks are halved one at an increment, so that none
//! has much to do; and one right after another, so that keys of different blocks can be compared nearly always.

use alloc::vec::Vec;

use super::lists::grow;
use crate::error::OutOfMemory;

/// Words of a block, eight counters each: four words for each of a key's four counters.
const BLOCK: usize = 16;
const ROWS: usize = 4;
const COUNTER_MAX: u32 = 15;
/// The lowest three bits of each counter: what is left of them when they are halved.
const HALVES: u32 = 0x7777_7777;
/// Keys per block.
const BLOCK_KEYS: u32 = 8;
/// All counters are halved once in as many increments per key as this.
const INCREMENTS_PER_KEY: u32 = 10;
/// Increments per block of a round after all blocks have been halved.
const RESTING: u32 = BLOCK_KEYS * INCREMENTS_PER_KEY - 1;

#[derive(Debug)]
pub struct Sketch {
    words: Vec<u32>,
    blocks: u32,
    /// Increments until all are halved again.
    left: u32,
}

impl Sketch {
    pub const EMPTY: Self = Self { words: Vec::new(), blocks: 0, left: 0 };

    /// Makes an empty one ready for about so many keys.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn begin(&mut self, keys: u32) -> Result<(), OutOfMemory> {
        self.blocks = keys.div_ceil(BLOCK_KEYS).max(1);
        self.left = self.blocks * RESTING;
        grow(&mut self.words, self.blocks * BLOCK as u32)
    }

    /// Counts a use.
    #[inline]
    pub fn increment(&mut self, hash: u32) {
        self.counted(hash, 1);
        self.age();
    }

    /// How often the key has been used, about, before it is used so often more.
    #[inline(never)]
    pub fn counted(&mut self, hash: u32, more: u32) -> u32 {
        let mixed = mixed(hash);
        // Other bits than those that choose the block, as far as there are others.
        let mut bits = mixed ^ hash.rotate_left(16);
        let block = ((u64::from(mixed) * u64::from(self.blocks)) >> 32) as usize * BLOCK;
        let mut least = COUNTER_MAX;
        for row in 0..ROWS {
            let (word, shift) = (block + 4 * row + (bits as usize & 3), bits & 0b11100);
            let count = self.words[word] >> shift & COUNTER_MAX;
            if count < COUNTER_MAX {
                self.words[word] += more << shift;
            }
            least = least.min(count);
            bits >>= 5;
        }
        least
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u32>()
    }

    /// One increment more; the first of each round, as many as there are blocks, halve one each.
    #[inline]
    fn age(&mut self) {
        let resting = self.blocks * RESTING;
        self.left = if self.left > 0 { self.left } else { resting + self.blocks } - 1;
        if self.left >= resting {
            let block = (self.left - resting) as usize * BLOCK;
            for word in block..block + BLOCK {
                self.words[word] = self.words[word] >> 1 & HALVES;
            }
        }
    }
}

/// The hash as it is chooses cells in tables: other bits are wanted where keys are chosen otherwise.
#[inline]
pub fn mixed(hash: u32) -> u32 {
    hash.wrapping_mul(0x9e37_79b1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(key: u32) -> u32 {
        key.wrapping_mul(0x85eb_ca6b) ^ key << 9
    }

    fn sketch(keys: u32) -> Sketch {
        let mut sketch = Sketch::EMPTY;
        sketch.begin(keys).expect("memory");
        sketch
    }

    #[test]
    fn nothing_is_counted_too_low_and_little_too_high() {
        const KEYS: u32 = 1000;
        let mut sketch = sketch(KEYS);
        let count = |key: u32| key % 8;
        for key in 0..KEYS {
            (0..count(key)).for_each(|_| sketch.increment(hash(key)));
        }
        let over: u32 = (0..KEYS)
            .map(|key| {
                // Some blocks have been halved once by now.
                assert!(sketch.counted(hash(key), 0) >= count(key) / 2);
                sketch.counted(hash(key), 0).saturating_sub(count(key))
            })
            .sum();
        assert!(over < KEYS / 4, "{over} too many, in all");
    }

    #[test]
    fn counts_are_halved_in_turn() {
        let mut sketch = sketch(200);
        (0..20).for_each(|_| sketch.increment(hash(1)));
        assert_eq!(sketch.counted(hash(1), 0), COUNTER_MAX);
        // Of one block that is incremented all the time, all others are halved away.
        (0..200 * INCREMENTS_PER_KEY * 5).for_each(|_| sketch.increment(hash(2)));
        assert_eq!((sketch.counted(hash(2), 0) >= 7, sketch.counted(hash(1), 0)), (true, 0));
    }
}
