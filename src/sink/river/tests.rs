//! Rivers, held to RFC 4287 and JSON Feed 1.1, and to our own parser.

use std::sync::Arc;

use proptest::prelude::*;
use quick_xml::events::{BytesStart, Event as Part};
use serde_json::Value;

use super::*;
use crate::domain::entry::{Enclosure, Entry, Markup, Person};
use crate::domain::event::Happening;
use crate::domain::feed::{Body, Document, Known};
use crate::parse;
use crate::sink::{payload, sample};

/// An element with all that is in it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn of(tag: &BytesStart<'_>) -> Self {
        let attribute = |a: quick_xml::events::attributes::Attribute<'_>| {
            let name = a.key.as_ref().to_owned();
            (name, a.normalized_value(quick_xml::XmlVersion::Implicit1_0).unwrap().into_owned())
        };
        let attributes = tag.attributes().map(|a| attribute(a.unwrap())).collect();
        Self { name: tag.name().as_ref().to_owned(), attributes, ..Self::default() }
    }

    fn read(xml: &str) -> Self {
        let mut reader = quick_xml::Reader::from_str(xml);
        reader.config_mut().check_end_names = true;
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().unwrap() {
                Part::Start(tag) => open.push(Self::of(&tag)),
                Part::Empty(tag) => open.last_mut().unwrap().children.push(Self::of(&tag)),
                Part::End(_) => {
                    let done = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(done);
                }
                Part::Text(text) => open.last_mut().unwrap().text += &text,
                Part::GeneralRef(name) => {
                    let text = &mut open.last_mut().unwrap().text;
                    match name.resolve_char_ref().unwrap() {
                        Some(c) => text.push(c),
                        None => *text += quick_xml::escape::resolve_predefined_entity(&name).unwrap(),
                    }
                }
                Part::Eof => return open.pop().unwrap().children.pop().unwrap(),
                _ => {}
            }
        }
    }

    fn all<'a>(&'a self, name: &str) -> Vec<&'a Self> {
        self.children.iter().filter(|child| child.name == name).collect()
    }

    /// The only child of that name.
    fn only(&self, name: &str) -> &Self {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "{name} in {self:?}");
        all[0]
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What RFC 4287 requires of a feed, and forbids.
fn check_atom(feed: &Element) {
    assert_eq!((feed.name.as_str(), feed.attribute("xmlns")), ("feed", Some("http://www.w3.org/2005/Atom")));
    check_metadata(feed);
    assert_eq!(feed.all("link").iter().filter(|link| link.attribute("rel") == Some("self")).count(), 1);
    assert!(!feed.all("author").is_empty());
    let ids: std::collections::HashSet<_> = feed.all("entry").iter().map(|entry| entry.only("id").text.clone()).collect();
    assert_eq!(ids.len(), feed.all("entry").len(), "ids are unique");
    for entry in feed.all("entry") {
        check_metadata(entry);
        assert!(!entry.all("author").is_empty() && entry.all("content").len() <= 1 && entry.all("summary").len() <= 1);
        assert!(entry.all("published").len() <= 1);
        entry.all("published").iter().for_each(|date| check_date(&date.text));
        let alternate = |link: &&&Element| link.attribute("rel") == Some("alternate");
        assert!(entry.all("content").len() == 1 || entry.all("link").iter().any(|link| alternate(&link)), "4.1.2: content or link");
        assert!(entry.all("link").iter().filter(alternate).count() <= 1);
        entry.all("category").iter().for_each(|category| assert!(category.attribute("term").is_some()));
        for kind in entry.all("content").iter().filter_map(|content| content.attribute("type")) {
            assert!(["text", "html"].contains(&kind));
        }
        check_metadata(entry.only("source"));
    }
}

fn check_metadata(parent: &Element) {
    assert!(url::Url::parse(&parent.only("id").text).is_ok(), "an id is an IRI: {parent:?}");
    parent.only("title");
    check_date(&parent.only("updated").text);
    for author in parent.all("author") {
        assert!(!author.only("name").text.is_empty());
    }
    for link in parent.all("link") {
        assert!(url::Url::parse(link.attribute("href").unwrap()).is_ok());
        assert!(link.attribute("type").is_none_or(|kind| kind.contains('/')));
    }
}

fn check_date(text: &str) {
    let is_date = regex::Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$").unwrap();
    assert!(is_date.is_match(text) && chrono::DateTime::parse_from_rfc3339(text).is_ok(), "{text}");
}

