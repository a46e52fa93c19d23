//! The one place where the time of day is read.

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

/// Sleeps until `at`, or a few seconds if that is far: whoever waits looks at the clock again. May be cancelled anywhere.
pub async fn wait_until(at: Timestamp) {
    tokio::time::sleep(at.since(now()).min(LONGEST_WAIT)).await;
}
