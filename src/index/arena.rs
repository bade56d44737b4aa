//! Where key bytes live: a column of words, a block per key, none across two chunks.
//!
//! A block is a header word and the key's bytes, zero-padded to words, so that keys are compared a word at a time. Freed blocks go to a list
//! per size and are used again exactly; when blocks of other sizes would make the arena grow although a third of it is free, it is
//! compacted in place, which the headers' back references make one pass. So the arena stays within 1.5 times its live bytes, plus a chunk, and what
//! is left of a chunk that has no room for a block. Large keys are apart, each by itself.

use alloc::vec::Vec;

use crate::column::{CHUNK, Column, chunk};
use crate::error::{OutOfMemory, Validity, check};
use crate::hash::tail_word;
use crate::ids::Slot;

/// Words from which on a block is large.
const LARGE: usize = CHUNK / 16;
/// Below this many free words compaction is not worth a pass.
const COMPACT_WORDS_MIN: usize = 4096;
/// In a header's upper half: the block is free. The rest of that half is then its words, else the key's bytes.
const FREE: u32 = 1 << 31;
/// In an offset: the rest is the number of a large block.
const APART: u32 = 1 << 30;

/// Where a key's block begins, in words. Less than 2³¹.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset(pub u32);

#[derive(Debug)]
pub struct Arena {
    words: Column,
    /// Empty where none is any longer.
    large: Vec<Vec<u64>>,
    vacant: Vec<u32>,
    /// First free block per size, one further on; a free block's header names the next one. 0 ends the list.
    free: [u32; LARGE],
    free_words: usize,
}

impl Arena {
    pub const EMPTY: Self = Self { words: Column::EMPTY, large: Vec::new(), vacant: Vec::new(), free: [0; _], free_words: 0 };

    /// Copies `key` in, owned by `slot`. Ask [`Arena::wants_compaction`] first.
    ///
    /// # Errors
    /// When the arena cannot grow; no block has changed then.
    pub fn insert(&mut self, slot: Slot, key: &[u8]) -> Result<Offset, OutOfMemory> {
        if key.len() >= FREE as usize {
            return Err(OutOfMemory);
        }
        let size = block_words(key.len());
        let (at, block) = if size < LARGE {
            let at = self.small(size)?;
            (at, self.words.rest_mut(at as usize))
        } else {
            let at = self.large(chunk(size)?)?;
            (at | APART, &mut self.large[at as usize][..])
        };
        block[0] = header(key.len() as u32, slot.0);
        let mut whole = key.chunks_exact(8);
        for (word, bytes) in block[1..].iter_mut().zip(&mut whole) {
            *word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        }
        if !whole.remainder().is_empty() {
            block[size - 1] = tail_word(key);
        }
        Ok(Offset(at))
    }

    pub fn remove(&mut self, Offset(at): Offset) {
        if at & APART != 0 {
            self.large[(at & !APART) as usize] = Vec::new();
            self.vacant.push(at & !APART);
        } else {
            self.release(at as usize, block_words(self.key_len(Offset(at))));
        }
    }

    /// Whether the block at `at` holds exactly `key`.
    #[inline]
    #[must_use]
    pub fn matches(&self, at: Offset, key: &[u8]) -> bool {
        let block = self.block(at);
        if (block[0] >> 32) as usize != key.len() {
            return false;
        }
        let body = &block[1..];
        let mut whole = key.chunks_exact(8);
        for (word, bytes) in body.iter().zip(&mut whole) {
            if *word != u64::from_le_bytes(bytes.try_into().expect("eight bytes")) {
                return false;
            }
        }
        whole.remainder().is_empty() || body[key.len() / 8] == tail_word(key)
    }

    /// Appends the key's bytes to `out`.
    pub fn copy_key(&self, at: Offset, out: &mut Vec<u8>) {
        let len = self.key_len(at);
        let start = out.len();
        out.resize(start + len.next_multiple_of(8), 0);
        for (bytes, word) in out[start..].as_chunks_mut::<8>().0.iter_mut().zip(&self.block(at)[1..]) {
            *bytes = word.to_le_bytes();
        }
        out.truncate(start + len);
    }

    #[must_use]
    pub fn key_len(&self, at: Offset) -> usize {
        (self.block(at)[0] >> 32) as usize
    }

    #[must_use]
    pub fn owner(&self, at: Offset) -> Slot {
        Slot(self.block(at)[0] as u32)
    }

