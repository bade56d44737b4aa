//! XXH64 with seed 0, in pieces: <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md>.
//!
//! A change within any eight bytes that it takes at once is found for certain, any other one but for one in 2⁶⁴.

const P1: u64 = 0x9e37_79b1_85eb_ca87;
const P2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const P3: u64 = 0x1656_67b1_9e37_79f9;
const P4: u64 = 0x85eb_ca77_c2b2_ae63;
const P5: u64 = 0x27d4_eb2f_1656_67c5;

/// Of what comes at once, all but the last must be a multiple of this.
pub const STRIPE: usize = 32;

pub struct Xxh64 {
    lanes: [u64; 4],
    len: u64,
}

impl Default for Xxh64 {
    fn default() -> Self {
        Self::new()
    }
}

impl Xxh64 {
    pub const fn new() -> Self {
        Self { lanes: [P1.wrapping_add(P2), P2, 0, 0u64.wrapping_sub(P1)], len: 0 }
    }

    /// Takes what comes next, a multiple of `STRIPE` unless it is the last. Answers what is behind the last stripe.
    pub fn update<'bytes>(&mut self, bytes: &'bytes [u8]) -> &'bytes [u8] {
        self.len += bytes.len() as u64;
        let (words, _) = bytes.as_chunks::<8>();
        let (stripes, _) = words.as_chunks::<4>();
        for stripe in stripes {
            for (lane, word) in self.lanes.iter_mut().zip(stripe) {
                *lane = round(*lane, u64::from_le_bytes(*word));
            }
        }
        &bytes[bytes.len() & !(STRIPE - 1)..]
    }

    /// The checksum of all that came and of `last`.
    pub fn finish(&mut self, last: &[u8]) -> u64 {
        let rest = self.update(last);
        let mut sum = P5;
        if self.len >= STRIPE as u64 {
            sum = 0;
            for (lane, by) in self.lanes.iter().zip([1, 7, 12, 18]) {
                sum = sum.wrapping_add(lane.rotate_left(by));
            }
            for lane in self.lanes {
                sum = (sum ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4);
            }
        }
        sum = sum.wrapping_add(self.len);
        let (words, rest) = rest.as_chunks::<8>();
        for word in words {
            sum = (sum ^ round(0, u64::from_le_bytes(*word))).rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
        }
        let (halves, rest) = rest.as_chunks::<4>();
        for half in halves {
            let half = u64::from(u32::from_le_bytes(*half)).wrapping_mul(P1);
            sum = (sum ^ half).rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
        }
        for byte in rest {
            sum = (sum ^ u64::from(*byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
        }
        sum = (sum ^ (sum >> 33)).wrapping_mul(P2);
        sum = (sum ^ (sum >> 29)).wrapping_mul(P3);
        sum ^ (sum >> 32)
    }
}

fn round(lane: u64, input: u64) -> u64 {
    lane.wrapping_add(input.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

#[cfg(test)]
mod tests {
    use super::{STRIPE, Xxh64};

    fn sum(bytes: &[u8]) -> u64 {
        Xxh64::new().finish(bytes)
    }

    #[test]
    fn known_answers() {
        // From the specification's reference implementation.
        assert_eq!(sum(b""), 0xef46_db37_51d8_e999);
        assert_eq!(sum(b"a"), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(sum(b"abc"), 0x44bc_2cf5_ad77_0999);
        assert_eq!(sum(b"Nobody inspects the spammish repetition"), 0xfbce_a83c_8a37_8bf1);
    }

    #[test]
    fn pieces_make_no_difference() {
        let bytes: [u8; 150] = core::array::from_fn(|at| (at * 7) as u8);
        for first in (0..=bytes.len()).step_by(STRIPE) {
            for second in (first..=bytes.len()).step_by(STRIPE) {
                let mut hash = Xxh64::new();
                assert_eq!(hash.update(&bytes[..first]), []);
                assert_eq!(hash.update(&bytes[first..second]), []);
                assert_eq!(hash.finish(&bytes[second..]), sum(&bytes));
            }
        }
    }
}
