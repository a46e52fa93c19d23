//! The one number that shares the budget among the feeds: read by every poll, solved anew as feeds and rates change.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::company::Company;
use crate::domain::budget::{self, Ledger};
use crate::domain::feed::FeedState;
use crate::domain::schedule;
use crate::domain::time::Timestamp;
use crate::fetch::Subscription;

/// It is solved at least so often.
const EVERY: Duration = Duration::from_secs(300);

/// And sooner when an eighth of the feeds has been polled since, but never more often than this: the first polls change what is known most.
const SOONEST: Duration = Duration::from_secs(10);

/// The budget, its ledger, and what came of it.
#[derive(Debug)]
pub struct Pacing {
    ledger: Mutex<Ledger>,
    feeds: usize,
    /// Requests a second that all feeds make on average, those with fixed intervals included.
    per_second: f64,
    /// The bits of `k`.
    k: AtomicU64,
    /// Polls since it was solved.
    polls: AtomicU64,
    /// When it was solved, in milliseconds since the epoch.
    solved: AtomicI64,
}

impl Pacing {
    /// The pacing of feeds that are not known yet. Those that only go along with others cost nothing.
    #[must_use]
    pub fn new(feeds: &[Subscription], company: &Company) -> Self {
        // A sum over no feeds is -0.
        let requests = |fixed: bool| -> f64 {
            let asked = feeds.iter().enumerate().filter(|(place, _)| company.leads(*place));
            let paces = asked.map(|(_, s)| s.feed.pace).filter(|pace| pace.fixed.is_some() == fixed);
            0.0 + paces.map(|pace| 1.0 / pace.fixed.unwrap_or(pace.mean).as_secs_f64().max(0.001)).sum::<f64>()
        };
        let shared = requests(false);
        Self {
            ledger: Mutex::new(Ledger::new(feeds.len(), shared)),
            feeds: feeds.len(),
            per_second: shared + requests(true),
            k: AtomicU64::new(1f64.to_bits()),
            polls: AtomicU64::new(0),
            solved: AtomicI64::new(0),
        }
    }

    /// Requests a second that all feeds make on average.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// What the budget leaves now.
    #[must_use]
    pub fn k(&self) -> f64 {
        f64::from_bits(self.k.load(Ordering::Relaxed))
    }

    /// Takes into account what the row of a feed says at the start, by its place among the feeds. By which `k` it waits, nobody knows any more.
    pub fn begin(&self, place: usize, feed: &Subscription, state: &FeedState) {
        self.set(place, feed, state, Duration::ZERO);
    }

    /// Takes into account what a poll has made of a feed.
    pub fn note(&self, place: usize, feed: &Subscription, state: &FeedState) {
        let wait = state.last_poll.map_or(Duration::ZERO, |last| state.next_poll.since(last));
        self.set(place, feed, state, wait);
        self.polls.fetch_add(1, Ordering::Relaxed);
    }

    fn set(&self, place: usize, feed: &Subscription, state: &FeedState, wait: Duration) {
        let share = schedule::share(&feed.feed.pace, state);
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).set(place, share, wait, self.k());
    }

    /// Whether it should be solved; whoever is told so has to do it, and nobody else is told at the same time.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let solved = self.solved.load(Ordering::Relaxed);
        let (past, polls) = (now.since(Timestamp(solved)), self.polls.load(Ordering::Relaxed));
        // A clock that was set back must not stop it.
        let many = polls > 0 && polls >= self.feeds as u64 / 8 && past >= SOONEST;
        let due = past >= EVERY || many || now < Timestamp(solved);
        due && self.solved.compare_exchange(solved, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Solves it: some 10 ms with 100,000 feeds, so this is no business of the async workers.
    pub fn solve(&self, now: Timestamp) {
        self.polls.store(0, Ordering::Relaxed);
        self.solved.store(now.0, Ordering::Relaxed);
        let (shares, budget) = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).close(now);
        if !shares.is_empty() {
            self.k.store(budget::solve(&shares, budget).to_bits(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::feed::{Backlog, Feed, FeedId, Pace};

    fn subscription(n: usize, fixed: Option<Duration>) -> Subscription {
        let seconds = Duration::from_secs;
        let pace = Pace { fixed, min: seconds(300), mean: seconds(1800), max: seconds(86_400) };
        let (id, url) = (FeedId(Arc::from(format!("f{n}"))), "https://a.ua/".to_owned());
        Subscription { feed: Feed { id, url, tags: Arc::from(vec![]), backlog: Backlog::None, pace }, options: Arc::default() }
    }

    #[test]
    fn feeds_of_which_nothing_is_known_are_polled_at_the_mean() {
        let feeds: Vec<_> = (0..4).map(|n| subscription(n, (n == 3).then_some(Duration::from_secs(60)))).collect();
        let (pacing, now) = (Pacing::new(&feeds, &Company::default()), Timestamp(1_732_725_900_000));
        assert!((pacing.per_second() - (3.0 / 1800.0 + 1.0 / 60.0)).abs() < 1e-9);
        feeds.iter().enumerate().for_each(|(n, feed)| pacing.begin(n, feed, &FeedState::default()));
        pacing.solve(now);
        let share = schedule::share(&feeds[0].feed.pace, &FeedState::default()).unwrap();
        assert!((share.wait(pacing.k()) - 1800.0).abs() < 1.0);
        assert!(schedule::share(&feeds[3].feed.pace, &FeedState::default()).is_none());
        assert!(!pacing.is_due(now) && !pacing.is_due(now.after(SOONEST)), "nothing has changed");
        pacing.note(0, &feeds[0], &FeedState::default());
        assert!(pacing.is_due(now.after(SOONEST)) && !pacing.is_due(now.after(SOONEST)), "one is told");
        assert!(pacing.is_due(now.after(SOONEST + EVERY)));
        assert!(pacing.is_due(now), "the clock was set back");
    }
}
