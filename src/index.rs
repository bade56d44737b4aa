//! Key bytes ↔ slot: an open-addressing index with a word of payload beside each key.
//!
//! The table has a power of two of cells, probed linearly and at most two thirds full; removal shifts the run back, so there are no tombstones. The low
//! bits of a key's hash choose its cell, so the cell has room for `slot + 1` there, beside the hash's other bits, which tell most strangers apart. What a hit reads
//! is one cell, one record and the key's bytes. Keys are compared whole: equal hashes decide nothing.

mod arena;

use alloc::vec::Vec;

use self::arena::{Arena, Offset};
use crate::column::Column;
use crate::error::{OutOfMemory, Validity, check};
use crate::hash::KeyHash;
use crate::ids::Slot;

const CELLS_MIN: usize = 16;
/// In a record's place: no key is there. The rest is then the next free slot; the offset of a key's bytes never has this bit.
const FREE: u32 = 1 << 31;
/// Ends the list of free slots.
const LAST: u32 = FREE - 1;

/// What is kept of a key beside its bytes.
#[derive(Clone, Copy)]
struct Record {
    hash: KeyHash,
    /// Where its bytes are.
    place: u32,
}

#[derive(Debug)]
pub struct Index {
    cells: Vec<u32>,
    /// Two words a slot, in one line of a processor's cache: hash and place of the key, then the payload.
    records: Column,
    free: u32,
    len: usize,
    arena: Arena,
}

