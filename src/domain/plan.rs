//! All that one poll changes: (feed, what was remembered, what came of the poll, now) → [`Update`]. Pure: it neither reads nor writes.

use std::collections::{HashMap, HashSet};

use super::delivery::Order;
use super::entry::Entry;
use super::event::{EventId, EventKind, Happening, Scene};
use super::feed::{Backlog, Body, Cold, Document, Feed, FeedState, Fingerprint, Hot, Known, PollError, Validators};
use super::filter::Route;
use super::identity::{self, Key};
use super::schedule;
use super::text;
use super::time::Timestamp;

/// At most so many events tell of changes to one entry: a page with a clock in it is not news every minute.
const MOST_UPDATES: u16 = 24;

/// The longest error text that is kept.
const LONGEST_ERROR: usize = 200;

/// What the store remembers of a feed's entries.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The entries of the last document.
    pub hot: Vec<Hot>,
    /// Those of the asked-for keys that are known from earlier documents.
    pub cold: HashMap<Key, Cold>,
}

impl Memory {
    /// The fingerprints that need no parsing.
    #[must_use]
    pub fn known(&self) -> Known {
        self.hot.iter().map(|h| h.fingerprint).collect()
    }
}

/// A document whose unknown entries have been given keys and hashes, once for the look-up and for the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Sifted {
    document: Document,
    /// Oldest first.
    suspects: Vec<Suspect>,
}

/// An entry that was parsed because its bytes were not known: it may be new, edited or touched.
#[derive(Clone, Debug, PartialEq)]
struct Suspect {
    /// Its place in the document.
    index: usize,
    fingerprint: Fingerprint,
    keys: Vec<Key>,
    words: u64,
}

impl Sifted {
    /// Works out keys and hashes.
    #[must_use]
    pub fn new(document: Document) -> Self {
        let parsed = document.entries.iter().enumerate().filter_map(|(index, scanned)| match &scanned.body {
            Body::Parsed(entry) => Some((index, scanned.fingerprint, &**entry)),
            Body::Known | Body::Broken(_) => None,
        });
        let suspect = |(index, fingerprint, entry): (usize, Fingerprint, &Entry)| Suspect {
            index,
            fingerprint,
            keys: identity::candidates(entry),
            words: text::digest(entry),
        };
        let mut dates = parsed.clone().filter_map(|(.., entry)| entry.published.or(entry.updated));
        // Most documents begin with the newest entry; one whose dates rise does not.
        let rises = matches!((dates.next(), dates.next_back()), (Some(first), Some(last)) if first.at < last.at);
        let mut suspects: Vec<_> = parsed.map(suspect).collect();
        if !rises {
            suspects.reverse();
        }
        Self { document, suspects }
    }

    /// The keys that must be looked up among the cold ones before the plan can be made; none when nothing in the document looks new.
    #[must_use]
    pub fn wanted(&self) -> Vec<Key> {
        let keys = |s: &Suspect| s.keys.first().map(Key::ambiguity).into_iter().chain(s.keys.iter().copied()).collect::<Vec<_>>();
        self.suspects.iter().flat_map(keys).collect()
    }

    /// The document, for those who report on it.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    fn take(&mut self, index: usize) -> Entry {
        match self.document.entries.get_mut(index).map(|scanned| std::mem::replace(&mut scanned.body, Body::Known)) {
            Some(Body::Parsed(entry)) => *entry,
            _ => Entry::default(),
        }
    }
}

/// What came of a poll, as far as the plan needs to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// 304: nothing changed. Validators the answer carried replace the stored ones, field by field.
    NotModified(Validators),
    /// 200 with the very bytes of last time.
    Unchanged(Validators),
    /// 200 with a document.
    Modified {
        /// Of this answer; empty ones drop the stored ones.
        validators: Validators,
        /// Hash of the body.
        body: u128,
        /// What it holds.
        sifted: Sifted,
    },
    /// No document.
    Failed(PollError),
}

/// Everything one poll changes. Written whole, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// `FeedState::polls` before this poll: an update is applied to no other state.
    pub base: u64,
    /// The feed's row from now on.
    pub state: FeedState,
    /// The entries of the document, if it was read.
    pub hot: Option<Vec<Hot>>,
    /// Entries that left the document, and marks of ambiguous keys.
    pub cold: Vec<Cold>,
    /// What the events share.
    pub scene: Scene,
    /// The events, oldest first, each with the sinks that want it.
    pub events: Vec<(Happening, Vec<Destination>)>,
}

/// A sink that wants an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its number in the store.
    pub sink: u32,
    /// How its lanes are laid out.
    pub order: Order,
}

