//! A vector of words in chunks: what is in it never moves, and growing neither copies it nor leaves an outgrown one behind.
//!
//! Linear memory never shrinks, so what a vector leaves behind whenever it doubles would come to as much as the vector itself. Of words and not of
//! anything else, so that its code is there once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use crate::error::OutOfMemory;

/// Words of a chunk.
pub const CHUNK: usize = 1024;

#[derive(Debug)]
pub struct Column {
    chunks: Vec<Box<[u64; CHUNK]>>,
    len: usize,
}

impl Column {
    pub const EMPTY: Self = Self { chunks: Vec::new(), len: 0 };

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn get(&self, at: usize) -> Option<u64> {
        if at < self.len { Some(self[at]) } else { None }
    }

    /// The words from `at` on that are in one chunk.
    #[inline]
    #[must_use]
    pub fn rest(&self, at: usize) -> &[u64] {
        &self.chunks[at / CHUNK][at % CHUNK..]
    }

    #[inline]
    pub fn rest_mut(&mut self, at: usize) -> &mut [u64] {
        &mut self.chunks[at / CHUNK][at % CHUNK..]
    }

    /// Words there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// Makes it `len` long if it is longer, and gives chunks back that it does not need.
    pub fn truncate(&mut self, len: usize) {
        self.chunks.truncate(len.div_ceil(CHUNK));
        self.len = self.len.min(len);
    }

    /// Makes it `len` long if it is shorter, with zeros, or what was there before it was truncated.
    ///
    /// # Errors
    /// When there is no memory for them; it is as long as before then.
    #[inline]
    pub fn extend_to(&mut self, len: usize) -> Result<(), OutOfMemory> {
        if len > self.len { self.grow(len) } else { Ok(()) }
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.capacity() * size_of::<u64>() + self.chunks.capacity() * size_of::<usize>()
    }

    #[inline(never)]
    fn grow(&mut self, len: usize) -> Result<(), OutOfMemory> {
        while self.chunks.len() * CHUNK < len {
            self.chunks.try_reserve(1)?;
            self.chunks.push(chunk(CHUNK)?.try_into().map_err(|_| OutOfMemory)?);
        }
        self.len = len;
        Ok(())
    }
}

impl Index<usize> for Column {
    type Output = u64;

    #[inline]
    fn index(&self, at: usize) -> &u64 {
        &self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl IndexMut<usize> for Column {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut u64 {
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }
}

/// So many zeros.
///
/// # Errors
/// When there is no memory for them.
#[inline(never)]
pub fn chunk(words: usize) -> Result<Vec<u64>, OutOfMemory> {
    let mut chunk = Vec::new();
    chunk.try_reserve_exact(words)?;
    chunk.resize(words, 0);
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_it_stays_where_it_is() {
        const LEN: usize = 5 * CHUNK + 1;
        let mut column = Column::EMPTY;
        assert_eq!((column.get(0), column.len(), column.capacity_bytes()), (None, 0, 0));
        column.extend_to(1).expect("memory");
        let first: *const u64 = &raw const column[0];
        for at in 0..LEN {
            column.extend_to(at + 1).expect("memory");
            assert_eq!(column[at], 0);
            column[at] = at as u64;
        }
        column.extend_to(3).expect("memory");
        assert_eq!((&raw const column[0], column.len()), (first, LEN));
        assert!((0..LEN).all(|at| column.get(at) == Some(at as u64)));
        assert_eq!(column.get(LEN), None);
        column.truncate(CHUNK + 1);
        assert_eq!((column.get(CHUNK), column.get(CHUNK + 1), column.capacity()), (Some(CHUNK as u64), None, 2 * CHUNK));
    }
}
