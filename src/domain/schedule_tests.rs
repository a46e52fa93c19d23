//! Tables of the scheduler, and its bounds as properties.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::budget;
use crate::domain::hints::Hints;
use crate::domain::throttle::Rest;

const MIN: Duration = Duration::from_secs(300);
const MAX: Duration = Duration::from_secs(86_400);
const DAY: Duration = MAX;
const NOW: Timestamp = Timestamp(1_732_725_900_000);

fn pace(fixed: Option<Duration>) -> Pace {
    Pace { fixed, min: MIN, mean: Duration::from_secs(1800), max: MAX }
}

fn id() -> FeedId {
    FeedId(Arc::from("glavcom"))
}

/// Posts at times without a pattern between two instants.
fn scattered(last: Timestamp, now: Timestamp, count: u32) -> Vec<Timestamp> {
    let day = u32::from(now.day());
    (0..count).map(|n| last.after(now.since(last) * ((day * 7919 + n * 104_729) % 997 + 1) / 1000)).collect()
}

/// A feed that has posted `a_day` times a day, for `days` days.
fn steady(a_day: u32, days: u32) -> Rate {
    let mut rate = Rate::default();
    for day in 0..days {
        let (last, now) = (NOW.after(DAY * day), NOW.after(DAY * (day + 1)));
        rate.observe(now, last, &scattered(last, now, a_day));
    }
    rate
}

fn wait(rate: &Rate, standing: &Standing, not_before: Option<Timestamp>, window: u32, k: f64) -> Duration {
    let outlook = Outlook { pace: &pace(None), rate, standing, not_before, window, cost: 1.0, k };
    after_success(&outlook, &id(), 7, NOW).since(NOW)
}

#[test]
fn four_times_the_posts_are_asked_for_twice_as_often() {
    let hints = Standing::default();
    let (slow, fast) = (steady(4, 60), steady(16, 60));
    let k = 3600.0 * slow.per_second().sqrt();
    let (slow, fast) = (wait(&slow, &hints, None, 0, k).as_secs_f64(), wait(&fast, &hints, None, 0, k).as_secs_f64());
    assert!((3500.0..4300.0).contains(&slow), "{slow}");
    assert!((1.8..2.3).contains(&(slow / fast)), "{slow} {fast}");
}

#[test]
fn a_server_that_cannot_answer_304_is_asked_less_often() {
    let full = FeedState { body: Some(1), rate: steady(4, 60), ..FeedState::default() };
    let conditional = FeedState { validators: Some(Default::default()), ..full.clone() };
    let wait = |state: &FeedState| {
        let k = 3600.0 * state.rate.per_second().sqrt();
        let (pace, cost) = (pace(None), cost(state));
        let outlook = Outlook { pace: &pace, rate: &state.rate, standing: &state.standing, not_before: None, window: 0, cost, k };
        let urgency = share(&pace, state).unwrap().urgency;
        (after_success(&outlook, &id(), 7, NOW).since(NOW).as_secs_f64(), urgency)
    };
    let ((full, less_urgent), (conditional, urgent)) = (wait(&full), wait(&conditional));
    assert!((1.2..1.6).contains(&(full / conditional)), "{full} {conditional}");
    assert!((urgent / less_urgent - 2.0f32.sqrt()).abs() < 1e-3);
}

#[test]
fn where_posts_come_in_the_morning_it_is_asked_in_the_morning() {
    let mut rate = Rate::default();
    for day in 0..60 {
        let midnight = Timestamp(1_732_665_600_000).after(DAY * day);
        let six = midnight.after(HOUR * 6);
        rate.observe(midnight.after(DAY), midnight, &[0, 10, 20, 30, 40, 50].map(|n| six.after(Duration::from_secs(60 * n))));
    }
    let wait = |hour: u32| {
        let (midnight, k) = (Timestamp(1_732_665_600_000).after(DAY * 60), 3600.0 * rate.per_second().sqrt());
        threshold(&rate, k, midnight.after(HOUR * hour), MAX).as_secs()
    };
    assert!(wait(6) < 1500 && wait(12) > 8000, "{} {}", wait(6), wait(12));
    // The night is over when the first posts are due.
    assert!(wait(0) > 2 * 3600 && wait(0) < 7 * 3600, "{}", wait(0));
}

