//! Which entry is which: the keys it may go by. An entry has many, for publishers change each of them: identifiers are drawn anew at every
//! request, links move to https, to another path, to another site, titles are edited. Any one may tell that it is the entry of before.
//!
//! The scheme has a version, which is part of every key: when the scheme changes, old keys never match by accident. A key means something
//! in one feed only. Where an entry stands in its document is never part of one.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::canonical::{Link, canonical};
use super::entry::Entry;
use super::text::{Reading, TELLING};

/// The version of the scheme below.
pub const SCHEME: u8 = 2;

/// A text without a date needs so many words to be recognised by them.
const TELLING_WITHOUT_DATE: u16 = 24;

/// What a key is made from, the most trusted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The publisher's identifier, as written.
    Guid = 1,
    /// A canonical URL: the link, or an identifier that is one.
    Link = 2,
    /// The host and the last long number of the link.
    Number = 3,
    /// Title and date.
    TitleDate = 4,
    /// The words of a long body.
    Body = 5,
    /// The words of title and body.
    Text = 6,
    /// Identifier and link: tells entries apart that share one of them.
    GuidLink = 7,
    /// Identifier and title.
    GuidTitle = 8,
    /// Link, title and date.
    LinkTitleDate = 9,
    /// Identifier, link and title.
    Named = 10,
    /// Everything, words and date included: for an entry whose every other key is taken.
    Whole = 11,
}

impl Kind {
    /// Every kind, the most trusted first.
    pub const ALL: [Self; 11] = [
        Self::Guid,
        Self::Link,
        Self::Number,
        Self::TitleDate,
        Self::Body,
        Self::Text,
        Self::GuidLink,
        Self::GuidTitle,
        Self::LinkTitleDate,
        Self::Named,
        Self::Whole,
    ];

    /// Whether the publisher meant it to name the entry.
    #[must_use]
    pub fn is_strong(self) -> bool {
        matches!(self, Self::Guid | Self::Link)
    }

    /// Whether it serves where a strong key tells nothing.
    #[must_use]
    pub fn is_composite(self) -> bool {
        matches!(self, Self::GuidLink | Self::GuidTitle | Self::LinkTitleDate | Self::Named | Self::Whole)
    }

    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guid => "identifier",
            Self::Link => "link",
            Self::Number => "number in the link",
            Self::TitleDate => "title and date",
            Self::Body => "body",
            Self::Text => "title and body",
            Self::GuidLink => "identifier and link",
            Self::GuidTitle => "identifier and title",
            Self::LinkTitleDate => "link, title and date",
            Self::Named => "identifier, link and title",
            Self::Whole => "everything",
        }
    }
}

/// A key: the scheme and the kind in the first byte, then 120 bits of a hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key([u8; 16]);

/// The first half of a key, kind included: enough to find an entry by among those of its feed (56 bits: with 100,000 entries known, one new
/// entry in 10¹¹ is taken for another).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Alias(pub u64);

/// A map by alias. They are hashes already: they are spread, not hashed again.
pub type AliasMap<V> = std::collections::HashMap<Alias, V, BuildHasherDefault<Spreading>>;

/// A set of aliases; see [`AliasMap`].
pub type AliasSet = std::collections::HashSet<Alias, BuildHasherDefault<Spreading>>;

/// Spreads a number over all bits, for the first byte of every alias is one of a few.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spreading(u64);

impl Hasher for Spreading {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Key {
    fn new(kind: Kind, parts: &[&[u8]]) -> Self {
        let mut joined = Vec::with_capacity(256);
        for part in parts {
            joined.extend((part.len() as u64).to_be_bytes());
            joined.extend(*part);
        }
        let mut bytes = xxh3_128(&joined).to_be_bytes();
        if let Some(first) = bytes.first_mut() {
            *first = (SCHEME << 4) | kind as u8;
        }
        Self(bytes)
    }

    /// A key that was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for hashing and for the store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The half that entries are found by.
    #[must_use]
    pub fn alias(&self) -> Alias {
        Alias(self.0.first_chunk().copied().map_or(0, u64::from_be_bytes))
    }

    /// What it was made from; `None` if by another scheme.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.alias().kind()
    }
}

