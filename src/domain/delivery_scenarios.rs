//! A sink and its lanes over days, on a clock of the test.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::delivery::{Delivery, DeliveryError, Lane, Settlement, Trials};
use super::event::{Event, EventId, EventKind, Happening, Scene, What};
use super::feed::FeedId;
use super::retry::{Condition, Health, Schedule, settle};
use super::time::Timestamp;

const BEGIN: Timestamp = Timestamp(1_732_725_900_000);
const DAY: Duration = Duration::from_secs(86_400);

/// How long an attempt takes.
const TAKES: Duration = Duration::from_millis(20);

struct Track {
    waiting: VecDeque<Event>,
    trials: Trials,
}

fn event(sequence: u64, time: Timestamp) -> Event {
    let scene = Scene {
        instance: "main".into(),
        feed: FeedId(Arc::from("f")),
        url: String::new(),
        title: None,
        site_url: None,
        tags: vec![],
        fetched_at: time,
        time,
        first_poll: false,
    };
    let happening = Happening { id: EventId(format!("evt_{sequence}")), kind: EventKind::Created, what: What::Entry(Box::default()) };
    Event { sequence, scene: Arc::new(scene), happening }
}

/// As the outbound loop does it, one attempt at a time: the lane that is due first, when the sink may be tried. Returns the attempts that
/// failed, and when the last event was taken.
fn deliver(tracks: &mut [Track], back: Timestamp) -> (u32, Timestamp) {
    let (schedule, mut health, mut now, mut failed) = (Schedule::default(), Health::default(), BEGIN, 0);
    loop {
        let waiting = tracks.iter_mut().filter(|track| !track.waiting.is_empty());
        let Some(track) = waiting.min_by_key(|track| track.trials.next_at) else { return (failed, now) };
        now = now.max(track.trials.next_at).max(health.not_before()).after(TAKES);
        let event = track.waiting.front().unwrap().clone();
        let delivery = Delivery { lane: Lane { sink: 1, track: 1 }, event, more: vec![], lane_seq: 1, trials: track.trials.clone() };
        let down = || DeliveryError::Endpoint { reason: "no connection".into(), retry_after: None };
        let result = if now < back { Err(down()) } else { Ok(()) };
        let before = health.condition();
        let result = health.observe(&schedule, &delivery.event.happening.id, result, now);
        match settle(&schedule, &delivery, result, Some(14 * DAY), now) {
            Settlement::Acknowledge => {
                track.waiting.pop_front();
                track.trials = Trials::default();
            }
            Settlement::Postpone(trials) => {
                track.trials = trials;
                failed += 1;
            }
            Settlement::Bury(reason) => panic!("{reason}"),
        }
        if (before, health.condition()) == (Condition::Failing, Condition::Healthy) {
            for track in tracks.iter_mut() {
                track.trials.next_at = track.trials.next_at.min(now);
            }
        }
    }
}

#[test]
fn d5_an_outage_of_ten_days_buries_nothing_and_is_made_up_for_within_twenty_minutes() {
    let mut tracks: Vec<_> = (0..20)
        .map(|track| {
            let waiting = (0..100).map(|n| event(track * 100 + n, BEGIN.after(DAY / 100 * u32::try_from(n).unwrap()))).collect();
            Track { waiting, trials: Trials::default() }
        })
        .collect();
    let back = BEGIN.after(10 * DAY);
    let (failed, end) = deliver(&mut tracks, back);
    assert!(end.since(back) < Duration::from_secs(20 * 60), "{:?}", end.since(back));
    // About four an hour, however many lanes wait.
    assert!((700..1300).contains(&failed), "{failed} attempts");
}
