//! When to poll a feed next: the square-root rule. Everything it needs is in the feed's own row, so a restart or a jump of the clock makes
//! nothing early.
//!
//! A feed that posts r times a second and is asked every T seconds is T/2 late on average and costs 1/T requests. The delay of all posts
//! of all feeds is least, at a given sum of requests, when T = k/√r with one k for all (Cho and Garcia-Molina, 2003; Sia, Cho and Cho,
//! 2007), and k is what the [budget](super::budget) leaves; a poll that costs c times as much makes it k·√(c/r). As r changes through the week, the rule is read as: poll at the first t at
//! which k·√r(t) posts are to be expected since the last poll.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::budget::Share;
use super::failure::PollError;
use super::feed::{FeedId, FeedState, Pace};
use super::hints::Standing;
use super::rate::Rate;
use super::time::Timestamp;

/// The longest wait after failures in a row, and the longest `Retry-After` that is obeyed.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(7 * 86_400);

/// What 403 and 429 without `Retry-After` cost at least: whoever says "too many" or "not you" is not asked again soon.
pub const COOL_DOWN: Duration = Duration::from_secs(4 * 3600);

const HOUR: Duration = Duration::from_secs(3600);

/// No more is fetched in one second of what has come due while nobody polled, however few feeds there are.
const CATCH_UP: f64 = 64.0;

/// The cost of a poll that can never be answered 304.
const WITHOUT_VALIDATORS: f64 = 2.0;

/// What decides the wait after a success.
#[derive(Clone, Copy, Debug)]
pub struct Outlook<'a> {
    /// The bounds.
    pub pace: &'a Pace,
    /// What is known of its posts.
    pub rate: &'a Rate,
    /// What its publisher says.
    pub standing: &'a Standing,
    /// What the answer said: no sooner than this.
    pub not_before: Option<Timestamp>,
    /// How many entries the document carries; 0 for unknown.
    pub window: u32,
    /// What one poll costs, see [`cost`].
    pub cost: f64,
    /// The one number that [the budget](super::budget::solve) leaves.
    pub k: f64,
}

/// When to poll after a success. An adaptive feed gets up to a tenth on top, so that feeds that met once do not meet for ever.
#[must_use]
pub fn after_success(outlook: &Outlook<'_>, id: &FeedId, polls: u64, now: Timestamp) -> Timestamp {
    let Outlook { pace, rate, standing, not_before, window, cost, k } = *outlook;
    let earliest = earliest(pace, standing, not_before, now);
    if let Some(fixed) = pace.fixed {
        return now.after(fixed).max(earliest);
    }
    let (floor, ceiling) = bounds(pace, rate, window, earliest.since(now));
    let wait = threshold(rate, k * cost.sqrt(), now, ceiling).min(ceiling).max(floor);
    let at = now.after(stretched(wait, id, polls));
    match standing.allowed(at) {
        allowed if allowed == at => at,
        // Not all of those who may not ask at night in the first second of the morning.
        allowed => allowed.after(stretched(HOUR, id, polls).saturating_sub(HOUR)),
    }
}

/// When to poll after the `failures`-th failure in a row: `min` · 2^failures up to seven days, never sooner than the server asked, and
/// never sooner than a fixed interval.
#[must_use]
pub fn after_failure(pace: &Pace, failures: u32, error: &PollError, id: &FeedId, polls: u64, now: Timestamp) -> Timestamp {
    let doubled = pace.min.saturating_mul(1 << failures.min(20)).min(LONGEST_BACKOFF);
    let asked = match error {
        PollError::Refused { retry_after: Some(wait), .. } => (*wait).min(LONGEST_BACKOFF),
        PollError::Blocked { retry_after, .. } => retry_after.unwrap_or_default().clamp(COOL_DOWN, LONGEST_BACKOFF),
        PollError::Refused { status: 403 | 429, .. } => COOL_DOWN.min(pace.max.max(pace.min)),
        _ => Duration::ZERO,
    };
    now.after(stretched(doubled.max(asked).max(pace.fixed.unwrap_or_default()), id, polls))
}

/// When a feed that was polled before is due after a restart, should its pace have been set anew since: sooner if the new pace is faster,
/// never because of the restart, and never sooner than was asked. `attempted` is when it was about to be asked and nobody lived to write
/// down what came of it. A clock that was set back by less or more leaves it the wait that it had.
#[must_use]
pub fn revised(pace: &Pace, state: &FeedState, attempted: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let due = match state.last_poll {
        Some(last) if last > now => return now.after(state.next_poll.since(last)),
        Some(last) if state.failures == 0 => {
            let earliest = earliest(pace, &state.standing, state.not_before, last);
            let latest = match pace.fixed {
                Some(fixed) => last.after(fixed).max(earliest),
                None => {
                    let latest = last.after(earliest.since(last).max(pace.max).saturating_mul(11) / 10);
                    let allowed = state.standing.allowed(latest);
                    let spread = if allowed == latest { Duration::ZERO } else { HOUR / 10 };
                    allowed.after(spread)
                }
            };
            state.next_poll.min(latest)
        }
        _ => state.next_poll,
    };
    let lost = attempted.filter(|at| state.last_poll.is_none_or(|last| *at > last) && *at <= now);
    lost.map_or(due, |at| due.max(at.after(pace.fixed.unwrap_or(pace.min))))
}

