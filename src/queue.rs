//! Slots in the order in which they are to leave: highest priority first, first come first among equals.
//!
//! A sorted list. What comes is put beside it, and all is sorted anew by counting, without comparing, in time that grows as the length of the
//! list: the caller sees to it that what crosses is a share of what is here, one way and the other.

use alloc::vec::Vec;

#[cfg(test)]
use crate::error::{Validity, check};

/// Digits of a priority, by which entries are sorted: three of seven bits, the lowest first.
const DIGITS: [u32; 3] = [32, 39, 46];

/// A slot, and above it the priority: from 0 to 2²¹ - 1.
pub type Entry = u64;

#[derive(Debug, Default)]
pub struct Queue {
    /// In ascending order of priority, of equals the first one last: the next to leave is last.
    entries: Vec<Entry>,
}

impl Queue {
    /// Adds entries, the latest first: behind those of their priority that are there, or ahead of them, to put back what was taken.
    pub fn push(&mut self, entries: &[Entry], before: bool) {
        let mut all = if before { [&self.entries, entries] } else { [entries, &self.entries] }.concat();
        sort(&mut all);
        self.entries = all;
    }

    /// Puts the entries that leave next in `entries`, as many as there is place for. Answers how many there were.
    pub fn take(&mut self, entries: &mut [Entry]) -> usize {
        let mut taken = 0;
        for (place, next) in entries.iter_mut().zip(self.entries.iter().rev()) {
            *place = *next;
            taken += 1;
        }
        self.entries.truncate(self.entries.len() - taken);
        taken
    }

    /// # Errors
    /// When the list is out of order.
    #[cfg(test)]
    pub fn validate(&self) -> Validity {
        check(self.entries.is_sorted_by_key(|entry| entry >> 32), || "queue: out of order".into())
    }
}

/// Stable, by counting; digits that are all the same need no pass.
fn sort(entries: &mut Vec<Entry>) {
    let mut sorted = entries.clone();
    for shift in DIGITS {
        let digit = |entry: Entry| (entry >> shift) as usize % 128;
        let mut ends = [0; 128];
        for &entry in &*entries {
            ends[digit(entry)] += 1;
        }
        if entries.first().is_none_or(|&entry| ends[digit(entry)] == entries.len()) {
            continue;
        }
        let mut end = 0;
        for count in &mut ends {
            end += *count;
            *count = end;
        }
        for &entry in entries.iter().rev() {
            let place = &mut ends[digit(entry)];
            *place -= 1;
            if let Some(place) = sorted.get_mut(*place) {
                *place = entry;
            }
        }
        core::mem::swap(entries, &mut sorted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// A list in the order of arrival, searched for the first of the highest.
    #[derive(Default)]
    struct Model(Vec<Entry>);

    impl Model {
        fn push(&mut self, entries: &[Entry], before: bool) {
            let at = if before { 0 } else { self.0.len() };
            self.0.splice(at..at, entries.iter().copied());
        }

        fn take(&mut self, count: usize) -> Vec<Entry> {
            let next = |entries: &[Entry]| {
                let highest = entries.iter().map(|entry| entry >> 32).max()?;
                entries.iter().position(|entry| entry >> 32 == highest)
            };
            (0..count).map_while(|_| next(&self.0).map(|at| self.0.remove(at))).collect()
        }
    }

    /// Both, told the same, and compared after each step.
    #[derive(Default)]
    struct Pair {
        queue: Queue,
        model: Model,
        slots: u64,
    }

    impl Pair {
        fn push(&mut self, priorities: &[u64], before: bool) {
            let entries: Vec<Entry> = (self.slots..).zip(priorities).map(|(slot, priority)| slot | priority << 32).collect();
            self.slots += entries.len() as u64;
            self.queue.push(&entries.iter().rev().copied().collect::<Vec<_>>(), before);
            self.model.push(&entries, before);
            self.queue.validate().expect("a valid queue");
        }

        fn take(&mut self, count: usize) {
            let mut entries = vec![0; count];
            let taken = self.queue.take(&mut entries);
            assert_eq!(entries[..taken], self.model.take(count));
            self.queue.validate().expect("a valid queue");
        }
    }

    #[test]
    fn slots_leave_as_from_a_list_that_is_searched() {
        let mut random = Random::new(1);
        // Few priorities and many, up to as many as there are.
        for spread in [1, 3, 300, 1 << 21] {
            let mut pair = Pair::default();
            for _ in 0..3_000 {
                let count = [1, random.below(4), random.below(300)][random.below(3)];
                match random.below(3) {
                    0 if pair.model.0.len() < 500 => {
                        let priorities: Vec<u64> = (0..count).map(|_| random.below(spread) as u64).collect();
                        pair.push(&priorities, false);
                    }
                    1 if pair.model.0.len() < 500 => {
                        pair.push(&[random.below(spread) as u64, random.below(spread) as u64], true);
                    }
                    _ => pair.take(count),
                }
            }
            pair.take(1_000);
        }
    }

    /// All programs of six steps, each a push of one or two entries at either end, or taking one or two.
    #[test]
    fn every_short_program_does_as_the_model() {
        const STEPS: [(&[u64], bool, usize); 8] = [
            (&[0], false, 0),
            (&[1], false, 0),
            (&[0, 1], false, 0),
            (&[1, 1], false, 0),
            (&[0], true, 0),
            (&[1, 0], true, 0),
            (&[], false, 1),
            (&[], false, 2),
        ];
        for program in 0..STEPS.len().pow(6) {
            let mut pair = Pair::default();
            for step in 0..6 {
                let (priorities, before, count) = STEPS[program / STEPS.len().pow(step) % STEPS.len()];
                pair.push(priorities, before);
                pair.take(count);
            }
            pair.take(20);
        }
    }
}
