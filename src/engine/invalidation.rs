//! Invalidation of more than a key: by prefix, by pattern, by tag.
//!
//! Entries leave, and every flight whose key or tags are meant is fenced: who waits for it gets its answer, nothing is stored, who comes later
//! begins anew. Prefixes go through the groups: all of a group that lies within the prefix leaves unseen, only groups that the prefix cuts through
//! are looked at key by key.

use super::admission::group_prefix;
use super::{Effect, Engine};
use crate::ids::{FlightId, Slot};
use crate::pattern::{literal_prefix, matches};
use crate::time::Instant;
use alloc::vec::Vec;

/// What kind of name a label of an entry is: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    Tag = b't' as isize,
    Group = b'g' as isize,
}

/// What is to be invalidated.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// Keys that begin with these bytes.
    Prefix(&'a [u8]),
    /// Keys that match this glob pattern: `*`, `?`, and `\\` before a character meant as it is.
    Pattern(&'a [u8]),
    /// Entries that have this tag.
    Tag(&'a [u8]),
}

impl Engine {
    /// Removes what `target` means and fences the loads of it. The bytes of the removed keys are appended to `removed`, their lengths to `lens`. Answers how
    /// many entries were removed.
    pub fn invalidate(&mut self, target: Target, removed: &mut Vec<u8>, lens: &mut Vec<u32>, now: Instant) -> usize {
        let slots = match target {
            Target::Prefix(prefix) => self.slots_by_prefix(prefix),
            Target::Pattern(pattern) => {
                let mut slots = self.slots_by_prefix(literal_prefix(pattern));
                slots.retain(|&slot| self.with_key(slot, |key| matches(pattern, key)));
                slots
            }
            Target::Tag(tag) => {
                let name = label_name(Label::Tag, tag);
                self.store.labels().slots(self.hasher.hash(&name), &name)
            }
        };
        match target {
            Target::Prefix(prefix) => self.flights.fence_where(&|_, key| key.starts_with(prefix)),
            Target::Pattern(pattern) => self.flights.fence_where(&|_, key| matches(pattern, key)),
            Target::Tag(tag) => self.flights.fence_where(&|flight, _| flight.tags.iter().any(|own| **own == *tag)),
        }
        let mut count = 0;
        for slot in slots {
            let start = removed.len();
            self.store.copy_key(slot, removed);
            lens.push((removed.len() - start) as u32);
            // An expired entry goes as well, but it was nobody's any more.
            count += usize::from(self.store.is_readable(slot, now));
            self.store.delete_slot(slot);
            self.effects.push(Effect::Clear { slot: slot.0 });
        }
        count
    }

    /// The flight's entry is to have `tag`.
    pub fn tag_flight(&mut self, flight: FlightId, tag: &[u8]) {
        if let Some(flight) = self.flights.get_mut(flight)
            && !flight.tags.iter().any(|own| **own == *tag)
        {
            flight.tags.push(tag.into());
        }
    }

    /// The entry of `key` has `tag` from now on.
    pub fn tag_key(&mut self, key: &[u8], tag: &[u8]) {
        if let Some(slot) = self.store.find(self.hasher.hash(key), key) {
            self.label(slot, Label::Tag, tag);
        }
    }

    /// Puts a label on an entry. Without memory for it, the entry goes: it could not be invalidated any more.
    pub(super) fn label(&mut self, slot: Slot, label: Label, name: &[u8]) {
        let name = label_name(label, name);
        let hash = self.hasher.hash(&name);
        if self.store.label(slot, hash, &name).is_err() {
            self.store.delete_slot(slot);
            self.effects.push(Effect::Clear { slot: slot.0 });
        }
    }

    fn slots_by_prefix(&mut self, prefix: &[u8]) -> Vec<Slot> {
        self.label_groups();
        let labels = self.store.labels();
        if group_prefix(prefix) != prefix {
            // Longer than a group's name, so that all of it lies in one group.
            let name = label_name(Label::Group, group_prefix(prefix));
            let mut slots = labels.slots(self.hasher.hash(&name), &name);
            slots.retain(|&slot| self.with_key(slot, |key| key.starts_with(prefix)));
            return slots;
        }
        labels.slots_where(|name| name.first() == Some(&(Label::Group as u8)) && name[1..].starts_with(prefix))
    }

    /// Labels all entries with their groups, if that has not been done.
    fn label_groups(&mut self) {
        if self.labels_groups {
            return;
        }
        self.labels_groups = true;
        let mut key = Vec::new();
        for slot in self.store.slots().collect::<Vec<_>>() {
            key.clear();
            self.store.copy_key(slot, &mut key);
            self.label(slot, Label::Group, group_prefix(&key));
        }
    }

    fn with_key<R>(&self, slot: Slot, read: impl FnOnce(&[u8]) -> R) -> R {
        let mut key = Vec::new();
        self.store.copy_key(slot, &mut key);
        read(&key)
    }
}

fn label_name(label: Label, name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + name.len());
    bytes.push(label as u8);
    bytes.extend_from_slice(name);
    bytes
}
