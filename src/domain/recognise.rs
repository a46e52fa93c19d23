//! Finds for each entry of a document which remembered one it is, or that it is new.
//!
//! 1. A key that different entries of the document share is ambiguous, for good: it is used no more.
//! 2. Strong keys (identifier, link), the most trusted first. One that points to an entry of quite other words and another date was used
//!    again for a new entry.
//! 3. Weak keys (number, title and date, words), and only onto entries that are absent from the document: who is there has been found.
//! 4. Composites, for entries whose strong keys are ambiguous.
//! 5. What is left is new.

use std::collections::HashSet;

use super::feed::Fingerprint;
use super::identity::{Alias, AliasMap, AliasSet, Key, Kind};
use super::memory::{Item, Memory, Minute};
use super::text::Reading;

/// Entries whose words are all of an absent one, though the date is another: so many of them, and half of the document, are a site that
/// dated everything anew.
const DATED_ANEW: usize = 5;

/// An entry that was parsed because its bytes were not known: it may be new, edited or touched.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Suspect {
    /// Its place in the document.
    pub(super) index: usize,
    pub(super) fingerprint: Fingerprint,
    pub(super) keys: Vec<Key>,
    pub(super) reading: Reading,
    pub(super) date: Minute,
}

/// Where an entry is remembered, by its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Hot(usize),
    Cold(usize),
}

/// Which entry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// One that is remembered, recognised by a key of that kind.
    Known(Place, Kind),
    /// A new one, with the key that its id is.
    New(Key),
    /// One that the document carries twice, and that has its verdict already.
    Twin,
}

/// What was found out about a document.
#[derive(Debug)]
pub(super) struct Recognition {
    /// Of each suspect.
    pub(super) verdicts: Vec<Verdict>,
    /// Keys that were found ambiguous.
    pub(super) marks: Vec<Alias>,
    /// All that are.
    pub(super) ambiguous: AliasSet,
}

/// Recognises the suspects of a document of `entries` entries. `present` are the hot ones that it carries unchanged.
pub(super) fn recognise(memory: &Memory, present: &HashSet<usize>, suspects: &[Suspect], entries: usize) -> Recognition {
    let mut court = Court {
        memory,
        suspects,
        asked: suspects.iter().flat_map(|s| s.keys.iter().map(Key::alias)).collect(),
        verdicts: vec![None; suspects.len()],
        ambiguous: memory.ambiguous(),
        marks: vec![],
        by_alias: AliasMap::default(),
        carriers: AliasMap::default(),
        present: present.iter().map(|i| Place::Hot(*i)).collect(),
    };
    court.find_ambiguous();
    court.index();
    court.pass(&[Kind::Guid, Kind::Link], |court, place, suspect, key| !court.is_reused(place, suspect, key));
    court.pass(&[Kind::Number, Kind::TitleDate, Kind::Body, Kind::Text], |court, place, suspect, key| court.bears_out(place, suspect, key));
    court.pass_dated_anew(entries);
    court.pass(&COMPOSITES, |court, place, _, _| !court.present.contains(&place));
    court.name_the_new();
    let verdicts = court.verdicts.into_iter().map(|v| v.unwrap_or(Verdict::Twin)).collect();
    Recognition { verdicts, marks: court.marks, ambiguous: court.ambiguous }
}

const COMPOSITES: [Kind; 5] = [Kind::GuidLink, Kind::GuidTitle, Kind::LinkTitleDate, Kind::Named, Kind::Whole];

/// Who has a key in this document.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Owner {
    words: u64,
    guid: Option<Alias>,
    link: Option<Alias>,
}

impl Owner {
    fn of(suspect: &Suspect) -> Self {
        let newest = |kind| suspect.keys.iter().rev().find(|k| k.kind() == Some(kind)).map(Key::alias);
        Self { words: suspect.reading.gist.words, guid: newest(Kind::Guid), link: newest(Kind::Link) }
    }

    /// Whether both are one entry, written twice: the same words, and nothing that speaks against it.
    fn is_twin(&self, other: &Self) -> bool {
        let agree = |a: Option<Alias>, b: Option<Alias>| a.is_none() || b.is_none() || a == b;
        self.words == other.words && agree(self.guid, other.guid) && agree(self.link, other.link)
    }
}

