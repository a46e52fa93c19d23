//! When to poll a feed next. Everything it needs is in the feed's own row, so a restart or a jump of the clock makes nothing early.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::feed::{FeedId, FeedState, Pace, PollError};
use super::time::Timestamp;

/// The longest wait after failures in a row, and the longest `Retry-After` that is obeyed.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(7 * 86_400);

/// What 403 and 429 without `Retry-After` cost at least: whoever says "too many" or "not you" is not asked again soon.
pub const COOL_DOWN: Duration = Duration::from_secs(4 * 3600);

/// The next adaptive interval in milliseconds: half when something was new, double when nothing was, inside [min, max].
#[must_use]
pub fn adapt(pace: &Pace, interval: u64, found_new: bool) -> u64 {
    let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let next = match (interval, found_new) {
        (0, _) => millis(pace.mean),
        (i, true) => i / 2,
        (i, false) => i.saturating_mul(2),
    };
    next.max(millis(pace.min)).min(millis(pace.max))
}

/// When to poll after a success. An adaptive feed gets up to a tenth on top, so that feeds that met once do not meet for ever.
#[must_use]
pub fn after_success(pace: &Pace, interval: u64, id: &FeedId, polls: u64, now: Timestamp) -> Timestamp {
    match pace.fixed {
        Some(fixed) => now.after(fixed),
        None => now.after(stretched(Duration::from_millis(interval), id, polls)),
    }
}

/// When to poll after the `failures`-th failure in a row: `min` · 2^failures up to seven days, never sooner than the server asked, and
/// never sooner than a fixed interval.
#[must_use]
pub fn after_failure(pace: &Pace, failures: u32, error: &PollError, id: &FeedId, polls: u64, now: Timestamp) -> Timestamp {
    let doubled = pace.min.saturating_mul(1 << failures.min(20)).min(LONGEST_BACKOFF);
    let asked = match error {
        PollError::Refused { retry_after: Some(wait), .. } => (*wait).min(LONGEST_BACKOFF),
        PollError::Refused { status: 403 | 429, .. } => COOL_DOWN.min(pace.max.max(pace.min)),
        _ => Duration::ZERO,
    };
    now.after(stretched(doubled.max(asked).max(pace.fixed.unwrap_or_default()), id, polls))
}

/// When a feed that was polled before is due, should its pace have been set anew since: sooner if the new pace is faster, never because
/// of a restart.
#[must_use]
pub fn revised(pace: &Pace, state: &FeedState) -> Timestamp {
    match state.last_poll {
        Some(last) if state.failures == 0 => state.next_poll.min(last.after(pace.fixed.unwrap_or(pace.max.saturating_mul(11) / 10))),
        _ => state.next_poll,
    }
}

/// `wait`, and up to a tenth of it more, by a hash of the feed and the poll: jitter without a random number.
fn stretched(wait: Duration, id: &FeedId, polls: u64) -> Duration {
    let share = xxh3_64_with_seed(id.0.as_bytes(), polls) % 1000;
    wait.saturating_add(wait / 10_000 * u32::try_from(share).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    const MIN: Duration = Duration::from_secs(300);
    const MAX: Duration = Duration::from_secs(86_400);

    fn pace(fixed: Option<Duration>) -> Pace {
        Pace { fixed, min: MIN, mean: Duration::from_secs(1800), max: MAX }
    }

    fn id() -> FeedId {
        FeedId(Arc::from("glavcom"))
    }

    #[test]
    fn an_adaptive_feed_starts_at_the_mean_and_stays_in_bounds() {
        let p = pace(None);
        assert_eq!(adapt(&p, 0, true), 1_800_000);
        assert_eq!(adapt(&p, 1_800_000, true), 900_000);
        assert_eq!(adapt(&p, 300_000, true), 300_000);
        assert_eq!(adapt(&p, 1_800_000, false), 3_600_000);
        assert_eq!(adapt(&p, u64::MAX, false), 86_400_000);
    }

    #[test]
    fn failures_back_off_and_hints_are_floors() {
        let now = Timestamp(0);
        let wait = |failures, error| after_failure(&pace(None), failures, &error, &id(), 1, now).since(now);
        assert!(wait(1, PollError::Dns(String::new())) >= 2 * MIN);
        assert!(wait(1, PollError::Dns(String::new())) < 3 * MIN);
        assert!(wait(60, PollError::Dns(String::new())) >= LONGEST_BACKOFF);
        let refused = |status, secs: Option<u64>| PollError::Refused { status, retry_after: secs.map(Duration::from_secs) };
        assert!(wait(1, refused(503, Some(7200))) >= Duration::from_secs(7200));
        assert!(wait(1, refused(429, None)) >= COOL_DOWN);
        assert!(wait(1, refused(503, Some(u64::MAX))) <= LONGEST_BACKOFF * 11 / 10);
        let fixed = after_failure(&pace(Some(MAX)), 1, &PollError::Dns(String::new()), &id(), 1, now).since(now);
        assert!(fixed >= MAX);
    }

    #[test]
    fn a_faster_pace_counts_at_once_and_a_restart_changes_nothing() {
        let (last, next) = (Timestamp(0), Timestamp(0).after(MAX));
        let state = FeedState { last_poll: Some(last), next_poll: next, ..FeedState::default() };
        assert_eq!(revised(&pace(None), &state), next);
        assert_eq!(revised(&pace(Some(MIN)), &state), last.after(MIN));
        assert_eq!(revised(&pace(Some(2 * MAX)), &state), next);
        let failing = FeedState { failures: 3, ..state };
        assert_eq!(revised(&pace(Some(MIN)), &failing), next);
    }

    proptest! {
        #[test]
        fn never_early_never_much_too_late(interval in 0u64..1 << 40, found in any::<bool>(), polls: u64, failures in 1u32..100) {
            let (p, now) = (pace(None), Timestamp(1_700_000_000_000));
            let interval = adapt(&p, interval, found);
            let next = after_success(&p, interval, &id(), polls, now).since(now);
            prop_assert!(next >= MIN && next <= MAX * 11 / 10);
            let next = after_failure(&p, failures, &PollError::Connect(String::new()), &id(), polls, now).since(now);
            prop_assert!(next >= 2 * MIN && next <= LONGEST_BACKOFF * 11 / 10);
        }
    }
}
