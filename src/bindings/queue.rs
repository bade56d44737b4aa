//! The priority queue at the boundary: apart from the engine, with a region of its own.

use alloc::boxed::Box;
use alloc::vec::Vec;

use wasm_bindgen::prelude::*;

use super::grow;
use crate::queue::{Entry, Queue};

pub struct Inner {
    queue: Queue,
    /// In and out.
    entries: Vec<Entry>,
}

type Handle = *mut Inner;

#[wasm_bindgen(js_name = createQueue)]
pub fn create_queue() -> Handle {
    Box::into_raw(Box::new(Inner { queue: Queue::default(), entries: Vec::new() }))
}

/// Its handle is not to be used again.
#[wasm_bindgen(js_name = destroyQueue)]
pub fn destroy_queue(queue: Handle) {
    // SAFETY: as in `inner`.
    #[expect(unsafe_code, reason = "the counterpart of `create_queue`")]
    drop(unsafe { Box::from_raw(queue) });
}

/// Where the entries are that cross, which are at least `count` from now on.
#[wasm_bindgen(js_name = reserveQueue)]
pub fn reserve_queue(queue: Handle, count: usize) -> *const Entry {
    let Inner { entries, .. } = inner(queue);
    grow(entries, count);
    entries.as_ptr()
}

#[wasm_bindgen(js_name = pushQueue)]
pub fn push_queue(queue: Handle, count: usize, before: bool) {
    let Inner { queue, entries } = inner(queue);
    queue.push(&entries[..count], before);
}

/// Answers how many there were.
#[wasm_bindgen(js_name = takeQueue)]
pub fn take_queue(queue: Handle, count: usize) -> usize {
    let Inner { queue, entries } = inner(queue);
    queue.take(&mut entries[..count])
}

fn inner<'a>(queue: Handle) -> &'a mut Inner {
    // SAFETY: a handle comes from `create_queue`, and the wrapper uses it until it hands it to `destroy_queue`. No two borrows meet, as
    // for the engine.
    #[expect(unsafe_code, reason = "JavaScript can hold a pointer, and no borrow")]
    unsafe {
        &mut *queue
    }
}
