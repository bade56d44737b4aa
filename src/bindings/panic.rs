//! What happens on a panic in wasm: JavaScript gets an error that says where.
//!
//! Not what: with one panic that formats its message, the formatting of all of them is in the wasm, a tenth of its bytes.

use core::panic::PanicInfo;

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let mut text = Text { bytes: [0; 120], len: 0 };
    text.push(b"the engine panicked");
    if let Some(place) = info.location() {
        text.push(b" at ");
        text.push(place.file().as_bytes());
        text.push(b":");
        text.push_number(place.line());
    }
    wasm_bindgen::throw_str(text.as_str())
}

/// Without the heap, which may be what has run out.
struct Text {
    bytes: [u8; 120],
    len: usize,
}

impl Text {
    fn push(&mut self, more: &[u8]) {
        for (to, &byte) in self.bytes[self.len..].iter_mut().zip(more) {
            *to = byte;
            self.len += 1;
        }
    }

    fn push_number(&mut self, number: u32) {
        if number > 9 {
            self.push_number(number / 10);
        }
        self.push(&[b'0' + (number % 10) as u8]);
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
