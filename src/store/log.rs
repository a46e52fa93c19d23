//! The log: all events in the order in which they were told. Read forwards by those who follow it, backwards by those who want the newest, a
//! share at a time: the thread that reads serves deliveries too, and does not keep them waiting.

use tokio::sync::watch;
use tracing::warn;

use super::engine::Engine;
use super::key::{self, Table};
use super::pack::{Pack, PackHead};
use super::row::{self, Damaged};
use super::{Store, StoreError};
use crate::domain::event::{Event, EventKind};

/// Packs that are looked at for one share, a few microseconds each.
const MOST_PACKS: usize = 1000;

/// Which events are looked for; an empty condition holds for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Of one of these feeds, by number. Others are passed by without being unpacked.
    pub feeds: Vec<u32>,
    /// Of a feed that had one of these tags at that time.
    pub tags: Vec<String>,
    /// Of one of these kinds.
    pub kinds: Vec<EventKind>,
}

impl Sought {
    fn wants(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.happening.kind))
            && (self.tags.is_empty() || event.scene.tags.iter().any(|tag| self.tags.contains(tag)))
    }

    fn wants_feed(&self, feed: u32) -> bool {
        self.feeds.is_empty() || self.feeds.contains(&feed)
    }
}

/// How much is wanted at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Events.
    pub events: usize,
    /// Bytes of packed events, unpacked; at least one pack is looked into.
    pub bytes: usize,
}

/// A piece of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// What was found.
    pub events: Vec<Event>,
    /// How far it was looked: a share that begins here goes on with what follows.
    pub next: u64,
    /// Whether there is more.
    pub more: bool,
    /// Whether events on the way are no longer kept, or cannot be read.
    pub gap: bool,
}

impl Store {
    /// The events behind a sequence, oldest first, of those that are on the disk.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn events_after(&self, sequence: u64, sought: &Sought, most: Most) -> Result<Share, StoreError> {
        // What has been written and not yet synced may be lost again, and its numbers given to others.
        let (until, sought) = (self.sequence(), sought.clone());
        self.read(move |engine| after(engine, sequence, until, &sought, most)).await
    }

    /// The events before a sequence, newest first, of those that are on the disk.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn events_before(&self, sequence: u64, sought: &Sought, most: Most) -> Result<Share, StoreError> {
        let (until, sought) = (self.sequence(), sought.clone());
        self.read(move |engine| before(engine, sequence.min(until.saturating_add(1)), &sought, most)).await
    }

    /// The numbers of feeds, in the order of the names; `None` for one that was never configured.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn numbers_of(&self, feeds: Vec<String>) -> Result<Vec<Option<u32>>, StoreError> {
        self.read(move |engine| feeds.iter().map(|name| number(engine, name)).collect()).await
    }

    /// Changes whenever there is a newer event on the disk: its sequence.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.shared.sequence.subscribe()
    }
}

fn number(engine: &Engine, name: &str) -> Result<Option<u32>, StoreError> {
    let Some(value) = engine.get(Table::Meta, &key::feed_name(name))? else { return Ok(None) };
    row::decode(&value).map(Some).map_err(|_| engine.damaged_row(Table::Meta))
}

fn after(engine: &Engine, after: u64, until: u64, sought: &Sought, most: Most) -> Result<Share, StoreError> {
    let mut share = Share { next: after, ..Share::default() };
    if after >= until {
        return Ok(share);
    }
    let mut from = last_until(engine, after + 1)?.unwrap_or(after + 1);
    let mut room = Room::new(most);
    while share.next < until && room.look() {
        let Some(first) = first_from(engine, from)?.filter(|first| *first <= until) else {
            (share.next, share.gap) = (until, true);
            break;
        };
        let Ok(head) = head(engine, first)? else {
            (from, share.gap) = (first + 1, true);
            continue;
        };
        let end = first.saturating_add(head.events.into()).saturating_sub(1);
        from = end.max(first) + 1;
        if end <= share.next {
            continue;
        }
        let wanted = sought.wants_feed(head.feed);
        if wanted && !room.takes(&head) {
            break;
        }
        share.gap |= first > share.next + 1;
        if wanted {
            match unpack(engine, first)? {
                Ok(events) => {
                    let behind = share.next;
                    let wanted = events.into_iter().filter(|e| e.sequence > behind && e.sequence <= until && sought.wants(e));
                    share.events.extend(wanted);
                }
                Err(Damaged) => share.gap = true,
            }
            if share.events.len() > most.events {
                share.events.truncate(most.events);
                share.next = share.events.last().map_or(share.next, |last| last.sequence);
                break;
            }
        }
        share.next = end.min(until);
        room.events = most.events - share.events.len();
    }
    share.more = share.next < until;
    Ok(share)
}