struct Court<'a> {
    memory: &'a Memory,
    suspects: &'a [Suspect],
    /// The names that the suspects go by: no other is of interest.
    asked: AliasSet,
    verdicts: Vec<Option<Verdict>>,
    ambiguous: AliasSet,
    marks: Vec<Alias>,
    by_alias: AliasMap<Place>,
    /// Which suspect carries a strong key.
    carriers: AliasMap<usize>,
    /// Entries that were found in the document.
    present: HashSet<Place>,
}

impl<'a> Court<'a> {
    /// Compares the entries of the document with each other: finds keys that tell nothing, and entries that are there twice.
    fn find_ambiguous(&mut self) {
        let mut owners: AliasMap<Owner> = AliasMap::with_capacity_and_hasher(self.suspects.len() * 8, Default::default());
        for hot in self.present.iter().filter_map(|place| self.hot(*place)) {
            let item = &hot.item;
            let owner = Owner { words: hot.gist.words, guid: item.newest(Kind::Guid), link: item.newest(Kind::Link) };
            // A name that it went by before is not its name in this document.
            let current = |alias: &Alias| alias.kind().is_some_and(|kind| item.newest(kind) == Some(*alias));
            owners.extend(item.aliases.iter().filter(|a| self.asked.contains(a) && current(a)).map(|alias| (*alias, owner)));
        }
        for (suspect, verdict) in self.suspects.iter().zip(&mut self.verdicts) {
            let own = Owner::of(suspect);
            let aliases = || suspect.keys.iter().map(Key::alias);
            if aliases().any(|a| !self.ambiguous.contains(&a) && owners.get(&a).is_some_and(|owner| owner.is_twin(&own))) {
                *verdict = Some(Verdict::Twin);
                continue;
            }
            for alias in aliases() {
                let owner = *owners.entry(alias).or_insert(own);
                if !owner.is_twin(&own) && self.ambiguous.insert(alias) {
                    self.marks.push(alias);
                }
            }
        }
    }

    fn index(&mut self) {
        let cold = self.memory.cold.iter().enumerate().map(|(i, cold)| (Place::Cold(i), &cold.item));
        let hot = self.memory.hot.iter().enumerate().map(|(i, hot)| (Place::Hot(i), &hot.item));
        for (place, item) in cold.chain(hot) {
            // Of two that have gone by a name, the one that was seen last has it.
            let asked = item.aliases.iter().filter(|a| self.asked.contains(a) && !self.ambiguous.contains(a));
            self.by_alias.extend(asked.map(|alias| (*alias, place)));
        }
        for (i, suspect) in self.suspects.iter().enumerate() {
            let strong = suspect.keys.iter().filter(|k| k.kind().is_some_and(Kind::is_strong));
            self.carriers.extend(strong.map(|key| (key.alias(), i)));
        }
    }

