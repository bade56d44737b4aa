//! The engine in virtual time: against a naive model, through the whole of a small universe, and case by case.

mod exhaustive;
mod harness;
mod model;
mod operations;
mod random;
