//! A feed, its store and its clock in memory: what a plan makes of one document after another.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::conditional::Validators;
use super::delivery::Order;
use super::entry::{Entry, Markup};
use super::event::{EventKind, Happening, What};
use super::feed::{Backlog, Body, Document, Feed, FeedId, FeedState, Fingerprint, Head, Pace, Scanned};
use super::filter::{Duplicates, Filter, Route};
use super::memory::{Cold, Hot, Mark, Memory};
use super::plan::{Destination, Outcome, Reply, Setting, plan};
use super::sift::Sifted;
use super::story::Stories;
use super::time::{Moment, Timestamp};

pub(super) const NOW: Timestamp = Timestamp(1_732_725_900_000);
/// Ten posts a day are asked for every half hour.
const K: f64 = 19.4;
pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn feed(name: &str, backlog: Backlog) -> Feed {
    let pace = Pace { fixed: None, min: 5 * MINUTE, mean: 30 * MINUTE, max: 1440 * MINUTE };
    Feed { id: FeedId(Arc::from(name)), url: format!("https://a.ua/{name}"), tags: Arc::from(vec![]), backlog, pace }
}

pub(super) fn entry(guid: &str, title: &str) -> Entry {
    Entry {
        id: Some(guid.into()),
        url: Some(format!("https://a.ua/{guid}")),
        title: Some(title.into()),
        content: Some(Markup::Html(format!("<p>{title}</p>"))),
        ..Entry::default()
    }
}

pub(super) fn at(time: Timestamp) -> Option<Moment> {
    Some(Moment { at: time, offset: 0 })
}

/// What `scan` and `parse` would give, with the debug form of an entry as its bytes.
pub(super) fn document(known: &HashSet<Fingerprint>, entries: &[Entry]) -> Document {
    let scanned = entries.iter().map(|e| {
        let fingerprint = Fingerprint(xxhash_rust::xxh3::xxh3_128(format!("{e:?}").as_bytes()));
        let body = if known.contains(&fingerprint) { Body::Known } else { Body::Parsed(Box::new(e.clone())) };
        Scanned { fingerprint, body }
    });
    Document { head: Head::default(), entries: scanned.collect(), complete: true, ..Document::default() }
}

pub(super) fn modified(document: Document) -> Outcome {
    let validators = Validators { etag: Some(b"x".to_vec()), ..Validators::default() };
    Outcome::Modified { validators, body: 1, sifted: Sifted::new(document) }
}

pub(super) struct Rehearsal {
    pub(super) feed: Feed,
    pub(super) now: Timestamp,
    pub(super) state: FeedState,
    pub(super) hot: Vec<Hot>,
    pub(super) marks: Vec<Mark>,
    pub(super) cold: Vec<Cold>,
    pub(super) stories: Stories,
    pub(super) duplicates: Duplicates,
    /// Whether lines tell how the feed fares.
    pub(super) health: bool,
    /// What every answer says of the next request.
    pub(super) not_before: Option<Timestamp>,
    /// Where permanent redirects lead.
    pub(super) led_to: Option<&'static str>,
    /// Every event, the ids included.
    pub(super) told: Vec<(Happening, Vec<Destination>)>,
}

impl Default for Rehearsal {
    fn default() -> Self {
        Self::new("f", Backlog::None)
    }
}

impl Rehearsal {
    pub(super) fn new(name: &str, backlog: Backlog) -> Self {
        Self {
            feed: feed(name, backlog),
            now: NOW,
            state: FeedState::default(),
            hot: vec![],
            marks: vec![],
            cold: vec![],
            stories: Stories::default(),
            duplicates: Duplicates::Mark,
            health: false,
            not_before: None,
            led_to: None,
            told: vec![],
        }
    }

    /// One poll, half an hour after the one before: what was told, a line each.
    pub(super) fn poll_with(&mut self, outcome: impl FnOnce(&HashSet<Fingerprint>) -> Outcome) -> Vec<String> {
        self.now = self.now.after(30 * MINUTE);
        let mut memory = Memory { hot: self.hot.clone(), marks: self.marks.clone(), cold: vec![] };
        let outcome = outcome(&memory.known(self.state.flood.as_ref().is_some_and(|f| f.released)));
        if let Outcome::Modified { sifted, .. } | Outcome::Older(sifted) = &outcome {
            let wanted: HashSet<_> = sifted.wanted().into_iter().collect();
            memory.cold = self.cold.iter().filter(|c| c.item.aliases.iter().any(|a| wanted.contains(a))).cloned().collect();
        }
        let (events, filter) = (Arc::from(EventKind::ALL), Arc::new(Filter::default()));
        let route = Route { sink: 1, events, order: Order::Feed, filter, duplicates: self.duplicates };
        let setting = Setting {
            instance: "main",
            routes: &[route],
            stories: &self.stories,
            now: self.now,
            k: K,
            reply: Reply { not_before: self.not_before, led_to: self.led_to, ..Reply::default() },
        };
        let update = plan(&self.feed, self.state.clone(), &memory, outcome, setting);
        assert_eq!((update.base, update.state.polls), (self.state.polls, self.state.polls + 1));
        update.claims.iter().for_each(|claim| self.stories.remember(claim));
        self.state = update.state;
        self.hot = update.hot.unwrap_or(std::mem::take(&mut self.hot));
        self.marks = update.marks.unwrap_or(std::mem::take(&mut self.marks));
        self.cold.extend(update.cold);
        self.told.extend(update.events.iter().cloned());
        let told = update.events.iter().map(|(happening, _)| happening);
        told.filter(|h| self.health || !matches!(h.what, What::Health(_) | What::Moved(_))).map(line).collect()
    }

    pub(super) fn poll(&mut self, entries: &[Entry]) -> Vec<String> {
        self.poll_with(|known| modified(document(known, entries)))
    }

    /// Lets time pass.
    pub(super) fn rest(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.after(time);
        self
    }
}

fn line(happening: &Happening) -> String {
    match &happening.what {
        What::Entry(report) => format!("{} {}", happening.kind, report.entry.title.as_deref().unwrap_or("-")),
        What::Health(health) => format!("{} {}", happening.kind, health.failures),
        What::Moved(moved) => format!("{} {}", happening.kind, moved.to),
        What::Sink(sink) => format!("{} {}", happening.kind, sink.id),
        What::Flood(flood) => format!("{} {}/{}", happening.kind, flood.held, flood.entries),
    }
}