#[test]
fn p124_a_dead_feed_drifts_to_the_longest_wait_and_a_revived_one_returns_within_days() {
    let (hints, k) = (Standing::default(), 7200.0 * (10.0f64 / 86_400.0).sqrt());
    let mut rate = steady(10, 60);
    let mut now = NOW.after(DAY * 60);
    let quiet = |rate: &mut Rate, now: &mut Timestamp, posts: u32| {
        let last = *now;
        *now = now.after(DAY);
        rate.observe(*now, last, &scattered(last, *now, posts));
    };
    assert!(wait(&rate, &hints, None, 0, k) < HOUR * 3);
    (0..150).for_each(|_| quiet(&mut rate, &mut now, 0));
    assert!(wait(&rate, &hints, None, 0, k) >= MAX);
    (0..5).for_each(|_| quiet(&mut rate, &mut now, 10));
    assert!(wait(&rate, &hints, None, 0, k) < HOUR * 12);
}

#[test]
fn p76_a_document_is_not_filled_anew_between_two_polls() {
    let (rate, hints) = (steady(20, 60), Standing::default());
    let half = 0.5 * 10.0 / rate.per_second();
    assert!(wait(&rate, &hints, None, 10, 1e9).as_secs_f64() < 1.1 * half + 1.0);
    assert!(wait(&rate, &hints, None, 0, 1e9) >= MAX);
}

#[test]
fn what_publisher_and_server_ask_is_a_floor_with_a_cap() {
    let rate = steady(20, 60);
    let of = |hints: Hints, not_before| wait(&rate, &Standing::from(&hints), not_before, 0, 0.0);
    assert!(of(Hints::default(), None) >= MIN);
    let ttl = |minutes| of(Hints { ttl: Some(minutes), ..Hints::default() }, None);
    assert!(ttl(60) >= HOUR && ttl(60) <= HOUR * 11 / 10);
    assert!(ttl(u32::MAX) >= DAY && ttl(u32::MAX) <= DAY * 11 / 10);
    assert!(of(Hints::default(), Some(NOW.after(HOUR * 5))) >= HOUR * 5);
    assert!(of(Hints::default(), Some(Timestamp::MAX)) <= LONGEST_BACKOFF * 11 / 10);
    assert!(of(Hints::default(), Some(Timestamp(0))) < HOUR, "what is over is over");
    assert!(of(Hints { expired: true, ..Hints::default() }, None) >= LONGEST_BACKOFF);
    // 16:45: the hours of the afternoon are skipped, and not all come at the first second of the evening.
    let evening = of(Hints { skip_hours: 1 << 16 | 1 << 17, ..Hints::default() }, None);
    assert!((75 * 60..=81 * 60).contains(&evening.as_secs()), "{evening:?}");
}

#[test]
fn a_fixed_interval_is_the_operators_word() {
    let hints = Standing::from(&Hints { ttl: Some(600), skip_hours: 1 << 16, ..Hints::default() });
    let of = |standing, not_before| {
        let outlook = Outlook { pace: &pace(Some(HOUR)), rate: &steady(1, 1), standing, not_before, window: 1, cost: 1.0, k: 1e9 };
        after_success(&outlook, &id(), 7, NOW).since(NOW)
    };
    assert_eq!(of(&hints, None), HOUR);
    assert_eq!(of(&hints, Some(NOW.after(HOUR * 3))), HOUR * 3);
    assert_eq!(of(&Standing::from(&Hints { expired: true, ..Hints::default() }), None), LONGEST_BACKOFF);
}

#[test]
fn p37_p38_p43_failures_back_off_and_hints_are_floors() {
    let now = Timestamp(0);
    let wait = |failures, error| after_failure(&pace(None), failures, &error, &id(), 1, now).since(now);
    assert!(wait(1, PollError::Dns(String::new())) >= 2 * MIN);
    assert!(wait(1, PollError::Dns(String::new())) < 3 * MIN);
    assert!(wait(60, PollError::Dns(String::new())) >= LONGEST_BACKOFF);
    let refused = |status, secs: Option<u64>| PollError::Refused { status, retry_after: secs.map(Duration::from_secs) };
    assert!(wait(1, refused(503, Some(7200))) >= Duration::from_secs(7200));
    assert!(wait(1, refused(429, None)) >= COOL_DOWN);
    assert!(wait(1, refused(503, Some(u64::MAX))) <= LONGEST_BACKOFF * 11 / 10);
    let fixed = after_failure(&pace(Some(MAX)), 1, &PollError::Dns(String::new()), &id(), 1, now).since(now);
    assert!(fixed >= MAX);
}

