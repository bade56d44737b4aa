//! What is kept: exactly the least recently used leave.

use super::{Entry, Happening, Key, Look, Model, Number, Target};

/// How many slots an insertion sweeps.
const SWEPT_PER_INSERTION: usize = 2;

impl Model {
    /// `early`: the reader was told to refresh what it got.
    pub fn look_up(&mut self, key: Key, stale: f64, early: bool) -> Look {
        self.grace = self.grace.max(stale);
        let look = self.read(key, stale, early);
        self.stats.requested += 1;
        match look {
            // Until somebody asks for it to be loaded.
            Look::Miss => self.stats.missed += 1,
            _ => self.stats.hits += 1,
        }
        look
    }

    pub fn miss(&mut self) {
        self.stats.requested += 1;
        self.stats.missed += 1;
    }

    pub fn get(&mut self, key: Key) -> Option<u64> {
        let Look::Hit(value) = self.read(key, 0.0, false) else { return None };
        self.stats.requested += 1;
        self.stats.hits += 1;
        Some(value)
    }

    pub fn peek(&self, key: Key) -> Option<u64> {
        self.value_of(key, 0.0)
    }

    /// The value of `key` that is valid, or was `stale` milliseconds ago.
    pub fn value_of(&self, key: Key, stale: f64) -> Option<u64> {
        let of = |entry: &&Entry| entry.key == key && !entry.failure && self.now < entry.expires_at + stale;
        self.entries.iter().find(of).map(|entry| entry.value)
    }

    pub fn set(&mut self, key: Key, ttl: Option<f64>, null: bool, weight: u32, value: u64) {
        self.fence(key);
        let ttl = self.ttl_of(ttl, null);
        if ttl > 0.0 {
            let ttl = self.jitter(ttl);
            self.insert(self.entry(key, value, weight, ttl));
        } else {
            self.remove(key);
        }
    }

    pub fn delete(&mut self, key: Key) -> bool {
        self.fence(key);
        let valid = self.peek(key).is_some();
        self.remove(key);
        valid
    }

    pub fn clear(&mut self) {
        self.loads.values_mut().for_each(|load| load.fenced = true);
        self.entries.clear();
    }

    pub fn purge(&mut self) {
        let (now, grace) = (self.now, self.grace);
        let expired: Vec<Key> =
            self.entries.iter().filter(|entry| now >= entry.expires_at + grace).map(|entry| entry.key).collect();
        self.stats.expired += expired.len() as u64;
        expired.into_iter().for_each(|key| self.remove(key));
    }

    /// Removes what `target` means. Answers the keys, and how many of them had a valid value.
    pub fn invalidate(&mut self, target: Target) -> (Vec<Key>, usize) {
        let is_meant = |key: Key, tags: &[u8]| match target {
            Target::Prefix(prefix) => self.keys[key].starts_with(prefix),
            Target::Pattern(pattern) => matches(pattern, &self.keys[key]),
            Target::Tag(tag) => tags.contains(&tag),
        };
        let meant: Vec<Key> =
            self.entries.iter().filter(|entry| is_meant(entry.key, &entry.tags)).map(|entry| entry.key).collect();
        let loading: Vec<Key> = self.loads.values().filter(|load| is_meant(load.key, &load.tags)).map(|load| load.key).collect();
        loading.into_iter().for_each(|key| self.fence(key));
        let valid = meant.iter().filter(|&&key| self.peek(key).is_some()).count();
        meant.iter().for_each(|&key| self.remove(key));
        (meant, valid)
    }

    pub fn tag_load(&mut self, load: Number, tag: u8) {
        self.loads.get_mut(&load).expect("it is there").tags.push(tag);
    }

    pub fn tag_key(&mut self, key: Key, tag: u8) {
        self.entries.iter_mut().filter(|entry| entry.key == key).for_each(|entry| entry.tags.push(tag));
    }

