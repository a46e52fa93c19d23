//! What is said of an event, in words for people, before a service gives it its form.

use url::Url;

use crate::domain::event::{Event, EventKind, FloodReport, HealthReport, Report, SinkReport, What};
use crate::log::counted;
use crate::sink::payload;

/// Bytes of a link; a longer one is left out, for a link cannot be cut.
const LONGEST_LINK: usize = 2_000;

/// What is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Never empty, one line.
    pub(super) title: String,
    /// http or https, with nothing in it that would need an escape in quotes or angle brackets.
    pub(super) link: Option<String>,
    /// Plain text, perhaps empty.
    pub(super) text: String,
    /// What the feed is called, one line.
    pub(super) source: String,
    /// Who wrote it, one line, perhaps empty.
    pub(super) authors: String,
    /// Like `link`.
    pub(super) image: Option<String>,
    /// When, in RFC 3339.
    pub(super) time: String,
}

impl Message {
    pub(super) fn of(event: &Event) -> Self {
        let scene = &event.scene;
        let name = scene.title.as_deref().map(line).filter(|title| !title.is_empty()).unwrap_or_else(|| scene.feed.to_string());
        let told = |title: String, text: String| Self {
            title,
            text: paragraphs(&text),
            link: scene.site_url.as_deref().and_then(link).or_else(|| link(&scene.url)),
            source: name.clone(),
            time: scene.time.to_string(),
            ..Self::default()
        };
        match &event.happening.what {
            What::Entry(report) => Self::article(event, report, name),
            What::Flood(flood) => told(format!("{name}: {} of {} entries are held back", flood.held, flood.entries), held(flood)),
            What::Moved(moved) => told(format!("{name} has moved"), format!("From {}\nto {}", moved.from, moved.to)),
            What::Sink(sink) => {
                let (title, text) = told_of_sink(event.happening.kind, sink);
                Self { link: None, source: format!("feedwire {}", line(&scene.instance)), ..told(title, text) }
            }
            What::Health(health) => {
                let (title, text) = told_of(event.happening.kind, &name, health);
                told(title, text)
            }
        }
    }

    fn article(event: &Event, report: &Report, name: String) -> Self {
        let entry = payload::entry(&report.entry, report.revision);
        let text = paragraphs(entry.summary.as_deref().or(entry.content_text.as_deref()).unwrap_or_default());
        let link = entry.url.and_then(link);
        let title = entry.title.map(line).filter(|title| !title.is_empty());
        Self {
            title: title.or_else(|| link.clone()).unwrap_or_else(|| "(no title)".into()),
            text,
            source: if event.happening.kind == EventKind::Updated { format!("{name} (updated)") } else { name },
            authors: line(&report.entry.authors.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ")),
            image: entry.image.and_then(self::link),
            time: report.entry.published.map_or(event.scene.time, |p| p.at).to_string(),
            link,
        }
    }
}

fn held(flood: &FloodReport) -> String {
    let examples: Vec<_> = flood.examples.iter().map(|title| format!("– {title}")).collect();
    format!("They look new, but are dated before what was known. Some of them:\n{}", examples.join("\n"))
}

/// Title and text of what a feed's health is about.
fn told_of(kind: EventKind, name: &str, health: &HealthReport) -> (String, String) {
    let since = health.last_success.as_deref().map_or_else(String::new, |at| format!(" It last succeeded at {at}."));
    let last = health.error.as_deref().map_or_else(String::new, |error| format!(" The last answer: {error}."));
    let news = health.last_new.as_deref().map_or_else(String::new, |at| format!(" The last news was found at {at}."));
    match kind {
        EventKind::Failing => (format!("{name} is failing"), format!("{} polls in a row have failed.{last}{since}", health.failures)),
        EventKind::Recovered => (format!("{name} answers again"), format!("It has {}.", counted(health.entries, "entry"))),
        EventKind::Gone => (format!("{name} is gone"), format!("Its server says that it is gone for good.{since}")),
        EventKind::Gap => (format!("{name} may have a gap"), "Every entry was new: some may have come and gone unseen.".into()),
        EventKind::Stale => (format!("{name} has fallen silent"), format!("It answers, but has had nothing new for long.{news}")),
        other => (format!("{name}: {other}"), format!("{last}{news}").trim().to_owned()),
    }
}

/// Title and text of what happened to a sink.
fn told_of_sink(kind: EventKind, sink: &SinkReport) -> (String, String) {
    let name = line(&sink.id);
    let error = sink.error.as_deref().map_or_else(String::new, |error| format!(" The last failure: {error}."));
    let since = sink.since.as_deref().map_or_else(String::new, |at| format!(" since {at}"));
    match kind {
        EventKind::SinkDisabled => (format!("{name} takes nothing"), format!("{} waiting{since}.{error}", counted(sink.waiting, "event"))),
        EventKind::SinkRecovered => {
            (format!("{name} takes events again"), format!("It took none{since}; {} waiting.", counted(sink.waiting, "event")))
        }
        _ => (format!("A test of {name}"), "It works.".into()),
    }
}

/// One line without control characters.
fn line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Lines without control characters, and no two empty ones in a row.
fn paragraphs(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(line).collect();
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    lines.join("\n").trim().to_owned()
}

/// A link that a service can take.
fn link(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let safe = url.as_str().replace('"', "%22").replace('\'', "%27").replace('<', "%3C").replace('>', "%3E").replace('|', "%7C");
    Some(safe).filter(|safe| safe.len() <= LONGEST_LINK)
}
