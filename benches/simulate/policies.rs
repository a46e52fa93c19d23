//! When to poll next, by the rules of others and by ours.

use std::sync::Arc;
use std::time::Duration;

use feedwire::domain::budget::{self, Ledger, Share};
use feedwire::domain::feed::{FeedId, FeedState};
use feedwire::domain::hints::Standing;
use feedwire::domain::rate::Rate;
use feedwire::domain::schedule::{self, Outlook};
use feedwire::domain::time::Timestamp;

use super::PACE;
use super::publishers::{DAY, Publisher, START};

/// Decides after each poll.
pub(super) trait Policy {
    /// `feed` was polled, and before that at `last`; these are the posts in between. When is the next?
    fn poll(&mut self, feed: usize, now: Timestamp, last: Timestamp, posts: &[Timestamp]) -> Timestamp;

    /// Half an hour has passed.
    fn rest(&mut self, _: Timestamp) {}
}

/// Every feed at the mean interval.
pub(super) struct Fixed;

impl Policy for Fixed {
    fn poll(&mut self, _: usize, now: Timestamp, _: Timestamp, _: &[Timestamp]) -> Timestamp {
        now.after(PACE.mean)
    }
}

/// Miniflux's `entry_frequency`: a week through (posts of the last week times a factor), within bounds.
pub(super) struct Proportional<'a> {
    publishers: &'a [Publisher],
    factor: f64,
}

impl<'a> Proportional<'a> {
    pub(super) fn new(publishers: &'a [Publisher], factor: f64) -> Self {
        Self { publishers, factor }
    }
}

impl Policy for Proportional<'_> {
    fn poll(&mut self, feed: usize, now: Timestamp, _: Timestamp, _: &[Timestamp]) -> Timestamp {
        let posts = &self.publishers[feed].posts;
        let week = posts.partition_point(|at| *at <= now) - posts.partition_point(|at| *at <= now.before(DAY * 7));
        let wait = Duration::try_from_secs_f64(7.0 * 86_400.0 / (week as f64 * self.factor)).unwrap_or(PACE.max);
        now.after(wait.clamp(PACE.min, PACE.max))
    }
}

/// Half the interval when something was new, else `growth` times.
pub(super) struct Halving {
    waits: Vec<Duration>,
    growth: f64,
}

impl Halving {
    pub(super) fn new(feeds: usize, growth: f64) -> Self {
        Self { waits: vec![PACE.mean; feeds], growth }
    }
}

impl Policy for Halving {
    fn poll(&mut self, feed: usize, now: Timestamp, _: Timestamp, posts: &[Timestamp]) -> Timestamp {
        let factor = if posts.is_empty() { self.growth } else { 0.5 };
        let wait = self.waits[feed].mul_f64(factor).clamp(PACE.min, PACE.max);
        self.waits[feed] = wait;
        now.after(wait)
    }
}

/// The square-root rule by one who knows the true mean rates.
pub(super) struct Known {
    pub(super) shares: Vec<Share>,
    k: f64,
}

impl Known {
    pub(super) fn new(publishers: &[Publisher]) -> Self {
        let share = |p: &Publisher| Share {
            urgency: (p.rate / 86_400.0).sqrt().max(1e-9) as f32,
            floor: PACE.min.as_secs_f32(),
            ceiling: PACE.max.as_secs_f32(),
        };
        let shares: Vec<_> = publishers.iter().map(share).collect();
        let k = budget::solve(&shares, publishers.len() as f64 / PACE.mean.as_secs_f64());
        Self { shares, k }
    }
}

impl Policy for Known {
    fn poll(&mut self, feed: usize, now: Timestamp, _: Timestamp, _: &[Timestamp]) -> Timestamp {
        now.after(Duration::from_secs_f64(self.shares[feed].wait(self.k)))
    }
}

/// Ours, which knows what it has seen.
pub(super) struct Adaptive {
    feeds: Vec<(FeedId, FeedState)>,
    ledger: Ledger,
    k: f64,
}

impl Adaptive {
    pub(super) fn new(feeds: usize) -> Self {
        let feed = |n: usize| (FeedId(Arc::from(format!("feed-{n}"))), FeedState::default());
        let ledger = Ledger::new(feeds, feeds as f64 / PACE.mean.as_secs_f64());
        let mut new = Self { feeds: (0..feeds).map(feed).collect(), ledger, k: 0.0 };
        for (n, (_, state)) in new.feeds.iter().enumerate() {
            new.ledger.set(n, schedule::share(&PACE, state), Duration::ZERO, new.k);
        }
        new.rest(START);
        new
    }
}

/// What is known of a feed without hints, whose document is never full.
pub(super) fn outlook(rate: &Rate, k: f64) -> Outlook<'_> {
    static SILENT: std::sync::LazyLock<Standing> = std::sync::LazyLock::new(Standing::default);
    Outlook { pace: &PACE, rate, standing: &SILENT, not_before: None, window: 0, cost: 1.0, k }
}

impl Policy for Adaptive {
    fn poll(&mut self, feed: usize, now: Timestamp, last: Timestamp, posts: &[Timestamp]) -> Timestamp {
        let (id, state) = &mut self.feeds[feed];
        state.rate.observe(now, last, posts);
        state.polls += 1;
        state.last_poll = Some(now);
        state.next_poll = schedule::after_success(&outlook(&state.rate, self.k), id, state.polls, now);
        self.ledger.set(feed, schedule::share(&PACE, state), state.next_poll.since(now), self.k);
        state.next_poll
    }

    fn rest(&mut self, now: Timestamp) {
        let (shares, budget) = self.ledger.close(now);
        self.k = budget::solve(&shares, budget);
    }
}
