//! What JavaScript calls, by feature: each wasm has what one of the package's entries needs.
//!
//! Bytes come and go through one buffer; everything is of one thread, and no call is made within another.
#![expect(unsafe_code, reason = "exported names, and statics that one thread has to itself")]

use core::cell::UnsafeCell;
use core::mem;

#[cfg(feature = "frame")]
use crate::frame::{self, Head};
#[cfg(feature = "sha256")]
use crate::sha256::Sha256;
#[cfg(feature = "frame")]
use crate::xxh64::Xxh64;

/// A multiple of what XXH64 and SHA-256 take at once.
const BUFFER_BYTES: usize = 64 * 1024;

struct Place<T>(UnsafeCell<T>);

// SAFETY: this wasm has no threads: its memory is not shared, and nothing in it starts one.
unsafe impl<T> Sync for Place<T> {}

impl<T> Place<T> {
    const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: no export calls another one, and none takes the same place twice, so that this is its only reference.
        work(unsafe { &mut *self.0.get() })
    }
}

static BUFFER: Place<[u8; BUFFER_BYTES]> = Place::new([0; BUFFER_BYTES]);
#[cfg(feature = "frame")]
static HEAD: Place<Head> = Place::new([0; 48]);
#[cfg(feature = "frame")]
static SUM: Place<Xxh64> = Place::new(Xxh64::new());
#[cfg(feature = "sha256")]
static SHA256: Place<Sha256> = Place::new(Sha256::new());

#[unsafe(no_mangle)]
extern "C" fn buffer() -> *mut u8 {
    BUFFER.0.get().cast()
}

/// Where the head of a frame is taken from, and left when it is sealed.
#[cfg(feature = "frame")]
#[unsafe(no_mangle)]
extern "C" fn head() -> *mut u8 {
    HEAD.0.get().cast()
}

/// The next bytes of a frame, from `SUMMED_FROM` on, fill the buffer; more will come.
#[cfg(feature = "frame")]
#[unsafe(no_mangle)]
extern "C" fn frame_update() {
    BUFFER.with(|buffer| SUM.with(|sum| _ = sum.update(buffer)));
}

/// The last `len` bytes are in the buffer, and the head in its place: seals the frame.
#[cfg(feature = "frame")]
#[unsafe(no_mangle)]
extern "C" fn frame_seal(len: usize) {
    HEAD.with(|head| frame::seal(head, finish(len)));
}

/// As `frame_seal`, for a frame of `total` bytes. Answers a `Verdict`.
#[cfg(feature = "frame")]
#[unsafe(no_mangle)]
extern "C" fn frame_verify(len: usize, total: u32) -> u32 {
    HEAD.with(|head| frame::verify(head, finish(len), total.into())) as u32
}

#[cfg(feature = "frame")]
fn finish(len: usize) -> u64 {
    BUFFER.with(|buffer| SUM.with(|sum| mem::take(sum).finish(&buffer[..len])))
}

/// Where the state of the digest under way is: copied out and in, several can be carried on by turns.
#[cfg(feature = "sha256")]
#[unsafe(no_mangle)]
extern "C" fn sha256() -> *mut Sha256 {
    SHA256.0.get()
}

/// The next bytes fill the buffer; more will come.
#[cfg(feature = "sha256")]
#[unsafe(no_mangle)]
extern "C" fn sha256_update() {
    BUFFER.with(|buffer| SHA256.with(|hash| _ = hash.update(buffer)));
}

/// The last `len` bytes are in the buffer: puts the digest there, and begins anew.
#[cfg(feature = "sha256")]
#[unsafe(no_mangle)]
extern "C" fn sha256_finish(len: usize) {
    BUFFER.with(|buffer| {
        let digest = SHA256.with(|hash| mem::take(hash).finish(&buffer[..len]));
        buffer[..digest.len()].copy_from_slice(&digest);
    });
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