/// What JSON Feed 1.1 requires.
fn check_json(feed: &Value) {
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    assert!(feed["title"].is_string() && url::Url::parse(feed["feed_url"].as_str().unwrap()).is_ok());
    for item in feed["items"].as_array().unwrap() {
        assert!(item["id"].is_string() && (item["content_html"].is_string() || item["content_text"].is_string()));
        for date in ["date_published", "date_modified"].iter().filter_map(|name| item.get(name)) {
            check_date(date.as_str().unwrap());
        }
        for attachment in item["attachments"].as_array().into_iter().flatten() {
            assert!(attachment["url"].is_string() && attachment["mime_type"].is_string());
        }
        for (name, _) in item.as_object().unwrap().iter().filter(|(name, _)| name.starts_with('_')) {
            assert!(item[name].is_object(), "extensions are objects");
        }
    }
}

fn head() -> Head<'static> {
    Head { instance: "main", selection: &[], url: "http://127.0.0.1:7744/feed.atom?limit=3&tag=x", updated: Timestamp(0) }
}

fn event(n: u128, entry: Entry) -> Event {
    let mut event = sample::event(EventKind::Created);
    event.happening = Happening {
        id: EventId::from_bits(n),
        kind: EventKind::Created,
        what: What::Entry(Box::new(Report { entry, ..Report::default() })),
    };
    event
}

/// An entry with all that an entry can have, with nothing but a title, with nothing at all, and with what should not be there.
fn entries() -> Vec<Entry> {
    let full = sample::event(EventKind::Created).happening.entry().unwrap().clone();
    let wild = "\u{0}є\u{1b}]]>\u{fffe}<b>&amp;\r\n\u{85}’";
    let hostile = Entry {
        url: Some("https://a.ua/?a=1&b=\"2\"".into()),
        title: Some(wild.into()),
        authors: vec![Person { name: wild.into() }],
        categories: vec![wild.into()],
        language: Some("uk\" x=\"1".into()),
        content: Some(Markup::Html(format!("<p onclick=x()>{wild}</p><script>x()</script><a href='javascript:x'>є ї ґ</a>"))),
        published: Some(Moment { at: Timestamp(i64::MAX), offset: 0 }),
        updated: Some(Moment { at: Timestamp(-99_999_999_999_999), offset: 7200 }),
        enclosures: vec![Enclosure { url: "https://a.ua/x".into(), media_type: Some("video".into()), length: None }],
        ..Entry::default()
    };
    let title = Entry { title: Some("Лише назва".into()), ..Entry::default() };
    let summary = Entry { url: Some("https://a.ua/s".into()), summary: Some(Markup::Text("Стисло".into())), ..Entry::default() };
    vec![full, title, summary, Entry::default(), hostile]
}

fn river(format: Format) -> String {
    let entries: Vec<_> = (1..).zip(entries()).filter_map(|(n, entry)| format.entry(&event(n, entry))).collect();
    format.document(&head(), &entries)
}

fn parsed(format: Format) -> Document {
    let (text, url) = (river(format), "http://127.0.0.1:7744/feed");
    let source = parse::Source { bytes: text.as_bytes(), content_type: Some(format.content_type()), url: Some(url), max_entries: 100 };
    parse::parse(&source, &Known::new()).unwrap()
}

#[test]
fn an_atom_river_is_valid() {
    let feed = Element::read(&river(Format::Atom));
    check_atom(&feed);
    assert_eq!((feed.only("id").text.as_str(), feed.only("title").text.as_str()), ("urn:feedwire:main:river", "feedwire main"));
    assert_eq!(feed.only("link").attribute("href"), Some(head().url));
    let entry = feed.all("entry")[0];
    assert_eq!(entry.attribute("xml:lang"), Some("uk"));
    assert_eq!(entry.only("id").text, "urn:feedwire:main:entry:00000000000000000000000001");
    assert_eq!(entry.only("source").only("id").text, "urn:feedwire:main:feed:sample");
    assert_eq!(entry.only("source").only("title").text, "A sample");
    assert_eq!(entry.only("updated").text, "2024-11-27T16:30:00+02:00");
    let hostile = feed.all("entry")[4];
    assert_eq!((hostile.attribute("xml:lang"), hostile.only("updated").text.as_str()), (None, "2024-11-27T14:30:00.000Z"));
    let html = &hostile.only("content").text;
    assert!(html.contains("є ї ґ") && !html.contains("script") && !html.contains("onclick"), "{html}");
    check_atom(&Element::read(&Format::Atom.document(&head(), &[])));
}

