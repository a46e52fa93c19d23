//! What becomes of an attempt, and when a sink may be tried at all.

use std::collections::BTreeSet;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::delivery::{Delivery, DeliveryError, Settlement, Trials};
use super::event::{EventId, EventKind};
use super::time::Timestamp;

/// How often a message is tried that the consumer itself refuses, before it is buried.
const TRIES_OF_A_REFUSED_MESSAGE: u32 = 3;

/// So many different messages refused in a row mean that the consumer is at fault, not they.
const REFUSALS_THAT_ACCUSE_THE_ENDPOINT: usize = 3;

/// So many failures in a row open the breaker.
const FAILURES_THAT_OPEN: u32 = 5;

/// How long a sink fails before operators are told.
const WORTH_TELLING: Duration = Duration::from_secs(3600);

/// The longest `Retry-After` that is obeyed.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(86_400);

/// The waits between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The first waits; the last repeats for ever.
    steps: Vec<Duration>,
}

impl Default for Schedule {
    /// 5 s, 15 s, 1, 2, 5, 10, then every 15 minutes: a consumer that comes back is served within a quarter of an hour.
    fn default() -> Self {
        Self { steps: [5, 15, 60, 120, 300, 600, 900].into_iter().map(Duration::from_secs).collect() }
    }
}

impl Schedule {
    /// A schedule of one's own; `None` when it is empty.
    #[must_use]
    pub fn new(steps: Vec<Duration>) -> Option<Self> {
        (!steps.is_empty()).then_some(Self { steps })
    }

    /// The wait after the `failed`-th failure (from 1), ± 20 % by a hash of the event.
    #[must_use]
    pub fn wait(&self, failed: u32, event: &EventId) -> Duration {
        let index = usize::try_from(failed.saturating_sub(1)).unwrap_or(usize::MAX);
        let step = self.steps.get(index).or(self.steps.last()).copied().unwrap_or_default();
        let share = u32::try_from(xxh3_64_with_seed(event.0.as_bytes(), u64::from(failed)) % 401).unwrap_or(0);
        step / 1000 * (800 + share)
    }
}

/// Decides what becomes of the head of a lane. `max_age` counts from the commit of the event; `None` is for ever.
#[must_use]
pub fn settle(
    schedule: &Schedule,
    delivery: &Delivery,
    result: Result<(), DeliveryError>,
    max_age: Option<Duration>,
    now: Timestamp,
) -> Settlement {
    let Err(error) = result else { return Settlement::Acknowledge };
    let before = &delivery.trials;
    let refused = matches!(error, DeliveryError::Message { .. });
    let asked = match &error {
        DeliveryError::Endpoint { retry_after: Some(wait), .. } | DeliveryError::Throttled { retry_after: Some(wait), .. } => {
            (*wait).min(LONGEST_RETRY_AFTER)
        }
        _ => Duration::ZERO,
    };
    let failed = before.failed.saturating_add(1);
    let rejected = before.rejected.saturating_add(u32::from(refused));
    let count = u16::try_from(delivery.count()).unwrap_or(u16::MAX);
    if refused && count > 1 {
        // One of them is at fault: it is looked for by halves, and the others are delivered.
        let last_error = Some(error.to_string());
        return Settlement::Postpone(Trials { batch: count / 2, next_at: now, last_error, ..before.clone() });
    }
    if refused && rejected >= TRIES_OF_A_REFUSED_MESSAGE {
        return Settlement::Bury(error.to_string());
    }
    let next_at = now.after(schedule.wait(failed, &delivery.event.happening.id).max(asked));
    if max_age.is_some_and(|max| next_at.since(delivery.event.scene.time) > max) {
        return Settlement::Bury(format!("not delivered within {}: {error}", humantime::format_duration(max_age.unwrap_or_default())));
    }
    Settlement::Postpone(Trials {
        failed,
        rejected,
        next_at,
        first_failed_at: before.first_failed_at.or(Some(now)),
        last_error: Some(error.to_string()),
        batch: count,
    })
}

/// How a sink is doing: whether it may be tried, and how much at once. Kept in memory: a restart tries anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    failures: u32,
    /// When the first of them was.
    failing_since: Option<Timestamp>,
    refused: BTreeSet<String>,
    not_before: Timestamp,
    gone: Option<String>,
    /// Attempts at once; grows with successes, starts over with trouble. 0 stands for 1.
    width: usize,
}

