//! Control, on the unix socket alone.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::oneshot;

use super::{Board, Order};

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
