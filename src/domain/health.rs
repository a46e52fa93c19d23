//! What operators are told of how a feed fares: once when it begins, once when it ends.

use std::time::Duration;

use super::event::{EventKind, HealthReport};
use super::failure::PollError;
use super::feed::{FeedState, Gone};
use super::time::Timestamp;

/// So many failures in a row are told: the waits between them have grown to hours by then.
const TOLD_AFTER: u32 = 5;

/// And so many challenges for people: a challenge rarely goes away by itself, and half a day has passed by then.
const TOLD_AFTER_CHALLENGES: u32 = 2;

/// Nothing new is told when so many posts were to be expected meanwhile, and never before three days are over.
const MISSED_POSTS: f64 = 15.0;
const SHORTEST_SILENCE: Duration = Duration::from_secs(3 * 86_400);

/// 410 is believed when it is said again this much later (RFC 9110 §15.5.11: "likely to be permanent").
const CONFIRMED_AFTER: Duration = Duration::from_secs(86_400);

/// What a failure means for a feed that may be gone.
pub(super) fn gone(before: Option<Gone>, error: &PollError, now: Timestamp) -> Option<Gone> {
    match (error, before) {
        (PollError::Refused { status: 410, .. }, None) => Some(Gone { since: now, confirmed: false }),
        (PollError::Refused { status: 410, .. }, Some(gone)) => {
            Some(Gone { confirmed: gone.confirmed || now.since(gone.since) >= CONFIRMED_AFTER, ..gone })
        }
        // An error of another kind says nothing about it.
        (_, gone) => gone,
    }
}

/// When a feed that may be gone is asked again: a day later, and when that was confirmed no sooner than after any failure.
pub(super) fn asked_again(gone: Option<Gone>, next: Timestamp) -> Timestamp {
    match gone {
        Some(Gone { since, confirmed: false }) => since.after(CONFIRMED_AFTER).max(next),
        _ => next,
    }
}

/// Whether a feed that answers has had nothing new for so long that by its usual rate there should have been many posts.
pub(super) fn is_silent(state: &FeedState, now: Timestamp) -> bool {
    let silence = state.last_new.map_or(Duration::ZERO, |last| now.since(last));
    silence >= SHORTEST_SILENCE && f64::from(state.usual) * silence.as_secs_f64() >= MISSED_POSTS
}

