//! Tables and properties of the plan.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::entry::Entry;
use crate::domain::event::Level;
use crate::domain::feed::Decision;
use crate::domain::feed::Fingerprint;
use crate::domain::merge::{DEBOUNCE, MOST_UPDATES};
use crate::domain::rehearsal::*;

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn the_first_successful_poll_emits_the_backlog_and_no_more() {
    let three = [entry("3", "three"), entry("2", "two"), entry("1", "one")];
    let first = |backlog| Rehearsal::new("f", backlog).poll(&three);
    assert_eq!(first(Backlog::None), Vec::<String>::new());
    assert_eq!(first(Backlog::Newest(2)), ["entry.created two", "entry.created three"]);
    assert_eq!(first(Backlog::All), ["entry.created one", "entry.created two", "entry.created three"]);
}

#[test]
fn a_failed_poll_does_not_turn_the_backlog_into_news() {
    let mut r = Rehearsal::default();
    assert!(r.poll_with(|_| Outcome::Failed(PollError::Dns("x".into()))).is_empty());
    assert!(!r.state.established && r.state.failures == 1 && r.state.next_poll > r.now);
    assert!(r.poll(&[entry("1", "one")]).is_empty());
    assert_eq!(r.poll(&[entry("2", "two"), entry("1", "one")]), ["entry.created two"]);
}

#[test]
fn an_edit_is_an_update_and_a_touch_is_nothing() {
    let mut r = Rehearsal::default();
    r.poll(&[entry("1", "one")]);
    let touched = Entry { updated: at(NOW), ..entry("1", "ONE!") };
    assert!(r.poll(&[touched]).is_empty());
    assert_eq!(r.poll(&[entry("1", "other")]), ["entry.updated other"]);
    assert!(r.poll(&[entry("1", "other")]).is_empty());
    let What::Entry(report) = &r.told.last().unwrap().0.what else { panic!() };
    assert_eq!((report.revision, report.level), (1, Some(Level::Major)));
    let corrected = Entry { content: Some(crate::domain::entry::Markup::Html("<p>othr</p>".into())), ..entry("1", "other") };
    assert_eq!(r.poll(&[corrected]), ["entry.updated other"]);
    let What::Entry(report) = &r.told.last().unwrap().0.what else { panic!() };
    assert_eq!((report.revision, report.level), (2, Some(Level::Minor)));
    assert_ne!(r.told[0].0.id, r.told[1].0.id);
}

#[test]
fn a_change_is_told_once_when_it_has_come_to_rest() {
    let mut r = Rehearsal::default();
    r.poll(&[entry("0", "zero")]);
    assert_eq!(r.poll(&[entry("1", "one"), entry("0", "zero")]).len(), 1);
    let soon = |r: &mut Rehearsal, title: &str| {
        r.now = r.now.before(29 * MINUTE);
        r.poll(&[entry("1", title), entry("0", "zero")])
    };
    assert!(soon(&mut r, "first correction").is_empty(), "a minute after it was told");
    assert_eq!((r.state.validators.clone(), r.state.body), (None, None), "the next poll must not be answered 304");
    assert!(soon(&mut r, "second correction").is_empty());
    r.rest(DEBOUNCE);
    assert_eq!(soon(&mut r, "second correction"), ["entry.updated second correction"]);
    assert!(r.state.validators.is_some() && soon(&mut r, "second correction").is_empty());
    // What is taken back before it was told has not happened.
    assert!(soon(&mut r, "third").is_empty() && soon(&mut r, "second correction").is_empty());
    r.rest(DEBOUNCE);
    assert!(soon(&mut r, "second correction").is_empty());
}

#[test]
fn an_entry_that_changes_for_ever_is_reported_so_often_and_no_more() {
    let mut r = Rehearsal::default();
    r.poll(&[entry("1", "start")]);
    let events = |r: &mut Rehearsal| -> usize { (0..100).map(|n| r.poll(&[entry("1", &format!("clock {n}"))]).len()).sum() };
    assert_eq!(events(&mut r), usize::from(MOST_UPDATES));
    r.rest(DAY);
    assert_eq!(events(&mut r), usize::from(MOST_UPDATES), "after a day's rest it is listened to again");
}

