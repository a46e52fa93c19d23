//! The read-only pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize, Serializer};

use super::{Board, Panel};
use crate::clock;
use crate::domain::feed::{Condition, FeedState};
use crate::domain::time::Timestamp;
use crate::fetch::Subscription;
use crate::store::{Posts, StoreError};

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
    pub(super) version: &'static str,
    pub(super) instance: String,
    pub(super) uptime_seconds: u64,
    pub(super) store: &'static str,
    pub(super) feeds: usize,
    pub(super) polls: u64,
    sequence: String,
}

pub(super) async fn status(State(board): State<Arc<Board>>) -> Json<StatusPage> {
    Json(status_of(&board))
}

/// The daemon as a whole.
pub(super) fn status_of(board: &Board) -> StatusPage {
    let panel = board.panel();
    StatusPage {
        version: env!("CARGO_PKG_VERSION"),
        instance: panel.poller.instance.clone(),
        uptime_seconds: clock::now().since(board.started).as_secs(),
        store: if board.store.is_healthy() { "ok" } else { "failing" },
        feeds: panel.poller.feeds.len(),
        polls: panel.poller.counters.polls.load(std::sync::atomic::Ordering::Relaxed),
        sequence: format!("{:020}", board.store.sequence()),
    }
}

#[cfg(test)]
impl StatusPage {
    pub(super) fn sample(instance: &str) -> Self {
        let (version, instance, sequence) = ("1.2.3", instance.to_owned(), String::new());
        Self { version, instance, uptime_seconds: 7300, store: "ok", feeds: 3, polls: 1000, sequence }
    }
}

/// Which page of `/v1/feeds`.
#[derive(Deserialize)]
pub(super) struct Page {
    /// Feeds whose names come after this one.
    after: Option<String>,
    /// How many, at most [`PAGE`].
    limit: Option<usize>,
    /// Whether with the posts of each day.
    #[serde(default)]
    posts: bool,
}

/// `/v1/feeds`, in the order of names.
#[derive(Serialize)]
pub(super) struct FeedsPage {
    feeds: Vec<FeedLine>,
    /// The `after` of the next page; null on the last.
    next: Option<String>,
}

/// An instant that is written in RFC 3339.
#[derive(Clone, Copy)]
pub(super) struct At(pub(super) Timestamp);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A feed, as it is shown.
#[derive(Serialize)]
pub(super) struct FeedLine {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) title: Option<String>,
    pub(super) site_url: Option<String>,
    pub(super) tags: Vec<String>,
    /// Whether its certificate is not checked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) insecure: bool,
    pub(super) state: &'static str,
    pub(super) entries: u32,
    pub(super) next_poll: Option<At>,
    last_poll: Option<At>,
    pub(super) last_success: Option<At>,
    pub(super) last_new: Option<At>,
    pub(super) failures: u32,
    pub(super) last_error: Option<String>,
    /// Where permanent redirects lead, once they are believed: there it is asked.
    pub(super) moved_to: Option<String>,
    /// What it is taken to post, on average.
    pub(super) posts_per_day: f64,
    /// Of the last 14 days (UTC), the latest last; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) posts: Option<Posts>,
    /// What had to be mended to read the last document, by name of the fault.
    repairs: BTreeMap<String, u32>,
    pub(super) flood: Option<FloodLine>,
}

/// What is held back.
#[derive(Serialize)]
pub(super) struct FloodLine {
    pub(super) held: u32,
    since: String,
    confirmed: bool,
    released: bool,
}

pub(super) async fn feeds(State(board): State<Arc<Board>>, Query(page): Query<Page>) -> Result<Json<FeedsPage>, StatusCode> {
    let (wanted, more) = page.of(&board.panel());
    let mut feeds = vec![];
    for (subscription, number) in wanted {
        let line = feed_line(&board, &subscription, number, page.posts).await;
        feeds.push(line.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?);
    }
    let next = feeds.last().filter(|_| more).map(|last| last.id.clone());
    Ok(Json(FeedsPage { feeds, next }))
}

impl Page {
    /// The feeds on this page with their numbers, and whether there are more.
    fn of(&self, panel: &Panel) -> (Vec<(Subscription, u32)>, bool) {
        let after = self.after.as_deref().unwrap_or_default();
        let limit = self.limit.unwrap_or(PAGE).clamp(1, PAGE);
        let (feeds, numbers) = (&panel.poller.feeds, &panel.poller.numbers);
        // They are in the order of their names.
        let from = feeds.partition_point(|subscription| &*subscription.feed.id.0 <= after);
        let wanted = feeds.iter().zip(numbers).skip(from).take(limit).map(|(subscription, number)| (subscription.clone(), *number));
        (wanted.collect(), feeds.len() - from > limit)
    }
}

