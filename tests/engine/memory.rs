//! What is kept, for how long, and under which key.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;

use lru::LruCache;
use sluice::config::Config;
use sluice::engine::{EARLY, Effect, Engine, FAILURE, How, MISS, Outcome, STALE, Target};
use sluice::ids::Slot;
use sluice::time::{Instant, Millis};

use crate::driver::{CONFIG, Driver, TERMS, VALUE, call, joined, stored};
use crate::operations::Dice;

/// What a batch of `keys` finds.
fn look_up(on: &mut Driver, keys: &[&str], stale: f64) -> Vec<u32> {
    let (bytes, mut words) = joined(keys);
    let now = on.now();
    on.engine.lookup(&bytes, &mut words, Millis(stale), now);
    words
}

#[test]
fn keys_whose_concatenations_coincide_stay_apart() {
    let mut on = Driver::new(CONFIG);
    let slots: Vec<u32> = ["ab", "c"].map(|key| stored(&on.set(key.as_bytes(), None, 1)).expect("it fits").0).to_vec();
    assert_eq!(look_up(&mut on, &["ab", "c"], 0.0), slots);
    assert_eq!(look_up(&mut on, &["a", "bc"], 0.0), [MISS, MISS]);
    assert_eq!(look_up(&mut on, &["", "abc"], 0.0), [MISS, MISS]);
}

#[test]
fn keys_that_differ_in_nothing_but_what_is_easily_lost_stay_apart() {
    let long = "k".repeat(1 << 20);
    let longer = format!("{long}\0");
    let other = format!("{}l", &long[1..]);
    let keys = [
        "",
        "\0",
        "\0\0",
        "\0\0\0\0\0\0\0\0",
        "a",
        "a\0",
        "A",
        "é",
        "e\u{301}",
        "12345678",
        "12345678\0",
        &long,
        &longer,
        &other,
    ];
    let mut on = Driver::new(CONFIG);
    let slots: Vec<Slot> = keys.iter().map(|key| stored(&on.set(key.as_bytes(), None, 1)).expect("it fits")).collect();
    for (key, &slot) in keys.iter().zip(&slots) {
        assert_eq!(on.get(key.as_bytes()), Some(slot));
        let mut bytes = Vec::new();
        on.engine.copy_key(slot, &mut bytes);
        assert_eq!(bytes, key.as_bytes());
    }
    assert_eq!(on.engine.len(), keys.len());
}

#[test]
fn an_entry_is_valid_until_its_ttl_and_not_at_it() {
    let mut on = Driver::new(CONFIG);
    on.now = 5.0;
    on.set(b"a", Some(10.0), 1);
    for (at, valid) in [(14.999, true), (15.0, false), (f64::MAX, false)] {
        on.now = at;
        assert_eq!(on.get(b"a").is_some(), valid, "at {at}");
    }
}

#[test]
fn an_infinite_ttl_never_comes_and_a_ttl_of_nothing_removes() {
    let mut on = Driver::new(CONFIG);
    on.set(b"a", Some(f64::INFINITY), 1);
    on.now = f64::MAX;
    on.turn(Engine::purge);
    let slot = on.get(b"a").expect("it is there");
    assert_eq!(on.set(b"a", Some(0.0), 1), [Effect::Clear { slot: slot.0 }]);
    assert_eq!(on.get(b"a"), None);
}

#[test]
fn stale_entries_are_kept_for_those_who_take_them() {
    let mut on = Driver::new(CONFIG);
    let slot = stored(&on.set(b"a", Some(10.0), 1)).expect("it fits").0;
    on.now = 15.0;
    assert_eq!(look_up(&mut on, &["a"], 5.0), [MISS], "the fifth millisecond is over");
    assert_eq!(look_up(&mut on, &["a"], 6.0), [slot | STALE]);
    assert_eq!(on.turn(Engine::purge), [], "somebody may come for it");
    on.now = 16.0;
    assert_eq!(on.turn(Engine::purge), [Effect::Clear { slot }]);
}

