//! A client that always has more to ask for, under a limit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sluice::adaptive::concurrency::{Concurrency, Ending, Range};
use sluice::time::{Instant, Millis};

use crate::world::{Dice, PHASE, TRIP, World};

pub enum Limiter {
    Fixed(u32),
    Adaptive(Concurrency),
    /// One more for each limit's worth of answers, half for each rejection, or call that takes six times as long as it should.
    Aimd(f64),
}

impl Limiter {
    pub fn adaptive() -> Self {
        Self::Adaptive(Concurrency::new(Range { min: 1.0, max: 200.0, initial: 10.0 }))
    }

    fn limit(&self) -> u32 {
        match self {
            Self::Fixed(limit) => *limit,
            Self::Adaptive(found) => found.limit(),
            Self::Aimd(limit) => *limit as u32,
        }
    }

    fn ended(&mut self, took: f64, answered: bool, in_flight: u32, now: f64) {
        match self {
            Self::Fixed(_) => {}
            Self::Adaptive(found) => {
                let ending = if answered { Ending::Answered } else { Ending::Dropped };
                found.ended(Millis(took), ending, in_flight, Instant(now));
            }
            Self::Aimd(limit) if answered && took < 6.0 * TRIP => *limit = (*limit + 1.0 / *limit).min(200.0),
            Self::Aimd(limit) => *limit = (*limit / 2.0).max(1.0),
        }
    }
}

/// What happened in one round trip, and the limit at its end.
#[derive(Clone, Copy, Default)]
pub struct Trip {
    pub answered: f64,
    pub rejected: f64,
    pub limit: f64,
}

/// The round trips of all phases, one after another.
pub fn run(world: World, mut limiter: Limiter, seed: u64) -> Vec<Trip> {
    let mut dice = Dice(seed);
    let mut trips = vec![Trip::default(); PHASE * world.phases()];
    // When each call ends and began, in nanoseconds, because integers have an order; and whether it is answered.
    let mut calls = BinaryHeap::new();
    let (mut now, mut others) = (0_u64, 0_u32);
    let ms = |ns: u64| ns as f64 / 1e6;
    let trip_of = |ns: u64| (ms(ns) / TRIP) as usize;
    loop {
        while calls.len() < limiter.limit() as usize {
            let (took, answered) = world.call(others, ms(now), &mut dice);
            others += u32::from(answered);
            calls.push(Reverse((now + (took * 1e6) as u64, now, answered)));
        }
        let in_flight = calls.len() as u32;
        let Reverse((end, began, answered)) = calls.pop().expect("a limit is at least 1");
        for trip in trips.iter_mut().take(trip_of(end)).skip(trip_of(now)) {
            trip.limit = f64::from(limiter.limit());
        }
        now = end;
        let Some(trip) = trips.get_mut(trip_of(now)) else { return trips };
        if answered {
            trip.answered += 1.0;
            others -= 1;
        } else {
            trip.rejected += 1.0;
        }
        limiter.ended(ms(now - began), answered, in_flight, ms(now));
    }
}
