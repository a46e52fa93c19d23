//! What the status shows, read in pieces: the thread that reads serves deliveries too, and does not keep them waiting.

use super::engine::Engine;
use super::key::{self, Table};
use super::row::{self, LaneRow, QueueRow};
use super::{Store, StoreError, entries, log, reader};
use crate::domain::feed::FeedState;
use crate::domain::memory::Item;
use crate::domain::time::Timestamp;

/// Lanes that are looked at in one piece.
const LANES: usize = 500;

/// Days that a feed's posts are counted for.
pub const DAYS: usize = 14;

/// Posts of each of the last [`DAYS`] days (UTC), the latest last.
pub type Posts = [u32; DAYS];

impl Store {
    /// At most `most` feeds that were ever polled, from this number on.
    ///
    /// # Errors
    /// See [`Store::feeds`].
    pub async fn feed_rows(&self, from: u32, most: usize) -> Result<Vec<(u32, FeedState)>, StoreError> {
        self.read(move |engine| rows(engine, from, most)).await
    }

    /// How many entries that are known of a feed were published on each of the last days, `today` included: by the publisher's date where it is
    /// one of the past, else by when they were first seen.
    ///
    /// # Errors
    /// See [`Store::feeds`].
    pub async fn posts(&self, feed: u32, today: u16) -> Result<Posts, StoreError> {
        self.read(move |engine| posts(engine, feed, today)).await
    }

    /// When the oldest event that waits for a sink was told, but for what is sent once more: that is as old as whoever asked for it wanted.
    ///
    /// # Errors
    /// See [`Store::feeds`].
    pub async fn oldest_waiting(&self, sink: u32) -> Result<Option<Timestamp>, StoreError> {
        let (mut from, mut oldest) = (vec![], None);
        loop {
            let (begin, so_far) = (from, oldest);
            let (next, pack) = self.read(move |engine| oldest_pack(engine, sink, &begin, so_far)).await?;
            oldest = pack;
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        let Some(pack) = oldest else { return Ok(None) };
        // It may have been delivered and deleted meanwhile.
        self.read(move |engine| Ok(log::head(engine, pack)?.ok().map(|head| head.time))).await
    }
}

fn rows(engine: &Engine, from: u32, most: usize) -> Result<Vec<(u32, FeedState)>, StoreError> {
    let row = |(key, value): (sled::IVec, sled::IVec)| {
        let state = row::decode(&value).map_err(|_| engine.damaged_row(Table::Feed))?;
        Ok((key::feed_of(&key), state))
    };
    engine.scan(Table::Feed, &[], &key::feed(from), most)?.into_iter().map(row).collect()
}

fn posts(engine: &Engine, feed: u32, today: u16) -> Result<Posts, StoreError> {
    let mut posts = Posts::default();
    reader::memory(engine, feed)?.hot.iter().for_each(|hot| count(&mut posts, &hot.item, today));
    let mut end = key::cold_end(feed);
    // What left the document before these days was published before them. The chunks are in the order in which entries left.
    while let Some((key, value)) = engine.before(Table::Seen, &end)?.filter(|(key, _)| key.starts_with(&key::cold_prefix(feed))) {
        let chunk = entries::decode_cold(&value).map_err(|_| engine.damaged_row(Table::Seen))?;
        chunk.iter().for_each(|cold| count(&mut posts, &cold.item, today));
        if chunk.iter().all(|cold| usize::from(today.saturating_sub(cold.day)) >= DAYS) {
            break;
        }
        end = key.to_vec();
    }
    Ok(posts)
}

fn count(posts: &mut Posts, item: &Item, today: u16) {
    let at = if item.date.0 > 0 && item.date <= item.first { item.date } else { item.first };
    let day = at.timestamp().map_or(0, Timestamp::day);
    let ago = usize::from(today.saturating_sub(day));
    if let Some(posts) = (DAYS - 1).checked_sub(ago).and_then(|place| posts.get_mut(place)) {
        *posts += 1;
    }
}

/// The oldest pack that the lanes from `from` on wait for, or `oldest`; and where to go on.
fn oldest_pack(engine: &Engine, sink: u32, from: &[u8], mut oldest: Option<u64>) -> Result<(Option<Vec<u8>>, Option<u64>), StoreError> {
    let lanes = engine.scan(Table::Outbox, &key::lanes_of(sink), from, LANES)?;
    for (key, value) in &lanes {
        let state: LaneRow = row::decode(value).map_err(|_| engine.damaged_row(Table::Outbox))?;
        let Some(lane) = key::lane_of(key).filter(|lane| state.settled < state.entered && !lane.is_again()) else { continue };
        if let Some((_, value)) = engine.scan(Table::Outbox, &key::queue_prefix(lane), &[], 1)?.first() {
            let queue: QueueRow = row::decode(value).map_err(|_| engine.damaged_row(Table::Outbox))?;
            oldest = Some(oldest.map_or(queue.pack, |oldest| oldest.min(queue.pack)));
        }
    }
    let next = lanes.last().filter(|_| lanes.len() == LANES).map(|(key, _)| [&**key, &[0]].concat());
    Ok((next, oldest))
}
