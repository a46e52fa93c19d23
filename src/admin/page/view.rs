//! What the template is given: words and numbers, nothing that is markup.

use std::time::Duration;

use serde::Serialize;

use super::choice::Choice;
use super::words::{clean, distance, host, language, length, link, number, veiled};
use crate::admin::pages::{At, FeedLine, SinkLine, StatusPage};
use crate::domain::event::{Event, EventKind};
use crate::domain::time::Timestamp;
use crate::log::counted;
use crate::store::{DAYS, Posts};

/// Characters of a name or a title, and of an error.
const TITLE: usize = 160;
const ERROR: usize = 300;

/// Tags of one feed that are shown.
const TAGS: usize = 8;

/// Of a sparkline: from one day to the next, and how high it is.
const STEP: usize = 6;
const HEIGHT: u32 = 18;

/// The page.
#[derive(Serialize)]
pub(super) struct View {
    pub(super) head: Head,
    /// Why parts of it are missing.
    pub(super) trouble: Option<String>,
    pub(super) choice: Choice,
    pub(super) is_filter: bool,
    /// Those of feeds.
    pub(super) states: [&'static str; 7],
    pub(super) tags: Vec<String>,
    pub(super) counts: Vec<Count>,
    pub(super) sinks: Vec<SinkView>,
    pub(super) feeds: Vec<FeedView>,
    pub(super) pager: Pager,
    pub(super) entries: Vec<EntryView>,
}

/// The daemon as a whole.
#[derive(Serialize)]
pub(super) struct Head {
    instance: String,
    version: &'static str,
    uptime: String,
    started: Moment,
    store: &'static str,
    feeds: String,
    polls: String,
    events: String,
}

/// How many feeds are in a state.
#[derive(Serialize)]
pub(super) struct Count {
    pub(super) state: &'static str,
    pub(super) number: String,
    pub(super) address: String,
}

/// An instant for people, and for programs.
#[derive(Serialize)]
struct Moment {
    words: String,
    exact: String,
}

/// Which part of the feeds is shown.
#[derive(Default, Serialize)]
pub(super) struct Pager {
    pub(super) found: String,
    pub(super) page: usize,
    pub(super) pages: usize,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
}

/// A row of the table of sinks.
#[derive(Serialize)]
pub(super) struct SinkView {
    id: String,
    kind: &'static str,
    state: &'static str,
    waiting: String,
    is_waiting: bool,
    oldest: Option<Moment>,
    dead: String,
    is_dead: bool,
    delivered: String,
    last_success: Option<Moment>,
    error: Option<String>,
    /// For how long it has failed, and since when.
    since: Option<Moment>,
    next: Option<Moment>,
}

/// A row of the table of feeds.
#[derive(Serialize)]
pub(super) struct FeedView {
    id: String,
    title: Option<String>,
    site: Option<String>,
    host: String,
    tags: Vec<String>,
    insecure: bool,
    state: &'static str,
    remark: Option<String>,
    error: Option<String>,
    last_success: Option<Moment>,
    next: Option<Moment>,
    rate: Option<String>,
    spark: Option<Spark>,
}

/// Posts a day, drawn and told.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Spark {
    /// The `d` of a path.
    path: String,
    words: String,
}

/// A line of the latest entries.
#[derive(Serialize)]
pub(super) struct EntryView {
    id: String,
    title: String,
    link: Option<String>,
    language: Option<String>,
    feed: String,
    told: Moment,
    is_update: bool,
}

fn moment(at: Timestamp, now: Timestamp) -> Moment {
    Moment { words: distance(at, now), exact: at.to_string() }
}

fn maybe(at: Option<At>, now: Timestamp) -> Option<Moment> {
    at.map(|At(at)| moment(at, now))
}

/// Something, if there is a word in it.
fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl Head {
    pub(super) fn new(status: &StatusPage, started: Timestamp, events: u64, now: Timestamp) -> Self {
        Self {
            instance: clean(&status.instance, TITLE),
            version: status.version,
            uptime: length(Duration::from_secs(status.uptime_seconds)),
            started: moment(started, now),
            store: status.store,
            feeds: number(status.feeds as u64),
            polls: number(status.polls),
            events: number(events),
        }
    }
}

impl SinkView {
    pub(super) fn new(line: SinkLine, now: Timestamp) -> Self {
        Self {
            id: clean(&line.id, TITLE),
            kind: line.kind.unwrap_or("not configured any more"),
            state: line.state,
            waiting: number(line.waiting),
            is_waiting: line.waiting > 0,
            oldest: maybe(line.oldest_waiting, now),
            dead: number(line.dead),
            is_dead: line.dead > 0,
            delivered: number(line.delivered),
            last_success: maybe(line.last_success, now),
            error: line.last_error.map(|error| clean(&veiled(&error), ERROR)),
            since: line.failing_since.map(|At(at)| Moment { words: length(now.since(at)), exact: at.to_string() }),
            next: maybe(line.next_attempt.filter(|At(at)| *at > now), now),
        }
    }
}

