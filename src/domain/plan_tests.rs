//! Tables and properties of the plan.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::entry::Markup;
use crate::domain::feed::{FeedId, Fingerprint, Head, Pace, Scanned};
use crate::domain::filter::Filter;
use crate::domain::time::Moment;

const NOW: Timestamp = Timestamp(1_732_725_900_000);

fn feed(backlog: Backlog) -> Feed {
    let hour = Duration::from_secs(3600);
    let pace = Pace { fixed: None, min: hour / 12, mean: hour / 2, max: 24 * hour };
    Feed { id: FeedId(Arc::from("f")), url: "https://a.ua/rss".into(), tags: Arc::from(vec![]), backlog, pace }
}

fn entry(guid: &str, title: &str) -> Entry {
    Entry {
        id: Some(guid.into()),
        url: Some(format!("https://a.ua/{guid}")),
        title: Some(title.into()),
        content: Some(Markup::Html(format!("<p>{title}</p>"))),
        ..Entry::default()
    }
}

/// What `scan` and `parse` would give, with the debug form of an entry as its bytes.
fn document(memory: &Memory, entries: &[Entry]) -> Document {
    let known = memory.known();
    let scanned = entries.iter().map(|e| {
        let fingerprint = Fingerprint(xxhash_rust::xxh3::xxh3_128(format!("{e:?}").as_bytes()));
        let body = if known.contains(&fingerprint) { Body::Known } else { Body::Parsed(Box::new(e.clone())) };
        Scanned { fingerprint, body }
    });
    Document { head: Head::default(), entries: scanned.collect(), complete: true, ..Document::default() }
}

/// A store in twenty lines: what a feed remembers, poll after poll.
#[derive(Default)]
struct Remembered {
    state: FeedState,
    hot: Vec<Hot>,
    cold: HashMap<Key, Cold>,
}

impl Remembered {
    fn poll_with(&mut self, feed: &Feed, outcome: impl FnOnce(&Memory) -> Outcome) -> Vec<String> {
        let mut memory = Memory { hot: self.hot.clone(), cold: HashMap::new() };
        let outcome = outcome(&memory);
        if let Outcome::Modified { sifted, .. } = &outcome {
            memory.cold = sifted.wanted().iter().filter_map(|k| self.cold.get(k).map(|c| (*k, *c))).collect();
        }
        let route = Route { sink: 1, events: Arc::from(EventKind::ALL), order: Order::Feed, filter: Arc::new(Filter::default()) };
        let update = plan("main", feed, self.state.clone(), &memory, outcome, &[route], NOW);
        self.state = update.state;
        self.hot = update.hot.unwrap_or(std::mem::take(&mut self.hot));
        self.cold.extend(update.cold.into_iter().map(|c| (c.key, c)));
        let line = |(h, to): &(Happening, Vec<Destination>)| {
            assert_eq!(to.len(), 1);
            format!("{} {}", h.kind, h.entry.title.clone().unwrap())
        };
        update.events.iter().map(line).collect()
    }

    fn poll(&mut self, entries: &[Entry]) -> Vec<String> {
        self.poll_with(&feed(Backlog::None), |m| modified(document(m, entries)))
    }
}

fn modified(document: Document) -> Outcome {
    Outcome::Modified { validators: Validators::default(), body: 1, sifted: Sifted::new(document) }
}

#[test]
fn the_first_successful_poll_emits_the_backlog_and_no_more() {
    let three = [entry("3", "three"), entry("2", "two"), entry("1", "one")];
    let first = |backlog| Remembered::default().poll_with(&feed(backlog), |m| modified(document(m, &three)));
    assert_eq!(first(Backlog::None), Vec::<String>::new());
    assert_eq!(first(Backlog::Newest(2)), ["entry.created two", "entry.created three"]);
    assert_eq!(first(Backlog::All), ["entry.created one", "entry.created two", "entry.created three"]);
}

#[test]
fn a_failed_poll_does_not_turn_the_backlog_into_news() {
    let mut r = Remembered::default();
    assert!(r.poll_with(&feed(Backlog::None), |_| Outcome::Failed(PollError::Dns("x".into()))).is_empty());
    assert!(!r.state.established && r.state.failures == 1 && r.state.next_poll > NOW);
    assert!(r.poll(&[entry("1", "one")]).is_empty());
    assert_eq!(r.poll(&[entry("2", "two"), entry("1", "one")]), ["entry.created two"]);
}

#[test]
fn an_edit_is_an_update_and_a_touch_is_nothing() {
    let mut r = Remembered::default();
    r.poll(&[entry("1", "one")]);
    let touched = Entry { updated: Some(Moment { at: NOW, offset: 0 }), ..entry("1", "ONE!") };
    assert!(r.poll(&[touched]).is_empty());
    assert_eq!(r.poll(&[entry("1", "other")]), ["entry.updated other"]);
    assert!(r.poll(&[entry("1", "other")]).is_empty());
}

