//! The public wire format: one body that is a Standard Webhooks payload and a CloudEvents 1.0 structured event. Deterministic: the same
//! event is the same bytes at every attempt. Markup is cleaned here, so that nothing is cleaned that is never sent, and nothing is sent
//! that was not cleaned.

use serde::Serialize;

use crate::domain::entry::{Entry, Markup};
use crate::domain::event::{Event, FloodReport, HealthReport, Level, MoveReport, Report, SinkReport, What};
use crate::parse::{html, plain};

/// At least so many bytes are cut at a time, so that cutting comes to an end soon.
const SHORTEST_CUT: usize = 256;

/// Which forms of an entry's content are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// `content_html` and `content_text`.
    #[default]
    All,
    /// `content_html`.
    Html,
    /// `content_text`.
    Text,
    /// Neither: who wants more than the summary follows the link.
    None,
}

/// The whole envelope, minified. With a `cap` in bytes, content and then summary are cut at a character boundary until it fits, and
/// `content_truncated` says so; what has no content is not cut.
#[must_use]
pub fn event(event: &Event, content: Content, cap: Option<usize>) -> Vec<u8> {
    let report = match &event.happening.what {
        What::Entry(report) => report,
        What::Flood(flood) => return line(&Envelope::new(event, Subject::Flood { flood })),
        What::Health(health) => return line(&Envelope::new(event, Subject::Health { health })),
        What::Moved(moved) => return line(&Envelope::new(event, Subject::Moved { moved })),
        What::Sink(sink) => return line(&Envelope::new(event, Subject::Sink { sink })),
    };
    let Report { entry, revision, level, duplicate_of, .. } = &**report;
    let (mut entry, duplicate_of) = (self::entry(entry, *revision).keeping(content), duplicate_of.as_ref().map(|id| id.0.as_str()));
    loop {
        let subject = Subject::Entry { entry: &entry, level: *level, duplicate_of };
        let body = line(&Envelope::new(event, subject));
        match cap {
            Some(cap) if body.len() > cap && entry.shorten(body.len() - cap) => {}
            _ => return body,
        }
    }
}

/// The envelopes of a batch: one JSON document, an array of them, each with content up to `cap`.
#[must_use]
pub fn batch<'a>(events: impl Iterator<Item = &'a Event>, content: Content, cap: usize) -> Vec<u8> {
    let bodies: Vec<_> = events.map(|one| event(one, content, Some(cap))).collect();
    [b"[", &bodies.join(&b","[..])[..], b"]"].concat()
}

/// JSON on one line, even for those who end lines at U+2028, U+2029 and U+0085 too, as Python does.
#[must_use]
pub fn line(value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_string(value).unwrap_or_default();
    if !json.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return json.into_bytes();
    }
    // Outside of strings they cannot stand.
    json.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").into_bytes()
}

/// `data.entry`: what `feedwire parse` prints too.
#[must_use]
pub fn entry(entry: &Entry, revision: u16) -> EntryJson<'_> {
    let base = entry.base.as_deref().or(entry.url.as_deref());
    // RSS knows one text only, and most publishers put the article into it: markup there is content.
    let content_html = match (&entry.content, &entry.summary) {
        (Some(Markup::Html(raw)), _) | (None, Some(Markup::Html(raw))) => {
            Some(html::clean(raw, base)).filter(|clean| !clean.trim().is_empty())
        }
        // Whoever takes HTML takes it of every entry that has content.
        (Some(Markup::Text(text)), _) => Some(plain::from_text(text)).filter(|html| !html.is_empty()),
        _ => None,
    };
    let content_text = match (&content_html, &entry.content) {
        (_, Some(Markup::Text(text))) => Some(text.trim().to_owned()),
        (Some(clean), _) => Some(plain::text(clean)),
        _ => None,
    };
    let summary = entry.summary.as_ref().map(|summary| match summary {
        // It was cleaned above.
        Markup::Html(_) if entry.content.is_none() => content_text.clone().unwrap_or_default(),
        Markup::Html(raw) => plain::text(&html::clean(raw, base)),
        Markup::Text(text) => text.trim().to_owned(),
    });
    EntryJson {
        id: entry.id.as_deref().or(entry.url.as_deref()),
        url: entry.url.as_deref(),
        title: entry.title.as_deref(),
        authors: entry.authors.iter().map(|a| PersonJson { name: &a.name }).collect(),
        published: entry.published.map(|p| p.to_string()),
        published_raw: entry.published_raw.as_deref().filter(|_| entry.published.is_none()),
        updated: entry.updated.map(|u| u.to_string()),
        language: entry.language.as_deref(),
        categories: &entry.categories,
        summary: summary.filter(|s| !s.is_empty()),
        content_html,
        content_text: content_text.filter(|t| !t.is_empty()),
        content_truncated: false,
        image: entry.image.as_deref(),
        enclosures: entry
            .enclosures
            .iter()
            .map(|e| EnclosureJson { url: &e.url, media_type: e.media_type.as_deref(), length: e.length })
            .collect(),
        revision,
    }
}

