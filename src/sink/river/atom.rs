//! The river in Atom 1.0 (RFC 4287). An entry's picture is a `media:thumbnail` (Media RSS), for Atom has none.

use super::xml::Xml;
use super::{Head, id_of, id_of_river, language_of, shows, source_of, title_of, title_of_source, updated_of, written};
use crate::domain::entry::Enclosure;
use crate::domain::event::{Event, Report};
use crate::sink::payload;

const ATOM: &str = "http://www.w3.org/2005/Atom";
const MEDIA: &str = "http://search.yahoo.com/mrss/";

pub(super) fn document(head: &Head<'_>, entries: &[String]) -> String {
    let mut xml = Xml::default();
    xml.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    xml.open("feed", &[("xmlns", Some(ATOM)), ("xmlns:media", Some(MEDIA))]);
    xml.element("id", &[], &id_of_river(head));
    xml.element("title", &[], &title_of(head));
    xml.element("updated", &[], &head.updated.to_string());
    xml.open("author", &[]);
    xml.element("name", &[], "feedwire");
    xml.close("author");
    xml.empty("link", &[("rel", Some("self")), ("type", Some("application/atom+xml")), ("href", Some(head.url))]);
    xml.element("generator", &[("version", Some(env!("CARGO_PKG_VERSION")))], "feedwire");
    entries.iter().for_each(|entry| xml.raw(entry));
    xml.close("feed");
    xml.into_string()
}

pub(super) fn entry(event: &Event, report: &Report) -> String {
    let (entry, json) = (&report.entry, payload::entry(&report.entry, report.revision));
    let mut xml = Xml::default();
    xml.open("entry", &[("xml:lang", language_of(report))]);
    xml.element("id", &[], &id_of(event));
    xml.element("title", &[], json.title.unwrap_or_default());
    xml.element("updated", &[], &updated_of(event, report));
    if let Some(published) = entry.published.and_then(written) {
        xml.element("published", &[], &published);
    }
    let mut authors: Vec<_> = entry.authors.iter().map(|author| author.name.as_str()).filter(|name| shows(name)).collect();
    if authors.is_empty() {
        // Whose it would be else, is the one who makes the river.
        authors.push(title_of_source(event));
    }
    for author in authors {
        xml.open("author", &[]);
        xml.element("name", &[], author);
        xml.close("author");
    }
    if let Some(url) = json.url {
        xml.empty("link", &[("rel", Some("alternate")), ("href", Some(url))]);
    }
    entry.enclosures.iter().for_each(|enclosure| enclose(enclosure, &mut xml));
    if let Some(image) = json.image {
        xml.empty("media:thumbnail", &[("url", Some(image))]);
    }
    for category in &entry.categories {
        xml.empty("category", &[("term", Some(category))]);
    }
    if let Some(summary) = &json.summary {
        xml.element("summary", &[], summary);
    }
    match &json.content_html {
        Some(html) => xml.element("content", &[("type", Some("html"))], html),
        // Whoever has neither content nor link would be no entry (section 4.1.2).
        None if json.url.is_none() => xml.element("content", &[], json.summary.as_deref().or(json.title).unwrap_or_default()),
        None => {}
    }
    source(event, &mut xml);
    xml.close("entry");
    xml.into_string()
}

fn enclose(enclosure: &Enclosure, xml: &mut Xml) {
    let media_type =
        enclosure.media_type.as_deref().filter(|text| text.split_once('/').is_some_and(|(a, b)| !a.is_empty() && !b.is_empty()));
    let length = enclosure.length.map(|length| length.to_string());
    let attributes =
        [("rel", Some("enclosure")), ("href", Some(enclosure.url.as_str())), ("type", media_type), ("length", length.as_deref())];
    xml.empty("link", &attributes);
}

/// The feed that the entry is from (section 4.2.11).
fn source(event: &Event, xml: &mut Xml) {
    let scene = &event.scene;
    xml.open("source", &[]);
    xml.element("id", &[], &source_of(event));
    xml.element("title", &[], title_of_source(event));
    xml.element("updated", &[], &scene.time.to_string());
    xml.empty("link", &[("rel", Some("self")), ("href", Some(&scene.url))]);
    if let Some(site) = &scene.site_url {
        xml.empty("link", &[("rel", Some("alternate")), ("href", Some(site))]);
    }
    for tag in &scene.tags {
        xml.empty("category", &[("term", Some(tag))]);
    }
    xml.close("source");
}
