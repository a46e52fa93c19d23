//! What must survive: feeds, seen entries, events, deliveries. An embedded sled database behind one writer thread and one reader thread.
//!
//! - One commit is one transaction over everything that a poll changes, and it is on the disk before it is acknowledged. Commits that
//!   arrive while another is being synced are written together.
//! - After any error the database handle is dead: it is dropped, opened again, and what was not acknowledged is applied once more.
//! - Signatures name domain types only, so that another engine can stand behind them.

mod again;
mod attempts;
mod cache;
mod compact;
mod daily;
mod engine;
mod entries;
mod errand;
mod error;
mod export;
mod generation;
mod glance;
mod group;
mod guard;
mod history;
mod inspect;
mod key;
mod lanes;
mod load;
mod log;
mod meters;
mod outbox;
mod pack;
mod reader;
mod rebuild;
mod restore;
mod row;
mod snapshot;
mod threads;
mod writer;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, warn};

use crate::domain::delivery::{Batch, Delivery, Lane, Settlement, SinkId};
use crate::domain::feed::{Decision, FeedId, FeedState};
use crate::domain::identity::Alias;
use crate::domain::memory::{Cold, Memory};
use crate::domain::plan::Update;
use crate::domain::story::{self, Stories};
use crate::domain::time::Timestamp;
use crate::metrics::Storing;
use attempts::Attempts;
pub use compact::Compacted;
use compact::Copying;
use engine::Engine;
pub use error::StoreError;
pub use glance::{DAYS, Posts};
pub use inspect::{Stats, check, stats};
use lanes::Lanes;
pub use log::{Most, Share, Sought};
pub use outbox::Since;
use pack::Prepared;
pub use rebuild::{Rebuilt, rebuild};
pub use restore::{Restored, restore};
pub use snapshot::{BackedUp, backup};
pub use threads::Closing;

/// Commits that may wait for the writer.
const WAITING_COMMITS: usize = 1024;

/// Reads that may wait for the reader.
const WAITING_READS: usize = 1024;

/// Backups and the like that may wait for the one under way.
const WAITING_COPIES: usize = 4;

/// How long a dead letter is kept.
pub const DEAD_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// What opening needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The state directory; created when it is not there.
    pub dir: PathBuf,
    /// Memory for sled's page cache, in bytes.
    pub cache: u64,
}

/// What came of recording an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// False when it was there already.
    pub applied: bool,
    /// How many events it brought.
    pub events: usize,
}

/// The store. Cheap to clone; the database is closed when the last clone and the threads are gone.
#[derive(Clone)]
pub struct Store {
    commits: mpsc::Sender<writer::Job>,
    reads: mpsc::Sender<reader::Job>,
    copies: mpsc::Sender<threads::Work>,
    shared: Arc<Shared>,
}

/// What both threads and every clone see.
struct Shared {
    dir: PathBuf,
    cache: u64,
    /// `None` while it is being opened again.
    engine: RwLock<Option<Engine>>,
    lanes: Mutex<Lanes>,
    attempts: Attempts,
    dead: Mutex<HashMap<u32, i64>>,
    /// What a backup under way has to know of commits.
    snapshot: Mutex<Option<snapshot::Snapshot>>,
    /// And a compaction.
    copying: Mutex<Option<Copying>>,
    healthy: AtomicBool,
    closed: AtomicBool,
    /// Groups that are on the disk.
    group: AtomicU64,
    /// Of the newest event that is on the disk.
    sequence: watch::Sender<u64>,
    /// Held by whoever deletes events of the past, or lets them enter lanes: what is being looked at is not deleted.
    past: tokio::sync::Mutex<()>,
    meters: Storing,
    _lock: guard::Lock,
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dead(&self) -> MutexGuard<'_, HashMap<u32, i64>> {
        self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Opens the store and starts its threads. Blocks: call it outside of the async workers.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it, [`StoreError::Damaged`] when it has lost something that was acknowledged.
    pub fn open(options: &Options) -> Result<(Self, Closing), StoreError> {
        let lock = guard::Lock::take(&options.dir)?;
        if let Err(error) = generation::tidy(&options.dir) {
            warn!(error = crate::log::chain(&error), "What a compaction has left over could not be removed.");
        }
        let engine = Engine::open(&guard::current(&options.dir)?, options.cache)?;
        let meta = load::meta(&engine, &options.dir)?;
        let shared = Arc::new(Shared {
            dir: options.dir.clone(),
            cache: options.cache,
            lanes: Mutex::new(load::lanes(&engine)?),
            attempts: Attempts::open(&options.dir)?,
            dead: Mutex::new(load::dead(&engine)?),
            snapshot: Mutex::default(),
            copying: Mutex::default(),
            engine: RwLock::new(Some(engine)),
            healthy: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            group: AtomicU64::new(meta.group),
            sequence: watch::Sender::new(meta.sequence),
            past: tokio::sync::Mutex::new(()),
            meters: Storing::default(),
            _lock: lock,
        });
        let (commits, jobs) = mpsc::channel(WAITING_COMMITS);
        let (reads, questions) = mpsc::channel(WAITING_READS);
        let (copies, orders) = mpsc::channel(WAITING_COPIES);
        let threads = vec![
            threads::spawn("store-write", writer::Writer::new(shared.clone(), meta).run(jobs))?,
            threads::spawn("store-read", reader::run(shared.clone(), questions, commits.downgrade()))?,
            threads::spawn("store-copy", threads::copies(shared.clone(), orders))?,
        ];
        Ok((Self { commits, reads, copies, shared }, Closing(threads)))
    }