#[test]
fn p65_an_entry_that_comes_back_is_no_news() {
    let mut r = Rehearsal::default();
    r.poll(&[entry("1", "one")]);
    assert_eq!(r.poll(&[entry("2", "two")]), ["entry.created two"]);
    assert!(r.poll(&[entry("2", "two"), entry("1", "one")]).is_empty());
}

#[test]
fn one_guid_for_different_entries_loses_none() {
    let mut r = Rehearsal::default();
    let with_guid = |n: &str| Entry { id: Some("same".into()), ..entry(n, n) };
    r.poll(&[with_guid("1")]);
    assert_eq!(r.poll(&[with_guid("2"), with_guid("1")]), ["entry.created 2"]);
    assert_eq!(r.poll(&[with_guid("3"), with_guid("2")]), ["entry.created 3"]);
    assert_eq!(r.poll(&[with_guid("4")]), ["entry.created 4"]);
    assert_eq!(r.poll(&[with_guid("6"), with_guid("5")]), ["entry.created 5", "entry.created 6"]);
    assert!(r.poll(&[with_guid("6"), with_guid("5"), with_guid("4")]).is_empty());
}

#[test]
fn one_guid_and_the_same_words_at_different_links_are_different_entries() {
    let at = |link: &str| Entry { id: Some("same".into()), url: Some(format!("https://a.ua/{link}")), ..entry("x", "placeholder") };
    let mut r = Rehearsal::default();
    r.poll(&[entry("0", "zero")]);
    assert_eq!(r.poll(&[at("1"), at("2"), at("3"), at("2?utm_source=rss")]).len(), 3);
    assert!(r.poll(&[at("1"), at("2"), at("3")]).is_empty());
}

#[test]
fn the_same_entry_twice_in_a_document_is_one() {
    let mut r = Rehearsal::default();
    r.poll(&[entry("0", "zero")]);
    let again = Entry { categories: vec!["x".into()], ..entry("1", "one") };
    assert_eq!(r.poll(&[entry("1", "one"), again, entry("1", "one")]), ["entry.created one"]);
}

#[test]
fn news_that_is_always_worded_alike_is_news() {
    let alarm = |n: u32| Entry {
        title: Some("Повітряна тривога в Києві".into()),
        content: Some(crate::domain::entry::Markup::Html(format!("<p>{}</p>", "Пройдіть в укриття. ".repeat(20)))),
        published: at(NOW.after(n * 30 * MINUTE)),
        ..entry(&format!("alarm-{n}"), "")
    };
    let mut r = Rehearsal::default();
    r.poll(&[alarm(1)]);
    for n in 2..5 {
        assert_eq!(r.poll(&[alarm(n)]).len(), 1, "one at a time, so that no document shows two of them");
    }
}

#[test]
fn rising_dates_tell_the_order() {
    let dated = |n: i64| Entry { published: at(Timestamp(n * 60_000)), ..entry(&n.to_string(), &n.to_string()) };
    let emitted = |e: &[Entry]| Rehearsal::new("f", Backlog::All).poll(e);
    assert_eq!(emitted(&[dated(1), dated(2), dated(3)]), emitted(&[dated(3), dated(2), dated(1)]));
}

#[test]
fn p69_a_cut_document_leaves_no_validators_and_ages_nothing() {
    let mut r = Rehearsal::default();
    r.poll(&[entry("2", "two"), entry("1", "one")]);
    let hot = r.hot.len();
    r.poll_with(|known| modified(Document { complete: false, ..document(known, &[entry("2", "two")]) }));
    assert_eq!((r.state.validators.clone(), r.state.body, r.hot.len()), (None, None, hot));
}

