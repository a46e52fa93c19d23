//! The wire format, held to what the manual shows.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::domain::entry::{Enclosure, Person};
use crate::domain::event::{EventId, EventKind, Happening, Scene};
use crate::domain::feed::FeedId;
use crate::domain::time::{Moment, Timestamp};

fn sample() -> Event {
    let url = "https://glavcom.ua/news/umjerov-1030001.html";
    let entry = Entry {
        id: Some(url.into()),
        url: Some(url.into()),
        title: Some("Умєров під час зустрічі розповів президенту Південної Кореї про співпрацю Росії та КНДР".into()),
        authors: vec![Person { name: "Іван Ґудзь".into() }],
        published: Some(Moment { at: Timestamp(1_732_725_900_000), offset: 7200 }),
        language: Some("uk".into()),
        categories: vec!["Політика".into()],
        summary: Some(Markup::Html("<p>Сторони обговорили об’єкти &amp; плани.</p>".into())),
        content: Some(Markup::Html("<p onclick='x()'>Є, і, ї та <a href='/ґ'>ґ</a>.</p><script>x()</script>".into())),
        image: Some("https://glavcom.ua/img/1.jpg".into()),
        enclosures: vec![Enclosure {
            url: "https://glavcom.ua/img/1.jpg".into(),
            media_type: Some("image/jpeg".into()),
            length: Some(48_213),
        }],
        ..Entry::default()
    };
    let scene = Scene {
        instance: "main".into(),
        feed: FeedId(Arc::from("glavcom")),
        url: "https://glavcom.ua/xml/rss.xml".into(),
        title: Some("Главком".into()),
        site_url: Some("https://glavcom.ua/".into()),
        tags: vec!["news".into(), "ua".into()],
        fetched_at: Timestamp(1_732_726_022_482),
        time: Timestamp(1_732_726_022_482),
        first_poll: false,
    };
    let id = EventId("evt_6m3r0b3m2e4q7v1k9t5x8c2d0h".into());
    let what = What::Entry(Box::new(Report { entry, ..Report::default() }));
    Event { sequence: 1042, scene: Arc::new(scene), happening: Happening { id, kind: EventKind::Created, what } }
}

fn with(change: impl FnOnce(&mut Report)) -> Event {
    let mut event = sample();
    if let What::Entry(report) = &mut event.happening.what {
        change(report);
    }
    event
}

fn with_content(text: String) -> Event {
    with(|report| report.entry.content = Some(Markup::Html(text)))
}

fn data(event: &Event) -> Value {
    serde_json::from_slice::<Value>(&super::event(event, Content::All, None)).unwrap().get("data").unwrap().clone()
}

#[test]
fn what_is_said_beside_the_entry() {
    let plain = data(&sample());
    assert_eq!((plain.get("level"), plain.get("duplicate_of")), (None, None));
    let first = EventId("evt_7m3r0b3m2e4q7v1k9t5x8c2d0h".into());
    let said = data(&with(|r| (r.level, r.duplicate_of) = (Some(Level::Minor), Some(first.clone()))));
    assert_eq!((said.get("level"), said.get("duplicate_of")), (Some(&Value::from("minor")), Some(&Value::from(first.0))));
}

#[test]
fn an_event_is_one_line_for_everybody() {
    let event = with(|report| report.entry.title = Some("a\u{2028}b\u{85}c\u{2029}d".into()));
    assert!(!String::from_utf8(super::event(&event, Content::All, None)).unwrap().contains(['\u{2028}', '\u{85}', '\u{2029}']));
    assert_eq!(data(&event).pointer("/entry/title").unwrap(), "a\u{2028}b\u{85}c\u{2029}d");
}

#[test]
fn what_happens_to_a_feed_is_told_without_an_entry() {
    let flood = FloodReport { held: 30, entries: 31, examples: vec!["Їжак".into()] };
    let happening = Happening { kind: EventKind::Flood, what: What::Flood(flood), ..sample().happening };
    let body: Value = serde_json::from_slice(&event(&Event { happening, ..sample() }, Content::All, Some(65_536))).unwrap();
    assert_eq!((body.get("type").unwrap(), body.get("subject").unwrap()), (&"feed.flood".into(), &"https://glavcom.ua/xml/rss.xml".into()));
    let expected = serde_json::json!({ "held": 30, "entries": 31, "examples": ["Їжак"] });
    assert_eq!(body.pointer("/data/flood"), Some(&expected));
    assert_eq!(body.pointer("/data/entry"), None);
    let health = HealthReport {
        failures: 5,
        class: Some("timeout".into()),
        error: Some("it timed out".into()),
        entries: 30,
        ..HealthReport::default()
    };
    let happening = Happening { kind: EventKind::Failing, what: What::Health(health), ..sample().happening };
    let body: Value = serde_json::from_slice(&event(&Event { happening, ..sample() }, Content::All, Some(65_536))).unwrap();
    assert_eq!(body.get("type").unwrap(), "feed.failing");
    let expected = serde_json::json!({
        "failures": 5, "last_success": null, "last_new": null, "class": "timeout", "error": "it timed out", "entries": 30,
    });
    assert_eq!(body.pointer("/data/health"), Some(&expected));
    let moved = MoveReport { from: "https://a.ua/".into(), to: "https://b.ua/".into() };
    let happening = Happening { kind: EventKind::Moved, what: What::Moved(moved), ..sample().happening };
    let body: Value = serde_json::from_slice(&event(&Event { happening, ..sample() }, Content::All, Some(65_536))).unwrap();
    assert_eq!(body.pointer("/data/moved"), Some(&serde_json::json!({ "from": "https://a.ua/", "to": "https://b.ua/" })));
}