#[test]
fn p49_a_request_that_nobody_lived_to_record_counts() {
    let last = Timestamp(1_732_725_900_000);
    let asked = last.after(HOUR);
    let state = FeedState { last_poll: Some(last), next_poll: asked, ..FeedState::default() };
    assert_eq!(revised(&pace(None), &state, Some(asked), asked), asked.after(MIN));
    assert_eq!(revised(&pace(Some(HOUR)), &state, Some(asked), asked), asked.after(HOUR));
    assert_eq!(revised(&pace(None), &FeedState::default(), Some(asked), asked), asked.after(MIN), "the first of all");
    let later = FeedState { next_poll: asked.after(MAX), ..state };
    assert_eq!(revised(&pace(None), &later, Some(asked), asked), asked.after(MAX));
}

#[test]
fn p29_what_has_expired_is_asked_once_a_week() {
    let expired = Standing::from(&Hints { expired: true, ..Hints::default() });
    assert!(wait(&steady(50, 30), &expired, None, 0, 1.0) >= LONGEST_BACKOFF);
}

#[test]
fn p31_a_server_that_has_asked_for_time_is_not_asked_at_somebodys_whim() {
    let now = Timestamp(1_732_725_900_000);
    let state = FeedState { last_poll: Some(now), next_poll: now.after(MAX), ..FeedState::default() };
    assert_eq!(unwelcome_until(&pace(None), &state, now.after(MIN)), None, "our own plans do not matter");
    let fresh = FeedState { not_before: Some(now.after(HOUR)), ..state.clone() };
    assert_eq!(unwelcome_until(&pace(None), &fresh, now.after(MIN)), Some(now.after(HOUR)));
    assert_eq!(unwelcome_until(&pace(None), &fresh, now.after(HOUR)), None);
    let rest = Some(Rest { host: "a.ua".into(), until: now.after(2 * HOUR), domain: true });
    let rests = FeedState { rest, ..fresh };
    assert_eq!(unwelcome_until(&pace(None), &rests, now.after(HOUR)), Some(now.after(2 * HOUR)));
}

#[test]
fn p50_a_clock_that_was_set_back_leaves_every_wait_as_long_as_it_was() {
    let now = Timestamp(1_732_725_900_000);
    for back in [HOUR, MAX * 365] {
        let last = now.after(back);
        let state = FeedState { last_poll: Some(last), next_poll: last.after(HOUR), ..FeedState::default() };
        assert_eq!(revised(&pace(None), &state, None, now), now.after(HOUR));
    }
    let ahead = FeedState { last_poll: Some(now.before(MAX * 365)), next_poll: now.before(MAX * 364), ..FeedState::default() };
    assert!(revised(&pace(None), &ahead, None, now) <= now, "and one set forward by a year makes all due, which come one after the other");
}

#[test]
fn a_faster_pace_counts_at_once_and_a_restart_changes_nothing() {
    let (last, next) = (Timestamp(0), Timestamp(0).after(MAX));
    let state = FeedState { last_poll: Some(last), next_poll: next, ..FeedState::default() };
    assert_eq!(revised(&pace(None), &state, None, last), next);
    assert_eq!(revised(&pace(Some(MIN)), &state, None, last), last.after(MIN));
    assert_eq!(revised(&pace(Some(2 * MAX)), &state, None, last), next);
    let failing = FeedState { failures: 3, ..state.clone() };
    assert_eq!(revised(&pace(Some(MIN)), &failing, None, last), next);
    let asked = FeedState { not_before: Some(last.after(HOUR)), ..state };
    assert_eq!(revised(&pace(Some(MIN)), &asked, None, last), last.after(HOUR));
}

#[test]
fn p48_p125_a_hundred_thousand_overdue_feeds_come_no_faster_than_usual() {
    let (feeds, mut seconds) = (100_000, std::collections::HashMap::<Timestamp, u32>::new());
    let per_second = f64::from(feeds) / 1800.0;
    for nth in 0..feeds {
        *seconds.entry(staggered(usize::try_from(nth).unwrap(), per_second, NOW)).or_default() += 1;
    }
    assert!(seconds.values().all(|n| f64::from(*n) <= 2.0 * per_second));
    assert_eq!(staggered(60, 0.01, NOW), NOW, "a few are not kept waiting");
}