impl FeedView {
    pub(super) fn new(line: FeedLine, now: Timestamp) -> Self {
        let held = line.flood.as_ref().map(|flood| format!("{} held back", counted(flood.held, "entry")));
        let moved = line.moved_to.as_deref().map(|to| format!("moved to {}", host(to)));
        let failures = match line.failures {
            0 => None,
            1 => Some("failed once".to_owned()),
            n => Some(format!("failed {n} times in a row")),
        };
        let remarks: Vec<_> = failures.into_iter().chain(held).chain(moved).collect();
        Self {
            title: line.title.and_then(|title| filled(clean(&title, TITLE))),
            site: line.site_url.as_deref().and_then(link),
            host: clean(&host(&line.url), TITLE),
            id: clean(&line.id, TITLE),
            tags: line.tags.iter().take(TAGS).map(|tag| clean(tag, TITLE / 4)).collect(),
            insecure: line.insecure,
            state: line.state,
            remark: filled(remarks.join("; ")),
            error: line.last_error.map(|error| clean(&veiled(&error), ERROR)),
            last_success: maybe(line.last_success, now),
            next: maybe(line.next_poll.filter(|_| line.state != "paused"), now),
            // Before anything is known, what is believed is not worth telling.
            rate: line.last_success.map(|_| rate(line.posts_per_day)),
            spark: line.posts.filter(|_| line.last_success.is_some()).map(|posts| Spark::new(&posts, now)),
        }
    }
}

/// A mean in words.
fn rate(per_day: f64) -> String {
    match per_day {
        day if day >= 10.0 => format!("{day:.0} a day"),
        day if day >= 0.95 => format!("{day:.1} a day"),
        day if day >= 1.0 / 7.0 => format!("{:.1} a week", day * 7.0),
        day => format!("{:.1} a month", day * 30.0),
    }
}

impl Spark {
    fn new(posts: &Posts, now: Timestamp) -> Self {
        let most = posts.iter().copied().max().unwrap_or(0).max(1);
        let mut path = String::new();
        for (day, count) in posts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let high = (u64::from(*count) * u64::from(HEIGHT)).div_ceil(u64::from(most)).max(2);
            path += &format!("M{} {HEIGHT}v-{high}h4v{high}z", day * STEP);
        }
        let counts: Vec<_> = posts.iter().map(u32::to_string).collect();
        let all: u64 = posts.iter().map(|count| u64::from(*count)).sum();
        let day = |at: Timestamp| at.to_string().get(..10).unwrap_or_default().to_owned();
        let first = day(now.before(Duration::from_secs((DAYS as u64 - 1) * 86_400)));
        let words = if all == 0 {
            format!("no posts since {first}")
        } else {
            format!("{} in {DAYS} days, each day from {first} on: {}", counted(all, "post"), counts.join(", "))
        };
        Self { path, words }
    }
}

/// A line of the latest entries, with its size; nothing for what happens to no entry.
pub(super) fn entry(event: &Event, now: Timestamp) -> Option<(usize, EntryView)> {
    let entry = event.happening.entry()?;
    let title = entry.title.as_deref().and_then(|title| filled(clean(title, TITLE)));
    let view = EntryView {
        id: event.happening.id.to_string(),
        title: title.unwrap_or_else(|| "(no title)".to_owned()),
        link: entry.url.as_deref().and_then(link),
        language: language(entry.language.as_deref()),
        feed: event
            .scene
            .title
            .as_deref()
            .and_then(|title| filled(clean(title, TITLE / 2)))
            .unwrap_or_else(|| clean(&event.scene.feed.0, TITLE)),
        told: moment(event.scene.time, now),
        is_update: event.happening.kind == EventKind::Updated,
    };
    Some((view.title.len(), view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_is_drawn_and_told() {
        let now = Timestamp(1_732_725_900_000);
        let mut posts = Posts::default();
        assert_eq!(Spark::new(&posts, now), Spark { path: String::new(), words: "no posts since 2024-11-14".into() });
        (posts[0], posts[13]) = (1000, 1);
        let spark = Spark::new(&posts, now);
        assert_eq!(spark.path, "M0 18v-18h4v18zM78 18v-2h4v2z", "what is little is seen");
        let words = "1001 posts in 14 days, each day from 2024-11-14 on: 1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1";
        assert_eq!(spark.words, words);
    }

    #[test]
    fn a_rate_is_told_in_the_unit_that_says_something() {
        let all: Vec<_> = [120.4, 3.25, 0.5, 0.02].map(rate).into();
        assert_eq!(all, ["120 a day", "3.2 a day", "3.5 a week", "0.6 a month"]);
    }
}
