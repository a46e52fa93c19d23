//! Bytes to entries. Pure, and the work is proportional to what is new: the document is walked once, and only entries whose fingerprint is
//! not known are parsed.
//!
//! ```text
//! decode   bytes → text, whatever the charset        scan      text → head, and the bytes of each entry
//! children an entry → its elements                   feed_xml  elements → a small clean document → feed-rs → entry
//! feed_json  the same for JSON Feed                  dates, zones, html, entities  what both need
//! ```
//!
//! Nothing here trusts its input: lexing never fails, nesting is never recursed into, sizes are bounded, and feed-rs, which can panic, is
//! fenced off. One bad entry costs itself.

mod beacons;
mod calendar;
mod children;
mod dates;
mod decode;
pub mod discover;
mod entities;
mod feed_json;
mod feed_xml;
mod fields;
mod hints;
pub mod html;
mod lex;
mod mojibake;
mod nesting;
pub mod opml;
pub mod plain;
mod scan;
mod zones;

use url::Url;

use crate::domain::feed::{Document, Known};

/// Part of every fingerprint: when the parser reads more than before, everything is read once more.
const PARSER_VERSION: u16 = 2;

/// Feeds of a page that are named in an error.
const MOST_NAMED: usize = 3;

/// The names of what can be mended in a document.
pub const FAULTS: [&str; 3] = [scan::JUNK, scan::LOST_END, scan::CUT];

/// A document as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Decompressed.
    pub bytes: &'a [u8],
    /// `Content-Type`, as sent.
    pub content_type: Option<&'a str>,
    /// Where it came from: relative links are relative to it.
    pub url: Option<&'a str>,
    /// So many entries are read, the rest is counted.
    pub max_entries: usize,
}

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A page for people: an error, a login, a challenge, or the wrong URL.
    #[error("this is an HTML page, not a feed")]
    Html,
    /// Markup of some other kind.
    #[error("there is no rss, rdf or feed element in it")]
    NoFeed,
    /// No markup, and no JSON.
    #[error("there is neither XML nor JSON in it")]
    NoMarkup,
    /// JSON of some other kind.
    #[error("it is JSON, but no JSON Feed: {0}")]
    Json(String),
}

impl Source<'_> {
    /// An error in words, and where the feeds are if this is a page that says so.
    #[must_use]
    pub fn explain(&self, error: &ParseError) -> String {
        let page = self.url.filter(|_| *error == ParseError::Html).and_then(|url| Url::parse(url).ok());
        let offers = page.map(|url| discover::offers(self.bytes, self.content_type, &url)).unwrap_or_default();
        let offers: Vec<_> = offers.into_iter().take(MOST_NAMED).map(|offer| offer.url).collect();
        if offers.is_empty() { error.to_string() } else { format!("{error}; it offers {}", offers.join(" and ")) }
    }
}

/// Reads a document. Entries in `known` are not parsed.
///
/// # Errors
/// When it is no feed. A feed with broken parts is read as far as can be.
pub fn parse(source: &Source<'_>, known: &Known) -> Result<Document, ParseError> {
    let base = source.url.and_then(|url| Url::parse(url).ok());
    let host = base.as_ref().and_then(Url::host_str);
    let text = decode::decode(source.bytes, source.content_type, host);
    if text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').starts_with(['{', '[']) {
        return feed_json::parse(&text, base.as_ref(), source.max_entries, known);
    }
    let scan = scan::scan(&text, source.url, source.max_entries)?;
    Ok(feed_xml::parse(&scan, base.as_ref(), known))
}

#[cfg(test)]
mod charset_tests;
#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
