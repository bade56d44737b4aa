//! A vector with a free list: values keep their small integer place until removed, places are used again.
//!
//! Each place counts how often it was vacated; where a late visitor must be told from the present tenant, the caller keeps that
//! generation beside the place.

use alloc::vec::Vec;

use crate::error::{Validity, check};
use crate::ids::NONE;

#[derive(Debug)]
enum Cell<T> {
    Free { next: u32 },
    Used(T),
}

#[derive(Debug)]
pub struct Slab<T> {
    cells: Vec<Cell<T>>,
    generations: Vec<u32>,
    free: u32,
    len: usize,
}

impl<T> Slab<T> {
    pub const EMPTY: Self = Self { cells: Vec::new(), generations: Vec::new(), free: NONE, len: 0 };

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Places there are, used or not.
    #[must_use]
    pub fn places(&self) -> u32 {
        self.cells.len() as u32
    }

    pub fn insert(&mut self, value: T) -> u32 {
        let place = self.free;
        if place == NONE {
            self.cells.push(Cell::Used(value));
            self.generations.push(0);
            self.len += 1;
            return (self.cells.len() - 1) as u32;
        }
        let Cell::Free { next } = self.cells[place as usize] else { unreachable!("a used place on the free list") };
        self.free = next;
        self.cells[place as usize] = Cell::Used(value);
        self.len += 1;
        place
    }

    /// # Panics
    /// When nothing is at `place`: a bug of ours.
    pub fn remove(&mut self, place: u32) -> T {
        let cell = core::mem::replace(&mut self.cells[place as usize], Cell::Free { next: self.free });
        let Cell::Used(value) = cell else { unreachable!("removed twice") };
        self.free = place;
        self.generations[place as usize] = self.generations[place as usize].wrapping_add(1);
        self.len -= 1;
        value
    }

    /// [`Slab::remove`] for what nobody wants: it is not moved out.
    pub fn discard(&mut self, place: u32) {
        let cell = &mut self.cells[place as usize];
        debug_assert!(matches!(cell, Cell::Used(_)), "removed twice");
        *cell = Cell::Free { next: self.free };
        self.free = place;
        self.generations[place as usize] = self.generations[place as usize].wrapping_add(1);
        self.len -= 1;
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<Cell<T>>() + self.generations.capacity() * size_of::<u32>()
    }

    #[must_use]
    pub fn get(&self, place: u32) -> Option<&T> {
        match self.cells.get(place as usize) {
            Some(Cell::Used(value)) => Some(value),
            _ => None,
        }
    }

    pub fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        match self.cells.get_mut(place as usize) {
            Some(Cell::Used(value)) => Some(value),
            _ => None,
        }
    }

    /// How often `place` was vacated so far; 0 where there is no such place.
    #[must_use]
    pub fn generation(&self, place: u32) -> u32 {
        self.generations.get(place as usize).copied().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.cells.iter().enumerate().filter_map(|(place, cell)| match cell {
            Cell::Used(value) => Some((place as u32, value)),
            Cell::Free { .. } => None,
        })
    }

    /// # Errors
    /// When the free list and the count disagree with the cells.
    pub fn validate(&self) -> Validity {
        let used = self.iter().count();
        check(used == self.len, || format!("slab: {used} used, {} counted", self.len))?;
        let mut free = 0;
        let mut at = self.free;
        while at != NONE {
            let Some(Cell::Free { next }) = self.cells.get(at as usize) else {
                return Err(format!("slab: place {at} on the free list is in use"));
            };
            at = *next;
            free += 1;
            check(free <= self.cells.len(), || "slab: the free list has a cycle".into())?;
        }
        check(used + free == self.cells.len(), || format!("slab: {used} used + {free} free of {}", self.cells.len()))
    }
}

impl<T> core::ops::Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, place: u32) -> &T {
        self.get(place).expect("nothing at this place of the slab")
    }
}

impl<T> core::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, place: u32) -> &mut T {
        self.get_mut(place).expect("nothing at this place of the slab")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn places_keep_their_value_and_count_how_often_they_were_vacated() {
        let mut random = Random::new(1);
        let mut slab = Slab::EMPTY;
        // By place: the value if there is one, and how many went before.
        let mut model: Vec<(Option<usize>, u32)> = Vec::new();
        for step in 0..20_000 {
            let places: Vec<usize> = (0..model.len()).filter(|&place| model[place].0.is_some()).collect();
            if places.len() < 8 && random.below(2) == 0 {
                let free = model.iter().filter(|(value, _)| value.is_none()).count();
                let place = slab.insert(step) as usize;
                assert!(place < model.len() || free == 0, "a place that is free is used again");
                model.resize(model.len().max(place + 1), (None, 0));
                assert_eq!(model[place].0.replace(step), None, "the place was free");
            } else if !places.is_empty() {
                let place = places[random.below(places.len())];
                assert_eq!(Some(slab.remove(place as u32)), model[place].0.take());
                model[place].1 += 1;
            }
            for (place, &(value, vacated)) in model.iter().enumerate() {
                assert_eq!(slab.get(place as u32).copied(), value);
                assert_eq!(slab.generation(place as u32), vacated);
            }
            slab.validate().expect("a valid slab");
        }
    }
}
