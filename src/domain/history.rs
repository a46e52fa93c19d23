//! The story of one entry, for those who ask why it was told, or why not.

use super::event::EventKind;
use super::identity::Kind;
use super::memory::{Item, Minute};
use super::time::Timestamp;

/// What is remembered of an entry that somebody asks for by its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Which entry.
    pub item: Item,
    /// The day it was last seen, since the Unix epoch; `None` when the last document has it.
    pub left: Option<u16>,
    /// Whether it is held back.
    pub held: bool,
    /// When something was last told of it.
    pub told: Minute,
}

impl Remembered {
    /// The kinds of names it has gone by, the most trusted first.
    #[must_use]
    pub fn names(&self) -> Vec<Kind> {
        let mut kinds: Vec<_> = self.item.aliases.iter().filter_map(|a| a.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

/// An event as it was told, and where it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its place among all events.
    pub sequence: u64,
    /// Its id.
    pub id: String,
    /// What kind of thing happened.
    pub kind: EventKind,
    /// When.
    pub time: Timestamp,
    /// The sinks it went to, by number, and what became of it there.
    pub to: Vec<(u32, Fate)>,
}

/// What became of an event at one sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was acknowledged.
    Delivered,
    /// It waits, behind so many others of its lane.
    Waiting {
        /// How many come before it.
        behind: u64,
        /// How many attempts have failed, if it is the next.
        failed: u32,
        /// The last failure in words.
        last_error: Option<String>,
    },
    /// It was given up.
    Dead {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}