impl Alias {
    /// What it was made from; `None` if by another scheme.
    #[must_use]
    pub fn kind(self) -> Option<Kind> {
        let first = (self.0 >> 56) as u8;
        Kind::ALL.into_iter().find(|kind| first == (SCHEME << 4) | *kind as u8)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The key of a link, to look for an entry by its URL.
#[must_use]
pub fn of_link(url: &str) -> Key {
    Key::new(Kind::Link, &[canonical(url).as_bytes()])
}

/// All keys of an entry, the most trusted first. At most two of a kind.
#[must_use]
pub fn keys(entry: &Entry, reading: &Reading) -> Vec<Key> {
    let guid = entry.id.as_deref().map(str::trim).filter(|s| !s.is_empty());
    let url = entry.url.as_deref();
    let (link, number) = url.map(Link::new).map_or((None, None), |link| (Some(link.canonical), link.number));
    let (title, body) = (reading.title.to_be_bytes(), reading.body.to_be_bytes());
    let date = entry.published.or(entry.updated).map(|d| d.at.0.to_be_bytes());
    let has_title = entry.title.as_deref().is_some_and(|t| !t.trim().is_empty());
    let (g, l) = (guid.unwrap_or_default().as_bytes(), link.as_deref().unwrap_or_default().as_bytes());
    let mut keys = Vec::with_capacity(12);
    if let Some(guid) = guid {
        keys.push(Key::new(Kind::Guid, &[g]));
        let other = (guid.starts_with("http://") || guid.starts_with("https://")) && url != Some(guid);
        let other = other.then(|| canonical(guid)).filter(|other| Some(other) != link.as_ref());
        keys.extend(other.map(|other| Key::new(Kind::Link, &[other.as_bytes()])));
    }
    if link.is_some() {
        keys.push(Key::new(Kind::Link, &[l]));
        keys.extend(number.map(|n| Key::new(Kind::Number, &[n.as_bytes()])));
    }
    keys.extend(date.filter(|_| has_title).map(|date| Key::new(Kind::TitleDate, &[&title, &date])));
    if u32::from(reading.gist.length) >= TELLING {
        keys.push(Key::new(Kind::Body, &[&body]));
    }
    let bare = guid.is_none() && link.is_none();
    if bare || date.is_some() && (has_title || reading.gist.length > 0) || reading.gist.length >= TELLING_WITHOUT_DATE {
        keys.push(Key::new(Kind::Text, &[&title, &body]));
    }
    if guid.is_some() && link.is_some() {
        keys.push(Key::new(Kind::GuidLink, &[g, l]));
    }
    if guid.is_some() && has_title {
        keys.push(Key::new(Kind::GuidTitle, &[g, &title]));
    }
    if let Some(date) = date.filter(|_| link.is_some() && has_title) {
        keys.push(Key::new(Kind::LinkTitleDate, &[l, &title, &date]));
    }
    keys.push(Key::new(Kind::Named, &[g, l, &title]));
    keys.push(Key::new(Kind::Whole, &[g, l, &title, &body, &date.unwrap_or_default()]));
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text;

    fn of(entry: &Entry) -> Vec<(Kind, Key)> {
        keys(entry, &text::read(entry)).iter().map(|k| (k.kind().unwrap(), *k)).collect()
    }

    fn entry(guid: &str, url: &str, title: &str) -> Entry {
        Entry { id: Some(guid.into()), url: Some(url.into()), title: Some(title.into()), ..Entry::default() }
    }

    #[test]
    fn a_title_or_date_is_not_part_of_a_strong_key() {
        let (a, b) = (of(&entry(" g ", "https://a.ua/1", "x")), of(&entry("g", "http://www.a.ua/1?utm_source=x", "y")));
        let strong = |keys: &[(Kind, Key)]| keys.iter().filter(|(kind, _)| kind.is_strong()).copied().collect::<Vec<_>>();
        assert_eq!(strong(&a), strong(&b));
        assert_eq!(strong(&a).len(), 2);
        assert_ne!(a.last(), b.last());
    }

    #[test]
    fn an_identifier_that_is_the_link_is_a_link_too() {
        let kinds = |e: &Entry| of(e).iter().map(|(kind, _)| *kind).take(3).collect::<Vec<_>>();
        assert_eq!(kinds(&entry("https://a.ua/1", "http://a.ua/1/", "x")), [Kind::Guid, Kind::Link, Kind::GuidLink]);
        assert_eq!(kinds(&entry("https://a.ua/?p=1", "http://a.ua/1/", "x")), [Kind::Guid, Kind::Link, Kind::Link]);
    }

    #[test]
    fn an_entry_without_names_goes_by_its_words() {
        let keys = of(&Entry { title: Some("Лише заголовок".into()), ..Entry::default() });
        assert_eq!(keys.first().unwrap().0, Kind::Text);
        assert_eq!(Kind::ALL.map(|k| Alias(u64::from((SCHEME << 4) | k as u8) << 56).kind()), Kind::ALL.map(Some));
        assert_eq!(Alias(0x1100_0000_0000_0000).kind(), None, "of the first scheme");
    }
}
