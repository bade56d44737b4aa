//! So many calls in so much time: token buckets.
//!
//! Kept as the generic cell rate algorithm keeps them (ITU-T I.371; Brandur Leach: "Rate Limiting, Cells, and GCRA", 2015): not as a number of
//! tokens but as the moment at which the bucket would be full. So nothing is counted up as time passes, there are never fewer tokens than
//! none, and never more than the burst. Time is taken in whole ticks, so that sums are exact and the last token of a burst is there.

use crate::time::{Instant, Millis};

/// 2⁻²⁰ ms: the engine's clock can run for 200 years.
const TICKS_PER_MS: f64 = 1_048_576.0;

/// How fast a bucket fills, and how many tokens it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Ticks from one token to the next.
    interval: i64,
    /// Ticks from empty but for one token to full.
    span: i64,
    /// Calls that find no token are refused; else they wait.
    pub refuses: bool,
}

impl Rate {
    #[must_use]
    pub fn new(requests: f64, per: Millis, burst: f64, refuses: bool) -> Self {
        // Rounded up: never faster than it was asked for.
        let interval = (libm::ceil(per.0 * TICKS_PER_MS / requests) as i64).max(1);
        Self { interval, span: interval.saturating_mul(burst as i64 - 1), refuses }
    }
}

/// When it will be full, if nothing is taken.
#[derive(Clone, Copy, Debug)]
pub struct Bucket(i64);

impl Bucket {
    pub const FULL: Self = Self(i64::MIN / 2);

    /// From when on it has a token.
    #[must_use]
    pub fn opens_at(self, rate: Rate) -> Instant {
        Instant(self.0.saturating_sub(rate.span) as f64 / TICKS_PER_MS)
    }

    pub fn take(&mut self, rate: Rate, now: Instant) {
        self.0 = self.0.max(ticks(now)).saturating_add(rate.interval);
    }

    #[must_use]
    pub fn is_full(self, now: Instant) -> bool {
        self.0 <= ticks(now)
    }
}

fn ticks(now: Instant) -> i64 {
    // Rounds down, as what is shown to the outside is on the grid: a deadline that has come opens the bucket.
    (now.0 * TICKS_PER_MS) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Against the moments of all that was taken: in no stretch of time more than the burst and what the stretch brings.
    #[test]
    fn no_stretch_of_time_has_more_than_the_burst_and_what_it_brings() {
        let mut random = Random::new(1);
        for (requests, per, burst) in
            [(1.0, 1.0, 1.0), (10.0, 1000.0, 10.0), (3.0, 10.0, 1.0), (7.0, 1000.0, 20.0), (1000.0, 1.0, 5.0)]
        {
            let rate = Rate::new(requests, Millis(per), burst, false);
            let mut bucket = Bucket::FULL;
            let (mut now, mut taken) = (random.unit() * 1000.0, Vec::new());
            while taken.len() < 300 {
                let opens_at = bucket.opens_at(rate);
                if opens_at.0 <= now {
                    bucket.take(rate, Instant(now));
                    taken.push(now);
                } else {
                    // Mostly at the moment it opens, sometimes later, once in a while after the clock has jumped.
                    now = opens_at.0 + [0.0, 0.0, random.unit() * per, 1e9][random.below(4)];
                }
            }
            let each = per / requests;
            for first in 0..taken.len() {
                for last in first..taken.len() {
                    let allowed = burst + (taken[last] - taken[first]) / each + 0.05;
                    assert!((last - first + 1) as f64 <= allowed, "{first} to {last} of {requests} per {per}");
                }
            }
        }
    }

    #[test]
    fn the_whole_burst_is_there_at_once_and_again_when_it_is_full() {
        for now in [0.0, 0.1, 1e9 + 0.3] {
            let rate = Rate::new(3.0, Millis(1.0), 10.0, false);
            let mut bucket = Bucket::FULL;
            for start in [now, now + 3.4, now + 1e6] {
                assert!(bucket.is_full(Instant(start)));
                for _ in 0..10 {
                    assert!(bucket.opens_at(rate).0 <= start);
                    bucket.take(rate, Instant(start));
                }
                assert!(bucket.opens_at(rate).0 > start && !bucket.is_full(Instant(start)));
            }
        }
    }

    #[test]
    fn one_token_comes_after_the_other() {
        let rate = Rate::new(10.0, Millis(1000.0), 2.0, false);
        let mut bucket = Bucket::FULL;
        let mut moments = Vec::new();
        for _ in 0..5 {
            let at = bucket.opens_at(rate).0.max(0.0);
            bucket.take(rate, Instant(at));
            moments.push(at);
        }
        assert_eq!(moments, [0.0, 0.0, 100.0, 200.0, 300.0]);
    }
}
