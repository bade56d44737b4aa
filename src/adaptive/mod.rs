//! Limits that find themselves, by how the source answers.

pub mod batch_size;
pub mod concurrency;
