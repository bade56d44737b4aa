//! Random operations, as many as `SLUICE_MODEL_OPS` says, from the seed that `SLUICE_MODEL_SEED` says.

use std::time::Instant;

use crate::operations::run_many;

const OPERATIONS: u64 = 10_000_000;
const SEED: u64 = 1;

fn from_env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Below, a run is too short to meet everything.
const OPERATIONS_TO_MEET_ALL: u64 = 50_000;

#[allow(clippy::print_stdout)] // What was run must be seen, to be run again.
fn run(what: &str, share: u64, length: usize) {
    let seed = from_env("SLUICE_MODEL_SEED", SEED).wrapping_mul(1 << 32);
    let operations = from_env("SLUICE_MODEL_OPS", OPERATIONS) * share / 100;
    println!("{what}: {operations} operations from seed {seed}, {length} to a run");
    let start = Instant::now();
    match run_many(seed, length, operations) {
        Ok(tally) => {
            println!("{what}: {} operations, {} calls in {:?}", tally.operations, tally.calls, start.elapsed());
            println!("{what}: met {:?}", tally.met.0);
            let never: Vec<&&str> = tally.met.0.iter().filter(|&(_, times)| *times == 0).map(|(what, _)| what).collect();
            assert!(operations < OPERATIONS_TO_MEET_ALL || (never.is_empty() && tally.met.0.len() == 28), "never met {never:?}");
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
