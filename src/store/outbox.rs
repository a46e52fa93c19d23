//! What can be done with the outbox beside delivering: send once more, begin with the past, look at dead letters, pause.

use std::collections::HashSet;

use super::again::{self, Turn};
use super::errand::{Announcement, Dead, Entering, Errand};
use super::pack::Prepared;
use super::row::{SinkRow, Welcome};
use super::{Store, StoreError, group, reader, writer};
use crate::domain::delivery::{DeadLetter, Order, SinkId};
use crate::domain::event::{Happening, Scene};
use crate::domain::feed::Backlog;
use crate::domain::filter::Route;
use crate::domain::plan::Destination;
use crate::domain::time::Timestamp;

/// Where a replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// With the events that were committed from then on.
    Time(Timestamp),
    /// With the event behind this sequence.
    After(u64),
}

impl Store {
    /// Lets all events of the past that a sink would want enter its lanes once more; returns how many, when they are on the disk. Dropping
    /// the future leaves it at those that have entered.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn replay(&self, route: &Route, since: Since, now: Timestamp) -> Result<u64, StoreError> {
        let _past = self.shared.past.lock().await;
        let until = self.sequence();
        let mut next = match since {
            Since::After(sequence) => Some(sequence.saturating_add(1)),
            Since::Time(time) => Some(self.read(move |engine| again::first_since(engine, time)).await?),
        };
        let mut count = 0;
        while let Some(from) = next {
            let turn = self.turn(from, until, route).await?;
            next = turn.next;
            count += self.enter(route, turn.chosen, None, now).await?;
        }
        Ok(count)
    }

    /// Gives a new sink what it is configured to begin with, in the lanes of its news; returns how many events that were, and 0 for a sink
    /// that is not new. What a crash interrupts goes on where it was, without a repetition.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn welcome(&self, route: &Route, backlog: Backlog, now: Timestamp) -> Result<u64, StoreError> {
        let _past = self.shared.past.lock().await;
        let (mut next, until) = match self.sink_row(route.sink).await?.welcome {
            Welcome::Given => return Ok(0),
            Welcome::Owed { next, until } => (Some(next), until),
            Welcome::New => {
                let until = self.sequence();
                (self.oldest_of(route, backlog, until).await?, until)
            }
        };
        let mut count = 0;
        loop {
            let turn = match next {
                Some(from) => self.turn(from, until, route).await?,
                None => Turn::default(),
            };
            next = turn.next;
            let owed = next.map_or(Welcome::Given, |next| Welcome::Owed { next, until });
            count += self.enter(route, turn.chosen, Some(owed), now).await?;
            if next.is_none() {
                return Ok(count);
            }
        }
    }

    /// The sequence that a backlog begins with; `None` for none.
    async fn oldest_of(&self, route: &Route, backlog: Backlog, until: u64) -> Result<Option<u64>, StoreError> {
        let (mut left, mut before, mut oldest) = match backlog {
            Backlog::None => return Ok(None),
            Backlog::All => return Ok(Some(1)),
            Backlog::Newest(count) => (u64::from(count), Some(until), None),
        };
        while let Some(until) = before.filter(|_| left > 0) {
            let wanted = route.clone();
            let (from, more, next) = self.read(move |engine| again::backward(engine, until, left, &wanted)).await?;
            (oldest, left, before) = (from.or(oldest), more, next);
        }
        Ok(oldest)
    }

    async fn turn(&self, from: u64, until: u64, route: &Route) -> Result<Turn, StoreError> {
        let route = route.clone();
        self.read(move |engine| again::forward(engine, from, until, &route)).await
    }

    async fn enter(&self, route: &Route, chosen: Vec<again::Chosen>, welcome: Option<Welcome>, now: Timestamp) -> Result<u64, StoreError> {
        self.errand(Errand::Enter(Entering { sink: route.sink, order: route.order, chosen, welcome, now })).await
    }

    /// The dead letters of a sink behind this sequence, at most `most` of them.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn dead_letters(&self, sink: u32, after: u64, most: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |engine| reader::dead_letters(engine, sink, after, most)).await
    }

    /// Has dead letters of a sink tried again in lanes of this layout, or drops them; returns how many there were.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn redeem(&self, sink: u32, sequences: Vec<u64>, again: Option<Order>, now: Timestamp) -> Result<u64, StoreError> {
        let mut count = 0;
        for sequences in sequences.chunks(group::DELETIONS / 2) {
            count += self.errand(Errand::Dead(Dead { sink, sequences: sequences.to_vec(), again, now })).await?;
        }
        Ok(count)
    }

    /// All sinks that were ever configured and not forgotten, with their numbers.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn sinks(&self) -> Result<Vec<(SinkId, u32)>, StoreError> {
        self.read(reader::sinks).await
    }

    /// Drops all that waits for a sink that is not configured any more, and its dead letters. Should the name come back, it is a new sink.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn forget(&self, sink: SinkId, number: u32) -> Result<(), StoreError> {
        let _past = self.shared.past.lock().await;
        self.errand(Errand::Forget(sink, number)).await?;
        self.sweep().await
    }

    /// Removes what is left of sinks that were forgotten.
    pub(super) async fn sweep(&self) -> Result<(), StoreError> {
        let named: HashSet<_> = self.sinks().await?.into_iter().map(|(_, number)| number).collect();
        let last = self.read(reader::last_sink).await?;
        for number in (1..=last).filter(|number| !named.contains(number)) {
            while self.errand(Errand::Sweep(number)).await? > 0 {}
        }
        Ok(())
    }

    /// Has a sink wait, or go on; remembered across restarts.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn pause_sink(&self, sink: u32, paused: bool) -> Result<(), StoreError> {
        self.errand(Errand::PauseSink(sink, paused)).await.map(drop)
    }

    /// Has a feed wait, or go on; remembered across restarts.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn pause_feed(&self, feed: u32, paused: bool) -> Result<(), StoreError> {
        self.errand(Errand::PauseFeed(feed, paused)).await.map(drop)
    }

    /// The feeds that are paused.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn paused_feeds(&self) -> Result<HashSet<u32>, StoreError> {
        self.read(reader::paused_feeds).await
    }

    /// Whether a sink is paused, and since when operators have been told that nothing reaches it.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn sink_state(&self, sink: u32) -> Result<(bool, Option<Timestamp>), StoreError> {
        self.sink_row(sink).await.map(|row| (row.paused, row.disabled))
    }

    async fn sink_row(&self, sink: u32) -> Result<SinkRow, StoreError> {
        self.read(move |engine| reader::sink_row(engine, sink)).await
    }

    /// Writes what happened to a sink as an event for others, and since when it is disabled, as one.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn announce(
        &self,
        sink: u32,
        disabled: Option<Timestamp>,
        scene: &Scene,
        event: (Happening, Vec<Destination>),
    ) -> Result<(), StoreError> {
        let events = vec![event];
        let packs = Prepared::new(0, scene, &events);
        self.errand(Errand::Announce(Box::new(Announcement { sink, disabled, events, packs, now: scene.time }))).await.map(drop)
    }

    async fn errand(&self, errand: Errand) -> Result<u64, StoreError> {
        self.commit(|answer| writer::Job::Errand(errand, answer)).await
    }
}
