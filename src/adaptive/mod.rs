//! Limits that find themselves, by how the source answers. The engine does not use them yet.

pub mod batch_size;
pub mod concurrency;