#[test]
fn an_entry_that_changes_for_ever_is_reported_so_often_and_no_more() {
    let mut r = Remembered::default();
    r.poll(&[entry("1", "start")]);
    let events: usize = (0..100).map(|n| r.poll(&[entry("1", &format!("clock {n}"))]).len()).sum();
    assert_eq!(events, usize::from(MOST_UPDATES));
}

#[test]
fn an_entry_that_comes_back_is_no_news() {
    let mut r = Remembered::default();
    r.poll(&[entry("1", "one")]);
    assert_eq!(r.poll(&[entry("2", "two")]), ["entry.created two"]);
    assert!(r.poll(&[entry("2", "two"), entry("1", "one")]).is_empty());
}

#[test]
fn one_guid_for_different_entries_loses_none() {
    let mut r = Remembered::default();
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
    let mut r = Remembered::default();
    r.poll(&[entry("0", "zero")]);
    assert_eq!(r.poll(&[at("1"), at("2"), at("3"), at("2?utm_source=rss")]).len(), 3);
    assert!(r.poll(&[at("1"), at("2"), at("3")]).is_empty());
}

#[test]
fn the_same_entry_twice_in_a_document_is_one() {
    let mut r = Remembered::default();
    r.poll(&[entry("0", "zero")]);
    let again = Entry { categories: vec!["x".into()], ..entry("1", "one") };
    assert_eq!(r.poll(&[entry("1", "one"), again, entry("1", "one")]), ["entry.created one"]);
}

#[test]
fn rising_dates_tell_the_order() {
    let dated = |n: i64| Entry { published: Some(Moment { at: Timestamp(n), offset: 0 }), ..entry(&n.to_string(), &n.to_string()) };
    let emitted = |e: &[Entry]| Remembered::default().poll_with(&feed(Backlog::All), |m| modified(document(m, e)));
    assert_eq!(emitted(&[dated(1), dated(2), dated(3)]), emitted(&[dated(3), dated(2), dated(1)]));
}

#[test]
fn a_cut_document_leaves_no_validators_and_ages_nothing() {
    let mut r = Remembered::default();
    r.poll(&[entry("2", "two"), entry("1", "one")]);
    let hot = r.hot.len();
    r.poll_with(&feed(Backlog::None), |m| Outcome::Modified {
        validators: Validators { etag: Some(b"x".to_vec()), ..Validators::default() },
        body: 7,
        sifted: Sifted::new(Document { complete: false, ..document(m, &[entry("2", "two")]) }),
    });
    assert_eq!((r.state.validators.clone(), r.state.body, r.hot.len()), (None, None, hot));
}

#[test]
fn validators_are_kept_on_failure_merged_on_304_and_replaced_on_200() {
    let v = |etag: Option<&str>, modified: Option<&str>| Validators {
        etag: etag.map(|s| s.as_bytes().to_vec()),
        last_modified: modified.map(|s| s.as_bytes().to_vec()),
        url: "u".into(),
    };
    let mut r = Remembered::default();
    let f = feed(Backlog::None);
    r.poll_with(&f, |m| Outcome::Modified { validators: v(Some("a"), Some("b")), body: 1, sifted: Sifted::new(document(m, &[])) });
    r.poll_with(&f, |_| Outcome::Failed(PollError::Malformed("an HTML page".into())));
    assert_eq!(r.state.validators, Some(v(Some("a"), Some("b"))));
    r.poll_with(&f, |_| Outcome::NotModified(v(Some("c"), None)));
    assert_eq!(r.state.validators, Some(v(Some("c"), Some("b"))));
    r.poll_with(&f, |_| Outcome::Unchanged(v(None, None)));
    assert_eq!(r.state.validators, None);
}

proptest! {
    /// Entries come and go in any order, many at a time: each is news exactly once, unless it was there at the first poll.
    #[test]
    fn every_entry_is_news_once(documents in prop::collection::vec(prop::collection::vec(0u8..12, 0..8), 1..12)) {
        let mut r = Remembered::default();
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (n, numbers) in documents.iter().enumerate() {
            let entries: Vec<_> = numbers.iter().map(|i| entry(&i.to_string(), &i.to_string())).collect();
            for line in r.poll(&entries) {
                prop_assert!(n > 0);
                *seen.entry(line).or_default() += 1;
            }
            prop_assert!(r.state.next_poll > NOW);
            prop_assert_eq!(r.state.polls, n as u64 + 1);
        }
        let first: HashSet<u8> = documents.first().unwrap().iter().copied().collect();
        let later: HashSet<u8> = documents.iter().skip(1).flatten().copied().filter(|i| !first.contains(i)).collect();
        prop_assert!(seen.values().all(|n| *n == 1), "{seen:?}");
        prop_assert_eq!(seen.len(), later.len());
    }
}
