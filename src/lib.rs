//! The engine of sluice: batching, deduplication and caching as a pure state machine.
//!
//! Each row imports only from the rows below it; rooms in one row do not know each other.
//!
//! ```text
//! 5  bindings    the only room that knows wasm-bindgen (wasm32 alone)
//! 4  engine      the façade: look up, admit, settle, leave, advance → effects
//! 3  store       resident entries        flight     who leads a load, who waits
//!    schedule    what may start now
//! 2  policy      which slot leaves       deadlines  what is due        index  key bytes ↔ slot
//!    labels      tags and groups of slots           gates      slots of groups, tokens of rates
//! 1  column      words in chunks         slab       ids that are used again
//!    config      stats                   retry      when to try again   heap   ids by rank   rate   token buckets
//!    adaptive    limits that find themselves
//!    queue       slots by priority
//! 0  time        error                   hash       ids        random   pattern
//! ```

// Without std in wasm: its panic machinery alone is a tenth of the bytes (docs/decisions.md).
#![cfg_attr(target_arch = "wasm32", no_std)]

#[macro_use]
extern crate alloc;

#[cfg(target_arch = "wasm32")]
mod bindings;

pub mod adaptive;
mod column;
pub mod config;
mod deadlines;
pub mod engine;
pub mod error;
mod flight;
mod gates;
pub mod hash;
mod heap;
pub mod ids;
mod index;
mod labels;
mod pattern;
mod policy;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))] // Only the boundary and the tests use it.
mod queue;
mod random;
pub mod rate;
pub mod retry;
mod schedule;
mod slab;
pub mod stats;
mod store;
pub mod time;