#[test]
fn what_expired_unread_is_gone_after_as_many_insertions_as_half_the_slots() {
    const ENTRIES: u32 = 1000;
    let mut on = Driver::new(CONFIG);
    for key in 0..ENTRIES {
        on.set(&key.to_le_bytes(), Some(10.0), 1);
    }
    on.now = 10.0;
    // The slots that are freed are used again, so there are no more of them meanwhile.
    for _ in 0..ENTRIES / 2 {
        on.set(b"other", Some(1.0), 1);
        on.now += 1.0;
    }
    assert_eq!(on.engine.len(), 1);
}

#[test]
fn a_null_has_a_ttl_of_its_own() {
    for (negative_ttl, expected) in [(None, 1000.0), (Some(50.0), 50.0)] {
        let mut on = Driver::new(Config { negative_ttl, ..CONFIG });
        let opened = on.load(&["a"], TERMS);
        let effects = on.settle(call(&opened.effects), opened.flight(0), Outcome::Null { weight: 1 });
        let slot = stored(&effects).expect("nulls are stored");
        assert_eq!(on.engine.remaining(slot, Instant(0.0)).0, expected);
    }
    let mut on = Driver::new(Config { negative_ttl: Some(0.0), ..CONFIG });
    let opened = on.load(&["a"], TERMS);
    assert_eq!(stored(&on.settle(call(&opened.effects), opened.flight(0), Outcome::Null { weight: 1 })), None);
}

#[test]
fn what_is_heavier_than_all_that_may_be_held_evicts_nothing_but_its_own_past() {
    let mut on = Driver::new(Config { max_weight: 10.0, ..CONFIG });
    for key in [b"a", b"b"] {
        on.set(key, None, 5);
    }
    let slot = on.get(b"a").expect("it is there");
    assert_eq!(on.set(b"c", None, 11), []);
    assert_eq!(on.set(b"a", None, 11), [Effect::Clear { slot: slot.0 }]);
    assert!(on.get(b"b").is_some());
    assert_eq!((on.engine.weight(), on.engine.stats().too_heavy), (5, 2));
}

#[test]
fn weights_near_the_limits_of_their_type_add_up() {
    let mut on = Driver::new(Config { max_weight: 2.0 * f64::from(u32::MAX), ..CONFIG });
    for key in 0..4_u8 {
        on.set(&[key], None, u32::MAX);
    }
    assert_eq!((on.engine.len(), on.engine.weight()), (2, 2 * u64::from(u32::MAX)));
}

#[test]
fn a_use_prolongs_life_where_ttls_slide_and_a_look_does_not() {
    let mut on = Driver::new(Config { sliding: true, ..CONFIG });
    on.set(b"a", Some(10.0), 1);
    on.now = 9.0;
    assert!(on.engine.peek(b"a", on.now()).is_some());
    assert_eq!(on.engine.next_deadline().0, f64::INFINITY, "no entry has a timer");
    on.get(b"a").expect("it is valid");
    on.now = 18.0;
    assert_ne!(look_up(&mut on, &["a"], 0.0), [MISS]);
    on.now = 28.0;
    assert_eq!(look_up(&mut on, &["a"], 0.0), [MISS]);
}

/// The readers of one entry at `left` milliseconds before it expires, of whose load took ten: how many of a thousand are to refresh it.
fn early_readers(left: f64) -> usize {
    let mut on = Driver::new(Config { early_refresh: 1.0, ttl: 1000.0, ..CONFIG });
    let opened = on.load(&["a"], TERMS);
    on.now = 10.0;
    on.settle(call(&opened.effects), opened.flight(0), VALUE);
    on.now = 1010.0 - left;
    (0..1000).filter(|_| look_up(&mut on, &["a"], 0.0)[0] & EARLY != 0).count()
}

#[test]
fn readers_refresh_early_the_more_likely_the_nearer_the_end() {
    // By e to the minus what is left in units of what the load took.
    for (left, least, most) in [(500.0, 0, 0), (30.0, 20, 90), (10.0, 300, 440), (1.0, 850, 950)] {
        let readers = early_readers(left);
        assert!((least..=most).contains(&readers), "{readers} of 1000 with {left} ms left");
    }
}

#[test]
fn who_only_reads_gets_what_others_would_refresh() {
    let mut on = Driver::new(Config { early_refresh: 1e9, ..CONFIG });
    let opened = on.load(&["a"], TERMS);
    on.now = 10.0;
    on.settle(call(&opened.effects), opened.flight(0), VALUE);
    assert_ne!(look_up(&mut on, &["a"], 0.0)[0] & EARLY, 0);
    assert!(on.get(b"a").is_some());
}

