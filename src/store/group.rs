//! One group of changes: turned into the rows that they write, all in one transaction. Building a group changes nothing; a group that
//! could not be committed is built again from the same changes.

use std::collections::BTreeMap;

use super::engine::{Engine, Writes};
use super::entries;
use super::key::{self, Table};
use super::pack::{Pack, Prepared};
use super::row::{self, DeadRow, LaneRow, MetaRow, QueueRow, SinkRow};
use super::{Recorded, StoreError};
use crate::domain::delivery::{Lane, Settlement, SinkId};
use crate::domain::event::Happening;
use crate::domain::feed::{Decision, FeedId, FeedState};
use crate::domain::memory::Cold;
use crate::domain::plan::{Destination, Update};
use crate::domain::story::Claim;
use crate::domain::time::Timestamp;

/// How long a key is known after its entry was last seen.
const COLD_DAYS: u16 = 400;

/// Deletions in one group; more of them in one transaction make sled's memory grow.
pub(super) const DELETIONS: usize = 400;

/// What the lanes in memory learn when a group is on the disk.
#[derive(Debug)]
pub(super) enum Effect {
    Entered {
        lane: Lane,
        count: u64,
        at: Timestamp,
    },
    /// So many of the head have left.
    Settled {
        lane: Lane,
        next: Option<Timestamp>,
        left: u64,
    },
    Buried {
        sink: u32,
        change: i64,
    },
    Forgotten {
        sink: u32,
    },
}

/// What is too old to be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Events from before, if nothing needs them,
    pub(super) events: Timestamp,
    /// and if their sequence is below this.
    pub(super) needed: u64,
    /// Dead letters from before.
    pub(super) dead: Timestamp,
    /// Claims from before.
    pub(super) claims: Timestamp,
}

/// A group in the making.
pub(super) struct Group<'a> {
    pub(super) engine: &'a Engine,
    pub(super) meta: MetaRow,
    pub(super) writes: Writes,
    pub(super) effects: Vec<Effect>,
    claims: Vec<Claim>,
}

impl<'a> Group<'a> {
    /// An empty group on top of what is stored.
    pub(super) fn new(engine: &'a Engine, meta: &MetaRow) -> Self {
        let meta = MetaRow { group: meta.group + 1, ..meta.clone() };
        Self { engine, meta, writes: Writes::new(), effects: vec![], claims: vec![] }
    }

    /// The rows to write.
    pub(super) fn rows(&mut self) -> Result<&Writes, StoreError> {
        self.write_claims()?;
        self.put(Table::Meta, key::META_STATE.to_vec(), row::encode(&self.meta));
        Ok(&self.writes)
    }

