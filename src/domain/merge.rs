//! Brings a document together with what is remembered: which rows there are from now on, and what is to be told.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::event::{EventKind, Level};
use super::feed::{Body, Document, FeedState, Fingerprint};
use super::flood::Stance;
use super::identity::{Alias, AliasSet, Key, Kind};
use super::memory::{Cold, Hot, Item, Mark, Memory, Minute};
use super::recognise::{Place, Suspect, Verdict, recognise};
use super::text::Change;
use super::time::Timestamp;

/// At most so many changes in a row, without a day's rest between them, are told of one entry: a page with a clock in it is not news every
/// minute.
pub(super) const MOST_UPDATES: u8 = 24;

/// A change is told no sooner than this after the last thing that was told of the entry: headlines are corrected in the first minutes.
pub(super) const DEBOUNCE: Duration = Duration::from_secs(600);

/// After so long without a change, [`MOST_UPDATES`] is counted anew.
const REST: Duration = Duration::from_secs(86_400);

/// A mark that was seen is dated anew when it is older than this, in days: it must outlive the entries it speaks of.
const MARK_AGES: u16 = 100;

/// Marks of one feed. The oldest are forgotten first.
const MOST_MARKS: usize = 4000;

/// A document and its feed's memory, brought together.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub(super) hot: Vec<Hot>,
    /// Entries that have left.
    pub(super) cold: Vec<Cold>,
    /// All marks, when they have changed.
    pub(super) marks: Option<Vec<Mark>>,
    /// Oldest first.
    pub(super) found: Vec<Found>,
    /// Whether the next poll must read the document though it be the same: something waits for it.
    pub(super) unsettled: bool,
    pub(super) stance: Stance,
    /// Keys that tell nothing.
    pub(super) ambiguous: AliasSet,
}

/// Something that happened to an entry, before anybody was asked whether he wants it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    /// Its place in the document.
    pub(super) index: usize,
    pub(super) id: Key,
    pub(super) kind: EventKind,
    pub(super) revision: u16,
    pub(super) level: Option<Level>,
    /// Its place among the suspects.
    pub(super) suspect: usize,
}

/// Merges `document`, whose unknown entries are the `suspects`.
pub(super) fn merge(memory: &Memory, before: &FeedState, document: &Document, suspects: &[Suspect], now: Timestamp) -> Merged {
    merge_with(memory, before, document, suspects, now, Stance::new)
}

/// Merges an older page of the feed: what the page lacks has not left the feed, and old entries in it are no surprise.
pub(super) fn merge_older(memory: &Memory, before: &FeedState, page: &Document, suspects: &[Suspect], now: Timestamp) -> Merged {
    let page = Document { complete: false, ..page.clone() };
    merge_with(memory, before, &page, suspects, now, |_, _, _, _| Stance::default())
}

fn merge_with(
    memory: &Memory,
    before: &FeedState,
    document: &Document,
    suspects: &[Suspect],
    now: Timestamp,
    stance: impl FnOnce(&FeedState, &[(usize, Minute)], usize, Minute) -> Stance,
) -> Merged {
    let present = carried_over(memory, document);
    let recognition = recognise(memory, &present, suspects, document.entries.len());
    let news = suspects.iter().zip(&recognition.verdicts).enumerate();
    let news: Vec<_> = news.filter(|(_, (_, v))| matches!(v, Verdict::New(_))).map(|(i, (s, _))| (i, s.date)).collect();
    let newest = memory.hot.iter().map(|hot| hot.item.date).max().unwrap_or_default();
    let stance = stance(before, &news, document.entries.len(), newest);
    let mut merge = Merge {
        memory,
        now,
        told: if before.established { Minute::from(now) } else { Minute(0) },
        release: before.flood.as_ref().is_some_and(|f| f.released),
        dropped: before.flood.is_none(),
        rows: memory.hot.iter().enumerate().map(|(i, hot)| present.contains(&i).then(|| hot.clone())).collect(),
        fresh: vec![],
        merged: Merged { stance, ambiguous: recognition.ambiguous, ..Merged::default() },
    };
    for (i, (suspect, verdict)) in suspects.iter().zip(&recognition.verdicts).enumerate() {
        merge.take(i, suspect, *verdict);
    }
    merge.mark(&recognition.marks, suspects);
    merge.finish(document.complete)
}