/// The format is public: what the manual shows is what is sent, key for key, in that order.
#[test]
fn the_manual_shows_what_is_sent() {
    let body = String::from_utf8(event(&sample(), Content::All, None)).unwrap();
    let manual = include_str!("../../README.md");
    let shown = manual.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    // Shown over several lines, sent in one.
    let minified: String = shown.lines().map(str::trim_start).collect();
    assert_eq!(minified, body, "\n{body}");
}

#[test]
fn the_same_event_is_the_same_bytes() {
    assert_eq!(event(&sample(), Content::All, Some(65_536)), event(&sample(), Content::All, Some(65_536)));
}

#[test]
fn d22_a_body_fits_its_cap_and_says_so() {
    let cap = 4096;
    for length in [10, 2_000, 4_000, 100_000] {
        let body = event(&with_content(format!("<p>{}</p>", "Ї\"".repeat(length))), Content::All, Some(cap));
        assert!(body.len() <= cap, "{length}: {}", body.len());
        let json: Value = serde_json::from_slice(&body).unwrap();
        let entry = json.pointer("/data/entry").unwrap();
        assert_eq!(entry.get("content_truncated").unwrap(), &Value::from(length > 700), "{length}");
        assert!(entry.get("content_text").unwrap().as_str().unwrap().starts_with("Ї\""));
    }
    let huge_title = with(|report| report.entry.title = Some("x".repeat(10_000)));
    let json: Value = serde_json::from_slice(&event(&huge_title, Content::All, Some(cap))).unwrap();
    assert_eq!(json.pointer("/data/entry/title").unwrap().as_str().unwrap().len(), 10_000, "what has no content is not cut");
}

#[test]
fn content_is_what_was_asked_for() {
    for (content, html, text) in
        [(Content::All, true, true), (Content::Html, true, false), (Content::Text, false, true), (Content::None, false, false)]
    {
        let json: Value = serde_json::from_slice(&event(&sample(), content, None)).unwrap();
        let has = |key: &str| json.pointer(&format!("/data/entry/{key}")).unwrap().is_string();
        assert_eq!((has("content_html"), has("content_text"), has("summary")), (html, text, true), "{content:?}");
    }
}

#[test]
fn what_cannot_be_read_is_null_and_raw() {
    let entry_of = |entry: &Entry| serde_json::to_value(entry_json(entry)).unwrap();
    fn entry_json(e: &Entry) -> EntryJson<'_> {
        entry(e, 0)
    }
    let bare = entry_of(&Entry { published_raw: Some("soon".into()), url: Some("https://a.ua/".into()), ..Entry::default() });
    assert_eq!(bare.get("published"), Some(&Value::Null));
    assert_eq!(bare.get("published_raw"), Some(&Value::from("soon")));
    assert_eq!(bare.get("id"), Some(&Value::from("https://a.ua/")), "the link stands in for a missing identifier");
    assert_eq!(entry_of(sample().happening.entry().unwrap()).get("published_raw"), None);
}

#[test]
fn a_description_with_markup_is_content_when_there_is_no_other() {
    let of = |summary: Markup| serde_json::to_value(entry(&Entry { summary: Some(summary), ..Entry::default() }, 0)).unwrap();
    let rich = of(Markup::Html("<p>Є</p><p>ї</p>".into()));
    assert_eq!(rich.get("content_html"), Some(&Value::from("<p>Є</p><p>ї</p>")));
    assert_eq!(rich.get("content_text"), Some(&Value::from("Є\n\nї")));
    assert_eq!(rich.get("summary"), rich.get("content_text"));
    let written = Entry { content: Some(Markup::Text("Є < ї\n\nґ".into())), ..Entry::default() };
    let written = serde_json::to_value(entry(&written, 0)).unwrap();
    assert_eq!(written.get("content_html"), Some(&Value::from("<p>Є &lt; ї</p><p>ґ</p>")));
    assert_eq!(written.get("content_text"), Some(&Value::from("Є < ї\n\nґ")));
    let plain = of(Markup::Text("Є".into()));
    assert_eq!((plain.get("content_html"), plain.get("summary")), (Some(&Value::Null), Some(&Value::from("Є"))));
}
