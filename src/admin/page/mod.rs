//! `/`: the status page, for people. Made whole on the server and readable without scripts; one script has it made anew whenever there is
//! news. What feeds, servers and consumers wrote comes in as text alone.

mod census;
mod choice;
mod view;
mod words;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value};
use tokio::time::timeout;

use super::{Board, Panel, pages, river};
use crate::clock;
use crate::domain::event::EventKind;
use crate::domain::feed::Condition;
use crate::domain::time::Timestamp;
use crate::log;
use crate::store::{Sought, StoreError};
use census::Census;
pub(super) use census::Shelf;
use choice::Choice;
use view::{Count, EntryView, FeedView, Head, Pager, SinkView, View};

/// Feeds on one page.
const PAGE: usize = 100;

/// Entries on the page.
const ENTRIES: usize = 30;

/// Tags that are offered.
const TAGS: usize = 200;

/// How long the store may take; then the page says what is known without it.
const PATIENCE: Duration = Duration::from_secs(5);

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    // A template that cannot be read is missed where it is looked for, and a test does that.
    drop(environment.add_template("page", include_str!("page.html")));
    environment
});

pub(super) async fn style() -> Response {
    secured("text/css; charset=utf-8", include_str!("page.css"))
}

pub(super) async fn script() -> Response {
    secured("text/javascript; charset=utf-8", include_str!("page.js"))
}

pub(super) async fn page(State(board): State<Arc<Board>>, RawQuery(query): RawQuery) -> Response {
    let choice = match Choice::read(query.as_deref()) {
        Ok(choice) => choice,
        Err(refusal) => return refusal.into_response(),
    };
    let now = clock::now();
    let (status, parts) = match timeout(PATIENCE, Parts::read(&board, &choice, now)).await {
        Ok(Ok(parts)) => (StatusCode::OK, parts),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, Parts::missing(log::chain(&error))),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Parts::missing("it does not answer".into())),
    };
    let head = Head::new(&pages::status_of(&board), board.started, board.store.sequence(), now);
    match render(&view(head, choice, parts)) {
        Ok(html) => (status, secured("text/html; charset=utf-8", html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// With what keeps a browser from doing more than it is asked.
fn secured(content_type: &'static str, body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, &str); 6] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body).into_response()
}

fn render(view: &View) -> Result<String, minijinja::Error> {
    let bad = |e: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, e.to_string());
    let value: Value = serde_json::from_slice(&serde_json::to_vec(view).map_err(bad)?).map_err(bad)?;
    TEMPLATES.get_template("page")?.render(value)
}

fn view(head: Head, choice: Choice, parts: Parts) -> View {
    let Parts { trouble, mut tags, counts, sinks, feeds, pager, entries } = parts;
    tags.iter_mut().for_each(|tag| *tag = log::harmless(tag));
    let states = Condition::ALL.map(Condition::as_str);
    View { head, trouble, is_filter: choice.is_filter(), choice, states, tags, counts, sinks, feeds, pager, entries }
}

/// What is read of the store.
#[derive(Default)]
struct Parts {
    trouble: Option<String>,
    tags: Vec<String>,
    counts: Vec<Count>,
    sinks: Vec<SinkView>,
    feeds: Vec<FeedView>,
    pager: Pager,
    entries: Vec<EntryView>,
}

impl Parts {
    fn missing(why: String) -> Self {
        Self { trouble: Some(words::clean(&why, 500)), ..Self::default() }
    }

    async fn read(board: &Board, choice: &Choice, now: Timestamp) -> Result<Self, StoreError> {
        let panel = board.panel();
        let census = Census::take(board, &panel, choice).await?;
        let (places, pager) = census.page(choice);
        let mut feeds = vec![];
        for place in places {
            let (Some(subscription), Some(number)) = (panel.poller.feeds.get(place), panel.poller.numbers.get(place)) else { continue };
            feeds.push(FeedView::new(pages::feed_line(board, subscription, *number, true).await?, now));
        }
        let sinks = pages::sink_lines(board).await?.into_iter().map(|line| SinkView::new(line, now)).collect();
        let sought = Sought { kinds: vec![EventKind::Created, EventKind::Updated], ..Sought::default() };
        let (entries, _) = river::newest(board, &sought, ENTRIES, move |event| view::entry(event, now)).await?;
        Ok(Self { trouble: None, tags: tags(&panel), counts: census.counts(choice), sinks, feeds, pager, entries })
    }
}

/// The tags that there are, in order.
fn tags(panel: &Panel) -> Vec<String> {
    let all: BTreeSet<_> = panel.poller.feeds.iter().flat_map(|subscription| subscription.feed.tags.iter()).collect();
    all.into_iter().take(TAGS).cloned().collect()
}

#[cfg(test)]
mod tests;
