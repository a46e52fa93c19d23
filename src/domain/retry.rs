//! What becomes of an attempt, and when a sink may be tried at all.

use std::collections::BTreeSet;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::delivery::{Delivery, DeliveryError, Settlement, Trials};
use super::event::EventId;
use super::time::Timestamp;

/// How often a message is tried that the consumer itself refuses, before it is buried.
const TRIES_OF_A_REFUSED_MESSAGE: u32 = 3;

/// So many different messages refused in a row mean that the consumer is at fault, not they.
const REFUSALS_THAT_ACCUSE_THE_ENDPOINT: usize = 3;

/// So many failures in a row open the breaker.
const FAILURES_THAT_OPEN: u32 = 5;

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
        DeliveryError::Endpoint { retry_after: Some(wait), .. } => (*wait).min(LONGEST_RETRY_AFTER),
        _ => Duration::ZERO,
    };
    let failed = before.failed.saturating_add(1);
    let rejected = before.rejected.saturating_add(u32::from(refused));
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
    })
}

/// How a sink is doing: whether it may be tried, and how much at once. Kept in memory: a restart tries anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    failures: u32,
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
        self.failures = self.failures.saturating_add(1);
        match &error {
            DeliveryError::Endpoint { retry_after: Some(wait), .. } => self.pause(now.after((*wait).min(LONGEST_RETRY_AFTER))),
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
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::delivery::Lane;
    use crate::domain::event::{Event, EventKind, Happening, Scene, What};
    use crate::domain::feed::FeedId;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn delivery(trials: Trials) -> Delivery {
        let scene = Scene {
            instance: "main".into(),
            feed: FeedId(Arc::from("f")),
            url: String::new(),
            title: None,
            site_url: None,
            tags: vec![],
            fetched_at: NOW,
            time: NOW,
            first_poll: false,
        };
        let happening = Happening { id: EventId("evt_1".into()), kind: EventKind::Created, what: What::Entry(Box::default()) };
        let event = Event { sequence: 1, scene: Arc::new(scene), happening };
        Delivery { lane: Lane { sink: 1, track: 1 }, event, lane_seq: 1, trials }
    }

    fn trouble(retry_after: Option<u64>) -> DeliveryError {
        DeliveryError::Endpoint { reason: "503".into(), retry_after: retry_after.map(Duration::from_secs) }
    }

    fn refusal() -> DeliveryError {
        DeliveryError::Message { reason: "400".into() }
    }

    #[test]
    fn d31_the_schedule_is_5_15_60_120_300_600_900_give_or_take_a_fifth() {
        let (schedule, id) = (Schedule::default(), EventId("evt_1".into()));
        for (failed, seconds) in [(1, 5), (2, 15), (3, 60), (4, 120), (5, 300), (6, 600), (7, 900), (8, 900), (4000, 900)] {
            let wait = schedule.wait(failed, &id).as_millis();
            assert!((800 * seconds..=1200 * seconds).contains(&wait), "{failed}: {wait}");
        }
    }

    #[test]
    fn d28_d32_endpoint_trouble_is_never_buried_before_max_age() {
        let schedule = Schedule::default();
        let trials = Trials { failed: 1000, ..Trials::default() };
        let later = NOW.after(Duration::from_secs(13 * 86_400));
        let max = Some(Duration::from_secs(14 * 86_400));
        assert!(matches!(settle(&schedule, &delivery(trials.clone()), Err(trouble(None)), max, later), Settlement::Postpone(_)));
        let too_late = NOW.after(Duration::from_secs(14 * 86_400));
        assert!(matches!(settle(&schedule, &delivery(trials.clone()), Err(trouble(None)), max, too_late), Settlement::Bury(_)));
        assert!(matches!(settle(&schedule, &delivery(trials), Err(trouble(None)), None, too_late), Settlement::Postpone(_)));
    }

    #[test]
    fn d27_a_refused_message_is_tried_three_times() {
        let mut trials = Trials::default();
        for _ in 0..2 {
            match settle(&Schedule::default(), &delivery(trials), Err(refusal()), None, NOW) {
                Settlement::Postpone(next) => trials = next,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(settle(&Schedule::default(), &delivery(trials), Err(refusal()), None, NOW), Settlement::Bury("400".into()));
    }

    #[test]
    fn d25_retry_after_is_a_floor_with_a_ceiling() {
        let wait = |secs| match settle(&Schedule::default(), &delivery(Trials::default()), Err(trouble(Some(secs))), None, NOW) {
            Settlement::Postpone(t) => t.next_at.since(NOW).as_secs(),
            other => panic!("{other:?}"),
        };
        assert!(wait(0) >= 4);
        assert_eq!(wait(120), 120);
        assert_eq!(wait(u64::MAX / 1000), 86_400);
    }

    #[test]
    fn d27_three_different_refused_messages_in_a_row_accuse_the_endpoint() {
        let (schedule, mut health) = (Schedule::default(), Health::default());
        let mut observe = |n: u32, r| health.observe(&schedule, &EventId(n.to_string()), r, NOW);
        assert_eq!(observe(1, Err(refusal())), Err(refusal()));
        assert_eq!(observe(1, Err(refusal())), Err(refusal()));
        assert_eq!(observe(2, Err(refusal())), Err(refusal()));
        assert!(matches!(observe(3, Err(refusal())), Err(DeliveryError::Endpoint { .. })));
        assert_eq!(observe(3, Ok(())), Ok(()));
        assert_eq!(observe(4, Err(refusal())), Err(refusal()));
    }

    #[test]
    fn d30_the_breaker_opens_after_five_failures_and_a_success_closes_it() {
        let (schedule, mut health, id) = (Schedule::default(), Health::default(), EventId("e".into()));
        for _ in 0..4 {
            assert!(health.observe(&schedule, &id, Err(trouble(None)), NOW).is_err());
        }
        assert_eq!(health.not_before(), Timestamp(0));
        assert!(health.observe(&schedule, &id, Err(trouble(None)), NOW).is_err());
        assert!(health.not_before().since(NOW) >= Duration::from_secs(4));
        assert_eq!((health.width(8), health.condition()), (1, Condition::Failing));
        let widths: Vec<_> = (0..5)
            .map(|_| {
                assert!(health.observe(&schedule, &id, Ok(()), NOW).is_ok());
                health.width(8)
            })
            .collect();
        assert_eq!(widths, [2, 4, 8, 8, 8]);
        assert_eq!((health.not_before(), health.condition()), (Timestamp(0), Condition::Healthy));
    }

    #[test]
    fn d24_d26_retry_after_pauses_the_whole_sink_and_410_stops_it() {
        let (schedule, mut health, id) = (Schedule::default(), Health::default(), EventId("e".into()));
        assert!(health.observe(&schedule, &id, Err(trouble(Some(60))), NOW).is_err());
        assert_eq!(health.not_before(), NOW.after(Duration::from_secs(60)));
        let gone = DeliveryError::Gone { reason: "410".into() };
        assert_eq!(health.observe(&schedule, &id, Err(gone.clone()), NOW), Err(gone));
        assert_eq!((health.not_before(), health.condition()), (Timestamp::MAX, Condition::Gone));
    }

    #[test]
    fn d33_a_bucket_gives_its_burst_then_one_each_period() {
        let mut bucket = Bucket::new(Duration::from_secs(1), 3);
        for _ in 0..3 {
            assert!(bucket.ready_at() <= NOW);
            bucket.take(NOW);
        }
        assert_eq!(bucket.ready_at(), NOW.after(Duration::from_secs(1)));
        bucket.take(bucket.ready_at());
        assert_eq!(bucket.ready_at(), NOW.after(Duration::from_secs(2)));
    }

    proptest! {
        #[test]
        fn d33_a_bucket_never_gives_more_than_its_rate(gaps in prop::collection::vec(0u64..3000, 1..200), burst in 1u32..6) {
            let mut bucket = Bucket::new(Duration::from_secs(1), burst);
            let (mut now, mut taken) = (NOW, vec![]);
            for gap in gaps {
                now = now.after(Duration::from_millis(gap)).max(bucket.ready_at());
                bucket.take(now);
                taken.push(now);
            }
            for (i, from) in taken.iter().enumerate() {
                let within = taken.iter().skip(i).filter(|t| t.since(*from) < Duration::from_secs(1)).count();
                prop_assert!(within <= burst as usize + 1);
            }
        }
    }
}