    /// Whether a key of `len` bytes would make the arena grow although more than a third of it lies free.
    #[must_use]
    pub fn wants_compaction(&self, len: usize) -> bool {
        let size = block_words(len);
        self.free_words > COMPACT_WORDS_MIN
            && self.free_words * 3 > self.words.len()
            && self.words.len() + size > self.words.capacity()
            && self.free.get(size) == Some(&0)
    }

    /// Slides all blocks together; `moved` is told where each owner's block is now.
    pub fn compact(&mut self, mut moved: impl FnMut(Slot, Offset)) {
        self.free = [0; _];
        self.free_words = 0;
        let (mut from, mut to) = (0, 0);
        while from < self.words.len() {
            let word = self.words[from];
            let upper = (word >> 32) as u32;
            if upper & FREE != 0 {
                from += (upper & !FREE) as usize;
                continue;
            }
            let size = block_words(upper as usize);
            let room = CHUNK - to % CHUNK;
            if size > room {
                self.release(to, room);
                to += room;
            }
            if from != to {
                for at in 0..size {
                    self.words[to + at] = self.words[from + at];
                }
                moved(Slot(word as u32), Offset(to as u32));
            }
            from += size;
            to += size;
        }
        self.words.truncate(to);
    }

    /// Bytes held, used or not.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        let large = self.large.iter().map(|block| block.capacity() * size_of::<u64>() + size_of::<Vec<u64>>());
        self.words.capacity_bytes() + large.sum::<usize>()
    }

    /// # Errors
    /// When blocks, free lists and counts disagree, or the live blocks are not `live`.
    pub fn validate(&self, live: usize) -> Validity {
        let (mut at, mut used, mut free_words, mut free_blocks) = (0, 0, 0, 0);
        while at < self.words.len() {
            let upper = (self.words[at] >> 32) as u32;
            let is_free = upper & FREE != 0;
            let size = if is_free { (upper & !FREE) as usize } else { block_words(upper as usize) };
            check((1..LARGE).contains(&size), || format!("arena: a block of {size} words at {at}"))?;
            check(at % CHUNK + size <= CHUNK, || format!("arena: the block at {at} is in two chunks"))?;
            if is_free {
                free_words += size;
                free_blocks += 1;
            } else {
                used += 1;
            }
            at += size;
        }
        check(at == self.words.len(), || "arena: the last block reaches past the end".into())?;
        used += self.large.iter().filter(|block| !block.is_empty()).count();
        check(used == live, || format!("arena: {used} blocks in use, {live} keys"))?;
        check(free_words == self.free_words, || format!("arena: {free_words} free, {} counted", self.free_words))?;
        let mut listed = 0;
        for (size, &first) in self.free.iter().enumerate() {
            let mut at = first;
            while let Some(free) = at.checked_sub(1) {
                let word = self.words[free as usize];
                check((word >> 32) as u32 == FREE | size as u32, || format!("arena: {free} is no free block of {size}"))?;
                at = word as u32;
                listed += 1;
                check(listed <= free_blocks, || "arena: a free list has a cycle".into())?;
            }
        }
        check(listed == free_blocks, || format!("arena: {listed} blocks listed, {free_blocks} free"))
    }

    /// A block from its header on, with what is behind it.
    #[inline]
    fn block(&self, Offset(at): Offset) -> &[u64] {
        if at & APART == 0 { self.words.rest(at as usize) } else { &self.large[(at & !APART) as usize] }
    }

    /// Room for a block that is not large.
    fn small(&mut self, size: usize) -> Result<u32, OutOfMemory> {
        if let Some(at) = self.free[size].checked_sub(1) {
            self.free[size] = self.words[at as usize] as u32;
            self.free_words -= size;
            return Ok(at);
        }
        let end = self.words.len();
        let room = CHUNK - end % CHUNK;
        let at = if size <= room { end } else { end + room };
        self.words.extend_to(at + size)?;
        if at > end {
            self.release(end, room);
        }
        Ok(at as u32)
    }

    /// Keeps a large block; answers its number.
    fn large(&mut self, block: Vec<u64>) -> Result<u32, OutOfMemory> {
        if let Some(at) = self.vacant.pop() {
            self.large[at as usize] = block;
            return Ok(at);
        }
        self.large.try_reserve(1)?;
        // So that there is room for all of them when they go.
        self.vacant.try_reserve(self.large.len() + 1)?;
        self.large.push(block);
        Ok(self.large.len() as u32 - 1)
    }

    fn release(&mut self, at: usize, size: usize) {
        self.words[at] = header(FREE | size as u32, self.free[size]);
        self.free[size] = at as u32 + 1;
        self.free_words += size;
    }
}

