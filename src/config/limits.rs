//! What a number, a time or a size may be, and what it is when the file does not say.

use std::time::Duration;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<T> {
    pub(super) least: T,
    pub(super) most: T,
}

impl<T: Copy + PartialOrd> Bounds<T> {
    pub(super) fn contains(&self, value: T) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

impl<T: Copy> Bounds<T> {
    /// The same for a value that may be left out.
    pub(super) const fn or(self, default: T) -> Limits<T> {
        Limits { bounds: self, default }
    }
}

/// What a value may be, and what it is when it is left out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits<T> {
    pub(super) bounds: Bounds<T>,
    pub(super) default: T,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

const fn times(unit: Duration, number: u64) -> Duration {
    Duration::from_secs(unit.as_secs().saturating_mul(number))
}

const fn between<T: Copy>(least: T, most: T) -> Bounds<T> {
    Bounds { least, most }
}

/// The longest name of a feed or sink.
pub(super) const LONGEST_NAME: usize = 64;

/// The longest interval or age that is taken as meant.
const LONGEST_TIME: Duration = times(DAY, 400);

/// Daily backups that are kept.
pub(super) const BACKUPS: Limits<u32> = between(0, 365).or(0);

// [polling]
pub(super) const MEAN_INTERVAL: Limits<Duration> = INTERVAL.or(times(MINUTE, 30));
pub(super) const MIN_INTERVAL: Limits<Duration> = INTERVAL.or(times(MINUTE, 5));
pub(super) const MAX_INTERVAL: Limits<Duration> = INTERVAL.or(DAY);
pub(super) const MAX_IN_FLIGHT: Limits<u32> = between(1, 4096).or(64);
pub(super) const PER_HOST: Limits<u32> = between(1, 64).or(1);
pub(super) const HOST_GAP: Limits<Duration> = between(Duration::ZERO, HOUR).or(SECOND);
pub(super) const TIMEOUT: Limits<Duration> = between(Duration::from_millis(100), times(MINUTE, 10)).or(times(SECOND, 30));
pub(super) const MAX_BODY: Limits<u64> = between(1 << 10, 1 << 30).or(10 << 20);
pub(super) const MAX_ENTRIES: Limits<u32> = between(1, 50_000).or(2000);

/// The interval of a feed.
pub(super) const INTERVAL: Bounds<Duration> = between(Duration::from_millis(50), LONGEST_TIME);

// rate
pub(super) const LONGEST_PER: Duration = DAY;
pub(super) const BURST: Limits<u32> = between(1, 100_000).or(1);

/// How long an event is tried; zero is for ever.
pub(super) const MAX_AGE: Limits<Duration> = between(Duration::ZERO, LONGEST_TIME).or(times(DAY, 14));

// Of webhooks, whose timeout is that of polls.
pub(super) const WEBHOOK_IN_FLIGHT: Limits<u32> = between(1, 1024).or(8);
pub(super) const BATCH: Bounds<u16> = between(2, 100);
pub(super) const BATCH_WAIT: Limits<Duration> = between(Duration::ZERO, times(MINUTE, 10)).or(times(SECOND, 5));

// Of consumers that are written lines.
pub(super) const LINES_TIMEOUT: Limits<Duration> = between(Duration::from_millis(100), DAY).or(times(SECOND, 30));
pub(super) const LINES_IN_FLIGHT: Limits<u32> = between(1, 1024).or(16);

// rotate
pub(super) const ROTATE_SIZE: u64 = 4 << 10;
pub(super) const ROTATE_EVERY: Bounds<Duration> = between(MINUTE, LONGEST_TIME);
pub(super) const ROTATE_KEEP: Bounds<u32> = between(0, 100_000);

/// How long delivered events are kept.
pub(super) const RETENTION: Limits<Duration> = between(HOUR, times(LONGEST_TIME, 10)).or(times(DAY, 30));
