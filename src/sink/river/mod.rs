//! The river: the newest entries of all feeds as one feed, in Atom (RFC 4287) or as JSON Feed 1.1. Entries are written one by one, so that
//! their events need not be held together; markup is cleaned as it is for a webhook.

mod atom;
mod json;
mod xml;

use crate::domain::event::{Event, EventId, EventKind, Report, What};
use crate::domain::time::{Moment, Timestamp};

/// The forms of a river: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Atom 1.0.
    Atom,
    /// JSON Feed 1.1.
    Json,
}

/// What stands around the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// `instance` of the configuration.
    pub instance: &'a str,
    /// What it is a selection of, as words behind its id; none for the whole river.
    pub selection: &'a [String],
    /// The absolute URL that it was asked for by.
    pub url: &'a str,
    /// When the newest entry was told, or, when there is none, some time before that.
    pub updated: Timestamp,
}

impl Format {
    /// The media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Json => "application/feed+json; charset=utf-8",
        }
    }

    /// An entry; `None` for an event that is of none.
    #[must_use]
    pub fn entry(self, event: &Event) -> Option<String> {
        let What::Entry(report) = &event.happening.what else { return None };
        Some(match self {
            Self::Atom => atom::entry(event, report),
            Self::Json => json::item(event, report),
        })
    }

    /// The whole document around entries that were written before, in their order.
    #[must_use]
    pub fn document(self, head: &Head<'_>, entries: &[String]) -> String {
        match self {
            Self::Atom => atom::document(head, entries),
            Self::Json => json::document(head, entries),
        }
    }
}

/// What an entry is known by, the same for all of its revisions: the id of its first event. `None` for an event that is of no entry.
#[must_use]
pub fn identity(event: &Event) -> Option<&EventId> {
    match &event.happening.what {
        What::Entry(report) => Some(report.first.as_ref().unwrap_or(&event.happening.id)),
        What::Flood(_) | What::Health(_) | What::Moved(_) | What::Sink(_) => None,
    }
}

/// The URI of an entry.
fn id_of(event: &Event) -> String {
    let id = identity(event).map_or("", |id| id.0.as_str());
    format!("urn:feedwire:{}:entry:{}", event.scene.instance, id.trim_start_matches("evt_"))
}

/// The URI of the feed that an entry is from: the `source` of its events.
fn source_of(event: &Event) -> String {
    format!("urn:feedwire:{}:feed:{}", event.scene.instance, event.scene.feed)
}

/// The URI of the river itself.
fn id_of_river(head: &Head<'_>) -> String {
    let selection: String = head.selection.iter().map(|word| format!(":{}", percent(word))).collect();
    format!("urn:feedwire:{}:river{selection}", head.instance)
}

/// A word of a URN (RFC 8141): what is more than a letter, a digit, `-`, `.` or `_` is percent-encoded.
fn percent(word: &str) -> String {
    url::form_urlencoded::byte_serialize(word.as_bytes()).collect::<String>().replace('+', "%20").replace('*', "%2A")
}

fn title_of(head: &Head<'_>) -> String {
    let name = format!("feedwire {}", head.instance);
    if head.selection.is_empty() { name } else { format!("{name}: {}", head.selection.join(" ")) }
}

/// The title of the feed that an entry is from, else its name.
fn title_of_source(event: &Event) -> &str {
    event.scene.title.as_deref().filter(|title| shows(title)).unwrap_or(&event.scene.feed.0)
}

/// Whether there is anything to be seen.
fn shows(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// When an entry last changed: a new one when its publisher says, an update when it was noticed.
fn updated_of(event: &Event, report: &Report) -> String {
    let told = event.scene.time.to_string();
    match event.happening.kind {
        EventKind::Created => report.entry.updated.or(report.entry.published).and_then(written).unwrap_or(told),
        _ => told,
    }
}

/// A date in RFC 3339, which knows four digits of a year.
fn written(moment: Moment) -> Option<String> {
    let text = moment.to_string();
    let year = text.find('-').filter(|length| *length == 4)?;
    text.get(..year)?.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

/// A language tag, if it has the form of one (RFC 5646, section 2.1, as XML Schema's `language` draws it).
fn language_of(report: &Report) -> Option<&str> {
    let part = |(n, part): (usize, &str)| {
        let good = |c: u8| if n == 0 { c.is_ascii_alphabetic() } else { c.is_ascii_alphanumeric() };
        (1..=8).contains(&part.len()) && part.bytes().all(good)
    };
    report.entry.language.as_deref().filter(|tag| tag.split('-').enumerate().all(part))
}

#[cfg(test)]
mod tests;
