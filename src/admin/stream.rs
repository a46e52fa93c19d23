//! `/v1/stream`: the log as server-sent events (HTML, section 9.2). A piece is read from the store when the client has taken the one before;
//! nothing else is held of a reader.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Board;
use super::ask::{self, Ask, Refusal};
use super::events::{NOSNIFF, rendered};
use super::readers::Place;
use crate::domain::event::Event;
use crate::sink::payload::{self, Content};
use crate::store::{Most, Sought};

/// What is read at once.
const PIECE: Most = Most { events: 64, bytes: 64 << 10 };

/// A comment: it keeps the connection alive and means nothing.
const HEARTBEAT: &str = ":\n\n";

pub(super) async fn stream(State(board): State<Arc<Board>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    open(board, &headers, query.as_deref()).await.unwrap_or_else(IntoResponse::into_response)
}

async fn open(board: Arc<Board>, headers: &HeaderMap, query: Option<&str>) -> Result<Response, Refusal> {
    let ask = Ask::read(query, &["after"])?;
    // A client that connects again asks for the same address, but knows better where it is.
    let from = ask::last_event_id(headers)?.or(ask.after);
    let sought = ask.sought(&board).await?;
    let place = match board.readers.enter() {
        Ok(place) => place,
        Err(full) => return Ok(*full),
    };
    let news = board.store.news();
    let at = from.unwrap_or_else(|| board.store.sequence());
    let reader = Reader { board, sought, at, news, place };
    let headers = [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-store"), NOSNIFF];
    Ok((headers, Body::new(Pieces(Box::pin(reader.next())))).into_response())
}

/// One reader.
struct Reader {
    board: Arc<Board>,
    sought: Sought,
    /// The sequence up to which it has been told everything.
    at: u64,
    news: watch::Receiver<u64>,
    place: Place,
}

impl Reader {
    /// The next piece; `None` when the daemon stops or the store cannot be read. May be cancelled.
    async fn next(mut self) -> Option<(Self, String)> {
        let silent_until = Instant::now() + self.board.readers.pull.heartbeat;
        loop {
            if *self.place.stop.borrow() {
                return None;
            }
            if *self.news.borrow_and_update() > self.at {
                let from = self.at;
                let share = self.board.store.events_after(from, &self.sought, PIECE).await.ok()?;
                self.at = share.next;
                let mut piece = if share.gap { gap(from) } else { String::new() };
                piece.extend(rendered(share.events, message).await);
                if !piece.is_empty() {
                    return Some((self, piece));
                }
                // Others may have much to tell that this one does not want.
                if Instant::now() < silent_until {
                    continue;
                }
            }
            let is_silent = tokio::select! {
                biased;
                _ = self.place.stop.wait_for(|stop| *stop) => return None,
                () = tokio::time::sleep_until(silent_until) => true,
                changed = self.news.changed() => changed.is_err(),
            };
            if is_silent {
                return Some((self, HEARTBEAT.to_owned()));
            }
        }
    }
}

/// One event; its JSON has no line ends.
fn message(event: &Event) -> String {
    let mut message = format!("id: {:020}\nevent: {}\ndata: ", event.sequence, event.happening.kind);
    message += &String::from_utf8_lossy(&payload::event(event, Content::All, None));
    message += "\n\n";
    message
}

/// Says that events behind `after` are no longer there. It has no id: where the reader is does not change.
fn gap(after: u64) -> String {
    format!("event: feedwire.gap\ndata: {{\"after\":\"{after:020}\"}}\n\n")
}

type Next = Pin<Box<dyn Future<Output = Option<(Reader, String)>> + Send>>;

/// The body: asks for a piece when there is room for it.
struct Pieces(Next);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.as_mut().poll(context).map(|next| {
            let (reader, piece) = next?;
            self.0 = Box::pin(reader.next());
            Some(Ok(Frame::data(piece.into())))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventKind;
    use crate::sink::sample;

    #[test]
    fn an_event_is_three_lines_and_an_empty_one() {
        let mut event = sample::event(EventKind::Updated);
        event.sequence = 1042;
        let message = message(&event);
        let lines: Vec<_> = message.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[1], lines[3]), (4, "id: 00000000000000001042", "event: entry.updated", ""));
        let data: serde_json::Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!((&data["sequence"], &data["data"]["entry"]["revision"]), (&"00000000000000001042".into(), &1.into()));
        assert!(message.ends_with("}\n\n"));
        assert_eq!(gap(7), "event: feedwire.gap\ndata: {\"after\":\"00000000000000000007\"}\n\n");
    }
}