#[test]
fn a_json_river_is_valid() {
    let feed: Value = serde_json::from_str(&river(Format::Json)).unwrap();
    check_json(&feed);
    let item = &feed["items"][0];
    assert_eq!((&item["language"], &item["id"]), (&"uk".into(), &"urn:feedwire:main:entry:00000000000000000000000001".into()));
    assert_eq!(item["_feedwire"]["source"]["id"], "urn:feedwire:main:feed:sample");
    assert_eq!(feed["items"].as_array().unwrap().len(), 5);
    check_json(&serde_json::from_str(&Format::Json.document(&head(), &[])).unwrap());
}

/// What our own parser makes of a river is what went into it, but for the ids, and what a river has to say where an entry is silent.
#[test]
fn our_own_parser_gets_the_same_entries() {
    for format in [Format::Atom, Format::Json] {
        let document = parsed(format);
        assert_eq!((document.complete, document.repairs.as_slice(), document.entries.len()), (true, &[][..], 5), "{format:?}");
        assert_eq!(document.head.title.as_deref(), Some("feedwire main"));
        for (scanned, entry) in document.entries.iter().zip(entries()).take(3) {
            let Body::Parsed(read) = &scanned.body else { panic!("{scanned:?}") };
            assert_eq!((&read.url, &read.title, &read.published), (&entry.url, &entry.title, &entry.published), "{format:?}");
            assert_eq!((&read.categories, &read.language, &read.image), (&entry.categories, &entry.language, &entry.image), "{format:?}");
            assert_eq!(read.enclosures, entry.enclosures, "{format:?}");
            if !entry.authors.is_empty() {
                assert_eq!(read.authors, entry.authors, "{format:?}");
            }
            let (there, here) = (payload::entry(&entry, 0), payload::entry(read, 0));
            if entry.content.is_some() {
                assert_eq!((&there.content_html, &there.content_text), (&here.content_html, &here.content_text), "{format:?}");
            }
            if entry.url.is_some() {
                assert_eq!(there.summary, here.summary, "{format:?}");
            }
        }
    }
}

#[test]
fn an_entry_keeps_its_id_and_an_update_its_time() {
    let mut updated = sample::event(EventKind::Updated);
    let What::Entry(report) = &mut updated.happening.what else { panic!("{updated:?}") };
    report.first = Some(EventId::from_bits(7));
    assert_eq!((id_of(&updated), identity(&updated)), (id_of(&event(7, Entry::default())), Some(&EventId::from_bits(7))));
    let entry = Element::read(&Format::Atom.entry(&updated).unwrap());
    assert_eq!(entry.only("updated").text, updated.scene.time.to_string());
    for kind in EventKind::ALL.iter().filter(|kind| !matches!(kind, EventKind::Created | EventKind::Updated)) {
        let event = sample::event(*kind);
        assert_eq!((Format::Json.entry(&event), identity(&event)), (None, None));
    }
}

#[test]
fn a_selection_has_an_id_of_its_own() {
    let selection = ["tag", "новини дня", "feed", "a.b-c_d"].map(String::from);
    let head = Head { selection: &selection, ..head() };
    assert_eq!(id_of_river(&head), "urn:feedwire:main:river:tag:%D0%BD%D0%BE%D0%B2%D0%B8%D0%BD%D0%B8%20%D0%B4%D0%BD%D1%8F:feed:a.b-c_d");
    assert_eq!(title_of(&head), "feedwire main: tag новини дня feed a.b-c_d");
    check_atom(&Element::read(&Format::Atom.document(&head, &[])));
}

proptest! {
    #[test]
    fn whatever_a_feed_writes_a_river_is_valid(text in "(?s).{0,30}", title in "(?s).{0,30}", html in "(?s)[<>&/a-z\\]\\[!\u{0}-\u{20}\u{fffe}є]{0,60}") {
        let entry = Entry {
            title: Some(title),
            summary: Some(Markup::Text(text.clone())),
            content: Some(Markup::Html(html)),
            categories: vec![text.clone()],
            language: Some(text.clone()),
            ..Entry::default()
        };
        let mut event = event(1, entry);
        Arc::make_mut(&mut event.scene).title = Some(text);
        for format in [Format::Atom, Format::Json] {
            let river = format.document(&head(), &[format.entry(&event).unwrap()]);
            match format {
                Format::Atom => check_atom(&Element::read(&river)),
                Format::Json => check_json(&serde_json::from_str(&river).unwrap()),
            }
        }
    }
}
