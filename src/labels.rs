//! Names on slots: which entries have a tag, which belong to a group. Many to many, linked both ways.
//!
//! A name exists as long as a slot has it. Adding is constant time; removing a slot costs as many steps as it has names; the slots of a
//! name are found without looking at others.

use alloc::vec::Vec;

use crate::error::{OutOfMemory, Validity, check};
use crate::hash::KeyHash;
use crate::ids::{NONE, Slot};
use crate::index::Index;
use crate::slab::Slab;

/// One slot having one name.
#[derive(Clone, Copy, Debug)]
struct Link {
    slot: Slot,
    name: Slot,
    before: u32,
    after: u32,
    /// The next name of the same slot.
    next_name: u32,
}

#[derive(Debug)]
pub struct Labels {
    /// Of each, its first link.
    names: Index,
    links: Slab<Link>,
    /// First link of each slot; as long as the highest slot that ever had a name.
    of_slot: Vec<u32>,
}

impl Labels {
    pub const EMPTY: Self = Self { names: Index::EMPTY, links: Slab::EMPTY, of_slot: Vec::new() };

    /// Puts `name` on `slot`; a second time does nothing.
    ///
    /// # Errors
    /// When there is no memory for it; nothing has changed then.
    pub fn add(&mut self, slot: Slot, hash: KeyHash, name: &[u8]) -> Result<(), OutOfMemory> {
        if let Some(more) = (slot.at() + 1).checked_sub(self.of_slot.len()) {
            self.of_slot.try_reserve(more)?;
            self.of_slot.resize(slot.at() + 1, NONE);
        }
        let found = self.names.find(hash, name);
        if found.is_some_and(|name| self.names_of(slot).any(|other| other == name)) {
            return Ok(());
        }
        let (name, first) = match found {
            Some(name) => (name, self.names.payload(name) as u32),
            None => (self.names.insert(hash, name, NONE.into())?, NONE),
        };
        let next_name = self.of_slot[slot.at()];
        let link = self.links.insert(Link { slot, name, before: NONE, after: first, next_name });
        if let Some(after) = self.links.get_mut(first) {
            after.before = link;
        }
        self.names.set_payload(name, link.into());
        self.of_slot[slot.at()] = link;
        Ok(())
    }

    /// Takes all names off `slot`.
    pub fn remove(&mut self, slot: Slot) {
        let Some(first) = self.of_slot.get_mut(slot.at()) else { return };
        let mut at = core::mem::replace(first, NONE);
        while at != NONE {
            let Link { name, before, after, next_name, .. } = self.links.remove(at);
            if let Some(after) = self.links.get_mut(after) {
                after.before = before;
            }
            match self.links.get_mut(before) {
                Some(before) => before.after = after,
                None if after == NONE => self.names.remove(name),
                None => self.names.set_payload(name, after.into()),
            }
            at = next_name;
        }
    }

    /// The slots that have `name`.
    #[must_use]
    pub fn slots(&self, hash: KeyHash, name: &[u8]) -> Vec<Slot> {
        self.names.find(hash, name).map_or_else(Vec::new, |name| self.having(name).collect())
    }

    /// The slots that have a name for which `chosen` is true; those with several such names several times.
    #[must_use]
    pub fn slots_where(&self, mut chosen: impl FnMut(&[u8]) -> bool) -> Vec<Slot> {
        let mut bytes = Vec::new();
        let mut slots = Vec::new();
        for name in self.names.iter() {
            bytes.clear();
            self.names.copy_key(name, &mut bytes);
            if chosen(&bytes) {
                slots.extend(self.having(name));
            }
        }
        slots
    }

    pub fn clear(&mut self) {
        *self = Self::EMPTY;
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.names.capacity_bytes() + self.links.capacity_bytes() + self.of_slot.capacity() * size_of::<u32>()
    }

    /// # Errors
    /// When the lists of names and of slots disagree.
    pub fn validate(&self) -> Validity {
        self.names.validate()?;
        self.links.validate()?;
        let mut named = 0;
        for name in self.names.iter() {
            let first = self.names.payload(name) as u32;
            check(first != NONE, || format!("labels: name {} has no slot", name.0))?;
            let mut before = NONE;
            let mut at = first;
            while let Some(link) = self.links.get(at) {
                check(link.name == name && link.before == before, || format!("labels: link {at} is out of place"))?;
                named += 1;
                check(named <= self.links.len(), || "labels: the list of a name has a cycle".into())?;
                (before, at) = (at, link.after);
            }
        }
        check(named == self.links.len(), || format!("labels: {named} links by name of {}", self.links.len()))?;
        let mut owned = 0;
        for (slot, &first) in self.of_slot.iter().enumerate() {
            let mut at = first;
            while let Some(link) = self.links.get(at) {
                check(link.slot.at() == slot, || format!("labels: link {at} is of another slot"))?;
                owned += 1;
                check(owned <= self.links.len(), || "labels: the list of a slot has a cycle".into())?;
                at = link.next_name;
            }
        }
        check(owned == self.links.len(), || format!("labels: {owned} links by slot of {}", self.links.len()))
    }

    fn having(&self, name: Slot) -> impl Iterator<Item = Slot> {
        let mut at = self.names.payload(name) as u32;
        core::iter::from_fn(move || {
            let link = self.links.get(at)?;
            at = link.after;
            Some(link.slot)
        })
    }

    fn names_of(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        let mut at = self.of_slot[slot.at()];
        core::iter::from_fn(move || {
            let link = self.links.get(at)?;
            at = link.next_name;
            Some(link.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Against a list of pairs, with hashes that collide.
    #[test]
    fn slots_and_names_find_one_another_whatever_comes_and_goes() {
        const NAMES: [&[u8]; 5] = [b"", b"a", b"ab", b"b", b"ba"];
        const SLOTS: usize = 6;
        let hash = |name: &[u8]| KeyHash(name.len() as u32);
        let mut random = Random::new(1);
        let mut labels = Labels::EMPTY;
        let mut model: Vec<(Slot, &[u8])> = Vec::new();
        for _ in 0..20_000 {
            let slot = Slot(random.below(SLOTS) as u32);
            let name = NAMES[random.below(NAMES.len())];
            if random.below(4) == 0 {
                labels.remove(slot);
                model.retain(|&(other, _)| other != slot);
            } else {
                labels.add(slot, hash(name), name).expect("memory");
                if !model.contains(&(slot, name)) {
                    model.push((slot, name));
                }
            }
            labels.validate().expect("valid labels");
            for name in NAMES {
                // The latest first.
                let expected: Vec<Slot> =
                    model.iter().rev().filter(|&&(_, other)| other == name).map(|&(slot, _)| slot).collect();
                assert_eq!(labels.slots(hash(name), name), expected);
            }
            let mut with_b = labels.slots_where(|name| name.contains(&b'b'));
            let mut expected: Vec<Slot> = model.iter().filter(|(_, name)| name.contains(&b'b')).map(|&(slot, _)| slot).collect();
            with_b.sort_unstable();
            expected.sort_unstable();
            assert_eq!(with_b, expected);
        }
    }

    #[test]
    fn a_name_that_no_slot_has_any_longer_takes_no_room() {
        let mut labels = Labels::EMPTY;
        for name in 0..1000_u32 {
            labels.add(Slot(0), KeyHash(name), &name.to_le_bytes()).expect("memory");
            labels.remove(Slot(0));
        }
        assert_eq!((labels.names.slots(), labels.links.len()), (1, 0));
    }
}
