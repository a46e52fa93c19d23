//! What in a document is not known by its bytes: with keys and hashes, so that it can be looked up and recognised.

use super::entry::Entry;
use super::feed::{Body, Document, Fingerprint};
use super::identity::{self, Alias, Key};
use super::memory::Minute;
use super::recognise::Suspect;
use super::text;

/// A document whose unknown entries have been given keys and hashes, once for the look-up and for the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Sifted {
    pub(super) document: Document,
    /// Oldest first.
    pub(super) suspects: Vec<Suspect>,
}

impl Sifted {
    /// Works out keys and hashes.
    #[must_use]
    pub fn new(document: Document) -> Self {
        let parsed = document.entries.iter().enumerate().filter_map(|(index, scanned)| match &scanned.body {
            Body::Parsed(entry) => Some((index, scanned.fingerprint, &**entry)),
            Body::Known | Body::Broken(_) => None,
        });
        let mut reader = text::Reader::default();
        let suspect = |(index, fingerprint, entry): (usize, Fingerprint, &Entry)| {
            let reading = reader.read(entry);
            Suspect {
                index,
                fingerprint,
                keys: identity::keys(entry, &reading),
                date: entry.published.or(entry.updated).map_or(Minute(0), |d| d.at.into()),
                reading,
            }
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

    /// The names that must be looked up among the cold entries before the plan can be made; none when nothing in the document looks new.
    #[must_use]
    pub fn wanted(&self) -> Vec<Alias> {
        self.suspects.iter().flat_map(|s| s.keys.iter().map(Key::alias)).collect()
    }

    /// The document, for those who report on it.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    pub(super) fn take(&mut self, index: usize) -> Entry {
        match self.document.entries.get_mut(index).map(|scanned| std::mem::replace(&mut scanned.body, Body::Known)) {
            Some(Body::Parsed(entry)) => *entry,
            _ => Entry::default(),
        }
    }
}
