//! Exports that only tests of the boundary may call; never in the shipped `pkg/`.

use alloc::string::String;
use alloc::vec::Vec;

use wasm_bindgen::prelude::*;

use super::{Handle, inner, size, turn};
use crate::time::Instant;

/// JavaScript's names of the counters, joined with commas.
#[wasm_bindgen(js_name = statNames)]
pub fn stat_names(_core: Handle) -> String {
    crate::stats::Stats::NAMES.join(",")
}

/// What disagrees, or nothing.
#[wasm_bindgen]
pub fn validate(core: Handle) -> Option<String> {
    // Of whenever: what is open at no time is open at none.
    inner(core).engine.validate(Instant(f64::NEG_INFINITY)).err()
}

#[wasm_bindgen(js_name = isQuiescent)]
pub fn is_quiescent(core: Handle) -> bool {
    inner(core).engine.is_quiescent()
}

/// Panics inside of the engine's borrow, as a bug would.
#[wasm_bindgen]
pub fn panic(core: Handle) {
    let _turn = turn(core);
    panic!("a panic on demand");
}

/// Overflows the shadow stack.
#[wasm_bindgen(js_name = overflowStack)]
pub fn overflow_stack(core: Handle) -> usize {
    #[allow(unconditional_recursion)] // That is the point.
    fn deeper(depth: usize) -> usize {
        let frame = [depth; 1024];
        core::hint::black_box(&frame)[depth % 1024] + deeper(depth + 1)
    }
    deeper(size(core))
}

/// Asks for more memory than there can be, infallibly.
#[wasm_bindgen(js_name = exhaustMemory)]
pub fn exhaust_memory(_core: Handle) -> usize {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1 << 28]);
        core::hint::black_box(&hoard);
    }
}