fn before(engine: &Engine, before: u64, sought: &Sought, most: Most) -> Result<Share, StoreError> {
    let mut share = Share { next: before, more: true, ..Share::default() };
    let mut room = Room::new(most);
    while room.look() {
        let Some(first) = share.next.checked_sub(1).map_or(Ok(None), |last| last_until(engine, last))? else {
            share.more = false;
            break;
        };
        match head(engine, first)? {
            Ok(head) if sought.wants_feed(head.feed) => {
                if !room.takes(&head) {
                    break;
                }
                match unpack(engine, first)? {
                    Ok(events) => {
                        let wanted = events.into_iter().rev().filter(|e| e.sequence < share.next && sought.wants(e));
                        share.events.extend(wanted);
                    }
                    Err(Damaged) => share.gap = true,
                }
                if share.events.len() > most.events {
                    share.events.truncate(most.events);
                    share.next = share.events.last().map_or(first, |last| last.sequence);
                    break;
                }
            }
            Ok(_) => {}
            Err(Damaged) => share.gap = true,
        }
        share.next = first;
        room.events = most.events - share.events.len();
    }
    Ok(share)
}

/// What may still be looked at and taken for a share.
struct Room {
    packs: usize,
    events: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
    fn new(most: Most) -> Self {
        Self { packs: MOST_PACKS, events: most.events, bytes: most.bytes, empty: true }
    }

    /// Whether another pack may be looked at.
    fn look(&mut self) -> bool {
        let may = self.packs > 0 && self.events > 0;
        self.packs = self.packs.saturating_sub(1);
        may
    }

    /// Whether another pack may be unpacked; the first may be.
    fn takes(&mut self, head: &PackHead) -> bool {
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        let may = std::mem::take(&mut self.empty) || length <= self.bytes;
        self.bytes = self.bytes.saturating_sub(length);
        may
    }
}

/// The first sequence of the last pack that begins no later than at `sequence`.
fn last_until(engine: &Engine, sequence: u64) -> Result<Option<u64>, StoreError> {
    Ok(engine.below(Table::Event, &key::pack(sequence.saturating_add(1), 0))?.map(|(key, _)| key::pack_first(&key)))
}

/// The first sequence of the first pack that begins no earlier than at `sequence`.
fn first_from(engine: &Engine, sequence: u64) -> Result<Option<u64>, StoreError> {
    Ok(engine.scan(Table::Event, &[], &key::pack(sequence, 0), 1)?.first().map(|(key, _)| key::pack_first(key)))
}

pub(super) fn head(engine: &Engine, first: u64) -> Result<Result<PackHead, Damaged>, StoreError> {
    let value = engine.get(Table::Event, &key::pack(first, 0))?;
    Ok(value.ok_or(Damaged).and_then(|value| Pack::head(&value)).inspect_err(|Damaged| complain(first)))
}

fn unpack(engine: &Engine, first: u64) -> Result<Result<Vec<Event>, Damaged>, StoreError> {
    let pieces = engine.scan(Table::Event, &first.to_be_bytes(), &[], usize::MAX)?;
    let pieces: Vec<_> = pieces.into_iter().map(|(_, value)| value).collect();
    Ok(Pack::join(&pieces).map(|pack| pack.into_events(first)).inspect_err(|Damaged| complain(first)))
}

fn complain(sequence: u64) {
    warn!(sequence, "Stored events are damaged; whoever reads the log does without them.");
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
