//! What the status shows, read in pieces: the thread that reads serves deliveries too, and does not keep them waiting.

use super::engine::Engine;
use super::key::{self, Table};
use super::row::{self, LaneRow, QueueRow};
use super::{Store, StoreError, entries, log, reader};
use crate::domain::feed::FeedState;
use crate::domain::memory::Item;
use crate::domain::time::Timestamp;

/// Rows of feeds that are read at once: half a millisecond.
const ROWS: usize = 256;

/// Lanes that are looked at in one piece.
const LANES: usize = 500;

/// Days that a feed's posts are counted for.
pub const DAYS: usize = 14;

/// Posts of each of the last [`DAYS`] days (UTC), the latest last.
pub type Posts = [u32; DAYS];

impl Store {
    /// Shows the row of each feed that was ever polled to `look`, in the order of numbers. A row is as it was when its page was read, and no
    /// more than a page of them is in memory at once. Dropping the future ends it between two pages.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn each_feed(&self, mut look: impl FnMut(u32, FeedState)) -> Result<(), StoreError> {
        let mut from = 0;
        loop {
            let rows = self.read(move |engine| rows(engine, from)).await?;
            let next = rows.last().and_then(|(number, _)| number.checked_add(1)).filter(|_| rows.len() == ROWS);
            rows.into_iter().for_each(|(number, row)| look(number, row));
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// How many entries that are known of a feed were published on each of the last days, `today` included: by the publisher's date where it is
    /// one of the past, else by when they were first seen.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn posts(&self, feed: u32, today: u16) -> Result<Posts, StoreError> {
        self.read(move |engine| posts(engine, feed, today)).await
    }

    /// When the oldest event that waits for a sink was told, but for what is sent once more: that is as old as whoever asked for it wanted.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
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

/// A page of rows, from this number on.
fn rows(engine: &Engine, from: u32) -> Result<Vec<(u32, FeedState)>, StoreError> {
    let row = |(key, value): (sled::IVec, sled::IVec)| {
        let state = row::decode(&value).map_err(|_| engine.damaged_row(Table::Feed))?;
        Ok((key::feed_of(&key), state))
    };
    engine.scan(Table::Feed, &[], &key::feed(from), ROWS)?.into_iter().map(row).collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::memory::{Cold, Minute};
    use crate::store::tests::{DAY, NOW, close, drain, open, update};

    #[tokio::test]
    async fn posts_are_counted_by_their_date_in_the_document_and_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let (store, closing) = open(dir.path());
        let minute = |days: u32| Minute::from(NOW.before(DAY * days));
        let dated = |update: &mut crate::domain::plan::Update, place: usize, date: Minute, first: Minute| {
            let item = &mut update.hot.as_mut().unwrap().get_mut(place).unwrap().item;
            (item.date, item.first) = (date, first);
        };
        let mut first = update(0, &[0, 1, 2, 3], NOW);
        dated(&mut first, 0, minute(0), minute(0));
        dated(&mut first, 1, minute(13), minute(2));
        dated(&mut first, 2, minute(14), minute(2));
        // In the future, or nowhere: then the day on which it came.
        dated(&mut first, 3, Minute(minute(2).0 + 1), minute(2));
        let (hot, today) = (first.hot.clone().unwrap(), NOW.day());
        // Of a year, enough for several chunks; what left on day n was published a day before.
        first.cold = (1..=300u16)
            .rev()
            .map(|ago| {
                let mut item = hot.first().unwrap().item.clone();
                (item.date, item.first) = (minute(u32::from(ago) + 1), minute(u32::from(ago) + 1));
                Cold { item, day: today - ago }
            })
            .collect();
        store.record(7, first).await.unwrap();
        // A neighbour's are not counted.
        store.record(8, update(0, &[9], NOW)).await.unwrap();
        assert_eq!(store.posts(7, today).await.unwrap(), [2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 0, 1]);
        assert_eq!(store.posts(99, today).await.unwrap(), Posts::default());
        close(store, closing).await;
    }

    #[tokio::test]
    async fn the_oldest_that_waits_is_the_oldest_of_all_lanes() {
        let dir = tempfile::tempdir().unwrap();
        let (store, closing) = open(dir.path());
        assert_eq!(store.oldest_waiting(1).await.unwrap(), None);
        // More lanes than are looked at in one piece; the last of them has waited longest.
        let feeds = LANES as u32 + 10;
        for feed in (1..=feeds).rev() {
            let time = NOW.after(Duration::from_secs((feeds - feed).into()));
            store.record(feed, update(0, &[1], time)).await.unwrap();
        }
        assert_eq!(store.oldest_waiting(1).await.unwrap(), Some(NOW));
        assert_eq!(store.oldest_waiting(2).await.unwrap(), None);
        let lane = store.claim(1, Timestamp::MAX, true).unwrap();
        store.settle(lane, 1, crate::domain::delivery::Settlement::Acknowledge, NOW).await.unwrap();
        assert_eq!(store.oldest_waiting(1).await.unwrap(), Some(NOW.after(Duration::from_secs(u64::from(lane.track == feeds)))));
        drain(&store).await;
        assert_eq!(store.oldest_waiting(1).await.unwrap(), None);
        close(store, closing).await;
    }

    #[tokio::test]
    async fn every_row_is_shown_once_whatever_fits_on_a_page() {
        let dir = tempfile::tempdir().unwrap();
        let (store, closing) = open(dir.path());
        let mut expected = vec![];
        // None, a page that is not full, one that is, one more, and the highest number that there is.
        for upto in [0, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 1] {
            let mut writes = tokio::task::JoinSet::new();
            while expected.len() < upto {
                let feed = if expected.len() == 2 * ROWS { u32::MAX } else { expected.len() as u32 * 3 };
                let (store, mut polled) = (store.clone(), update(0, &[], NOW));
                polled.state.entries = feed;
                writes.spawn(async move { store.record(feed, polled).await.unwrap() });
                expected.push((feed, feed));
            }
            writes.join_all().await;
            let mut seen = vec![];
            store.each_feed(|number, row| seen.push((number, row.entries))).await.unwrap();
            assert_eq!(seen, expected);
        }
        close(store, closing).await;
    }
}