#[test]
fn p05_p06_p07_p15_validators_are_kept_on_failure_merged_on_304_and_replaced_on_200() {
    let v = |etag: Option<&str>, modified: Option<&str>| Validators {
        etag: etag.map(|s| s.as_bytes().to_vec()),
        last_modified: modified.map(|s| s.as_bytes().to_vec()),
        url: "u".into(),
    };
    let mut r = Rehearsal::default();
    r.poll_with(|known| Outcome::Modified { validators: v(Some("a"), Some("b")), body: 1, sifted: Sifted::new(document(known, &[])) });
    r.poll_with(|_| Outcome::Failed(PollError::Malformed("an HTML page".into())));
    assert_eq!(r.state.validators, Some(v(Some("a"), Some("b"))));
    r.poll_with(|_| Outcome::NotModified(v(Some("c"), None)));
    assert_eq!(r.state.validators, Some(v(Some("c"), Some("b"))));
    r.poll_with(|_| Outcome::Unchanged(v(Some("d"), Some("e"))));
    assert_eq!(r.state.validators, Some(v(Some("d"), Some("e"))), "the same bytes under other names");
    r.poll_with(|_| Outcome::Unchanged(v(None, None)));
    assert_eq!(r.state.validators, None);
}

#[test]
fn p77_a_date_in_the_future_or_none_at_all_does_not_matter() {
    let mut r = Rehearsal::default();
    r.poll(&[entry("1", "one")]);
    let ahead = Entry { published: at(NOW.after(MINUTE * 1_000_000)), ..entry("2", "two") };
    assert_eq!(r.poll(&[ahead.clone(), entry("1", "one")]), ["entry.created two"]);
    assert_eq!(r.poll(&[ahead, entry("3", "three"), entry("1", "one")]), ["entry.created three"]);
}

#[test]
fn p96_a_thousand_new_entries_at_every_poll_bring_it_no_more_polls_than_the_floor_allows() {
    let mut r = Rehearsal::default();
    for round in 0..6 {
        let entries: Vec<_> = (0..1000).map(|n| entry(&format!("{round}-{n}"), &format!("{round} {n}"))).collect();
        r.poll(&entries);
        assert!(r.state.next_poll >= r.now.after(r.feed.pace.min));
    }
    assert!(r.state.rate.per_second() * 86_400.0 < 1500.0, "one poll counts for twenty posts at most");
}

/// An entry of this morning.
fn own(n: &str) -> Entry {
    Entry { published: at(NOW.before(60 * MINUTE)), ..entry(n, n) }
}

/// Entries dated a week ago, under names that nobody has seen.
fn moved(numbers: std::ops::Range<u32>) -> Vec<Entry> {
    let week = NOW.before(7 * DAY);
    let old =
        |n: u32| Entry { published: at(week.after(n * MINUTE)), ..entry(&format!("moved-{n}"), &format!("старе {n} {}", n * 7919)) };
    numbers.rev().map(old).collect()
}

#[test]
fn a_flood_is_held_confirmed_and_marked() {
    let mut r = Rehearsal::default();
    r.poll(&[own("1")]);
    let fresh = Entry { published: at(r.now.after(31 * MINUTE)), ..entry("2", "fresh") };
    let document = [vec![fresh], moved(0..10)].concat();
    assert_eq!(r.poll(&document), ["feed.flood 10/11", "entry.created fresh"]);
    assert_eq!((r.state.validators.clone(), r.state.body), (None, None), "a second poll must see the document");
    assert!(r.state.next_poll <= r.now.after(r.feed.pace.min));
    assert_eq!(r.poll(&document), Vec::<String>::new());
    assert!(r.state.flood.as_ref().is_some_and(|f| f.confirmed && f.held == 10) && r.state.validators.is_some());
    assert!(r.poll(&document).is_empty());
    assert_eq!(r.poll(&[vec![entry("3", "three")], document].concat()), ["entry.created three"]);
}

#[test]
fn a_flood_that_was_a_mistake_is_cleared() {
    let mut r = Rehearsal::default();
    let known = [own("2"), own("1")];
    r.poll(&known);
    assert_eq!(r.poll(&moved(0..10)), ["feed.flood 10/10"]);
    assert!(r.poll(&known).is_empty());
    assert_eq!(r.state.flood, None);
    assert_eq!(r.poll(&[vec![entry("3", "three")], known.to_vec()].concat()), ["entry.created three"]);
}

