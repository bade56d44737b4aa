//! How many calls at once a source takes, found by watching how it answers.
//!
//! By Little's law, throughput is calls in flight divided by latency: more calls are of use while latency stays as it is. So the limit
//! follows the gradient *base latency / latency*, as Vegas does (Brakmo & Peterson: "TCP Vegas: End to End Congestion Avoidance on a
//! Global Internet", 1995) and Netflix's `Gradient2` (concurrency-limits): it shrinks with the gradient, and grows by an allowance of about √limit, which
//! is a queue small enough to do no harm, and as large as chance makes the mean of that many latencies differ.
//!
//! - *Windows.* Decisions are made of calls that began under the limit they judge, about a limit's worth of them. Means are geometric: one
//!   slow call does not count as twenty.
//! - *Experiments.* What the base is, is not left to a moving average, which a queue would pull up with it. Whenever the limit has shrunk by a
//!   tenth (every few windows it does so to find out), the two latencies are compared: if latency did not fall, there was no queue, the
//!   latency is the source's own, and the limit returns; if it did, the lower latency is the base.
//! - *Rejections* shrink the limit by a twentieth, and by one more for each further call that was under way; where it stood is a *wall*, which it
//!   approaches by halving what is left (after BIC: Xu, Harfoush, Rhee, 2004), and tries to pass only after a long time. Few among many
//!   answers are bad luck.
//! - *Pacing.* The limit grows by at most one for each answer, so that growing does not make a burst.
//!
//! It learns nothing while it is not used: below half the limit in flight, it holds. Figures are in `docs/decisions.md`.

use crate::time::{Instant, Millis};

// Fractions of powers of two, where it does not matter: they are shorter in the wasm once it is compressed.

/// The part of √limit that may queue; while it doubles, chance must not stop it.
const ALLOWANCE: f64 = 0.5;
const ALLOWANCE_RAMP: f64 = 0.75;
/// The part of a change that is made at once; a steep fall is followed faster, and growth faster each time.
const SMOOTHING: f64 = 0.40625;
const SMOOTHING_STEEP: f64 = 0.5;
const SMOOTHING_GROWTH: f64 = 0.453125;
const STEEP: f64 = 0.75;
/// Calls of a window: the part of the limit, and the least. A window that ends an experiment takes twice as many.
const WINDOW: f64 = 0.8125;
const WINDOW_MIN: f64 = 16.0;
/// Windows between experiments, and until the next where one more is likely to tell more.
const EXPERIMENT_EVERY: u32 = 12;
const EXPERIMENT_SOON: u32 = 3;
/// What an experiment leaves of the limit.
const STEP: f64 = 0.90625;
/// ln(latency) per ln(limit): below, latency is the source's own; above, it is a queue's, and nothing else.
const SLOPE_OWN: f64 = 0.5;
const SLOPE_QUEUE: f64 = 1.1875;
/// Differences of ln(latency): below, a window is like those before it; above, a fall is not by chance.
const STEADY: f64 = 0.09375;
const FALL: f64 = 0.296875;
const BACK_OFF: f64 = 0.953125;
/// What further rejections leave of the limit.
const BACK_OFF_MAX: f64 = 0.703125;
/// Round trips, pauses counted in, before a wall is tried again.
const PATIENCE: f64 = 32.0;
/// Rejections forgiven for each answer, and the most that are saved.
const LUCK: f64 = 0.01171875;
const LUCK_MAX: f64 = 3.0;
/// The longest that a source may ask for.
const PAUSE_MAX: f64 = 60_000.0;
/// What calls that take no time take.
const LATENCY_MIN: f64 = 0.0078125;

/// At least 1, and in order, but for `initial`; or all 0, where nothing is to be found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub min: f64,
    pub max: f64,
    pub initial: f64,
}

impl Range {
    #[allow(clippy::manual_clamp)] // That one can panic.
    fn within(self, limit: f64) -> f64 {
        limit.max(self.min).min(self.max)
    }
}