/// The hot rows that the document carries unchanged by a byte.
fn carried_over(memory: &Memory, document: &Document) -> HashSet<usize> {
    let rows: HashMap<_, _> = memory.hot.iter().enumerate().map(|(i, hot)| (hot.fingerprint, i)).collect();
    let known = document.entries.iter().filter(|e| e.body == Body::Known);
    known.filter_map(|e| rows.get(&e.fingerprint).copied()).collect()
}

struct Merge<'a> {
    memory: &'a Memory,
    now: Timestamp,
    /// What is written into rows of entries that are told now.
    told: Minute,
    /// What is held back is to be told.
    release: bool,
    /// Nothing is held back, whatever the rows say.
    dropped: bool,
    /// The hot rows at their old places, as far as the document has them: a chunk of the store in which none changes is not written.
    rows: Vec<Option<Hot>>,
    fresh: Vec<Hot>,
    merged: Merged,
}

impl Merge<'_> {
    fn take(&mut self, i: usize, suspect: &Suspect, verdict: Verdict) {
        match verdict {
            Verdict::Twin => {}
            Verdict::Known(Place::Hot(at), kind) => {
                let Some(before) = self.memory.hot.get(at) else { return };
                let row = self.again(i, suspect, before, kind);
                if let Some(place) = self.rows.get_mut(at) {
                    *place = Some(row);
                }
            }
            Verdict::Known(Place::Cold(at), kind) => {
                let Some(cold) = self.memory.cold.get(at) else { return };
                // What changed while it was away is not told: it was not watched.
                let item = self.renamed(&cold.item, suspect, kind);
                self.fresh.push(row(item, suspect, self.told));
            }
            Verdict::New(id) => self.welcome(i, suspect, id),
        }
    }

    fn welcome(&mut self, i: usize, suspect: &Suspect, id: Key) {
        let held = self.merged.stance.old.contains(&i);
        if held && !self.merged.stance.confirmed {
            self.merged.unsettled = true;
            return;
        }
        let mut item = Item {
            id,
            aliases: vec![],
            date: suspect.date,
            first: Minute::from(self.now),
            sketch: suspect.reading.sketch,
            revision: 0,
            by: None,
        };
        item.rename(self.names(suspect));
        if !held {
            self.tell(i, suspect, &item, EventKind::Created, None);
        }
        self.fresh.push(Hot { held, ..row(item, suspect, self.told) });
    }

    /// An entry of the last document whose bytes have changed.
    fn again(&mut self, i: usize, suspect: &Suspect, before: &Hot, kind: Kind) -> Hot {
        let mut item = self.renamed(&before.item, suspect, kind);
        let held = before.held && !self.dropped;
        if held {
            if self.release {
                self.tell(i, suspect, &item, EventKind::Created, None);
            }
            return Hot { held: !self.release, ..row(item, suspect, self.told) };
        }
        let level = match suspect.reading.gist.change(&before.gist) {
            Change::None => return Hot { told: before.told, streak: before.streak, ..row(item, suspect, self.told) },
            Change::Minor => Level::Minor,
            Change::Major => Level::Major,
        };
        let since = before.told.timestamp().map_or(Duration::MAX, |told| self.now.since(told));
        let streak = if since >= REST { 0 } else { before.streak };
        if streak >= MOST_UPDATES {
            return Hot { streak, ..row(item, suspect, self.told) };
        }
        if since < DEBOUNCE {
            self.merged.unsettled = true;
            return Hot { fingerprint: Fingerprint::NONE, item, ..before.clone() };
        }
        item.revision = item.revision.saturating_add(1);
        self.tell(i, suspect, &item, EventKind::Updated, Some(level));
        Hot { streak: streak + 1, ..row(item, suspect, self.told) }
    }

    fn tell(&mut self, i: usize, suspect: &Suspect, item: &Item, kind: EventKind, level: Option<Level>) {
        self.merged.found.push(Found { index: suspect.index, id: item.id, kind, revision: item.revision, level, suspect: i });
    }

    fn renamed(&self, item: &Item, suspect: &Suspect, kind: Kind) -> Item {
        let mut item = Item { date: suspect.date, sketch: suspect.reading.sketch, by: Some(kind), ..item.clone() };
        item.rename(self.names(suspect));
        item
    }

    /// What an entry goes by from now on. Composites are kept only where they are needed: beside an ambiguous strong key.
    fn names(&self, suspect: &Suspect) -> Vec<Alias> {
        let strong = |k: &&Key| k.kind().is_some_and(Kind::is_strong);
        let needed = suspect.keys.iter().filter(strong).any(|k| self.merged.ambiguous.contains(&k.alias()));
        let kept = |k: &&Key| match k.kind() {
            Some(Kind::Whole) | None => false,
            Some(Kind::Named) => true,
            Some(kind) => needed || !kind.is_composite(),
        };
        suspect.keys.iter().filter(kept).map(Key::alias).filter(|a| !self.merged.ambiguous.contains(a)).collect()
    }

    /// Remembers keys that were found ambiguous. Rows that go by one of them are read again, so that they get other names.
    fn mark(&mut self, fresh: &[Alias], suspects: &[Suspect]) {
        let day = self.now.day();
        let mut marks = self.memory.marks.clone();
        let seen: AliasSet = suspects.iter().flat_map(|s| s.keys.iter().map(Key::alias)).collect();
        let mut changed = !fresh.is_empty();
        for mark in marks.iter_mut().filter(|m| seen.contains(&m.alias) && day.saturating_sub(m.day) > MARK_AGES) {
            mark.day = day;
            changed = true;
        }
        marks.extend(fresh.iter().map(|alias| Mark { alias: *alias, day }));
        marks.drain(..marks.len().saturating_sub(MOST_MARKS));
        self.merged.marks = changed.then_some(marks);
        let touched = |row: &&mut Hot| row.item.aliases.iter().any(|a| fresh.contains(a));
        for row in self.rows.iter_mut().flatten().filter(touched) {
            row.fingerprint = Fingerprint::NONE;
            self.merged.unsettled = true;
        }
    }

    /// Rows whose entry is gone from a whole document are kept elsewhere, and their places filled. A cut document says nothing about what
    /// it lacks, nor does one that looks like a flood.
    fn finish(mut self, complete: bool) -> Merged {
        let settled = complete && (!self.merged.stance.is_flood() || self.merged.stance.confirmed);
        for (row, before) in self.rows.iter_mut().zip(&self.memory.hot).filter(|(row, _)| row.is_none()) {
            if settled {
                self.merged.cold.push(Cold { item: before.item.clone(), day: self.now.day() });
            } else {
                *row = Some(before.clone());
            }
        }
        let mut fresh = self.fresh.into_iter();
        for hole in self.rows.iter_mut().filter(|row| row.is_none()) {
            *hole = fresh.next();
        }
        self.rows.extend(fresh.map(Some));
        while let Some(hole) = self.rows.iter().position(Option::is_none) {
            let last = self.rows.pop().flatten();
            if let (Some(place), true) = (self.rows.get_mut(hole), last.is_some()) {
                *place = last;
            }
        }
        self.merged.hot = self.rows.into_iter().flatten().collect();
        if self.dropped || self.release {
            self.merged.hot.iter_mut().for_each(|row| row.held = false);
        }
        self.merged
    }
}

fn row(item: Item, suspect: &Suspect, told: Minute) -> Hot {
    Hot { fingerprint: suspect.fingerprint, item, gist: suspect.reading.gist, told, streak: 0, held: false }
}
