//! What the inbound half has done and how its feeds fare, for those who watch it. Lives as long as the process: a reload starts nothing over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::event::{EventKind, What};
use crate::domain::failure::PollError;
use crate::domain::feed::{Body, Condition, FeedState};
use crate::domain::plan::{Outcome, Update};
use crate::domain::time::Timestamp;
use crate::metrics::Polling;
use crate::parse;

/// What is dated longer ago says nothing about how late it was found.
const LONGEST_LAG: Duration = Duration::from_secs(14 * 86_400);

/// What the loop has done, for those who watch it.
#[derive(Debug)]
pub struct Counters {
    /// When the loop last went round, in milliseconds since the epoch.
    pub beat: AtomicU64,
    /// Polls that ended.
    pub polls: AtomicU64,
    /// Feeds that had never been polled when the loop began.
    pub unpolled: AtomicU64,
    /// Those of them that have been since.
    pub first_polls: AtomicU64,
    /// Polls under way.
    pub under_way: AtomicU64,
    /// Whether polling waits for the store.
    pub waits_for_store: AtomicBool,
    /// Whether polling waits for the network.
    pub waits_for_network: AtomicBool,
    /// What is counted and timed.
    pub meters: Polling,
    feeds: Mutex<Vec<Glance>>,
}

/// How a feed fares, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// In a word.
    pub condition: Condition,
    /// When a poll last succeeded, in seconds since the epoch; 0 for never.
    pub last_success: u32,
    /// When an entry was last new, likewise.
    pub last_new: u32,
}

impl From<&FeedState> for Glance {
    fn from(state: &FeedState) -> Self {
        let seconds = |at: Option<Timestamp>| at.map_or(0, |at| u32::try_from(at.unix_seconds()).unwrap_or(0));
        Self { condition: state.condition(), last_success: seconds(state.last_success), last_new: seconds(state.last_new) }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            beat: AtomicU64::default(),
            polls: AtomicU64::default(),
            unpolled: AtomicU64::default(),
            first_polls: AtomicU64::default(),
            under_way: AtomicU64::default(),
            waits_for_store: AtomicBool::default(),
            waits_for_network: AtomicBool::default(),
            meters: Polling::new(&parse::FAULTS),
            feeds: Mutex::default(),
        }
    }
}

impl Counters {
    /// When the loop last went round.
    #[must_use]
    pub fn beat(&self) -> Timestamp {
        Timestamp(i64::try_from(self.beat.load(Ordering::Relaxed)).unwrap_or(0))
    }

    /// How the feeds fare, by place.
    #[must_use]
    pub fn feeds(&self) -> Vec<Glance> {
        self.lock().clone()
    }

    /// Other feeds are polled from now on, by place.
    pub(super) fn begin(&self, feeds: Vec<Glance>) {
        *self.lock() = feeds;
    }

    /// Counts what a poll brought one feed.
    pub(super) fn read(&self, outcome: &Outcome) {
        self.meters.results.inc(result(outcome));
        let (Outcome::Modified { sifted, .. } | Outcome::Older(sifted)) = outcome else { return };
        let document = sifted.document();
        self.meters.entries.add(document.entries.len() as u64);
        self.meters.unreadable.add(document.entries.iter().filter(|entry| matches!(entry.body, Body::Broken(_))).count() as u64);
        document.repairs.iter().for_each(|(fault, _)| self.meters.mended.inc(fault));
    }

    /// Counts what is to be told of it, and remembers how the feed fares.
    pub(super) fn planned(&self, place: usize, update: &Update) {
        for (happening, to) in &update.events {
            let What::Entry(report) = &happening.what else { continue };
            let created = happening.kind == EventKind::Created;
            if created { &self.meters.created } else { &self.meters.updated }.inc();
            self.meters.duplicates.add(u64::from(report.duplicate_of.is_some()));
            self.meters.unwanted.add(u64::from(to.is_empty()));
            let (found, dated) = (update.scene.time, report.entry.published.map(|published| published.at));
            if let Some(dated) = dated.filter(|dated| created && !update.scene.first_poll && *dated <= found)
                && found.since(dated) <= LONGEST_LAG
            {
                self.meters.lag.observe(found.since(dated));
            }
        }
        self.note(place, &update.state);
    }

    /// Remembers how a feed fares, by its place.
    pub fn note(&self, place: usize, state: &FeedState) {
        if let Some(glance) = self.lock().get_mut(place) {
            *glance = Glance::from(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Glance>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of [`crate::metrics::POLL_RESULTS`].
fn result(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::NotModified(_) => "not_modified",
        Outcome::Unchanged(_) => "unchanged",
        Outcome::Modified { .. } => "changed",
        Outcome::Older(_) | Outcome::NothingOlder => "older_page",
        Outcome::Failed(PollError::Refused { status, .. }) => match status {
            429 => "http_429",
            400..500 => "http_4xx",
            500..600 => "http_5xx",
            _ => "http_other",
        },
        Outcome::Failed(error) => error.class(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::feed::{Decision, Flood};
    use crate::metrics::POLL_RESULTS;

    #[test]
    fn what_becomes_of_a_feed_between_two_polls_is_known_at_once() {
        let counters = Counters::default();
        let flood = Some(Flood { since: Timestamp(0), held: 2, confirmed: true, released: false });
        let mut row = FeedState { polls: 3, flood, ..FeedState::default() };
        counters.begin(vec![Glance::from(&FeedState::default()), Glance::from(&row)]);
        assert!(row.decide(Decision::Drop));
        counters.note(1, &row);
        counters.note(2, &row);
        assert_eq!(counters.feeds().iter().map(|glance| glance.condition).collect::<Vec<_>>(), [Condition::New, Condition::Ok]);
    }

    #[test]
    fn every_failure_of_a_poll_has_a_series() {
        let text = String::new;
        let refused = |status| PollError::Refused { status, retry_after: None };
        let mut errors = vec![
            PollError::Dns(text()),
            PollError::Connect(text()),
            PollError::Tls(text()),
            PollError::Timeout(Duration::ZERO),
            PollError::Lost(text()),
            PollError::Broken(text()),
            PollError::Forbidden(text()),
            PollError::Redirect(text()),
            PollError::Blocked { status: 403, retry_after: None },
            PollError::Undecodable(text()),
            PollError::TooLarge(1),
            PollError::Malformed(text()),
        ];
        errors.extend([404, 410, 429, 500, 599, 201, 304, 999].map(refused));
        for error in errors {
            let name = result(&Outcome::Failed(error.clone()));
            assert!(POLL_RESULTS.contains(&name), "{error:?} is counted as {name:?}");
        }
    }
}
