//! How many keys a group fetch is best asked for, found by watching the time per key.
//!
//! Hill climbing: from the size that is kept, a larger one and a smaller one are tried by turns. Where the time per key is less by more than
//! chance makes it, that size is kept, and the next step goes the same way; else the old one is kept, and for a while no other is tried. Means are
//! geometric: one slow call does not count as twenty. So the size grows while the time per key falls, stops where it no longer does, and comes
//! back when it gets worse.
//!
//! Only calls as large as the size asks for tell something of it: a source that is asked for less than that has its size kept.

use crate::time::Millis;

const INITIAL: f64 = 8.0;
/// From one size to the next.
const STEP: f64 = 1.5;
/// Calls that a decision is made of.
const WINDOW: u32 = 8;
/// Differences of ln(time per key): better by less is no better; worse by more is no longer what was kept.
const BETTER: f64 = 0.046875;
const WORSE: f64 = 0.25;
/// Windows between one try and the next.
const REST: u32 = 6;
/// What calls that take no time take.
const LATENCY_MIN: f64 = 0.0078125;

#[derive(Clone, Debug)]
pub struct BatchSize {
    max: f64,
    size: f64,
    /// The size that was best, and its smoothed ln(time per key).
    kept: f64,
    cost: f64,
    /// What the next try multiplies the size by.
    step: f64,
    rest: u32,
    calls: u32,
    sum: f64,
}

impl BatchSize {
    #[must_use]
    pub fn new(max: f64) -> Self {
        let size = INITIAL.min(max);
        Self { max, size, kept: size, cost: f64::INFINITY, step: STEP, rest: 0, calls: 0, sum: 0.0 }
    }

    /// Keys to ask for at once.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size as usize
    }

    /// The keys of a group fetch that may have `max`.
    #[must_use]
    pub fn of(&mut self, max: usize) -> usize {
        if self.max == 0.0 {
            return max;
        }
        // Larger groups may be asked for than by default.
        self.max = self.max.max(max as f64);
        self.size().min(max)
    }

    /// A call was answered for all its `keys`.
    pub fn answered(&mut self, keys: usize, took: Millis) {
        // The last chunk of a group is smaller, and says nothing of the others.
        if keys < self.size() {
            return;
        }
        self.calls += 1;
        self.sum += libm::log(took.0.max(LATENCY_MIN) / keys as f64);
        if self.calls == WINDOW {
            let seen = self.sum / f64::from(WINDOW);
            self.begin(self.size);
            self.decide(seen);
        }
    }

    /// A call was too much, or was not answered in time.
    pub fn dropped(&mut self) {
        self.begin(self.size / 2.0);
        self.keep(f64::INFINITY);
        self.rest = REST;
    }

    fn decide(&mut self, seen: f64) {
        if self.size == self.kept && self.cost < f64::INFINITY {
            // At rest: what is kept is known better for it, or has changed.
            self.rest = self.rest.saturating_sub(1);
            let worse = seen - self.cost;
            self.cost += 0.296875 * worse;
            if worse > WORSE {
                (self.rest, self.step, self.cost) = (0, 1.0 / STEP, seen);
            }
        } else if seen < self.cost - BETTER {
            self.keep(seen);
        } else {
            self.begin(self.kept);
            self.step = 1.0 / self.step;
            self.rest = REST;
        }
        if self.rest == 0 {
            self.begin(self.size * self.step);
            if self.size == self.kept {
                // There is nothing beyond: the other way, next time.
                self.step = 1.0 / self.step;
                self.rest = REST;
            }
        }
    }

    fn keep(&mut self, cost: f64) {
        self.kept = self.size;
        self.cost = cost;
    }

    #[inline(never)]
    fn begin(&mut self, size: f64) {
        #[allow(clippy::manual_clamp)] // As in `concurrency`.
        let within = size.max(1.0).min(self.max);
        self.size = within;
        self.calls = 0;
        self.sum = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Milliseconds of a call: it costs something by itself, and each key more than the one before.
    type Source = fn(f64) -> f64;

    const SLOW_START: Source = |keys| 40.0 + keys + 0.02 * keys * keys;
    const SOON_CROWDED: Source = |keys| 10.0 + keys + 0.2 * keys * keys;
    const ALL_THE_SAME: Source = |keys| 3.0 * keys;

    fn run(size: &mut BatchSize, source: Source, calls: usize, random: &mut Random) {
        for _ in 0..calls {
            let keys = size.size();
            size.answered(keys, Millis(source(keys as f64) * (0.75 + 0.5 * random.unit())));
        }
    }

    /// How much longer a key takes than with the best size, on average over `calls`.
    fn regret(size: &mut BatchSize, source: Source, calls: usize, random: &mut Random) -> f64 {
        let per_key = |keys: f64| source(keys) / keys;
        let best = (1..=100).map(|keys| per_key(f64::from(keys))).fold(f64::INFINITY, f64::min);
        let sum: f64 = (0..calls)
            .map(|_| {
                run(size, source, 1, random);
                per_key(size.size() as f64)
            })
            .sum();
        sum / calls as f64 / best - 1.0
    }

    #[test]
    fn size_grows_while_the_time_per_key_falls_and_returns_when_it_gets_worse() {
        for seed in 0..100 {
            let random = &mut Random::new(seed);
            let mut size = BatchSize::new(100.0);
            run(&mut size, SLOW_START, 200, random);
            let before = regret(&mut size, SLOW_START, 2000, random);
            assert!(before < 0.1, "seed {seed}: {before:.2} above the best at {}", size.size());
            run(&mut size, SOON_CROWDED, 200, random);
            let after = regret(&mut size, SOON_CROWDED, 2000, random);
            assert!(after < 0.15, "seed {seed}: {after:.2} above the best at {}", size.size());
            run(&mut size, SLOW_START, 400, random);
            let again = regret(&mut size, SLOW_START, 2000, random);
            assert!(again < 0.1, "seed {seed}: {again:.2} above the best at {}", size.size());
        }
    }

    #[test]
    fn size_stays_within_its_bounds() {
        for (max, source) in [(1.0, SLOW_START), (5.0, SLOW_START), (100.0, ALL_THE_SAME)] {
            let random = &mut Random::new(1);
            let mut size = BatchSize::new(max);
            for round in 0..2000 {
                run(&mut size, source, 1, random);
                if round % 100 == 0 {
                    size.dropped();
                }
                assert!((1..=max as usize).contains(&size.size()));
            }
        }
    }

    #[test]
    fn a_dropped_call_halves_the_size_and_small_calls_tell_nothing() {
        let mut size = BatchSize::new(100.0);
        (0..100).for_each(|_| size.answered(7, Millis(1.0)));
        assert_eq!(size.size(), 8);
        size.dropped();
        assert_eq!(size.size(), 4);
    }
}
