//! `/metrics`: what Prometheus and its kin collect. Every series is there from the start; labels are few: sinks, and words from closed lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::{Board, Panel};
use crate::deliver::{Deliverer, Standing};
use crate::domain::feed::Condition;
use crate::domain::time::Timestamp;
use crate::metrics::REVISION;
use crate::metrics::page::{Labels, Page};
use crate::metrics::process::Usage;
use crate::poll::Glance;
use crate::sink::Sink;

/// With more feeds than these there are no series of single feeds.
const MOST_FEEDS: usize = 1000;

/// How long the store may take to say what waits: while it is being mended, the rest is told without.
const PATIENCE: Duration = Duration::from_secs(2);

/// The states of a sink.
const SINK_STATES: [&str; 5] = ["ok", "failing", "resting", "gone", "paused"];

pub(super) async fn metrics(State(board): State<Arc<Board>>, headers: HeaderMap) -> Response {
    let panel = board.panel();
    let mut page = Page::default();
    daemon(&mut page, &board);
    polling(&mut page, &panel);
    feeds(&mut page, &panel);
    sinks(&mut page, &panel);
    waiting(&mut page, &board, &panel).await;
    let store = board.store.clone();
    let measured = tokio::task::spawn_blocking(move || (store.size(), Usage::now())).await;
    let (size, usage) = measured.unwrap_or_default();
    keeping(&mut page, &board, size);
    page.process(&usage, seconds(board.started));
    let accepted: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    match page.render(&accepted.join(",")) {
        Ok((kind, text)) => ([(CONTENT_TYPE, kind)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Seconds since the epoch.
fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1000.0
}

fn flag(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

fn labels(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

fn daemon(page: &mut Page, board: &Board) {
    let built = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("revision", REVISION.to_owned())];
    page.gauges("build_info", "The version that runs; always 1", vec![(built, 1.0)]);
    let (good, at) = *board.reloaded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    page.gauge("config_last_reload_successful", "Whether the configuration was good when it was read last", flag(good));
    page.gauge("config_last_reload_timestamp_seconds", "When the configuration was read last", seconds(at));
    page.gauge("loops_alive", "Whether every loop has gone round lately, as /livez says", flag(board.is_alive()));
}

fn polling(page: &mut Page, panel: &Panel) {
    let counters = &panel.poller.counters;
    let meters = &counters.meters;
    page.tallies("polls", "Polls of a feed that ended, by what came of them", "result", &[(vec![], &meters.results)]);
    page.histograms("poll_duration_seconds", "How long the exchanges of a poll took", vec![(vec![], &meters.took)]);
    page.histograms("poll_delay_seconds", "How much later a poll began than it was due", vec![(vec![], &meters.delay)]);
    page.counter("poll_received_bytes", "Bytes of bodies that polls received, compressed as they came", &meters.received);
    let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    page.gauge("polls_in_flight", "Polls under way", number(&counters.under_way));
    let waits = |reason, of: &AtomicBool| (labels("reason", reason), flag(of.load(Ordering::Relaxed)));
    let waits = vec![waits("store", &counters.waits_for_store), waits("network", &counters.waits_for_network)];
    page.gauges("polling_waits", "Whether all polling waits, and for what", waits);
    page.counter("entries_read", "Entries in documents that were read, known ones included", &meters.entries);
    let kinds = vec![(labels("kind", "created"), &meters.created), (labels("kind", "updated"), &meters.updated)];
    page.counters("entries", "Entries that were new, or whose words had changed", kinds);
    page.counter("entries_duplicate", "New entries that another feed had brought before", &meters.duplicates);
    page.counter("entries_unwanted", "New or changed entries that no sink wanted", &meters.unwanted);
    page.counter("entries_unreadable", "Entries that could not be read", &meters.unreadable);
    page.histograms("entry_lag_seconds", "From the date of a new entry to its being found", vec![(vec![], &meters.lag)]);
    page.tallies("documents_mended", "Documents that could be read only after mending, by fault", "fault", &[(vec![], &meters.mended)]);
}

fn feeds(page: &mut Page, panel: &Panel) {
    let poller = &panel.poller;
    let conditions = poller.conditions();
    let count = |condition| conditions.iter().filter(|other| **other == condition).count() as f64;
    let states = Condition::ALL.iter().map(|state| (labels("state", state.as_str()), count(*state))).collect();
    page.gauges("feeds", "Feeds by how they fare", states);
    if poller.feeds.len() > MOST_FEEDS {
        return;
    }
    let feeds = poller.counters.feeds();
    let each = |of: fn(&Glance) -> u32| {
        let line = |(feed, glance)| (labels("feed", feed), f64::from(of(glance)));
        poller.feeds.iter().map(|subscription| &*subscription.feed.id.0).zip(&feeds).map(line).collect()
    };
    let success = each(|glance| glance.last_success);
    page.gauges("feed_last_success_timestamp_seconds", "When a poll of the feed last succeeded; 0 for never", success);
    let entry = each(|glance| glance.last_new);
    page.gauges("feed_last_entry_timestamp_seconds", "When the feed last had something new; 0 for never", entry);
}

fn sinks(page: &mut Page, panel: &Panel) {
    let all = || panel.deliverers.iter().map(|deliverer| (labels("sink", &deliverer.id.0), &**deliverer));
    let tallies = |of: fn(&Deliverer) -> &crate::metrics::Tally| all().map(|(labels, d)| (labels, of(d))).collect::<Vec<_>>();
    let attempts = tallies(|d| &d.meters.attempts);
    page.tallies("delivery_attempts", "Attempts at a delivery, by what came of them", "result", &attempts);
    let events = tallies(|d| &d.meters.events);
    page.tallies("deliveries", "Events that were delivered or given up, by which of them", "result", &events);
    let webhooks = all().filter(|(_, d)| matches!(d.sink, Sink::Webhook { .. })).map(|(labels, d)| (labels, &d.meters.answers));
    let help = "How webhooks answered: class of HTTP status, or why there was no answer";
    page.tallies("webhook_answers", help, "class", &webhooks.collect::<Vec<_>>());
    let took = all().map(|(labels, d)| (labels, &d.meters.took)).collect();
    page.histograms("delivery_attempt_duration_seconds", "How long an attempt took", took);
    let latency = all().map(|(labels, d)| (labels, &d.meters.latency)).collect();
    page.histograms("delivery_latency_seconds", "From the commit of an event to its acknowledgement", latency);
    let standings: Vec<_> = all().map(|(labels, d)| (labels, d.standing())).collect();
    let mut states = vec![];
    for (sink, standing) in &standings {
        let is = state_of(standing);
        states.extend(SINK_STATES.map(|state| (sink.iter().cloned().chain(labels("state", state)).collect(), flag(state == is))));
    }
    page.gauges("sink_state", "1 for the state that a sink is in", states);
    let of = |value: fn(&Standing) -> f64| standings.iter().map(|(labels, standing)| (labels.clone(), value(standing))).collect();
    let (width, under_way) = (of(|standing| standing.width as f64), of(|standing| standing.under_way as f64));
    page.gauges("sink_concurrency", "Attempts that a sink is trusted with at once", width);
    page.gauges("sink_attempts_in_flight", "Attempts under way", under_way);
}

fn state_of(standing: &Standing) -> &'static str {
    let condition = standing.condition.as_str();
    match condition {
        _ if standing.paused => "paused",
        "ok" | "failing" if standing.resting => "resting",
        other => other,
    }
}

async fn waiting(page: &mut Page, board: &Board, panel: &Panel) {
    let (mut events, mut oldest) = (vec![], vec![]);
    for deliverer in &panel.deliverers {
        let sink = labels("sink", &deliverer.id.0);
        let (waiting, dead) = board.store.backlog(deliverer.number());
        let with = |state| sink.iter().cloned().chain(labels("state", state)).collect();
        events.extend([(with("waiting"), waiting as f64), (with("dead"), dead as f64)]);
        if let Ok(Ok(at)) = tokio::time::timeout(PATIENCE, board.store.oldest_waiting(deliverer.number())).await {
            oldest.push((sink, at.map_or(0.0, seconds)));
        }
    }
    // What waits for a sink that is not configured any more is somebody's news all the same.
    let all = tokio::time::timeout(PATIENCE, board.store.sinks()).await.ok().and_then(Result::ok).unwrap_or_default();
    for (id, number) in all.into_iter().filter(|(id, _)| panel.deliverers.iter().all(|d| d.id != *id)) {
        let (waiting, dead) = board.store.backlog(number);
        let with = |state| labels("sink", &id.0).into_iter().chain(labels("state", state)).collect();
        if waiting + dead > 0 {
            events.extend([(with("waiting"), waiting as f64), (with("dead"), dead as f64)]);
        }
    }
    page.gauges("outbox_events", "Events that wait for a sink, or that were given up and are kept", events);
    let help = "When the oldest event was committed that waits for a sink; 0 when none does";
    page.gauges("outbox_oldest_timestamp_seconds", help, oldest);
}

fn keeping(page: &mut Page, board: &Board, size: u64) {
    let (store, meters) = (&board.store, board.store.meters());
    page.gauge("store_healthy", "Whether commits go through, as /readyz says", flag(store.is_healthy()));
    page.counter("store_errors", "How often the store failed and was opened again", &meters.errors);
    page.histograms("store_commit_duration_seconds", "How long it took to have a commit on the disk", vec![(vec![], &meters.commit)]);
    page.gauge("store_size_bytes", "What the state directory takes on the disk", size as f64);
    page.gauge("store_free_bytes", "What is free on the disk of the state directory", store.free_space().unwrap_or(0) as f64);
    page.gauge("store_sequence", "The sequence of the newest event", store.sequence() as f64);
}