fn header(upper: u32, lower: u32) -> u64 {
    u64::from(upper) << 32 | u64::from(lower)
}

fn block_words(key_len: usize) -> usize {
    1 + key_len.div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    const WORD: usize = size_of::<u64>();

    fn random_key(random: &mut Random, len: usize) -> Vec<u8> {
        (0..len).map(|_| random.below(256) as u8).collect()
    }

    #[test]
    fn a_key_matches_itself_and_nothing_that_is_like_it() {
        let mut random = Random::new(1);
        let mut arena = Arena::EMPTY;
        for len in (0..40).chain([511, 512, 513]) {
            let key = random_key(&mut random, len);
            let at = arena.insert(Slot(7), &key).expect("memory");
            let mut copy = b"before".to_vec();
            arena.copy_key(at, &mut copy);
            assert_eq!(copy, [b"before", &key[..]].concat());
            assert!(arena.matches(at, &key));
            assert_eq!((arena.owner(at), arena.key_len(at)), (Slot(7), len));
            assert!(!arena.matches(at, &[&key[..], &[0]].concat()));
            for place in 0..len {
                let mut other = key.clone();
                other[place] ^= 1 << random.below(8);
                assert!(!arena.matches(at, &other));
            }
            if len > 0 {
                assert!(!arena.matches(at, &key[..len - 1]));
            }
        }
    }

    #[test]
    fn a_block_that_is_freed_is_used_for_the_next_key_of_its_size() {
        let mut arena = Arena::EMPTY;
        let first = arena.insert(Slot(0), b"0123456789").expect("memory");
        arena.insert(Slot(1), b"0").expect("memory");
        arena.remove(first);
        assert_eq!(arena.insert(Slot(2), b"abcdefghijklmnop").expect("memory"), first);
        arena.validate(2).expect("a valid arena");
    }

    /// Keys of all sizes come and go, in numbers that go up and down; each must be where it is said to be.
    #[test]
    fn churn_keeps_every_key_and_at_most_half_as_much_again() {
        const SLOTS: usize = 4000;
        const KEY_BYTES_MAX: usize = 700;
        let mut random = Random::new(2);
        let mut arena = Arena::EMPTY;
        let mut keys: Vec<Option<(Vec<u8>, Offset)>> = vec![None; SLOTS];
        let (mut live_words, mut most, mut compactions) = (0, 0, 0);
        for step in 0..60_000 {
            let place = random.below(if step / 5000 % 2 == 0 { SLOTS } else { SLOTS / 2 });
            if let Some((key, at)) = keys[place].take() {
                assert!(arena.matches(at, &key));
                arena.remove(at);
                live_words -= block_words(key.len());
            } else {
                let len = random.below(if step / 7000 % 2 == 0 { 40 } else { KEY_BYTES_MAX });
                let key = random_key(&mut random, len);
                if arena.wants_compaction(len) {
                    compactions += 1;
                    arena.compact(|owner, to| keys[owner.at()].as_mut().expect("only live keys move").1 = to);
                }
                let at = arena.insert(Slot(place as u32), &key).expect("memory");
                live_words += block_words(len);
                keys[place] = Some((key, at));
            }
            most = most.max(live_words);
            // Of each chunk, what has no room for a block that is nearly large.
            let bound = (most * 3 / 2).max(most + COMPACT_WORDS_MIN) * CHUNK / (CHUNK - LARGE) + 2 * CHUNK + 3 * SLOTS;
            assert!(arena.capacity_bytes() <= bound * WORD, "{} bytes for {most} words", arena.capacity_bytes());
            if step % 50 == 0 {
                arena.validate(keys.iter().flatten().count()).expect("a valid arena");
                assert!(keys.iter().flatten().all(|(key, at)| arena.matches(*at, key)));
            }
        }
        // Each makes room for a third of the arena: they must be rare, or each insertion would cost a pass.
        assert!((4..=100).contains(&compactions), "compacted {compactions} times");
    }

    #[test]
    fn a_key_that_no_header_could_describe_is_refused_before_it_is_read() {
        // As long as the limit without being there: zero pages are not backed before they are touched.
        let key = vec![0_u8; FREE as usize];
        let mut arena = Arena::EMPTY;
        assert_eq!(arena.insert(Slot(0), &key), Err(OutOfMemory));
        assert_eq!(arena.capacity_bytes(), 0);
    }
}