/// An entry on the wire.
#[derive(Clone, Debug, Serialize)]
pub struct EntryJson<'a> {
    id: Option<&'a str>,
    pub(super) url: Option<&'a str>,
    pub(super) title: Option<&'a str>,
    authors: Vec<PersonJson<'a>>,
    published: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_raw: Option<&'a str>,
    updated: Option<String>,
    language: Option<&'a str>,
    categories: &'a [String],
    pub(super) summary: Option<String>,
    pub(super) content_html: Option<String>,
    pub(super) content_text: Option<String>,
    content_truncated: bool,
    pub(super) image: Option<&'a str>,
    enclosures: Vec<EnclosureJson<'a>>,
    revision: u16,
}

#[derive(Clone, Debug, Serialize)]
struct PersonJson<'a> {
    name: &'a str,
}

#[derive(Clone, Debug, Serialize)]
struct EnclosureJson<'a> {
    url: &'a str,
    #[serde(rename = "type")]
    media_type: Option<&'a str>,
    length: Option<u64>,
}

impl EntryJson<'_> {
    fn keeping(mut self, content: Content) -> Self {
        if !matches!(content, Content::All | Content::Html) {
            self.content_html = None;
        }
        if !matches!(content, Content::All | Content::Text) {
            self.content_text = None;
        }
        self
    }

    /// Takes at least `excess` bytes off the longest of HTML, text and summary. HTML goes whole, for a cut would break it, as long as
    /// there is text. Says whether there was anything to take.
    fn shorten(&mut self, excess: usize) -> bool {
        self.content_truncated = true;
        if self.content_text.is_some() && self.content_html.take().is_some() {
            return true;
        }
        self.content_html = None;
        let longest = |t: &Option<String>| t.as_ref().map_or(0, String::len);
        let text = if longest(&self.content_text) >= longest(&self.summary) { &mut self.content_text } else { &mut self.summary };
        let Some(long) = text else { return false };
        // Escapes make a text longer than its bytes: it is cut by the share that is too much of what is written.
        let written = serde_json::to_string(long).map_or(0, |json| json.len()).max(1);
        let keep = long.len() * written.saturating_sub(excess.max(SHORTEST_CUT)) / written;
        let keep = (0..=keep).rev().find(|at| long.is_char_boundary(*at)).unwrap_or(0);
        long.truncate(keep);
        if keep == 0 {
            *text = None;
        }
        true
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: String,
    timestamp: String,
    datacontenttype: &'static str,
    partitionkey: &'a str,
    sequence: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    feed: Option<FeedJson<'a>>,
    #[serde(flatten)]
    subject: Subject<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetch: Option<FetchJson>,
}

/// What it happened to.
#[derive(Serialize)]
#[serde(untagged)]
enum Subject<'a> {
    Entry {
        entry: &'a EntryJson<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        level: Option<Level>,
        #[serde(skip_serializing_if = "Option::is_none")]
        duplicate_of: Option<&'a str>,
    },
    Flood {
        flood: &'a FloodReport,
    },
    Health {
        health: &'a HealthReport,
    },
    Moved {
        moved: &'a MoveReport,
    },
    Sink {
        sink: &'a SinkReport,
    },
}

#[derive(Serialize)]
struct FeedJson<'a> {
    id: &'a str,
    url: &'a str,
    title: Option<&'a str>,
    site_url: Option<&'a str>,
    tags: &'a [String],
}

#[derive(Serialize)]
struct FetchJson {
    fetched_at: String,
    first_poll: bool,
}

impl<'a> Envelope<'a> {
    fn new(event: &'a Event, subject: Subject<'a>) -> Self {
        let (scene, time) = (&event.scene, event.scene.time.to_string());
        let about = match &subject {
            Subject::Entry { entry, .. } => entry.url.or(entry.id),
            Subject::Flood { .. } | Subject::Health { .. } | Subject::Moved { .. } => Some(scene.url.as_str()),
            Subject::Sink { sink } => Some(sink.id.as_str()),
        };
        let (whose, name) = match &subject {
            Subject::Sink { sink } => ("sink", sink.id.as_str()),
            _ => ("feed", &*scene.feed.0),
        };
        let of_feed = whose == "feed";
        Self {
            specversion: "1.0",
            id: &event.happening.id.0,
            kind: event.happening.kind.as_str(),
            source: format!("urn:feedwire:{}:{whose}:{name}", scene.instance),
            subject: about.filter(|s| !s.is_empty()),
            time: time.clone(),
            timestamp: time,
            datacontenttype: "application/json",
            partitionkey: name,
            sequence: format!("{:020}", event.sequence),
            data: Data {
                feed: of_feed.then(|| FeedJson {
                    id: &scene.feed.0,
                    url: &scene.url,
                    title: scene.title.as_deref(),
                    site_url: scene.site_url.as_deref(),
                    tags: &scene.tags,
                }),
                subject,
                fetch: of_feed.then(|| FetchJson { fetched_at: scene.fetched_at.to_string(), first_poll: scene.first_poll }),
            },
        }
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
