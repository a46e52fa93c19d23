//! Looks for the story of one entry: what is remembered of it, which events there were, and where they went. Slow, and asked for by people.

use std::collections::HashSet;

use super::engine::Engine;
use super::key::{self, Table};
use super::pack::Pack;
use super::row::{self, DeadRow, LaneRow, QueueRow};
use super::{Store, StoreError, again};
use crate::domain::delivery::{Lane, Order};
use crate::domain::event::EventId;
use crate::domain::history::{Fate, Remembered, Told};
use crate::domain::identity::Alias;
use crate::domain::memory::Minute;
use crate::domain::time::Timestamp;

/// Packs that are looked through for one question.
const MOST_PACKS: usize = 20_000;

impl Store {
    /// What a feed remembers under a name, what left last at the end; and whether the name tells nothing there.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn remembered(&self, feed: u32, name: Alias) -> Result<(Vec<Remembered>, bool), StoreError> {
        self.read(move |engine| remembered(engine, feed, name)).await
    }

    /// The events of a feed with these ids, as far as they are still kept, and where they went. Looks at those told between the two times.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn told(&self, feed: u32, ids: HashSet<EventId>, between: (Timestamp, Timestamp)) -> Result<Vec<Told>, StoreError> {
        self.read(move |engine| told(engine, feed, &ids, between)).await
    }
}

/// What a feed remembers under a name, what left last at the end; and whether the name tells nothing there.
fn remembered(engine: &Engine, feed: u32, name: Alias) -> Result<(Vec<Remembered>, bool), StoreError> {
    let memory = super::reader::memory(engine, feed)?;
    let cold = super::reader::cold(engine, feed, &HashSet::from([name]))?;
    let left = cold.into_iter().map(|c| Remembered { item: c.item, left: Some(c.day), held: false, told: Minute(0) });
    let hot = memory.hot.into_iter().filter(|h| h.item.aliases.contains(&name));
    let mut found: Vec<_> = left.collect();
    for hot in hot {
        found.retain(|cold| cold.item.id != hot.item.id);
        found.push(Remembered { item: hot.item, left: None, held: hot.held, told: hot.told });
    }
    Ok((found, memory.marks.iter().any(|mark| mark.alias == name)))
}

/// The events of `feed` with these ids, that were told between the two times.
fn told(engine: &Engine, feed: u32, ids: &HashSet<EventId>, between: (Timestamp, Timestamp)) -> Result<Vec<Told>, StoreError> {
    let (mut found, mut from) = (vec![], again::first_since(engine, between.0)?);
    for _ in 0..MOST_PACKS {
        let Some((first, head)) = again::next_pack(engine, from)? else { break };
        if head.time > between.1 || found.len() == ids.len() {
            break;
        }
        from = first + u64::from(head.events);
        if head.feed != feed {
            continue;
        }
        let pieces = engine.scan(Table::Event, &first.to_be_bytes(), &[], usize::MAX)?;
        let pieces: Vec<_> = pieces.into_iter().map(|(_, value)| value).collect();
        let pack = Pack::join(&pieces).map_err(|_| engine.damaged_row(Table::Event))?;
        for ((place, happening), to) in pack.happenings.iter().enumerate().zip(&pack.to).filter(|((_, h), _)| ids.contains(&h.id)) {
            let sequence = first + place as u64;
            let to = to.iter().map(|sink| Ok((*sink, fate(engine, feed, *sink, first, sequence)?))).collect::<Result<_, StoreError>>()?;
            found.push(Told { sequence, id: happening.id.0.clone(), kind: happening.kind, time: head.time, to });
        }
    }
    Ok(found)
}

fn fate(engine: &Engine, feed: u32, sink: u32, pack: u64, sequence: u64) -> Result<Fate, StoreError> {
    let damaged = |_| engine.damaged_row(Table::Outbox);
    if let Some(value) = engine.get(Table::Outbox, &key::dead(sink, sequence))? {
        let dead: DeadRow = row::decode(&value).map_err(damaged)?;
        return Ok(Fate::Dead { at: dead.at, reason: dead.reason });
    }
    // How the lanes were laid out when it was told is not written down.
    let lanes = [Order::Feed, Order::Sink, Order::None].map(|order| Lane { sink, track: order.track(feed, sequence) });
    for lane in lanes.into_iter().flat_map(|lane| [lane, lane.again()]) {
        let Some(value) = engine.get(Table::Outbox, &key::lane(lane))? else { continue };
        let state: LaneRow = row::decode(&value).map_err(damaged)?;
        for (key, value) in engine.scan(Table::Outbox, &key::queue_prefix(lane), &[], usize::MAX)? {
            let queue: QueueRow = row::decode(&value).map_err(damaged)?;
            let Some(place) = queue.places.iter().position(|p| queue.pack == pack && pack + u64::from(*p) == sequence) else { continue };
            let Some(behind) = (key::number(&key) + place as u64).checked_sub(state.settled + 1) else { continue };
            let trials = if behind == 0 { state.trials } else { Default::default() };
            return Ok(Fate::Waiting { behind, failed: trials.failed, last_error: trials.last_error });
        }
    }
    Ok(Fate::Delivered)
}
