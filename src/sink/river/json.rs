//! The river as JSON Feed 1.1 (<https://www.jsonfeed.org/version/1.1/>). What it has no word for is in `_feedwire`.

use serde::Serialize;

use super::{Head, id_of, id_of_river, language_of, source_of, title_of, title_of_source, updated_of, written};
use crate::domain::event::{Event, Report};
use crate::sink::payload;

/// What an attachment is that does not say, for it has to.
const ANYTHING: &str = "application/octet-stream";

#[derive(Serialize)]
struct Feed<'a> {
    version: &'static str,
    title: String,
    feed_url: &'a str,
    _feedwire: River,
    items: [(); 0],
}

#[derive(Serialize)]
struct River {
    about: &'static str,
    id: String,
    updated: String,
}

#[derive(Serialize)]
struct Item<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_html: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_published: Option<String>,
    date_modified: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authors: Vec<Author<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment<'a>>,
    _feedwire: Origin<'a>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Attachment<'a> {
    url: &'a str,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_in_bytes: Option<u64>,
}

/// Where an item is from.
#[derive(Serialize)]
struct Origin<'a> {
    event: &'a str,
    sequence: String,
    source: Source<'a>,
}

#[derive(Serialize)]
struct Source<'a> {
    id: String,
    title: &'a str,
    feed_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    home_page_url: Option<&'a str>,
    tags: &'a [String],
}

pub(super) fn document(head: &Head<'_>, items: &[String]) -> String {
    let feed = Feed {
        version: "https://jsonfeed.org/version/1.1",
        title: title_of(head),
        feed_url: head.url,
        _feedwire: River { about: env!("CARGO_PKG_NAME"), id: id_of_river(head), updated: head.updated.to_string() },
        items: [],
    };
    let mut json = text(&feed);
    // The list comes last and is empty: its items are put into it as they were written.
    json.truncate(json.len().saturating_sub(2));
    json + &items.join(",\n") + "]}\n"
}

pub(super) fn item(event: &Event, report: &Report) -> String {
    let (entry, scene, json) = (&report.entry, &event.scene, payload::entry(&report.entry, report.revision));
    let html = json.content_html.as_deref();
    // One of the two there has to be.
    let plain = html.is_none().then(|| json.content_text.as_deref().or(json.summary.as_deref()).unwrap_or_default());
    text(&Item {
        id: id_of(event),
        url: json.url,
        title: json.title,
        content_html: html,
        content_text: plain,
        summary: json.summary.as_deref(),
        image: json.image,
        date_published: entry.published.and_then(written),
        date_modified: updated_of(event, report),
        authors: entry.authors.iter().map(|author| Author { name: &author.name }).collect(),
        tags: &entry.categories,
        language: language_of(report),
        attachments: entry
            .enclosures
            .iter()
            .map(|e| Attachment { url: &e.url, mime_type: e.media_type.as_deref().unwrap_or(ANYTHING), size_in_bytes: e.length })
            .collect(),
        _feedwire: Origin {
            event: &event.happening.id.0,
            sequence: format!("{:020}", event.sequence),
            source: Source {
                id: source_of(event),
                title: title_of_source(event),
                feed_url: &scene.url,
                home_page_url: scene.site_url.as_deref(),
                tags: &scene.tags,
            },
        },
    })
}

fn text(value: &impl Serialize) -> String {
    // None of the types above has a form that JSON refuses.
    serde_json::to_string(value).unwrap_or_default()
}
