use std::collections::HashMap;

use super::*;
use crate::hash::Hasher;
use crate::random::Random;

fn key_at(index: &Index, slot: Slot) -> Vec<u8> {
    let mut key = Vec::new();
    index.copy_key(slot, &mut key);
    key
}

/// Against a map, with hashes that are given: few of them, at both ends of the table, so that runs are long, meet, and go round its end.
#[test]
fn keys_stay_apart_and_findable_whatever_their_hashes() {
    const HASHES: [&[u32]; 4] = [&[0], &[0, 1, 15, 16, u32::MAX], &[u32::MAX, u32::MAX - 1], &[14, 15, 30, 31, 1 << 31]];
    for (seed, hashes) in HASHES.iter().enumerate() {
        let mut random = Random::new(seed as u64);
        let keys: Vec<(KeyHash, Vec<u8>)> = (0..40_usize)
            .map(|key| (KeyHash(hashes[random.below(hashes.len())]), "\0".repeat(key / 2).into_bytes()))
            .enumerate()
            .map(|(place, (hash, key))| (hash, if place % 2 == 0 { key } else { [&key[..], b"x"].concat() }))
            .collect();
        let mut index = Index::EMPTY;
        let mut model: HashMap<Vec<u8>, (Slot, u64)> = HashMap::new();
        for step in 0..20_000 {
            let (hash, key) = &keys[random.below(keys.len())];
            match model.get(key) {
                Some(&(slot, payload)) if random.below(2) == 0 => {
                    assert_eq!(index.payload(slot), payload);
                    index.remove(slot);
                    assert!(!index.has(slot));
                    model.remove(key);
                }
                Some(&(slot, payload)) => {
                    assert_eq!(index.find(*hash, key), Some(slot));
                    assert_eq!((index.has(slot), index.payload(slot), index.hash(slot)), (true, payload, *hash));
                    assert_eq!(key_at(&index, slot), *key);
                }
                None => {
                    assert_eq!(index.find(*hash, key), None);
                    let slot = index.insert(*hash, key, step).expect("memory");
                    assert!(model.values().all(|&(other, _)| other != slot));
                    model.insert(key.clone(), (slot, step));
                }
            }
            assert_eq!(index.len(), model.len());
            index.validate().expect("a valid index");
        }
        for (hash, key) in &keys {
            assert_eq!(index.find(*hash, key), model.get(key).map(|&(slot, _)| slot));
        }
    }
}

#[test]
fn slots_are_used_again() {
    let mut index = Index::EMPTY;
    for key in 0..1000_u32 {
        let slot = index.insert(KeyHash(key), &key.to_le_bytes(), 0).expect("memory");
        assert_eq!(slot, Slot(0));
        index.remove(slot);
    }
    assert_eq!(index.slots(), 1);
}

#[test]
fn a_compaction_moves_keys_and_not_slots() {
    let mut index = Index::EMPTY;
    let long = |number: u32, len: usize| [&number.to_le_bytes()[..], &vec![b'k'; len]].concat();
    let slots: Vec<Slot> =
        (0..200).map(|number| index.insert(KeyHash(number), &long(number, 400), number.into()).expect("memory")).collect();
    let held = index.arena.capacity_bytes();
    // More than a third is freed, in blocks of one size; what is of another size fits there only after a compaction makes nothing grow.
    for &slot in slots.iter().step_by(2) {
        index.remove(slot);
    }
    for number in 200..260 {
        index.insert(KeyHash(number), &long(number, 490), number.into()).expect("memory");
    }
    assert!(index.arena.capacity_bytes() <= held);
    index.validate().expect("a valid index");
    for (number, &slot) in (0..200).zip(&slots).skip(1).step_by(2) {
        assert_eq!(index.find(KeyHash(number), &long(number, 400)), Some(slot));
        assert_eq!(index.payload(slot), u64::from(number));
    }
}

/// How many cells away from its home a key is found, on average.
fn mean_displacement(keys: &[Vec<u8>], seed: u64) -> f64 {
    let hasher = Hasher::new([1, 2, 3].map(|word| (seed * 3 + word).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let mut index = Index::EMPTY;
    for key in keys {
        index.insert(hasher.hash(key), key, 0).expect("memory");
    }
    let mask = index.cells.len() - 1;
    let of = |(at, &cell): (usize, &u32)| if cell == 0 { 0 } else { at.wrapping_sub(index.home(cell) as usize) & mask };
    index.cells.iter().enumerate().map(of).sum::<usize>() as f64 / keys.len() as f64
}

fn djb2(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, &byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)))
}

const FNV_START: u32 = 0x811c_9dc5;

fn fnv1a(start: u32, key: &[u8]) -> u32 {
    key.iter().fold(start, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// All ways to choose one of two for each of `pairs`, one after another.
fn products(pairs: &[[Vec<u8>; 2]]) -> Vec<Vec<u8>> {
    (0..1_usize << pairs.len())
        .map(|choice| pairs.iter().enumerate().flat_map(|(place, pair)| pair[choice >> place & 1].clone()).collect())
        .collect()
}

/// Pairs of words after each of which FNV-1a is in the same state (Joux: "Multicollisions in Iterated Hash Functions", CRYPTO '04).
fn fnv_pairs(count: usize) -> Vec<[Vec<u8>; 2]> {
    let mut state = FNV_START;
    let mut pairs = Vec::new();
    let mut seen: HashMap<u32, [u8; 8]> = HashMap::new();
    for word in 1_u64.. {
        // Scattered, for words that differ in few bits rarely meet.
        let word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        if let Some(other) = seen.insert(fnv1a(state, &word), word) {
            state = fnv1a(state, &word);
            pairs.push([word.to_vec(), other.to_vec()]);
            seen.clear();
        }
        if pairs.len() == count {
            break;
        }
    }
    pairs
}

/// Keys that fall on one another under hashes without a secret, and patterns that are common, are found as soon as any.
#[test]
fn chosen_keys_do_not_make_long_runs() {
    const BITS: usize = 12;
    let djb2_keys = products(&vec![[b"Ez".to_vec(), b"FY".to_vec()]; BITS]);
    assert!(djb2_keys.iter().all(|key| djb2(key) == djb2(&djb2_keys[0])));
    let fnv_keys = products(&fnv_pairs(BITS));
    assert!(fnv_keys.iter().all(|key| fnv1a(FNV_START, key) == fnv1a(FNV_START, &fnv_keys[0])));
    let of = |key: fn(u64) -> Vec<u8>| (0..1 << BITS).map(key).collect::<Vec<_>>();
    let corpora = [
        djb2_keys,
        fnv_keys,
        of(|number| number.to_string().into_bytes()),
        of(|number| (number << 52).to_le_bytes().to_vec()),
        of(|number| [(number << 52).to_le_bytes(), (number << 20).to_le_bytes()].concat()),
        of(|number| vec![0; number as usize]),
        of(|number| format!("component:react:{number:08}").into_bytes()),
    ];
    // Half of 1 / (1 − load) − 1 is what chance alone makes of a table that is half full (Knuth, TAOCP 3, 6.4); half as much again.
    let bound = 0.5 * 1.5;
    for (place, keys) in corpora.iter().enumerate() {
        for seed in 0..8 {
            let mean = mean_displacement(keys, seed);
            assert!(mean < bound, "corpus {place}, seed {seed}: keys are {mean} cells away from home");
        }
    }
}
