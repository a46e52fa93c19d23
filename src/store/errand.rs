//! What operators and their configuration ask of the outbox: send once more, begin with the past, give up a dead letter, pause. And what
//! the daemon has to tell of itself.

use std::collections::BTreeMap;

use super::StoreError;
use super::again::Chosen;
use super::group::{DELETIONS, Effect, Group};
use super::key::{self, Table};
use super::pack::{Pack, Prepared};
use super::row::{self, DeadRow, SinkRow, Welcome};
use crate::domain::delivery::{Lane, Order, SinkId};
use crate::domain::event::Happening;
use crate::domain::plan::Destination;
use crate::domain::time::Timestamp;

/// One change, as small as a group of changes should stay.
pub(super) enum Errand {
    /// Events of the past enter the lanes of a sink.
    Enter(Entering),
    /// Dead letters are tried again, or dropped.
    Dead(Dead),
    /// A sink is paused, or goes on.
    PauseSink(u32, bool),
    /// A feed is paused, or goes on.
    PauseFeed(u32, bool),
    /// Something happened to a sink, and others are told.
    Announce(Box<Announcement>),
    /// The name of a sink, by this number, means nothing any more: should it come back, it is new.
    Forget(SinkId, u32),
    /// Some of the rows of a sink that was forgotten are removed.
    Sweep(u32),
}

/// Events of the past, and the sink that gets them.
pub(super) struct Entering {
    pub(super) sink: u32,
    pub(super) order: Order,
    pub(super) chosen: Vec<Chosen>,
    /// What the sink is still owed afterwards; `None` if it had these before and they are sent once more.
    pub(super) welcome: Option<Welcome>,
    pub(super) now: Timestamp,
}

/// Dead letters of one sink.
pub(super) struct Dead {
    pub(super) sink: u32,
    pub(super) sequences: Vec<u64>,
    /// The layout of the lanes in which they are tried again; `None` to drop them.
    pub(super) again: Option<Order>,
    pub(super) now: Timestamp,
}

/// Something that happened to a sink.
pub(super) struct Announcement {
    pub(super) sink: u32,
    pub(super) disabled: Option<Timestamp>,
    pub(super) events: Vec<(Happening, Vec<Destination>)>,
    pub(super) packs: Prepared,
    pub(super) now: Timestamp,
}

impl Errand {
    /// Adds its changes to a group; says how many events, letters or rows it was about.
    pub(super) fn add(&self, group: &mut Group<'_>) -> Result<u64, StoreError> {
        match self {
            Self::Enter(entering) => entering.add(group),
            Self::Dead(dead) => dead.add(group),
            Self::PauseSink(sink, paused) => change_sink(group, *sink, |row| row.paused = *paused),
            Self::PauseFeed(feed, true) => {
                group.put(Table::Meta, key::paused_feed(*feed), row::encode(&()));
                Ok(1)
            }
            Self::PauseFeed(feed, false) => {
                group.remove(Table::Meta, key::paused_feed(*feed));
                Ok(1)
            }
            Self::Announce(announcement) => {
                group.append_events(0, announcement.now, &announcement.events, &announcement.packs)?;
                change_sink(group, announcement.sink, |row| row.disabled = announcement.disabled)
            }
            Self::Forget(name, sink) => {
                group.remove(Table::Meta, key::sink_name(&name.0));
                group.remove(Table::Meta, key::sink(*sink));
                group.effects.push(Effect::Forgotten { sink: *sink });
                Ok(1)
            }
            Self::Sweep(sink) => sweep(group, *sink),
        }
    }
}

fn sweep(group: &mut Group<'_>, sink: u32) -> Result<u64, StoreError> {
    let mut count = 0;
    for prefix in key::all_of_sink(sink) {
        for (key, _) in group.engine.scan(Table::Outbox, &prefix, &[], DELETIONS.saturating_sub(count))? {
            group.remove(Table::Outbox, key.to_vec());
            count += 1;
        }
    }
    Ok(count as u64)
}

fn change_sink(group: &mut Group<'_>, sink: u32, change: impl FnOnce(&mut SinkRow)) -> Result<u64, StoreError> {
    let mut row: SinkRow = group.get(Table::Meta, &key::sink(sink))?.unwrap_or_default();
    change(&mut row);
    group.put(Table::Meta, key::sink(sink), row::encode(&row));
    Ok(1)
}

impl Entering {
    fn add(&self, group: &mut Group<'_>) -> Result<u64, StoreError> {
        let mut count = 0;
        for Chosen { feed, pack, places } in &self.chosen {
            let mut lanes: BTreeMap<Lane, Vec<u16>> = BTreeMap::new();
            for place in places {
                let first = Lane { sink: self.sink, track: self.order.track(*feed, pack + u64::from(*place)) };
                let lane = if self.welcome.is_some() { first } else { first.again() };
                lanes.entry(lane).or_default().push(*place);
                count += 1;
            }
            group.enter(*pack, lanes, self.now)?;
        }
        if let Some(welcome) = self.welcome {
            change_sink(group, self.sink, |row| row.welcome = welcome)?;
        }
        Ok(count)
    }
}

impl Dead {
    fn add(&self, group: &mut Group<'_>) -> Result<u64, StoreError> {
        let mut count = 0;
        for sequence in &self.sequences {
            let key = key::dead(self.sink, *sequence);
            let Some(dead) = group.get::<DeadRow>(Table::Outbox, &key)? else { continue };
            if let Some(order) = self.again {
                let first = group.engine.get(Table::Event, &key::pack(dead.pack, 0))?;
                // What cannot be read is no better the second time: it stays a dead letter.
                let Some(head) = first.and_then(|first| Pack::head(&first).ok()) else { continue };
                let place = u16::try_from(sequence.saturating_sub(dead.pack)).unwrap_or(u16::MAX);
                let lane = Lane { sink: self.sink, track: order.track(head.feed, *sequence) }.again();
                group.enter(dead.pack, BTreeMap::from([(lane, vec![place])]), self.now)?;
            }
            group.remove(Table::Outbox, key);
            group.effects.push(Effect::Buried { sink: self.sink, change: -1 });
            count += 1;
        }
        Ok(count)
    }
}
