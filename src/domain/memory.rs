//! What is remembered of a feed's entries.

use super::feed::{Fingerprint, Known};
use super::identity::{Alias, AliasSet, Key, Kind};
use super::text::{Gist, Sketch};
use super::time::Timestamp;

/// Names of one entry that are kept: one whose identifier is drawn anew at every request would gather them for ever.
const MOST_ALIASES: usize = 24;

/// Whole minutes since the Unix epoch; 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(pub u32);

impl From<Timestamp> for Minute {
    fn from(at: Timestamp) -> Self {
        Self(u32::try_from(at.0.div_euclid(60_000)).unwrap_or(0))
    }
}

impl Minute {
    /// The instant; `None` for never.
    #[must_use]
    pub fn timestamp(self) -> Option<Timestamp> {
        (self.0 > 0).then_some(Timestamp(i64::from(self.0) * 60_000))
    }
}

/// An entry, as far as it must be recognised again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The key it was first given: what the ids of its events are made from. It never changes.
    pub id: Key,
    /// Everything it has gone by, the newest first, ambiguous keys left out.
    pub aliases: Vec<Alias>,
    /// When its publisher says it was published.
    pub date: Minute,
    /// When it was first seen.
    pub first: Minute,
    /// A sample of its words.
    pub sketch: Sketch,
    /// How often its words have changed.
    pub revision: u16,
    /// What it was last recognised by; `None` when it was new then.
    pub by: Option<Kind>,
}

impl Item {
    /// The newest name of a kind.
    #[must_use]
    pub fn newest(&self, kind: Kind) -> Option<Alias> {
        self.aliases.iter().copied().find(|a| a.kind() == Some(kind))
    }

    /// Puts `fresh` before the names it has gone by so far; the oldest are forgotten, but never the one its id was made from.
    pub fn rename(&mut self, fresh: Vec<Alias>) {
        let old = std::mem::replace(&mut self.aliases, fresh);
        let old: Vec<_> = old.into_iter().filter(|a| !self.aliases.contains(a)).collect();
        self.aliases.extend(old);
        let own = self.id.alias();
        self.aliases.truncate(MOST_ALIASES);
        if !self.aliases.contains(&own) {
            self.aliases.truncate(MOST_ALIASES - 1);
            self.aliases.push(own);
        }
    }
}

/// An entry that the last document carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hot {
    /// Its bytes, to skip it unparsed.
    pub fingerprint: Fingerprint,
    /// Which entry.
    pub item: Item,
    /// Its words, to tell an edit from a touch.
    pub gist: Gist,
    /// When something was last told of it, or would have been had it not been told so often.
    pub told: Minute,
    /// How many changes have been told without a day's rest between them.
    pub streak: u8,
    /// Whether it is held back: it looked new in a flood of old entries.
    pub held: bool,
}

/// An entry that has left the document: known for as long as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cold {
    /// Which entry.
    pub item: Item,
    /// The day it was last seen, since the Unix epoch.
    pub day: u16,
}

/// One document gave this key to different entries: it tells nothing, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The key.
    pub alias: Alias,
    /// The day that was last seen, since the Unix epoch.
    pub day: u16,
}

/// What the store remembers of a feed's entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// The entries of the last document.
    pub hot: Vec<Hot>,
    /// Keys that tell nothing.
    pub marks: Vec<Mark>,
    /// Entries of earlier documents that have one of the asked-for names, those that left last at the end.
    pub cold: Vec<Cold>,
}

impl Memory {
    /// The fingerprints that need no parsing. What is held back is parsed again when it is to be released.
    #[must_use]
    pub fn known(&self, release: bool) -> Known {
        self.hot.iter().filter(|h| !(release && h.held)).map(|h| h.fingerprint).collect()
    }

    /// The keys that tell nothing.
    #[must_use]
    pub fn ambiguous(&self) -> AliasSet {
        self.marks.iter().map(|m| m.alias).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_newest_first_and_the_first_for_ever() {
        let alias = |n: u64| Alias((0x21 << 56) | n);
        let id = Key::from_bytes([0x21, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut item =
            Item { id, aliases: vec![alias(1)], date: Minute(0), first: Minute(0), sketch: Sketch::default(), revision: 0, by: None };
        for n in 2..100 {
            item.rename(vec![alias(n), alias(1000)]);
            assert_eq!(item.newest(Kind::Guid), Some(alias(n)));
        }
        assert_eq!((item.aliases.len(), item.aliases.last()), (MOST_ALIASES, Some(&alias(1))));
        assert_eq!(item.aliases.iter().filter(|a| **a == alias(1000)).count(), 1);
    }
}
