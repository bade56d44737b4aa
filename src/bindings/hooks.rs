//! Exports that only tests of the boundary may call; never in the shipped `pkg/`.

use alloc::vec::Vec;

use wasm_bindgen::prelude::*;

use super::{Handle, inner, put, size, turn};
use crate::time::Instant;

/// JavaScript's names of what `stats` says, joined with commas: puts them in `bytes`, and answers their length.
#[wasm_bindgen(js_name = statNames)]
pub fn stat_names(core: Handle) -> usize {
    let names = [crate::stats::Stats::NAMES, &super::FOUND].concat().join(",");
    put(&mut inner(core).bytes, names.as_bytes());
    names.len()
}

/// What disagrees, in `bytes`: answers its length, 0 for nothing.
#[wasm_bindgen]
pub fn validate(core: Handle) -> usize {
    // Of whenever: what is open at no time is open at none.
    inner(core).engine.validate(Instant(f64::NEG_INFINITY)).err().map_or(0, |message| {
        put(&mut inner(core).bytes, message.as_bytes());
        message.len()
    })
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