#[test]
fn an_operator_releases_a_flood_or_drops_it() {
    let held = || {
        let mut r = Rehearsal::default();
        r.poll(&[own("1")]);
        r.poll(&moved(0..10));
        r.poll(&moved(0..10));
        r
    };
    let mut r = held();
    assert!(r.state.decide(Decision::Release) && r.state.validators.is_none());
    let told = r.poll(&moved(0..9));
    assert_eq!((told.len(), told[0].as_str(), r.state.flood.clone()), (9, "entry.created старе 0 0", None));
    assert!(r.poll(&moved(0..10)).is_empty(), "the one that had left is known");
    let mut r = held();
    assert!(r.state.decide(Decision::Drop) && r.state.flood.is_none());
    assert!(r.poll(&moved(0..10)).is_empty() && r.hot.iter().all(|row| !row.held));
    assert!(!r.state.decide(Decision::Release), "there is nothing to release");
}

#[test]
fn what_is_no_flood() {
    let mut r = Rehearsal::default();
    r.poll(&[own("1")]);
    assert_eq!(r.poll(&moved(0..4)).len(), 4, "a few");
    let mut r = Rehearsal::default();
    r.poll(&[own("1")]);
    let undated: Vec<_> = moved(0..10).into_iter().map(|e| Entry { published: None, ..e }).collect();
    assert_eq!(r.poll(&undated).len(), 10, "without dates nobody can tell");
    let mut r = Rehearsal::default();
    r.poll(&[]);
    assert_eq!(r.poll(&moved(0..10)).len(), 10, "there was nothing before");
    let mut r = Rehearsal::default();
    r.poll(&moved(0..30));
    assert_eq!(r.poll(&[moved(50..60), moved(0..30)].concat()).len(), 10, "less than half");
    let mut r = Rehearsal::default();
    r.poll(&moved(0..10));
    assert_eq!(r.poll(&moved(50..60)).len(), 10, "dated after all that is known, if late");
    let mut r = Rehearsal::default();
    r.poll(&[own("1")]);
    let mut selection = moved(0..10);
    for (a, b) in [(0, 7), (2, 5), (3, 9)] {
        selection.swap(a, b);
    }
    assert_eq!(r.poll(&selection).len(), 10, "the dates of a selection are no order");
}

#[test]
fn an_article_of_two_feeds_is_marked_or_dropped() {
    let article = |feed: &str, query: &str| Entry { url: Some(format!("https://a.ua/article?{query}")), ..entry(feed, "one") };
    for duplicates in [Duplicates::Mark, Duplicates::Drop] {
        let (mut a, mut b) = (Rehearsal::new("a", Backlog::None), Rehearsal::new("b", Backlog::None));
        b.duplicates = duplicates;
        a.poll(&[]);
        b.poll(&[]);
        a.poll(&[article("x", "utm_source=a")]);
        b.stories = std::mem::take(&mut a.stories);
        b.poll(&[article("y", "utm_source=b")]);
        let (first, (second, to)) = (&a.told[0].0, &b.told[0]);
        let What::Entry(report) = &second.what else { panic!() };
        assert_eq!(report.duplicate_of.as_ref(), Some(&first.id));
        assert_eq!(to.len(), usize::from(duplicates == Duplicates::Mark));
    }
}

/// Posts a day, as the feed's row has them.
fn a_day(r: &Rehearsal) -> f64 {
    r.state.rate.per_second() * 86_400.0
}

#[test]
fn every_answer_is_an_observation_and_a_failure_is_none() {
    let mut r = Rehearsal::default();
    r.poll(&[own("2"), own("1")]);
    let seeded = a_day(&r);
    r.poll(&[own("2"), own("1")]);
    let unchanged = a_day(&r);
    r.rest(DAY).poll_with(|_| Outcome::NotModified(Validators::default()));
    let not_modified = a_day(&r);
    r.rest(DAY).poll_with(|_| Outcome::Unchanged(Validators::default()));
    let same_bytes = a_day(&r);
    assert!(seeded > unchanged && unchanged > not_modified && not_modified > same_bytes);
    r.rest(DAY).poll_with(|_| Outcome::Failed(PollError::Dns("x".into())));
    assert_eq!(a_day(&r), same_bytes);
    r.rest(DAY).poll(&[own("3"), own("2"), own("1")]);
    assert!(a_day(&r) < same_bytes * 1.2, "one post in the two days since the last success");
}

