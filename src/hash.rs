//! The seeded hash of a key's bytes.
//!
//! Eight bytes a step, each step one multiplication of the halves of the state, both xored with secret words first: the inner step of
//! UMAC's NH (Black, Halevi, Krawczyk, Krovetz, Rogaway: "UMAC: Fast and Secure Message Authentication", CRYPTO '99). What a chosen
//! difference between two keys does to the state depends on the secret at every step, so no set of keys collides under every seed. A
//! 64 × 64 → 128 multiplication would mix better, but wasm32 has none.

/// The hash of a key: its low bits choose the cell of a table, all of them tell most strangers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(pub u32);

/// Secret words, one set per engine.
pub type Seed = [u64; 3];

#[derive(Clone, Debug)]
pub struct Hasher {
    start: u64,
    secret: u64,
    last: u64,
}

impl Hasher {
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { start: seed[0], secret: seed[1], last: seed[2] | 1 }
    }

    #[must_use]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        let mut state = self.start ^ key.len() as u64;
        let mut words = key.chunks_exact(8);
        for word in &mut words {
            state = self.step(state ^ u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
        if !words.remainder().is_empty() {
            state = self.step(state ^ tail_word(key));
        }
        let mixed = (state ^ (state >> 32)).wrapping_mul(self.last);
        KeyHash((mixed >> 32) as u32)
    }

    #[inline]
    fn step(&self, state: u64) -> u64 {
        let mixed = state ^ self.secret;
        (mixed & 0xffff_ffff).wrapping_mul(mixed >> 32).wrapping_add(state.rotate_left(32))
    }
}

/// The last `key.len() % 8` bytes as the low bytes of a word, the rest zero; `key.len()` must not be a multiple of eight.
#[inline]
#[must_use]
pub fn tail_word(key: &[u8]) -> u64 {
    let rest = key.len() % 8;
    if let Some(last) = key.last_chunk::<8>() {
        // One load that overlaps the word before it, instead of a loop over bytes.
        u64::from_le_bytes(*last) >> (8 * (8 - rest))
    } else {
        key.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_word_is_the_rest_in_little_endian() {
        assert_eq!(tail_word(&[1, 2]), 0x0201);
        assert_eq!(tail_word(&[9, 9, 9, 9, 9, 9, 9, 9, 1, 2, 3]), 0x0003_0201);
    }

    #[test]
    fn length_and_seed_are_part_of_the_hash() {
        let one = Hasher::new([1, 0x9e37_79b9_7f4a_7c15, 3]);
        let other = Hasher::new([1, 0xc2b2_ae3d_27d4_eb4f, 3]);
        assert_ne!(one.hash(b"a"), one.hash(b"a\0"));
        assert_ne!(one.hash(b"component:react:button"), other.hash(b"component:react:button"));
    }

    /// Differences in the top bits cancel in multiply-and-xor hashes whatever their seed; here they must not.
    #[test]
    fn no_difference_of_two_words_collides_under_every_seed() {
        let base = [0_u8; 16];
        let mut shifted = base;
        shifted[7] ^= 0x80;
        for bit in 0..64 {
            let mut other = shifted;
            other[8 + bit / 8] ^= 1 << (bit % 8);
            let collisions = (1..=64_u64)
                .filter(|&seed| {
                    let hasher = Hasher::new([seed, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 5]);
                    hasher.hash(&base) == hasher.hash(&other)
                })
                .count();
            assert!(collisions < 4, "bit {bit}: {collisions} of 64 seeds collide");
        }
    }
}