/// Any state a row can be in.
fn any_rate() -> impl Strategy<Value = Rate> {
    let observation = (0u64..200_000, prop::collection::vec(-100_000i64..300_000, 0..40));
    prop::collection::vec(observation, 0..30).prop_map(|observations| {
        let (mut rate, mut last) = (Rate::default(), NOW.before(DAY * 60));
        for (gap, posts) in observations {
            let now = last.after(Duration::from_secs(gap));
            rate.observe(now, last, &posts.iter().map(|s| Timestamp(last.0 + s * 1000)).collect::<Vec<_>>());
            last = now;
        }
        rate
    })
}

proptest! {
    /// polling.md 121.
    #[test]
    fn p30_p32_p121_never_early_never_much_too_late(
        rate in any_rate(), k in prop_oneof![Just(0.0), 1e-6f64..1e9, Just(1e12)], polls: u64, window in 0u32..3000,
        ttl in 0u32..3000, asked in prop::option::of(-100_000i64..1_000_000_000), skip_hours: u32, skip_days: u8, expired: bool,
    ) {
        let hints = |skips: bool| Standing::from(&Hints {
            ttl: Some(ttl), expired,
            skip_hours: if skips { skip_hours } else { 0 }, skip_days: if skips { skip_days } else { 0 },
            ..Hints::default()
        });
        let not_before = asked.map(|s| Timestamp(NOW.0 + s * 1000));
        let capped = |wait: Duration, cap: Duration| wait.min(cap);
        let ttl = capped(Duration::from_secs(u64::from(ttl) * 60), DAY);
        let asked = capped(not_before.map_or(Duration::ZERO, |at| at.since(NOW)), LONGEST_BACKOFF);
        let hint = ttl.max(asked).max(if expired { LONGEST_BACKOFF } else { Duration::ZERO });
        let next = |standing: &Standing| {
            let outlook = Outlook { pace: &pace(None), rate: &rate, standing, not_before, window, cost: 1.0, k };
            after_success(&outlook, &id(), polls, NOW)
        };
        let plain = next(&hints(false)).since(NOW);
        prop_assert!(plain >= MIN.max(hint) && plain <= MAX.max(hint) * 11 / 10, "{plain:?}");
        // Hours to be skipped only ever make it later, by less than a week.
        let skipping = hints(true);
        let moved = next(&skipping);
        prop_assert!(moved.since(NOW) >= plain && moved.since(NOW) - plain < LONGEST_BACKOFF + HOUR);
        prop_assert_eq!(skipping.allowed(moved), moved);
        let row = FeedState {
            rate: rate.clone(), standing: skipping, not_before, entries: window, last_poll: Some(NOW), next_poll: moved, ..FeedState::default()
        };
        prop_assert_eq!(revised(&pace(None), &row, None, NOW), moved, "a restart");
        let share = share(&pace(None), &row).unwrap();
        prop_assert!(share.wait(k) >= f64::from(share.floor) && share.floor >= 300.0 && share.ceiling >= share.floor);
    }

    #[test]
    fn p40_failures_never_early_never_more_than_a_week(polls: u64, failures in 1u32..100) {
        let next = after_failure(&pace(None), failures, &PollError::Connect(String::new()), &id(), polls, NOW).since(NOW);
        prop_assert!(next >= 2 * MIN && next <= LONGEST_BACKOFF * 11 / 10);
    }

    /// The requests of all are what was allowed, as far as floors and ceilings let them.
    #[test]
    fn p122_the_budget_is_spent_and_not_exceeded(rates in prop::collection::vec(any_rate(), 1..20), mean in 60u64..200_000) {
        let state = |rate: &Rate| FeedState { rate: rate.clone(), last_poll: Some(NOW), ..FeedState::default() };
        let shares: Vec<_> = rates.iter().map(|rate| share(&pace(None), &state(rate)).unwrap()).collect();
        let requests = |k: f64| shares.iter().map(|s| 1.0 / s.wait(k)).sum::<f64>();
        let budget = rates.len() as f64 / mean as f64;
        let wanted = budget.clamp(requests(1e12), requests(1e-9));
        let spent = requests(budget::solve(&shares, budget));
        prop_assert!((spent / wanted - 1.0).abs() < 0.01, "{spent} {wanted}");
    }
}
