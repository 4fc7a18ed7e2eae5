//! What follows from a restoration: all numbers leap over what the lost lines may have given (`docs/ledger.md` §10).

use crate::book::{Book, counted};
use apdu::certificate::Name;

/// Longest leap of a restoration: serial numbers under one prefix.
pub const MAX_LEAP: u32 = 99_999;

/// Shortest leap of status lists: nobody keeps a receipt of a list, and its numbers are plentiful.
const LIST_LEAP: u32 = 10_000;

/// What a restoration did: a backup was put back, and what was written after it is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restoration {
    /// Number of its line.
    pub line: u64,
    /// By how much the numbers leapt.
    pub leap: u32,
    /// The sum of all leaps so far: what serial numbers of an unknown prefix may have reached.
    pub floor: u32,
    /// The highest number that a lost status list may have had.
    pub lists: u32,
}

impl Book {
    /// Numbers leap over what is lost, and what was open is void: its answer may be among what is lost.
    pub(crate) fn enter_restoration(&mut self, size: u64, leap: u32) -> Result<(), &'static str> {
        if size != self.lines() {
            return Err("the backup had another number of lines");
        }
        if leap > MAX_LEAP {
            return Err("no prefix has so many serial numbers");
        }
        let lists = self.last_sequence().checked_add(leap.max(LIST_LEAP));
        let floor = self.restored.floor.checked_add(leap);
        let (Some(lists), Some(floor)) = (lists, floor) else {
            return Err("the numbers are used up");
        };
        for root in self.roots.iter() {
            if let Some((prefix, _)) = counted(&root.name()) {
                let highest = self.highest(prefix);
                self.serials.insert(prefix.into(), highest);
            }
        }
        for (prefix, highest) in &mut self.serials {
            *highest = highest.saturating_add(leap);
            self.barriers
                .insert(prefix.clone(), highest.saturating_add(1));
            self.gained.serials.insert(prefix.clone());
        }
        self.challenges
            .values_mut()
            .for_each(|given| given.used = true);
        // A code may have been used in a line that is lost.
        self.roster.invitations.clear();
        self.restored = Restoration {
            line: size + 1,
            leap,
            floor,
            lists,
        };
        self.gained.restorations.push(self.restored);
        Ok(())
    }

    /// Whether the next line belongs to a restoration that was begun.
    pub(crate) fn is_leaping(&self) -> bool {
        let Restoration { line, leap, .. } = self.restored;
        self.lines() < line.saturating_add(leap.into())
    }

    /// Whether a line that a restoration lost may have given this name.
    pub(crate) fn may_be_lost(&self, name: &Name) -> bool {
        match counted(name) {
            Some((prefix, serial)) => serial < self.barrier(prefix),
            None => self.restored.floor > 0,
        }
    }

    /// Serial numbers below it may have been given under this prefix by lines that are lost.
    pub(crate) fn barrier(&self, prefix: &str) -> u32 {
        let unknown = match self.restored.floor {
            0 => 0,
            floor => floor.saturating_add(1),
        };
        self.barriers.get(prefix).copied().unwrap_or(unknown)
    }
}
