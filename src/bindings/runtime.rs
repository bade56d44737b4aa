//! What wasm needs in place of std: an allocator, and an end for panics.
//!
//! A panic is a trap like any other, and says neither what nor where: messages, places, and what formats them were a seventh of the wasm's
//! bytes. Where it was is in the stack that JavaScript has of it, as offsets in a wasm that anybody can build anew with names.

use core::arch::wasm32::unreachable;
use core::panic::PanicInfo;

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    unreachable()
}
