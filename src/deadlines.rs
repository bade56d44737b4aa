//! What is to happen at a time: deadlines, each of which can be cancelled. Ties come out in the order they were set.

use crate::error::{Validity, check};
use crate::heap::{Heap, Item, Places};
use crate::ids::TimerId;
use crate::slab::Slab;
use crate::time::Instant;

#[derive(Debug)]
pub struct Deadlines<T> {
    timers: Slab<T>,
    heap: Heap,
    places: Places,
    set: u64,
}

impl<T: Copy> Deadlines<T> {
    pub const EMPTY: Self = Self { timers: Slab::EMPTY, heap: Heap::EMPTY, places: Places::EMPTY, set: 0 };

    pub fn set(&mut self, at: Instant, what: T) -> TimerId {
        self.set += 1;
        let id = self.timers.insert(what);
        self.heap.push(&mut self.places, Item { rank: at.0, order: self.set, id });
        TimerId(id)
    }

    pub fn cancel(&mut self, id: TimerId) {
        self.timers.discard(id.0);
        self.heap.remove(&mut self.places, id.0);
    }

    /// Takes the earliest deadline that `now` has reached.
    pub fn due(&mut self, now: Instant) -> Option<T> {
        let Item { rank, id, .. } = self.heap.first()?;
        if rank > now.0 {
            return None;
        }
        let what = self.timers[id];
        self.cancel(TimerId(id));
        Some(what)
    }

    /// When to look again.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.heap.first().map_or(Instant::NEVER, |item| Instant(item.rank))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// # Errors
    /// When the heap is out of order or disagrees with the slab.
    pub fn validate(&self) -> Validity {
        self.timers.validate()?;
        self.heap.validate(&self.places)?;
        check(self.timers.len() == self.heap.len(), || "deadlines: heap and slab differ in length".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use alloc::vec::Vec;

    /// Against a list in the order of setting, searched for the earliest.
    #[test]
    fn deadlines_come_in_order_whatever_is_cancelled() {
        let mut random = Random::new(1);
        let mut deadlines = Deadlines::EMPTY;
        let mut model: Vec<(f64, usize, TimerId)> = Vec::new();
        let mut now = 0.0;
        for step in 0..50_000 {
            match random.below(10) {
                0..5 if model.len() < 40 => {
                    // Few moments, so that many coincide; some lie in the past, and some never come.
                    let at = [now - 1.0, now, now + 1.0, now + random.below(8) as f64, f64::INFINITY][random.below(5)];
                    model.push((at, step, deadlines.set(Instant(at), step)));
                }
                5..8 if !model.is_empty() => {
                    let (_, _, id) = model.remove(random.below(model.len()));
                    deadlines.cancel(id);
                }
                _ => {
                    now += random.below(3) as f64;
                    loop {
                        let earliest = model.iter().map(|&(at, _, _)| at).fold(f64::INFINITY, f64::min);
                        assert_eq!(deadlines.next(), Instant(earliest));
                        let place = model.iter().position(|&(at, _, _)| at == earliest && at <= now);
                        let expected = place.map(|place| model.remove(place).1);
                        assert_eq!(deadlines.due(Instant(now)), expected);
                        if expected.is_none() {
                            break;
                        }
                    }
                }
            }
            deadlines.validate().expect("valid deadlines");
            assert_eq!(deadlines.is_empty(), model.is_empty());
        }
    }
}