/// How a call ended, as far as it tells something of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It failed for reasons of its own, or was aborted.
    Other,
    Answered,
    /// Too much was asked, or nothing came in time.
    Dropped,
}

/// The last decision.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Held = 0,
    Grown = 1,
    Shrunk = 2,
    Rejected = 3,
}

/// Latencies are kept as their logarithms.
#[derive(Clone, Debug)]
pub struct Concurrency {
    range: Range,
    limit: f64,
    /// Where `limit` grows to, by one with each answer.
    target: f64,
    base: f64,
    /// The base before the last experiment that raised it.
    base_before: f64,
    latency: f64,
    /// Mean milliseconds of the last window's calls.
    trip: f64,
    window: Window,
    /// Nothing has ever stopped it: it doubles.
    ramps: bool,
    /// Times it has grown in a row.
    streak: f64,
    /// Limit and latency to compare with when an experiment ends.
    reference: Option<(f64, f64)>,
    /// Windows since the last experiment.
    windows: u32,
    wall: f64,
    wall_until: Instant,
    paused_until: Instant,
    luck: f64,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    calls: f64,
    /// Of logarithms, and of milliseconds.
    sum: f64,
    total: f64,
    busiest: u32,
}

impl Concurrency {
    #[must_use]
    pub fn new(range: Range) -> Self {
        let limit = range.within(range.initial);
        Self {
            range,
            limit,
            target: limit,
            base: f64::NAN,
            base_before: f64::INFINITY,
            latency: f64::NAN,
            trip: 0.0,
            window: Window { since: Instant(f64::NEG_INFINITY), calls: 0.0, sum: 0.0, total: 0.0, busiest: 0 },
            ramps: true,
            streak: 0.0,
            reference: None,
            windows: 0,
            wall: f64::INFINITY,
            wall_until: Instant::NEVER,
            paused_until: Instant(f64::NEG_INFINITY),
            luck: 0.0,
            reason: Reason::Held,
        }
    }

    /// Calls that may be in flight.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Before, the source wants no call at all.
    #[must_use]
    pub fn paused_until(&self) -> Instant {
        self.paused_until
    }

    /// The logarithms of the smoothed latency, and of that without a queue; `NaN` until the first window.
    #[must_use]
    pub fn latencies(&self) -> [f64; 2] {
        [self.latency, self.base]
    }

    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The source of a call that is about to end as dropped wants to be left alone for so long.
    pub fn pause(&mut self, length: Millis, now: Instant) {
        self.paused_until = Instant(self.paused_until.0.max(now.0 + length.0.min(PAUSE_MAX)));
    }

    /// A call has ended that was one of `in_flight`.
    pub fn ended(&mut self, took: Millis, ending: Ending, in_flight: u32, now: Instant) {
        self.window.busiest = self.window.busiest.max(in_flight);
        let judges = now.0 - took.0 >= self.window.since.0;
        match ending {
            Ending::Other => {}
            Ending::Dropped if self.luck >= 1.0 && now >= self.paused_until => self.luck -= 1.0,
            Ending::Dropped => self.back_off(judges, took, now),
            Ending::Answered => {
                self.luck = (self.luck + LUCK).min(LUCK_MAX);
                if self.limit < self.target {
                    self.limit = (self.limit + 1.0).min(self.target);
                    if self.limit >= self.target {
                        self.window.since = now;
                    }
                }
                if judges {
                    self.window.calls += 1.0;
                    self.window.total += took.0;
                    self.window.sum += libm::log(took.0.max(LATENCY_MIN));
                    let experiment = if self.windows >= EXPERIMENT_EVERY { 2.0 } else { 1.0 };
                    if self.window.calls >= (self.limit * WINDOW).max(WINDOW_MIN) * experiment {
                        self.decide(now);
                    }
                }
            }
        }
    }

