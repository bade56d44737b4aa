//! Ids by rank, any of which can be taken out.
//!
//! The lowest rank is first, the lowest order among equals. What comes in order, as most does, goes to the end of a list, and leaves it at the
//! front; what comes out of order, to a binary heap. Where each id is stands in [`Places`], beside them: many heaps may share one, as long
//! as an id is in one of them at a time.

use alloc::vec::Vec;

use crate::error::{Validity, check};
use crate::ids::NONE;

/// In a place: that of the list, not of the heap.
const LISTED: u32 = 1 << 31;
/// Fewer gaps in the list than this are left there.
const GAPS_MIN: usize = 64;

#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub rank: f64,
    pub order: u64,
    pub id: u32,
}

impl Item {
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        self.rank < other.rank || self.rank == other.rank && self.order < other.order
    }
}

#[derive(Debug)]
pub struct Heap {
    /// In order. Who has left from the midst of it has left a gap, with [`NONE`] for its id.
    list: Vec<Item>,
    /// The first that has not left.
    front: usize,
    /// Of all that is in the list, before the front and behind it.
    gaps: usize,
    heap: Vec<Item>,
}

/// The place of each id in the heap it is in.
#[derive(Debug)]
pub struct Places(Vec<u32>);

impl Places {
    pub const EMPTY: Self = Self(Vec::new());
}

impl Heap {
    pub const EMPTY: Self = Self { list: Vec::new(), front: 0, gaps: 0, heap: Vec::new() };

    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len() - self.gaps + self.heap.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(never)]
    #[must_use]
    pub fn first(&self) -> Option<Item> {
        let (listed, first) = (self.list.get(self.front), self.heap.first());
        listed.filter(|listed| first.is_none_or(|first| listed.is_before(first))).or(first).copied()
    }

    pub fn push(&mut self, places: &mut Places, item: Item) {
        if places.0.len() <= item.id as usize {
            places.0.resize(item.id as usize + 1, 0);
        }
        if self.list.last().is_some_and(|last| item.is_before(last)) {
            self.heap.push(item);
            self.put(places, self.heap.len() - 1, item);
        } else {
            places.0[item.id as usize] = self.list.len() as u32 | LISTED;
            self.list.push(item);
        }
    }

    /// Takes `id` out, which must be in it.
    pub fn remove(&mut self, places: &mut Places, id: u32) {
        let place = places.0[id as usize];
        if place & LISTED != 0 {
            return self.take_out(places, (place & !LISTED) as usize);
        }
        let place = place as usize;
        debug_assert!(self.heap.get(place).is_some_and(|item| item.id == id), "what is taken out is elsewhere");
        let Some(last) = self.heap.pop() else { return };
        if place < self.heap.len() {
            self.put(places, place, last);
        }
    }

    /// # Errors
    /// When it is out of order, or not where it is said to be.
    pub fn validate(&self, places: &Places) -> Validity {
        for (at, item) in self.heap.iter().enumerate() {
            check(places.0[item.id as usize] as usize == at, || format!("heap: {} is not at {at}", item.id))?;
            check(at == 0 || !item.is_before(&self.heap[(at - 1) / 2]), || format!("heap: {at} is out of order"))?;
        }
        let mut gaps = 0;
        for (at, item) in self.list.iter().enumerate() {
            check(at == 0 || !item.is_before(&self.list[at - 1]), || format!("heap: {at} of the list is out of order"))?;
            if item.id == NONE {
                gaps += 1;
                continue;
            }
            check(at >= self.front, || format!("heap: {} has been passed", item.id))?;
            check(places.0[item.id as usize] == at as u32 | LISTED, || format!("heap: {} is not listed at {at}", item.id))?;
        }
        check(gaps == self.gaps, || format!("heap: {gaps} gaps, {} counted", self.gaps))?;
        check(self.list.get(self.front).is_none_or(|first| first.id != NONE), || "heap: a gap is first".into())
    }

    fn take_out(&mut self, places: &mut Places, at: usize) {
        self.list[at].id = NONE;
        self.gaps += 1;
        while self.list.get(self.front).is_some_and(|first| first.id == NONE) {
            self.front += 1;
        }
        // As many are passed over as have left since the last time, or as are moved.
        if self.front == self.list.len() || self.gaps > GAPS_MIN && self.gaps * 2 > self.list.len() {
            let mut to = 0;
            for from in self.front..self.list.len() {
                let item = self.list[from];
                if item.id != NONE {
                    self.list[to] = item;
                    places.0[item.id as usize] = to as u32 | LISTED;
                    to += 1;
                }
            }
            self.list.truncate(to);
            self.front = 0;
            self.gaps = 0;
        }
    }

    /// Puts `item` where the hole at `at` leads, up or down.
    fn put(&mut self, places: &mut Places, mut at: usize, item: Item) {
        while at > 0 && item.is_before(&self.heap[(at - 1) / 2]) {
            let parent = (at - 1) / 2;
            self.place(places, at, self.heap[parent]);
            at = parent;
        }
        loop {
            let mut child = 2 * at + 1;
            if self.heap.get(child + 1).is_some_and(|right| right.is_before(&self.heap[child])) {
                child += 1;
            }
            match self.heap.get(child) {
                Some(&first) if first.is_before(&item) => self.place(places, at, first),
                _ => break,
            }
            at = child;
        }
        self.place(places, at, item);
    }

    fn place(&mut self, places: &mut Places, at: usize, item: Item) {
        self.heap[at] = item;
        places.0[item.id as usize] = at as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Two heaps over the same ids, against lists searched for the lowest.
    #[test]
    fn the_lowest_is_first_whatever_is_taken_out() {
        const IDS: usize = 30;
        let mut random = Random::new(1);
        let mut places = Places::EMPTY;
        let mut heaps = [Heap::EMPTY, Heap::EMPTY];
        let mut models: [Vec<Item>; 2] = [Vec::new(), Vec::new()];
        for order in 0..50_000 {
            let id = random.below(IDS) as u32;
            let (heap, model) = (&mut heaps[id as usize % 2], &mut models[id as usize % 2]);
            if let Some(at) = model.iter().position(|item| item.id == id) {
                heap.remove(&mut places, id);
                model.remove(at);
            } else {
                // For a while in order, then in any.
                let any = [f64::NEG_INFINITY, -1.0, 0.0, 1.0, f64::INFINITY][random.below(5)];
                let rank = if order / 1000 % 3 == 0 { order as f64 } else { any };
                let item = Item { rank, order, id };
                heap.push(&mut places, item);
                model.push(item);
            }
            for (heap, model) in heaps.iter().zip(&models) {
                heap.validate(&places).expect("a valid heap");
                assert_eq!((heap.len(), heap.is_empty()), (model.len(), model.is_empty()));
                let first = model.iter().find(|item| model.iter().all(|other| !other.is_before(item)));
                assert_eq!(heap.first().map(|item| item.id), first.map(|item| item.id));
            }
        }
    }
}