/// Makes the plan. `memory.cold` must answer for all of [`Sifted::wanted`].
#[must_use]
pub fn plan(instance: &str, feed: &Feed, before: FeedState, memory: &Memory, outcome: Outcome, routes: &[Route], now: Timestamp) -> Update {
    let base = before.polls;
    let first_poll = !before.established;
    let mut state = FeedState { polls: base + 1, last_poll: Some(now), ..before };
    let (mut hot, mut cold, mut found) = (None, vec![], vec![]);
    match outcome {
        Outcome::Failed(error) => fail(feed, &mut state, &error, now),
        Outcome::NotModified(validators) => {
            merge(&mut state.validators, validators);
            succeed(feed, &mut state, false, now);
        }
        Outcome::Unchanged(validators) => {
            state.validators = worth_keeping(validators);
            succeed(feed, &mut state, false, now);
        }
        Outcome::Modified { validators, body, mut sifted } => {
            let mut merged = Merge::new(memory, now).run(&sifted);
            succeed(feed, &mut state, merged.found.iter().any(|f| f.kind == EventKind::Created), now);
            if first_poll {
                keep_backlog(feed.backlog, &mut merged.found);
            }
            found = merged.found.into_iter().map(|f| (sifted.take(f.index), f)).collect();
            (hot, cold) = (Some(merged.hot), merged.cold);
            remember(&mut state, validators, body, sifted.document);
        }
    }
    let scene = Scene {
        instance: instance.to_owned(),
        feed: feed.id.clone(),
        url: feed.url.clone(),
        title: state.title.clone(),
        site_url: state.site_url.clone(),
        tags: feed.tags.to_vec(),
        fetched_at: now,
        time: now,
        first_poll,
    };
    let events = found.into_iter().map(|(entry, f)| f.route(entry, instance, feed, routes, now)).collect();
    Update { base, state, hot, cold, scene, events }
}

/// What a document says of its feed, and what makes the next request conditional: nothing, if the document was cut, for then it may have
/// lost entries that a 304 would hide.
fn remember(state: &mut FeedState, validators: Validators, body: u128, document: Document) {
    state.validators = worth_keeping(validators).filter(|_| document.complete);
    state.body = document.complete.then_some(body);
    state.entries = u32::try_from(document.entries.len()).unwrap_or(u32::MAX);
    state.title = document.head.title.or(state.title.take());
    state.site_url = document.head.site_url.or(state.site_url.take());
}

fn fail(feed: &Feed, state: &mut FeedState, error: &PollError, now: Timestamp) {
    state.failures = state.failures.saturating_add(1);
    state.last_error = Some(error.to_string().chars().take(LONGEST_ERROR).collect());
    state.next_poll = schedule::after_failure(&feed.pace, state.failures, error, &feed.id, state.polls, now);
}

fn succeed(feed: &Feed, state: &mut FeedState, found_new: bool, now: Timestamp) {
    state.established = true;
    state.failures = 0;
    state.last_error = None;
    state.last_success = Some(now);
    state.last_new = if found_new { Some(now) } else { state.last_new };
    state.interval = schedule::adapt(&feed.pace, state.interval, found_new);
    state.next_poll = schedule::after_success(&feed.pace, state.interval, &feed.id, state.polls, now);
}

fn worth_keeping(v: Validators) -> Option<Validators> {
    (v.etag.is_some() || v.last_modified.is_some()).then_some(v)
}

/// A 304 may bring newer validators; those it does not mention stay (RFC 9111 §4.3.4).
fn merge(stored: &mut Option<Validators>, fresh: Validators) {
    if let Some(stored) = stored {
        stored.etag = fresh.etag.or(stored.etag.take());
        stored.last_modified = fresh.last_modified.or(stored.last_modified.take());
    }
}

fn keep_backlog(backlog: Backlog, found: &mut Vec<Found>) {
    let keep = match backlog {
        Backlog::None => 0,
        Backlog::Newest(n) => usize::try_from(n).unwrap_or(usize::MAX),
        Backlog::All => usize::MAX,
    };
    found.drain(..found.len().saturating_sub(keep));
}

/// Something that happened to an entry, before anybody was asked whether he wants it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    index: usize,
    key: Key,
    kind: EventKind,
    revision: u16,
}

impl Found {
    fn route(self, entry: Entry, instance: &str, feed: &Feed, routes: &[Route], now: Timestamp) -> (Happening, Vec<Destination>) {
        let wanted = |r: &&Route| r.events.contains(&self.kind) && r.filter.admits(feed, &entry, now);
        let to = routes.iter().filter(wanted).map(|r| Destination { sink: r.sink, order: r.order }).collect();
        let id = EventId::new(instance, &feed.id, self.key, self.kind, self.revision);
        (Happening { id, kind: self.kind, revision: self.revision, entry }, to)
    }
}

