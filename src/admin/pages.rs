//! The read-only pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Board, Panel};
use crate::clock;
use crate::domain::feed::{Condition, FeedState};
use crate::fetch::Subscription;

/// Feeds on one page of `/v1/feeds`.
const PAGE: usize = 1000;

/// Whether the loops go round; a dead consumer or feed does not matter.
pub(super) async fn livez(State(board): State<Arc<Board>>) -> (StatusCode, &'static str) {
    if board.is_alive() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "a loop hangs\n") }
}

/// Whether commits go through; a dead consumer or feed does not matter.
pub(super) async fn readyz(State(board): State<Arc<Board>>) -> (StatusCode, &'static str) {
    if board.store.is_healthy() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "the store does not work\n") }
}

/// `/v1/status`: the daemon as a whole.
#[derive(Serialize)]
pub(super) struct StatusPage {
    version: &'static str,
    instance: String,
    uptime_seconds: u64,
    store: &'static str,
    feeds: usize,
    polls: u64,
    sequence: String,
}

pub(super) async fn status(State(board): State<Arc<Board>>) -> Json<StatusPage> {
    let panel = board.panel();
    Json(StatusPage {
        version: env!("CARGO_PKG_VERSION"),
        instance: panel.poller.instance.clone(),
        uptime_seconds: clock::now().since(board.started).as_secs(),
        store: if board.store.is_healthy() { "ok" } else { "failing" },
        feeds: panel.poller.feeds.len(),
        polls: panel.poller.counters.polls.load(std::sync::atomic::Ordering::Relaxed),
        sequence: format!("{:020}", board.store.sequence()),
    })
}

/// Which page of `/v1/feeds`.
#[derive(Deserialize)]
pub(super) struct Page {
    /// Feeds whose names come after this one.
    after: Option<String>,
    /// How many, at most [`PAGE`].
    limit: Option<usize>,
}

/// `/v1/feeds`, in the order of names.
#[derive(Serialize)]
pub(super) struct FeedsPage {
    feeds: Vec<FeedLine>,
    /// The `after` of the next page; null on the last.
    next: Option<String>,
}

#[derive(Serialize)]
struct FeedLine {
    id: String,
    url: String,
    title: Option<String>,
    tags: Vec<String>,
    /// Whether its certificate is not checked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure: bool,
    state: &'static str,
    entries: u32,
    next_poll: Option<String>,
    last_poll: Option<String>,
    last_success: Option<String>,
    last_new: Option<String>,
    failures: u32,
    last_error: Option<String>,
    /// Where permanent redirects lead, once they are believed: there it is asked.
    moved_to: Option<String>,
    /// What it is taken to post, on average.
    posts_per_day: f64,
    /// What had to be mended to read the last document, by name of the fault.
    repairs: BTreeMap<String, u32>,
    flood: Option<FloodLine>,
}

#[derive(Serialize)]
struct FloodLine {
    held: u32,
    since: String,
    confirmed: bool,
    released: bool,
}

pub(super) async fn feeds(State(board): State<Arc<Board>>, Query(page): Query<Page>) -> Result<Json<FeedsPage>, StatusCode> {
    let (wanted, more) = page.of(&board.panel());
    let mut feeds = vec![];
    for (subscription, number) in wanted {
        let row = board.store.feed_state(number).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        let paused = board.panel().poller.is_paused(number);
        feeds.push(line(&subscription, row, paused));
    }
    let next = feeds.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Json(FeedsPage { feeds, next }))
}

impl Page {
    /// The feeds on this page with their numbers, and whether there are more.
    fn of(&self, panel: &Panel) -> (Vec<(Subscription, u32)>, bool) {
        let after = self.after.as_deref().unwrap_or_default();
        let limit = self.limit.unwrap_or(PAGE).clamp(1, PAGE);
        let feeds = panel.poller.feeds.iter().zip(panel.poller.numbers.iter().copied());
        let mut rest: Vec<_> = feeds.filter(|(subscription, _)| &*subscription.feed.id.0 > after).collect();
        rest.sort_by(|a, b| a.0.feed.id.cmp(&b.0.feed.id));
        let more = rest.len() > limit;
        (rest.into_iter().take(limit).map(|(subscription, number)| (subscription.clone(), number)).collect(), more)
    }
}

fn line(Subscription { feed, options }: &Subscription, row: FeedState, paused: bool) -> FeedLine {
    let state = if paused { Condition::Paused } else { row.condition() };
    FeedLine {
        id: feed.id.to_string(),
        url: feed.url.clone(),
        title: row.title,
        tags: feed.tags.to_vec(),
        insecure: options.trust.insecure,
        state: state.as_str(),
        entries: row.entries,
        next_poll: (row.polls > 0).then(|| row.next_poll.to_string()),
        last_poll: row.last_poll.map(|t| t.to_string()),
        last_success: row.last_success.map(|t| t.to_string()),
        last_new: row.last_new.map(|t| t.to_string()),
        failures: row.failures,
        last_error: row.last_error,
        moved_to: row.moved.filter(|moved| moved.believed).map(|moved| moved.to),
        posts_per_day: (row.rate.per_second() * 86_400.0 * 100.0).round() / 100.0,
        repairs: row.repairs.into_iter().collect(),
        flood: row.flood.map(|f| FloodLine { held: f.held, since: f.since.to_string(), confirmed: f.confirmed, released: f.released }),
    }
}

/// `/v1/sinks`.
#[derive(Serialize)]
pub(super) struct SinksPage {
    sinks: Vec<SinkLine>,
}

#[derive(Serialize)]
struct SinkLine {
    id: String,
    state: &'static str,
    waiting: u64,
    dead: u64,
    delivered: u64,
    last_success: Option<String>,
    last_error: Option<String>,
}

pub(super) async fn sinks(State(board): State<Arc<Board>>) -> Result<Json<SinksPage>, StatusCode> {
    let panel = board.panel();
    let mut lines: Vec<_> = panel
        .deliverers
        .iter()
        .map(|deliverer| {
            let (standing, (waiting, dead)) = (deliverer.standing(), board.store.backlog(deliverer.number()));
            SinkLine {
                id: deliverer.id.to_string(),
                state: if standing.paused { "paused" } else { standing.condition.as_str() },
                waiting,
                dead,
                delivered: standing.delivered,
                last_success: standing.last_success.map(|t| t.to_string()),
                last_error: standing.last_error,
            }
        })
        .collect();
    let all = board.store.sinks().await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    for (id, number) in all.into_iter().filter(|(id, _)| panel.deliverers.iter().all(|d| d.id != *id)) {
        let (waiting, dead) = board.store.backlog(number);
        if waiting + dead > 0 {
            let id = id.to_string();
            lines.push(SinkLine { id, state: "removed", waiting, dead, delivered: 0, last_success: None, last_error: None });
        }
    }
    Ok(Json(SinksPage { sinks: lines }))
}
