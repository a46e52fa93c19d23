//! Control, on the unix socket alone.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::{Board, Order};
use crate::domain::feed::Decision;
use crate::log;

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

/// Decides about entries that are held back; 404 when there is no such feed, 409 when nothing is held back.
pub(super) async fn flood(State(board): State<Arc<Board>>, Query(order): Query<FloodOrder>) -> (StatusCode, String) {
    let panel = board.panel();
    let feeds = panel.poller.feeds.iter().zip(&panel.poller.numbers);
    let Some(number) = feeds.filter(|(f, _)| *f.feed.id.0 == *order.feed).map(|(_, number)| *number).next() else {
        return (StatusCode::NOT_FOUND, format!("there is no feed {:?}\n", order.feed));
    };
    let (decision, done) = match order.decision {
        Decided::Release => (Decision::Release, "the next poll tells what the document still has"),
        Decided::Drop => (Decision::Drop, "the entries stay marked as seen"),
    };
    match board.store.decide(number, decision).await {
        Ok(true) => (StatusCode::OK, format!("{done}\n")),
        Ok(false) => (StatusCode::CONFLICT, format!("nothing of {:?} is held back\n", order.feed)),
        Err(e) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", log::chain(&e))),
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