#[test]
fn what_may_have_rolled_off_unseen_is_not_taken_for_silence() {
    let run = |kept: bool| {
        let mut r = Rehearsal::default();
        let first = own("old");
        r.poll(std::slice::from_ref(&first));
        r.rest(DAY * 5);
        let late = |n: u32| Entry { published: at(r.now.before(n * MINUTE)), ..entry(&n.to_string(), &n.to_string()) };
        let fresh: Vec<_> = (1..5).map(late).collect();
        let document = if kept { [fresh, vec![first]].concat() } else { fresh };
        r.poll(&document);
        a_day(&r)
    };
    let (all, overtaken) = (run(true), run(false));
    assert!(overtaken > 3.0 * all, "{all} {overtaken}");
}

#[test]
fn busy_feeds_are_asked_more_often_than_quiet_ones() {
    let run = |each: u32| {
        let mut r = Rehearsal::default();
        let mut published = vec![];
        for n in 0..48 {
            published.extend((0..each).map(|i| own(&format!("{n}-{i}"))));
            r.poll(&published);
        }
        r.state.next_poll.since(r.now)
    };
    let (quiet, busy) = (run(0), run(4));
    assert!(busy < 15 * MINUTE && quiet > 120 * MINUTE, "{busy:?} {quiet:?}");
}

#[test]
fn p26_p36_what_document_and_answer_say_of_the_next_poll_holds_until_they_say_otherwise() {
    let mut r = Rehearsal::default();
    let entries: Vec<_> = (0..40).map(|n| own(&n.to_string())).collect();
    let said = |ttl| {
        move |known: &HashSet<Fingerprint>, entries: &[Entry]| {
            let mut read = document(known, entries);
            read.head.hints.ttl = ttl;
            modified(read)
        }
    };
    let wait = |r: &Rehearsal| r.state.next_poll.since(r.now);
    r.poll_with(|known| said(Some(300))(known, &entries));
    assert!(wait(&r) >= 300 * MINUTE);
    r.poll_with(|_| Outcome::NotModified(Validators::default()));
    assert!(wait(&r) >= 300 * MINUTE, "a 304 brings no document");
    r.poll_with(|known| said(None)(known, &entries));
    assert!(wait(&r) < 300 * MINUTE);
    r.not_before = Some(r.now.after(600 * MINUTE));
    r.poll_with(|_| Outcome::NotModified(Validators::default()));
    assert!(r.state.next_poll >= r.not_before.unwrap());
    r.poll_with(|_| Outcome::Failed(PollError::Dns("x".into())));
    assert!(r.state.next_poll >= r.not_before.unwrap());
    r.not_before = None;
    r.poll_with(|_| Outcome::NotModified(Validators::default()));
    assert!(wait(&r) < 300 * MINUTE);
}

proptest! {
    /// Entries come and go in any order, many at a time: each is news exactly once, unless it was there at the first poll.
    #[test]
    fn every_entry_is_news_once(documents in prop::collection::vec(prop::collection::vec(0u8..12, 0..8), 1..12)) {
        let mut r = Rehearsal::default();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (n, numbers) in documents.iter().enumerate() {
            let entries: Vec<_> = numbers.iter().map(|i| entry(&i.to_string(), &i.to_string())).collect();
            for line in r.poll(&entries) {
                prop_assert!(n > 0);
                *seen.entry(line).or_default() += 1;
            }
            prop_assert!(r.state.next_poll > r.now);
        }
        let first: HashSet<u8> = documents.first().unwrap().iter().copied().collect();
        let later: HashSet<u8> = documents.iter().skip(1).flatten().copied().filter(|i| !first.contains(i)).collect();
        prop_assert!(seen.values().all(|n| *n == 1), "{seen:?}");
        prop_assert_eq!(seen.len(), later.len());
    }
}
