//! Key bytes ↔ slot: an open-addressing index with a small payload beside each key.
//!
//! The table holds `hash << 32 | slot + 1` in a power of two of cells, probed linearly and at most two thirds full; removal shifts the run back, so there
//! are no tombstones. What a hit reads is one cell, one record and the key's bytes. Keys are compared whole: equal hashes decide nothing.

use alloc::vec::Vec;

use crate::arena::{Arena, Offset};
use crate::error::{OutOfMemory, Validity, check};
use crate::hash::KeyHash;
use crate::ids::{NONE, Slot};

const CELLS_MIN: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Record<P> {
    place: Place,
    hash: KeyHash,
    payload: P,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Key(Offset),
    Free { next: u32 },
}

#[derive(Debug)]
pub struct Index<P> {
    cells: Vec<u64>,
    records: Vec<Record<P>>,
    free: u32,
    len: usize,
    arena: Arena,
}

impl<P: Copy> Default for Index<P> {
    fn default() -> Self {
        Self { cells: Vec::new(), records: Vec::new(), free: NONE, len: 0, arena: Arena::default() }
    }
}

impl<P: Copy> Index<P> {
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
        self.records.len() as u32
    }

    #[inline]
    #[must_use]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Slot> {
        let mask = self.cells.len().wrapping_sub(1);
        let mut at = hash.0 as usize & mask;
        // An empty table has no cell to get; else an empty cell ends the run, and there always is one.
        while let Some(&cell) = self.cells.get(at) {
            if cell == 0 {
                return None;
            }
            if (cell >> 32) as u32 == hash.0 {
                let slot = Slot(cell as u32 - 1);
                if let Place::Key(offset) = self.records[slot.at()].place
                    && self.arena.matches(offset, key)
                {
                    return Some(slot);
                }
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Adds a key that is not there yet.
    ///
    /// # Errors
    /// When a part of the index cannot grow; it is unchanged then.
    pub fn insert(&mut self, hash: KeyHash, key: &[u8], payload: P) -> Result<Slot, OutOfMemory> {
        debug_assert!(self.find(hash, key).is_none(), "the key is there already");
        self.reserve_cell()?;
        if self.free == NONE {
            self.records.try_reserve(1)?;
        }
        let slot = Slot(if self.free == NONE { self.records.len() as u32 } else { self.free });
        if self.arena.wants_compaction(key.len()) {
            let records = &mut self.records;
            self.arena.compact(|owner, offset| records[owner.at()].place = Place::Key(offset));
        }
        let record = Record { place: Place::Key(self.arena.insert(slot, key)?), hash, payload };
        if let Some(place) = self.records.get_mut(slot.at()) {
            let Place::Free { next } = place.place else { unreachable!("a used slot on the free list") };
            self.free = next;
            *place = record;
        } else {
            self.records.push(record);
        }
        place_cell(&mut self.cells, u64::from(hash.0) << 32 | u64::from(slot.0 + 1));
        self.len += 1;
        Ok(slot)
    }

    pub fn remove(&mut self, slot: Slot) -> P {
        let Record { place: Place::Key(offset), hash, payload } = self.records[slot.at()] else { unreachable!("removed twice") };
        self.remove_cell(hash, slot);
        self.arena.remove(offset);
        self.records[slot.at()].place = Place::Free { next: self.free };
        self.free = slot.0;
        self.len -= 1;
        payload
    }

    /// Empties the index and gives its memory back to the allocator.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    #[inline]
    #[must_use]
    pub fn payload(&self, slot: Slot) -> &P {
        &self.records[slot.at()].payload
    }

    pub fn payload_mut(&mut self, slot: Slot) -> &mut P {
        &mut self.records[slot.at()].payload
    }

    /// The payload at `slot`, if a key is there.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&P> {
        match self.records.get(slot.at()) {
            Some(Record { place: Place::Key(_), payload, .. }) => Some(payload),
            _ => None,
        }
    }

    #[must_use]
    pub fn hash(&self, slot: Slot) -> KeyHash {
        self.records[slot.at()].hash
    }

    /// Appends the key's bytes to `out`.
    pub fn copy_key(&self, slot: Slot, out: &mut Vec<u8>) {
        if let Place::Key(offset) = self.records[slot.at()].place {
            self.arena.copy_key(offset, out);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Slot, &P)> {
        self.records.iter().enumerate().filter_map(|(at, record)| match record.place {
            Place::Key(_) => Some((Slot(at as u32), &record.payload)),
            Place::Free { .. } => None,
        })
    }

    /// Bytes held by all parts, used or not.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<u64>() + self.records.capacity() * size_of::<Record<P>>() + self.arena.capacity_bytes()
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
        for (slot, _) in self.iter() {
            key.clear();
            self.copy_key(slot, &mut key);
            check(self.find(self.hash(slot), &key) == Some(slot), || format!("index: slot {} is not found", slot.0))?;
            let Place::Key(offset) = self.records[slot.at()].place else { continue };
            check(self.arena.owner(offset) == slot, || format!("index: slot {} owns another's block", slot.0))?;
        }
        let (mut free, mut at) = (0, self.free);
        while at != NONE {
            let Some(Record { place: Place::Free { next }, .. }) = self.records.get(at as usize) else {
                return Err(format!("index: slot {at} on the free list is in use"));
            };
            at = *next;
            free += 1;
            check(free <= self.records.len(), || "index: the free list has a cycle".into())?;
        }
        check(live + free == self.records.len(), || format!("index: {live} + {free} of {}", self.records.len()))?;
        self.arena.validate(live)
    }

    fn reserve_cell(&mut self) -> Result<(), OutOfMemory> {
        if (self.len + 1) * 3 <= self.cells.len() * 2 {
            return Ok(());
        }
        let size = (self.cells.len() * 2).max(CELLS_MIN);
        let mut grown = Vec::new();
        grown.try_reserve_exact(size)?;
        grown.resize(size, 0);
        for &cell in self.cells.iter().filter(|&&cell| cell != 0) {
            place_cell(&mut grown, cell);
        }
        self.cells = grown;
        Ok(())
    }

    /// Empties the slot's cell and moves back what its probing pushed on (Knuth, TAOCP 3, 6.4, algorithm R).
    fn remove_cell(&mut self, hash: KeyHash, slot: Slot) {
        let mask = self.cells.len() - 1;
        let mut gap = hash.0 as usize & mask;
        while self.cells[gap] as u32 != slot.0 + 1 {
            gap = (gap + 1) & mask;
        }
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let cell = self.cells[at];
            if cell == 0 {
                break;
            }
            let home = (cell >> 32) as usize & mask;
            // The cell may move into the gap only if its home does not lie between the gap and itself.
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                self.cells[gap] = cell;
                gap = at;
            }
        }
        self.cells[gap] = 0;
    }
}

fn place_cell(cells: &mut [u64], cell: u64) {
    let mask = cells.len() - 1;
    let mut at = (cell >> 32) as usize & mask;
    while cells[at] != 0 {
        at = (at + 1) & mask;
    }
    cells[at] = cell;
}

#[cfg(test)]
mod tests;