/// A feed as it stands, with the posts of each day if they are wanted.
pub(super) async fn feed_line(board: &Board, subscription: &Subscription, number: u32, posts: bool) -> Result<FeedLine, StoreError> {
    let row = board.store.feed_state(number).await?;
    let mut line = line(subscription, row, board.panel().poller.is_paused(number));
    if posts {
        line.posts = Some(board.store.posts(number, clock::now().day()).await?);
    }
    Ok(line)
}

/// How a feed fares.
pub(super) fn state_of(row: &FeedState, paused: bool) -> Condition {
    if paused { Condition::Paused } else { row.condition() }
}

pub(super) fn line(Subscription { feed, options }: &Subscription, row: FeedState, paused: bool) -> FeedLine {
    let state = state_of(&row, paused).as_str();
    FeedLine {
        id: feed.id.to_string(),
        url: feed.url.clone(),
        title: row.title,
        site_url: row.site_url,
        tags: feed.tags.to_vec(),
        insecure: options.trust.insecure,
        state,
        entries: row.entries,
        next_poll: (row.polls > 0).then_some(At(row.next_poll)),
        last_poll: row.last_poll.map(At),
        last_success: row.last_success.map(At),
        last_new: row.last_new.map(At),
        failures: row.failures,
        last_error: row.last_error,
        moved_to: row.moved.filter(|moved| moved.believed).map(|moved| moved.to),
        posts_per_day: (row.rate.per_second() * 86_400.0 * 100.0).round() / 100.0,
        posts: None,
        repairs: row.repairs.into_iter().collect(),
        flood: row.flood.map(|f| FloodLine { held: f.held, since: f.since.to_string(), confirmed: f.confirmed, released: f.released }),
    }
}

/// `/v1/sinks`.
#[derive(Serialize)]
pub(super) struct SinksPage {
    sinks: Vec<SinkLine>,
}

/// A sink, as it is shown.
#[derive(Default, Serialize)]
pub(super) struct SinkLine {
    pub(super) id: String,
    /// What it is; null for one that is not configured any more.
    pub(super) kind: Option<&'static str>,
    pub(super) state: &'static str,
    pub(super) waiting: u64,
    /// When the oldest of those that wait was told.
    pub(super) oldest_waiting: Option<At>,
    pub(super) dead: u64,
    pub(super) delivered: u64,
    pub(super) last_success: Option<At>,
    pub(super) last_error: Option<String>,
    /// Since when nothing reaches it.
    pub(super) failing_since: Option<At>,
    /// When something is sent next; null when nothing waits, and while nothing may be sent.
    pub(super) next_attempt: Option<At>,
}

pub(super) async fn sinks(State(board): State<Arc<Board>>) -> Result<Json<SinksPage>, StatusCode> {
    let sinks = sink_lines(&board).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(SinksPage { sinks }))
}

/// All sinks: those that are configured, then those of which something is left.
pub(super) async fn sink_lines(board: &Board) -> Result<Vec<SinkLine>, StoreError> {
    let panel = board.panel();
    let mut lines = vec![];
    for deliverer in &panel.deliverers {
        let standing = deliverer.standing();
        let line = sink_line(board, deliverer.number(), deliverer.id.to_string()).await?;
        lines.push(SinkLine {
            kind: Some(deliverer.sink.kind()),
            state: if standing.paused { "paused" } else { standing.condition.as_str() },
            delivered: standing.delivered,
            last_success: standing.last_success.map(At),
            last_error: standing.last_error,
            failing_since: standing.failing_since.map(At),
            next_attempt: standing.next_attempt.map(At).filter(|_| line.waiting > 0),
            ..line
        });
    }
    let all = board.store.sinks().await?;
    for (id, number) in all.into_iter().filter(|(id, _)| panel.deliverers.iter().all(|d| d.id != *id)) {
        let line = sink_line(board, number, id.to_string()).await?;
        if line.waiting + line.dead > 0 {
            lines.push(SinkLine { state: "removed", ..line });
        }
    }
    Ok(lines)
}

/// What waits for a sink.
async fn sink_line(board: &Board, number: u32, id: String) -> Result<SinkLine, StoreError> {
    let (waiting, dead) = board.store.backlog(number);
    let oldest = if waiting > 0 { board.store.oldest_waiting(number).await? } else { None };
    Ok(SinkLine { id, waiting, oldest_waiting: oldest.map(At), dead, ..SinkLine::default() })
}