#[test]
fn chance_takes_no_more_off_a_ttl_than_it_may() {
    let mut on = Driver::new(Config { ttl_jitter: 0.25, ..CONFIG });
    let lives: Vec<f64> = (0..1000_u32)
        .map(|key| {
            let slot = stored(&on.set(&key.to_le_bytes(), Some(100.0), 1)).expect("it fits");
            on.engine.remaining(slot, on.now()).0
        })
        .collect();
    assert!(lives.iter().all(|life| (75.0..=100.0).contains(life)));
    let mean = lives.iter().sum::<f64>() / 1000.0;
    assert!((86.0..89.0).contains(&mean), "{mean}");
    let slot = stored(&on.set(b"a", Some(f64::INFINITY), 1)).expect("it fits");
    assert_eq!(on.engine.remaining(slot, on.now()), Millis::FOREVER);
}

// Failures.

fn keeping_failures() -> Driver {
    Driver::new(Config { error_ttl: 50.0, ..CONFIG })
}

#[test]
fn a_failure_that_is_kept_is_no_value() {
    let mut on = keeping_failures();
    let opened = on.load(&["a"], TERMS);
    let effects = on.settle(call(&opened.effects), opened.flight(0), crate::driver::FAILURE);
    let kept = effects.iter().find_map(|effect| match *effect {
        Effect::StoreFailure { slot, .. } => Some(slot),
        _ => None,
    });
    let slot = kept.expect("failures are kept");
    assert_eq!(look_up(&mut on, &["a"], 1000.0), [slot | FAILURE]);
    assert_eq!((on.get(b"a"), on.engine.peek(b"a", on.now())), (None, None));
    assert!(on.engine.recent(None, on.now()).next().is_none());
    on.turn(|engine, now| assert!(!engine.delete(b"a", now)));
    assert!(on.engine.is_empty());
}

#[test]
fn a_failure_does_not_replace_a_value_however_old() {
    let mut on = keeping_failures();
    let slot = stored(&on.set(b"a", Some(10.0), 1)).expect("it fits");
    on.now = 20.0;
    let opened = on.load(&["a"], TERMS);
    on.settle(call(&opened.effects), opened.flight(0), crate::driver::FAILURE);
    assert_eq!(look_up(&mut on, &["a"], 11.0), [slot.0 | STALE]);
}

#[test]
fn what_was_never_called_has_not_failed() {
    let mut on = keeping_failures();
    let opened = on.admit(&["a"], &[0], false, TERMS);
    on.turn(|engine, now| engine.refuse(opened.flight(0), now));
    assert_eq!(look_up(&mut on, &["a"], 0.0), [MISS]);
}

// Invalidation of many.

/// The keys that are left of `keys` when `target` is invalidated.
fn left<'a>(keys: &[&'a str], target: Target) -> Vec<&'a str> {
    let mut on = Driver::new(CONFIG);
    keys.iter().for_each(|key| drop(on.set(key.as_bytes(), None, 1)));
    let (mut removed, mut lens) = (Vec::new(), Vec::new());
    on.turn(|engine, now| {
        let count = engine.invalidate(target, &mut removed, &mut lens, now);
        assert_eq!(count, lens.len());
    });
    let left: Vec<&str> = keys.iter().copied().filter(|key| on.get(key.as_bytes()).is_some()).collect();
    assert_eq!(left.len() + lens.len(), keys.len());
    left
}

#[test]
fn a_prefix_cuts_through_groups_or_takes_them_whole() {
    let keys = ["a", "a:", "a:b", "a:b:", "a:b:1", "a:b:12", "a:bc", "a:bc:1", "ab:1:1", ""];
    assert_eq!(left(&keys, Target::Prefix(b"a:b:1")), ["a", "a:", "a:b", "a:b:", "a:bc", "a:bc:1", "ab:1:1", ""]);
    assert_eq!(left(&keys, Target::Prefix(b"a:b:")), ["a", "a:", "a:b", "a:bc", "a:bc:1", "ab:1:1", ""]);
    assert_eq!(left(&keys, Target::Prefix(b"a:b")), ["a", "a:", "ab:1:1", ""]);
    assert_eq!(left(&keys, Target::Prefix(b"a:")), ["a", "ab:1:1", ""]);
    assert_eq!(left(&keys, Target::Prefix(b"a")), [""]);
    assert_eq!(left(&keys, Target::Prefix(b"")), [""; 0]);
    assert_eq!(left(&keys, Target::Prefix(b"a:b:1:2")), keys);
    assert_eq!(left(&keys, Target::Pattern(b"a:b*1")), ["a", "a:", "a:b", "a:b:", "a:b:12", "a:bc", "ab:1:1", ""]);
}

