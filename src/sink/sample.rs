//! An event of each kind, made up, with every field filled: what a template is tried on before it has to work.

use std::sync::Arc;

use crate::domain::entry::{Enclosure, Entry, Markup, Person};
use crate::domain::event::{
    Event, EventId, EventKind, FloodReport, Happening, HealthReport, Level, MoveReport, Report, Scene, SinkReport, What,
};
use crate::domain::feed::FeedId;
use crate::domain::time::{Moment, Timestamp};

/// Half past four in the afternoon of 27 November 2024, in Kyiv.
const TIME: Timestamp = Timestamp(1_732_717_800_000);

/// An event of this kind.
#[must_use]
pub fn event(kind: EventKind) -> Event {
    let what = match kind {
        EventKind::Created => What::Entry(Box::new(Report { entry: entry(), ..Report::default() })),
        EventKind::Updated => What::Entry(Box::new(Report { entry: entry(), revision: 1, level: Some(Level::Minor), ..Report::default() })),
        EventKind::Flood => What::Flood(FloodReport { held: 20, entries: 30, examples: vec!["Title".into()] }),
        EventKind::SinkDisabled | EventKind::SinkRecovered | EventKind::Ping => What::Sink(SinkReport {
            id: "sample".into(),
            state: "failing".into(),
            since: Some(TIME.to_string()),
            error: Some("no answer in time".into()),
            waiting: 3,
            dead: 0,
        }),
        EventKind::Moved => What::Moved(MoveReport { from: "https://example.org/old".into(), to: "https://example.org/feed.xml".into() }),
        EventKind::Failing | EventKind::Recovered | EventKind::Gone | EventKind::Gap | EventKind::Stale => What::Health(HealthReport {
            failures: 5,
            last_success: Some(TIME.to_string()),
            last_new: Some(TIME.to_string()),
            class: Some("timeout".into()),
            error: Some("it timed out".into()),
            entries: 30,
        }),
    };
    let scene = Scene {
        instance: "main".into(),
        feed: FeedId(Arc::from("sample")),
        url: "https://example.org/feed.xml".into(),
        title: Some("A sample".into()),
        site_url: Some("https://example.org/".into()),
        tags: vec!["sample".into()],
        fetched_at: TIME,
        time: TIME,
        first_poll: false,
    };
    Event { sequence: 1, scene: Arc::new(scene), happening: Happening { id: EventId::from_bits(1), kind, what } }
}

fn entry() -> Entry {
    let at = Some(Moment { at: TIME, offset: 7200 });
    Entry {
        id: Some("https://example.org/entry".into()),
        url: Some("https://example.org/entry".into()),
        title: Some("Title <of> \"an\" & entry’s є".into()),
        authors: vec![Person { name: "Somebody".into() }],
        published: at,
        updated: at,
        language: Some("uk".into()),
        categories: vec!["samples".into()],
        summary: Some(Markup::Text("What it is \"about\".\nOn two lines.".into())),
        content: Some(Markup::Html("<p>What it <em>says</em>.</p>".into())),
        image: Some("https://example.org/image.jpg".into()),
        enclosures: vec![Enclosure { url: "https://example.org/a.mp3".into(), media_type: Some("audio/mpeg".into()), length: Some(1) }],
        ..Entry::default()
    }
}
