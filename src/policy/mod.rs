//! Which slot leaves when the store is full.
//!
//! The store tells its policy of every entry that comes, is hit, and goes, and asks it for a victim; nothing else knows how victims are
//! chosen. A policy keeps slots and hashes, never keys or values.

mod lru;

pub use lru::Lru;
