//! Control of what waits for sinks, on the unix socket alone: pause and resume, send once more, dead letters, a test.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Board;
use super::control::place_of;
use crate::clock;
use crate::deliver::Deliverer;
use crate::domain::delivery::DeadLetter;
use crate::domain::event::EventKind;
use crate::domain::time::Timestamp;
use crate::log::{self, counted};
use crate::store::{Since, Store, StoreError};

/// Dead letters on one page, and read at a time.
const PAGE: usize = 500;

/// What an order answers: a line for people.
type Answer = (StatusCode, String);

/// What is to be paused, or to go on.
#[derive(Deserialize)]
pub(super) struct Subject {
    name: String,
    /// Needed when a feed and a sink have the same name.
    kind: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Feed,
    Sink,
}

/// Has a feed no longer polled, or a sink no longer delivered to, across restarts; 404 when there is none, 409 when both are called so.
pub(super) async fn pause(State(board): State<Arc<Board>>, Query(subject): Query<Subject>) -> Answer {
    set_paused(&board, subject, true).await
}

/// The opposite.
pub(super) async fn resume(State(board): State<Arc<Board>>, Query(subject): Query<Subject>) -> Answer {
    set_paused(&board, subject, false).await
}

async fn set_paused(board: &Board, Subject { name, kind }: Subject, paused: bool) -> Answer {
    let panel = board.panel();
    let feed = place_of(&panel.poller, &name).filter(|_| kind != Some(Kind::Sink));
    let sink = sink_of(board, &name).filter(|_| kind != Some(Kind::Feed));
    let (what, done) = match (feed, sink) {
        (Some(_), Some(_)) => {
            return (StatusCode::BAD_REQUEST, format!("{name:?} is a feed and a sink; say which with --feed or --sink\n"));
        }
        (Some(place), None) => ("feed", panel.poller.pause(u32::try_from(place).unwrap_or(u32::MAX), paused).await),
        (None, Some(sink)) => ("sink", sink.pause(paused).await),
        (None, None) => return (StatusCode::NOT_FOUND, format!("there is no feed or sink {name:?}\n")),
    };
    match (done, paused) {
        (Err(e), _) => broken(&e),
        (Ok(()), true) => (StatusCode::OK, format!("the {what} {name:?} is paused, across restarts, until it is resumed\n")),
        (Ok(()), false) => (StatusCode::OK, format!("the {what} {name:?} goes on\n")),
    }
}

/// Which sink is to get events once more, and from when on.
#[derive(Deserialize)]
pub(super) struct ReplayOrder {
    sink: String,
    /// A time in RFC 3339, or how long ago.
    since: Option<String>,
    /// A sequence, with or without zeros before it.
    after: Option<u64>,
}

/// Has all events of the past that a sink would want, as far as they are kept, delivered to it once more, behind its news.
pub(super) async fn replay(State(board): State<Arc<Board>>, Query(order): Query<ReplayOrder>) -> Answer {
    let Some(sink) = sink_of(&board, &order.sink) else { return no_sink(&order.sink) };
    let now = clock::now();
    let since = match (&order.since, order.after) {
        (None, Some(sequence)) => Since::After(sequence),
        (Some(text), None) => match time(text, now) {
            Some(time) => Since::Time(time),
            None => {
                return (
                    StatusCode::BAD_REQUEST,
                    format!("{text:?} is neither a time such as 2026-11-24T08:00:00Z nor how long ago, such as 2d\n"),
                );
            }
        },
        _ => return (StatusCode::BAD_REQUEST, "say from when on: one of --since and --after\n".into()),
    };
    match board.store.replay(&sink.route, since, now).await {
        Ok(count) => {
            sink.wake();
            (StatusCode::OK, format!("{} will be sent to {:?} once more, behind its news\n", counted(count, "event"), order.sink))
        }
        Err(e) => broken(&e),
    }
}

/// A time, or how long ago.
fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(ago) = humantime::parse_duration(text) {
        return Some(now.before(ago));
    }
    let at = humantime::parse_rfc3339_weak(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(at.as_millis()).ok().map(Timestamp)
}

/// Whose dead letters.
#[derive(Deserialize)]
pub(super) struct DeadQuestion {
    sink: Option<String>,
    /// Of that sink, those behind this sequence.
    after: Option<u64>,
}

/// `/v1/dead`.
#[derive(Serialize)]
pub(super) struct DeadPage {
    dead: Vec<DeadLine>,
    /// Whether a sink has more than these.
    more: bool,
}

#[derive(Serialize)]
struct DeadLine {
    sink: String,
    sequence: String,
    /// Null when it cannot be read any more.
    event: Option<String>,
    #[serde(rename = "type")]
    kind: Option<EventKind>,
    feed: Option<String>,
    title: Option<String>,
    url: Option<String>,
    buried: String,
    reason: String,
}

/// Lists dead letters, the oldest of each sink first.
pub(super) async fn dead(State(board): State<Arc<Board>>, Query(question): Query<DeadQuestion>) -> Result<Json<DeadPage>, Answer> {
    let panel = board.panel();
    if let Some(name) = question.sink.as_ref().filter(|name| sink_of(&board, name).is_none()) {
        return Err(no_sink(name));
    }
    let mut page = DeadPage { dead: vec![], more: false };
    for sink in panel.deliverers.iter().filter(|d| question.sink.as_ref().is_none_or(|name| *d.id.0 == **name)) {
        let letters = board.store.dead_letters(sink.number(), question.after.unwrap_or(0), PAGE).await.map_err(|e| broken(&e))?;
        page.more |= letters.len() == PAGE;
        page.dead.extend(letters.into_iter().map(|letter| line(sink.id.to_string(), letter)));
    }
    Ok(Json(page))
}