/// Who has a key in this document.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Claim {
    words: u64,
    /// The most particular of its keys: identifier, link and title; not known of an entry that was not parsed.
    particular: Option<Key>,
}

impl Claim {
    fn of(suspect: &Suspect) -> Self {
        Self { words: suspect.words, particular: suspect.keys.last().copied() }
    }

    /// Whether both are one entry, written twice: the same words under the same identifier and link.
    fn is_same(&self, other: &Self) -> bool {
        self.words == other.words && (self.particular.is_none() || self.particular == other.particular)
    }
}

/// Brings a document together with what is remembered.
struct Merge<'a> {
    memory: &'a Memory,
    day: u16,
    /// Keys that an entry of this document goes by.
    claimed: HashMap<Key, Claim>,
    ambiguous: HashSet<Key>,
    hot: Vec<Hot>,
    cold: Vec<Cold>,
    found: Vec<Found>,
}

impl<'a> Merge<'a> {
    fn new(memory: &'a Memory, now: Timestamp) -> Self {
        Self { memory, day: now.day(), claimed: HashMap::new(), ambiguous: HashSet::new(), hot: vec![], cold: vec![], found: vec![] }
    }

    fn run(mut self, sifted: &Sifted) -> Self {
        self.carry_over(&sifted.document);
        self.mark_ambiguous(&sifted.suspects);
        for suspect in &sifted.suspects {
            self.place(suspect);
        }
        self.retire(sifted.document.complete);
        self
    }

    /// What has not changed by a byte stays what it was, and its keys are taken.
    fn carry_over(&mut self, document: &Document) {
        let rows: HashMap<_, _> = self.memory.hot.iter().map(|h| (h.fingerprint, *h)).collect();
        let mut seen = HashSet::new();
        for row in document.entries.iter().filter_map(|e| rows.get(&e.fingerprint)) {
            if seen.insert(row.fingerprint) {
                self.claimed.insert(row.key, Claim { words: row.text, particular: None });
                self.hot.push(*row);
            }
        }
    }

    /// A first key that different entries of one document share tells nothing about any of them, for good.
    fn mark_ambiguous(&mut self, suspects: &[Suspect]) {
        let mut owners = self.claimed.clone();
        for suspect in suspects {
            let Some(first) = suspect.keys.first().copied() else { continue };
            let mark = first.ambiguity();
            if self.memory.cold.contains_key(&mark) {
                self.ambiguous.insert(first);
            } else if !owners.entry(first).or_insert(Claim::of(suspect)).is_same(&Claim::of(suspect)) && self.ambiguous.insert(first) {
                self.cold.push(Cold { key: mark, day: self.day, revision: 0 });
            }
        }
    }

    /// Gives an entry its key, and finds out whether that is news.
    fn place(&mut self, suspect: &Suspect) {
        let (claim, words, fingerprint) = (Claim::of(suspect), suspect.words, suspect.fingerprint);
        for key in suspect.keys.iter().copied().filter(|k| !self.ambiguous.contains(k)).collect::<Vec<_>>() {
            match self.claimed.get(&key) {
                Some(other) if other.is_same(&claim) => return,
                Some(_) => {}
                None => {
                    self.claimed.insert(key, claim);
                    let revision = self.judge(key, words, suspect.index);
                    self.hot.push(Hot { fingerprint, key, text: words, revision });
                    return;
                }
            }
        }
    }

    /// Compares with what is remembered under the key; returns the entry's revision from now on.
    fn judge(&mut self, key: Key, words: u64, index: usize) -> u16 {
        let earlier = self.memory.hot.iter().find(|h| h.key == key);
        let (kind, revision) = match (earlier, self.memory.cold.get(&key)) {
            (Some(hot), _) if hot.text == words || hot.revision >= MOST_UPDATES => return hot.revision,
            (Some(hot), _) => (EventKind::Updated, hot.revision + 1),
            (None, Some(cold)) => return cold.revision,
            (None, None) => (EventKind::Created, 0),
        };
        self.found.push(Found { index, key, kind, revision });
        revision
    }

    /// Rows whose entry is gone from a whole document are kept elsewhere; a cut document says nothing about what it lacks.
    fn retire(&mut self, complete: bool) {
        for row in self.memory.hot.iter().filter(|h| !self.claimed.contains_key(&h.key)) {
            if complete {
                self.cold.push(Cold { key: row.key, day: self.day, revision: row.revision });
            } else {
                self.hot.push(*row);
            }
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
