//! The frame around a value's bytes: says that they are ours and whole. Little-endian:
//!
//! ```text
//!  0  magic        89 53 4c 43
//!  4  version      u16, 1; another version is another layout from here on
//!  6  0            u16
//!  8  checksum     u64, XXH64 of all that follows it
//! 16  written at   f64, epoch milliseconds
//! 24  ttl          f64, milliseconds; infinite for what does not expire
//! 32  generation   u32
//! 36  raw length   u32, of the payload before it was compressed
//! 40  key length   u32
//! 44  codec length u32
//! 48  key, codec, payload
//! ```
//!
//! `js/bytes/envelope.ts` writes and reads what is from 16 on, and must agree.

const MAGIC: [u8; 4] = [0x89, b'S', b'L', b'C'];
/// With the zero behind it.
const VERSION: u32 = 1;
/// Where that begins which the checksum is of.
pub const SUMMED_FROM: usize = 16;
const HEAD: usize = 48;
const KEY_LENGTH_AT: usize = 40;
const CODEC_LENGTH_AT: usize = 44;
const CODEC_LENGTH_MAX: u32 = 255;

/// What a frame is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    Whole = 0,
    Corrupt = 1,
    /// Of another version: not ours to judge.
    OtherVersion = 2,
}

pub type Head = [u8; HEAD];

/// Seals the frame that begins with `head`, all of which from `SUMMED_FROM` on has this checksum.
pub fn seal(head: &mut Head, sum: u64) {
    head[..4].copy_from_slice(&MAGIC);
    head[4..8].copy_from_slice(&VERSION.to_le_bytes());
    head[8..SUMMED_FROM].copy_from_slice(&sum.to_le_bytes());
}

/// What a frame of `len` bytes is worth that begins with `head`, all of which from `SUMMED_FROM` on has this checksum.
pub fn verify(head: &Head, sum: u64, len: u64) -> Verdict {
    let mut right = *head;
    seal(&mut right, sum);
    if head[..4] != right[..4] {
        return Verdict::Corrupt;
    }
    if head[4..6] != right[4..6] {
        return Verdict::OtherVersion;
    }
    let codec = word(head, CODEC_LENGTH_AT);
    // In 64 bits: what a damaged length says must not wrap.
    let payload_at = HEAD as u64 + u64::from(word(head, KEY_LENGTH_AT)) + u64::from(codec);
    let fits = codec <= CODEC_LENGTH_MAX && payload_at <= len;
    if fits && *head == right { Verdict::Whole } else { Verdict::Corrupt }
}

fn word(head: &Head, at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&head[at..at + 4]);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::{CODEC_LENGTH_AT, HEAD, Head, KEY_LENGTH_AT, SUMMED_FROM, Verdict, seal, verify};
    use crate::xxh64::Xxh64;

    const LEN: usize = HEAD + 2 + 4 + 10;

    fn sum(bytes: &[u8]) -> u64 {
        Xxh64::new().finish(&bytes[SUMMED_FROM..])
    }

    fn sealed(key_len: u32, codec_len: u32) -> [u8; LEN] {
        let mut bytes: [u8; LEN] = core::array::from_fn(|at| at as u8);
        bytes[KEY_LENGTH_AT..KEY_LENGTH_AT + 4].copy_from_slice(&key_len.to_le_bytes());
        bytes[CODEC_LENGTH_AT..CODEC_LENGTH_AT + 4].copy_from_slice(&codec_len.to_le_bytes());
        let sum = sum(&bytes);
        seal(bytes.first_chunk_mut().expect("a head"), sum);
        bytes
    }

    fn verdict(bytes: &[u8]) -> Verdict {
        let head: &Head = bytes.first_chunk().expect("a head");
        verify(head, sum(bytes), bytes.len() as u64)
    }

    #[test]
    fn no_flipped_bit_and_no_missing_end_goes_unnoticed() {
        let bytes = sealed(2, 4);
        assert_eq!(verdict(&bytes), Verdict::Whole);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(verdict(&flipped), Verdict::Whole, "bit {bit}");
        }
        for end in HEAD..bytes.len() {
            assert_eq!(verdict(&bytes[..end]), Verdict::Corrupt, "{end} bytes");
        }
    }

    #[test]
    fn lengths_that_would_wrap_are_too_long() {
        for (key, codec) in [(u32::MAX, 4), (u32::MAX - 51, 4), (2, u32::MAX), (2, 256), (13, 4)] {
            assert_eq!(verdict(&sealed(key, codec)), Verdict::Corrupt, "key of {key}, codec of {codec}");
        }
    }
}