impl Index {
    pub const EMPTY: Self = Self { cells: Vec::new(), records: Column::EMPTY, free: LAST, len: 0, arena: Arena::EMPTY };

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One past the highest slot ever used.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.records.len() as u32 / 2
    }

    #[inline(never)]
    #[must_use]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Slot> {
        let mask = self.mask();
        let mut at = hash.0 & mask;
        // An empty table has no cell to get; else an empty cell ends the run, and there always is one.
        while let Some(&cell) = self.cells.get(at as usize) {
            if cell == 0 {
                return None;
            }
            if (cell ^ hash.0) & !mask == 0 {
                let slot = (cell & mask) - 1;
                if self.arena.matches(Offset(self.record(Slot(slot)).place), key) {
                    return Some(Slot(slot));
                }
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Reads what finding a key of this hash will most likely read first; answers something of it.
    #[inline]
    #[must_use]
    pub fn touch(&self, hash: KeyHash) -> u32 {
        let mask = self.mask();
        let cell = self.cells.get((hash.0 & mask) as usize).map_or(0, |&cell| cell);
        self.records.get((2 * (cell & mask)).wrapping_sub(2) as usize).map_or(0, |record| record as u32)
    }

    /// Adds a key that is not there yet.
    ///
    /// # Errors
    /// When a part of the index cannot grow; it is unchanged then.
    #[inline(never)]
    pub fn insert(&mut self, hash: KeyHash, key: &[u8], payload: u64) -> Result<Slot, OutOfMemory> {
        debug_assert!(self.find(hash, key).is_none(), "the key is there already");
        self.reserve_cell()?;
        let is_new = self.free == LAST;
        let slot = Slot(if is_new { self.slots() } else { self.free });
        if self.arena.wants_compaction(key.len()) {
            let records = &mut self.records;
            self.arena.compact(|owner, Offset(place)| {
                let record = &mut records[2 * owner.at()];
                *record = *record >> 32 << 32 | u64::from(place);
            });
        }
        let Offset(place) = self.arena.insert(slot, key)?;
        if let Err(error) = self.records.extend_to(2 * slot.at() + 2) {
            self.arena.remove(Offset(place));
            return Err(error);
        }
        if !is_new {
            self.free = self.record(slot).place & !FREE;
        }
        self.set_record(slot, Record { hash, place });
        self.set_payload(slot, payload);
        self.place(hash, slot);
        self.len += 1;
        Ok(slot)
    }

    #[inline(never)]
    pub fn remove(&mut self, slot: Slot) {
        let Record { hash, place } = self.record(slot);
        assert!(place & FREE == 0, "removed twice");
        self.remove_cell(hash, slot);
        self.arena.remove(Offset(place));
        self.set_record(slot, Record { hash, place: FREE | self.free });
        self.free = slot.0;
        self.len -= 1;
    }

    /// Empties the index and gives its memory back to the allocator.
    pub fn clear(&mut self) {
        *self = Self::EMPTY;
    }

    #[inline]
    #[must_use]
    pub fn payload(&self, slot: Slot) -> u64 {
        self.records[2 * slot.at() + 1]
    }

    #[inline]
    pub fn set_payload(&mut self, slot: Slot, payload: u64) {
        self.records[2 * slot.at() + 1] = payload;
    }

    /// Whether a key is there.
    #[must_use]
    pub fn has(&self, slot: Slot) -> bool {
        slot.0 < self.slots() && self.record(slot).place & FREE == 0
    }

    #[must_use]
    pub fn hash(&self, slot: Slot) -> KeyHash {
        self.record(slot).hash
    }

    /// Appends the key's bytes to `out`.
    pub fn copy_key(&self, slot: Slot, out: &mut Vec<u8>) {
        self.arena.copy_key(Offset(self.record(slot).place), out);
    }

    /// The slots of all keys.
    pub fn iter(&self) -> impl Iterator<Item = Slot> {
        (0..self.slots()).map(Slot).filter(|&slot| self.has(slot))
    }

    /// Bytes held by all parts, used or not.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<u32>() + self.records.capacity_bytes() + self.arena.capacity_bytes()
    }

    /// # Errors
    /// When cells, records, free list and arena disagree.
    pub fn validate(&self) -> Validity {
        let live = self.iter().count();
        check(live == self.len, || format!("index: {live} records in use, {} counted", self.len))?;
        let cells = self.cells.iter().filter(|&&cell| cell != 0).count();
        check(cells == live, || format!("index: {cells} cells for {live} records"))?;
        check(cells * 3 <= self.cells.len() * 2, || format!("index: {cells} of {} cells", self.cells.len()))?;
        let mut key = Vec::new();
        for slot in self.iter() {
            key.clear();
            self.copy_key(slot, &mut key);
            check(self.find(self.hash(slot), &key) == Some(slot), || format!("index: slot {} is not found", slot.0))?;
            let offset = Offset(self.record(slot).place);
            check(self.arena.owner(offset) == slot, || format!("index: slot {} owns another's block", slot.0))?;
        }
        let (mut free, mut at) = (0, self.free);
        while at != LAST {
            check(at < self.slots() && !self.has(Slot(at)), || format!("index: slot {at} on the free list is in use"))?;
            at = self.record(Slot(at)).place & !FREE;
            free += 1;
            check(free <= self.slots(), || "index: the free list has a cycle".into())?;
        }
        check(live + free as usize == self.slots() as usize, || format!("index: {live} + {free} of {}", self.slots()))?;
        self.arena.validate(live)
    }

    /// The bits of a hash that choose a cell; in a cell, those of the slot.
    #[inline]
    fn mask(&self) -> u32 {
        (self.cells.len() as u32).wrapping_sub(1)
    }

    /// Where the search for a cell's key begins.
    fn home(&self, cell: u32) -> u32 {
        let mask = self.mask();
        self.hash(Slot((cell & mask) - 1)).0 & mask
    }

    #[inline]
    fn record(&self, slot: Slot) -> Record {
        let word = self.records[2 * slot.at()];
        Record { hash: KeyHash((word >> 32) as u32), place: word as u32 }
    }

    #[inline]
    fn set_record(&mut self, slot: Slot, Record { hash, place }: Record) {
        self.records[2 * slot.at()] = u64::from(hash.0) << 32 | u64::from(place);
    }

    fn reserve_cell(&mut self) -> Result<(), OutOfMemory> {
        if (self.len + 1) * 3 <= self.cells.len() * 2 {
            return Ok(());
        }
        let size = (self.cells.len() * 2).max(CELLS_MIN);
        let mut grown = Vec::new();
        grown.try_reserve_exact(size)?;
        grown.resize(size, 0);
        self.cells = grown;
        for slot in (0..self.slots()).map(Slot) {
            if self.has(slot) {
                self.place(self.hash(slot), slot);
            }
        }
        Ok(())
    }

    fn place(&mut self, hash: KeyHash, slot: Slot) {
        let mask = self.mask();
        let mut at = hash.0 & mask;
        while self.cells[at as usize] != 0 {
            at = (at + 1) & mask;
        }
        self.cells[at as usize] = hash.0 & !mask | (slot.0 + 1);
    }

    /// Empties the slot's cell and moves back what its probing pushed on (Knuth, TAOCP 3, 6.4, algorithm R).
    fn remove_cell(&mut self, hash: KeyHash, slot: Slot) {
        let mask = self.mask();
        let mut gap = hash.0 & mask;
        while self.cells[gap as usize] & mask != slot.0 + 1 {
            gap = (gap + 1) & mask;
        }
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let cell = self.cells[at as usize];
            if cell == 0 {
                break;
            }
            // The cell may move into the gap only if its home does not lie between the gap and itself.
            if at.wrapping_sub(self.home(cell)) & mask >= at.wrapping_sub(gap) & mask {
                self.cells[gap as usize] = cell;
                gap = at;
            }
        }
        self.cells[gap as usize] = 0;
    }
}

#[cfg(test)]
mod tests;
