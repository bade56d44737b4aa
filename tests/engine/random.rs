//! Random operations, as many as `SLUICE_MODEL_OPS` says, from the seed that `SLUICE_MODEL_SEED` says.

use std::io::{self, Write};
use std::time::Instant;

use crate::operations::run_many;

const OPERATIONS: u64 = 10_000_000;
const SEED: u64 = 1;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What a run must have met to be worth its time.
const TO_BE_MET: [&str; 33] = [
    "abort",
    "circular",
    "clear",
    "cycle",
    "deduplicated",
    "delivered stale",
    "delivered to others",
    "delivered to the leader",
    "done",
    "dropped",
    "early hit",
    "evicted",
    "expired",
    "failed hit",
    "fenced",
    "hit",
    "invalidated",
    "joined",
    "late",
    "led",
    "miss",
    "release",
    "retried",
    "stale hit",
    "start",
    "start of a group",
    "store",
    "store of a failure",
    "time-out",
    "time-out in the queue",
    "time-out of a batch",
    "too heavy",
    "waiting for a slot to go on",
];
/// Below, a run is too short to meet everything.
const OPERATIONS_TO_MEET_ALL: u64 = 50_000;

/// What was run must be seen, to be run again; `println` shows nothing of a test that passes.
fn say(line: &str) {
    writeln!(io::stdout(), "{line}").expect("stdout takes it");
}

fn run(what: &str, share: u64, length: usize) {
    let seed = from_env("SLUICE_MODEL_SEED", SEED).wrapping_mul(1 << 32);
    let operations = from_env("SLUICE_MODEL_OPS", OPERATIONS) * share / 100;
    say(&format!("{what}: {operations} operations from seed {seed}, {length} to a run"));
    let start = Instant::now();
    match run_many(seed, length, operations) {
        Ok(tally) => {
            say(&format!("{what}: {} operations, {} calls in {:?}", tally.operations, tally.calls, start.elapsed()));
            say(&format!("{what}: met {:?}", tally.met.0));
            let is_met = |what: &&&str| tally.met.0.get(**what).is_some_and(|&times| times > 0);
            let never: Vec<&&str> = TO_BE_MET.iter().filter(|what| !is_met(what)).collect();
            assert!(operations < OPERATIONS_TO_MEET_ALL || never.is_empty(), "never met {never:?}");
        }
        Err(message) => panic!("{message}"),
    }
}

/// Many setups, few operations each: the ways to begin.
#[test]
fn short_runs_do_as_the_model_does() {
    run("short runs", 50, 60);
}

/// Few setups, many operations each: what accumulates.
#[test]
fn long_runs_do_as_the_model_does() {
    run("long runs", 50, 4000);
}
