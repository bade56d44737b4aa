//! Doubly linked lists over nodes numbered by somebody else, each node in one list at most, most recent first.
//!
//! A ring per list, closed by a head of its own, so that linking has no cases.

use alloc::vec::Vec;

use crate::column::Column;
use crate::error::{OutOfMemory, Validity, check};

/// Lists there are; their heads are the first links.
const LISTS: u32 = 3;
/// Of the word with the older neighbour, the upper bits say which list it is.
const LIST_SHIFT: u32 = 30;
const NEIGHBOUR: u32 = (1 << LIST_SHIFT) - 1;

#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    Window = 0,
    Probation = 1,
    Protected = 2,
}

use List::{Probation, Protected, Window};

/// A word of a column: the newer neighbour, then list and older neighbour.
#[derive(Clone, Copy)]
struct Link {
    newer: u32,
    older: u32,
}

#[derive(Debug)]
pub struct Lists {
    /// Those of nodes come after the heads'.
    links: Column,
    lens: [u32; LISTS as usize],
}

impl Link {
    #[inline]
    fn of(word: u64) -> Self {
        Self { newer: (word >> 32) as u32, older: word as u32 }
    }
}

impl Lists {
    pub const EMPTY: Self = Self { links: Column::EMPTY, lens: [0; _] };

    /// Makes room for nodes below `nodes`.
    ///
    /// # Errors
    /// When there is no memory for them; the lists are unchanged then.
    pub fn reserve(&mut self, nodes: u32) -> Result<(), OutOfMemory> {
        let is_new = self.links.len() == 0;
        self.links.extend_to((nodes + LISTS) as usize)?;
        if is_new {
            (0..LISTS).for_each(|head| self.link(head, head, head));
        }
        Ok(())
    }

    #[must_use]
    pub fn len(&self, list: List) -> u32 {
        self.lens[list as usize]
    }

    /// How many nodes are in any list.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.lens.iter().sum()
    }

    #[must_use]
    pub fn oldest(&self, list: List) -> Option<u32> {
        Link::of(self.links.get(list as usize)?).newer.checked_sub(LISTS)
    }

    /// Puts a node of no list at the recent end of `list`.
    #[inline(never)]
    pub fn push(&mut self, list: List, node: u32) {
        let (head, at) = (list as u32, node + LISTS);
        self.lens[list as usize] += 1;
        self.link(head, at, self.older(head) & NEIGHBOUR);
        self.link(head, head, at);
    }

    /// Takes a node off its list.
    #[inline(never)]
    pub fn unlink(&mut self, node: u32) {
        let at = node + LISTS;
        let Link { newer, older } = self.at(at);
        let list = older >> LIST_SHIFT;
        self.link(list, newer, older & NEIGHBOUR);
        self.lens[list as usize] -= 1;
    }

    /// Makes `node` the most recent of `list`, wherever it was.
    #[inline(never)]
    pub fn move_to(&mut self, list: List, node: u32) {
        self.unlink(node);
        self.push(list, node);
    }

    /// Whether `node` is in `list`.
    #[inline]
    #[must_use]
    pub fn is_in(&self, list: List, node: u32) -> bool {
        self.older(node + LISTS) >> LIST_SHIFT == list as u32
    }

    /// The nodes of a list, most recent first.
    #[cfg(test)]
    pub fn iter(&self, list: List) -> impl Iterator<Item = u32> {
        self.iter_all([list; LISTS as usize], None).take(self.len(list) as usize)
    }

    /// The nodes of these lists, one list after another, each most recent first; those behind `after`, if there is one.
    pub fn iter_all(&self, lists: [List; LISTS as usize], after: Option<u32>) -> impl Iterator<Item = u32> {
        let mut at = after.map_or(lists[0] as u32, |node| node + LISTS);
        let mut place = lists.iter().position(|&list| after.is_some_and(|node| self.is_in(list, node))).unwrap_or(0);
        core::iter::from_fn(move || {
            loop {
                at = Link::of(self.links.get(at as usize)?).older & NEIGHBOUR;
                if let Some(node) = at.checked_sub(LISTS) {
                    return Some(node);
                }
                place += 1;
                at = *lists.get(place)? as u32;
            }
        })
    }

    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.links.capacity_bytes()
    }

    /// # Errors
    /// When a list is not a ring of as many of its nodes as counted that reads the same both ways.
    pub fn validate(&self) -> Validity {
        for list in [Window, Probation, Protected] {
            let (mut seen, mut at) = (0, list as u32);
            while self.links.len() > 0 {
                let older = self.older(at);
                check(older >> LIST_SHIFT == list as u32, || format!("lists: link {at} is in another list than {list:?}"))?;
                let newer = self.at(older & NEIGHBOUR).newer;
                check(newer == at, || format!("lists: link {} has another newer neighbour", older & NEIGHBOUR))?;
                at = older & NEIGHBOUR;
                if at == list as u32 {
                    break;
                }
                seen += 1;
                check(seen <= self.len(list), || format!("lists: more than {} nodes in {list:?}", self.len(list)))?;
            }
            check(seen == self.len(list), || format!("lists: {seen} nodes in {list:?}, {} counted", self.len(list)))?;
        }
        Ok(())
    }

    #[inline]
    fn older(&self, at: u32) -> u32 {
        self.at(at).older
    }

    #[inline]
    fn at(&self, at: u32) -> Link {
        Link::of(self.links[at as usize])
    }

    /// Links `newer` and `older` of `list`, whatever was between them.
    #[inline]
    fn link(&mut self, list: u32, newer: u32, older: u32) {
        let word = &mut self.links[newer as usize];
        *word = *word & !u64::from(u32::MAX) | u64::from(list << LIST_SHIFT | older);
        let word = &mut self.links[older as usize];
        *word = *word & u64::from(u32::MAX) | u64::from(newer) << 32;
    }
}

/// Appends zeros, if there are not so many words yet; to an empty vector without room for more.
///
/// # Errors
/// When there is no memory for them; nothing has changed then.
#[inline(never)]
pub fn grow(words: &mut Vec<u32>, len: u32) -> Result<(), OutOfMemory> {
    if let Some(more) = (len as usize).checked_sub(words.len()) {
        words.try_reserve(more)?;
        words.resize(len as usize, 0);
    }
    Ok(())
}