/// What a server's wish is worth that was heard at `now`: it is obeyed for a week.
#[must_use]
pub fn heeded(not_before: Option<Timestamp>, now: Timestamp) -> Timestamp {
    not_before.unwrap_or(now).max(now).min(now.after(LONGEST_BACKOFF))
}

/// The first moment after a success at which a feed may be asked again, for what cannot wait until it is due.
#[must_use]
pub fn soonest(pace: &Pace, state: &FeedState, now: Timestamp) -> Timestamp {
    now.after(pace.fixed.unwrap_or(pace.min)).max(earliest(pace, &state.standing, state.not_before, now))
}

/// Until when the server of a feed does not want to be asked, whoever wants to; `None` when it does not mind.
#[must_use]
pub fn unwelcome_until(pace: &Pace, state: &FeedState, now: Timestamp) -> Option<Timestamp> {
    let said = state.last_poll.map(|last| earliest(pace, &state.standing, state.not_before, last));
    let rests = state.rest.as_ref().map(|rest| rest.until);
    said.max(rests).filter(|until| *until > now)
}

/// What one poll of a feed costs, beside one that can be answered 304: a server that gives nothing to ask by sends everything every time.
#[must_use]
pub fn cost(state: &FeedState) -> f64 {
    let unasked = state.body.is_some() && state.validators.is_none();
    if unasked || state.manners.is_deaf() { WITHOUT_VALIDATORS } else { 1.0 }
}

/// What a feed asks of the budget; `None` for one with a fixed interval, which has its own.
#[must_use]
pub fn share(pace: &Pace, state: &FeedState) -> Option<Share> {
    if pace.fixed.is_some() {
        return None;
    }
    let last = state.last_poll.unwrap_or_default();
    let (floor, ceiling) = if state.failures > 0 {
        let wait = state.next_poll.since(last).max(pace.min);
        (wait, wait)
    } else {
        bounds(pace, &state.rate, state.entries, earliest(pace, &state.standing, state.not_before, last).since(last))
    };
    let urgency = (state.rate.per_second() / cost(state)).sqrt() * state.rate.shape().mean_root();
    Some(Share { urgency: urgency as f32, floor: floor.as_secs_f32(), ceiling: ceiling.as_secs_f32() })
}

/// When the `nth` of the feeds that are overdue at a start is due: as many in a second as are polled in one on average, and at least
/// `CATCH_UP`.
#[must_use]
pub fn staggered(nth: usize, per_second: f64, now: Timestamp) -> Timestamp {
    now.after(Duration::from_secs((nth as f64 / per_second.max(CATCH_UP)) as u64))
}

/// Requests that may begin in one second, however much has come due while nobody polled: twice what is asked for on average.
#[must_use]
pub fn most_per_second(per_second: f64) -> f64 {
    (2.0 * per_second).max(CATCH_UP)
}

/// No sooner than this. What a document says does not slow an interval that the operator has fixed, unless it says that it has ended.
fn earliest(pace: &Pace, standing: &Standing, not_before: Option<Timestamp>, last: Timestamp) -> Timestamp {
    let ttl = if pace.fixed.is_some() { Duration::ZERO } else { standing.ttl() };
    let stated = if standing.expired { LONGEST_BACKOFF } else { ttl };
    last.after(stated).max(heeded(not_before, last))
}

/// The shortest and the longest wait: within half the time in which a document of `window` entries is filled anew none is lost.
fn bounds(pace: &Pace, rate: &Rate, window: u32, asked: Duration) -> (Duration, Duration) {
    let filled = if window == 0 { f64::MAX } else { 0.5 * f64::from(window) / rate.per_second() };
    let floor = pace.min.max(asked);
    let ceiling = Duration::try_from_secs_f64(filled).unwrap_or(Duration::MAX).min(pace.max).max(floor);
    (floor, ceiling)
}

/// The first wait after which k·√r(t) posts are to be expected, or `longest`.
fn threshold(rate: &Rate, k: f64, last: Timestamp, longest: Duration) -> Duration {
    let (mean, shape, longest) = (rate.per_second(), rate.shape(), longest.as_secs_f64());
    let (mut waited, mut expected) = (0.0, 0.0);
    while waited < longest {
        let at = last.after(Duration::from_secs_f64(waited));
        let r = mean * shape.at(at);
        let missing = (k * r.sqrt() - expected) / r;
        if missing <= 0.0 {
            break;
        }
        let rest = (HOUR.as_secs_f64() - at.0.rem_euclid(3_600_000) as f64 / 1000.0).max(1.0);
        let step = missing.min(rest);
        expected += r * step;
        waited += step;
        if missing <= rest {
            break;
        }
    }
    Duration::try_from_secs_f64(waited).unwrap_or(Duration::MAX)
}

/// `wait`, and up to a tenth of it more, by a hash of the feed and the poll: jitter without a random number.
fn stretched(wait: Duration, id: &FeedId, polls: u64) -> Duration {
    let share = xxh3_64_with_seed(id.0.as_bytes(), polls) % 1000;
    wait.saturating_add(wait / 10_000 * u32::try_from(share).unwrap_or(0))
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