#[test]
fn a_tag_is_that_of_the_value_it_came_with() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], TERMS);
    on.turn(|engine, _| engine.tag_flight(opened.flight(0), b"t"));
    on.settle(call(&opened.effects), opened.flight(0), VALUE);
    on.set(b"b", None, 1);
    on.turn(|engine, _| engine.tag_key(b"b", b"t"));
    let invalidate = |on: &mut Driver| {
        let mut count = 0;
        on.turn(|engine, now| count = engine.invalidate(Target::Tag(b"t"), &mut Vec::new(), &mut Vec::new(), now));
        count
    };
    // A newer value has no tags but its own.
    on.set(b"b", None, 1);
    assert_eq!(invalidate(&mut on), 1);
    assert!(on.get(b"b").is_some() && on.get(b"a").is_none());
    assert_eq!(invalidate(&mut on), 0);
}

#[test]
fn an_entry_has_each_tag_that_any_of_its_waiters_gave_it() {
    for tag in [b"s", b"t", b"u"] {
        let mut on = Driver::new(CONFIG);
        let opened = on.load(&["a"], TERMS);
        on.turn(|engine, _| [b"s", b"t", b"s", b"u"].into_iter().for_each(|tag| engine.tag_flight(opened.flight(0), tag)));
        on.settle(call(&opened.effects), opened.flight(0), VALUE);
        on.turn(|engine, now| {
            assert_eq!(engine.invalidate(Target::Tag(tag), &mut Vec::new(), &mut Vec::new(), now), 1);
        });
    }
}

#[test]
fn a_tagged_load_that_is_invalidated_is_not_stored_and_not_joined() {
    let mut on = Driver::new(CONFIG);
    let opened = on.load(&["a"], TERMS);
    on.turn(|engine, _| engine.tag_flight(opened.flight(0), b"t"));
    on.turn(|engine, now| {
        assert_eq!(engine.invalidate(Target::Tag(b"t"), &mut Vec::new(), &mut Vec::new(), now), 0);
    });
    assert_eq!(on.load(&["a"], TERMS).admissions[0].how, How::Led);
    assert_eq!(stored(&on.settle(call(&opened.effects), opened.flight(0), VALUE)), None);
}

/// The order of eviction, against a reference that others wrote.
#[test]
fn unweighted_eviction_is_that_of_the_lru_crate() {
    const STEPS: usize = 200_000;
    for capacity in [1, 2, 3, 7, 64] {
        let mut dice = Dice::new(capacity as u64);
        let mut on = Driver::new(Config { max_entries: capacity as f64, ttl: f64::INFINITY, ..CONFIG });
        let mut reference: LruCache<Vec<u8>, u32> = LruCache::new(NonZeroUsize::new(capacity).expect("not zero"));
        for step in 0..STEPS {
            let key = format!("key {}", dice.below(capacity * 2 + 1)).into_bytes();
            on.engine.begin_turn();
            let now = on.now();
            match dice.below(100) {
                0..50 => assert_eq!(on.engine.get(&key, now).is_some(), reference.get(&key).is_some()),
                50..55 => assert_eq!(on.engine.peek(&key, now).is_some(), reference.peek(&key).is_some()),
                55..60 => assert_eq!(on.engine.delete(&key, now), reference.pop(&key).is_some()),
                60 if dice.percent(5) => {
                    on.engine.clear();
                    reference.clear();
                }
                _ => {
                    on.engine.set(&key, None, false, 1, 0, now);
                    reference.put(key, 0);
                }
            }
            if step % 16 == 0 {
                let keys = |slot| {
                    let mut key = Vec::new();
                    on.engine.copy_key(slot, &mut key);
                    key
                };
                assert!(on.engine.recent(None, now).map(keys).eq(reference.iter().map(|(key, _)| key.clone())));
            }
        }
        on.engine.validate(on.now()).expect("a valid engine");
    }
}