    pub(super) fn read(&mut self, key: Key, stale: f64, early: bool) -> Look {
        let Some(place) = self.entries.iter().position(|entry| entry.key == key) else { return Look::Miss };
        let Entry { value, expires_at, failure, ttl, .. } = self.entries[place];
        if self.now >= if failure { expires_at } else { expires_at + stale } {
            return Look::Miss;
        }
        let mut entry = self.entries.remove(place);
        let look = if failure {
            Look::Failure(value)
        } else if self.now >= expires_at {
            Look::Stale(value)
        } else {
            if self.setup.sliding {
                entry.expires_at = self.now + f64::from(ttl);
            }
            assert!(!early || self.setup.early > 0.0, "nobody refreshes early here");
            if early { Look::Early(value) } else { Look::Hit(value) }
        };
        self.entries.insert(0, entry);
        look
    }

    pub(super) fn remove(&mut self, key: Key) {
        if let Some(place) = self.entries.iter().position(|entry| entry.key == key) {
            self.entries.remove(place);
            self.happenings.push(Happening::Clear { key });
        }
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let Entry { key, weight, .. } = entry;
        let swept = std::mem::take(&mut self.swept);
        assert!(swept.len() <= SWEPT_PER_INSERTION, "an insertion swept {swept:?}");
        for key in swept {
            let entry = self.entries.iter().find(|entry| entry.key == key).expect("what was swept was there");
            assert!(self.now >= entry.expires_at + self.grace, "{entry:?} was swept at {}", self.now);
            self.stats.expired += 1;
            self.remove(key);
        }
        if u64::from(weight) > self.setup.weight_max {
            self.stats.too_heavy += 1;
            self.remove(key);
            return;
        }
        // A key that is there keeps its place in the caller's list of values.
        self.entries.retain(|entry| entry.key != key);
        while self.entries.len() + 1 > self.setup.entries_max || self.weight() + u64::from(weight) > self.setup.weight_max {
            let victim = self.entries.pop().expect("alone it fits").key;
            self.stats.evicted += 1;
            self.happenings.push(Happening::Clear { key: victim });
        }
        let Entry { value, failure, ttl, .. } = entry;
        self.entries.insert(0, entry);
        self.stats.stored += 1;
        self.happenings.push(if failure { Happening::StoreFailure { key, value } } else { Happening::Store { key, value, ttl } });
    }

    /// An entry that begins to live now.
    pub(super) fn entry(&self, key: Key, value: u64, weight: u32, ttl: f64) -> Entry {
        Entry { key, value, weight, expires_at: self.now + ttl, failure: false, ttl: ttl as f32, tags: Vec::new() }
    }

    /// What chance leaves of `ttl`.
    pub(super) fn jitter(&mut self, ttl: f64) -> f64 {
        let least = ttl * (1.0 - self.setup.ttl_jitter);
        match self.jittered.take() {
            Some(left) if self.setup.ttl_jitter > 0.0 && ttl.is_finite() => {
                assert!(least - 1e-6 <= left && left <= ttl + 1e-6, "chance left {left} of {ttl}");
                left
            }
            _ => ttl,
        }
    }

    pub fn weight(&self) -> u64 {
        self.entries.iter().map(|entry| u64::from(entry.weight)).sum()
    }

    pub(super) fn ttl_of(&self, ttl: Option<f64>, null: bool) -> f64 {
        match (null, self.setup.negative_ttl) {
            (true, Some(negative)) if ttl != Some(0.0) => negative,
            _ => ttl.unwrap_or(self.setup.ttl),
        }
    }

    pub(super) fn fence(&mut self, key: Key) {
        self.loads.values_mut().filter(|load| load.key == key).for_each(|load| load.fenced = true);
    }
}

/// A glob pattern, tried in every way there is: `*` any characters, `?` one, and what follows `\\` as it is.
fn matches(pattern: &[u8], key: &[u8]) -> bool {
    let width = match key.first() {
        None => 0,
        Some(0..0xc0) => 1,
        Some(0xc0..0xe0) => 2,
        Some(0xe0..0xf0) => 3,
        Some(_) => 4,
    };
    match pattern {
        [] => key.is_empty(),
        [b'*', rest @ ..] => matches(rest, key) || (width > 0 && matches(pattern, &key[width..])),
        [b'?', rest @ ..] => width > 0 && matches(rest, &key[width..]),
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => key.first() == Some(byte) && matches(rest, &key[1..]),
    }
}
