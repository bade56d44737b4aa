//! The engine in virtual time: against a naive model, through the whole of a small universe, and case by case.

mod batches;
mod driver;
mod exhaustive;
mod harness;
mod memory;
mod model;
mod operations;
mod order;
mod random;
mod soak;