/// What is to be told after a poll that ended with `error` or without one; remembers that it was.
pub(super) fn tell(
    before: &FeedState,
    after: &mut FeedState,
    error: Option<&PollError>,
    now: Timestamp,
) -> Option<(EventKind, HealthReport)> {
    let confirmed = |state: &FeedState| state.gone.is_some_and(|gone| gone.confirmed);
    let enough = if matches!(error, Some(PollError::Blocked { .. })) { TOLD_AFTER_CHALLENGES } else { TOLD_AFTER };
    let kind = match error {
        Some(_) if confirmed(after) && !confirmed(before) => EventKind::Gone,
        Some(_) if after.failures >= enough && !before.told => EventKind::Failing,
        None if before.told => EventKind::Recovered,
        None if after.stale && !before.stale => EventKind::Stale,
        _ => return None,
    };
    after.told = error.is_some();
    let text = |at: Option<Timestamp>| at.filter(|at| *at <= now).map(|at| at.to_string());
    let report = HealthReport {
        failures: after.failures.max(if kind == EventKind::Recovered { before.failures } else { 0 }),
        last_success: text(before.last_success),
        last_new: text(after.last_new),
        class: error.map(|e| e.class().to_owned()),
        error: after.last_error.clone().or_else(|| before.last_error.clone()),
        entries: after.entries,
    };
    Some((kind, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::Outcome;
    use crate::domain::rehearsal::{Rehearsal, entry};

    #[test]
    fn operators_are_told_once_when_a_feed_fails_and_once_when_it_answers_again() {
        let mut r = Rehearsal { health: true, ..Rehearsal::default() };
        r.poll(&[entry("1", "one")]);
        let fail = |r: &mut Rehearsal| r.poll_with(|_| Outcome::Failed(PollError::Refused { status: 500, retry_after: None }));
        let told: Vec<_> = (0..12).flat_map(|_| fail(&mut r)).collect();
        assert_eq!(told, ["feed.failing 5"]);
        assert_eq!(r.poll(&[entry("1", "one")]), ["feed.recovered 12"]);
        assert!((0..4).flat_map(|_| fail(&mut r)).next().is_none() && r.poll(&[entry("1", "one")]).is_empty(), "a few are nothing");
    }

    #[test]
    fn p45_a_feed_that_is_gone_is_told_a_day_later_and_asked_on() {
        let mut r = Rehearsal { health: true, ..Rehearsal::default() };
        let gone = |r: &mut Rehearsal| r.poll_with(|_| Outcome::Failed(PollError::Refused { status: 410, retry_after: None }));
        r.poll(&[entry("1", "one")]);
        assert!(gone(&mut r).is_empty());
        assert!(r.state.next_poll >= r.now.after(CONFIRMED_AFTER), "it is confirmed a day later");
        assert!(gone(&mut r).is_empty(), "asked sooner, after a restart say, it confirms nothing");
        r.rest(CONFIRMED_AFTER);
        assert_eq!(gone(&mut r), ["feed.gone 3"]);
        assert!((0..10).flat_map(|_| gone(&mut r)).next().is_none());
        assert!(r.state.next_poll <= r.now.after(8 * CONFIRMED_AFTER), "nothing is given up for good");
        assert_eq!(r.poll(&[entry("1", "one")]), ["feed.recovered 13"]);
        assert_eq!(r.state.gone, None);
    }

    #[test]
    fn p44_a_challenge_for_people_is_told_at_the_second() {
        let mut r = Rehearsal { health: true, ..Rehearsal::default() };
        r.poll(&[entry("1", "one")]);
        let blocked = |r: &mut Rehearsal| r.poll_with(|_| Outcome::Failed(PollError::Blocked { status: 403, retry_after: None }));
        assert!(blocked(&mut r).is_empty());
        assert!(r.state.next_poll >= r.now.after(Duration::from_secs(4 * 3600)), "nobody knocks again soon");
        assert_eq!(blocked(&mut r), ["feed.failing 2"]);
        assert!(blocked(&mut r).is_empty());
        assert_eq!(r.poll(&[entry("1", "one")]), ["feed.recovered 3"]);
    }

    #[test]
    fn p52_a_move_is_told_once_and_the_feed_stays_the_same() {
        let mut r = Rehearsal { health: true, led_to: Some("https://b.ua/f"), ..Rehearsal::default() };
        assert!(r.poll(&[entry("1", "one")]).is_empty());
        assert!(r.rest(Duration::from_secs(86_400)).poll(&[entry("1", "one")]).is_empty());
        assert_eq!(
            r.rest(Duration::from_secs(86_400)).poll(&[entry("2", "two"), entry("1", "one")]),
            ["feed.moved https://b.ua/f", "entry.created two"]
        );
        assert!(r.poll(&[entry("2", "two")]).is_empty());
    }

    #[test]
    fn p54_a_redirect_to_what_is_no_feed_is_not_learned() {
        let mut r = Rehearsal { led_to: Some("https://parked.example/"), ..Rehearsal::default() };
        for _ in 0..5 {
            r.rest(Duration::from_secs(86_400)).poll_with(|_| Outcome::Failed(PollError::Malformed("HTML".into())));
        }
        assert_eq!(r.state.moved, None);
    }

    #[test]
    fn a_feed_that_falls_silent_is_told_by_what_is_usual_for_it() {
        let mut r = Rehearsal { health: true, ..Rehearsal::default() };
        let mut entries = vec![entry("0", "zero")];
        r.poll(&entries);
        for n in 1..200 {
            entries.insert(0, entry(&n.to_string(), &format!("number {n}")));
            entries.truncate(10);
            r.poll(&entries);
        }
        let told: Vec<_> = (0..5).map(|_| r.rest(Duration::from_secs(86_400)).poll(&entries)).collect();
        assert_eq!(told, [vec![], vec![], vec!["feed.stale 0".to_owned()], vec![], vec![]]);
        entries.insert(0, entry("new", "new"));
        assert_eq!(r.poll(&entries), ["entry.created new"]);
        assert!(!r.state.stale);
        let mut blog = Rehearsal { health: true, ..Rehearsal::default() };
        blog.poll(&entries[..1]);
        assert!((0..14).flat_map(|_| blog.rest(Duration::from_secs(86_400)).poll(&entries[..1])).next().is_none(), "two weeks are nothing");
    }

    #[test]
    fn p74_a_document_in_which_all_is_new_is_a_gap_and_the_next_poll_comes_sooner() {
        let mut r = Rehearsal { health: true, ..Rehearsal::default() };
        r.poll(&[entry("2", "two"), entry("1", "one")]);
        assert_eq!(r.poll(&[entry("4", "four"), entry("3", "three")]), ["feed.gap 0", "entry.created three", "entry.created four"]);
        assert!(r.state.next_poll <= r.now.after(Duration::from_secs(15 * 60)), "half the time between the two");
        assert_eq!(r.poll(&[entry("5", "five"), entry("4", "four")]), ["entry.created five"]);
    }
}
