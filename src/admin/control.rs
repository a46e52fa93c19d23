//! Control, on the unix socket alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::oneshot;
use tracing::warn;

use super::{Board, Order};
use crate::clock;
use crate::domain::feed::Decision;
use crate::domain::schedule;
use crate::log;
use crate::poll::Poller;
use crate::store::{Compacted, StoreError};

/// Which feed, and what becomes of what is held back there.
#[derive(Deserialize)]
pub(super) struct FloodOrder {
    feed: String,
    decision: Decided,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decided {
    Release,
    Drop,
}

/// Which feed is to be polled now, and whether against its server's wish.
#[derive(Deserialize)]
pub(super) struct PollOrder {
    feed: String,
    #[serde(default)]
    force: bool,
}

/// Has a feed polled as soon as the limits of its host allow; 404 when there is no such feed, 409 when its server has asked not to be asked yet.
pub(super) async fn poll(State(board): State<Arc<Board>>, Query(order): Query<PollOrder>) -> (StatusCode, String) {
    let poller = board.panel().poller.clone();
    let Some(place) = place_of(&poller, &order.feed) else { return no_such(&order.feed) };
    let (Some(subscription), Some(number)) = (poller.feeds.get(place), poller.numbers.get(place)) else { return no_such(&order.feed) };
    let row = match board.store.feed_state(*number).await {
        Ok(row) => row,
        Err(e) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", log::chain(&e))),
    };
    match schedule::unwelcome_until(&subscription.feed.pace, &row, clock::now()) {
        Some(until) if !order.force => {
            let text = format!("the server of {:?} has asked not to be asked before {until}; --force asks all the same\n", order.feed);
            (StatusCode::CONFLICT, text)
        }
        _ => {
            poller.wanted.add(u32::try_from(place).unwrap_or(u32::MAX));
            (StatusCode::ACCEPTED, format!("{:?} is polled as soon as the limits of its host allow\n", order.feed))
        }
    }
}

pub(super) fn place_of(poller: &Poller, feed: &str) -> Option<usize> {
    poller.feeds.iter().position(|subscription| *subscription.feed.id.0 == *feed)
}

fn no_such(feed: &str) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("there is no feed {feed:?}\n"))
}

/// Decides about entries that are held back; 404 when there is no such feed, 409 when nothing is held back.
pub(super) async fn flood(State(board): State<Arc<Board>>, Query(order): Query<FloodOrder>) -> (StatusCode, String) {
    let poller = board.panel().poller.clone();
    let Some(place) = place_of(&poller, &order.feed) else { return no_such(&order.feed) };
    let Some(number) = poller.numbers.get(place).copied() else { return no_such(&order.feed) };
    let (decision, done) = match order.decision {
        Decided::Release => (Decision::Release, "the next poll tells what the document still has"),
        Decided::Drop => (Decision::Drop, "the entries stay marked as seen"),
    };
    match board.store.decide(number, decision).await {
        Ok(true) => {
            // How the feed fares is seen at once, not only after its next poll.
            match board.store.feed_state(number).await {
                Ok(row) => poller.counters.note(place, &row),
                Err(e) => warn!(error = log::chain(&e), "A feed cannot be read."),
            }
            (StatusCode::OK, format!("{done}\n"))
        }
        Ok(false) => (StatusCode::CONFLICT, format!("nothing of {:?} is held back\n", order.feed)),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", log::chain(&e))),
    }
}

/// Where a backup is to be written.
#[derive(Deserialize)]
pub(super) struct BackupOrder {
    file: PathBuf,
}

/// Writes a backup and answers when it is on the disk: 400 when its place is relative, 500 when it cannot be made.
pub(super) async fn backup(State(board): State<Arc<Board>>, Query(BackupOrder { file }): Query<BackupOrder>) -> (StatusCode, String) {
    if !Path::is_absolute(&file) {
        return (StatusCode::BAD_REQUEST, "the path of a backup has to be absolute\n".into());
    }
    let instance = board.panel().poller.instance.clone();
    match board.store.backup(&file, &instance, clock::now()).await {
        Ok(done) => {
            let text = format!(
                "{}: {}, {}, up to sequence {}\n",
                file.display(),
                log::counted(done.rows, "row"),
                log::counted(done.bytes, "byte"),
                done.sequence
            );
            (StatusCode::OK, text)
        }
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", log::chain(&e))),
    }
}

/// Writes the database anew and answers when that is in use: 409 when there is no room or too much is written, 500 when it failed.
pub(super) async fn compact(State(board): State<Arc<Board>>) -> (StatusCode, String) {
    match board.store.compact().await {
        Ok(Compacted { before, after }) => (StatusCode::OK, format!("{before} bytes before, {after} now\n")),
        Err(e @ StoreError::NotMade { .. }) => (StatusCode::CONFLICT, format!("{}\n", log::chain(&e))),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{}\n", log::chain(&e))),
    }
}

/// Reads the configuration anew and answers when that is done: 200 with what changed, 422 with what is wrong.
pub(super) async fn reload(State(board): State<Arc<Board>>) -> (StatusCode, String) {
    let (answer, result) = oneshot::channel();
    let gone = (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n".to_owned());
    if board.orders.send(Order::Reload(Some(answer))).await.is_err() {
        return gone;
    }
    match result.await {
        Ok(Ok(changed)) => (StatusCode::OK, changed + "\n"),
        Ok(Err(wrong)) => (StatusCode::UNPROCESSABLE_ENTITY, wrong + "\n"),
        Err(_) => gone,
    }
}
