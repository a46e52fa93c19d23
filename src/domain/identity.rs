//! Which entry is which: keys that say "the same entry as before".
//!
//! The scheme has a version, which is part of every key: when the scheme changes, old keys never match by accident.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::entry::{Entry, Markup};

/// The version of the scheme below.
pub const SCHEME: u8 = 1;

/// A key: the scheme and the kind in the first byte, then 120 bits of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key([u8; 16]);

/// What a key was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The publisher's identifier.
    Guid = 1,
    /// The canonical link.
    Link = 2,
    /// Title and text, when there is neither.
    Text = 3,
    /// Identifier and link, when one document gives different entries the same identifier.
    GuidLink = 4,
    /// Identifier or link, and title, when the link is the same too.
    Titled = 5,
    /// Not an entry: a mark that a first key was given to different entries of one document.
    Ambiguous = 6,
}

impl Key {
    fn new(kind: Kind, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().skip(1).zip(hash.finalize()) {
            *to = from;
        }
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

    /// The mark that says of this key: one document gave it to different entries, so it tells nothing, for good.
    #[must_use]
    pub fn ambiguity(&self) -> Self {
        let mut mark = *self;
        if let Some(first) = mark.0.first_mut() {
            *first = (SCHEME << 4) | Kind::Ambiguous as u8;
        }
        mark
    }

    /// Whether this key was made by the scheme of today.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.0.first().is_some_and(|b| b >> 4 == SCHEME)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// The keys an entry may go by, best first. The later ones serve when the earlier belong to another entry of the same document.
#[must_use]
pub fn candidates(entry: &Entry) -> Vec<Key> {
    let guid = entry.id.as_deref().map(str::trim).filter(|s| !s.is_empty());
    let link = entry.url.as_deref().map(canonical);
    let title = entry.title.as_deref().unwrap_or_default();
    match (guid, link.as_deref()) {
        (Some(g), Some(l)) => vec![Key::new(Kind::Guid, &[g]), Key::new(Kind::GuidLink, &[g, l]), Key::new(Kind::Titled, &[g, l, title])],
        (Some(g), None) => vec![Key::new(Kind::Guid, &[g]), Key::new(Kind::Titled, &[g, "", title])],
        (None, Some(l)) => vec![Key::new(Kind::Link, &[l]), Key::new(Kind::Titled, &["", l, title])],
        (None, None) => {
            let source = |m: &Option<Markup>| m.as_ref().map(|m| m.source().to_owned()).unwrap_or_default();
            vec![Key::new(Kind::Text, &[title, &source(&entry.summary), &source(&entry.content)])]
        }
    }
}

/// The form of a URL that is compared, never the one that is emitted: without scheme, `www.`, user info, trailing slash, tracking
/// parameters and fragment (unless it routes: `#!`, `#/`). Every other parameter stays, in order; the case of the path stays.
#[must_use]
pub fn canonical(url: &str) -> String {
    let Ok(parsed) = Url::parse(url.trim()) else { return url.trim().to_owned() };
    if !matches!(parsed.scheme(), "http" | "https") {
        return parsed.into();
    }
    let mut out = parsed.host_str().unwrap_or_default().trim_start_matches("www.").to_owned();
    if let Some(port) = parsed.port() {
        out.push_str(&format!(":{port}"));
    }
    out.push_str(parsed.path().trim_end_matches('/'));
    let mut separator = '?';
    for pair in parsed.query().unwrap_or_default().split('&').filter(|p| !p.is_empty() && !is_tracking(p)) {
        out.push(separator);
        out.push_str(pair);
        separator = '&';
    }
    if let Some(route) = parsed.fragment().filter(|f| f.starts_with(['!', '/'])) {
        out.push('#');
        out.push_str(route);
    }
    out
}

fn is_tracking(pair: &str) -> bool {
    const NAMES: [&str; 12] =
        ["fbclid", "gclid", "dclid", "yclid", "msclkid", "igshid", "mc_cid", "mc_eid", "_openstat", "wt_mc", "ocid", "cmpid"];
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("utm_") || NAMES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_one() {
        let check = |a: &str, b: &str| assert_eq!(canonical(a), canonical(b), "{a} {b}");
        check("https://glavcom.ua/a/1.html", "http://www.glavcom.ua/a/1.html?utm_source=rss&fbclid=x#comments");
        check("https://a.ua/x/", "https://a.ua/x");
        check("https://a.ua:443/x", "https://a.ua/x");
        check("https://a.ua/?id=3&utm_medium=m&p=2", "https://a.ua/?id=3&p=2");
    }

    #[test]
    fn urls_that_are_two() {
        let check = |a: &str, b: &str| assert_ne!(canonical(a), canonical(b), "{a} {b}");
        check("https://a.ua/?id=3", "https://a.ua/?id=4");
        check("https://a.ua/Page", "https://a.ua/page");
        check("https://a.ua/#!/one", "https://a.ua/#!/two");
        check("https://a.ua/?a=1&b=2", "https://a.ua/?b=2&a=1");
    }

    #[test]
    fn a_title_or_date_is_not_part_of_the_first_key() {
        let a = Entry { id: Some(" g ".into()), url: Some("https://a.ua/1".into()), title: Some("x".into()), ..Entry::default() };
        let b = Entry { id: Some("g".into()), url: Some("https://a.ua/2".into()), title: Some("y".into()), ..Entry::default() };
        assert_eq!(candidates(&a).first(), candidates(&b).first());
        assert_ne!(candidates(&a).get(1), candidates(&b).get(1));
        let c = Entry { id: None, ..a.clone() };
        assert_ne!(candidates(&a).first(), candidates(&c).first());
        assert!(candidates(&c).iter().all(Key::is_current));
    }
}