/// With the default policy, only the bounds say what must be: no entry leaves unreported, none but for a bound, and none for itself.
#[test]
fn whoever_leaves_is_reported_and_never_who_came() {
    for (entries_max, weight_max) in [(1.0, f64::INFINITY), (40.0, f64::INFINITY), (700.0, 1000.0), (1e9, 3000.0)] {
        let config = Config { max_entries: entries_max, max_weight: weight_max, ttl: f64::INFINITY, dueling: true, ..CONFIG };
        let mut on = Driver::new(config);
        let mut dice = Dice::new(entries_max as u64);
        let mut slots: HashMap<Slot, (usize, u32)> = HashMap::new();
        for step in 0..60_000 {
            // A few keys that are common, or a loop, by turns.
            let key = if step / 5000 % 2 == 0 { dice.below(30) * dice.below(30) } else { step % 900 };
            let name = format!("key {key}");
            let held = slots.iter().find(|(_, held)| held.0 == key).map(|(&slot, _)| slot);
            if dice.percent(50) && held.is_some() {
                assert_eq!(on.get(name.as_bytes()), held);
                continue;
            }
            let weight = dice.below(30) as u32;
            for effect in on.set(name.as_bytes(), None, weight) {
                match effect {
                    Effect::Clear { slot } => assert_ne!(slots.remove(&Slot(slot)).expect("it was there").0, key),
                    Effect::Store { slot, .. } => drop(slots.insert(Slot(slot), (key, weight))),
                    other => panic!("{other:?}"),
                }
            }
            assert!(slots.values().any(|held| *held == (key, weight)), "what came is there");
            assert_eq!(on.engine.len(), slots.len());
            assert_eq!(on.engine.weight(), slots.values().map(|held| u64::from(held.1)).sum::<u64>());
            if step % 97 == 0 {
                on.engine.validate(on.now()).expect("a valid engine");
            }
        }
    }
}

/// Sizes that fit no free block but by chance, in a memory that is otherwise full.
#[test]
fn memory_stays_in_proportion_while_keys_of_all_sizes_come_and_go() {
    const ENTRIES: usize = 2000;
    const KEY_BYTES_MAX: usize = 1000;
    const WORD: usize = 8;
    let mut dice = Dice::new(1);
    let mut on = Driver::new(Config { max_entries: ENTRIES as f64, ..CONFIG });
    let mut key = vec![0; KEY_BYTES_MAX];
    let (mut lens, mut live, mut most) = (VecDeque::new(), 0, 0);
    for step in 0..200_000_usize {
        // First one size, then sawteeth, then anything.
        let len = match step / 20_000 {
            0 => 16,
            1 | 3 => 16 + (step % 97) * WORD,
            2 => KEY_BYTES_MAX,
            _ => WORD + dice.below(KEY_BYTES_MAX - WORD),
        };
        key[..WORD].copy_from_slice(&step.to_le_bytes());
        on.engine.begin_turn();
        on.engine.set(&key[..len], None, false, 1, 0, Instant(0.0));
        lens.push_back(len);
        live += len;
        if lens.len() > ENTRIES {
            live -= lens.pop_front().unwrap_or_default();
        }
        most = most.max(live);
        // A block is a header and whole words; a third of the blocks may lie free, and growth is by a quarter.
        let blocks = (most + ENTRIES * 2 * WORD) * 3 / 2 * 5 / 4;
        // Vectors double: a cell of one word, two thirds of them used, a record of four, and a link of one.
        let beside = lens.len().next_power_of_two() * WORD * (3 + 4 + 1);
        let bytes = on.engine.stats().engine_bytes as usize;
        let bound = blocks + beside + 4096 * WORD;
        assert!(bytes >= live, "step {step}: {bytes} bytes for {live} of keys");
        assert!(bytes <= bound, "step {step}: {bytes} bytes for at most {most} of keys, bound {bound}");
    }
    on.engine.validate(on.now()).expect("a valid engine");
}
