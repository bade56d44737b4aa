//! A client that always has more to ask for, under a limit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::sluice::{Sluice, Started};
use crate::world::{Dice, PHASE, TRIP, World};

pub enum Limiter {
    Fixed(u32),
    Adaptive(Box<Sluice>),
    /// One more for each limit's worth of answers, half for each rejection, or call that takes six times as long as it should.
    Aimd(f64),
}

impl Limiter {
    pub fn adaptive() -> Self {
        Self::Adaptive(Box::new(Sluice::new()))
    }

    fn limit(&self) -> u32 {
        match self {
            Self::Fixed(limit) => *limit,
            Self::Adaptive(sluice) => sluice.limit(),
            Self::Aimd(limit) => *limit as u32,
        }
    }

    /// Whether one more call is started now, besides those in flight.
    fn start(&mut self, in_flight: usize) -> Option<Started> {
        match self {
            Self::Fixed(limit) if in_flight < *limit as usize => Some(Started::default()),
            Self::Aimd(limit) if in_flight < *limit as usize => Some(Started::default()),
            Self::Fixed(_) | Self::Aimd(_) => None,
            Self::Adaptive(sluice) => sluice.start(),
        }
    }

    fn ended(&mut self, call: Started, took: f64, answered: bool, now: f64) {
        match self {
            Self::Fixed(_) => {}
            Self::Adaptive(sluice) => sluice.ended(call, answered, now),
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
        while let Some(call) = limiter.start(calls.len()) {
            let (took, answered) = world.call(others, ms(now), &mut dice);
            others += u32::from(answered);
            calls.push(Reverse((now + (took * 1e6) as u64, now, answered, call)));
        }
        let Reverse((end, began, answered, call)) = calls.pop().expect("a limit is at least 1");
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
        limiter.ended(call, ms(now - began), answered, ms(now));
    }
}
