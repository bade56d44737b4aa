//! Least recently used: a doubly linked list over slots, most recent first.

use alloc::vec::Vec;

use crate::error::{OutOfMemory, Validity, check};
use crate::ids::{NONE, Slot};

#[derive(Clone, Copy, Debug)]
struct Link {
    newer: u32,
    older: u32,
}

const UNLINKED: Link = Link { newer: NONE, older: NONE };

#[derive(Debug)]
pub struct Lru {
    links: Vec<Link>,
    newest: u32,
    oldest: u32,
}

impl Default for Lru {
    fn default() -> Self {
        Self { links: Vec::new(), newest: NONE, oldest: NONE }
    }
}

impl Lru {
    /// Makes room for slots below `slots`.
    ///
    /// # Errors
    /// When there is no memory for them; the list is unchanged then.
    pub fn reserve(&mut self, slots: u32) -> Result<(), OutOfMemory> {
        if let Some(more) = (slots as usize).checked_sub(self.links.len()) {
            self.links.try_reserve(more)?;
            self.links.resize(slots as usize, UNLINKED);
        }
        Ok(())
    }

    pub fn inserted(&mut self, slot: Slot) {
        self.push(slot);
    }

    #[inline]
    pub fn hit(&mut self, slot: Slot) {
        if self.newest != slot.0 {
            self.unlink(slot);
            self.push(slot);
        }
    }

    pub fn removed(&mut self, slot: Slot) {
        self.unlink(slot);
    }

    /// Who leaves next.
    #[must_use]
    pub fn victim(&self) -> Option<Slot> {
        (self.oldest != NONE).then_some(Slot(self.oldest))
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// From the most to the least recently used.
    pub fn iter(&self) -> impl Iterator<Item = Slot> {
        let mut at = self.newest;
        core::iter::from_fn(move || {
            let slot = (at != NONE).then_some(Slot(at))?;
            at = self.links[slot.at()].older;
            Some(slot)
        })
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.links.capacity() * size_of::<Link>()
    }

    /// # Errors
    /// When the list is not a chain of `live` slots that reads the same both ways.
    pub fn validate(&self, live: usize) -> Validity {
        let (mut seen, mut newer) = (0, NONE);
        for slot in self.iter() {
            check(self.links[slot.at()].newer == newer, || format!("lru: slot {} has another newer neighbour", slot.0))?;
            newer = slot.0;
            seen += 1;
            check(seen <= live, || format!("lru: more than {live} slots linked"))?;
        }
        check(self.oldest == newer, || "lru: the oldest is not the end of the list".into())?;
        check(seen == live, || format!("lru: {seen} slots linked, {live} live"))
    }

    fn push(&mut self, slot: Slot) {
        self.links[slot.at()] = Link { newer: NONE, older: self.newest };
        match self.links.get_mut(self.newest as usize) {
            Some(link) => link.newer = slot.0,
            None => self.oldest = slot.0,
        }
        self.newest = slot.0;
    }

    fn unlink(&mut self, slot: Slot) {
        let Link { newer, older } = core::mem::replace(&mut self.links[slot.at()], UNLINKED);
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.newest = older,
        }
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.oldest = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn slots_leave_in_the_order_they_were_last_used() {
        const SLOTS: usize = 6;
        let mut random = Random::new(1);
        let mut lru = Lru::default();
        let mut model: Vec<Slot> = Vec::new();
        for _ in 0..50_000 {
            let slot = Slot(random.below(SLOTS) as u32);
            match model.iter().position(|&other| other == slot) {
                None => {
                    lru.reserve(slot.0 + 1).expect("memory");
                    lru.inserted(slot);
                    model.insert(0, slot);
                }
                Some(place) if random.below(3) == 0 => {
                    lru.removed(slot);
                    model.remove(place);
                }
                Some(place) => {
                    lru.hit(slot);
                    model.remove(place);
                    model.insert(0, slot);
                }
            }
            assert_eq!(lru.victim(), model.last().copied());
            assert!(lru.iter().eq(model.iter().copied()));
            lru.validate(model.len()).expect("a valid list");
        }
    }
}
