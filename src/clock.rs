//! The one place where clocks are read: the time of day, and a clock that nobody sets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// No wait is longer, so that a clock that was set does not leave a loop asleep.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The present, by the system clock.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// An instant of a clock that goes forward only, at one pace, while the machine sleeps too; it counts from when the machine was started.
#[must_use]
pub fn steady() -> Timestamp {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Timestamp(time.tv_sec.saturating_mul(1000).saturating_add(time.tv_nsec / 1_000_000))
}

/// Sleeps until an instant of [`steady`], or a few seconds if that is far: the sleep of the machine is not counted by ours. May be cancelled
/// anywhere.
pub async fn wait_until_steady(at: Timestamp) {
    tokio::time::sleep(at.since(steady()).min(LONGEST_WAIT)).await;
}

/// Sleeps until `at`, or a few seconds if that is far: whoever waits looks at the clock again. May be cancelled anywhere.
pub async fn wait_until(at: Timestamp) {
    tokio::time::sleep(at.since(now()).min(LONGEST_WAIT)).await;
}