    fn back_off(&mut self, judges: bool, took: Millis, now: Instant) {
        if judges || self.reason != Reason::Rejected {
            let trip = self.trip.max(took.0);
            self.wall = self.limit;
            self.wall_until = Instant(now.0 + PATIENCE * (trip + self.paused_until.since(now).0));
            self.ramps = false;
            self.reference = None;
            self.set(self.limit * BACK_OFF, Reason::Rejected, now);
        } else {
            // It began before the limit was lowered: it is one more that was too many.
            self.target = (self.limit - 1.0).max(self.wall * BACK_OFF_MAX).max(self.range.min);
            self.limit = self.target;
        }
    }

    /// The window is complete.
    #[inline(never)]
    fn decide(&mut self, now: Instant) {
        let seen = self.window.sum / self.window.calls;
        self.trip = self.window.total / self.window.calls;
        if self.base.is_nan() {
            self.base = seen;
            self.latency = seen;
        }
        self.latency += 0.5 * (seen - self.latency);
        if f64::from(self.window.busiest) < self.limit / 2.0 {
            return self.set(self.limit, Reason::Held, now);
        }
        let fall = self.base - seen;
        if fall > 0.0 {
            self.base -= fall * if fall > FALL { 1.0 } else { 0.09375 };
        }
        self.windows += 1;
        if let Some((limit, latency)) = self.reference
            && self.limit <= limit * (STEP + 0.0078125)
        {
            self.reference = None;
            let slope = (latency - seen) / libm::log(limit / self.limit);
            if slope < SLOPE_OWN {
                self.windows = if self.windows >= EXPERIMENT_EVERY { 0 } else { EXPERIMENT_EVERY - EXPERIMENT_SOON };
                self.base_before = self.base;
                self.base = latency;
                return self.set(limit, Reason::Grown, now);
            }
            self.windows = if slope > SLOPE_QUEUE { EXPERIMENT_EVERY - EXPERIMENT_SOON } else { 0 };
            self.base = seen.min(self.base + 0.046875).min(self.base_before);
            self.base_before = f64::INFINITY;
        }
        let queued = (0.5 * (self.latency + seen) - self.base).max(0.0);
        // e to the power of what is queued, as far as it matters: libm's would be a kilobyte.
        let gradient = (1.0 / (1.0 + queued + queued * queued / 2.0)).max(0.5);
        let allowance = if self.ramps { ALLOWANCE_RAMP } else { ALLOWANCE };
        let change = self.limit * (gradient - 1.0) + allowance * square_root(self.limit);
        if change < 0.0 {
            self.ramps = false;
            if self.reference.is_none() && (seen - self.latency).abs() < STEADY {
                self.reference = Some((self.limit, seen));
            }
            let weight = if gradient < STEEP { SMOOTHING_STEEP } else { SMOOTHING };
            return self.set(self.limit + weight * change, Reason::Shrunk, now);
        }
        if self.windows >= EXPERIMENT_EVERY {
            self.reference = Some((self.limit, self.latency));
            return self.set(self.limit * STEP, Reason::Shrunk, now);
        }
        self.reference = None;
        if now >= self.wall_until {
            self.wall = f64::INFINITY;
            self.wall_until = Instant::NEVER;
        }
        self.streak += 1.0;
        let room = (self.wall - self.limit) / 2.0;
        if room < (0.03125 * self.limit).max(0.5) {
            return self.set(self.limit, Reason::Held, now);
        }
        let growth = if self.ramps {
            self.windows = 0;
            self.limit
        } else if self.wall < f64::INFINITY {
            room
        } else {
            change * SMOOTHING_GROWTH * self.streak
        };
        self.set(self.limit + growth, Reason::Grown, now);
    }