fn line(sink: String, letter: DeadLetter) -> DeadLine {
    let event = letter.event.as_ref();
    let entry = event.and_then(|event| event.happening.entry());
    DeadLine {
        sink,
        sequence: format!("{:020}", letter.sequence),
        event: event.map(|event| event.happening.id.to_string()),
        kind: event.map(|event| event.happening.kind),
        feed: event.map(|event| event.scene.feed.to_string()).filter(|feed| !feed.is_empty()),
        title: entry.and_then(|entry| entry.title.clone()),
        url: entry.and_then(|entry| entry.url.clone()),
        buried: letter.at.to_string(),
        reason: letter.reason,
    }
}

/// Which dead letters, and what becomes of them.
#[derive(Deserialize)]
pub(super) struct DeadOrder {
    sink: String,
    decision: Decision,
    /// Ids of events, or sequences, with commas between; all of the sink's when it is left out.
    which: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Retry,
    Drop,
}

/// Has dead letters tried again, behind the sink's news, or forgets them.
pub(super) async fn redeem(State(board): State<Arc<Board>>, Query(order): Query<DeadOrder>) -> Answer {
    let Some(sink) = sink_of(&board, &order.sink) else { return no_sink(&order.sink) };
    let wanted: Option<HashSet<&str>> = order.which.as_deref().map(|which| which.split(',').map(str::trim).collect());
    let sequences = match chosen(&board.store, sink.number(), wanted.as_ref()).await {
        Ok(sequences) => sequences,
        Err(e) => return broken(&e),
    };
    if let Some(missing) = wanted.map(|wanted| wanted.len().saturating_sub(sequences.len())).filter(|missing| *missing > 0) {
        return (StatusCode::NOT_FOUND, format!("{missing} of these are no dead letters of {:?}; nothing was done\n", order.sink));
    }
    let again = (order.decision == Decision::Retry).then_some(sink.route.order);
    match board.store.redeem(sink.number(), sequences, again, clock::now()).await {
        Ok(count) => {
            sink.wake();
            let done = if again.is_some() { "are tried again, behind the news" } else { "are dropped" };
            (StatusCode::OK, format!("{count} dead letters of {:?} {done}\n", order.sink))
        }
        Err(e) => broken(&e),
    }
}

/// The sequences of a sink's dead letters, or of those of them that are named.
async fn chosen(store: &Store, sink: u32, wanted: Option<&HashSet<&str>>) -> Result<Vec<u64>, StoreError> {
    let named = |letter: &DeadLetter| {
        wanted.is_none_or(|wanted| {
            let by_id = letter.event.as_ref().is_some_and(|event| wanted.contains(event.happening.id.0.as_str()));
            by_id || wanted.iter().any(|name| name.parse() == Ok(letter.sequence))
        })
    };
    let (mut sequences, mut after) = (vec![], 0);
    loop {
        let letters = store.dead_letters(sink, after, PAGE).await?;
        let Some(last) = letters.last() else { return Ok(sequences) };
        after = last.sequence;
        sequences.extend(letters.iter().filter(|letter| named(letter)).map(|letter| letter.sequence));
    }
}

/// Which sink.
#[derive(Deserialize)]
pub(super) struct SinkOrder {
    sink: String,
}

/// Drops all that waits for a sink that is not configured any more; 404 when there never was one, 409 when it is configured.
pub(super) async fn forget(State(board): State<Arc<Board>>, Query(order): Query<SinkOrder>) -> Answer {
    if sink_of(&board, &order.sink).is_some() {
        let text = format!("{:?} is configured; only of a sink that is not is everything forgotten\n", order.sink);
        return (StatusCode::CONFLICT, text);
    }
    let known = match board.store.sinks().await {
        Ok(sinks) => sinks.into_iter().find(|(id, _)| *id.0 == *order.sink),
        Err(e) => return broken(&e),
    };
    let Some((id, number)) = known else { return no_sink(&order.sink) };
    let (waiting, dead) = board.store.backlog(number);
    match board.store.forget(id, number).await {
        Ok(()) => (StatusCode::OK, {
            let (waiting, dead) = (counted(waiting, "event"), counted(dead, "dead letter"));
            format!("{:?} is forgotten, with {waiting} that waited and {dead}\n", order.sink)
        }),
        Err(e) => broken(&e),
    }
}

/// Sends a sink a `feedwire.ping` at once, past its queue: 200 when it took it, 502 when not.
pub(super) async fn test(State(board): State<Arc<Board>>, Query(order): Query<SinkOrder>) -> Answer {
    let Some(sink) = sink_of(&board, &order.sink) else { return no_sink(&order.sink) };
    let began = Instant::now();
    match sink.test().await {
        Ok(()) => (StatusCode::OK, format!("{:?} took a feedwire.ping in {} ms\n", order.sink, began.elapsed().as_millis())),
        Err(e) => (StatusCode::BAD_GATEWAY, format!("{:?} did not take a feedwire.ping: {e}\n", order.sink)),
    }
}

fn sink_of(board: &Board, name: &str) -> Option<Arc<Deliverer>> {
    board.panel().deliverers.iter().find(|deliverer| *deliverer.id.0 == *name).cloned()
}

fn no_sink(name: &str) -> Answer {
    (StatusCode::NOT_FOUND, format!("there is no sink {name:?}\n"))
}

fn broken(error: &StoreError) -> Answer {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", log::chain(error)))
}