    pub(super) fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert((table, key), Some(value));
    }

    pub(super) fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.writes.insert((table, key), None);
    }

    /// The value as this group would leave it.
    pub(super) fn get<T: serde::de::DeserializeOwned>(&self, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
        let decoded = match self.writes.get(&(table, key.to_vec())) {
            Some(value) => value.as_deref().map(row::decode),
            None => self.engine.get(table, key)?.map(|value| row::decode(&value)),
        };
        decoded.transpose().map_err(|_| self.engine.damaged_row(table))
    }

    /// Gives numbers to names that have none; returns those of all, in order.
    pub(super) fn number(&mut self, feeds: &[FeedId], sinks: &[SinkId]) -> Result<(Vec<u32>, Vec<u32>), StoreError> {
        let mut numbers = (vec![], vec![]);
        for feed in feeds {
            let (key, next) = (key::feed_name(&feed.0), self.meta.feeds + 1);
            let number = self.get_or_put(key, next)?;
            if number > self.meta.feeds {
                self.meta.feeds = number;
                self.distrust(number)?;
            }
            numbers.0.push(number);
        }
        for sink in sinks {
            let (key, next) = (key::sink_name(&sink.0), self.meta.sinks + 1);
            let number = self.get_or_put(key, next)?;
            if number > self.meta.sinks {
                self.meta.sinks = number;
                self.put(Table::Meta, key::sink(number), row::encode(&SinkRow::default()));
            }
            numbers.1.push(number);
        }
        Ok(numbers)
    }

    /// A feed that seems new may be one whose name was lost: it begins without a word. There are as many of these as names were lost.
    fn distrust(&mut self, feed: u32) -> Result<(), StoreError> {
        let nameless = self.engine.scan(Table::Meta, key::nameless_feeds(), &[], usize::MAX)?;
        let left = |key: &[u8]| !self.writes.contains_key(&(Table::Meta, key.to_vec()));
        let Some((key, since)) = nameless.into_iter().find(|(key, _)| left(key)) else { return Ok(()) };
        let mut state = FeedState::default();
        state.forget(row::decode(&since).map_err(|_| self.engine.damaged_row(Table::Meta))?);
        self.put(Table::Feed, key::feed(feed), row::encode(&state));
        self.remove(Table::Meta, key.to_vec());
        Ok(())
    }

    fn get_or_put(&mut self, key: Vec<u8>, next: u32) -> Result<u32, StoreError> {
        if let Some(number) = self.get(Table::Meta, &key)? {
            return Ok(number);
        }
        self.put(Table::Meta, key, row::encode(&next));
        Ok(next)
    }

    /// One poll: entries, events, deliveries and validators.
    pub(super) fn record(&mut self, feed: u32, update: &Update, packs: &Prepared) -> Result<Recorded, StoreError> {
        let stored = self.get(Table::Feed, &key::feed(feed))?;
        let polls = stored.map_or(0, |s: FeedState| s.polls);
        if polls != update.base {
            // This very update is already on the disk: the group was committed before the engine failed.
            return Ok(Recorded { applied: false, events: 0 });
        }
        self.put(Table::Feed, key::feed(feed), row::encode(&update.state));
        if let Some(hot) = &update.hot {
            self.write_chunks(&key::hot_prefix(feed), |chunk| key::hot(feed, chunk), entries::encode_hot(hot))?;
        }
        if let Some(marks) = &update.marks {
            self.write_chunks(&key::marks_prefix(feed), |chunk| key::marks(feed, chunk), entries::encode_marks(marks))?;
        }
        self.append_cold(feed, &update.cold)?;
        self.append_events(feed, update.scene.time, &update.events, packs)?;
        self.claims.extend(update.claims.iter().cloned());
        Ok(Recorded { applied: true, events: update.events.len() })
    }

    /// What an operator says of entries that are held back; false when there are none.
    pub(super) fn decide(&mut self, feed: u32, decision: Decision) -> Result<bool, StoreError> {
        let Some(mut state) = self.get::<FeedState>(Table::Feed, &key::feed(feed))? else { return Ok(false) };
        let held = state.decide(decision);
        if held {
            self.put(Table::Feed, key::feed(feed), row::encode(&state));
        }
        Ok(held)
    }

    /// Writes the chunks of a list that have changed, and removes those behind its end.
    fn write_chunks(&mut self, prefix: &[u8], key: impl Fn(u16) -> Vec<u8>, chunks: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let mut number = 0;
        for value in chunks {
            let key = key(number);
            if self.engine.get(Table::Seen, &key)?.is_none_or(|old| old != value) {
                self.put(Table::Seen, key, value);
            }
            number += 1;
        }
        for (key, _) in self.engine.scan(Table::Seen, prefix, &key(number), usize::MAX)? {
            self.remove(Table::Seen, key.to_vec());
        }
        Ok(())
    }

    /// Fills the newest chunk, then begins others; drops the oldest ones when their time is over.
    fn append_cold(&mut self, feed: u32, cold: &[Cold]) -> Result<(), StoreError> {
        let Some(today) = cold.iter().map(|c| c.day).max() else { return Ok(()) };
        let prefix = key::cold_prefix(feed);
        let (mut chunk, mut rows) = match self.engine.last(Table::Seen, &prefix)? {
            Some((key, value)) => (key::chunk(&key), entries::decode_cold(&value).map_err(|_| self.engine.damaged_row(Table::Seen))?),
            None => (0, vec![]),
        };
        rows.extend(cold.iter().cloned());
        for value in entries::encode_cold(&rows) {
            self.put(Table::Seen, key::cold(feed, chunk), value);
            chunk = chunk.wrapping_add(1);
        }
        for (key, value) in self.engine.scan(Table::Seen, &prefix, &prefix, 4)? {
            let old = entries::decode_cold(&value).is_ok_and(|rows| rows.iter().all(|c| today.saturating_sub(c.day) > COLD_DAYS));
            if old && !self.writes.contains_key(&(Table::Seen, key.to_vec())) {
                self.remove(Table::Seen, key.to_vec());
            }
        }
        Ok(())
    }

    /// Fills the newest chunk of claims, then begins others.
    fn write_claims(&mut self) -> Result<(), StoreError> {
        if self.claims.is_empty() {
            return Ok(());
        }
        let tail = self.engine.get(Table::Meta, &key::claims(self.meta.claims))?;
        let chunks = entries::append_claims(tail.as_deref(), &self.claims).map_err(|_| self.engine.damaged_row(Table::Meta))?;
        for (value, chunk) in chunks.into_iter().zip(self.meta.claims..) {
            self.put(Table::Meta, key::claims(chunk), value);
            self.meta.claims = chunk;
        }
        self.claims.clear();
        Ok(())
    }

    /// Writes events and lets them enter the lanes of the sinks that want them. Those of no feed have the number 0.
    pub(super) fn append_events(
        &mut self,
        feed: u32,
        now: Timestamp,
        events: &[(Happening, Vec<Destination>)],
        packs: &Prepared,
    ) -> Result<(), StoreError> {
        let mut events = events.iter();
        for pack in &packs.0 {
            let first = self.meta.sequence + 1;
            for (part, piece) in (0..).zip(&pack.pieces) {
                self.put(Table::Event, key::pack(first, part), piece.clone());
            }
            let mut lanes: BTreeMap<Lane, Vec<u16>> = BTreeMap::new();
            for (place, (_, to)) in (0..pack.events).zip(events.by_ref()) {
                for Destination { sink, order } in to {
                    let track = order.track(feed, first + u64::from(place));
                    lanes.entry(Lane { sink: *sink, track }).or_default().push(place);
                }
            }
            self.enter(first, lanes, now)?;
            self.meta.sequence += u64::from(pack.events);
        }
        Ok(())
    }

    /// Events of one pack enter lanes, each by its place in the pack.
    pub(super) fn enter(&mut self, pack: u64, lanes: BTreeMap<Lane, Vec<u16>>, at: Timestamp) -> Result<(), StoreError> {
        for (lane, places) in lanes {
            let mut state: LaneRow = self.get(Table::Outbox, &key::lane(lane))?.unwrap_or_default();
            let count = places.len() as u64;
            self.put(Table::Outbox, key::queue(lane, state.entered + 1), row::encode(&QueueRow { pack, places }));
            state.entered += count;
            self.put(Table::Outbox, key::lane(lane), row::encode(&state));
            self.effects.push(Effect::Entered { lane, count, at });
        }
        Ok(())
    }

    /// What became of the head of a lane, up to number `head` in it. A head that is settled already stays so.
    pub(super) fn settle(&mut self, lane: Lane, head: u64, settlement: &Settlement, now: Timestamp) -> Result<(), StoreError> {
        let mut state: LaneRow = self.get(Table::Outbox, &key::lane(lane))?.unwrap_or_default();
        if state.settled >= head {
            return Ok(());
        }
        if let Settlement::Postpone(trials) = settlement {
            self.effects.push(Effect::Settled { lane, next: Some(trials.next_at), left: 0 });
            state.trials = trials.clone();
            self.put(Table::Outbox, key::lane(lane), row::encode(&state));
            return Ok(());
        }
        let left = head - state.settled;
        let rows = self.engine.scan(Table::Outbox, &key::queue_prefix(lane), &[], usize::try_from(left).unwrap_or(usize::MAX))?;
        for (key, value) in rows.iter().take_while(|(key, _)| key::number(key) <= head) {
            let queue: QueueRow = row::decode(value).map_err(|_| self.engine.damaged_row(Table::Outbox))?;
            let index = head.saturating_sub(key::number(key));
            if let Settlement::Bury(reason) = settlement {
                let place = usize::try_from(index).ok().and_then(|i| queue.places.get(i)).copied().unwrap_or(0);
                let dead = DeadRow { pack: queue.pack, at: now, reason: reason.clone() };
                self.put(Table::Outbox, key::dead(lane.sink, queue.pack + u64::from(place)), row::encode(&dead));
                self.effects.push(Effect::Buried { sink: lane.sink, change: 1 });
            }
            if index + 1 >= queue.places.len() as u64 {
                self.remove(Table::Outbox, key.to_vec());
            }
        }
        state = LaneRow { settled: head, entered: state.entered, ..LaneRow::default() };
        let next = (state.settled < state.entered).then_some(now);
        self.put(Table::Outbox, key::lane(lane), row::encode(&state));
        self.effects.push(Effect::Settled { lane, next, left });
        Ok(())
    }

    /// Deletes what is too old, at most [`DELETIONS`] rows. Says whether there may be more.
    pub(super) fn prune(&mut self, bounds: &Bounds) -> Result<bool, StoreError> {
        let Bounds { events: before, needed, dead: dead_before, claims: claims_before } = *bounds;
        let mut left = DELETIONS;
        for (key, value) in self.engine.scan(Table::Outbox, key::dead_letters(), &[], left)? {
            if row::decode::<DeadRow>(&value).is_ok_and(|dead| dead.at < dead_before) {
                self.effects.push(Effect::Buried { sink: key::dead_sink(&key), change: -1 });
                self.remove(Table::Outbox, key.to_vec());
                left -= 1;
            }
        }
        for (key, value) in self.engine.scan(Table::Meta, key::claims_prefix(), &[], left)? {
            // The newest chunk is still filled.
            let newest = key.as_ref() == key::claims(self.meta.claims);
            if newest || !entries::decode_claims(&value).is_ok_and(|claims| claims.iter().all(|c| c.at < claims_before.0)) {
                break;
            }
            self.remove(Table::Meta, key.to_vec());
            left -= 1;
        }
        let mut old = true;
        for (key, value) in self.engine.scan(Table::Event, &[], &[], left)? {
            if key.ends_with(&[0, 0]) && key.len() == 10 {
                let first = key::pack_first(&key);
                old = first < needed && Pack::head(&value).is_ok_and(|head| head.time < before && first + u64::from(head.events) <= needed);
            }
            if !old {
                return Ok(false);
            }
            self.remove(Table::Event, key.to_vec());
            left -= 1;
        }
        Ok(left == 0)
    }
}
