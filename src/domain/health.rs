//! What operators are told of how a feed fares: once when it begins, once when it ends.

use std::time::Duration;

use super::event::{EventKind, HealthReport};
use super::feed::{FeedState, Gone, PollError};
use super::time::Timestamp;

/// So many failures in a row are told: the waits between them have grown to hours by then.
const TOLD_AFTER: u32 = 5;

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

/// What is to be told: a change between the feed's row before a poll and after it.
pub(super) fn told(before: &FeedState, after: &FeedState) -> Option<(EventKind, HealthReport)> {
    let confirmed = |state: &FeedState| state.gone.is_some_and(|gone| gone.confirmed);
    let kind = match (before.failures, after.failures) {
        _ if confirmed(after) && !confirmed(before) => EventKind::Gone,
        (_, TOLD_AFTER) if !confirmed(after) => EventKind::Failing,
        (failures, 0) if failures >= TOLD_AFTER || confirmed(before) => EventKind::Recovered,
        _ => return None,
    };
    let failures = after.failures.max(if kind == EventKind::Recovered { before.failures } else { 0 });
    let error = after.last_error.clone().or_else(|| before.last_error.clone());
    Some((kind, HealthReport { failures, last_success: before.last_success.map(|t| t.to_string()), error, entries: after.entries }))
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

    /// P45.
    #[test]
    fn a_feed_that_is_gone_is_told_a_day_later_and_asked_on() {
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

    /// P74.
    #[test]
    fn a_document_in_which_all_is_new_is_a_gap() {
        let mut r = Rehearsal { health: true, ..Rehearsal::default() };
        r.poll(&[entry("2", "two"), entry("1", "one")]);
        assert_eq!(r.poll(&[entry("4", "four"), entry("3", "three")]), ["feed.gap 0", "entry.created three", "entry.created four"]);
        assert_eq!(r.poll(&[entry("5", "five"), entry("4", "four")]), ["entry.created five"]);
    }
}
