//! The engine in virtual time: against a naive model, through the whole of a small universe, case by case, and in a long life under faults.
//!
//! `model` is the reference, `harness` makes each call on both and compares; `operations` draws what to do, `random` and `exhaustive` run it.
//! `driver` is the engine alone, for the cases told one by one in `batches`, `order` and `memory`, and for `soak`. `limits` (at random) and `nesting`
//! (exhaustively) have all caps at once.
//!
//! `SLUICE_MODEL_OPS` says how many random operations to run, `SLUICE_MODEL_SEED` from which seed, `SLUICE_EXHAUSTIVE_LENGTH` how long the
//! sequences are of which all are run.

mod batches;
mod driver;
mod exhaustive;
mod harness;
mod limits;
mod memory;
mod model;
mod nesting;
mod operations;
mod order;
mod random;
mod soak;