/// In a word, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It takes what it gets.
    Healthy,
    /// It failed lately: one attempt at a time.
    Failing,
    /// It said that it is gone for good: nothing is sent until a restart or a reload.
    Gone,
}

impl Condition {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "ok",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }
}

impl Health {
    /// Learns from a result, and says what the result is really about: a refused message after two other refused ones is the
    /// endpoint's fault, so that a wrong setting does not empty the queue into the dead letters.
    pub fn observe(
        &mut self,
        schedule: &Schedule,
        event: &EventId,
        result: Result<(), DeliveryError>,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let error = match result {
            Ok(()) => {
                *self = Self { width: (self.width.max(1) * 2).min(1 << 16), ..Self::default() };
                return Ok(());
            }
            Err(DeliveryError::Message { reason }) => {
                self.refused.insert(event.0.clone());
                if self.refused.len() < REFUSALS_THAT_ACCUSE_THE_ENDPOINT {
                    return Err(DeliveryError::Message { reason });
                }
                DeliveryError::Endpoint { reason, retry_after: None }
            }
            Err(other) => other,
        };
        self.width = 1;
        self.failing_since = self.failing_since.or(Some(now));
        self.failures = self.failures.saturating_add(1);
        match &error {
            DeliveryError::Endpoint { retry_after: Some(wait), .. } => self.pause(now.after((*wait).min(LONGEST_RETRY_AFTER))),
            DeliveryError::Throttled { retry_after, .. } => {
                let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
                self.pause(now.after(asked.max(schedule.wait(self.failures, event))));
            }
            DeliveryError::Endpoint { .. } if self.failures >= FAILURES_THAT_OPEN => {
                self.pause(now.after(schedule.wait(self.failures - FAILURES_THAT_OPEN + 1, event)));
            }
            DeliveryError::Gone { reason } => self.gone = Some(reason.clone()),
            _ => {}
        }
        Err(error)
    }

    fn pause(&mut self, until: Timestamp) {
        self.not_before = self.not_before.max(until);
    }

    /// When the next attempt may start: `Timestamp::MAX` for a sink that is gone.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        if self.gone.is_some() { Timestamp::MAX } else { self.not_before }
    }

    /// How many attempts may be under way at once, of at most `max`.
    #[must_use]
    pub fn width(&self, max: usize) -> usize {
        self.width.clamp(1, max.max(1))
    }

    /// What operators are to be told: that nothing reaches it, when it is gone or has failed for an hour; and that it is back. `told` says
    /// since when they know.
    #[must_use]
    pub fn announcement(&self, told: Option<Timestamp>, now: Timestamp) -> Option<EventKind> {
        let lasting = self.failing_since.is_some_and(|since| now.since(since) >= WORTH_TELLING);
        match (self.condition(), told) {
            (Condition::Gone, None) => Some(EventKind::SinkDisabled),
            (Condition::Failing, None) if lasting => Some(EventKind::SinkDisabled),
            (Condition::Healthy, Some(_)) => Some(EventKind::SinkRecovered),
            _ => None,
        }
    }

    /// Since when nothing reached it.
    #[must_use]
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.failing_since
    }

    /// In a word.
    #[must_use]
    pub fn condition(&self) -> Condition {
        match (&self.gone, self.failures) {
            (Some(_), _) => Condition::Gone,
            (None, 0) => Condition::Healthy,
            (None, _) => Condition::Failing,
        }
    }
}

/// A token bucket: so many at once, then one each `per`. Kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    per: Duration,
    burst: u32,
    /// When the bucket would be full if nothing more were taken.
    full_at: Timestamp,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(per: Duration, burst: u32) -> Self {
        Self { per, burst: burst.max(1), full_at: Timestamp(0) }
    }

    /// When the next token is there.
    #[must_use]
    pub fn ready_at(&self) -> Timestamp {
        self.full_at.before(self.per.saturating_mul(self.burst - 1))
    }

    /// Takes a token.
    pub fn take(&mut self, now: Timestamp) {
        self.full_at = self.full_at.max(now).after(self.per);
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
