//! Instants. [`Timestamp`] is ours (milliseconds, UTC); [`Moment`] is the publisher's (it keeps the offset it was written with).

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An instant of ours: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The latest instant that can be written; a wait until then is a wait for a nudge.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant `wait` later; saturates.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(millis(wait)))
    }

    /// The instant `ago` earlier; saturates.
    #[must_use]
    pub fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(millis(ago)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole seconds since the Unix epoch, as in `webhook-timestamp`.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole days since the Unix epoch, for ages that need no finer grain; saturates.
    #[must_use]
    pub fn day(self) -> u16 {
        u16::try_from(self.0.div_euclid(86_400_000).max(0)).unwrap_or(u16::MAX)
    }
}

fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC with milliseconds: `2024-11-27T16:47:02.482Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(t) => f.write_str(&t.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => f.write_str("never"),
        }
    }
}

/// An instant as a publisher wrote it: the point in time, and the offset from UTC it was given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Moment {
    /// The point in time.
    pub at: Timestamp,
    /// East of UTC, in seconds.
    pub offset: i32,
}

impl From<DateTime<FixedOffset>> for Moment {
    fn from(t: DateTime<FixedOffset>) -> Self {
        Self { at: Timestamp(t.timestamp_millis()), offset: t.offset().local_minus_utc() }
    }
}

/// RFC 3339 with the publisher's offset, and a fraction only when there is one: `2024-11-27T18:45:00+02:00`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = FixedOffset::east_opt(self.offset).or_else(|| FixedOffset::east_opt(0));
        match (DateTime::<Utc>::from_timestamp_millis(self.at.0), zone) {
            (Some(t), Some(zone)) => f.write_str(&t.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            _ => f.write_str("never"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_forms() {
        let at = Timestamp(1_732_725_900_000);
        assert_eq!(at.to_string(), "2024-11-27T16:45:00.000Z");
        assert_eq!(Moment { at, offset: 7200 }.to_string(), "2024-11-27T18:45:00+02:00");
        assert_eq!(Moment { at, offset: 0 }.to_string(), "2024-11-27T16:45:00Z");
        assert_eq!(Moment { at: Timestamp(at.0 + 120), offset: 0 }.to_string(), "2024-11-27T16:45:00.120Z");
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp(0).since(Timestamp(5)), Duration::ZERO);
        assert_eq!(Timestamp(-1).day(), 0);
    }
}
