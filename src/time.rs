//! Time as the engine sees it: an argument, never a clock.
//!
//! Milliseconds as `f64`, because that is what the runtime's monotonic clock gives and what crosses the boundary without conversion.

use core::cmp::Ordering;

/// A moment on the caller's monotonic clock, in milliseconds from a point of the caller's choosing.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Instant(pub f64);

impl Instant {
    /// Later than every moment: what never expires expires then.
    pub const NEVER: Self = Self(f64::INFINITY);

    /// The moment `after` this one.
    #[must_use]
    pub fn plus(self, after: Millis) -> Self {
        Self(self.0 + after.0)
    }

    /// What lies between `earlier` and this moment; nothing if `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis((self.0 - earlier.0).max(0.0))
    }

    /// A total order, for heaps; the engine never sees a NaN because the wrapper clamps its clock.
    #[must_use]
    pub fn order(self, other: Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A length of time in milliseconds, never negative; `INFINITY` means for ever.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Millis(pub f64);

impl Millis {
    pub const ZERO: Self = Self(0.0);
    pub const FOREVER: Self = Self(f64::INFINITY);

    /// The shorter of the two.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// In half the bits, and never longer for it.
    #[must_use]
    pub fn to_f32(self) -> f32 {
        // Without the bits that an `f32` has no room for, nothing is left to be rounded.
        f64::from_bits(self.0.to_bits() & !0x1fff_ffff) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_bits_never_make_it_longer() {
        let (odd, years) = (16_777_217.0, 365.0 * 86_400_000.0 - 1.0);
        for ms in [0.0, 0.1, 0.3, 1.0, 16_777_216.0, odd, 20_000_003.0, years] {
            let less = f64::from(Millis(ms).to_f32());
            assert!(less <= ms && less >= ms * (1.0 - 1e-6), "{ms} became {less}");
        }
        assert_eq!(Millis(3_600_000.0).to_f32(), 3_600_000.0);
        assert_eq!(Millis::FOREVER.to_f32(), f32::INFINITY);
    }
}
