//! The state machine of a delivery and of a sink, as tables.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::delivery::Lane;
use crate::domain::event::{Event, Happening, Scene, What};
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
    Delivery { lane: Lane { sink: 1, track: 1 }, event, more: vec![], lane_seq: 1, trials }
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

/// Half of those that are refused together, until the one that is at fault stands alone.
#[test]
fn d27_a_batch_that_is_refused_is_halved_and_one_that_failed_stays_the_same() {
    let batch = |count: usize, trials: Trials| {
        let first = delivery(trials);
        Delivery { more: vec![first.event.clone(); count - 1], ..first }
    };
    let mut sizes = vec![];
    let (mut trials, mut count) = (Trials::default(), 20);
    while count > 1 {
        match settle(&Schedule::default(), &batch(count, trials), Err(refusal()), None, NOW) {
            Settlement::Postpone(next) => trials = next,
            other => panic!("{other:?}"),
        }
        assert_eq!((trials.next_at, trials.rejected, trials.failed), (NOW, 0, 0));
        count = usize::from(trials.batch);
        sizes.push(count);
    }
    assert_eq!(sizes, [10, 5, 2, 1]);
    match settle(&Schedule::default(), &batch(7, Trials::default()), Err(trouble(None)), None, NOW) {
        Settlement::Postpone(next) => assert_eq!((next.batch, next.failed), (7, 1)),
        other => panic!("{other:?}"),
    }
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
fn operators_are_told_once_that_a_sink_is_gone_or_has_failed_for_an_hour_and_once_that_it_is_back() {
    let (schedule, mut health, id) = (Schedule::default(), Health::default(), EventId("e".into()));
    let hour = NOW.after(Duration::from_secs(3600));
    assert_eq!((health.announcement(None, NOW), health.announcement(Some(NOW), NOW)), (None, Some(EventKind::SinkRecovered)));
    assert!(health.observe(&schedule, &id, Err(trouble(None)), NOW).is_err());
    assert!(health.observe(&schedule, &id, Err(trouble(None)), NOW.after(Duration::from_secs(3599))).is_err());
    assert_eq!(health.announcement(None, NOW.after(Duration::from_secs(3599))), None);
    assert_eq!(health.announcement(None, hour), Some(EventKind::SinkDisabled));
    assert_eq!((health.announcement(Some(hour), hour), health.failing_since()), (None, Some(NOW)));
    assert_eq!(health.observe(&schedule, &id, Ok(()), hour), Ok(()));
    assert_eq!(health.announcement(Some(hour), hour), Some(EventKind::SinkRecovered));
    assert!(health.observe(&schedule, &id, Err(DeliveryError::Gone { reason: "410".into() }), hour).is_err());
    assert_eq!(health.announcement(None, hour), Some(EventKind::SinkDisabled));
}

#[test]
fn d26_whoever_has_had_too_much_gets_nothing_for_a_while_said_so_or_not() {
    let (schedule, id) = (Schedule::default(), EventId("e".into()));
    for (asked, least, most) in [(None, 4, 6), (Some(1), 4, 6), (Some(120), 120, 120), (Some(1 << 40), 86_400, 86_400)] {
        let error = DeliveryError::Throttled { reason: "429".into(), retry_after: asked.map(Duration::from_secs) };
        let mut health = Health::default();
        assert!(health.observe(&schedule, &id, Err(error.clone()), NOW).is_err());
        let pause = health.not_before().since(NOW).as_secs();
        assert!((least..=most).contains(&pause), "{asked:?}: {pause}");
        match settle(&schedule, &delivery(Trials::default()), Err(error), None, NOW) {
            Settlement::Postpone(trials) => assert_eq!((trials.next_at.since(NOW).as_secs() >= least, trials.rejected), (true, 0)),
            other => panic!("{other:?}"),
        }
    }
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