    fn hot(&self, place: Place) -> Option<&'a super::memory::Hot> {
        match place {
            Place::Hot(i) => self.memory.hot.get(i),
            Place::Cold(_) => None,
        }
    }

    fn item(&self, place: Place) -> Option<&'a Item> {
        match place {
            Place::Hot(i) => self.memory.hot.get(i).map(|h| &h.item),
            Place::Cold(i) => self.memory.cold.get(i).map(|c| &c.item),
        }
    }

    /// Gives a verdict to all suspects that a key of these kinds leads to an entry that nobody else is; `fits` has the last word.
    fn pass(&mut self, kinds: &[Kind], fits: impl Fn(&Self, Place, &Suspect, Key) -> bool) {
        for kind in kinds {
            for i in 0..self.suspects.len() {
                let Some((suspect, None)) = self.suspects.get(i).zip(self.verdicts.get(i)) else { continue };
                let keys = suspect.keys.iter().filter(|k| k.kind() == Some(*kind) && !self.ambiguous.contains(&k.alias()));
                let mut places = keys.filter_map(|key| self.by_alias.get(&key.alias()).map(|place| (*key, *place)));
                let found = places.find(|(key, place)| !self.present.contains(place) && fits(self, *place, suspect, *key));
                if let (Some((_, place)), Some(verdict)) = (found, self.verdicts.get_mut(i)) {
                    *verdict = Some(Verdict::Known(place, *kind));
                    self.present.insert(place);
                }
            }
        }
    }

    /// Whether a strong key was used again for another entry: its words are quite different, and no other strong key agrees.
    fn is_reused(&self, place: Place, suspect: &Suspect, key: Key) -> bool {
        let Some(item) = self.item(place) else { return true };
        let others = || suspect.keys.iter().filter(|k| **k != key && k.kind().is_some_and(Kind::is_strong)).map(Key::alias);
        if others().any(|a| item.aliases.contains(&a)) {
            return false;
        }
        if self.is_somebody_else(item, suspect) {
            return true;
        }
        if !item.sketch.is_unlike(&suspect.reading.sketch) {
            return false;
        }
        match (item.date, suspect.date) {
            (Minute(0), _) | (_, Minute(0)) => others().any(|a| !self.ambiguous.contains(&a)),
            (then, now) => then != now,
        }
    }

    /// Whether another entry of the document carries the item's other strong key and the very words that this one does not have: so it is
    /// with identifiers that count from the top of the document.
    fn is_somebody_else(&self, item: &Item, suspect: &Suspect) -> bool {
        let same = |s: &Suspect| s.reading.sketch == item.sketch;
        let names = [Kind::Guid, Kind::Link].into_iter().filter_map(|kind| item.newest(kind));
        let mut carriers = names.filter_map(|alias| self.suspects.get(*self.carriers.get(&alias)?));
        !same(suspect) && carriers.any(|other| other.index != suspect.index && same(other))
    }

    /// Whether words and date bear out what a weak key says.
    fn bears_out(&self, place: Place, suspect: &Suspect, key: Key) -> bool {
        let Some(item) = self.item(place) else { return false };
        match key.kind() {
            Some(Kind::Number) => item.sketch.is_like(&suspect.reading.sketch),
            Some(Kind::TitleDate) => !item.sketch.has_other_body(&suspect.reading.sketch),
            _ => item.date == suspect.date || item.date == Minute(0) || suspect.date == Minute(0),
        }
    }

    /// Absent entries with the very same words but another date: one may be news that is always worded alike; half a document is a site
    /// that dated everything anew.
    fn pass_dated_anew(&mut self, entries: usize) {
        let kinds = [Kind::Body, Kind::Text];
        let leads = |key: &Key| {
            key.kind().is_some_and(|kind| kinds.contains(&kind))
                && !self.ambiguous.contains(&key.alias())
                && self.by_alias.get(&key.alias()).is_some_and(|place| !self.present.contains(place))
        };
        let open = self.suspects.iter().zip(&self.verdicts).filter(|(_, verdict)| verdict.is_none());
        let count = open.filter(|(suspect, _)| suspect.keys.iter().any(leads)).count();
        if count >= DATED_ANEW && count * 2 > entries {
            self.pass(&kinds, |_, _, _, _| true);
        }
    }

    /// The id of a new entry is the first of its keys that is no other's: a key that was used again is the id of the entry before.
    fn name_the_new(&mut self) {
        let items = self.memory.hot.iter().map(|h| &h.item).chain(self.memory.cold.iter().map(|c| &c.item));
        let mut taken: HashSet<Key> = items.map(|item| item.id).collect();
        for (suspect, verdict) in self.suspects.iter().zip(&mut self.verdicts).filter(|(_, verdict)| verdict.is_none()) {
            // The publisher's identifier, then the link of the entry itself, then an identifier that is a URL.
            let of = |kind| suspect.keys.iter().filter(move |k| k.kind() == Some(kind));
            let strong = of(Kind::Guid).chain(of(Kind::Link).rev()).filter(|k| !self.ambiguous.contains(&k.alias()));
            let later = [Kind::GuidLink, Kind::GuidTitle, Kind::LinkTitleDate, Kind::Text, Kind::Named, Kind::Whole];
            let later = later.into_iter().flat_map(of);
            *verdict = strong.chain(later).copied().find(|key| taken.insert(*key)).map(Verdict::New);
        }
    }
}
