//! The inbound loop: wait, then tick. A tick reads the feed's state, asks the server, decides, and writes all that changed as one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};
use xxhash_rust::xxh3::xxh3_128;

use crate::clock;
use crate::domain::agenda::{Agenda, Limits};
use crate::domain::feed::{Body, Feed, FeedState, Known, PollError, Validators};
use crate::domain::filter::Route;
use crate::domain::memory::Memory;
use crate::domain::plan::{self, Outcome, Setting, Sifted, Update};
use crate::domain::schedule;
use crate::domain::story::Stories;
use crate::domain::time::Timestamp;
use crate::fetch::{Answer, Fetcher, Subscription};
use crate::parse;
use crate::store::{FeedRows, Store, StoreError};

pub mod pacing;

use pacing::Pacing;

/// Polling stops when less is free on the disk of the store: rather late news than lost news.
const RESERVE: u64 = 64 << 20;

/// How often a poll that may not start for want of disk is looked at again.
const SHORT_OF_DISK: Duration = Duration::from_secs(5);

/// What all polls share.
pub struct Poller {
    /// Part of every event id.
    pub instance: String,
    /// Where it is written.
    pub store: Store,
    /// What asks.
    pub fetcher: Fetcher,
    /// What is asked for.
    pub feeds: Arc<Vec<Subscription>>,
    /// The numbers of the feeds in the store, in the same order.
    pub numbers: Vec<u32>,
    /// Who wants the events.
    pub routes: Vec<Route>,
    /// Of one document.
    pub max_entries: usize,
    /// The articles of late.
    pub stories: Mutex<Stories>,
    /// Told when there is something to deliver.
    pub nudge: watch::Sender<()>,
    /// Documents parsed at once: no more than there are cores.
    pub parsing: Semaphore,
    /// How the requests are shared among the feeds.
    pub pacing: Arc<Pacing>,
    /// For the status and the watchdog.
    pub counters: Arc<Counters>,
}

/// What the loop has done, for those who watch it.
#[derive(Debug, Default)]
pub struct Counters {
    /// When the loop last went round, in milliseconds since the epoch.
    pub beat: AtomicU64,
    /// Polls that ended.
    pub polls: AtomicU64,
    /// Feeds that had never been polled when the loop began.
    pub unpolled: AtomicU64,
    /// Those of them that have been since.
    pub first_polls: AtomicU64,
}

impl Counters {
    /// When the loop last went round.
    #[must_use]
    pub fn beat(&self) -> Timestamp {
        Timestamp(i64::try_from(self.beat.load(Ordering::Relaxed)).unwrap_or(0))
    }
}

/// What a tick leaves behind.
struct Ticked {
    feed: u32,
    first: bool,
    next_poll: Timestamp,
}

impl Poller {
    /// The agenda of these feeds, as their rows say. Those that are overdue, and those that are new, come one after the other.
    #[must_use]
    pub fn agenda(&self, limits: Limits, rows: &FeedRows) -> Agenda {
        let (mut agenda, now) = (Agenda::new(limits), clock::now());
        let (mut unpolled, mut overdue) = (0, 0);
        let unknown = FeedState::default();
        for (place, (subscription, number)) in self.feeds.iter().zip(&self.numbers).enumerate() {
            let feed = &subscription.feed;
            let host = url::Url::parse(&feed.url).ok().and_then(|u| u.host_str().map(str::to_owned)).unwrap_or_default();
            let row = rows.get(number);
            unpolled += u64::from(row.is_none());
            let mut due = row.map_or(Timestamp(0), |row| schedule::revised(&feed.pace, row));
            if due <= now {
                due = schedule::staggered(overdue, self.pacing.per_second(), now);
                overdue += 1;
            }
            agenda.add(&host, due);
            self.pacing.begin(place, subscription, row.unwrap_or(&unknown));
        }
        self.pacing.solve(now);
        self.counters.unpolled.store(unpolled, Ordering::Relaxed);
        agenda
    }

