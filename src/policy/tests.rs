use std::num::NonZeroUsize;

use lru::LruCache;

use super::lists::List;
use super::segments::{ARMS, Arm, Rank, Segments};
use super::*;

/// More would leave something to chance.
const COUNT_MAX: u32 = 5;

/// One arm as policy.md has it: what comes goes in, then what is over the capacity goes out. Most recent first, and counts exact.
struct Naive {
    arm: Arm,
    capacity: usize,
    window: Vec<u32>,
    probation: Vec<u32>,
    protected: Vec<u32>,
    /// As of when somebody came last: who is in charge says so then.
    protected_max: usize,
    is_lru: bool,
}

impl Naive {
    fn access(&mut self, key: u32, counts: &[u32]) {
        let window_max = match self.arm {
            Arm::Recency => self.capacity,
            Arm::Twice => ((0.3 * self.capacity as f64) as usize).max(1),
            Arm::Frequency => ((0.01 * self.capacity as f64) as usize).max(1),
        };
        let Self { window, probation, protected, is_lru, .. } = self;
        if take(window, key) || *is_lru && (take(probation, key) || take(protected, key)) {
            return window.insert(0, key);
        }
        if take(probation, key) || take(protected, key) {
            protected.insert(0, key);
            for _ in 0..2 {
                if protected.len() > self.protected_max {
                    probation.insert(0, protected.pop().expect("not empty"));
                }
            }
            return;
        }
        window.insert(0, key);
        *is_lru = self.arm == Arm::Recency;
        self.protected_max = (0.8 * (self.capacity - window_max) as f64) as usize;
        let leave = |window: &mut Vec<u32>, probation: &mut Vec<u32>| {
            let mut candidate = None;
            for _ in 0..4 {
                if window.len() > window_max {
                    candidate = window.pop();
                    probation.extend(candidate);
                    probation.rotate_right(1);
                }
            }
            candidate
        };
        let candidate = leave(window, probation);
        if window.len() + probation.len() + protected.len() <= self.capacity {
            return;
        }
        let victim = *probation.last().or(protected.last()).or(window.last()).expect("not empty");
        let count = |key: u32| counts[key as usize];
        let loser = match (self.arm, candidate) {
            (Arm::Twice, Some(candidate)) if count(candidate) < 2 => candidate,
            (Arm::Frequency, Some(candidate)) if count(candidate) <= count(victim) && candidate != victim => candidate,
            _ => victim,
        };
        assert!(take(window, loser) || take(probation, loser) || take(protected, loser));
        leave(window, probation);
    }
}

fn take(list: &mut Vec<u32>, key: u32) -> bool {
    let place = list.iter().position(|&other| other == key);
    place.map(|place| list.remove(place)).is_some()
}

/// Who leaves for one that comes.
fn leaving(segments: &mut Segments, random: &mut Random, rank: impl Fn(u32) -> Rank) -> u32 {
    let contest = segments.contest(1).expect("somebody");
    segments.loser(contest, rank, random)
}

/// [`Segments`] beside the naive one; keys are nodes.
struct Beside {
    segments: Segments,
    naive: Naive,
    counts: Vec<u32>,
    present: Vec<bool>,
}

impl Beside {
    fn new(arm: Arm, capacity: usize, keys: u32) -> Self {
        let mut segments = Segments::EMPTY;
        segments.lists.reserve(keys).expect("memory");
        let (window, probation, protected) = (Vec::new(), Vec::new(), Vec::new());
        let naive = Naive { arm, capacity, window, probation, protected, protected_max: 0, is_lru: true };
        Self { segments, naive, counts: vec![0; keys as usize], present: vec![false; keys as usize] }
    }