    /// Begins a window under a new limit.
    #[inline(never)]
    fn set(&mut self, limit: f64, reason: Reason, now: Instant) {
        self.target = self.range.within(limit);
        self.limit = self.limit.min(self.target);
        if reason != Reason::Grown {
            self.streak = 0.0;
        }
        self.reason = reason;
        let since = if self.limit < self.target { Instant::NEVER } else { now };
        self.window = Window { since, calls: 0.0, sum: 0.0, total: 0.0, busiest: 0 };
    }
}

/// By Newton's method, for what a limit can be.
fn square_root(of: f64) -> f64 {
    (0..16).fold(of, |root, _| (root + of / root) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range { min: 2.0, max: 50.0, initial: 10.0 };

    /// Calls, one after another, each of `took` and one of as many as the limit lets be in flight.
    fn answer(found: &mut Concurrency, calls: usize, took: f64, clock: &mut f64) {
        for _ in 0..calls {
            *clock += took;
            found.ended(Millis(took), Ending::Answered, found.limit(), Instant(*clock));
        }
    }

    fn drop_one(found: &mut Concurrency, retry_after: Option<f64>, clock: &mut f64) {
        *clock += 10.0;
        if let Some(length) = retry_after {
            found.pause(Millis(length), Instant(*clock));
        }
        found.ended(Millis(10.0), Ending::Dropped, found.limit(), Instant(*clock));
    }

    #[test]
    fn the_limit_stays_in_its_range() {
        let (mut found, mut clock) = (Concurrency::new(RANGE), 0.0);
        answer(&mut found, 500, 10.0, &mut clock);
        assert_eq!(found.limit(), 50);
        assert!(found.latencies().iter().all(|latency| (latency.exp() - 10.0).abs() < 0.01));
        for _ in 0..200 {
            drop_one(&mut found, None, &mut clock);
        }
        assert_eq!((found.limit(), found.reason()), (2, Reason::Rejected));
    }

    #[test]
    fn a_limit_that_is_not_used_holds() {
        let mut found = Concurrency::new(RANGE);
        for call in 0..500 {
            found.ended(Millis(10.0), Ending::Answered, 4, Instant(10.0 * f64::from(call)));
        }
        assert_eq!((found.limit(), found.reason()), (10, Reason::Held));
    }

    #[test]
    fn calls_that_take_no_time_are_no_trouble() {
        let (mut found, mut clock) = (Concurrency::new(RANGE), 0.0);
        answer(&mut found, 500, 0.0, &mut clock);
        assert_eq!(found.limit(), 50);
    }

    #[test]
    fn what_failed_for_its_own_reasons_tells_nothing() {
        let mut found = Concurrency::new(RANGE);
        (0..500).for_each(|at| found.ended(Millis(1.0), Ending::Other, 10, Instant(f64::from(at))));
        assert_eq!(found.limit(), 10);
        assert!(found.latencies()[0].is_nan());
    }

    #[test]
    fn a_source_that_says_for_how_long_is_left_alone_for_that_but_no_longer_than_a_minute() {
        let (mut found, mut clock) = (Concurrency::new(RANGE), 0.0);
        drop_one(&mut found, Some(500.0), &mut clock);
        assert_eq!((found.paused_until(), found.reason()), (Instant(510.0), Reason::Rejected));
        drop_one(&mut found, Some(1.0), &mut clock);
        assert_eq!(found.paused_until(), Instant(510.0), "no later word makes it shorter");
        drop_one(&mut found, Some(1e9), &mut clock);
        assert_eq!(found.paused_until(), Instant(30.0 + PAUSE_MAX));
    }

    #[test]
    fn one_rejection_among_many_answers_is_bad_luck() {
        let (mut found, mut clock) = (Concurrency::new(RANGE), 0.0);
        answer(&mut found, 500, 10.0, &mut clock);
        drop_one(&mut found, None, &mut clock);
        assert_eq!(found.limit(), 50);
        drop_one(&mut found, Some(1.0), &mut clock);
        assert_eq!(found.limit(), 47, "but not where the source says so");
    }
}
