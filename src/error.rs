//! What the engine can refuse.

use alloc::string::String;
use core::fmt;

/// The memory a structure would have needed is not to be had. The structure is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the engine's memory could not grow")
    }
}

impl core::error::Error for OutOfMemory {}

impl From<alloc::collections::TryReserveError> for OutOfMemory {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        Self
    }
}

/// A structure's own recount disagrees with what it had written down; for tests.
pub type Validity = Result<(), String>;

/// `Err` with the message unless `holds`.
pub fn check(holds: bool, message: impl FnOnce() -> String) -> Validity {
    if holds { Ok(()) } else { Err(message()) }
}