    /// Numbers for names: the same name has the same number for ever.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn number(&self, feeds: Vec<FeedId>, sinks: Vec<SinkId>) -> Result<(Vec<u32>, Vec<u32>), StoreError> {
        let mut numbers = vec![];
        for feeds in feeds.chunks(group::DELETIONS) {
            numbers.extend(self.commit(|answer| writer::Job::Number(feeds.to_vec(), vec![], answer)).await?.0);
        }
        let (_, sinks) = self.commit(|answer| writer::Job::Number(vec![], sinks, answer)).await?;
        Ok((numbers, sinks))
    }

    /// The feeds that were being asked when the process before this one ended, and since when; some of them may have been recorded since.
    #[must_use]
    pub fn attempts(&self) -> HashMap<u32, Timestamp> {
        self.shared.attempts.all()
    }

    /// What is remembered of a feed; a fresh state for one that was never polled.
    ///
    /// # Errors
    /// When it cannot be read, not even after opening the database again.
    pub async fn feed_state(&self, feed: u32) -> Result<FeedState, StoreError> {
        self.read(move |engine| reader::feed_state(engine, feed)).await
    }

    /// The entries of a feed's last document, and its keys that tell nothing.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn memory(&self, feed: u32) -> Result<Memory, StoreError> {
        self.read(move |engine| reader::memory(engine, feed)).await
    }

    /// The entries that a feed is known to have had earlier under one of these names, those that left last at the end.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn cold(&self, feed: u32, names: Vec<Alias>) -> Result<Vec<Cold>, StoreError> {
        if names.is_empty() {
            return Ok(vec![]);
        }
        let wanted: HashSet<_> = names.into_iter().collect();
        self.read(move |engine| reader::cold(engine, feed, &wanted)).await
    }

    /// The articles of late.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn stories(&self) -> Result<Stories, StoreError> {
        self.read(reader::stories).await
    }

    /// Carries out what an operator says of entries that are held back; false when there are none.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn decide(&self, feed: u32, decision: Decision) -> Result<bool, StoreError> {
        self.commit(|answer| writer::Job::Decide(feed, decision, answer)).await
    }

    /// Writes down that a feed is about to be asked, so that a crash does not have it asked again at once. A few microseconds, unless the disk
    /// is in trouble, which is said elsewhere.
    pub fn attempt(&self, feed: u32, now: Timestamp) {
        if let Err(error) = self.shared.attempts.begin(feed, now) {
            debug!(%error, "An attempt could not be written down.");
        }
    }

    /// Writes all that a poll changed, as one: returns when it is on the disk. Dropping the future loses the answer, not the write.
    ///
    /// # Errors
    /// [`StoreError::Closed`]. Trouble with the disk is waited out.
    pub async fn record(&self, feed: u32, update: Update) -> Result<Recorded, StoreError> {
        let packs = Prepared::new(feed, &update.scene, &update.events);
        let recorded = self.commit(|answer| writer::Job::Record(feed, Box::new(update), packs, answer)).await?;
        self.shared.attempts.end(feed);
        Ok(recorded)
    }

    /// Takes a lane of `sink` that may be tried at `now`. It is under way until it is settled or released. One with what is sent once more
    /// is taken only when `again` allows, and when no other may be tried.
    #[must_use]
    pub fn claim(&self, sink: u32, now: Timestamp, again: bool) -> Option<Lane> {
        self.shared.lanes().claim(sink, now, again)
    }

    /// Gives a claimed lane back without a result.
    pub fn release(&self, lane: Lane, at: Timestamp) {
        self.shared.lanes().release(lane, at);
    }

    /// The consumer is back: what waits for a later attempt may be tried now.
    pub fn hasten(&self, sink: u32, now: Timestamp) {
        self.shared.lanes().hasten(sink, now);
    }

    /// When the next lane of a sink may be tried, see [`Store::claim`]; `Timestamp::MAX` when none waits.
    #[must_use]
    pub fn next_due(&self, sink: u32, again: bool) -> Timestamp {
        self.shared.lanes().next_due(sink, again)
    }

    /// How many events a sink takes at once from now on.
    pub fn set_batch(&self, sink: u32, batch: Batch) {
        self.shared.lanes().set_batch(sink, batch);
    }

    /// The head of a lane, with as many behind it as make `most`; `Err` with its number in the lane when the stored event cannot be read.
    ///
    /// # Errors
    /// See [`Store::feed_state`].
    pub async fn head(&self, lane: Lane, most: usize) -> Result<Option<Result<Delivery, u64>>, StoreError> {
        self.read(move |engine| reader::head(engine, lane, most)).await
    }

    /// Writes what became of the head of a lane, up to number `head`; returns when it is on the disk, so that after a kill nothing but the attempts under
    /// way is repeated.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn settle(&self, lane: Lane, head: u64, settlement: Settlement, now: Timestamp) -> Result<(), StoreError> {
        self.commit(|answer| writer::Job::Settle { lane, head, settlement, now, answer }).await
    }

    /// Deletes delivered events older than `retention` and dead letters older than [`DEAD_RETENTION`]. Takes a bounded piece at a time.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub async fn prune(&self, now: Timestamp, retention: Duration) -> Result<(), StoreError> {
        let _past = self.shared.past.lock().await;
        self.sweep().await?;
        let needed = self.read(reader::oldest_needed).await?;
        let bounds =
            group::Bounds { events: now.before(retention), needed, dead: now.before(DEAD_RETENTION), claims: now.before(story::WINDOW) };
        while self.commit(|answer| writer::Job::Prune(bounds, answer)).await? {}
        Ok(())
    }

    /// Whether commits are going through.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::Relaxed)
    }

    /// How many events wait for a sink, and how many were buried.
    #[must_use]
    pub fn backlog(&self, sink: u32) -> (u64, u64) {
        let dead = self.shared.dead().get(&sink).copied().unwrap_or(0);
        (self.shared.lanes().waiting(sink), u64::try_from(dead).unwrap_or(0))
    }

    /// The sequence of the newest event.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        *self.shared.sequence.borrow()
    }

    /// Bytes free on the file system of the state directory; `None` when it cannot be told.
    #[must_use]
    pub fn free_space(&self) -> Option<u64> {
        guard::free_space(&self.shared.dir)
    }

    /// Ends the threads, whoever else still holds the store: whatever is asked later is answered with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // The threads look at the mark when something wakes them; one that is gone needs no waking.
        drop(self.commits.send(writer::Job::Wake).await);
        drop(self.read(|_| Ok(())).await);
        drop(self.copy(|_| Ok(())).await);
    }

    async fn commit<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> writer::Job) -> Result<T, StoreError> {
        let (answer, result) = oneshot::channel();
        self.commits.send(job(answer)).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)
    }

    async fn read<T: Send + 'static>(&self, question: impl Fn(&Engine) -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
        let (answer, result) = oneshot::channel();
        let job = reader::job(question, answer);
        self.reads.send(job).await.map_err(|_| StoreError::Closed)?;
        result.await.map_err(|_| StoreError::Closed)?
    }
}

#[cfg(test)]
mod care_tests;
#[cfg(test)]
mod outbox_tests;
#[cfg(test)]
mod tests;
