//! What is to happen at a time: a binary heap of deadlines, each of which can be cancelled.
//!
//! Ties come out in the order they were set. The heap holds ids; the slab knows each id's place in the heap, so that a deadline is
//! cancelled in logarithmic time and none lingers until it would have come.

use alloc::vec::Vec;

use crate::error::{Validity, check};
use crate::ids::TimerId;
use crate::slab::Slab;
use crate::time::Instant;

#[derive(Debug)]
struct Timer<T> {
    at: Instant,
    order: u64,
    place: usize,
    what: T,
}

#[derive(Debug)]
pub struct Deadlines<T> {
    timers: Slab<Timer<T>>,
    heap: Vec<TimerId>,
    set: u64,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Self { timers: Slab::default(), heap: Vec::new(), set: 0 }
    }
}

impl<T: Copy> Deadlines<T> {
    pub fn set(&mut self, at: Instant, what: T) -> TimerId {
        let place = self.heap.len();
        self.set += 1;
        let id = TimerId(self.timers.insert(Timer { at, order: self.set, place, what }));
        self.heap.push(id);
        self.rise(place);
        id
    }

    pub fn cancel(&mut self, id: TimerId) {
        let timer = self.timers.remove(id.0);
        let last = self.heap.len() - 1;
        if timer.place == last {
            self.heap.pop();
            return;
        }
        self.heap.swap_remove(timer.place);
        self.timers[self.heap[timer.place].0].place = timer.place;
        self.rise(timer.place);
        self.sink(timer.place);
    }

    /// Takes the earliest deadline that `now` has reached.
    pub fn due(&mut self, now: Instant) -> Option<T> {
        let id = *self.heap.first()?;
        let timer = &self.timers[id.0];
        if timer.at > now {
            return None;
        }
        let what = timer.what;
        self.cancel(id);
        Some(what)
    }

    /// When to look again.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.heap.first().map_or(Instant::NEVER, |id| self.timers[id.0].at)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// # Errors
    /// When the heap is out of order or disagrees with the slab.
    pub fn validate(&self) -> Validity {
        self.timers.validate()?;
        check(self.timers.len() == self.heap.len(), || "deadlines: heap and slab differ in length".into())?;
        for (place, id) in self.heap.iter().enumerate() {
            check(self.timers[id.0].place == place, || format!("deadlines: timer {} is not at {place}", id.0))?;
            check(place == 0 || !self.before(place, (place - 1) / 2), || format!("deadlines: {place} out of order"))?;
        }
        Ok(())
    }

    fn before(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.timers[self.heap[a].0], &self.timers[self.heap[b].0]);
        a.at.order(b.at).then(a.order.cmp(&b.order)).is_lt()
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.timers[self.heap[a].0].place = a;
        self.timers[self.heap[b].0].place = b;
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.before(place, (place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let mut first = place;
            if left < self.heap.len() && self.before(left, first) {
                first = left;
            }
            if right < self.heap.len() && self.before(right, first) {
                first = right;
            }
            if first == place {
                return;
            }
            self.swap(place, first);
            place = first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Against a list in the order of setting, searched for the earliest.
    #[test]
    fn deadlines_come_in_order_whatever_is_cancelled() {
        let mut random = Random::new(1);
        let mut deadlines = Deadlines::default();
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
