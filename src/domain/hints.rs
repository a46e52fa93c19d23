//! What a publisher says about when to poll, and where else the feed is. Hints, not orders: none is trusted further than the limits of the
//! configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The longest `ttl` that is obeyed.
const LONGEST_TTL: Duration = Duration::from_secs(86_400);

const HOUR: i64 = 3_600_000;
const ALL_HOURS: u32 = (1 << 24) - 1;
const ALL_DAYS: u8 = (1 << 7) - 1;

/// What a document says about its own polling. Every URL is absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// RSS 2.0 `ttl`: so many minutes may pass before the next poll; never 0.
    pub ttl: Option<u32>,
    /// RSS `skipHours`: bit 0 to 23 for the hours, in UTC, in which nothing new is to be expected.
    pub skip_hours: u32,
    /// RSS `skipDays`: bit 0 for Monday to 6 for Sunday, in UTC.
    pub skip_days: u8,
    /// `sy:updatePeriod` divided by `sy:updateFrequency` (RSS 1.0 module Syndication); never zero.
    pub update_every: Option<Duration>,
    /// WebSub hubs (`link rel=hub`, JSON Feed `hubs`), in document order, without repeats.
    pub hubs: Vec<String>,
    /// Where the feed says it is (`link rel=self`, JSON Feed `feed_url`): the topic of WebSub.
    pub self_url: Option<String>,
    /// The next page (RFC 5005 §3 `link rel=next`, JSON Feed `next_url`).
    pub next_url: Option<String>,
    /// The archive before this document (RFC 5005 §4 `link rel=prev-archive`).
    pub prev_archive: Option<String>,
    /// RFC 5005 §2 `fh:complete`: what the document lacks does not exist.
    pub complete: bool,
    /// JSON Feed `expired`: there will never be anything new.
    pub expired: bool,
    /// Where the feed has moved to (`itunes:new-feed-url`).
    pub new_feed_url: Option<String>,
}

/// What of the hints counts from poll to poll, a 304 included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    ttl: u32,
    skip_hours: u32,
    skip_days: u8,
    /// There will never be anything new.
    pub expired: bool,
}

impl From<&Hints> for Standing {
    fn from(hints: &Hints) -> Self {
        // Who lists every hour or every day does not mean it.
        let skip_hours = Some(hints.skip_hours & ALL_HOURS).filter(|hours| *hours != ALL_HOURS).unwrap_or(0);
        let skip_days = Some(hints.skip_days & ALL_DAYS).filter(|days| *days != ALL_DAYS).unwrap_or(0);
        Self { ttl: hints.ttl.unwrap_or(0), skip_hours, skip_days, expired: hints.expired }
    }
}

impl Standing {
    /// How long the publisher asks for between two polls; a day at most.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.ttl) * 60).min(LONGEST_TTL)
    }

    /// The first instant from `at` on that is in no hour or day to be skipped. It is `at` itself, or the beginning of an hour.
    #[must_use]
    pub fn allowed(&self, at: Timestamp) -> Timestamp {
        let hour = at.0.div_euclid(HOUR);
        // A whole week: whatever is listed, one of its hours is allowed.
        let first = (hour..=hour + 7 * 24).find(|hour| !self.skips(*hour));
        first.map_or(at, |hour| at.max(Timestamp(hour.saturating_mul(HOUR))))
    }

    /// Whether an hour, counted from the epoch, is to be skipped. The epoch was a Thursday.
    fn skips(&self, hour: i64) -> bool {
        let bit = |n: i64, length: i64| 1u32 << n.rem_euclid(length);
        self.skip_hours & bit(hour, 24) != 0 || u32::from(self.skip_days) & bit(hour.div_euclid(24) + 3, 7) != 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p27_the_first_hour_that_is_not_skipped() {
        let standing = |skip_hours, skip_days| Standing::from(&Hints { skip_hours, skip_days, ..Hints::default() });
        let wednesday = Timestamp(1_732_725_900_000); // 2024-11-27T16:45:00Z
        let shown = |s: Standing| s.allowed(wednesday).to_string();
        assert_eq!(shown(standing(0, 0)), "2024-11-27T16:45:00.000Z");
        assert_eq!(shown(standing(1 << 16 | 1 << 17, 0)), "2024-11-27T18:00:00.000Z");
        assert_eq!(shown(standing(0, 1 << 2)), "2024-11-28T00:00:00.000Z");
        assert_eq!(shown(standing(1, 0b000_1100)), "2024-11-29T01:00:00.000Z", "Wednesday, Thursday, and midnight");
        assert_eq!(shown(standing(ALL_HOURS, ALL_DAYS)), "2024-11-27T16:45:00.000Z", "who lists all means none");
    }

    proptest! {
        #[test]
        fn allowed_is_never_earlier_and_within_a_week(at in 0i64..1 << 42, skip_hours: u32, skip_days: u8) {
            let standing = Standing::from(&Hints { skip_hours, skip_days, ..Hints::default() });
            let next = standing.allowed(Timestamp(at));
            prop_assert!(next >= Timestamp(at) && next.0 - at < 7 * 24 * HOUR && !standing.skips(next.0.div_euclid(HOUR)));
            prop_assert_eq!(standing.allowed(next), next);
        }
    }
}
