//! What came and went between two polls: the pages and archives behind a document (RFC 5005 §3 and §4) hold it, and are asked for when every
//! entry of a document is new.

use serde::{Deserialize, Serialize};

use super::hints::Hints;
use super::time::Timestamp;

/// Pages read for one gap.
const MOST_PAGES: u8 = 10;

/// A gap that is being filled. The next request is for this page, and not for the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Older {
    /// The page.
    pub url: String,
    /// What is not dated after this was published before the gap.
    pub since: Timestamp,
    /// When the feed itself is due again.
    pub resume: Timestamp,
    /// How many pages there were before this.
    pages: u8,
}

impl Older {
    /// The first page behind a document that was read from `url`; `None` when it has none, or on another host.
    #[must_use]
    pub(super) fn begin(url: &str, hints: &Hints, since: Timestamp, resume: Timestamp) -> Option<Self> {
        Some(Self { url: behind(url, hints)?, since, resume, pages: 0 })
    }

    /// The page behind this one.
    #[must_use]
    pub(super) fn next(self, hints: &Hints) -> Option<Self> {
        let pages = self.pages + 1;
        (pages < MOST_PAGES).then_some(Self { url: behind(&self.url, hints)?, pages, ..self })
    }
}

fn behind(url: &str, hints: &Hints) -> Option<String> {
    let next = hints.prev_archive.as_ref().or(hints.next_url.as_ref()).filter(|_| !hints.complete)?;
    (host(next) == host(url) && next != url).then(|| next.clone())
}

/// Scheme, host and port.
fn host(url: &str) -> Option<&str> {
    let from = url.find("://")? + 3;
    let rest = url.get(from..)?;
    url.get(..from + rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_732_725_900_000);

    fn hints(next: &str) -> Hints {
        Hints { next_url: Some(next.into()), ..Hints::default() }
    }

    fn begin(hints: &Hints) -> Option<String> {
        Older::begin("https://a.ua/feed?p=1", hints, NOW, NOW).map(|older| older.url)
    }

    #[test]
    fn p74_pages_are_read_on_the_same_host_and_no_more_than_ten() {
        assert_eq!(begin(&hints("https://a.ua/feed?p=2")).as_deref(), Some("https://a.ua/feed?p=2"));
        let both = Hints { prev_archive: Some("https://a.ua/2024".into()), ..hints("https://a.ua/feed?p=2") };
        assert_eq!(begin(&both).as_deref(), Some("https://a.ua/2024"), "archives do not shift while they are read");
        for elsewhere in ["https://b.ua/", "http://a.ua/", "https://a.ua:8443/", "https://a.ua.evil.example/", "https://a.ua/feed?p=1"] {
            assert_eq!(begin(&hints(elsewhere)), None, "{elsewhere}");
        }
        let mut older = Older::begin("https://a.ua/", &hints("https://a.ua/0"), NOW, NOW);
        let read = (1..100).take_while(|n| {
            older = older.take().and_then(|older| older.next(&hints(&format!("https://a.ua/{n}"))));
            older.is_some()
        });
        assert_eq!(read.count() + 1, 10);
    }

    #[test]
    fn p75_a_complete_document_has_nothing_behind_it() {
        assert_eq!(begin(&Hints { complete: true, ..hints("https://a.ua/feed?p=2") }), None);
    }
}