    fn access(&mut self, key: u32) {
        let Self { segments, naive, counts, present } = self;
        let place = key as usize;
        counts[place] = (counts[place] + 1).min(COUNT_MAX);
        naive.access(key, counts);
        if present[place] {
            segments.used(key);
        } else {
            segments.limit(naive.arm, naive.capacity as u32);
            if segments.lists.total() as usize == naive.capacity {
                let rank = |node: u32| Rank { count: counts[node as usize], weight: 1 };
                let loser = leaving(segments, &mut Random::new(1), rank);
                segments.lists.unlink(loser);
                present[loser as usize] = false;
            }
            segments.insert(key);
            present[place] = true;
        }
        segments.lists.validate().expect("valid lists");
        for (list, expected) in
            [(List::Window, &naive.window), (List::Probation, &naive.probation), (List::Protected, &naive.protected)]
        {
            assert!(segments.lists.iter(list).eq(expected.iter().copied()), "{list:?} is not {expected:?}");
        }
    }
}

#[test]
fn each_arm_does_as_a_naive_one_in_all_small_worlds() {
    const KEYS: u32 = 4;
    const LENGTH: u32 = 8;
    for arm in ARMS {
        for capacity in 1..=3 {
            for world in 0..KEYS.pow(LENGTH) {
                let mut beside = Beside::new(arm, capacity, KEYS);
                (0..LENGTH).for_each(|step| beside.access(world / KEYS.pow(step) % KEYS));
            }
        }
    }
}

#[test]
fn each_arm_does_as_a_naive_one_also_after_another_was_in_charge() {
    let mut random = Random::new(1);
    for capacity in [1, 2, 5, 17, 120] {
        let mut beside = Beside::new(Arm::Recency, capacity, capacity as u32 * 3);
        for _ in 0..60 {
            beside.naive.arm = ARMS[random.below(ARMS.len())];
            // Some keys are commoner than others.
            (0..500).for_each(|_| beside.access((random.unit() * random.unit() * capacity as f64 * 3.0) as u32));
        }
    }
}

#[test]
fn what_was_used_since_lru_is_back_in_charge_leaves_last() {
    const CAPACITY: u32 = 100;
    let mut beside = Beside::new(Arm::Frequency, CAPACITY as usize, 3 * CAPACITY);
    let mut random = Random::new(5);
    (0..5000).for_each(|_| beside.access(random.below(2 * CAPACITY as usize) as u32));
    beside.naive.arm = Arm::Recency;
    beside.access(2 * CAPACITY);
    let used: Vec<u32> = (0..2 * CAPACITY).filter(|&key| beside.present[key as usize]).step_by(2).collect();
    used.iter().for_each(|&key| beside.access(key));
    let rest = CAPACITY - used.len() as u32;
    (0..rest).for_each(|key| beside.access(2 * CAPACITY + key));
    assert!(used.iter().all(|&key| beside.present[key as usize]));
}

/// All of the policy, over slots that are keys.
struct Cache {
    policy: Policy,
    capacity: u32,
    present: Vec<bool>,
}

impl Cache {
    fn new(adaptive: bool, capacity: u32, keys: u32) -> Self {
        let mut policy = Policy::new(adaptive, capacity as usize, 7);
        policy.reserve(keys).expect("memory");
        Self { policy, capacity, present: vec![false; keys as usize] }
    }

    /// Whether the key was there.
    fn access(&mut self, key: u32) -> bool {
        let hash = |slot: Slot| KeyHash(slot.0.wrapping_mul(0x85eb_ca6b) ^ slot.0 << 7);
        let hit = core::mem::replace(&mut self.present[key as usize], true);
        if hit {
            self.policy.used(Slot(key), hash(Slot(key)));
            return true;
        }
        if self.policy.segments.lists.total() == self.capacity {
            let victim = self.policy.victim(1, |slot| (hash(slot), 1)).expect("it is full");
            self.policy.removed(victim);
            self.present[victim.at()] = false;
        }
        self.policy.inserted(Slot(key), hash(Slot(key)));
        false
    }

    fn arm(&self) -> Arm {
        self.policy.duel.arm
    }
}