    /// Polls until `stop`. Requests under way are then dropped; what has already been received is still written.
    ///
    /// # Errors
    /// Only when the store could not mend itself.
    pub async fn run(self: Arc<Self>, mut agenda: Agenda, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        let (mut ticks, mut short) = (JoinSet::new(), false);
        loop {
            self.counters.beat.store(clock::now().0.unsigned_abs(), Ordering::Relaxed);
            short = self.is_short_of_disk(short);
            if self.pacing.is_due(clock::now()) {
                let pacing = self.pacing.clone();
                // Nobody waits for it: until it is there, the old one is good enough.
                drop(tokio::task::spawn_blocking(move || pacing.solve(clock::now())));
            }
            while !short && let Some(feed) = agenda.start(clock::now()) {
                ticks.spawn(Self::tick(self.clone(), feed, stop.clone()));
            }
            let wake = if short { clock::now().after(SHORT_OF_DISK) } else { agenda.wake_at() };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(ticked) = ticks.join_next() => self.finish(&mut agenda, ticked)?,
                () = clock::wait_until(wake) => {}
            }
        }
        while let Some(ticked) = ticks.join_next().await {
            self.finish(&mut agenda, ticked)?;
        }
        Ok(())
    }

    /// Whether polling must wait for the store; said once when it begins and once when it ends.
    fn is_short_of_disk(&self, before: bool) -> bool {
        let short = !self.store.is_healthy() || self.store.free_space().is_some_and(|free| free < RESERVE);
        match (before, short) {
            (false, true) => warn!("Polling waits: the store has no room or does not work."),
            (true, false) => info!("Polling goes on."),
            _ => {}
        }
        short
    }

    fn finish(
        &self,
        agenda: &mut Agenda,
        ticked: Result<Result<Option<Ticked>, StoreError>, tokio::task::JoinError>,
    ) -> Result<(), StoreError> {
        match ticked {
            Ok(Ok(Some(ticked))) => {
                self.counters.polls.fetch_add(1, Ordering::Relaxed);
                self.counters.first_polls.fetch_add(u64::from(ticked.first), Ordering::Relaxed);
                agenda.done(ticked.feed, ticked.next_poll, clock::now());
            }
            Ok(Ok(None)) => {}
            Ok(Err(e)) => return Err(e),
            Err(e) => warn!(error = %e, "A poll panicked; this is a bug. Its feed is polled again after a restart."),
        }
        Ok(())
    }

    /// One poll. `None` when it was stopped before an answer came.
    async fn tick(self: Arc<Self>, index: u32, mut stop: watch::Receiver<bool>) -> Result<Option<Ticked>, StoreError> {
        let at = index as usize;
        let (Some(subscription), Some(number)) = (self.feeds.get(at), self.numbers.get(at).copied()) else {
            return Ok(None);
        };
        let Subscription { feed, options } = subscription;
        let before = self.store.feed_state(number).await?;
        let first = before.polls == 0;
        let answer = tokio::select! {
            answer = self.fetcher.fetch(&feed.url, before.validators.as_ref(), options) => answer,
            _ = stop.wait_for(|stop| *stop) => return Ok(None),
        };
        let mut memory = Memory::default();
        let asked = answer.as_ref().ok().and_then(Answer::not_before).map(|wait| clock::now().after(wait));
        let outcome = match answer {
            Err(e) => Outcome::Failed(e),
            Ok(Answer::NotModified { validators, .. }) => Outcome::NotModified(validators),
            Ok(Answer::Body { bytes, content_type, validators, .. }) => {
                self.read(number, &before, bytes, content_type, validators, &mut memory).await?
            }
        };
        report(feed, &before, &outcome);
        let flooded = before.flood.as_ref().map(|flood| flood.since);
        let update = self.plan(feed, before, &memory, outcome, asked);
        if let Some(flood) = update.state.flood.as_ref().filter(|flood| flooded != Some(flood.since)) {
            warn!(feed = %feed.id, held = flood.held, "Entries look new though they are old; they are held back.");
        }
        let next_poll = update.state.next_poll;
        self.pacing.note(at, subscription, &update.state);
        let recorded = self.store.record(number, update).await?;
        if recorded.events > 0 {
            info!(feed = %feed.id, events = recorded.events, "New events.");
            self.nudge.send_replace(());
        }
        Ok(Some(Ticked { feed: index, first, next_poll }))
    }

    /// Makes the plan, and remembers what it says of articles before another plan is made.
    fn plan(&self, feed: &Feed, before: FeedState, memory: &Memory, outcome: Outcome, not_before: Option<Timestamp>) -> Update {
        let mut stories = self.stories.lock().unwrap_or_else(PoisonError::into_inner);
        let (instance, routes, stories_so_far) = (&self.instance, &self.routes, &stories);
        let setting = Setting { instance, routes, stories: stories_so_far, now: clock::now(), k: self.pacing.k(), not_before };
        let update = plan::plan(feed, before, memory, outcome, setting);
        update.claims.iter().for_each(|claim| stories.remember(claim));
        update
    }

    /// Makes a document of a body, unless it is the body of last time, and fetches what is remembered of its entries.
    async fn read(
        &self,
        number: u32,
        before: &FeedState,
        bytes: Vec<u8>,
        content_type: Option<String>,
        validators: Validators,
        memory: &mut Memory,
    ) -> Result<Outcome, StoreError> {
        let body = xxh3_128(&bytes);
        if before.body == Some(body) && before.established {
            return Ok(Outcome::Unchanged(validators));
        }
        *memory = self.store.memory(number).await?;
        let known = memory.known(before.flood.as_ref().is_some_and(|flood| flood.released));
        let sifted = match self.parse(bytes, content_type, validators.url.clone(), known).await {
            Ok(sifted) => sifted,
            Err(e) => return Ok(Outcome::Failed(e)),
        };
        memory.cold = self.store.cold(number, sifted.wanted()).await?;
        Ok(Outcome::Modified { validators, body, sifted })
    }

    /// Parses off the async workers, as many at once as there are cores.
    async fn parse(&self, bytes: Vec<u8>, content_type: Option<String>, url: String, known: Known) -> Result<Sifted, PollError> {
        let _permit = self.parsing.acquire().await;
        let max_entries = self.max_entries;
        let parsed = tokio::task::spawn_blocking(move || {
            let source = parse::Source { bytes: &bytes, content_type: content_type.as_deref(), url: Some(&url), max_entries };
            parse::parse(&source, &known).map(Sifted::new).map_err(|e| PollError::Malformed(source.explain(&e)))
        });
        parsed.await.unwrap_or_else(|_| Err(PollError::Malformed("the parser panicked; this is a bug".into())))
    }
}

/// One line for a failure, when it begins and when it ends; the rest is for those who debug.
fn report(feed: &Feed, before: &FeedState, outcome: &Outcome) {
    match outcome {
        Outcome::Failed(e) => warn!(feed = %feed.id, failures = before.failures + 1, error = %e, "The poll failed."),
        _ if before.failures > 0 => info!(feed = %feed.id, after = before.failures, "The feed answers again."),
        Outcome::Modified { sifted, .. } => {
            let document = sifted.document();
            for entry in &document.entries {
                if let Body::Broken(why) = &entry.body {
                    warn!(feed = %feed.id, error = why, "An entry cannot be read; the others can.");
                }
            }
            if document.dropped > 0 {
                warn!(feed = %feed.id, dropped = document.dropped, "The document has more entries than max_entries.");
            }
            let (entries, repairs) = (document.entries.len(), &document.repairs);
            debug!(feed = %feed.id, entries, ?repairs, "The document was read.");
        }
        Outcome::NotModified(_) | Outcome::Unchanged(_) => debug!(feed = %feed.id, "Nothing changed."),
    }
}
