//! A binary heap of ids by rank, out of whose middle an id can be taken.
//!
//! The lowest rank is first, the lowest order among equals. Where each id is stands in [`Places`], beside the heap: many heaps may share
//! one, as long as an id is in one of them at a time.

use alloc::vec::Vec;

use crate::error::{Validity, check};

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

#[derive(Debug, Default)]
pub struct Heap(Vec<Item>);

/// The place of each id in the heap it is in.
#[derive(Debug, Default)]
pub struct Places(Vec<u32>);

impl Heap {
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn first(&self) -> Option<Item> {
        self.0.first().copied()
    }

    pub fn push(&mut self, places: &mut Places, item: Item) {
        if places.0.len() <= item.id as usize {
            places.0.resize(item.id as usize + 1, 0);
        }
        self.0.push(item);
        self.put(places, self.0.len() - 1, item);
    }

    /// Takes `id` out, which must be in it.
    pub fn remove(&mut self, places: &mut Places, id: u32) {
        let place = places.0[id as usize] as usize;
        debug_assert!(self.0.get(place).is_some_and(|item| item.id == id), "what is taken out is elsewhere");
        let Some(last) = self.0.pop() else { return };
        if place < self.0.len() {
            self.put(places, place, last);
        }
    }

    /// # Errors
    /// When it is out of order, or not where it is said to be.
    pub fn validate(&self, places: &Places) -> Validity {
        for (at, item) in self.0.iter().enumerate() {
            check(places.0[item.id as usize] as usize == at, || format!("heap: {} is not at {at}", item.id))?;
            check(at == 0 || !item.is_before(&self.0[(at - 1) / 2]), || format!("heap: {at} is out of order"))?;
        }
        Ok(())
    }

    /// Puts `item` where the hole at `at` leads, up or down.
    fn put(&mut self, places: &mut Places, mut at: usize, item: Item) {
        while at > 0 && item.is_before(&self.0[(at - 1) / 2]) {
            let parent = (at - 1) / 2;
            self.place(places, at, self.0[parent]);
            at = parent;
        }
        loop {
            let mut child = 2 * at + 1;
            if self.0.get(child + 1).is_some_and(|right| right.is_before(&self.0[child])) {
                child += 1;
            }
            match self.0.get(child) {
                Some(&first) if first.is_before(&item) => self.place(places, at, first),
                _ => break,
            }
            at = child;
        }
        self.place(places, at, item);
    }

    fn place(&mut self, places: &mut Places, at: usize, item: Item) {
        self.0[at] = item;
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
        let mut places = Places::default();
        let mut heaps = [Heap::default(), Heap::default()];
        let mut models: [Vec<Item>; 2] = [Vec::new(), Vec::new()];
        for order in 0..50_000 {
            let id = random.below(IDS) as u32;
            let (heap, model) = (&mut heaps[id as usize % 2], &mut models[id as usize % 2]);
            if let Some(at) = model.iter().position(|item| item.id == id) {
                heap.remove(&mut places, id);
                model.remove(at);
            } else {
                let rank = [f64::NEG_INFINITY, -1.0, 0.0, 1.0, f64::INFINITY][random.below(5)];
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