#[test]
fn until_the_arm_is_another_it_is_the_lru_crate() {
    let mut random = Random::new(3);
    for (adaptive, capacity) in [(true, 300), (false, 300), (true, 1), (false, 2)] {
        let mut cache = Cache::new(adaptive, capacity, capacity * 2);
        let mut reference = LruCache::new(NonZeroUsize::new(capacity as usize).expect("not zero"));
        for step in 0..20_000_u32 {
            // What was used last is likeliest: where LRU is right.
            let back = (random.unit().powi(6) * f64::from(capacity) * 2.0) as u32;
            let key = (step / 7 + back) % (capacity * 2);
            assert_eq!(cache.access(key), reference.put(key, ()).is_some());
            assert!(cache.arm() == Arm::Recency, "step {step}");
            if step % 64 == 0 {
                assert!(cache.policy.iter(None).map(|slot| slot.0).eq(reference.iter().map(|(&key, ())| key)));
                cache.policy.validate(reference.len()).expect("a valid policy");
            }
        }
    }
}

#[test]
fn a_loop_that_does_not_fit_is_found_out_and_so_is_its_end() {
    for capacity in [100, 5000] {
        let mut cache = Cache::new(true, capacity, capacity * 4);
        let hits = (0..capacity * 2 * 60).filter(|step| cache.access(step % (capacity * 2))).count() as u32;
        assert_eq!(cache.arm(), Arm::Frequency);
        assert!(hits > capacity * 60 / 2, "{hits} hits of a loop of twice {capacity}, where LRU has none");
        // Then each key a few times in a row, and never again for long: where LRU is right.
        for step in 0..capacity * 400 {
            cache.access((step / 3 + step % 3 * capacity / 8) % (capacity * 4));
        }
        assert_ne!(cache.arm(), Arm::Frequency);
        cache.policy.validate(capacity as usize).expect("a valid policy");
    }
}

#[test]
fn what_alternates_costs_next_to_nothing() {
    for capacity in [100, 200, 600] {
        // To and fro, where LRU is the optimum, and each arm in turn looks better for a while.
        let keys = 2000;
        let (mut hits, mut expected) = (0, 0);
        let [mut cache, mut lru] = [true, false].map(|adaptive| Cache::new(adaptive, capacity, keys));
        for step in 0..60 * keys {
            let (at, is_back) = (step % keys, step / keys % 2 == 1);
            let key = if is_back { keys - 1 - at } else { at };
            hits += u32::from(cache.access(key));
            expected += u32::from(lru.access(key));
        }
        assert!(hits + 60 * keys / 100 > expected, "{hits} hits with {capacity} entries, {expected} with LRU");
    }
}

#[test]
fn of_two_used_as_often_the_heavier_leaves() {
    for (heavy, loser) in [(0, 0), (1, 1)] {
        let mut segments = Segments::EMPTY;
        segments.lists.reserve(2).expect("memory");
        segments.limit(Arm::Frequency, 1);
        segments.lists.push(List::Probation, 0);
        segments.lists.push(List::Window, 1);
        let rank = |node| Rank { count: 3, weight: if node == heavy { 7 } else { 6 } };
        assert_eq!(leaving(&mut segments, &mut Random::new(1), rank), loser);
    }
}

#[test]
fn who_is_always_beaten_is_let_in_now_and_then_if_frequent() {
    const CONTESTS: usize = 20_000;
    let mut random = Random::new(1);
    let mut admitted = |count: u32| {
        let mut segments = Segments::EMPTY;
        segments.lists.reserve(3).expect("memory");
        segments.limit(Arm::Frequency, 1);
        segments.lists.push(List::Probation, 0);
        segments.lists.push(List::Window, 1);
        let contests = (0..CONTESTS).filter(|_| {
            segments.lists.move_to(List::Window, 1);
            leaving(&mut segments, &mut random, |_| Rank { count, weight: 1 }) == 0
        });
        contests.count()
    };
    assert_eq!(admitted(COUNT_MAX), 0);
    let often = admitted(COUNT_MAX + 1);
    assert!((CONTESTS / 256..CONTESTS / 64).contains(&often), "{often} of {CONTESTS}");
}
