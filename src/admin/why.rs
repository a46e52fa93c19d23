//! `/v1/why`, on the control socket alone: the story of one entry.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Board, Panel};
use crate::clock;
use crate::domain::canonical::canonical;
use crate::domain::event::{EventId, EventKind};
use crate::domain::history::{Fate, Remembered, Told};
use crate::domain::identity;
use crate::domain::time::Timestamp;

/// How much longer than a minute after it was last told the events of an entry are looked for.
const MARGIN: Duration = Duration::from_secs(120);

/// What is asked.
#[derive(Deserialize)]
pub(super) struct Question {
    /// The entry's link, or an identifier that is a URL.
    url: String,
}

#[derive(Serialize)]
pub(super) struct Story {
    url: String,
    /// The form in which links are compared.
    compared_as: String,
    /// What the feeds remember under that link.
    found: Vec<Chapter>,
    /// Feeds that give the link to different entries: it tells nothing there.
    ambiguous_in: Vec<String>,
}

#[derive(Serialize)]
struct Chapter {
    feed: String,
    /// What it can be recognised by.
    names: Vec<&'static str>,
    /// What it was recognised by when it was last read; null when it was new then.
    recognised_by: Option<&'static str>,
    first_seen: Option<String>,
    /// Null while the feed's last document has it.
    last_seen: Option<String>,
    published: Option<String>,
    held: bool,
    revision: u16,
    /// As far as they are still kept.
    events: Vec<EventLine>,
}

#[derive(Serialize)]
struct EventLine {
    id: String,
    #[serde(rename = "type")]
    kind: EventKind,
    sequence: String,
    time: String,
    to: Vec<FateLine>,
}

#[derive(Serialize)]
struct FateLine {
    sink: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    behind: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Looks in every feed.
pub(super) async fn why(State(board): State<Arc<Board>>, Query(question): Query<Question>) -> Result<Json<Story>, StatusCode> {
    let (panel, name) = (board.panel(), identity::of_link(&question.url).alias());
    let mut story = Story { compared_as: canonical(&question.url), url: question.url, found: vec![], ambiguous_in: vec![] };
    for (subscription, number) in panel.poller.feeds.iter().zip(&panel.poller.numbers) {
        let broken = |_| StatusCode::SERVICE_UNAVAILABLE;
        let (found, ambiguous) = board.store.remembered(*number, name).await.map_err(broken)?;
        let feed = &subscription.feed.id;
        if ambiguous {
            story.ambiguous_in.push(feed.to_string());
        }
        for entry in found {
            let id = |kind, revision| EventId::new(&panel.poller.instance, feed, entry.item.id, kind, revision);
            let ids: HashSet<_> = (1..=entry.item.revision).map(|n| id(EventKind::Updated, n)).chain([id(EventKind::Created, 0)]).collect();
            let told = board.store.told(*number, ids, span(&entry)).await.map_err(broken)?;
            story.found.push(chapter(feed.to_string(), &entry, told, &panel));
        }
    }
    Ok(Json(story))
}

/// When the events of an entry were told.
fn span(entry: &Remembered) -> (Timestamp, Timestamp) {
    let from = entry.item.first.timestamp().unwrap_or(Timestamp(0));
    let until = match entry.left {
        None if entry.item.revision == 0 => entry.told.timestamp().unwrap_or(from).after(MARGIN),
        _ => clock::now(),
    };
    (from, until)
}

fn chapter(feed: String, entry: &Remembered, told: Vec<Told>, panel: &Panel) -> Chapter {
    let day = |day: u16| Timestamp(i64::from(day) * 86_400_000).to_string();
    Chapter {
        feed,
        names: entry.names().into_iter().map(identity::Kind::as_str).collect(),
        recognised_by: entry.item.by.map(identity::Kind::as_str),
        first_seen: entry.item.first.timestamp().map(|t| t.to_string()),
        last_seen: entry.left.map(day),
        published: entry.item.date.timestamp().map(|t| t.to_string()),
        held: entry.held,
        revision: entry.item.revision,
        events: told.into_iter().map(|told| event(told, panel)).collect(),
    }
}

fn event(told: Told, panel: &Panel) -> EventLine {
    let name =
        |number: u32| panel.deliverers.iter().find(|d| d.number() == number).map_or_else(|| format!("sink {number}"), |d| d.id.to_string());
    let line = |(sink, fate): (u32, Fate)| {
        let line = FateLine { sink: name(sink), state: "delivered", behind: None, failed: None, at: None, reason: None };
        match fate {
            Fate::Delivered => line,
            Fate::Waiting { behind, failed, last_error } => {
                FateLine { state: "waiting", behind: Some(behind), failed: Some(failed), reason: last_error, ..line }
            }
            Fate::Dead { at, reason } => FateLine { state: "dead", at: Some(at.to_string()), reason: Some(reason), ..line },
        }
    };
    let to = told.to.into_iter().map(line).collect();
    EventLine { id: told.id, kind: told.kind, sequence: format!("{:020}", told.sequence), time: told.time.to_string(), to }
}
