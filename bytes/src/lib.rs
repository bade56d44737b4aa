//! What `sluice/bytes` has in wasm: checksums (XXH64), SHA-256, and the frame around what a tier keeps as bytes.
//!
//! No allocator and no dependency: bytes come in pieces through one static buffer, and a few kilobytes of code are all there is. Apart from
//! the exports it is safe Rust that knows nothing of wasm.
// Natively there are tests, which need std; without it, there would be no panic handler either.
#![cfg_attr(target_arch = "wasm32", no_std)]

pub mod frame;
pub mod sha256;
pub mod xxh64;

#[cfg(target_arch = "wasm32")]
mod exports;
